//! The rows of a group as data for COPY. Pure: whether all of it can be written, and what the table lacks, is known before
//! anything is sent.

use std::{collections::HashMap, ops::Range};

use ctk_db::postgres::Type;
use ctk_flow::{ColumnId, DeadLetter, Reason, Value};

use super::{
    Settings,
    holds::{put, put_null, put_own_json},
    known::{Known, Misfit, Missing},
    put::Refused,
};
use crate::{envelope::EnvelopeWriter, group::Delivery, row_json};

/// A row: the member of the group, and the row in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) member: usize,
    pub(super) row: usize,
}

/// Rows with the same columns.
#[derive(Debug)]
pub(super) struct Part {
    /// Their columns, in the order of the fields.
    pub(super) columns: Vec<usize>,
    pub(super) entries: Vec<Entry>,
    /// The places of the columns behind the envelope.
    places: Vec<usize>,
    data: Vec<u8>,
    /// Where each row ends.
    ends: Vec<usize>,
}

impl Part {
    /// Returns the data of some of the rows.
    pub(super) fn data(&self, rows: &Range<usize>) -> &[u8] {
        let end = |row: usize| row.checked_sub(1).map_or(0, |row| self.ends[row]);
        &self.data[end(rows.start)..end(rows.end)]
    }

    /// Returns the part without some of its rows, which are named in their order.
    pub(super) fn without(&self, rows: &[Refused]) -> Self {
        let mut part = Self {
            columns: self.columns.clone(),
            places: self.places.clone(),
            entries: Vec::with_capacity(self.entries.len()),
            data: Vec::with_capacity(self.data.len()),
            ends: Vec::with_capacity(self.ends.len()),
        };
        let mut left_out = rows.iter().map(|(row, _)| *row).peekable();
        for (row, entry) in self.entries.iter().enumerate() {
            if left_out.next_if_eq(&row).is_none() {
                part.data.extend(self.data(&(row..row + 1)));
                part.end(*entry);
            }
        }
        part
    }

    /// Begins a row; without [`Self::end`], it is taken back by truncating to what this returns.
    fn begin(&mut self, head: &[u8]) -> usize {
        let start = self.data.len();
        // A table has 1,600 columns at most.
        let fields = i16::try_from(self.columns.len()).unwrap_or_default();
        self.data.extend(fields.to_be_bytes());
        self.data.extend(head);
        start
    }

    fn end(&mut self, entry: Entry) {
        self.entries.push(entry);
        self.ends.push(self.data.len());
    }
}

/// A group, ready to be sent.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) parts: Vec<Part>,
    /// Rows that the table cannot hold: the member, and the letter.
    pub(super) refused: Vec<(usize, DeadLetter)>,
}

/// Returns the letter of a row. Its payload is the row as JSON: the bytes that arrived are not kept that long.
pub(super) fn letter(group: &[Delivery], entry: Entry, error: String) -> DeadLetter {
    let changes = &group[entry.member].changes;
    let row = changes.row(entry.row);
    DeadLetter {
        origin: row.origin().clone(),
        sub_sequence: row.sub_sequence(),
        reason: Reason::Refused,
        error,
        payload: row_json::object(changes, row).into_bytes(),
    }
}

/// Encodes a group, or says what the table lacks; nothing is named when it lacks only the envelope, or is not there.
pub(super) fn encode(
    known: &Known,
    group: &[Delivery],
    settings: &Settings,
) -> Result<Encoded, Missing> {
    let (slots, missing) = known.resolve(group, settings.evolve || !known.exists);
    if !missing.is_empty() || !known.is_complete(settings.envelope) {
        return Err(missing);
    }
    let mut used = known.used(&slots);
    loop {
        let mut encoder = Encoder {
            group,
            settings,
            slots: &slots,
            layout: Layout::new(known, used),
            parts: Parts::default(),
            refused: Vec::new(),
            missing: Vec::new(),
        };
        match encoder.run() {
            Ok(()) if encoder.missing.is_empty() => {
                return Ok(Encoded { parts: encoder.parts.all, refused: encoder.refused });
            }
            Ok(()) => return Err(encoder.missing),
            Err(Unused(slot)) => {
                used = encoder.layout.used;
                used.push(slot);
            }
        }
    }
}

