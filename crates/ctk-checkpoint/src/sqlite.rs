//! The table in SQLite, as statements on a connection, so that they can be part of the transaction that writes the rows.
//!
//! Whoever writes calls [`create_table`] once before; it also adds our columns to a table that another tool made. Reading
//! works without. `updated_at` is text, `2026-11-20T18:30:00.123Z`, by the clock of the database, so it sorts as it stands.
//! Nothing here is cancel safe outside a transaction: a dropped future may have changed the table or not.

use ctk_db::{DbError, quote, sqlite::columns};
use ctk_flow::{Millis, Position, Sequence, ShardId};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteRow};

use crate::{
    Checkpoint, CheckpointError, Saved, StreamIdentity, TABLE,
    checkpoint::{parse_part, part_text},
    prune::Filter,
    time,
};

/// What the table has in every tool.
const COLUMNS: [&str; 5] = ["namespace", "shard_id", "sequence", "active", "updated_at"];

/// What only we write; null where another tool wrote.
const OWN_COLUMNS: [(&str, &str); 5] = [
    ("finished", "BOOLEAN"),
    ("stream_arn", "TEXT"),
    ("stream_created_at", "INTEGER"),
    ("begins_at", "INTEGER"),
    ("part", "TEXT"),
];

/// Creates the table, or adds what it lacks, and refuses a table of that name which is no checkpoint table.
pub async fn create_table(connection: &mut SqliteConnection) -> Result<(), CheckpointError> {
    let sql = "CREATE TABLE IF NOT EXISTS kinesis_checkpoints (\
               namespace TEXT NOT NULL, shard_id TEXT NOT NULL, sequence TEXT, active BOOLEAN DEFAULT TRUE, \
               updated_at TEXT DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')), \
               finished BOOLEAN, stream_arn TEXT, stream_created_at INTEGER, begins_at INTEGER, part TEXT, PRIMARY KEY (namespace, shard_id))";
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
    let own = OWN_COLUMNS
        .map(|column| if missing.contains(&column) { "NULL" } else { column.0 })
        .join(", ");
    // The names are constants; casts make one type of what other tools may have stored.
    let sql = format!(
        "SELECT namespace, shard_id, CAST(sequence AS TEXT), CAST(active AS INTEGER), CAST(updated_at AS TEXT), {own} \
         FROM {TABLE} WHERE ?1 IS NULL OR namespace = ?1 ORDER BY namespace, shard_id"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(namespace).fetch_all(connection).await;
    let checkpoints = rows.and_then(|rows| rows.iter().map(checkpoint).collect::<Result<_, _>>());
    Ok(checkpoints.map_err(DbError::statement(format!("read table {TABLE}")))?)
}

/// Notes that a run reads the shard, of which stream, and from which instant on, unless that was noted before; sequence and
/// end are kept.
pub async fn claim(
    connection: &mut SqliteConnection,
    namespace: &str,
    shard: &ShardId,
    stream: &StreamIdentity,
    begins: Option<Millis>,
) -> Result<(), CheckpointError> {
    let sql = "UPDATE kinesis_checkpoints SET active = TRUE, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), \
               stream_arn = coalesce(?3, stream_arn), stream_created_at = coalesce(?4, stream_created_at), \
               begins_at = coalesce(begins_at, ?5) WHERE namespace = ?1 AND shard_id = ?2";
    let updated = sqlx::query(sql)
        .bind(namespace)
        .bind(shard.as_str())
        .bind(&stream.arn)
        .bind(stream.created_at)
        .bind(begins)
        .execute(&mut *connection)
        .await
        .map_err(DbError::statement(format!("claim shard {shard}")))?;
    if updated.rows_affected() == 0 {
        let mut checkpoint = Checkpoint::new(namespace, shard.clone());
        checkpoint.stream.clone_from(stream);
        checkpoint.begins_at = begins;
        insert(connection, &checkpoint).await?;
    }
    Ok(())
}

/// Moves a shard on, but never back: a position before the stored one is left alone and reported.
///
/// To be called in a transaction, which makes one step of looking and writing.
pub async fn save(
    connection: &mut SqliteConnection,
    namespace: &str,
    position: &Position,
) -> Result<Saved, CheckpointError> {
    let shard = &position.shard;
    let sql = "SELECT CAST(sequence AS TEXT), part, begins_at FROM kinesis_checkpoints \
               WHERE namespace = ? AND shard_id = ?";
    let stored: Option<(Option<String>, Option<String>, Option<Millis>)> = sqlx::query_as(sql)
        .bind(namespace)
        .bind(shard.as_str())
        .fetch_optional(&mut *connection)
        .await
        .map_err(DbError::statement(format!("read the position of shard {shard}")))?;
    let mut checkpoint = Checkpoint::new(namespace, shard.clone());
    let is_new = stored.is_none();
    if let Some((sequence, part, begins_at)) = stored {
        checkpoint.sequence = sequence.map(Sequence::new);
        checkpoint.part = part.as_deref().and_then(parse_part);
        checkpoint.begins_at = begins_at;
    }
    let saved = checkpoint.advance(position);
    if saved != Saved::Written {
        return Ok(saved);
    }
    if is_new {
        insert(connection, &checkpoint).await?;
        return Ok(saved);
    }
    let sql = "UPDATE kinesis_checkpoints SET sequence = ?3, finished = CASE WHEN ?4 THEN TRUE ELSE finished END, \
               part = ?5, begins_at = ?6, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE namespace = ?1 AND shard_id = ?2";
    sqlx::query(sql)
        .bind(namespace)
        .bind(shard.as_str())
        .bind(checkpoint.sequence.as_ref().map(Sequence::as_str))
        .bind(position.finished)
        .bind(checkpoint.part.as_ref().map(part_text))
        .bind(checkpoint.begins_at)
        .execute(connection)
        .await
        .map_err(DbError::statement(format!("save the position of shard {shard}")))?;
    Ok(saved)
}

/// Notes that no run reads the shard; sequence and end are kept.
pub async fn release(
    connection: &mut SqliteConnection,
    namespace: &str,
    shard: &ShardId,
) -> Result<(), CheckpointError> {
    let sql = "UPDATE kinesis_checkpoints SET active = FALSE, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') \
               WHERE namespace = ? AND shard_id = ?";
    let released = sqlx::query(sql).bind(namespace).bind(shard.as_str()).execute(connection).await;
    released.map_err(DbError::statement(format!("release shard {shard}")))?;
    Ok(())
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

async fn insert(
    connection: &mut SqliteConnection,
    checkpoint: &Checkpoint,
) -> Result<(), CheckpointError> {
    let sql = "INSERT INTO kinesis_checkpoints (namespace, shard_id, sequence, active, updated_at, finished, \
               stream_arn, stream_created_at, begins_at, part) \
               VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?, ?, ?, ?)";
    let insert = sqlx::query(sql)
        .bind(&checkpoint.namespace)
        .bind(checkpoint.shard_id.as_str())
        .bind(checkpoint.sequence.as_ref().map(Sequence::as_str))
        .bind(checkpoint.active)
        .bind(checkpoint.finished)
        .bind(&checkpoint.stream.arn)
        .bind(checkpoint.stream.created_at)
        .bind(checkpoint.begins_at)
        .bind(checkpoint.part.as_ref().map(part_text));
    let what = || format!("note shard {}", checkpoint.shard_id);
    insert.execute(connection).await.map_err(DbError::statement(what()))?;
    Ok(())
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
