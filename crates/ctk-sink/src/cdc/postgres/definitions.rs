//! What is known of tables of the source: `kinesis_tables`, beside the checkpoints.

use ctk_db::{DbError, postgres::Connection, quote};
use ctk_flow::SourceTable;

use super::Places;
use crate::{
    SinkError,
    postgres::{rows::execute, schema::create_schema},
};

const TABLE: &str = "kinesis_tables";

/// Returns what is stored under the namespace. The table is made when it is missing.
pub(super) async fn all(
    connection: &mut Connection,
    places: &Places,
) -> Result<Vec<String>, SinkError> {
    create(connection, places).await?;
    let sql = format!(
        "SELECT definition FROM {} WHERE namespace = $1 ORDER BY source_schema, source_table",
        quoted(places)
    );
    let all = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .bind(&places.namespace)
        .fetch_all(connection)
        .await;
    Ok(all.map_err(DbError::statement("read the definitions of tables"))?)
}

/// Stores one, or forgets it.
pub(super) async fn define(
    connection: &mut Connection,
    places: &Places,
    source: &SourceTable,
    definition: Option<&str>,
) -> Result<(), SinkError> {
    let table = quoted(places);
    let sql = match definition {
        Some(_) => format!(
            "INSERT INTO {table} AS t (namespace, source_schema, source_table, definition) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (namespace, source_schema, source_table) \
             DO UPDATE SET definition = EXCLUDED.definition, updated_at = pg_catalog.now()"
        ),
        None => format!(
            "DELETE FROM {table} WHERE namespace = $1 AND source_schema = $2 AND source_table = $3"
        ),
    };
    // PostgreSQL holds every text but NUL characters.
    let plain = |text: &str| text.replace('\0', "\\0");
    let mut query = sqlx::query(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .bind(&places.namespace)
        .bind(plain(&source.schema))
        .bind(plain(&source.table));
    if let Some(definition) = definition {
        query = query.bind(plain(definition));
    }
    let done = query.execute(connection).await;
    done.map_err(DbError::statement("store the definition of a table"))?;
    Ok(())
}

fn quoted(places: &Places) -> String {
    format!("{}.{}", quote(&places.checkpoints), quote(TABLE))
}

/// Asking whether it is there needs no rights, `IF NOT EXISTS` would.
async fn create(connection: &mut Connection, places: &Places) -> Result<(), SinkError> {
    let (table, what) = (quoted(places), "create the table of definitions");
    if super::create::is_there(connection, &places.checkpoints, TABLE).await? {
        return Ok(());
    }
    super::create::lock(connection, &table).await?;
    if super::create::is_there(connection, &places.checkpoints, TABLE).await? {
        return Ok(());
    }
    create_schema(connection, &places.checkpoints).await?;
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {table} (namespace TEXT, source_schema TEXT, source_table TEXT, definition TEXT NOT NULL, \
         updated_at TIMESTAMPTZ NOT NULL DEFAULT pg_catalog.now(), PRIMARY KEY (namespace, source_schema, source_table))"
    );
    Ok(execute(connection, sql, what).await?)
}
