//! Changes of one table, fitted to its columns: which column each member goes to, in which form, and what is still missing
//! for that. Pure.

use std::collections::{BTreeMap, HashMap};

use ctk_flow::{Asks, Change, Changes, ColumnId, ColumnKind, Reason, Row, Value};

use super::{
    adapt::{adapt, as_bytes},
    cell::Cell,
    definition::Definition,
    merge::{Asked, Fitted, Slot},
    store::{Holds, Layout, Open},
};
use crate::{
    columns::{Columns, Misfit},
    envelope::MessageId,
    group::Delivery,
    kinds::{Kind, Seen},
    names,
};

/// A change, by its place in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) member: usize,
    pub(crate) row: usize,
}

impl Entry {
    pub(crate) fn row<'a>(&self, group: &'a [Delivery]) -> Row<'a> {
        group[self.member].changes.row(self.row)
    }
}

/// Why a change is not written: it becomes a dead letter.
pub(crate) type Why = (Reason, String);

/// What came of the changes of a table.
#[derive(Debug, Default)]
pub(crate) struct Fit<'a> {
    /// Those that can be written, with their places.
    pub(crate) fitted: Vec<Fitted<'a>>,
    pub(crate) entries: Vec<Entry>,
    pub(crate) refused: Vec<(Entry, Why)>,
    /// Columns that are to be made first; then all is fitted anew.
    pub(crate) missing: BTreeMap<String, Seen>,
    /// In the universal layout: the names of slots.
    pub(crate) members: Vec<&'a str>,
    /// The slots of them that stand in `aux`.
    pub(crate) aux: Vec<bool>,
}

/// Fits changes of one table.
pub(crate) struct Fitter<'a, H> {
    pub(crate) table: &'a Open<H>,
    pub(crate) definition: &'a Definition,
    /// The column of rows that have no key.
    pub(crate) message_id: &'static str,
    /// Whether columns may be added.
    pub(crate) evolve: bool,
    /// Columns that cannot be made, and why.
    pub(crate) barred: &'a HashMap<String, String>,
    /// For each member of the group: the column of each of its members, once it was looked for.
    slots: Vec<Vec<Option<Place>>>,
    /// For each column: others that hold values of the same member.
    families: Vec<Vec<usize>>,
    interned: HashMap<(&'a str, bool), Slot>,
    /// For each member, and for each column: the change that it was met in last, and where.
    seen: Vec<(u64, usize)>,
    set: Vec<(u64, usize)>,
    /// The number of the change.
    stamp: u64,
}

/// Where the values of a member go.
#[derive(Clone, Debug)]
enum Place {
    Column {
        slot: usize,
        are_bytes: bool,
    },
    /// It is to be made.
    Missing(String),
}

