//! Which type a new column or key gets: that of the first value, with an eye on those that come. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{
    chunk::{Chunk, Entry},
    fit::Missing,
    json::Item,
    names,
    schema::Schema,
    types::{Kind, Scalar, Type},
};
use crate::kinds::{double, exact_double};

/// What the rows of a chunk need that the table does not have.
#[derive(Debug, Default)]
pub(super) struct Discovered {
    /// The columns and keys that were added to the schema.
    pub(super) planned: Vec<Vec<String>>,
    /// Rows that need more than `most_new` of them.
    pub(super) too_many: HashSet<Entry>,
}

/// Adds what the members of all rows need under their own names. One pass, so that a record with many new keys costs no more
/// than its size. What does not fit into these, and goes beside, is planned when it is met ([`plan`]).
pub(super) fn discover(
    schema: &mut Schema,
    chunk: &Chunk,
    is_barred: impl Fn(&str) -> bool,
    most_new: usize,
) -> Discovered {
    let mut discovered = Discovered::default();
    let mut columns: BTreeMap<String, Seen> = BTreeMap::new();
    let mut order = Vec::new();
    for (part, Entry { row, .. }) in chunk.entries().map(|entry| (entry.part, entry)) {
        let changes = &chunk.parts[part].delivery.changes;
        let mut of_row = BTreeMap::new();
        for (member, value) in changes.row(row).cells() {
            let name = names::of_member(&changes.columns()[member.index()]);
            let known = schema.slot(&name).map(|slot| &schema.columns[slot].of);
            let cannot_be = known.is_none() && is_barred(&name);
            if known.is_some_and(|of| of.keys().is_none()) || cannot_be {
                continue;
            }
            let item = Item::new(value);
            if known.is_none() && matches!(Kind::of(&item), Some(Kind::LongText)) {
                continue;
            }
            // Of members that come twice, the last counts.
            let mut seen = Seen::default();
            seen.see(known, &item);
            if known.is_none() && !columns.contains_key(&name) && !of_row.contains_key(&name) {
                order.push(name.clone());
            }
            of_row.insert(name, seen);
        }
        if of_row.values().map(Seen::size).sum::<usize>() > most_new {
            discovered.too_many.insert(Entry { part, row });
            continue;
        }
        for (name, seen) in of_row {
            columns.entry(name).or_default().merge(seen);
        }
    }
    // New columns in the order of the records.
    let known = columns.keys().filter(|name| schema.slot(name).is_some()).cloned();
    let names: Vec<String> = known.collect::<Vec<_>>().into_iter().chain(order).collect();
    for name in names {
        if let Some(seen) = columns.remove(&name) {
            seen.apply(schema, &mut vec![name], &mut discovered.planned);
        }
    }
    discovered
}

/// Adds one column or key for a value that has no other place.
pub(crate) fn plan(schema: &mut Schema, missing: &Missing, is_document: bool) {
    let of = match missing.kind.column() {
        // A record as a whole is one value: its members make no columns.
        Type::Object(_) if is_document && missing.path == ["data"] => Type::Ignored(HashMap::new()),
        of => of,
    };
    schema.insert(&missing.path, of);
}

/// What was seen at a path.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The kind of the first value, where the path is new.
    first: Option<Kind>,
    decimals: bool,
    inexact: bool,
    keys: BTreeMap<String, Self>,
}

impl Seen {
    /// Takes a value into account; `known` is the type that the path has.
    pub(crate) fn see(&mut self, known: Option<&Type>, item: &Item<'_>) {
        if known.is_none() {
            let kind = match Kind::of(item) {
                // What shows no type decides none; a key cannot be declared for long text.
                None | Some(Kind::Json) => None,
                Some(Kind::LongText) => Some(Kind::One(Scalar::Text)),
                kind => kind,
            };
            self.first = self.first.or(kind);
            self.number(item);
        }
        let keys = match known.map(Type::element) {
            // What stands there as JSON in a text has no keys.
            None if matches!(Kind::of(item), Some(Kind::Json)) => return,
            None => None,
            Some(Type::Object(keys)) => Some(keys),
            Some(_) => return,
        };
        match item {
            Item::Object(_, members) => {
                for (name, item) in members {
                    let key = names::of_key(name);
                    let known = keys.and_then(|keys| keys.get(key.as_ref()));
                    self.keys.entry(key.into_owned()).or_default().see(known, item);
                }
            }
            Item::Array(_, elements) => {
                for element in elements.iter().filter(|element| matches!(element, Item::Object(..)))
                {
                    self.see_members(known, element);
                }
            }
            _ => {}
        }
    }

    /// The same for an element of an array: its members only.
    fn see_members(&mut self, known: Option<&Type>, item: &Item<'_>) {
        let first = self.first;
        self.see(known, item);
        self.first = first;
    }

    fn number(&mut self, item: &Item<'_>) {
        match item {
            Item::Decimal(text) => self.decimals |= double(text).is_some(),
            Item::Integer(value) => self.inexact |= exact_double(*value).is_none(),
            Item::Array(_, elements) => elements.iter().for_each(|item| self.number(item)),
            _ => {}
        }
    }

    /// Returns how many columns and keys it asks for.
    pub(crate) fn size(&self) -> usize {
        usize::from(self.first.is_some()) + self.keys.values().map(Self::size).sum::<usize>()
    }

    /// Takes what was seen in other rows into account.
    pub(crate) fn merge(&mut self, other: Self) {
        self.first = self.first.or(other.first);
        self.decimals |= other.decimals;
        self.inexact |= other.inexact;
        for (key, seen) in other.keys {
            self.keys.entry(key).or_default().merge(seen);
        }
    }

    /// Integers among decimals make doubles, as long as a double holds them all.
    fn kind(&self) -> Option<Kind> {
        let widens = self.decimals && !self.inexact;
        Some(match self.first? {
            Kind::One(Scalar::Bigint) if widens => Kind::One(Scalar::Double),
            Kind::Array(Scalar::Bigint) if widens => Kind::Array(Scalar::Double),
            kind => kind,
        })
    }

    /// Adds what is new to the schema, and its paths to `planned`.
    pub(crate) fn apply(
        self,
        schema: &mut Schema,
        path: &mut Vec<String>,
        planned: &mut Vec<Vec<String>>,
    ) {
        if schema.get(path).is_none() {
            let Some(kind) = self.kind() else { return };
            schema.insert(path, kind.column());
            planned.push(path.clone());
        }
        if schema.get(path).is_some_and(|of| of.keys().is_some()) {
            for (key, seen) in self.keys {
                path.push(key);
                seen.apply(schema, path, planned);
                path.pop();
            }
        }
    }
}
