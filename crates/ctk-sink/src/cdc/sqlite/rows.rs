//! Rows into SQLite.

use std::ops::Range;

use ctk_db::{DbError, primary_code, quote};
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};

use super::members::with_data;
use crate::{
    SinkError,
    cdc::{
        cell::Cell,
        store::{Fate, Layout, Op, Open, Write},
    },
    sqlite::{Bound, Holds, push},
};

/// The most parameters of a statement (<https://www.sqlite.org/limits.html#max_variable_number>).
const MOST_PARAMETERS: usize = 32_766;
/// The most rows of a statement: more do not make it faster.
const MOST_ROWS: usize = 500;

/// What the database said to a statement.
type Said = Result<u64, String>;

pub(super) async fn write(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
) -> Result<Vec<Fate>, SinkError> {
    let mut fates = vec![None; write.rows.len()];
    let merged;
    let write = match (table.layout, write.op) {
        (Layout::Universal, Op::Patch | Op::Move) => {
            merged = with_data(connection, table, write).await?;
            &merged
        }
        _ => write,
    };
    let mut work = parts(write.rows.len(), write.slots.len() + 1);
    while let Some(range) = work.pop() {
        let said = match write.op {
            Op::Put => put(connection, table, write, &range).await?,
            Op::Patch => patch(connection, table, write, &range).await?,
            Op::Delete => delete(connection, table, write, &range).await?,
            Op::Move => move_row(connection, table, write).await?,
        };
        match said {
            Ok(_) => {}
            Err(why) if range.len() == 1 => fates[range.start] = Some(why),
            Err(_) => {
                let middle = range.start + range.len() / 2;
                work.extend([range.start..middle, middle..range.end]);
            }
        }
    }
    Ok(fates)
}

/// Divides rows into those of a statement. What is left behind the last full one goes in powers of two, so that the statements
/// are few different ones, which sqlx keeps: with 30 columns, to prepare one takes as long as to run it.
pub(super) fn parts(rows: usize, width: usize) -> Vec<Range<usize>> {
    let most = (MOST_PARAMETERS / width.max(1)).clamp(1, MOST_ROWS);
    let mut parts = Vec::new();
    let mut start = 0;
    while start < rows {
        let left = rows - start;
        let end = start + if left < most { 1 << left.ilog2() } else { most };
        parts.push(start..end);
        start = end;
    }
    parts
}

/// The names of columns, as SQL wants them.
struct Names {
    table: String,
    all: Vec<String>,
    keys: usize,
}

impl Names {
    fn of(table: &Open<Holds>, write: &Write<'_>) -> Self {
        let all = write.slots.iter().map(|slot| quote(&table.columns[*slot].name)).collect();
        Self { table: quote(&table.name.table), all, keys: table.key.len() }
    }

    fn keys(&self) -> &[String] {
        self.all.get(..self.keys).unwrap_or_default()
    }

    fn others(&self) -> &[String] {
        self.all.get(self.keys..).unwrap_or_default()
    }

    /// Returns `a.x = b.x AND …` for the columns of the key.
    fn same_key(&self, a: &str, b: &str) -> String {
        let equal = self.keys().iter().map(|name| format!("{a}.{name} = {b}.{name}"));
        equal.collect::<Vec<_>>().join(" AND ")
    }
}

/// Returns `(?, ?), (?, ?), …`.
fn values(rows: usize, width: usize) -> String {
    let row = format!("({})", vec!["?"; width].join(", "));
    vec![row; rows].join(", ")
}

/// The column of masks, which no table has.
const MASK: &str = "\"ctk mask\"";

fn arguments(table: &Open<Holds>, slots: &[usize], rows: &[Vec<Cell<'_>>]) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    bind(&mut arguments, table, slots, rows);
    arguments
}

fn bind(
    arguments: &mut SqliteArguments,
    table: &Open<Holds>,
    slots: &[usize],
    rows: &[Vec<Cell<'_>>],
) {
    for row in rows {
        for (slot, cell) in slots.iter().zip(row) {
            if let Some(bound) = table.columns[*slot].holds.convert(cell.value()) {
                push(arguments, bound);
            }
        }
    }
}

async fn put(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    range: &Range<usize>,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let set: Vec<_> =
        names.others().iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let conflict = if set.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {}", set.join(", "))
    };
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {} ON CONFLICT ({}) DO {conflict}",
        names.table,
        names.all.join(", "),
        values(range.len(), names.all.len()),
        names.keys().join(", "),
    );
    let rows = &write.rows[range.clone()];
    send(connection, table, sql, arguments(table, &write.slots, rows)).await
}

