//! What a table looks like, as the catalog of the server has it.
//!
//! Names are exact: nothing is folded to lower case, and no search path is followed. Whoever calls this in a transaction sees
//! the table as it is there.

use std::collections::HashMap;

use sqlx::{Row, postgres::PgRow, postgres::types::Oid};

use super::{
    Connection, Type,
    types::{Declarations, Declared, resolve},
};
use crate::DbError;

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type; of a domain the one below, at all levels.
    pub of: Type,
    /// It is declared with a domain, whose rules may refuse a value.
    pub is_domain: bool,
    /// It takes NULL.
    pub nullable: bool,
    /// It has a value when none is given: a default, also that of a domain, or an identity.
    pub has_default: bool,
    /// Its value is computed, or numbered by the server always: nothing can be put into it.
    pub is_generated: bool,
    /// It is numbered by the server always, unless an `INSERT` says `OVERRIDING SYSTEM VALUE`. It counts as generated.
    pub is_identity: bool,
    /// It is the primary key, or a part of it.
    pub is_key: bool,
}

/// What kind of relation bears the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table.
    Ordinary,
    /// A table whose rows lie in its partitions.
    Partitioned,
    /// A table of another server.
    Foreign,
    /// A view.
    View,
    /// A view that keeps its rows: nothing can be put into it.
    MaterializedView,
    /// A sequence, an index or a composite type: nothing can be put into it.
    Other,
}

impl Kind {
    /// Returns true for what rows can be copied into.
    pub fn takes_rows(self) -> bool {
        matches!(self, Self::Ordinary | Self::Partitioned | Self::Foreign)
    }
}

/// A table, or what bears its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
    /// It, or one of its partitions, has triggers for rows that are inserted, or a rule: rows may be changed or ignored.
    pub has_triggers: bool,
    /// Policies decide which rows this user may put into it, and see.
    pub has_row_security: bool,
}

const TABLE: &str = "
    SELECT c.oid, c.relkind::text, pg_catalog.row_security_active(c.oid),
      EXISTS (SELECT 1 FROM pg_catalog.pg_trigger t WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
          AND t.tgtype::int & 5 = 5 AND (t.tgrelid = c.oid OR t.tgrelid IN
            (SELECT p.relid FROM pg_catalog.pg_partition_tree(CASE c.relkind WHEN 'p' THEN c.oid END) p)))
        OR EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite r
          WHERE r.ev_class = c.oid AND r.ev_type = '3' AND r.ev_enabled IN ('O', 'A'))
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relname = $2";

