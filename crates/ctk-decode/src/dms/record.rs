//! A record taken apart into the members that matter, in one walk over it, whatever their order.

use std::{borrow::Cow, mem};

use super::{Refused, not_dms};
use crate::{
    change::Wrapped,
    json::{Member, Members, NotJson, Token, Walk},
};

/// How many members the row of a usual table has.
const USUAL: usize = 16;

/// What metadata says of every record.
const USUAL_METADATA: &[&str] = &[
    "timestamp",
    "record-type",
    "operation",
    "schema-name",
    "table-name",
    "partition-key-type",
    "partition-key-value",
    "commit-timestamp",
    "transaction-id",
    "transaction-record-id",
    "prev-transaction-id",
    "prev-transaction-record-id",
    "stream-position",
];

/// A record, borrowed from its bytes. Of members that come twice, the last counts.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    /// Whether it is an object at all.
    pub(super) is_object: bool,
    /// `metadata.operation`, if that is a text and not empty.
    pub(super) operation: Option<Cow<'a, str>>,
    schema: Option<Cow<'a, str>>,
    table: Option<Cow<'a, str>>,
    /// `data`, if that is an object.
    pub(super) data: Option<Vec<Member<'a>>>,
    /// `control`.
    pub(super) control: Option<Token<'a>>,
    before: Option<Vec<Member<'a>>>,
    /// Objects that DMS knows no name for.
    others: Vec<Token<'a>>,
    /// The record that this one is only the envelope of.
    pub(super) wrapped: Option<Wrapped<'a>>,
    bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Takes a record apart. Bytes that are another JSON value are a record in which everything is missing.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, NotJson> {
        let mut record = Self { bytes, ..Self::default() };
        let mut walk = Walk::of(bytes)?;
        record.is_object = walk.object()?;
        if !record.is_object {
            walk.value()?;
            walk.end()?;
            return Ok(record);
        }
        let mut first = true;
        while let Some(name) = walk.name(mem::take(&mut first))? {
            match &*name.plain() {
                "data" => record.data = object(&mut walk)?,
                "before-image" => record.before = object(&mut walk)?,
                "metadata" => record.take_metadata(&mut walk)?,
                "control" => record.control = Some(walk.value()?),
                "kinesis" => record.wrapped = Wrapped::take(&mut walk)?,
                name => {
                    let value = walk.value()?;
                    // Dumps of streams add an envelope of such a name.
                    let is_ours = name.trim_start_matches('_').starts_with("kinesis");
                    if !is_ours && matches!(value, Token::Nested(text) if text.starts_with('{')) {
                        record.others.push(value);
                    }
                }
            }
        }
        walk.end()?;
        Ok(record)
    }

    fn take_metadata(&mut self, walk: &mut Walk<'a>) -> Result<(), NotJson> {
        (self.operation, self.schema, self.table) = (None, None, None);
        walk.each(|member| match &*member.name() {
            "operation" => self.operation = member.text().filter(|text| !text.trim().is_empty()),
            "schema-name" => self.schema = member.text(),
            "table-name" => self.table = member.text(),
            _ => {}
        })?;
        Ok(())
    }

    /// Returns the names of schema and table.
    pub(super) fn names(&self) -> Result<(&str, &str), Refused> {
        let table = self.table.as_deref().filter(|table| !table.is_empty());
        let table = table.ok_or_else(|| not_dms("metadata.table-name is missing"))?;
        match self.schema.as_deref() {
            Some(schema) => Ok((schema, table)),
            None if is_bookkeeping(table) => Ok(("", table)),
            None => Err(not_dms("metadata.schema-name is missing")),
        }
    }

    /// Returns what metadata says beside what it says of every record: looked for again, since it is rarely asked for.
    pub(super) fn more_metadata(&self) -> Vec<Member<'a>> {
        let mut more = Vec::new();
        let Ok(Some(mut members)) = Members::of(self.bytes) else { return more };
        while let Ok(Some(member)) = members.next_member() {
            let metadata = if &*member.name() == "metadata" { member.value.object() } else { None };
            let Some(mut metadata) = metadata else { continue };
            while let Ok(Some(member)) = metadata.next_member() {
                if !USUAL_METADATA.contains(&&*member.name()) {
                    more.push(member);
                }
            }
        }
        more
    }

    /// Returns the row as it was before, as far as it is told.
    ///
    /// Its member is `before-image` by default; a task may give it any name
    /// (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.BeforeImage.html>), so it
    /// is also the one object that is nothing else.
    pub(super) fn before(&self) -> Result<Cow<'_, [Member<'a>]>, Refused> {
        if let Some(before) = &self.before {
            return Ok(Cow::Borrowed(before));
        }
        let [Token::Nested(text)] = self.others.as_slice() else { return Ok(Cow::default()) };
        let mut before = Vec::new();
        if let Some(mut members) = Members::of(text.as_bytes())? {
            while let Some(member) = members.next_member()? {
                before.push(member);
            }
        }
        Ok(Cow::Owned(before))
    }
}

/// Returns true for a table in which DMS keeps what it needs itself; it has no schema.
fn is_bookkeeping(table: &str) -> bool {
    table.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("awsdms_"))
}

/// Returns the members of the object that stands here.
fn object<'a>(walk: &mut Walk<'a>) -> Result<Option<Vec<Member<'a>>>, NotJson> {
    let mut object = Vec::with_capacity(USUAL);
    let is_object = walk.each(|member| object.push(member))?;
    Ok(is_object.then_some(object))
}
