//! Rows that get another key. A primary key cannot be updated, so the row is copied, with its changes, and the old one deleted:
//! who is stopped in between begins again, and finds either both or the new one.

use bytes::Bytes;
use ctk_db::quote;
use serde_json::value::RawValue;
use tracing::debug;

use super::{
    CrateStore, failed,
    holds::Holding,
    members::merged,
    quoted,
    rows::{DATA, Encoded, RowArgs, key},
    write::{Outcome, Start, condition},
};
use crate::{
    SinkError,
    cdc::{
        cell::Cell,
        store::{Layout, Open, Write},
    },
    cratedb::{
        schema::{Column, Schema},
        types::Type,
    },
    envelope::push_json_text,
};

impl CrateStore {
    /// Moves a row. When there is one with the new key, it stays, and gets the changes; the old one goes.
    pub(super) async fn move_row(
        &self,
        open: &Open<Holding>,
        write: &Write<'_>,
        schema: &Schema,
        encoded: &Encoded,
    ) -> Result<Outcome, SinkError> {
        let Some(row) = encoded.rows.first() else { return Ok(Ok(Vec::new())) };
        let from = write.from.first().map_or(&[][..], Vec::as_slice);
        // A key that its column does not hold is no row's.
        let old = key(open, from, schema).ok().map(|(old, _)| old).filter(|old| *old != row.key);
        let columns = columns(open, schema);
        let before = match &old {
            Some(old) => self.read_row(open, &columns, old).await?,
            None => None,
        };
        let (Some(old), Some(before)) = (old, before) else {
            return self.upsert(open, encoded, Start::Update).await;
        };
        let written = if self.read_row(open, &[], &row.key).await?.is_some() {
            self.upsert(open, encoded, Start::Update).await?
        } else {
            let copied = Encoded {
                columns: columns.iter().map(|column| column.name.clone()).collect(),
                empty: Vec::new(),
                rows: vec![with_changes(&columns, &before, encoded, row)],
                entries: encoded.entries.clone(),
                refused: Vec::new(),
                planned: Vec::new(),
            };
            self.upsert(open, &copied, Start::Insert).await?
        };
        match written {
            Ok(fates) if fates.iter().all(Option::is_none) => {}
            other => return Ok(other),
        }
        let deleted = self.delete_keys(open, &[old.as_str()]).await?;
        Ok(deleted.map(|refused| vec![refused.into_iter().map(|(_, why)| why).next()]))
    }

    /// Returns which of these keys the table has rows of.
    pub(super) async fn find_rows(
        &mut self,
        open: &Open<Holding>,
        keys: &[Vec<Cell<'_>>],
    ) -> Result<Vec<bool>, SinkError> {
        let known = self.known(&open.name).await?;
        let schema = known.map(|known| known.schema).unwrap_or_default();
        let mut found = Vec::with_capacity(keys.len());
        for cells in keys {
            // A key that its column does not hold is no row's.
            found.push(match key(open, cells, &schema) {
                Ok((key, _)) => self.read_row(open, &[], &key).await?.is_some(),
                Err(_) => false,
            });
        }
        Ok(found)
    }

    /// Reads a row by its key, as JSON. None when there is none.
    async fn read_row(
        &self,
        open: &Open<Holding>,
        columns: &[&Column],
        key: &str,
    ) -> Result<Option<Vec<Box<RawValue>>>, SinkError> {
        // A NUMERIC would come as a double.
        let select = |column: &&Column| match &column.of {
            Type::Numeric { .. } => format!("{}::TEXT", quote(&column.name)),
            _ => quote(&column.name),
        };
        let mut items: Vec<_> = columns.iter().map(select).collect();
        if items.is_empty() {
            items.push("1".into());
        }
        let sql = format!(
            "SELECT {} FROM {} WHERE {}",
            items.join(", "),
            quoted(&open.name),
            condition(open)
        );
        let mut body = String::from("{\"stmt\":");
        push_json_text(&sql, &mut body);
        body.push_str(",\"args\":[");
        body.push_str(key);
        body.push_str("]}");
        match self.client.rows(Bytes::from(body)).await {
            Ok(rows) => Ok(rows.into_iter().next()),
            Err(error) if error.is_refused() => {
                debug!(%error, "no row can have this key");
                Ok(None)
            }
            Err(error) => Err(failed("read", &open.name)(error)),
        }
    }
}

/// Returns the columns that a row takes along: all but its key, and what CrateDB makes itself.
fn columns<'a>(open: &Open<Holding>, schema: &'a Schema) -> Vec<&'a Column> {
    let is_key = |column: &Column| match open.layout {
        Layout::Direct => schema.key.contains(&column.name),
        Layout::Universal => open.key.iter().any(|slot| open.columns[*slot].name == column.name),
    };
    schema.columns.iter().filter(|column| !column.is_generated && !is_key(column)).collect()
}

fn with_changes(
    columns: &[&Column],
    before: &[Box<RawValue>],
    encoded: &Encoded,
    row: &RowArgs,
) -> RowArgs {
    let cells = columns.iter().zip(before).map(|(column, before)| {
        let changed = encoded.columns.iter().position(|name| *name == column.name);
        match (changed.and_then(|at| row.cells.get(at)), &row.members) {
            (Some(_), Some(members)) if column.name == DATA => merged(before.get(), members),
            (Some(cell), _) => cell.clone(),
            (None, _) => before.get().to_owned(),
        }
    });
    RowArgs { cells: cells.collect(), members: None, ..row.clone() }
}