const COLUMNS: &str = "
    SELECT a.attname::text, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef OR a.attidentity <> '',
      a.attgenerated <> '' OR a.attidentity = 'a', a.attidentity = 'a',
      EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k
        WHERE k.conrelid = a.attrelid AND k.contype = 'p' AND a.attnum = ANY (k.conkey))
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// The types of the columns, and those below. An array is what its elements call theirs: `int2vector` is none.
const TYPES: &str = "
    WITH RECURSIVE used (oid) AS (
      SELECT a.atttypid FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
      UNION
      SELECT CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END
        FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid WHERE t.typtype = 'd' OR t.typelem <> 0::oid)
    SELECT t.oid, t.typname::text, pg_catalog.format_type(t.oid, NULL), t.typtype::text, t.typbasetype, t.typtypmod,
      t.typnotnull, t.typdefault IS NOT NULL, COALESCE(e.oid, 0),
      ARRAY(SELECT l.enumlabel::text FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
    FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid
      LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid";

/// Returns what bears this name in this schema; `None` when nothing does.
pub async fn table(
    connection: &mut Connection,
    schema: &str,
    table: &str,
) -> Result<Option<Table>, DbError> {
    let error =
        |source| DbError::Statement { what: format!("look at table {schema}.{table}"), source };
    // Not kept as prepared statements: there are poolers that cannot, and nobody asks twice in a hurry.
    let found = sqlx::query(TABLE)
        .bind(schema)
        .bind(table)
        .persistent(false)
        .fetch_optional(&mut *connection)
        .await
        .map_err(error)?;
    let Some(found) = found else { return Ok(None) };
    let oid: Oid = found.try_get(0).map_err(error)?;
    let rows = sqlx::query(TYPES).bind(oid).persistent(false).fetch_all(&mut *connection).await;
    let types = rows.and_then(|rows| rows.iter().map(declared).collect());
    let types: Declarations = types.map_err(error)?;
    let rows = sqlx::query(COLUMNS).bind(oid).persistent(false).fetch_all(connection).await;
    let columns = rows.and_then(|rows| rows.iter().map(|row| column(row, &types)).collect());
    Ok(Some(Table {
        schema: schema.to_owned(),
        name: table.to_owned(),
        kind: match found.try_get::<&str, _>(1).map_err(error)? {
            "r" => Kind::Ordinary,
            "p" => Kind::Partitioned,
            "f" => Kind::Foreign,
            "v" => Kind::View,
            "m" => Kind::MaterializedView,
            _ => Kind::Other,
        },
        columns: columns.map_err(error)?,
        has_row_security: found.try_get(2).map_err(error)?,
        has_triggers: found.try_get(3).map_err(error)?,
    }))
}

fn declared(row: &PgRow) -> Result<(u32, Declared), sqlx::Error> {
    let declared = Declared {
        name: row.try_get(1)?,
        shown: row.try_get(2)?,
        kind: row.try_get(3)?,
        base: row.try_get::<Oid, _>(4)?.0,
        modifier: row.try_get(5)?,
        refuses_null: row.try_get(6)?,
        has_default: row.try_get(7)?,
        element: row.try_get::<Oid, _>(8)?.0,
        labels: row.try_get(9)?,
    };
    Ok((row.try_get::<Oid, _>(0)?.0, declared))
}

fn column(row: &PgRow, types: &HashMap<u32, Declared>) -> Result<Column, sqlx::Error> {
    let (of, domain) = resolve(types, row.try_get::<Oid, _>(1)?.0, row.try_get(2)?);
    Ok(Column {
        name: row.try_get(0)?,
        of,
        is_domain: domain.is_domain,
        nullable: !row.try_get::<bool, _>(3)? && !domain.refuses_null,
        has_default: row.try_get::<bool, _>(4)? || domain.has_default,
        is_generated: row.try_get(5)?,
        is_identity: row.try_get(6)?,
        is_key: row.try_get(7)?,
    })
}

/// Returns true when a unique index over exactly this column holds at once and for all rows, so that `ON CONFLICT` can name
/// the column: valid, not partial, not deferrable, without expressions.
pub async fn is_unique(
    connection: &mut Connection,
    schema: &str,
    table: &str,
    column: &str,
) -> Result<bool, DbError> {
    let sql = "
        SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
          WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = $3 AND i.indnkeyatts = 1 AND i.indisunique
            AND i.indisvalid AND i.indisready AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL)";
    sqlx::query_scalar(sql)
        .bind(schema)
        .bind(table)
        .bind(column)
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(DbError::statement(format!("read the indexes of table {schema}.{table}")))
}

/// Returns the columns by which a row is found, in their order: those of the primary key, else of a unique index that holds
/// for all rows and has no NULLs; none when there is neither.
pub async fn key(
    connection: &mut Connection,
    schema: &str,
    table: &str,
) -> Result<Vec<String>, DbError> {
    let sql = "
        SELECT k.names FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          CROSS JOIN LATERAL (
            SELECT pg_catalog.array_agg(a.attname::text ORDER BY u.place) AS names, pg_catalog.bool_and(a.attnotnull) AS is_whole
            FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS u (attnum, place)
              JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
            WHERE u.place <= i.indnkeyatts) AS k
        WHERE n.nspname = $1 AND c.relname = $2 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
          AND i.indexprs IS NULL AND k.is_whole
        ORDER BY i.indisprimary DESC, i.indisreplident DESC, i.indimmediate DESC, i.indnkeyatts, i.indexrelid LIMIT 1";
    let names: Option<Vec<String>> = sqlx::query_scalar(sql)
        .bind(schema)
        .bind(table)
        .persistent(false)
        .fetch_optional(connection)
        .await
        .map_err(DbError::statement(format!("read the indexes of table {schema}.{table}")))?;
    Ok(names.unwrap_or_default())
}

/// Returns schema and name of all tables that are not the server's own: ordinary, partitioned and foreign ones.
pub async fn tables(connection: &mut Connection) -> Result<Vec<(String, String)>, DbError> {
    let sql = "
        SELECT n.nspname::text, c.relname::text
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'f') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
        ORDER BY 1, 2";
    let what = "list the tables";
    sqlx::query_as(sql)
        .persistent(false)
        .fetch_all(connection)
        .await
        .map_err(DbError::statement(what))
}

#[cfg(test)]
mod tests;
