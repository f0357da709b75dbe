//! Making the table, and completing that of another tool, with no more rights than that takes.

use ctk_db::{DbError, quote};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{begin, end, missing, name};
use crate::{CheckpointError, TABLE};

/// What the table has in every tool.
const COLUMNS: [&str; 5] = ["namespace", "shard_id", "sequence", "active", "updated_at"];

/// What only we write; null where another tool wrote.
pub(super) const OWN_COLUMNS: [(&str, &str); 6] = [
    ("finished", "boolean"),
    ("stream_arn", "text"),
    ("stream_created_at", "bigint"),
    ("begins_at", "bigint"),
    ("part", "text"),
    ("owner", "text"),
];

/// What there is of the table.
#[derive(Debug)]
pub(super) enum Present {
    Nothing,
    /// All that every tool has; these of ours are missing.
    Without(Vec<(&'static str, &'static str)>),
}

/// Creates schema and table, or adds what the table lacks, and refuses a table of that name which is no checkpoint table.
///
/// What is there needs no right to create it. Runs that start at the same moment do this one after the other.
pub async fn create_table(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), CheckpointError> {
    if is_complete(connection, schema).await? {
        return Ok(());
    }
    match complete(connection, schema).await {
        Ok(()) => Ok(()),
        // Another tool may have made it in between: it does not wait for us.
        Err(error) => match is_complete(connection, schema).await {
            Ok(true) => Ok(()),
            Ok(false) => complete(connection, schema).await,
            Err(_) => Err(error),
        },
    }
}

async fn is_complete(connection: &mut PgConnection, schema: &str) -> Result<bool, CheckpointError> {
    let present = present(connection, schema).await?;
    Ok(matches!(present, Present::Without(missing) if missing.is_empty()))
}

/// Does what is to be done, in one transaction.
async fn complete(connection: &mut PgConnection, schema: &str) -> Result<(), CheckpointError> {
    let what = format!("create table {}", name(schema));
    let mut transaction = begin(connection, &what).await?;
    let completed = complete_locked(&mut transaction, schema).await;
    end(transaction, completed, what).await
}

async fn complete_locked(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<(), CheckpointError> {
    let failed = || DbError::statement(format!("create table {}", name(schema)));
    lock(connection, schema, "").await.map_err(failed())?;
    if let Present::Nothing = present(connection, schema).await? {
        let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = $1)";
        let exists =
            sqlx::query_scalar(sql).bind(schema).persistent(false).fetch_one(&mut *connection);
        if !exists.await.map_err(failed())? {
            let sql = format!("CREATE SCHEMA {}", quote(schema));
            sqlx::query(AssertSqlSafe(sql))
                .persistent(false)
                .execute(&mut *connection)
                .await
                .map_err(DbError::statement(format!("create schema {}", quote(schema))))?;
        }
        let sql = format!(
            "CREATE TABLE {} (namespace text NOT NULL, shard_id text NOT NULL, sequence text, \
             active boolean DEFAULT true, updated_at timestamp with time zone DEFAULT CURRENT_TIMESTAMP, \
             {}, PRIMARY KEY (namespace, shard_id))",
            name(schema),
            OWN_COLUMNS.map(|(name, declared)| format!("{name} {declared}")).join(", ")
        );
        let create = sqlx::query(AssertSqlSafe(sql)).persistent(false);
        create.execute(&mut *connection).await.map_err(failed())?;
    }
    // The server shortens a name that is too long for it: then the table is not there, and this is rolled back.
    for (column, declared) in missing(connection, schema).await? {
        let sql = format!("ALTER TABLE {} ADD COLUMN {column} {declared}", name(schema));
        let what = format!("add column {column} to table {}", name(schema));
        let added =
            sqlx::query(AssertSqlSafe(sql)).persistent(false).execute(&mut *connection).await;
        added.map_err(DbError::statement(what))?;
    }
    Ok(())
}

/// Looks for the table, and refuses one of that name which is no checkpoint table.
pub(super) async fn present(
    connection: &mut PgConnection,
    schema: &str,
) -> Result<Present, CheckpointError> {
    // `information_schema` would show only what we have rights on.
    let sql = "SELECT attname::text FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f') \
               AND a.attnum > 0 AND NOT a.attisdropped";
    let columns: Vec<String> = sqlx::query_scalar(sql)
        .bind(schema)
        .bind(TABLE)
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(DbError::statement(format!("look for table {}", name(schema))))?;
    let has = |name: &str| columns.iter().any(|column| column == name);
    if columns.is_empty() {
        return Ok(Present::Nothing);
    }
    if let Some(column) = COLUMNS.into_iter().find(|column| !has(column)) {
        return Err(CheckpointError::MissingColumn { table: name(schema), column });
    }
    Ok(Present::Without(OWN_COLUMNS.into_iter().filter(|(name, _)| !has(name)).collect()))
}

/// Waits until no other run opens the namespace or claims a shard of it, until the end of the transaction. An empty
/// namespace stands for the table.
pub(super) async fn lock(
    connection: &mut PgConnection,
    schema: &str,
    namespace: &str,
) -> Result<(), sqlx::Error> {
    // Names that happen to have the same hash only wait for each other.
    sqlx::query(
        "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0::bigint))",
    )
    .bind(format!("{}.{}", name(schema), quote(namespace)))
    .execute(connection)
    .await
    .map(drop)
}
