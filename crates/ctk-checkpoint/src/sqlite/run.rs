//! What a run does with its rows: takes them over, moves them on, lets them go.

use ctk_db::DbError;
use ctk_flow::{Millis, Position, Sequence, ShardId};
use sqlx::{AssertSqlSafe, Connection, Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{checkpoint, select};
use crate::{
    Checkpoint, CheckpointError, Holder, Owner, Saved, StreamIdentity, checkpoint::part_text,
    holder::Row,
};

/// Takes the namespace over from the run that had it, which can write nothing from now on, and returns how far it came. In a
/// transaction of its own, after [`super::create_table`].
pub async fn open(
    connection: &mut SqliteConnection,
    namespace: &str,
    stream: StreamIdentity,
) -> Result<(Holder, Vec<Checkpoint>), CheckpointError> {
    let failed = || DbError::statement(format!("take over namespace \"{namespace}\""));
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
    let sql = select(&[], "namespace = ?");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(namespace).fetch_all(&mut *transaction).await;
    let rows: Vec<Row> =
        rows.and_then(|rows| rows.iter().map(row).collect::<Result<_, _>>()).map_err(failed())?;
    let holder = Holder::after(&rows, "", namespace, stream);
    // `updated_at` stays: it tells how old the position is.
    sqlx::query("UPDATE kinesis_checkpoints SET owner = ? WHERE namespace = ?")
        .bind(holder.owner.to_string())
        .bind(namespace)
        .execute(&mut *transaction)
        .await
        .map_err(failed())?;
    transaction.commit().await.map_err(failed())?;
    Ok((holder, rows.into_iter().map(|row| row.checkpoint).collect()))
}

/// Notes that the run reads the shard, of which stream, and from which instant on, unless that was noted before; sequence and
/// end are kept. In a transaction of its own.
pub async fn claim(
    connection: &mut SqliteConnection,
    holder: &Holder,
    shard: &ShardId,
    begins: Option<Millis>,
) -> Result<(), CheckpointError> {
    let failed = || DbError::statement(format!("claim shard {shard}"));
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed())?;
    let sql =
        "SELECT DISTINCT owner FROM kinesis_checkpoints WHERE namespace = ? AND owner IS NOT NULL";
    let owners: Vec<String> = sqlx::query_scalar(sql)
        .bind(&holder.namespace)
        .fetch_all(&mut *transaction)
        .await
        .map_err(failed())?;
    holder.is_last(owners.iter().filter_map(|owner| Owner::parse(owner)), shard)?;
    let row = find(&mut transaction, holder, shard).await.map_err(failed())?;
    let is_new = row.is_none();
    let claimed = holder.claimed(row, shard, begins)?;
    if is_new {
        insert(&mut transaction, holder, &claimed).await?;
    } else {
        update(&mut transaction, holder, &claimed).await?;
    }
    Ok(transaction.commit().await.map_err(failed())?)
}

/// Moves shards on, but never back: a position before the stored one is left alone and reported. Returns what became of
/// each, in their order.
///
/// To be called in the transaction that writes the rows, which is to be rolled back on an error.
pub async fn save(
    connection: &mut SqliteConnection,
    holder: &Holder,
    positions: &[Position],
) -> Result<Vec<Saved>, CheckpointError> {
    let what = format!("read the positions of namespace \"{}\"", holder.namespace);
    let rows = find_all(connection, holder, positions).await.map_err(DbError::statement(what))?;
    let (saved, changes) = holder.saved(rows, positions)?;
    for checkpoint in &changes.moved {
        update(connection, holder, checkpoint).await?;
    }
    for checkpoint in &changes.new {
        insert(connection, holder, checkpoint).await?;
    }
    Ok(saved)
}

