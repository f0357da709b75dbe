//! What a run does with its rows: takes them over, moves them on, lets them go.

use ctk_db::DbError;
use ctk_flow::{Millis, Position, Sequence, ShardId};
use sqlx::{AssertSqlSafe, PgConnection, Row as _, postgres::PgRow};

use super::{begin, checkpoint, end, name, select, table::lock};
use crate::{
    Checkpoint, CheckpointError, Holder, Owner, Saved, StreamIdentity, checkpoint::part_text,
    holder::Row,
};

/// Takes the namespace over from the run that had it, which can write nothing from now on, and returns how far it came. In a
/// transaction of its own, after [`super::create_table`].
///
/// A transaction of the other run that saved its position already is waited for; one that did not yet will fail.
pub async fn open(
    connection: &mut PgConnection,
    schema: &str,
    namespace: &str,
    stream: StreamIdentity,
) -> Result<(Holder, Vec<Checkpoint>), CheckpointError> {
    let what = format!("take over namespace \"{namespace}\"");
    let mut transaction = begin(connection, &what).await?;
    let opened = take_over(&mut transaction, schema, namespace, stream, &what).await;
    end(transaction, opened, what).await
}

async fn take_over(
    connection: &mut PgConnection,
    schema: &str,
    namespace: &str,
    stream: StreamIdentity,
    what: &str,
) -> Result<(Holder, Vec<Checkpoint>), CheckpointError> {
    let failed = || DbError::statement(what);
    lock(connection, schema, namespace).await.map_err(failed())?;
    let sql = select(schema, &[], "namespace::text = $1", "FOR UPDATE");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(namespace).persistent(false);
    let rows = rows.fetch_all(&mut *connection).await;
    let rows: Vec<Row> =
        rows.and_then(|rows| rows.iter().map(row).collect::<Result<_, _>>()).map_err(failed())?;
    let holder = Holder::after(&rows, schema, namespace, stream);
    // Only rows that were read: one that is committed meanwhile is not known, and is looked at when it is claimed.
    // `updated_at` stays: it tells how old the position is.
    let sql = format!(
        "UPDATE {} SET owner = $2 WHERE namespace::text = $1 AND shard_id::text = ANY($3)",
        name(schema)
    );
    let shards: Vec<&str> = rows.iter().map(|row| row.checkpoint.shard_id.as_str()).collect();
    let update = sqlx::query(AssertSqlSafe(sql)).bind(namespace).bind(holder.owner.to_string());
    let updated =
        update.bind(&shards).persistent(false).execute(connection).await.map_err(failed())?;
    if updated.rows_affected() != shards.len() as u64
        && let Some(row) = rows.first()
    {
        return Err(CheckpointError::ignored(&row.checkpoint.shard_id));
    }
    Ok((holder, rows.into_iter().map(|row| row.checkpoint).collect()))
}

/// Notes that the run reads the shard, of which stream, and from which instant on, unless that was noted before; sequence and
/// end are kept. In a transaction of its own.
pub async fn claim(
    connection: &mut PgConnection,
    holder: &Holder,
    shard: &ShardId,
    begins: Option<Millis>,
) -> Result<(), CheckpointError> {
    let what = format!("claim shard {shard}");
    let mut transaction = begin(connection, &what).await?;
    let claimed = take(&mut transaction, holder, shard, begins).await;
    end(transaction, claimed, what).await
}

async fn take(
    connection: &mut PgConnection,
    holder: &Holder,
    shard: &ShardId,
    begins: Option<Millis>,
) -> Result<(), CheckpointError> {
    let failed = || DbError::statement(format!("claim shard {shard}"));
    lock(connection, &holder.schema, &holder.namespace).await.map_err(failed())?;
    let sql = format!(
        "SELECT DISTINCT owner FROM {} WHERE namespace::text = $1 AND owner IS NOT NULL",
        name(&holder.schema)
    );
    let owners: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(&holder.namespace)
        .fetch_all(&mut *connection)
        .await
        .map_err(failed())?;
    holder.is_last(owners.iter().filter_map(|owner| Owner::parse(owner)), shard)?;
    let mut row = find(connection, holder, &[shard.as_str()]).await?.pop();
    if row.is_none() {
        let claimed = [holder.claimed(None, shard, begins)?];
        if insert(connection, holder, &claimed).await? == 1 {
            return Ok(());
        }
        // A save of another run put it there, and it had to be waited for.
        row = find(connection, holder, &[shard.as_str()]).await?.pop();
    }
    let row = row.ok_or_else(|| CheckpointError::ignored(shard))?;
    let claimed = [holder.claimed(Some(row), shard, begins)?];
    update(connection, holder, &claimed).await
}

/// Moves shards on, but never back: a position before the stored one is left alone and reported. Returns what became of
/// each, in their order.
///
/// To be called once in the transaction that writes the rows, which is to be rolled back on an error. Of the levels of
/// isolation READ COMMITTED is enough; stricter ones may fail where another run was there, to be tried again.
pub async fn save(
    connection: &mut PgConnection,
    holder: &Holder,
    positions: &[Position],
) -> Result<Vec<Saved>, CheckpointError> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let rows = find(connection, holder, &shards(positions)).await?;
    let (saved, changes) = holder.saved(rows, positions)?;
    if !changes.moved.is_empty() {
        update(connection, holder, &changes.moved).await?;
    }
    if !changes.new.is_empty()
        && insert(connection, holder, &changes.new).await? != changes.new.len() as u64
        && let Some(new) = changes.new.first()
    {
        // Another run was faster.
        return Err(holder.taken_over(&new.shard_id));
    }
    Ok(saved)
}

