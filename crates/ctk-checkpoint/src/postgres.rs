//! The table in PostgreSQL, `"SCHEMA"."kinesis_checkpoints"`, as statements on a connection, so that they can be part of the
//! transaction that writes the rows.
//!
//! Whoever writes calls [`create_table`] and [`open`] once before; reading works without. `updated_at` is the time of the
//! last change, by the clock of the database. Rows are always locked by namespace and shard in their order, so runs do not
//! wait for each other in a circle. Nothing here is cancel safe outside a transaction: a dropped future may have changed the
//! table or not, and its locks are held until the connection is used again or closed.
//!
//! Functions are named with their schema, and operands have the types that operators are declared with: else somebody who may
//! create a function in the search path could have his own called with our rights
//! (<https://wiki.postgresql.org/wiki/A_Guide_to_CVE-2018-1058:_Protect_Your_Search_Path>). `unnest` of several arrays is part of
//! the grammar and has no schema. What is asked once is not prepared for a second time: a pooler may have no place for it.

mod run;
mod table;

use ctk_db::{DbError, quote};
use ctk_flow::{Sequence, ShardId};
use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Postgres, Row as _, Transaction, postgres::PgRow,
};

pub use run::{claim, is_saved, open, release, save};
pub use table::create_table;

use crate::{
    Checkpoint, CheckpointError, StreamIdentity, TABLE, checkpoint::parse_part, prune::Filter, time,
};
use table::{OWN_COLUMNS, Present, present};

/// Returns the checkpoints of a namespace, by shard; none when there is no table.
pub async fn load(
    connection: &mut PgConnection,
    schema: &str,
    namespace: &str,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    match list(connection, schema, Some(namespace)).await {
        Err(CheckpointError::NoTable { .. }) => Ok(Vec::new()),
        checkpoints => checkpoints,
    }
}

/// Returns the checkpoints of a namespace, or all, by namespace and shard.
pub async fn list(
    connection: &mut PgConnection,
    schema: &str,
    namespace: Option<&str>,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let missing = missing(connection, schema).await?;
    let sql = select(schema, &missing, "$1::text IS NULL OR namespace::text = $1", "");
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(namespace).persistent(false);
    let rows = rows.fetch_all(connection).await;
    Ok(checkpoints(rows).map_err(DbError::statement(format!("read table {}", name(schema))))?)
}

/// Returns what the filter means, to be shown, and then handed to [`delete`].
pub async fn prunable(
    connection: &mut PgConnection,
    schema: &str,
    filter: &Filter,
) -> Result<Vec<Checkpoint>, CheckpointError> {
    let mut checkpoints = list(connection, schema, filter.namespace()).await?;
    checkpoints.retain(|checkpoint| filter.is_prunable(checkpoint));
    Ok(checkpoints)
}

/// Deletes checkpoints as they were shown, in one transaction of its own; returns how many.
///
/// One that changed since, as a run may have claimed the shard, stays.
pub async fn delete(
    connection: &mut PgConnection,
    schema: &str,
    shown: &[Checkpoint],
) -> Result<u64, CheckpointError> {
    if shown.is_empty() {
        return Ok(0);
    }
    let what = format!("delete from table {}", name(schema));
    let mut transaction = begin(connection, &what).await?;
    let deleted = delete_locked(&mut transaction, schema, shown).await;
    end(transaction, deleted, what).await
}

