//! PostgreSQL as a target of change data, over a connection inside a transaction of the caller.
//!
//! Rows are copied into a temporary table of the types of their columns, and go from there into the table in one statement.
//! What PostgreSQL refuses is taken back to a savepoint, and narrowed down to the row, or to the change of the table.

mod alter;
pub(crate) mod attempt;
mod change_type;
mod create;
mod declare;
mod definitions;
mod find;
mod holds;
mod stage;
mod statements;
mod unique;
mod write;

use ctk_db::postgres::{self, Connection};
use ctk_flow::{DeadLetter, ShardId, SourceTable};

pub use self::attempt::start;
pub(crate) use self::holds::PgHolds;
use self::{stage::Stages, statements::Conflicts};
use super::{
    cell::Cell,
    store::{Alteration, Fate, Found, Layout, NewTable, Open, Store, TargetTable, Write},
};
use crate::{
    SinkError,
    columns::{Columns, Naming},
    postgres::{
        fit_name,
        letters::{self, Letters},
        names::NAMING,
    },
};

/// The table of dead letters.
const LETTERS: &str = "ctk_dead_letters";

/// Where a run keeps what are no rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The schema of the table of dead letters.
    pub letters: String,
    /// The schema of the checkpoints, beside which the definitions of tables are stored.
    pub checkpoints: String,
    /// The namespace of the run.
    pub namespace: String,
    /// The stream, for dead letters.
    pub stream: String,
}

/// A transaction.
#[derive(Debug)]
pub(crate) struct PgStore<'a> {
    connection: &'a mut Connection,
    places: &'a Places,
    stages: Stages,
    has_letters: bool,
    /// Tables that do not take `ON CONFLICT`.
    conflicts: Conflicts,
}

impl<'a> PgStore<'a> {
    /// Takes a connection with an open transaction.
    pub(crate) fn new(connection: &'a mut Connection, places: &'a Places) -> Self {
        Self {
            connection,
            places,
            stages: Stages::default(),
            has_letters: false,
            conflicts: Conflicts::default(),
        }
    }
}

/// Returns a table as SQL wants it.
fn quoted(table: &TargetTable) -> String {
    format!("{}.{}", ctk_db::quote(&table.schema), ctk_db::quote(&table.table))
}

/// Returns a table for texts.
fn shown(table: &TargetTable) -> String {
    format!("{}.{}", table.schema, table.table)
}

impl Store for PgStore<'_> {
    type Holds = PgHolds;

    const NAMING: Naming = NAMING;

    const MASKS: bool = true;

    fn default_schema(&self) -> Option<&'static str> {
        Some("public")
    }

    fn fit_name(&self, name: String) -> String {
        if !name.contains('\0') {
            return fit_name(name);
        }
        fit_name(crate::names::with_digest(&name.replace('\0', ""), &name))
    }

    async fn tables(&mut self) -> Result<Vec<TargetTable>, SinkError> {
        let tables = postgres::tables(self.connection).await?;
        Ok(tables.into_iter().map(|(schema, table)| TargetTable { schema, table }).collect())
    }

    async fn look(&mut self, table: &TargetTable) -> Result<Option<Found<PgHolds>>, SinkError> {
        let found = postgres::table(self.connection, &table.schema, &table.table).await?;
        let Some(found) = found else { return Ok(None) };
        if !found.kind.takes_rows() {
            return Err(SinkError::NoTableAtAll { table: shown(table) });
        }
        let key = postgres::key(self.connection, &table.schema, &table.table).await?;
        let mut columns = Columns::new(NAMING);
        for column in found.columns {
            let is_key = key.contains(&column.name);
            let holds = PgHolds::new(&column, is_key);
            columns.push(column.name, holds, is_key);
        }
        Ok(Some(Found { columns, key }))
    }

    async fn create(&mut self, table: &TargetTable, new: &NewTable) -> Result<Fate, SinkError> {
        self.stages.forget();
        create::create(self.connection, table, new).await
    }

    async fn alter(
        &mut self,
        table: &TargetTable,
        layout: Layout,
        alteration: &Alteration,
    ) -> Result<Fate, SinkError> {
        self.stages.forget();
        self.conflicts.forget(table);
        alter::alter(self.connection, table, layout, alteration).await
    }

    async fn write(
        &mut self,
        table: &Open<PgHolds>,
        write: &Write<'_>,
    ) -> Result<Vec<Fate>, SinkError> {
        if write.rows.is_empty() {
            return Ok(Vec::new());
        }
        self.write_rows(table, write).await
    }

    async fn find(
        &mut self,
        table: &Open<PgHolds>,
        keys: &[Vec<Cell<'_>>],
    ) -> Result<Vec<bool>, SinkError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.find_rows(table, keys).await
    }

    async fn keep(
        &mut self,
        shard: &ShardId,
        table: &str,
        letters: &[DeadLetter],
    ) -> Result<(), SinkError> {
        if letters.is_empty() {
            return Ok(());
        }
        let Places { letters: schema, stream, .. } = self.places;
        let place = Letters { schema, name: LETTERS.into(), stream };
        if !self.has_letters {
            letters::create(self.connection, &place).await?;
            self.has_letters = true;
        }
        letters::keep(self.connection, &place, table, shard, letters).await
    }

    async fn definitions(&mut self) -> Result<Vec<String>, SinkError> {
        definitions::all(self.connection, self.places).await
    }

    async fn define(
        &mut self,
        source: &SourceTable,
        definition: Option<&str>,
    ) -> Result<(), SinkError> {
        definitions::define(self.connection, self.places, source, definition).await
    }
}

#[cfg(test)]
mod tests;
