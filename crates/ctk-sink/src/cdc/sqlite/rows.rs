//! Rows into SQLite.

use std::collections::HashMap;

use ctk_db::{DbError, primary_code, quote};
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};

use crate::{
    SinkError,
    cdc::{
        cell::Cell,
        store::{Fate, Layout, Op, Open, Write},
    },
    envelope::push_json_text,
    sqlite::{Holds, push},
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
    let rows = write.rows.len();
    let most = match write.op {
        Op::Move => 1,
        _ => (MOST_PARAMETERS / write.slots.len().max(1)).clamp(1, MOST_ROWS),
    };
    let mut work: Vec<_> = (0..rows).step_by(most).map(|at| at..(at + most).min(rows)).collect();
    while let Some(range) = work.pop() {
        let said = match write.op {
            Op::Put => put(connection, table, write, &range).await?,
            Op::Patch => patch(connection, table, write, &range).await?,
            Op::Delete => delete(connection, table, write, &range).await?,
            Op::Move => move_row(connection, table, write, range.start).await?,
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

fn arguments(
    table: &Open<Holds>,
    slots: &[usize],
    rows: &[Vec<Cell<'_>>],
    times: usize,
) -> SqliteArguments {
    let mut arguments = SqliteArguments::default();
    for _ in 0..times {
        for row in rows {
            for (slot, cell) in slots.iter().zip(row) {
                if let Some(bound) = table.columns[*slot].holds.convert(cell.value()) {
                    push(&mut arguments, bound);
                }
            }
        }
    }
    arguments
}

async fn put(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    range: &std::ops::Range<usize>,
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
    send(connection, table, sql, arguments(table, &write.slots, rows, 1)).await
}

/// Changes the rows that are there, and adds the others: an INSERT that meets a row would fail on a column that must not be
/// NULL, though the row has it.
async fn patch(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    range: &std::ops::Range<usize>,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let rows = &write.rows[range.clone()];
    let with = format!(
        "WITH ctk_rows ({}) AS (VALUES {})",
        names.all.join(", "),
        values(range.len(), names.all.len())
    );
    let (t, same) = (&names.table, names.same_key("t", "ctk_rows"));
    if !names.others().is_empty() {
        let set: Vec<_> =
            names.others().iter().map(|name| format!("{name} = ctk_rows.{name}")).collect();
        let sql =
            format!("{with} UPDATE {t} AS t SET {} FROM ctk_rows WHERE {same}", set.join(", "));
        match send(connection, table, sql, arguments(table, &write.slots, rows, 1)).await? {
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
    send(connection, table, sql, arguments(table, &write.slots, rows, 1)).await
}

async fn delete(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    range: &std::ops::Range<usize>,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let sql = format!(
        "DELETE FROM {} WHERE ({}) IN (VALUES {})",
        names.table,
        names.keys().join(", "),
        values(range.len(), names.keys().len())
    );
    let rows = &write.rows[range.clone()];
    send(connection, table, sql, arguments(table, &write.slots, rows, 1)).await
}

async fn move_row(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'_>,
    at: usize,
) -> Result<Said, SinkError> {
    let names = Names::of(table, write);
    let (row, from) = (&write.rows[at..=at], &write.from[at..=at]);
    let is_key = || {
        let equal: Vec<_> = names.keys().iter().map(|name| format!("{name} = ?")).collect();
        equal.join(" AND ")
    };
    let t = &names.table;
    let set: Vec<_> = names.all.iter().map(|name| format!("{name} = ?")).collect();
    let sql = format!(
        "UPDATE {t} SET {} WHERE {} AND NOT EXISTS (SELECT 1 FROM {t} WHERE {})",
        set.join(", "),
        is_key(),
        is_key()
    );
    let mut bound = arguments(table, &write.slots, row, 1);
    for key in [&from[0], &row[0]] {
        for (slot, cell) in table.key.iter().zip(key) {
            if let Some(bound_cell) = table.columns[*slot].holds.convert(cell.value()) {
                push(&mut bound, bound_cell);
            }
        }
    }
    match send(connection, table, sql, bound).await? {
        Ok(0) => {}
        said => return Ok(said),
    }
    // There is no such row, or one with the new key as well.
    match patch(connection, table, write, &(at..at + 1)).await? {
        Ok(_) => {}
        Err(why) => return Ok(Err(why)),
    }
    let sql = format!("DELETE FROM {t} WHERE {}", is_key());
    send(connection, table, sql, arguments(table, &table.key, from, 1)).await
}

/// Returns a write whose `data` is whole: the members that the rows have, and those that are to change. SQLite's own
/// `json_patch` would go into the members, and take their nulls away.
async fn with_data<'a>(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'a>,
) -> Result<Write<'a>, SinkError> {
    let mut whole = write.clone();
    let (name, pk, data) = match write.slots.as_slice() {
        [pk, data, ..] => (
            quote(&table.name.table),
            quote(&table.columns[*pk].name),
            quote(&table.columns[*data].name),
        ),
        _ => return Ok(whole),
    };
    let keys = if write.op == Op::Move { &write.from } else { &write.rows };
    let mut there: HashMap<String, String> = HashMap::new();
    let both = keys.iter().chain(&write.rows).collect::<Vec<_>>();
    for part in both.chunks(MOST_ROWS) {
        let sql = format!(
            "SELECT {pk}, {data} FROM {name} WHERE {pk} IN ({})",
            vec!["?"; part.len()].join(", ")
        );
        let mut arguments = SqliteArguments::default();
        for key in part {
            if let Some(ctk_flow::Value::Json(text)) = key.first().map(Cell::value) {
                push(&mut arguments, crate::sqlite::Bound::Text(text));
            }
        }
        let rows: Vec<(String, String)> = sqlx::query_as_with(AssertSqlSafe(sql), arguments)
            .fetch_all(&mut *connection)
            .await
            .map_err(DbError::statement(format!("read table {}", table.name.table)))?;
        there.extend(rows);
    }
    let text = |cell: Option<&Cell<'_>>| match cell.map(Cell::value) {
        Some(ctk_flow::Value::Json(text)) => text.to_owned(),
        _ => String::new(),
    };
    for (row, key) in whole.rows.iter_mut().zip(keys) {
        // The one that is there under the new key stays.
        let before = there.get(&text(row.first())).or_else(|| there.get(&text(key.first())));
        let Some(before) = before.and_then(|before| members(before)) else { continue };
        let Some(change) = members(&text(row.get(1))) else { continue };
        let mut all = before;
        for (name, value) in change {
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some(place) => place.1 = value,
                None => all.push((name, value)),
            }
        }
        row[1] = Cell::Json(object(&all));
    }
    Ok(whole)
}

/// Returns the members of an object, in their order; of a name that comes twice the last. Nothing for what is no object.
pub(super) fn members(text: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Members(Vec<(String, Box<RawValue>)>);
    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Members;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Members, A::Error> {
                    let mut all: Vec<(String, Box<RawValue>)> = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                        all.retain(|(other, _)| *other != name);
                        all.push((name, value));
                    }
                    Ok(Members(all))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str(text).ok().map(|Members(all)| all)
}

/// Returns an object of members.
pub(super) fn object(members: &[(String, Box<RawValue>)]) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        push_json_text(name, &mut text);
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    text
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
        Err(error) => {
            let what = format!("write into table {}", table.name.table);
            Err(DbError::statement(what)(error).into())
        }
    }
}
