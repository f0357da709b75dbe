//! The table in SQLite, as statements on a connection, so that they can be part of the transaction that writes the rows.
//!
//! Whoever writes calls [`create_table`] and [`open`] once before; the former also adds our columns to a table that another
//! tool made. Reading works without. `updated_at` is text, `2026-11-20T18:30:00.123Z`, by the clock of the database, so it
//! sorts as it stands. Nothing here is cancel safe outside a transaction: a dropped future may have changed the table or not.

mod run;

use ctk_db::{DbError, quote, sqlite::columns};
use ctk_flow::{Sequence, ShardId};
use sqlx::{AssertSqlSafe, Connection, Row as _, SqliteConnection, sqlite::SqliteRow};

pub use run::{claim, is_saved, open, release, save};

use crate::{
    Checkpoint, CheckpointError, StreamIdentity, TABLE, checkpoint::parse_part, prune::Filter, time,
};

/// What the table has in every tool.
const COLUMNS: [&str; 5] = ["namespace", "shard_id", "sequence", "active", "updated_at"];

/// What only we write; null where another tool wrote.
const OWN_COLUMNS: [(&str, &str); 6] = [
    ("finished", "BOOLEAN"),
    ("stream_arn", "TEXT"),
    ("stream_created_at", "INTEGER"),
    ("begins_at", "INTEGER"),
    ("part", "TEXT"),
    ("owner", "TEXT"),
];

/// Creates the table, or adds what it lacks, and refuses a table of that name which is no checkpoint table.
pub async fn create_table(connection: &mut SqliteConnection) -> Result<(), CheckpointError> {
    let sql = "CREATE TABLE IF NOT EXISTS kinesis_checkpoints (\
               namespace TEXT NOT NULL, shard_id TEXT NOT NULL, sequence TEXT, active BOOLEAN DEFAULT TRUE, \
               updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
               finished BOOLEAN, stream_arn TEXT, stream_created_at INTEGER, begins_at INTEGER, part TEXT, owner TEXT, PRIMARY KEY (namespace, shard_id))";
    sqlx::query(sql)
        .execute(&mut *connection)
        .await
        .map_err(DbError::statement(format!("create table {TABLE}")))?;
    let Present::Without(missing) = present(connection).await? else { return Ok(()) };
    for (name, declared) in missing {
        let sql = format!("ALTER TABLE {TABLE} ADD COLUMN {name} {declared}");
        let added = sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await;
        // Another run may have added it in between.
        if let Err(error) = added
            && !has(&columns(connection, TABLE).await?, name)
        {
            return Err(
                DbError::statement(format!("add column {name} to table {TABLE}"))(error).into()
            );
        }
    }
    Ok(())
}

/// Returns the checkpoints of a namespace, by shard; none when there is no table.
pub async fn load(
    connection: &mut SqliteConnection,
    namespace: &str,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    match list(connection, Some(namespace)).await {
        Err(CheckpointError::NoTable { .. }) => Ok(Vec::new()),
        checkpoints => checkpoints,
    }
}

/// Returns the checkpoints of a namespace, or all, by namespace and shard.
pub async fn list(
    connection: &mut SqliteConnection,
    namespace: Option<&str>,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let missing = match present(connection).await? {
        Present::Nothing => return Err(CheckpointError::NoTable { table: quote(TABLE) }),
        Present::Complete => Vec::new(),
        Present::Without(missing) => missing,
    };
    let sql = select(&missing, "?1 IS NULL OR namespace = ?1");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(namespace).fetch_all(connection).await;
    let checkpoints = rows.and_then(|rows| rows.iter().map(checkpoint).collect::<Result<_, _>>());
    Ok(checkpoints.map_err(DbError::statement(format!("read table {TABLE}")))?)
}

/// Returns what the filter means, to be shown, and then handed to [`delete`].
pub async fn prunable(
    connection: &mut SqliteConnection,
    filter: &Filter,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let mut checkpoints = list(connection, filter.namespace()).await?;
    checkpoints.retain(|checkpoint| filter.is_prunable(checkpoint));
    Ok(checkpoints)
}

/// Deletes checkpoints as they were shown, in one transaction of its own; returns how many.
///
/// One that changed since, as a run may have claimed the shard, stays.
pub async fn delete(
    connection: &mut SqliteConnection,
    shown: &[Checkpoint],
) -> Result<u64, CheckpointError> {
    let failed = || DbError::statement(format!("delete from table {TABLE}"));
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
    let present = list(&mut transaction, None).await?;
    let mut deleted = 0;
    for checkpoint in shown.iter().filter(|checkpoint| present.contains(checkpoint)) {
        let sql = "DELETE FROM kinesis_checkpoints WHERE namespace = ? AND shard_id = ?";
        let delete =
            sqlx::query(sql).bind(&checkpoint.namespace).bind(checkpoint.shard_id.as_str());
        deleted += delete.execute(&mut *transaction).await.map_err(failed())?.rows_affected();
    }
    transaction.commit().await.map_err(failed())?;
    Ok(deleted)
}

/// Returns the statement that reads what [`checkpoint`] takes, and then the owner.
fn select(missing: &[(&'static str, &'static str)], condition: &str) -> String {
    let own = OWN_COLUMNS
        .map(|column| if missing.contains(&column) { "NULL" } else { column.0 })
        .join(", ");
    // The names are constants; casts make one type of what other tools may have stored.
    format!(
        "SELECT namespace, shard_id, CAST(sequence AS TEXT), CAST(active AS INTEGER), CAST(updated_at AS TEXT), {own} \
         FROM {TABLE} WHERE {condition} ORDER BY namespace, shard_id"
    )
}

/// What there is of the table.
enum Present {
    Nothing,
    Complete,
    /// All that every tool has; these of ours are missing.
    Without(Vec<(&'static str, &'static str)>),
}

async fn present(connection: &mut SqliteConnection) -> Result<Present, CheckpointError> {
    let columns = columns(connection, TABLE).await?;
    if columns.is_empty() {
        return Ok(Present::Nothing);
    }
    if let Some(column) = COLUMNS.into_iter().find(|name| !has(&columns, name)) {
        return Err(CheckpointError::MissingColumn { table: quote(TABLE), column });
    }
    let missing: Vec<_> =
        OWN_COLUMNS.into_iter().filter(|(name, _)| !has(&columns, name)).collect();
    Ok(if missing.is_empty() { Present::Complete } else { Present::Without(missing) })
}

fn has(columns: &[ctk_db::sqlite::Column], name: &str) -> bool {
    columns.iter().any(|column| column.name.eq_ignore_ascii_case(name))
}

fn checkpoint(row: &SqliteRow) -> Result<Checkpoint, sqlx::Error> {
    let shard_id: String = row.try_get(1)?;
    let active: Option<i64> = row.try_get(3)?;
    let updated_at: Option<String> = row.try_get(4)?;
    let finished: Option<bool> = row.try_get(5)?;
    Ok(Checkpoint {
        namespace: row.try_get(0)?,
        shard_id: ShardId::new(&shard_id),
        sequence: row.try_get::<Option<String>, _>(2)?.map(Sequence::new),
        active: active.map(|active| active != 0),
        updated_at: updated_at.and_then(|text| time::parse(&text)),
        finished: finished.unwrap_or_default(),
        stream: StreamIdentity { arn: row.try_get(6)?, created_at: row.try_get(7)? },
        begins_at: row.try_get(8)?,
        part: row.try_get::<Option<String>, _>(9)?.as_deref().and_then(parse_part),
    })
}

#[cfg(test)]
mod tests;
