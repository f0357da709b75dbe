//! Changes into SQLite: statements with many rows, within the transaction of the group.
//!
//! SQLite finds a constraint row by row and takes the statement back that broke it, not the transaction. So what is refused is
//! looked for by halving, down to the row.

mod alter;
mod members;
mod rows;
mod writer;

use ctk_db::{DbError, primary_code, quote, sqlite};
use ctk_flow::{ColumnKind, DeadLetter, ShardId, SourceTable, Value};
use sqlx::{AssertSqlSafe, SqliteConnection};

pub use self::writer::start;
use super::{
    cell::Cell,
    open::{AUX, DATA, PK},
    store::{self, Alteration, Fate, Found, Layout, NewTable, Open, Store, TargetTable, Write},
};
use crate::{
    SinkError,
    columns::{Columns, Naming},
    sqlite::{Holds, NAMING, keep_letters},
};

/// The table of what is known of tables, and that of dead letters.
const DEFINITIONS: &str = "kinesis_tables";
const LETTERS: &str = "ctk_dead_letters";

/// One transaction.
pub(super) struct SqliteStore<'c> {
    pub(super) connection: &'c mut SqliteConnection,
    pub(super) stream: &'c str,
    pub(super) namespace: &'c str,
}

impl store::Holds for Holds {
    fn takes(&self, value: Value<'_>) -> bool {
        // NULL goes anywhere but into what is computed.
        (value != Value::Null || *self != Self::Nothing) && self.convert(value).is_some()
    }
}

/// Returns the declared type of a column. Decimals that a double cannot tell apart are text, and so are integers beyond 64
/// bits: their digits.
fn declare(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Bool => "BOOLEAN",
        ColumnKind::Integer { bits: ..=16, .. } => "SMALLINT",
        ColumnKind::Integer { bits: ..=32, signed: true } => "INTEGER",
        ColumnKind::Integer { bits: ..64, .. } | ColumnKind::Integer { signed: true, .. } => {
            "BIGINT"
        }
        ColumnKind::Numeric { precision: Some(precision @ ..=15), scale } => {
            return format!("DECIMAL({precision}, {scale})");
        }
        ColumnKind::Integer { .. }
        | ColumnKind::Numeric { .. }
        | ColumnKind::Text
        | ColumnKind::Unknown => "TEXT",
        ColumnKind::Real => "REAL",
        ColumnKind::Double => "DOUBLE",
        ColumnKind::Bytes => "BLOB",
        ColumnKind::Date => "DATE",
        ColumnKind::Time => "TIME",
        ColumnKind::Timestamp => "TIMESTAMP",
        ColumnKind::Json => "JSON",
    }
    .to_owned()
}