/// Returns true when these positions are stored, or later ones: the transaction that carried them was committed, though its
/// answer was lost. Where nothing moved, nothing tells, and it is false.
pub async fn is_saved(
    connection: &mut SqliteConnection,
    holder: &Holder,
    positions: &[Position],
) -> Result<bool, CheckpointError> {
    let rows = find_all(connection, holder, positions).await;
    let what = format!("read the positions of namespace \"{}\"", holder.namespace);
    holder.is_saved(rows.map_err(DbError::statement(what))?, positions)
}

/// Notes that no run reads the shard; sequence and end are kept. The row of a later run stays as it is.
pub async fn release(
    connection: &mut SqliteConnection,
    holder: &Holder,
    shard: &ShardId,
) -> Result<(), CheckpointError> {
    let sql = "UPDATE kinesis_checkpoints SET active = FALSE, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') \
               WHERE namespace = ? AND shard_id = ? AND owner = ?";
    let release = sqlx::query(sql)
        .bind(&holder.namespace)
        .bind(shard.as_str())
        .bind(holder.owner.to_string());
    let released = release.execute(connection).await;
    released.map_err(DbError::statement(format!("release shard {shard}")))?;
    Ok(())
}

async fn find_all(
    connection: &mut SqliteConnection,
    holder: &Holder,
    positions: &[Position],
) -> Result<Vec<Row>, sqlx::Error> {
    let mut rows = Vec::with_capacity(positions.len());
    for position in positions {
        rows.extend(find(connection, holder, &position.shard).await?);
    }
    Ok(rows)
}

async fn find(
    connection: &mut SqliteConnection,
    holder: &Holder,
    shard: &ShardId,
) -> Result<Option<Row>, sqlx::Error> {
    let sql = select(&[], "namespace = ? AND shard_id = ?");
    let find = sqlx::query(AssertSqlSafe(sql)).bind(&holder.namespace).bind(shard.as_str());
    find.fetch_optional(connection).await?.as_ref().map(row).transpose()
}

async fn update(
    connection: &mut SqliteConnection,
    holder: &Holder,
    checkpoint: &Checkpoint,
) -> Result<(), CheckpointError> {
    let sql = "UPDATE kinesis_checkpoints SET sequence = ?3, active = ?4, finished = ?5, stream_arn = ?6, \
               stream_created_at = ?7, begins_at = ?8, part = ?9, owner = ?10, \
               updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE namespace = ?1 AND shard_id = ?2";
    write(connection, sql, holder, checkpoint).await
}

async fn insert(
    connection: &mut SqliteConnection,
    holder: &Holder,
    checkpoint: &Checkpoint,
) -> Result<(), CheckpointError> {
    let sql = "INSERT INTO kinesis_checkpoints (namespace, shard_id, sequence, active, finished, stream_arn, \
               stream_created_at, begins_at, part, owner, updated_at) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))";
    write(connection, sql, holder, checkpoint).await
}

async fn write(
    connection: &mut SqliteConnection,
    sql: &'static str,
    holder: &Holder,
    checkpoint: &Checkpoint,
) -> Result<(), CheckpointError> {
    let Checkpoint { shard_id, sequence, active, finished, stream, begins_at, part, .. } =
        checkpoint;
    let write = sqlx::query(sql)
        .bind(&holder.namespace)
        .bind(shard_id.as_str())
        .bind(sequence.as_ref().map(Sequence::as_str))
        .bind(active)
        .bind(finished)
        .bind(&stream.arn)
        .bind(stream.created_at)
        .bind(begins_at)
        .bind(part.as_ref().map(part_text))
        .bind(holder.owner.to_string());
    let what = format!("change the checkpoint of shard {shard_id}");
    let written = write.execute(connection).await.map_err(DbError::statement(what))?;
    match written.rows_affected() {
        0 => Err(CheckpointError::ignored(shard_id)),
        _ => Ok(()),
    }
}

fn row(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let owner: Option<String> = row.try_get(10)?;
    Ok(Row { checkpoint: checkpoint(row)?, owner: owner.as_deref().and_then(Owner::parse) })
}
