//! Rows into the table by COPY: straight, or by way of a temporary table where their keys may be there already; and who is to
//! blame when PostgreSQL refuses them.

use std::ops::Range;

use ctk_db::{
    DbError,
    postgres::{Connection, Trouble, sqlstate},
    quote, text_of,
};

use super::{Settings, encode::Part, known::Known};
use crate::{SinkError, names::MESSAGE_ID};

/// The temporary table of a connection.
const STAGING: &str = "pg_temp.ctk_rows";

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// COPY into the table. A key that is there fails the transaction.
    Straight,
    /// COPY into the temporary table, and from there what is not there yet.
    Staged,
}

/// What became of rows.
#[derive(Debug)]
pub(super) enum Sent {
    /// They are in the table, so many of them since now.
    Inserted(u64),
    /// One of them, at least, is refused for what it holds; none of them is in the table.
    Refused(String),
    /// The table ignored one of them, at least; none of them is in the table.
    Ignored,
    /// Straight does not work with this table, or with these keys.
    NotStraight,
}

/// Makes the temporary table anew, with the columns of the target.
pub(super) async fn make_staging(
    connection: &mut Connection,
    settings: &Settings,
    known: &Known,
) -> Result<(), DbError> {
    let columns: Vec<_> = (0..known.columns.len())
        .filter(|slot| !known.columns[*slot].holds.is_generated)
        .map(|slot| quote(&known.columns[slot].name))
        .collect();
    let sql = format!(
        "DROP TABLE IF EXISTS {STAGING}; CREATE TEMPORARY TABLE ctk_rows ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA",
        columns.join(", "),
        settings.quoted()
    );
    execute(connection, sql, "create a temporary table").await
}

/// Sends some rows, within a transaction with a savepoint `rows`, to which this goes back when they are refused.
pub(super) async fn send(
    connection: &mut Connection,
    settings: &Settings,
    known: &Known,
    (part, rows): (&Part, &Range<usize>),
    way: Way,
) -> Result<Sent, SinkError> {
    let columns: Vec<_> =
        part.columns.iter().map(|slot| quote(&known.columns[*slot].name)).collect();
    let columns = columns.join(", ");
    let count = rows.len() as u64;
    let sent = match way {
        Way::Straight => {
            let copied = copy(connection, &settings.quoted(), &columns, part.data(rows)).await;
            copied.map(|copied| match known.id {
                _ if copied == count => Sent::Inserted(copied),
                // Where there are keys, the other way tells what became of the rows.
                Some(_) => Sent::NotStraight,
                None => Sent::Ignored,
            })
        }
        Way::Staged => stage(connection, settings, known, &columns, (part, rows)).await,
    };
    let sent = match sent {
        Err(error) if way == Way::Straight && is_not_straight(&error, known) => Sent::NotStraight,
        Err(error) if ctk_db::postgres::trouble(&error) == Trouble::Rows => {
            Sent::Refused(text_of(&error))
        }
        Err(error)
            if way == Way::Staged
                && matches!(sqlstate(&error).as_deref(), Some("0A000" | "55000")) =>
        {
            return Err(SinkError::Rules { table: settings.shown(), why: text_of(&error) });
        }
        Err(source) => {
            return Err(DbError::Statement {
                what: format!("write into table {}", settings.shown()),
                source,
            }
            .into());
        }
        Ok(sent) => sent,
    };
    if !matches!(sent, Sent::Inserted(_)) {
        execute(connection, "ROLLBACK TO SAVEPOINT rows".into(), "keep the transaction").await?;
    }
    Ok(sent)
}

/// A key that is there, or a table that does not take COPY, for which the other way is a remedy.
fn is_not_straight(error: &sqlx::Error, known: &Known) -> bool {
    match sqlstate(error).as_deref() {
        Some("23505") => known.id.is_some(),
        Some("0A000") => ctk_db::postgres::trouble(error) == Trouble::Other,
        _ => false,
    }
}

async fn stage(
    connection: &mut Connection,
    settings: &Settings,
    known: &Known,
    columns: &str,
    (part, rows): (&Part, &Range<usize>),
) -> Result<Sent, sqlx::Error> {
    let table = settings.quoted();
    // Of an earlier part of this transaction, and what was taken back, which would be passed over else.
    raw(connection, format!("TRUNCATE {STAGING}")).await?;
    copy(connection, STAGING, columns, part.data(rows)).await?;
    let id = quote(MESSAGE_ID);
    let conflict = match known.id {
        Some(_) => format!(" ON CONFLICT ({id}) DO NOTHING"),
        None => String::new(),
    };
    // Without a column there is no list of them.
    let listed = if columns.is_empty() { String::new() } else { format!(" ({columns})") };
    let insert = format!("INSERT INTO {table}{listed} SELECT {columns} FROM {STAGING}{conflict}");
    let inserted = sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut *connection).await?;
    let new = inserted.rows_affected();
    if new == rows.len() as u64 {
        return Ok(Sent::Inserted(new));
    }
    if known.id.is_none() {
        return Ok(Sent::Ignored);
    }
    // There before, put elsewhere by a trigger, or ignored? Those that can be found are there.
    let sql = format!(
        "SELECT EXISTS (SELECT 1 FROM {STAGING} AS s WHERE NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.{id} = s.{id}))"
    );
    let lost: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .fetch_one(connection)
        .await?;
    Ok(if lost { Sent::Ignored } else { Sent::Inserted(new) })
}

/// What begins the binary format: signature, flags, and no header extension.
const HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What ends it.
const TAIL: &[u8] = &[0xff, 0xff];

/// Data goes in pieces of this size, so that the server works on one while the next is on its way.
const PIECE: usize = 256 << 10;

pub(crate) async fn copy(
    connection: &mut Connection,
    table: &str,
    columns: &str,
    data: &[u8],
) -> Result<u64, sqlx::Error> {
    if columns.is_empty() {
        // Records without a member, and no envelope: COPY needs a column, INSERT does not. Each row is two bytes of data.
        let rows = data.len() / 2;
        let sql = format!("INSERT INTO {table} SELECT FROM pg_catalog.generate_series(1, {rows})");
        let inserted = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await?;
        return Ok(inserted.rows_affected());
    }
    let statement = format!("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)");
    let mut copy = connection.copy_in_raw(&statement).await?;
    copy.send(HEAD).await?;
    for piece in data.chunks(PIECE) {
        copy.send(piece).await?;
    }
    copy.send(TAIL).await?;
    copy.finish().await
}

pub(crate) async fn execute(
    connection: &mut Connection,
    sql: String,
    what: &'static str,
) -> Result<(), DbError> {
    raw(connection, sql).await.map_err(DbError::statement(what))
}

pub(crate) async fn raw(connection: &mut Connection, sql: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.map(drop)
}
