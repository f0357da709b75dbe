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
    write::{Outcome, Start, condition, keys},
};
use crate::{
    SinkError,
    cdc::store::{Fate, Layout, Open, Write},
    cratedb::{
        schema::{Column, Schema},
        types::Type,
    },
    envelope::push_json_text,
};

impl CrateStore {
    /// Moves rows. All are read before one is written, so that rows may exchange their keys.
    pub(super) async fn move_rows(
        &self,
        open: &Open<Holding>,
        write: &Write<'_>,
        schema: &Schema,
        encoded: &Encoded,
    ) -> Result<Outcome, SinkError> {
        let mut fates: Vec<Fate> = vec![None; encoded.rows.len()];
        let columns = columns(open, schema);
        let of = |columns: Vec<String>| Encoded {
            columns,
            empty: Vec::new(),
            rows: Vec::new(),
            entries: Vec::new(),
            refused: Vec::new(),
            planned: Vec::new(),
        };
        let mut copied = of(columns.iter().map(|column| column.name.clone()).collect());
        let mut patched = of(encoded.columns.clone());
        patched.empty.clone_from(&encoded.empty);
        let mut old_keys = Vec::new();
        for (at, (row, index)) in encoded.rows.iter().zip(&encoded.entries).enumerate() {
            let from = write.from.get(*index).map_or(&[][..], Vec::as_slice);
            // A key that its column does not hold is no row's.
            let old =
                key(open, from, schema).ok().map(|(old, _)| old).filter(|old| *old != row.key);
            let before = match &old {
                Some(old) => self.read_row(open, &columns, old).await?,
                None => None,
            };
            if let (Some(old), Some(before)) = (old, before) {
                copied.rows.push(with_changes(&columns, &before, encoded, row));
                copied.entries.push(at);
                old_keys.push(old);
            } else {
                patched.rows.push(row.clone());
                patched.entries.push(at);
            }
        }
        for (encoded, start) in [(&copied, Start::Insert), (&patched, Start::Update)] {
            match self.upsert(open, encoded, start).await? {
                Ok(done) => {
                    for (at, done) in encoded.entries.iter().zip(done) {
                        if let Some(fate) = fates.get_mut(*at) {
                            *fate = done;
                        }
                    }
                }
                Err(stale) => return Ok(Err(stale)),
            }
        }
        // The old key of one may be the new one of another.
        let new_keys = keys(encoded);
        let mut gone: Vec<(usize, &str)> = Vec::new();
        for (at, old) in copied.entries.iter().zip(&old_keys) {
            let is_written = fates.get(*at).is_some_and(Option::is_none);
            if is_written && !new_keys.contains(old.as_str()) {
                gone.push((*at, old));
            }
        }
        let old_keys: Vec<&str> = gone.iter().map(|(_, old)| *old).collect();
        match self.delete_keys(open, &old_keys).await? {
            Ok(refused) => {
                for (row, why) in refused {
                    if let Some(fate) = gone.get(row).and_then(|(at, _)| fates.get_mut(*at)) {
                        *fate = Some(why);
                    }
                }
                Ok(Ok(fates))
            }
            Err(stale) => Ok(Err(stale)),
        }
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