/// Which column stands where.
struct Layout<'a> {
    known: &'a Known,
    /// The columns of the rows, without those of the envelope.
    used: Vec<usize>,
    /// The reverse: the place in `used` of each column.
    places: Vec<Option<usize>>,
    /// The places of columns that have a value of their own where a record has none.
    defaulted: Vec<usize>,
}

impl<'a> Layout<'a> {
    fn new(known: &'a Known, used: Vec<usize>) -> Self {
        let mut places = vec![None; known.columns.len()];
        for (place, slot) in used.iter().enumerate() {
            places[*slot] = Some(place);
        }
        let has_default = |place: &usize| known.columns[used[*place]].holds.has_default;
        Self { defaulted: (0..used.len()).filter(has_default).collect(), known, used, places }
    }

    fn of(&self, place: usize) -> &Type {
        &self.known.columns[self.used[place]].holds.of
    }
}

/// The parts, by the places that their rows leave out.
#[derive(Default)]
struct Parts {
    all: Vec<Part>,
    by_left_out: HashMap<Vec<usize>, usize>,
}

impl Parts {
    /// Returns the part for rows that have values at these places.
    fn of(&mut self, layout: &Layout<'_>, has_value: impl Fn(usize) -> bool) -> &mut Part {
        let left_out: Vec<usize> =
            layout.defaulted.iter().copied().filter(|place| !has_value(*place)).collect();
        let Self { all, by_left_out } = self;
        let index = *by_left_out.entry(left_out).or_insert_with_key(|left_out| {
            let places: Vec<usize> =
                (0..layout.used.len()).filter(|place| !left_out.contains(place)).collect();
            let envelope = layout.known.id.into_iter().chain(layout.known.envelope);
            let columns = envelope.chain(places.iter().map(|place| layout.used[*place])).collect();
            all.push(Part {
                columns,
                places,
                entries: Vec::new(),
                data: Vec::new(),
                ends: Vec::new(),
            });
            all.len() - 1
        });
        &mut all[index]
    }
}

/// It is in the table, but not among the columns of the rows so far.
struct Unused(usize);

/// The values of a row.
#[derive(Default)]
struct Values<'a> {
    /// By place, with the members that they belong to. NULL is a value: only what a record has not gets a default.
    placed: Vec<Option<(ColumnId, Value<'a>)>>,
    /// Those whose own column takes nothing, since it is generated or another member's, with that column.
    homeless: HashMap<ColumnId, (usize, Value<'a>)>,
}

struct Encoder<'a> {
    group: &'a [Delivery],
    settings: &'a Settings,
    slots: &'a [Vec<Option<usize>>],
    layout: Layout<'a>,
    parts: Parts,
    refused: Vec<(usize, DeadLetter)>,
    missing: Missing,
}

impl<'a> Encoder<'a> {
    fn run(&mut self) -> Result<(), Unused> {
        let (mut text, mut head, mut values) = (String::new(), Vec::new(), Values::default());
        let known = self.layout.known;
        for (member, delivery) in self.group.iter().enumerate() {
            let shard = delivery.changes.shard();
            let mut envelope = EnvelopeWriter::new(&self.settings.stream, shard).without_nul();
            for (index, row) in delivery.changes.rows().enumerate() {
                let entry = Entry { member, row: index };
                if let Err(error) = self.place(entry, &mut values) {
                    self.refuse(entry, error);
                    continue;
                }
                head.clear();
                if let Some(id) = delivery.ids.get(index) {
                    text.clear();
                    id.write(&mut text);
                    put(&Type::Text { most: None }, Value::Text(&text), &mut head);
                }
                if let Some(slot) = known.envelope {
                    text.clear();
                    envelope.write(row.origin(), row.sub_sequence(), &mut text);
                    put_own_json(&known.columns[slot].holds.of, &text, &mut head);
                }
                if !self.put_as_they_are(entry, &values, &head) {
                    self.put_beside(entry, &values, &head)?;
                }
            }
        }
        Ok(())
    }

