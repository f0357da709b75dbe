//! CrateDB as a store of change data. There are no transactions: a row is written whole, each statement may be repeated, and a
//! batch that was cut off is written again from its beginning.
//!
//! - Put: INSERT with `ON CONFLICT DO NOTHING`; rows that are there are updated.
//! - Patch: UPDATE; rows that are missing are inserted, and updated again should somebody else have been faster.
//! - Move: the old row is read, put under its new key with what has changed, and deleted then. A row that has the new key already
//!   is patched instead.
//!
//! A row is always meant by its whole primary key, so writes are seen at once without a REFRESH. CrateDB casts in silence: what
//! an object is to hold is looked at before ([`rows`]), and its keys are made with types of ours ([`grow`]).

mod definitions;
mod grow;
mod holds;
mod kinds;
mod known;
mod members;
mod moves;
mod requests;
mod rows;
mod sink;
mod tables;
mod write;

use std::collections::HashMap;

use ctk_db::{
    DbError,
    cratedb::{Client, CrateDbError},
    quote,
};
use ctk_flow::{DeadLetter, ShardId, SourceTable};

pub use self::sink::{CrateDbChanges, start};
use self::{holds::Holding, known::Known};
use super::{
    cell::Cell,
    store::{Alteration, Fate, Found, Layout, NewTable, Open, Store, TargetTable, Write},
};
use crate::{
    SinkError,
    columns::Naming,
    cratedb::{
        letters::{self, Letters},
        names,
    },
    names::with_digest,
};

/// What the store is told beside its client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The stream, for dead letters.
    pub stream: String,
    /// The namespace of the run.
    pub namespace: String,
    /// The schema of the table of dead letters.
    pub letters_schema: String,
    /// The schema of the checkpoints, and of what is stored beside them.
    pub checkpoint_schema: String,
    /// Shards of a table that is created; CrateDB's default when absent.
    pub shards: Option<u32>,
    /// Its replicas, as `1` or `0-all`.
    pub replicas: Option<String>,
    /// Rows of one request.
    pub batch_rows: usize,
    /// Its bytes, about.
    pub batch_bytes: usize,
    /// Requests on their way at the same time.
    pub connections: usize,
}

/// The table of dead letters.
const LETTERS: &str = "ctk_dead_letters";

/// A CrateDB cluster whose tables follow those of a source.
#[derive(Debug)]
pub(crate) struct CrateStore {
    /// It is patient.
    client: Client,
    settings: Settings,
    /// Tables as they were read.
    known: HashMap<TargetTable, Known>,
    has_letters: bool,
    has_definitions: bool,
}

impl CrateStore {
    pub(crate) fn new(client: Client, settings: Settings) -> Self {
        Self {
            client: client.patient(),
            settings,
            known: HashMap::new(),
            has_letters: false,
            has_definitions: false,
        }
    }
}

impl Store for CrateStore {
    type Holds = Holding;

    const NAMING: Naming = Naming { fit: |name| names::of_column(&name), fold: str::to_owned };

    const MASKS: bool = false;

    const MESSAGE_ID: &'static str = names::MESSAGE_ID;

    fn default_schema(&self) -> Option<&'static str> {
        Some("doc")
    }

    fn fit_name(&self, name: String) -> String {
        fit_name(name)
    }

    async fn tables(&mut self) -> Result<Vec<TargetTable>, SinkError> {
        self.all_tables().await
    }

    async fn look(&mut self, table: &TargetTable) -> Result<Option<Found<Holding>>, SinkError> {
        Ok(self.read(table).await?.map(|schema| known::found(&schema)))
    }

    async fn create(&mut self, table: &TargetTable, new: &NewTable) -> Result<Fate, SinkError> {
        self.create_table(table, new).await
    }

    async fn alter(
        &mut self,
        table: &TargetTable,
        layout: Layout,
        alteration: &Alteration,
    ) -> Result<Fate, SinkError> {
        self.alter_table(table, layout, alteration).await
    }

    async fn write(
        &mut self,
        table: &Open<Holding>,
        write: &Write<'_>,
    ) -> Result<Vec<Fate>, SinkError> {
        self.write_rows(table, write).await
    }

    async fn find(
        &mut self,
        table: &Open<Holding>,
        keys: &[Vec<Cell<'_>>],
    ) -> Result<Vec<bool>, SinkError> {
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
        let Settings { letters_schema, stream, .. } = &self.settings;
        let of = Letters { schema: letters_schema, name: LETTERS, stream, table };
        if !self.has_letters {
            letters::create(&self.client, of).await?;
            self.has_letters = true;
        }
        letters::keep(&self.client, of, shard, letters).await
    }

    async fn definitions(&mut self) -> Result<Vec<String>, SinkError> {
        self.read_definitions().await
    }

    async fn define(
        &mut self,
        source: &SourceTable,
        definition: Option<&str>,
    ) -> Result<(), SinkError> {
        self.store_definition(source, definition).await
    }
}

/// Returns the table as SQL wants it.
fn quoted(table: &TargetTable) -> String {
    format!("{}.{}", quote(&table.schema), quote(&table.table))
}

fn failed(what: &str, table: &TargetTable) -> impl FnOnce(CrateDbError) -> SinkError {
    let what = format!("{what} table {}", table.table);
    move |error| DbError::cratedb(what)(error).into()
}

/// Schemas that are CrateDB's own.
const SYSTEM: [&str; 3] = ["information_schema", "pg_catalog", "sys"];

/// The most bytes of a name; CrateDB takes 255, with what it adds to names of partitions.
const LONGEST_NAME: usize = 200;

/// Returns the name of a table or schema as CrateDB takes it. One that it does not take, and one that looks like what such a
/// name becomes, gets a digest
/// (<https://cratedb.com/docs/crate/reference/en/latest/general/ddl/create-table.html#naming-restrictions>).
fn fit_name(name: String) -> String {
    let is_forbidden = |c: char| "\\/*?\"<>|,#.".contains(c) || c.is_whitespace() || c.is_control();
    let is_kept = !name.is_empty()
        && !name.starts_with('_')
        && !name.contains(is_forbidden)
        && name.len() <= LONGEST_NAME
        && !SYSTEM.contains(&name.as_str())
        && names::of_key(&name) == name;
    if is_kept {
        return name;
    }
    let mut fitted = String::new();
    for c in name.trim_start_matches('_').chars() {
        if fitted.len() >= LONGEST_NAME {
            break;
        }
        fitted.push(if is_forbidden(c) { '_' } else { c });
    }
    // What it begins with may have become an underscore only now.
    let start = fitted.trim_start_matches('_');
    with_digest(if start.is_empty() { "t" } else { start }, &name)
}

#[cfg(test)]
mod tests;
