//! Changes of one table, fitted to its columns: which column each member goes to, in which form, and what is still missing
//! for that. Pure.

mod columns;
mod key;

use std::collections::{BTreeMap, HashMap};

use ctk_flow::{Asks, Change, Changes, ColumnId, ColumnKind, Reason, Row, Value};

pub(crate) use self::columns::{kind_of, own_column, variants};
use self::columns::{kinds, of_source, sibling};
use super::{
    adapt::{adapt, as_bytes},
    cell::Cell,
    definition::Definition,
    merge::{Asked, Fitted, Slot, name_of},
    store::{Holds, Layout, Open},
};
use crate::{
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
    slots: Vec<Vec<Option<Goes>>>,
    /// For each column: others that hold values of the same member.
    families: Vec<Vec<usize>>,
    /// For each column: it is one of the source, so no variant of another.
    of_source: Vec<bool>,
    /// For each column: the kind that it was made for, where that is known.
    kinds: Vec<Option<Kind>>,
    interned: HashMap<(&'a str, bool), Slot>,
    /// For each member, and for each column: the change that it was met in last, and where.
    seen: Vec<(u64, usize)>,
    set: Vec<(u64, usize)>,
    /// The number of the change.
    stamp: u64,
}

/// Where the values of a member go.
#[derive(Clone, Debug)]
enum Goes {
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
            of_source: of_source(table, definition),
            kinds: kinds(table, definition),
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
            let met = columns.filter(|(_, place)| place.is_some());
            met.map(|(name, _)| self.definition.name(name).to_owned())
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
        let definition = self.definition;
        let is_key = |name: &str| definition.key.iter().any(|key| key == name);
        // Of a row that gets another key, all that is told is taken.
        let before = (from.is_some() && asked == Asked::Patch).then(|| change.before());
        let before = before.into_iter().flatten();
        self.stamp += 1;
        let mut values: Vec<(ColumnId, Value<'a>, bool)> = Vec::new();
        if asked != Asked::Delete {
            let data = before.chain(change.data()).map(|(column, value)| (column, value, false));
            let aux = change.aux().map(|(column, value)| (column, value, true));
            for (column, value, is_aux) in data.chain(aux) {
                if is_key(self.name(changes, column)) {
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
                    let name = self.name(changes, column);
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
        // What is another one for the record may be the same for the column.
        let from = from.filter(|from| name_of(from) != name_of(&key));
        Ok(is_complete.then_some(Fitted { asked, key, from, cells }))
    }

    /// Returns the name that a column of the record has by now.
    fn name(&self, changes: &'a Changes, column: ColumnId) -> &'a str {
        self.definition.name(&changes.columns()[column.index()])
    }

    /// Returns where the values of a member go.
    fn place_of(&mut self, changes: &'a Changes, member: usize, column: ColumnId) -> &Goes {
        let name = self.name(changes, column);
        self.slots[member][column.index()].get_or_insert_with(|| {
            match own_column(&self.table.columns, name) {
                Ok(slot) => {
                    let at = self.definition.position(name);
                    let kind = at.map(|at| self.definition.columns[at].kind);
                    Goes::Column { slot, are_bytes: kind == Some(ColumnKind::Bytes) }
                }
                Err(name) => Goes::Missing(name),
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
            Goes::Column { slot, are_bytes } => (*slot, *are_bytes),
            // What is not there is NULL already.
            Goes::Missing(_) if value == Value::Null => return Ok(true),
            Goes::Missing(name) => {
                let name = name.clone();
                return self.miss(fit, name, value, None);
            }
        };
        let stamp = self.stamp;
        let (set, of_source) = (&self.set, &self.of_source);
        let is_open = |slot: usize| is_free(set, slot, stamp) && (slot == own || !of_source[slot]);
        let bytes = |holds: &H| as_bytes(holds, value).filter(|_| are_bytes);
        let convert = |holds: &H| bytes(holds).or_else(|| adapt(holds, value));
        let columns = &self.table.columns;
        let take = |slot: usize| {
            let cell = is_open(slot).then(|| convert(&columns[slot].holds)).flatten();
            cell.map(|cell| (slot, cell))
        };
        let (slot, cell) = match take(own) {
            Some(taken) => taken,
            None => match self.beside(own, value, take) {
                Ok(Some(taken)) => taken,
                Ok(None) => {
                    let column = &columns[own].name;
                    return Err((
                        Reason::Refused,
                        format!("no column can hold the value of {column}"),
                    ));
                }
                Err((name, kind)) => return self.miss(fit, name, value, Some(kind)),
            },
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

    /// Returns the variant of a column that takes a value: the one of its kind, else the one of text, in which its digits
    /// stand. An error names one that is missing.
    fn beside<T>(
        &self,
        own: usize,
        value: Value<'_>,
        take: impl Fn(usize) -> Option<T>,
    ) -> Result<Option<T>, (String, Kind)> {
        let columns = &self.table.columns;
        let told = self.kinds.get(own).copied().flatten();
        let kinds = [sibling(value).filter(|kind| Some(*kind) != told), Some(Kind::Text)];
        for kind in kinds.into_iter().flatten() {
            let mut name = names::variant(&columns[own].name, kind.name());
            loop {
                match columns.find(name) {
                    Err(name) => return Err((name, kind)),
                    // It is a column of the source.
                    Ok(slot) if self.of_source[slot] && slot != own => {
                        name = names::variant(&columns[slot].name, kind.name());
                    }
                    Ok(slot) => match take(slot) {
                        Some(taken) => return Ok(Some(taken)),
                        None => break,
                    },
                }
            }
        }
        Ok(None)
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

#[expect(clippy::expect_used, reason = "a batch has fewer cells than that")]
pub(crate) fn small(n: usize) -> Slot {
    Slot::try_from(n).expect("fewer than 4 billion columns")
}