    /// Sorts the values of a row by place; what has no column is an error, in words.
    fn place(&self, entry: Entry, values: &mut Values<'a>) -> Result<(), String> {
        let delivery = &self.group[entry.member];
        values.placed.clear();
        values.placed.resize(self.layout.used.len(), None);
        values.homeless.clear();
        for (column, value) in delivery.changes.row(entry.row).cells() {
            let slot = self.slots[entry.member][column.index()];
            let Some(slot) = slot else {
                if value != Value::Null {
                    let evolve = self.settings.evolve;
                    return Err(self.layout.known.without_column(delivery, column, evolve));
                }
                continue;
            };
            // Of members that come twice, the last counts.
            match self.layout.places[slot].map(|place| &mut values.placed[place]) {
                Some(free) if free.is_none_or(|(owner, _)| owner == column) => {
                    *free = Some((column, value));
                }
                _ if value == Value::Null => drop(values.homeless.remove(&column)),
                // A generated column, or two names that are shortened to one.
                _ => drop(values.homeless.insert(column, (slot, value))),
            }
        }
        Ok(())
    }

    /// Appends the row, each value in its own column; false, and nothing appended, when one does not fit.
    fn put_as_they_are(&mut self, entry: Entry, values: &Values<'a>, head: &[u8]) -> bool {
        let layout = &self.layout;
        if !values.homeless.is_empty() {
            return false;
        }
        let values = &values.placed;
        let part = self.parts.of(layout, |place| values[place].is_some());
        let start = part.begin(head);
        let fits = part.places.iter().all(|place| match values[*place] {
            None | Some((_, Value::Null)) => {
                put_null(&mut part.data);
                true
            }
            Some((_, value)) => put(layout.of(*place), value, &mut part.data),
        });
        if fits {
            part.end(entry);
        } else {
            part.data.truncate(start);
        }
        fits
    }

    /// Appends the row with the values that do not fit in variants of their columns.
    fn put_beside(&mut self, entry: Entry, values: &Values<'a>, head: &[u8]) -> Result<(), Unused> {
        let mut fields: Vec<Option<Vec<u8>>> = vec![None; values.placed.len()];
        let mut misfits: Vec<_> = values.homeless.values().copied().collect();
        for (place, value) in values.placed.iter().enumerate() {
            let Some((_, value)) = value else { continue };
            let mut field = Vec::new();
            if *value == Value::Null {
                put_null(&mut field);
            }
            if *value == Value::Null || put(self.layout.of(place), *value, &mut field) {
                fields[place] = Some(field);
            } else {
                misfits.push((self.layout.used[place], *value));
            }
        }
        for (own, value) in misfits {
            let Layout { known, places, .. } = &self.layout;
            let is_free = |slot: usize| {
                !known.is_of_envelope(slot)
                    && places[slot].is_none_or(|place| fields[place].is_none())
            };
            match known.fit(own, value, is_free) {
                Ok((slot, field)) => match places[slot] {
                    Some(place) => fields[place] = Some(field),
                    None => return Err(Unused(slot)),
                },
                Err(Misfit::Unused(slot)) => return Err(Unused(slot)),
                Err(Misfit::Column { name, kind })
                    if self.settings.evolve && !known.barred.contains_key(&name) =>
                {
                    if !self.missing.iter().any(|(other, _)| *other == name) {
                        self.missing.push((name, kind));
                    }
                    return Ok(());
                }
                Err(Misfit::Column { name, .. }) => {
                    let why =
                        known.barred.get(&name).map_or("evolve=none forbids it", String::as_str);
                    let error =
                        format!("a value needs the column {name}, which cannot be added: {why}");
                    self.refuse(entry, error);
                    return Ok(());
                }
                Err(Misfit::Refused(error)) => {
                    self.refuse(entry, error);
                    return Ok(());
                }
            }
        }
        let part = self.parts.of(&self.layout, |place| fields[place].is_some());
        part.begin(head);
        for place in &part.places {
            match &fields[*place] {
                None => put_null(&mut part.data),
                Some(field) => part.data.extend(field),
            }
        }
        part.end(entry);
        Ok(())
    }

    fn refuse(&mut self, entry: Entry, error: String) {
        self.refused.push((entry.member, letter(self.group, entry, error)));
    }
}
