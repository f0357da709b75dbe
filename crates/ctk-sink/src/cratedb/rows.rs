//! Rows as the arguments of a bulk request.
//!
//! A statement names the columns that its rows use, and columns join while rows are written: earlier rows are filled up with
//! NULL when a request is put together. So any part of the rows can be sent again, alone or in other company.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;
use ctk_db::quote;
use ctk_flow::{Changes, ColumnId, Row};

use super::{
    fit::{Missing, write, write_variant},
    json::Item,
    names,
    schema::Schema,
    types::Kind,
};
use crate::{envelope::push_json_text, names::variant};

/// What to do with a row whose key is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// Leave that one: it is the same, read again.
    Ignore,
    /// Replace it.
    Overwrite,
    /// CrateDB says that it is a duplicate.
    Report,
}

/// Rows, written.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The columns in the order of the arguments, by their place in the schema, behind those of the envelope.
    used: Vec<usize>,
    positions: Vec<Option<usize>>,
    /// How many arguments the envelope has.
    envelope: usize,
    text: String,
    texts: Vec<RowText>,
    scratch: Scratch,
}

#[derive(Clone, Debug)]
struct RowText {
    text: Range<usize>,
    /// How many of the columns it knew of.
    columns: usize,
    /// Those among them that have a default, and that the record does not have: they are not named in its statement.
    left_out: Vec<usize>,
}

/// The values of the row that is being written.
#[derive(Debug, Default)]
struct Scratch {
    text: String,
    /// By position: the JSON of the member that stands there, in `text`.
    values: Vec<Option<(ColumnId, Range<usize>)>>,
    /// By member: the row it was last put into, and where.
    placed: Vec<(usize, usize)>,
    number: usize,
}

/// Why a row cannot be written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Problem {
    /// A column or key has to be made first.
    Missing(Missing),
    /// There is no way to store it.
    Refused(String),
}

impl From<Missing> for Problem {
    fn from(missing: Missing) -> Self {
        Self::Missing(missing)
    }
}

/// The columns of the members of one batch.
#[derive(Debug)]
pub(super) struct Members(Vec<(String, Option<usize>)>);

impl Members {
    pub(super) fn new(schema: &Schema, changes: &Changes) -> Self {
        let find = |name: &std::sync::Arc<str>| {
            let name = names::of_member(name);
            let slot = schema.slot(&name);
            (name, slot)
        };
        Self(changes.columns().iter().map(find).collect())
    }
}

impl Rows {
    pub(super) fn new(envelope: usize) -> Self {
        Self { envelope, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Writes a row: the arguments of the envelope, as JSON with commas between them, and its members. When it cannot be written,
    /// nothing is added.
    pub(super) fn push(
        &mut self,
        schema: &Schema,
        members: &Members,
        row: Row<'_>,
        envelope: impl FnOnce(&mut String),
    ) -> Result<(), Problem> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let placed = self.place(schema, members, row, &mut scratch);
        if placed.is_ok() {
            let start = self.text.len();
            envelope(&mut self.text);
            let mut left_out = Vec::new();
            let mut arguments = self.envelope;
            for (position, value) in scratch.values.iter().enumerate() {
                let text = match value {
                    Some((_, range)) => scratch.text.get(range.clone()).unwrap_or("null"),
                    None if schema.columns[self.used[position]].has_default => {
                        left_out.push(position);
                        continue;
                    }
                    None => "null",
                };
                if arguments > 0 {
                    self.text.push(',');
                }
                self.text.push_str(text);
                arguments += 1;
            }
            let text = start..self.text.len();
            self.texts.push(RowText { text, columns: scratch.values.len(), left_out });
        }
        self.scratch = scratch;
        placed
    }

    fn place(
        &mut self,
        schema: &Schema,
        members: &Members,
        row: Row<'_>,
        scratch: &mut Scratch,
    ) -> Result<(), Problem> {
        scratch.text.clear();
        scratch.values.clear();
        scratch.values.resize(self.used.len(), None);
        scratch.number += 1;
        let number = scratch.number;
        for (member, value) in row.cells() {
            // Of members that come twice, the last counts.
            let (in_row, earlier) = scratch.placed.get(member.index()).copied().unwrap_or_default();
            if in_row == number
                && matches!(&scratch.values[earlier], Some((at, _)) if *at == member)
            {
                scratch.values[earlier] = None;
            }
            let item = Item::new(value);
            let (name, slot) = &members.0[member.index()];
            // A NULL is what a column has that is not named; where it has a default, it must be said.
            let has_default = slot.is_some_and(|slot| schema.columns[slot].has_default);
            if item == Item::Null && !has_default {
                continue;
            }
            let (slot, text) = fit(schema, (name, *slot), &item, scratch, |slot| {
                self.positions.get(slot).copied().flatten()
            })?;
            // A value that stands beside is no reason for the default of its own column.
            if let Some(own) = members.0[member.index()].1.filter(|own| has_default && *own != slot)
            {
                let start = scratch.text.len();
                scratch.text.push_str("null");
                let position = self.position(own);
                scratch.values.resize(self.used.len(), None);
                scratch.values[position].get_or_insert((member, start..start + 4));
            }
            let position = self.position(slot);
            scratch.values.resize(self.used.len(), None);
            scratch.values[position] = Some((member, text));
            if scratch.placed.len() <= member.index() {
                scratch.placed.resize(member.index() + 1, (0, 0));
            }
            scratch.placed[member.index()] = (number, position);
        }
        let has_no_value = |slot: &&usize| {
            let position = self.positions.get(**slot).copied().flatten();
            position.and_then(|position| scratch.values[position].as_ref()).is_none()
        };
        let is_ours =
            |slot: &&usize| self.envelope > 0 && schema.columns[**slot].name == names::MESSAGE_ID;
        match schema.required().iter().filter(|slot| !is_ours(slot)).find(has_no_value) {
            Some(slot) => Err(Problem::Refused(format!(
                "the key column {} has no value",
                schema.columns[*slot].name
            ))),
            None if self.envelope + scratch.values.len() == 0 => Err(Problem::Refused(
                "the record has no member, and envelope=none leaves nothing to store".into(),
            )),
            None => Ok(()),
        }
    }

    fn position(&mut self, slot: usize) -> usize {
        if self.positions.len() <= slot {
            self.positions.resize(slot + 1, None);
        }
        let used = &mut self.used;
        *self.positions[slot].get_or_insert_with(|| {
            used.push(slot);
            used.len() - 1
        })
    }

    /// Returns the columns that the statement of a row does not name.
    fn left_out(&self, schema: &Schema, row: usize) -> Vec<usize> {
        let RowText { columns, left_out, .. } = &self.texts[row];
        let later = (*columns..self.used.len())
            .filter(|position| schema.columns[self.used[*position]].has_default);
        left_out.iter().copied().chain(later).collect()
    }

    /// Returns the rows in groups that one statement can serve each.
    pub(super) fn groups(&self, schema: &Schema) -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
        for row in 0..self.texts.len() {
            groups.entry(self.left_out(schema, row)).or_default().push(row);
        }
        groups.into_values().collect()
    }