async fn delete_locked(
    connection: &mut PgConnection,
    schema: &str,
    shown: &[Checkpoint],
) -> Result<u64, CheckpointError> {
    let failed = || DbError::statement(format!("delete from table {}", name(schema)));
    let keys = |all: &mut dyn Iterator<Item = &Checkpoint>| -> (Vec<String>, Vec<String>) {
        all.map(|row| (row.namespace.clone(), row.shard_id.to_string())).unzip()
    };
    let are_meant =
        "(namespace::text, shard_id::text) IN (SELECT * FROM unnest($1::text[], $2::text[]))";
    let sql = select(schema, &missing(connection, schema).await?, are_meant, "FOR UPDATE");
    let (namespaces, shards) = keys(&mut shown.iter());
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(namespaces).bind(shards).persistent(false);
    let present = checkpoints(rows.fetch_all(&mut *connection).await).map_err(failed())?;
    let (namespaces, shards) = keys(&mut shown.iter().filter(|row| present.contains(row)));
    let sql = format!("DELETE FROM {} WHERE {are_meant}", name(schema));
    let delete = sqlx::query(AssertSqlSafe(sql)).bind(namespaces).bind(shards).persistent(false);
    Ok(delete.execute(connection).await.map_err(failed())?.rows_affected())
}

/// Begins a transaction in which each statement sees what was committed before it: with one snapshot for all, as a user may
/// have it by default, it would not be seen what was waited for.
async fn begin<'c>(
    connection: &'c mut PgConnection,
    what: &str,
) -> Result<Transaction<'c, Postgres>, CheckpointError> {
    let begun = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await;
    Ok(begun.map_err(DbError::statement(what))?)
}

/// Ends a transaction as it went.
async fn end<T>(
    transaction: Transaction<'_, Postgres>,
    done: Result<T, CheckpointError>,
    what: String,
) -> Result<T, CheckpointError> {
    match done {
        Ok(done) => {
            transaction.commit().await.map_err(DbError::statement(what))?;
            Ok(done)
        }
        Err(error) => {
            // If it were dropped, its locks would be held until the connection is used again. The first error counts.
            drop(transaction.rollback().await);
            Err(error)
        }
    }
}

/// Returns those of our columns that are missing in a table, which is there.
async fn missing(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Vec<(&'static str, &'static str)>, CheckpointError> {
    match present(connection, schema).await? {
        Present::Nothing => Err(CheckpointError::NoTable { table: name(schema) }),
        Present::Without(missing) => Ok(missing),
    }
}

fn checkpoints(rows: Result<Vec<PgRow>, sqlx::Error>) -> Result<Vec<Checkpoint>, sqlx::Error> {
    rows?.iter().map(checkpoint).collect()
}

/// Returns the table as SQL names it.
fn name(schema: &str) -> String {
    format!("{}.{}", quote(schema), quote(TABLE))
}

/// Returns the statement that reads what [`checkpoint`] takes, and then the owner.
fn select(
    schema: &str,
    missing: &[(&'static str, &'static str)],
    condition: &str,
    lock: &str,
) -> String {
    let own = OWN_COLUMNS.map(|column| {
        if missing.contains(&column) { format!("NULL::{}", column.1) } else { column.0.to_owned() }
    });
    // Casts make one type of what other tools may have declared; of a time, JSON always makes ISO 8601.
    format!(
        "SELECT namespace::text, shard_id::text, sequence::text, active::boolean, \
         pg_catalog.to_jsonb(updated_at) #>> '{{}}'::text[], {} \
         FROM {} WHERE {condition} ORDER BY namespace, shard_id {lock}",
        own.join(", "),
        name(schema)
    )
}

fn checkpoint(row: &PgRow) -> Result<Checkpoint, sqlx::Error> {
    let shard_id: String = row.try_get(1)?;
    let updated_at: Option<String> = row.try_get(4)?;
    let finished: Option<bool> = row.try_get(5)?;
    Ok(Checkpoint {
        namespace: row.try_get(0)?,
        shard_id: ShardId::new(&shard_id),
        sequence: row.try_get::<Option<String>, _>(2)?.map(Sequence::new),
        active: row.try_get(3)?,
        updated_at: updated_at.and_then(|text| time::parse(&text)),
        finished: finished.unwrap_or_default(),
        stream: StreamIdentity { arn: row.try_get(6)?, created_at: row.try_get(7)? },
        begins_at: row.try_get(8)?,
        part: row.try_get::<Option<String>, _>(9)?.as_deref().and_then(parse_part),
    })
}

#[cfg(test)]
mod tests;