impl Store for SqliteStore<'_> {
    type Holds = Holds;

    const NAMING: Naming = NAMING;

    const MASKS: bool = true;

    fn default_schema(&self) -> Option<&'static str> {
        None
    }

    fn fit_name(&self, name: String) -> String {
        // SQLite keeps these for itself (<https://www.sqlite.org/lang_createtable.html>).
        let is_own = name.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("sqlite_"));
        let is_ours = [ctk_checkpoint::TABLE, DEFINITIONS, LETTERS]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own));
        if is_own || is_ours || name.is_empty() {
            return format!("_{name}");
        }
        name
    }

    async fn tables(&mut self) -> Result<Vec<TargetTable>, SinkError> {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        let names: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&mut *self.connection)
            .await
            .map_err(DbError::statement("look for tables"))?;
        Ok(names.into_iter().map(|table| TargetTable { schema: String::new(), table }).collect())
    }

    async fn look(&mut self, table: &TargetTable) -> Result<Option<Found<Holds>>, SinkError> {
        let name = &table.table;
        let found = sqlite::columns(self.connection, name).await?;
        if found.is_empty() {
            return Ok(None);
        }
        let rules = sqlite::rules(self.connection, name).await?;
        if rules.are_strict {
            return Err(SinkError::Strict { table: name.clone() });
        }
        let mut columns = Columns::new(NAMING);
        let mut key: Vec<(i64, String)> = Vec::new();
        for column in found {
            let holds = if column.is_generated {
                Holds::Nothing
            } else {
                Holds::of_declared(&column.declared)
            };
            if column.key > 0 {
                key.push((column.key, column.name.clone()));
            }
            columns.push(column.name, holds, column.key > 0);
        }
        key.sort_unstable();
        Ok(Some(Found { columns, key: key.into_iter().map(|(_, name)| name).collect() }))
    }

    async fn create(&mut self, table: &TargetTable, new: &NewTable) -> Result<Fate, SinkError> {
        let name = quote(&table.table);
        let sql = match new.layout {
            Layout::Universal => format!(
                "CREATE TABLE IF NOT EXISTS {name} ({PK} JSON NOT NULL PRIMARY KEY, \
                 {DATA} JSON NOT NULL DEFAULT '{{}}', {AUX} JSON NOT NULL DEFAULT '{{}}')"
            ),
            Layout::Direct => {
                let columns = new
                    .columns
                    .iter()
                    .map(|column| format!("{} {}", quote(&column.name), declare(column.kind)));
                let key: Vec<_> = new.key.iter().map(|name| quote(name)).collect();
                format!(
                    "CREATE TABLE IF NOT EXISTS {name} ({}, PRIMARY KEY ({}))",
                    columns.collect::<Vec<_>>().join(", "),
                    key.join(", ")
                )
            }
        };
        self.ddl(sql, &format!("create table {}", table.table)).await
    }

    async fn alter(
        &mut self,
        table: &TargetTable,
        layout: Layout,
        alteration: &Alteration,
    ) -> Result<Fate, SinkError> {
        alter::alter(self, table, layout, alteration).await
    }

    async fn write(
        &mut self,
        table: &Open<Holds>,
        write: &Write<'_>,
    ) -> Result<Vec<Fate>, SinkError> {
        rows::write(self.connection, table, write).await
    }

    async fn find(
        &mut self,
        table: &Open<Holds>,
        keys: &[Vec<Cell<'_>>],
    ) -> Result<Vec<bool>, SinkError> {
        rows::find(self.connection, table, keys).await
    }

    async fn keep(
        &mut self,
        shard: &ShardId,
        table: &str,
        letters: &[DeadLetter],
    ) -> Result<(), SinkError> {
        keep_letters(self.connection, LETTERS, (self.stream, table), shard, letters).await
    }

    async fn definitions(&mut self) -> Result<Vec<String>, SinkError> {
        let sql = "CREATE TABLE IF NOT EXISTS kinesis_tables (namespace TEXT NOT NULL, source_schema TEXT NOT NULL, \
                   source_table TEXT NOT NULL, definition TEXT NOT NULL, updated_at TEXT NOT NULL, \
                   PRIMARY KEY (namespace, source_schema, source_table))";
        let failed = || DbError::statement(format!("read table {DEFINITIONS}"));
        sqlx::raw_sql(sql).execute(&mut *self.connection).await.map_err(failed())?;
        let sql = "SELECT definition FROM kinesis_tables WHERE namespace = ?";
        let found = sqlx::query_scalar(sql).bind(self.namespace).fetch_all(&mut *self.connection);
        Ok(found.await.map_err(failed())?)
    }

    async fn define(
        &mut self,
        source: &SourceTable,
        definition: Option<&str>,
    ) -> Result<(), SinkError> {
        let sql = match definition {
            Some(_) => {
                "INSERT INTO kinesis_tables (namespace, source_schema, source_table, definition, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) \
                 ON CONFLICT (namespace, source_schema, source_table) \
                 DO UPDATE SET definition = excluded.definition, updated_at = excluded.updated_at"
            }
            None => {
                "DELETE FROM kinesis_tables WHERE namespace = ?1 AND source_schema = ?2 AND source_table = ?3"
            }
        };
        let query = sqlx::query(sql).bind(self.namespace).bind(&source.schema).bind(&source.table);
        let query = match definition {
            Some(definition) => query.bind(definition),
            None => query,
        };
        let done = query.execute(&mut *self.connection).await;
        done.map_err(DbError::statement(format!("write table {DEFINITIONS}")))?;
        Ok(())
    }
}

impl SqliteStore<'_> {
    /// Runs a statement that changes a table. What SQLite says against it is a fate; that it cannot write is an error.
    pub(super) async fn ddl(&mut self, sql: String, what: &str) -> Result<Fate, SinkError> {
        match sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *self.connection).await {
            Ok(_) => Ok(None),
            // Logic, too big, constraint: <https://www.sqlite.org/rescode.html>.
            Err(error) if matches!(primary_code(&error), Some(1 | 18 | 19)) => {
                Ok(Some(error.to_string()))
            }
            Err(error) => Err(DbError::statement(what)(error).into()),
        }
    }
}

#[cfg(test)]
mod tests;