    /// Returns the request for some of the rows, all of one group.
    pub(super) fn request(
        &self,
        schema: &Schema,
        table: &str,
        conflict: Conflict,
        rows: &[usize],
    ) -> Bytes {
        let left_out = rows.first().map(|row| self.left_out(schema, *row)).unwrap_or_default();
        let is_named = |position: &usize| !left_out.contains(position);
        let envelope = [names::MESSAGE_ID, names::ENVELOPE];
        let members = (0..self.used.len())
            .filter(is_named)
            .map(|position| schema.columns[self.used[position]].name.as_str());
        let columns: Vec<String> =
            envelope.iter().take(self.envelope).copied().chain(members).map(quote).collect();
        let conflict = match conflict {
            Conflict::Report => String::new(),
            Conflict::Ignore => " ON CONFLICT DO NOTHING".to_owned(),
            Conflict::Overwrite => {
                let key: Vec<_> = schema.key.iter().map(|name| quote(name)).collect();
                let set: Vec<_> = columns
                    .iter()
                    .filter(|name| !key.contains(name))
                    .map(|name| format!("{name} = excluded.{name}"))
                    .collect();
                format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", "))
            }
        };
        let statement = format!(
            "INSERT INTO {table} ({}) VALUES ({}){conflict}",
            columns.join(", "),
            vec!["?"; columns.len()].join(", ")
        );
        let bytes: usize = rows.iter().map(|row| self.texts[*row].text.len() + 4).sum();
        let mut body = String::with_capacity(bytes + statement.len() + 64);
        body.push_str("{\"stmt\":");
        push_json_text(&statement, &mut body);
        body.push_str(",\"bulk_args\":[");
        for (index, row) in rows.iter().enumerate() {
            let RowText { text, columns, .. } = &self.texts[*row];
            body.push_str(if index == 0 { "[" } else { ",[" });
            body.push_str(self.text.get(text.clone()).unwrap_or_default());
            let is_empty = text.is_empty();
            for (index, _) in (*columns..self.used.len()).filter(is_named).enumerate() {
                body.push_str(if is_empty && index == 0 { "null" } else { ",null" });
            }
            body.push(']');
        }
        body.push_str("]}");
        body.into()
    }
}

/// Finds the column for a value, the member's own one or the first sibling that takes it, and writes the value.
fn fit(
    schema: &Schema,
    (name, slot): (&str, Option<usize>),
    item: &Item<'_>,
    scratch: &mut Scratch,
    position: impl Fn(usize) -> Option<usize>,
) -> Result<(usize, Range<usize>), Problem> {
    let kind = Kind::of(item).unwrap_or(Kind::Json);
    let start = scratch.text.len();
    let mut name = std::borrow::Cow::Borrowed(name);
    let mut slot = slot;
    // Each step makes the name longer; four are more than any honest record needs.
    for step in 0..4 {
        if step > 0 {
            name = variant(&name, &kind.name()).into();
            slot = schema.slot(&name);
        }
        let Some(at) = slot else {
            // An array that shows no type must not decide the type of the column, nor a long text its index.
            if step == 0 && matches!(kind, Kind::Json | Kind::LongText) {
                continue;
            }
            return Err(Missing { path: vec![name.into_owned()], kind }.into());
        };
        let column = &schema.columns[at];
        let is_envelope = column.name == names::MESSAGE_ID || column.name == names::ENVELOPE;
        let is_taken = position(at)
            .and_then(|position| scratch.values.get(position))
            .is_some_and(Option::is_some);
        if !column.is_generated && !is_envelope && !is_taken {
            scratch.text.truncate(start);
            let is_variant = step > 0 || names::is_variant(&name, kind);
            let written = if is_variant {
                write_variant(&column.of, kind, item, &mut scratch.text)
            } else {
                write(&column.of, item, &mut scratch.text)
            };
            let written = written.map_err(|mut missing| {
                missing.path.insert(0, name.to_string());
                missing
            })?;
            if written {
                return Ok((at, start..scratch.text.len()));
            }
        }
        scratch.text.truncate(start);
        if column.is_key {
            return Err(Problem::Refused(format!(
                "the key column {} cannot hold the value",
                column.name
            )));
        }
    }
    Err(Problem::Refused(format!("no column can hold the value of {name}")))
}
