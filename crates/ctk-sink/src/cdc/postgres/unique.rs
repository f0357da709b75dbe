//! Columns that are to be unique together, so that rows are found by them.

use ctk_db::{DbError, postgres::Connection, quote};

use super::{quoted, shown};
use crate::{SinkError, cdc::store::TargetTable, names::MESSAGE_ID};

/// Returns what makes columns unique; nothing when they are.
///
/// Where the message id is the primary key, since rows came before the key of the source was told, the columns take its place:
/// rows of later changes have no message id. Those of the rows that are there stay.
pub(super) async fn unique_sql(
    connection: &mut Connection,
    table: &TargetTable,
    columns: &[String],
) -> Result<Option<String>, SinkError> {
    let name = quoted(table);
    let list: Vec<_> = columns.iter().map(|name| quote(name)).collect();
    let list = list.join(", ");
    if columns != [MESSAGE_ID]
        && let Some(key) = key_of_messages(connection, table).await?
    {
        // A primary key makes its columns NOT NULL, and is refused when a row has NULL in one.
        return Ok(Some(format!(
            "ALTER TABLE {name} DROP CONSTRAINT {}; ALTER TABLE {name} ALTER COLUMN {} DROP NOT NULL, ADD PRIMARY KEY ({list})",
            quote(&key),
            quote(MESSAGE_ID),
        )));
    }
    let is_unique = is_unique(connection, table, columns).await?;
    Ok((!is_unique).then(|| format!("CREATE UNIQUE INDEX ON {name} ({list})")))
}

/// Returns true when these columns, in any order, are unique together for all rows.
async fn is_unique(
    connection: &mut Connection,
    table: &TargetTable,
    columns: &[String],
) -> Result<bool, SinkError> {
    let sql = "
        SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
            AND i.indexprs IS NULL AND i.indnkeyatts = pg_catalog.cardinality($3::text[])
            AND NOT EXISTS (SELECT 1 FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
              WHERE u.place <= i.indnkeyatts AND a.attname::text <> ALL ($3::text[])))";
    let found = sqlx::query_scalar(sql)
        .persistent(false)
        .bind(&table.schema)
        .bind(&table.table)
        .bind(columns)
        .fetch_one(connection)
        .await;
    Ok(found.map_err(DbError::statement(format!("read the indexes of table {}", shown(table))))?)
}

/// Returns the name of the primary key, if that is the message id.
async fn key_of_messages(
    connection: &mut Connection,
    table: &TargetTable,
) -> Result<Option<String>, SinkError> {
    let sql = "
        SELECT k.conname::text FROM pg_catalog.pg_constraint k
          JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE n.nspname = $1 AND c.relname = $2 AND k.contype = 'p' AND pg_catalog.cardinality(k.conkey) = 1
          AND a.attname = $3";
    let found = sqlx::query_scalar(sql)
        .persistent(false)
        .bind(&table.schema)
        .bind(&table.table)
        .bind(MESSAGE_ID)
        .fetch_optional(connection)
        .await;
    Ok(found.map_err(DbError::statement(format!("read the key of table {}", shown(table))))?)
}
