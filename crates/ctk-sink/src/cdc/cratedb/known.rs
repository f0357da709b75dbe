//! Tables as they were read, so that not each write has to look at them.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;
use tracing::info;

use super::{CrateStore, holds::Holding};
use crate::{
    SinkError,
    cdc::store::{Found, Store, TargetTable},
    columns::Columns,
    cratedb::{
        schema::{Column, Schema},
        table::STARTING,
    },
};

/// What is known is read again after this time: others may change the table, too.
const FRESH: Duration = Duration::from_secs(30);

/// A table as it was read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) schema: Schema,
    /// Keys of objects that CrateDB did not add when it was asked to.
    pub(super) unasked: HashSet<Vec<String>>,
    read_at: Instant,
}

impl CrateStore {
    /// Returns the table as it was read lately, or reads it; none when there is none.
    pub(super) async fn known(&mut self, table: &TargetTable) -> Result<Option<Known>, SinkError> {
        if let Some(known) = self.known.get(table)
            && known.read_at.elapsed() < FRESH
        {
            return Ok(Some(known.clone()));
        }
        self.read(table).await?;
        Ok(self.known.get(table).cloned())
    }

    /// Reads a table; none when there is none. One that was there may be unknown while a node starts.
    pub(super) async fn read(&mut self, table: &TargetTable) -> Result<Option<Schema>, SinkError> {
        let start = Instant::now();
        loop {
            if let Some(schema) = Schema::read(&self.client, &table.schema, &table.table).await? {
                let before = self.known.remove(table);
                let unasked = before.map(|known| known.unasked).unwrap_or_default();
                let known = Known { schema: schema.clone(), unasked, read_at: Instant::now() };
                self.known.insert(table.clone(), known);
                return Ok(Some(schema));
            }
            if !self.known.contains_key(table) || start.elapsed() >= STARTING {
                self.known.remove(table);
                return Ok(None);
            }
            info!(table = table.table, "the table is gone; is the server starting?");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// Returns what is to be known of a table outside of here.
pub(super) fn found(schema: &Schema) -> Found<Holding> {
    let mut columns = Columns::new(CrateStore::NAMING);
    for column in &schema.columns {
        let is_key = schema.key.iter().any(|key| member(column, key).is_some());
        columns.push(column.name.clone(), Holding::new(column), is_key);
    }
    let name = |key: &String| {
        let member = schema.columns.iter().find_map(|column| member(column, key));
        member.unwrap_or_else(|| key.clone())
    };
    Found { columns, key: schema.key.iter().map(name).collect() }
}

/// Returns the name of the key column, which is this column, or a member of it: `pk['id']` is `id`.
fn member(column: &Column, key: &str) -> Option<String> {
    if column.name == key {
        return Some(key.to_owned());
    }
    let mut names = column.of.keys()?.keys();
    let is_it = |name: &&String| {
        let quoted = name.replace('\'', "''");
        [name.as_str(), &quoted].iter().any(|name| key == format!("{}['{name}']", column.name))
    };
    names.find(is_it).cloned()
}
