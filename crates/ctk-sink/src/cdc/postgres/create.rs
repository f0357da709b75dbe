//! Tables of our own.

use ctk_db::{DbError, postgres::Connection, quote};

use super::{
    alter::{refusal, run},
    declare, quoted, shown,
};
use crate::{
    SinkError,
    cdc::store::{Fate, Layout, NewTable, TargetTable},
};

/// Makes a table, and its schema. Runs take turns: who comes later finds it there.
pub(super) async fn create(
    connection: &mut Connection,
    table: &TargetTable,
    new: &NewTable,
) -> Result<Fate, SinkError> {
    lock(connection, &quoted(table)).await?;
    if is_there(connection, &table.schema, &table.table).await? {
        return Ok(None);
    }
    let schema = schema_sql(connection, &table.schema).await?;
    let columns = match new.layout {
        Layout::Universal => "pk JSONB PRIMARY KEY, data JSONB NOT NULL DEFAULT '{}', \
                              aux JSONB NOT NULL DEFAULT '{}'"
            .to_owned(),
        Layout::Direct => {
            let mut all: Vec<_> = new.columns.iter().map(declare::column).collect();
            if !new.key.is_empty() {
                let key: Vec<_> = new.key.iter().map(|name| quote(name)).collect();
                all.push(format!("PRIMARY KEY ({})", key.join(", ")));
            }
            all.join(", ")
        }
    };
    let sql = format!("{schema}CREATE TABLE {} ({columns})", quoted(table));
    let what = format!("create table {}", shown(table));
    refusal(run(connection, &sql).await, what)
}

/// Returns what makes a schema, if it is missing: asking needs no rights, `IF NOT EXISTS` would.
pub(super) async fn schema_sql(
    connection: &mut Connection,
    schema: &str,
) -> Result<String, SinkError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)";
    let there = sqlx::query_scalar(sql).persistent(false).bind(schema).fetch_one(connection).await;
    let there: bool = there.map_err(DbError::statement(format!("look for schema {schema}")))?;
    Ok(if there {
        String::new()
    } else {
        format!("CREATE SCHEMA IF NOT EXISTS {}; ", quote(schema))
    })
}

/// Waits until nobody else makes this.
pub(super) async fn lock(connection: &mut Connection, name: &str) -> Result<(), SinkError> {
    let locked =
        sqlx::query("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))")
            .persistent(false)
            .bind(format!("ctk {name}"))
            .execute(connection)
            .await;
    locked.map_err(DbError::statement(format!("lock table {name}")))?;
    Ok(())
}

/// Returns true when something bears this name.
pub(super) async fn is_there(
    connection: &mut Connection,
    schema: &str,
    table: &str,
) -> Result<bool, SinkError> {
    let there = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2)",
    )
    .persistent(false)
    .bind(schema)
    .bind(table)
    .fetch_one(connection)
    .await;
    Ok(there.map_err(DbError::statement(format!("look for table {schema}.{table}")))?)
}