/// Returns true when these positions are stored, or later ones: the transaction that carried them was committed, though its
/// answer was lost. Where nothing moved, nothing tells, and it is false.
///
/// The server may still be busy with that transaction: it is waited for, as it has locked these rows.
pub async fn is_saved(
    connection: &mut PgConnection,
    holder: &Holder,
    positions: &[Position],
) -> Result<bool, CheckpointError> {
    let what = read_positions(holder);
    let mut transaction = begin(connection, &what).await?;
    let rows = find(&mut transaction, holder, &shards(positions)).await;
    holder.is_saved(end(transaction, rows, what).await?, positions)
}

/// Notes that no run reads the shard; sequence and end are kept. The row of a later run stays as it is.
pub async fn release(
    connection: &mut PgConnection,
    holder: &Holder,
    shard: &ShardId,
) -> Result<(), CheckpointError> {
    let sql = format!(
        "UPDATE {} SET active = FALSE, updated_at = pg_catalog.clock_timestamp() \
         WHERE namespace::text = $1 AND shard_id::text = $2 AND owner = $3",
        name(&holder.schema)
    );
    let release = sqlx::query(AssertSqlSafe(sql))
        .bind(&holder.namespace)
        .bind(shard.as_str())
        .bind(holder.owner.to_string());
    let what = format!("release shard {shard}");
    let mut transaction = begin(connection, &what).await?;
    let released = release.execute(&mut *transaction).await.map(drop);
    let released = released.map_err(|error| DbError::statement(&what)(error).into());
    end(transaction, released, what).await
}

fn shards(positions: &[Position]) -> Vec<&str> {
    positions.iter().map(|position| position.shard.as_str()).collect()
}

fn read_positions(holder: &Holder) -> String {
    format!("read the positions of namespace \"{}\"", holder.namespace)
}

/// Reads the rows of shards, and locks them.
async fn find(
    connection: &mut PgConnection,
    holder: &Holder,
    shards: &[&str],
) -> Result<Vec<Row>, CheckpointError> {
    let sql = select(
        &holder.schema,
        &[],
        "namespace::text = $1 AND shard_id::text = ANY($2)",
        "FOR UPDATE",
    );
    let find = sqlx::query(AssertSqlSafe(sql)).bind(&holder.namespace).bind(shards);
    let rows = find.fetch_all(connection).await;
    let rows = rows.and_then(|rows| rows.iter().map(row).collect::<Result<_, _>>());
    Ok(rows.map_err(DbError::statement(read_positions(holder)))?)
}

/// What a row holds beside its key and its owner, and how an array of it is declared.
const VALUES: &str =
    "shard_id, sequence, active, finished, stream_arn, stream_created_at, begins_at, part";
const ARRAYS: &str = "$3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::text[], $8::bigint[], $9::bigint[], $10::text[]";

async fn update(
    connection: &mut PgConnection,
    holder: &Holder,
    checkpoints: &[Checkpoint],
) -> Result<(), CheckpointError> {
    let sql = format!(
        "UPDATE {} AS t SET sequence = m.sequence, active = m.active, finished = m.finished, \
         stream_arn = m.stream_arn, stream_created_at = m.stream_created_at, begins_at = m.begins_at, \
         part = m.part, owner = $2, updated_at = pg_catalog.clock_timestamp() \
         FROM unnest({ARRAYS}) AS m ({VALUES}) WHERE t.namespace::text = $1 AND t.shard_id::text = m.shard_id",
        name(&holder.schema)
    );
    let updated = write(connection, sql, holder, checkpoints).await?;
    match checkpoints.first() {
        Some(first) if updated != checkpoints.len() as u64 => {
            Err(CheckpointError::ignored(&first.shard_id))
        }
        _ => Ok(()),
    }
}

/// Returns how many rows were put in: those that another run put there meanwhile are not, and are waited for.
async fn insert(
    connection: &mut PgConnection,
    holder: &Holder,
    checkpoints: &[Checkpoint],
) -> Result<u64, CheckpointError> {
    let sql = format!(
        "INSERT INTO {} (namespace, owner, updated_at, {VALUES}) \
         SELECT $1, $2, pg_catalog.clock_timestamp(), m.* FROM unnest({ARRAYS}) AS m ORDER BY 4 ON CONFLICT DO NOTHING",
        name(&holder.schema)
    );
    write(connection, sql, holder, checkpoints).await
}

async fn write(
    connection: &mut PgConnection,
    sql: String,
    holder: &Holder,
    checkpoints: &[Checkpoint],
) -> Result<u64, CheckpointError> {
    fn each<'a, T>(all: &'a [Checkpoint], value: impl FnMut(&'a Checkpoint) -> T) -> Vec<T> {
        all.iter().map(value).collect()
    }
    let all = checkpoints;
    let write = sqlx::query(AssertSqlSafe(sql))
        .bind(&holder.namespace)
        .bind(holder.owner.to_string())
        .bind(each(all, |row| row.shard_id.as_str()))
        .bind(each(all, |row| row.sequence.as_ref().map(Sequence::as_str)))
        .bind(each(all, |row| row.active))
        .bind(each(all, |row| row.finished))
        .bind(each(all, |row| row.stream.arn.as_deref()))
        .bind(each(all, |row| row.stream.created_at))
        .bind(each(all, |row| row.begins_at))
        .bind(each(all, |row| row.part.as_ref().map(part_text)));
    let what = format!("write checkpoints of namespace \"{}\"", holder.namespace);
    Ok(write.execute(connection).await.map_err(DbError::statement(what))?.rows_affected())
}

fn row(row: &PgRow) -> Result<Row, sqlx::Error> {
    let owner: Option<String> = row.try_get(10)?;
    Ok(Row { checkpoint: checkpoint(row)?, owner: owner.as_deref().and_then(Owner::parse) })
}