/// Changes the rows that are there, and adds the others: an INSERT that meets a row would fail on a column that must not be
/// NULL, though the row has it.
async fn patch(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    range: &Range<usize>,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let rows = &write.rows[range.clone()];
    let has_masks = !write.masks.is_empty();
    let mask = if has_masks { format!(", {MASK}") } else { String::new() };
    let with = format!(
        "WITH ctk_rows ({}{mask}) AS (VALUES {})",
        names.all.join(", "),
        values(range.len(), names.all.len() + usize::from(has_masks))
    );
    let arguments = || {
        if !has_masks {
            return arguments(table, &write.slots, rows);
        }
        let mut all = SqliteArguments::default();
        for (row, mask) in rows.iter().zip(write.masks.iter().skip(range.start)) {
            bind(&mut all, table, &write.slots, std::slice::from_ref(row));
            push(&mut all, Bound::Text(mask));
        }
        all
    };
    let (t, same) = (&names.table, names.same_key("t", "ctk_rows"));
    if !names.others().is_empty() {
        let set = (1..).zip(names.others()).map(|(at, name): (usize, _)| {
            if !has_masks {
                return format!("{name} = ctk_rows.{name}");
            }
            format!(
                "{name} = CASE substr(ctk_rows.{MASK}, {at}, 1) WHEN '1' THEN ctk_rows.{name} ELSE t.{name} END"
            )
        });
        let set = set.collect::<Vec<_>>().join(", ");
        let sql = format!("{with} UPDATE {t} AS t SET {set} FROM ctk_rows WHERE {same}");
        match send(connection, table, sql, arguments()).await? {
            // As a rule all of them are there.
            Ok(changed) if changed == range.len() as u64 => return Ok(Ok(changed)),
            Ok(_) => {}
            Err(why) => return Ok(Err(why)),
        }
    }
    let all = names.all.join(", ");
    let sql = format!(
        "{with} INSERT INTO {t} ({all}) SELECT {all} FROM ctk_rows WHERE NOT EXISTS (SELECT 1 FROM {t} AS t WHERE {same})"
    );
    send(connection, table, sql, arguments()).await
}

async fn delete(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    range: &Range<usize>,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let sql = format!(
        "DELETE FROM {} WHERE ({}) IN (VALUES {})",
        names.table,
        names.keys().join(", "),
        values(range.len(), names.keys().len())
    );
    let rows = &write.rows[range.clone()];
    send(connection, table, sql, arguments(table, &write.slots, rows)).await
}

/// Gives a row another key. When there is one with that key already, it stays, and the old one goes.
async fn move_row(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
) -> Result<Said, SinkError> {
    savepoint(connection, table, "SAVEPOINT ctk_move").await?;
    let said = move_within(connection, table, write).await?;
    if said.is_err() {
        savepoint(connection, table, "ROLLBACK TO ctk_move").await?;
    }
    savepoint(connection, table, "RELEASE ctk_move").await?;
    Ok(said)
}

async fn savepoint(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    sql: &'static str,
) -> Result<(), SinkError> {
    let done = sqlx::raw_sql(sql).execute(connection).await;
    Ok(done.map(drop).map_err(failed(table))?)
}

async fn move_within(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let t = &names.table;
    let equal =
        |names: &[String]| names.iter().map(|name| format!("{name} = ?")).collect::<Vec<_>>();
    let is_key = equal(names.keys()).join(" AND ");
    let bind = |arguments: &mut SqliteArguments, keys: [&[Vec<Cell<'_>>]; 3]| {
        for key in keys {
            bind(arguments, table, &table.key, key);
        }
    };
    let (new, old) = (&write.rows, &write.from);
    // It goes first, and lets go of what is unique.
    let sql = format!(
        "DELETE FROM {t} WHERE {is_key} AND NOT ({is_key}) AND EXISTS (SELECT 1 FROM {t} WHERE {is_key})"
    );
    let mut bound = SqliteArguments::default();
    bind(&mut bound, [old, new, new]);
    if let Err(why) = send(connection, table, sql, bound).await? {
        return Ok(Err(why));
    }
    let sql = format!(
        "UPDATE {t} SET {} WHERE {is_key} AND NOT EXISTS (SELECT 1 FROM {t} WHERE {is_key})",
        equal(&names.all).join(", ")
    );
    let mut bound = arguments(table, &write.slots, new);
    bind(&mut bound, [old, new, &[]]);
    match send(connection, table, sql, bound).await? {
        // There is no such row any more, or there never was.
        Ok(0) => patch(connection, table, write, &(0..new.len())).await,
        said => Ok(said),
    }
}

/// Returns which of these keys the table has rows of. What a key column does not hold is no row's.
pub(super) async fn find(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    keys: &[Vec<Cell<'_>>],
) -> Result<Vec<bool>, SinkError> {
    let is_key = table.key.iter().map(|slot| format!("{} = ?", quote(&table.columns[*slot].name)));
    let is_key = is_key.collect::<Vec<_>>().join(" AND ");
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE {is_key})", quote(&table.name.table));
    let fits = |(slot, cell): (&usize, &Cell<'_>)| {
        table.columns[*slot].holds.convert(cell.value()).is_some()
    };
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        if !table.key.iter().zip(key).all(fits) {
            found.push(false);
            continue;
        }
        let bound = arguments(table, &table.key, std::slice::from_ref(key));
        let query = sqlx::query_scalar_with(AssertSqlSafe(sql.clone()), bound);
        found.push(query.fetch_one(&mut *connection).await.map_err(failed(table))?);
    }
    Ok(found)
}

/// Sends a statement: how many rows it changed, or what SQLite says against them.
async fn send(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    sql: String,
    arguments: SqliteArguments,
) -> Result<Said, SinkError> {
    match sqlx::query_with(AssertSqlSafe(sql), arguments).execute(connection).await {
        Ok(done) => Ok(Ok(done.rows_affected())),
        // Too big, constraint, mismatch: <https://www.sqlite.org/rescode.html>.
        Err(error) if matches!(primary_code(&error), Some(18..=20)) => Ok(Err(error.to_string())),
        Err(error) => Err(failed(table)(error).into()),
    }
}

fn failed(table: &Open<Holds>) -> impl FnOnce(sqlx::Error) -> DbError {
    DbError::statement(format!("write into table {}", table.name.table))
}
