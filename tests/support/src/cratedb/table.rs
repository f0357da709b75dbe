//! A table: its columns, its rows, and which of them a search sees.
//!
//! A row has two states: what was written last, which is found by the primary key, and what was there at the last REFRESH,
//! which everything else sees. A real table refreshes by itself every second; this one does not, so that a missing REFRESH
//! shows.

use std::{collections::HashMap, sync::Arc};

use super::{
    error::Error,
    json::Writer,
    syntax::Path,
    types::{Members, Policy, Type},
    value::Value,
};

/// How many columns a table may have, keys of objects included, unless it was created with another limit.
pub(super) const MOST_COLUMNS: usize = 1000;

#[derive(Debug)]
pub(super) struct Table {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) columns: Members,
    /// The primary key; empty when there is none.
    pub(super) keys: Vec<Path>,
    pub(super) partitioned_by: Vec<Path>,
    pub(super) clustered_by: Option<Path>,
    pub(super) shards: u32,
    pub(super) replicas: String,
    pub(super) most_columns: usize,
    /// False to keep keys, but none of the other values.
    pub(super) stores_rows: bool,
    slots: Vec<Slot>,
    by_key: HashMap<Box<str>, usize>,
    /// Slots that were written since the last refresh.
    dirty: Vec<usize>,
    sequence: i64,
}

/// The place of a row, which stays its own when it is deleted.
#[derive(Debug, Default)]
struct Slot {
    live: Option<Arc<Row>>,
    seen: Option<Arc<Row>>,
    is_dirty: bool,
}

/// One state of a row.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) sequence: i64,
    pub(super) id: Box<str>,
    /// In the order of the columns; those that were added later are missing at the end.
    pub(super) values: Box<[Value]>,
}

impl Table {
    pub(super) fn new(schema: &str, name: &str, policy: Policy) -> Self {
        Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
            columns: Members::new(policy),
            keys: Vec::new(),
            partitioned_by: Vec::new(),
            clustered_by: None,
            shards: 4,
            replicas: "0-1".to_owned(),
            most_columns: MOST_COLUMNS,
            stores_rows: true,
            slots: Vec::new(),
            by_key: HashMap::new(),
            dirty: Vec::new(),
            sequence: 0,
        }
    }

    /// Returns how many columns may be added.
    pub(super) fn room(&self) -> usize {
        self.most_columns.saturating_sub(self.columns.total())
    }

    pub(super) fn is_key(&self, path: &[Box<str>]) -> bool {
        self.keys.iter().any(|key| key == path)
    }

    /// Returns the column of a path and the type at its end.
    pub(super) fn find(&self, path: &[Box<str>]) -> Result<(usize, &Type), Error> {
        let kind = self.columns.find(path)?;
        let place = path.first().and_then(|first| self.columns.place(first)).unwrap_or_default();
        Ok((place, kind))
    }

    /// Returns the identity of a row by its primary key; an error when a part of it is missing.
    pub(super) fn id(&self, values: &[Value]) -> Result<Box<str>, Error> {
        let mut id = String::new();
        for key in &self.keys {
            let place = key.first().and_then(|first| self.columns.place(first));
            let mut value = place.and_then(|place| values.get(place)).unwrap_or(&Value::Null);
            for name in key.iter().skip(1) {
                let Value::Object(members) = value else { break };
                value = members
                    .iter()
                    .find(|(member, _)| member == name)
                    .map_or(&Value::Null, |(_, value)| value);
            }
            append_key(&mut id, value, self.keys.len() == 1)?;
        }
        Ok(id.into())
    }

    /// Returns the place of a row, also of one that was deleted.
    pub(super) fn slot(&self, id: &str) -> Option<usize> {
        self.by_key.get(id).copied()
    }

    /// Returns what was written last.
    pub(super) fn live(&self, slot: usize) -> Option<&Arc<Row>> {
        self.slots[slot].live.as_ref()
    }

    /// Returns what a search sees, with the places.
    pub(super) fn seen(&self) -> impl Iterator<Item = (usize, &Arc<Row>)> {
        self.slots.iter().enumerate().filter_map(|(slot, row)| Some((slot, row.seen.as_ref()?)))
    }

    /// Returns the place for a new row. Without a primary key every row is a new one.
    pub(super) fn slot_for(&mut self, id: Option<&str>) -> usize {
        if let Some(slot) = id.and_then(|id| self.slot(id)) {
            return slot;
        }
        let slot = self.slots.len();
        self.slots.push(Slot::default());
        if let Some(id) = id {
            self.by_key.insert(id.into(), slot);
        }
        slot
    }

    /// Writes the next state of a row; none deletes it.
    pub(super) fn write(&mut self, slot: usize, id: Box<str>, values: Option<Box<[Value]>>) {
        let sequence = self.sequence;
        self.sequence += 1;
        let place = &mut self.slots[slot];
        let stores_rows = self.stores_rows;
        place.live = values.map(|values| {
            let values = if stores_rows { values } else { Box::default() };
            Arc::new(Row { sequence, id, values })
        });
        if !place.is_dirty {
            place.is_dirty = true;
            self.dirty.push(slot);
        }
    }

    /// Drops a column or a key, and its values.
    pub(super) fn drop_column(&mut self, path: &[Box<str>]) {
        let place = path.first().and_then(|first| self.columns.place(first));
        let (Some(place), Some((name, _))) = (place, path.split_last()) else { return };
        if let Some(members) = self.columns.around(path) {
            members.remove(name);
        }
        self.change_rows(|values| match path {
            [_] => drop(values.remove(place)),
            [_, keys @ ..] => values[place].remove(keys),
            [] => {}
        });
    }

    /// Gives a column or a key another name.
    pub(super) fn rename_column(&mut self, path: &[Box<str>], new: &str) {
        let place = path.first().and_then(|first| self.columns.place(first));
        let (Some(place), Some((name, _))) = (place, path.split_last()) else { return };
        if let Some(members) = self.columns.around(path) {
            members.rename(name, new);
        }
        if let [_, keys @ ..] = path {
            self.change_rows(|values| values[place].rename(keys, new));
        }
    }

    fn change_rows(&mut self, change: impl Fn(&mut Vec<Value>)) {
        let columns = self.columns.columns.len() + 1;
        for row in self.slots.iter_mut().flat_map(|slot| [&mut slot.live, &mut slot.seen]).flatten()
        {
            let mut values = row.values.to_vec();
            values.resize(columns.max(values.len()), Value::Null);
            change(&mut values);
            *row =
                Arc::new(Row { sequence: row.sequence, id: row.id.clone(), values: values.into() });
        }
    }

    /// Lets a search see what was written.
    pub(super) fn refresh(&mut self) {
        for slot in self.dirty.drain(..) {
            let place = &mut self.slots[slot];
            place.is_dirty = false;
            place.seen.clone_from(&place.live);
        }
    }
}

/// Appends a part of a key. `is_whole` when it is the only one.
fn append_key(id: &mut String, value: &Value, is_whole: bool) -> Result<(), Error> {
    match value {
        Value::Null => return Err(Error::sql("Primary key value must not be NULL")),
        Value::Text(text) => id.push_str(text),
        Value::Int(integer) => id.integer(*integer),
        value => id.value(value),
    }
    if !is_whole {
        // A text may hold anything, so its length goes with it.
        let length = id.len();
        id.push('\u{1f}');
        id.integer(i64::try_from(length).unwrap_or(i64::MAX));
        id.push('\u{1f}');
    }
    Ok(())
}