impl<'a, H: Holds> Fitter<'a, H> {
    pub(crate) fn new(
        table: &'a Open<H>,
        definition: &'a Definition,
        message_id: &'static str,
        (evolve, barred): (bool, &'a HashMap<String, String>),
    ) -> Self {
        Self {
            table,
            definition,
            message_id,
            evolve,
            barred,
            slots: Vec::new(),
            families: (0..table.columns.len())
                .map(|slot| variants(&table.columns, definition, &table.columns[slot].name))
                .collect(),
            interned: HashMap::new(),
            seen: Vec::new(),
            set: Vec::new(),
            stamp: 0,
        }
    }

    /// Fits all of them.
    pub(crate) fn fit(&mut self, group: &'a [Delivery], entries: &[Entry]) -> Fit<'a> {
        self.slots =
            group.iter().map(|delivery| vec![None; delivery.changes.columns().len()]).collect();
        let mut fit = Fit { fitted: Vec::with_capacity(entries.len()), ..Fit::default() };
        for entry in entries {
            let (row, delivery) = (entry.row(group), &group[entry.member]);
            let Some(change) = row.change() else { continue };
            match self.one(&mut fit, &delivery.changes, entry, (row, change)) {
                Ok(Some(fitted)) => {
                    fit.fitted.push(fitted);
                    fit.entries.push(*entry);
                }
                // It needs a column that is missing.
                Ok(None) => {}
                Err(why) => fit.refused.push((*entry, why)),
            }
        }
        fit
    }

    /// Returns the names of all members that were met.
    pub(crate) fn met(&self, group: &[Delivery]) -> Vec<String> {
        let all = group.iter().zip(&self.slots).flat_map(|(delivery, slots)| {
            let columns = delivery.changes.columns().iter().zip(slots);
            columns.filter(|(_, place)| place.is_some()).map(|(name, _)| name.to_string())
        });
        all.chain(self.interned.keys().map(|(name, _)| (*name).to_owned())).collect()
    }

    fn one(
        &mut self,
        fit: &mut Fit<'a>,
        changes: &'a Changes,
        entry: &Entry,
        (row, change): (Row<'a>, Change<'a>),
    ) -> Result<Option<Fitted<'a>>, Why> {
        let asked = match change.asks() {
            Asks::Put => Asked::Put,
            Asks::Patch => Asked::Patch,
            Asks::Delete | Asks::Table(_) => Asked::Delete,
        };
        let key = self.key(changes, asked, (row, change))?;
        let from = self.key_before(changes, change, &key)?;
        let is_key = |name: &str| self.definition.key.iter().any(|key| key == name);
        // Of a row that gets another key, all that is told is taken.
        let before = (from.is_some() && asked == Asked::Patch).then(|| change.before());
        let before = before.into_iter().flatten();
        self.stamp += 1;
        let mut values: Vec<(ColumnId, Value<'a>, bool)> = Vec::new();
        if asked != Asked::Delete {
            let data = before.chain(change.data()).map(|(column, value)| (column, value, false));
            let aux = change.aux().map(|(column, value)| (column, value, true));
            for (column, value, is_aux) in data.chain(aux) {
                if is_key(&changes.columns()[column.index()]) {
                    continue;
                }
                // Of members that come twice, the last counts.
                match seen(&mut self.seen, column.index(), (self.stamp, values.len())) {
                    Some(place) => values[place] = (column, value, is_aux),
                    None => values.push((column, value, is_aux)),
                }
            }
        }
        let mut cells = Vec::with_capacity(values.len());
        let mut is_complete = true;
        match self.table.layout {
            Layout::Universal => {
                for (column, value, is_aux) in values {
                    let name = &*changes.columns()[column.index()];
                    let next = small(fit.members.len());
                    let slot = *self.interned.entry((name, is_aux)).or_insert(next);
                    if slot == next {
                        fit.members.push(name);
                        fit.aux.push(is_aux);
                    }
                    cells.push((slot, Cell::As(value)));
                }
            }
            Layout::Direct => {
                for (column, value, _) in values {
                    is_complete &=
                        self.place(fit, changes, (entry.member, column, value), &mut cells)?;
                }
            }
        }
        let (key, from) = match self.table.layout {
            Layout::Universal => {
                (vec![self.object(&key)], from.map(|from| vec![self.object(&from)]))
            }
            Layout::Direct => {
                let Some(key) = self.fit_key(fit, &key)? else { return Ok(None) };
                let from = match from {
                    Some(from) => self.fit_key(fit, &from)?,
                    None => None,
                };
                (key, from)
            }
        };
        Ok(is_complete.then_some(Fitted { asked, key, from, cells }))
    }

    /// Returns where the values of a member go.
    fn place_of(&mut self, changes: &Changes, member: usize, column: ColumnId) -> &Place {
        let name = &changes.columns()[column.index()];
        self.slots[member][column.index()].get_or_insert_with(|| {
            match self.table.columns.find(names::of_member(name)) {
                Ok(slot) => {
                    let at = self.definition.position(name);
                    let kind = at.map(|at| self.definition.columns[at].kind);
                    Place::Column { slot, are_bytes: kind == Some(ColumnKind::Bytes) }
                }
                Err(name) => Place::Missing(name),
            }
        })
    }

    /// Puts a value into the column of its member, and NULL into the others of its family; false when a column is missing.
    fn place(
        &mut self,
        fit: &mut Fit<'a>,
        changes: &'a Changes,
        (member, column, value): (usize, ColumnId, Value<'a>),
        cells: &mut Vec<(Slot, Cell<'a>)>,
    ) -> Result<bool, Why> {
        let (own, are_bytes) = match self.place_of(changes, member, column) {
            Place::Column { slot, are_bytes } => (*slot, *are_bytes),
            // What is not there is NULL already.
            Place::Missing(_) if value == Value::Null => return Ok(true),
            Place::Missing(name) => {
                let name = name.clone();
                return self.miss(fit, name, value, None);
            }
        };
        let kind = Kind::of(value).map(|kind| (kind, kind.name()));
        let stamp = self.stamp;
        let set = &self.set;
        let is_open = |slot: usize| is_free(set, slot, stamp);
        let bytes = |holds: &H| as_bytes(holds, value).filter(|_| are_bytes);
        let convert = |holds: &H| bytes(holds).or_else(|| adapt(holds, value));
        let fitted = self.table.columns.fit(own, kind, is_open, convert);
        let (slot, cell) = match fitted {
            Ok(fitted) => fitted,
            Err(Misfit::Column { name, kind }) => {
                return self.miss(fit, name, value, Some(kind));
            }
            Err(Misfit::Refused(error)) => return Err((Reason::Refused, error)),
            Err(Misfit::Unused(slot)) => (slot, Cell::As(value)),
        };
        seen(&mut self.set, slot, (stamp, 0));
        cells.push((small(slot), cell));
        for other in self.families[own].iter().chain([&own]) {
            if is_free(&self.set, *other, stamp) {
                seen(&mut self.set, *other, (stamp, 0));
                cells.push((small(*other), Cell::NULL));
            }
        }
        Ok(true)
    }

    fn miss(
        &self,
        fit: &mut Fit<'a>,
        name: String,
        value: Value<'_>,
        kind: Option<Kind>,
    ) -> Result<bool, Why> {
        if let Some(why) = self.barred.get(&name) {
            return Err((Reason::Refused, format!("the column {name} cannot be added: {why}")));
        }
        if !self.evolve {
            let why = format!("the table has no column {name}, and evolve=none forbids to add it");
            return Err((Reason::Refused, why));
        }
        let seen = fit.missing.entry(name).or_default();
        match kind {
            Some(kind) => seen.see_kind(kind),
            None => seen.see(value),
        }
        Ok(false)
    }

    /// Returns the values of the key.
    fn key(
        &self,
        changes: &'a Changes,
        asked: Asked,
        (row, change): (Row<'a>, Change<'a>),
    ) -> Result<Vec<Cell<'a>>, Why> {
        if self.definition.key.is_empty() {
            if asked != Asked::Put {
                let error = "the table has no key, so it is not known which row is meant";
                return Err((Reason::NoKey, error.to_owned()));
            }
            let mut text = String::new();
            MessageId::new(changes.shard(), row.origin(), row.sub_sequence()).write(&mut text);
            return Ok(vec![Cell::Text(text.into())]);
        }
        if change.tells_key() {
            let told = change.key().count();
            if told != self.definition.key.len() {
                let error = format!("the record has {told} key attributes, the table has others");
                return Err((Reason::NoKey, error));
            }
        }
        let of_name = |name: &String| {
            let is_it =
                |(column, _): &(ColumnId, Value<'_>)| *changes.columns()[column.index()] == **name;
            match change.data().filter(is_it).last() {
                None | Some((_, Value::Null)) => Err((
                    Reason::NoKey,
                    format!("the record has no value for the key column {name}"),
                )),
                Some((_, value)) => Ok(Cell::As(value)),
            }
        };
        self.definition.key.iter().map(of_name).collect()
    }

    /// Returns the key that the row had before, if it was another one.
    fn key_before(
        &self,
        changes: &'a Changes,
        change: Change<'a>,
        key: &[Cell<'a>],
    ) -> Result<Option<Vec<Cell<'a>>>, Why> {
        if change.before().next().is_none() || !matches!(change.asks(), Asks::Put | Asks::Patch) {
            return Ok(None);
        }
        let mut is_other = false;
        let mut from = Vec::with_capacity(key.len());
        for (name, now) in self.definition.key.iter().zip(key) {
            let was = change
                .before()
                .filter(|(column, _)| *changes.columns()[column.index()] == **name)
                .last();
            match was {
                Some((_, Value::Null)) => {
                    let error = format!("the row had no value for the key column {name} before");
                    return Err((Reason::NoKey, error));
                }
                Some((_, value)) if Cell::As(value) != *now => {
                    is_other = true;
                    from.push(Cell::As(value));
                }
                _ => from.push(now.clone()),
            }
        }
        Ok(is_other.then_some(from))
    }

    /// Fits the values of a key to its columns; nothing when one of these is missing.
    fn fit_key(&self, fit: &mut Fit<'a>, key: &[Cell<'a>]) -> Result<Option<Vec<Cell<'a>>>, Why> {
        let mut fitted = Vec::with_capacity(key.len());
        for (cell, slot) in key.iter().zip(&self.table.key) {
            let column = &self.table.columns[*slot];
            let adapted = match cell {
                Cell::As(value) => adapt(&column.holds, *value),
                made => column.holds.takes(made.value()).then(|| made.clone()),
            };
            let Some(cell) = adapted else {
                let error = format!("the key column {} cannot hold the value", column.name);
                return Err((Reason::Refused, error));
            };
            fitted.push(cell);
        }
        if fitted.len() == key.len() {
            return Ok(Some(fitted));
        }
        let name = self.definition.key.get(fitted.len()).cloned().unwrap_or_default();
        let value = key.get(fitted.len()).map_or(Value::Null, Cell::value);
        self.miss(fit, names::of_member(&name), value, None)?;
        Ok(None)
    }

    /// Returns the values of a key as the object `pk`.
    fn object(&self, key: &[Cell<'a>]) -> Cell<'a> {
        let id = self.message_id.to_owned();
        let names = match self.definition.key.as_slice() {
            [] => std::slice::from_ref(&id),
            names => names,
        };
        let members = names.iter().map(String::as_str).zip(key);
        Cell::Json(object(members))
    }
}

/// Returns where this was met in the change of this number; if it was not, notes that it is met there now.
fn seen(all: &mut Vec<(u64, usize)>, index: usize, now: (u64, usize)) -> Option<usize> {
    if all.len() <= index {
        all.resize(index + 1, (0, 0));
    }
    let before = all[index];
    if before.0 == now.0 {
        return Some(before.1);
    }
    all[index] = now;
    None
}

fn is_free(set: &[(u64, usize)], slot: usize, stamp: u64) -> bool {
    set.get(slot).is_none_or(|(of, _)| *of != stamp)
}

/// Returns a JSON object of these members.
pub(crate) fn object<'a, 'b: 'a>(members: impl Iterator<Item = (&'a str, &'a Cell<'b>)>) -> String {
    let mut text = String::from("{");
    for (name, cell) in members {
        if text.len() > 1 {
            text.push(',');
        }
        crate::envelope::push_json_text(name, &mut text);
        text.push(':');
        crate::row_json::push_value(cell.value(), &mut text);
    }
    text.push('}');
    text
}

/// Returns which other columns hold values of a column's member: its variants, that are no columns of the source.
pub(crate) fn variants<H>(columns: &Columns<H>, definition: &Definition, name: &str) -> Vec<usize> {
    let kinds = [Kind::Bool, Kind::Bigint, Kind::Double, Kind::Text, Kind::Json, Kind::Binary];
    let variants = kinds.iter().filter_map(|kind| {
        let variant = names::variant(name, kind.name());
        let is_its_own = definition.position(&variant).is_some();
        columns.find(variant).ok().filter(|_| !is_its_own)
    });
    variants.collect()
}

#[expect(clippy::expect_used, reason = "a batch has fewer cells than that")]
pub(crate) fn small(n: usize) -> Slot {
    Slot::try_from(n).expect("fewer than 4 billion columns")
}

/// Returns what a column of the source becomes whose values decide that.
pub(crate) fn kind_of(kind: Kind) -> ColumnKind {
    match kind {
        Kind::Bool => ColumnKind::Bool,
        Kind::Bigint => ColumnKind::Integer { bits: 64, signed: true },
        Kind::Double => ColumnKind::Double,
        Kind::Text => ColumnKind::Text,
        Kind::Json => ColumnKind::Json,
        Kind::Binary => ColumnKind::Bytes,
    }
}
