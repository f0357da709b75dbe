//! One row of [`Changes`], and what is asked for with it.

use super::{Changes, ColumnId, RowEnd, Span, Value};
use crate::{
    change::{Parts, TableChange, TableId},
    dead_letter::Origin,
};

/// What is asked for with a row, beside inserting it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) table: TableId,
    pub(super) what: What,
    pub(super) parts: Parts,
    pub(super) payload: Span,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Put,
    Patch,
    Delete,
    Table(u32),
}

/// One row to insert, or one change.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub(super) changes: &'a Changes,
    pub(super) end: RowEnd,
    pub(super) first: u32,
    pub(super) asked: Option<Asked>,
}

impl<'a> Row<'a> {
    /// Returns where the row came from.
    pub fn origin(&self) -> &'a Origin {
        &self.changes.origins[self.end.origin as usize]
    }

    /// Returns the place within the record: 0 for the first or only row of a record.
    pub fn sub_sequence(&self) -> u32 {
        self.end.sub_sequence
    }

    /// Returns the members in the order of the record. A name may come twice: the last counts.
    pub fn cells(&self) -> impl Iterator<Item = (ColumnId, Value<'a>)> + use<'a> {
        let changes = self.changes;
        changes.cells[self.first as usize..self.end.cells as usize]
            .iter()
            .map(move |(column, cell)| (*column, changes.value(*cell)))
    }

    /// Returns what is asked for; `None` where the row is to be inserted.
    pub fn change(&self) -> Option<Change<'a>> {
        self.asked.map(|asked| Change { row: *self, asked })
    }
}

/// A change of one row, or of a table.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    row: Row<'a>,
    asked: Asked,
}

/// What a change asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Asks<'a> {
    /// See [`crate::Action::Put`].
    Put,
    /// See [`crate::Action::Patch`].
    Patch,
    /// See [`crate::Action::Delete`].
    Delete,
    /// See [`crate::Action::Table`].
    Table(&'a TableChange),
}

impl<'a> Change<'a> {
    /// Returns the table; [`Changes::tables`] has its name.
    pub fn table(&self) -> TableId {
        self.asked.table
    }

    /// Returns what it asks for.
    pub fn asks(&self) -> Asks<'a> {
        match self.asked.what {
            What::Put => Asks::Put,
            What::Patch => Asks::Patch,
            What::Delete => Asks::Delete,
            What::Table(index) => Asks::Table(&self.row.changes.of_tables[index as usize]),
        }
    }

    /// Returns true when the record says which of its columns are the key.
    pub fn tells_key(&self) -> bool {
        self.asked.parts.key > 0
    }

    /// Returns the columns as they were before, as far as the record tells.
    pub fn before(&self) -> impl Iterator<Item = (ColumnId, Value<'a>)> + use<'a> {
        self.row.cells().take(self.asked.parts.before as usize)
    }

    /// Returns the columns of the key, where the record says that they are it.
    pub fn key(&self) -> impl Iterator<Item = (ColumnId, Value<'a>)> + use<'a> {
        let Parts { before, key, .. } = self.asked.parts;
        self.row.cells().skip(before as usize).take(key as usize)
    }

    /// Returns the columns of the row: those of the key first, where the record says which they are.
    pub fn data(&self) -> impl Iterator<Item = (ColumnId, Value<'a>)> + use<'a> {
        let Parts { before, aux, .. } = self.asked.parts;
        let all = self.row.end.cells - self.row.first;
        self.row.cells().take((all - aux) as usize).skip(before as usize)
    }

    /// Returns the columns that not every database can keep among the others.
    pub fn aux(&self) -> impl Iterator<Item = (ColumnId, Value<'a>)> + use<'a> {
        let all = self.row.end.cells - self.row.first;
        self.row.cells().skip((all - self.asked.parts.aux) as usize)
    }

    /// Returns the record as it came, for a dead letter.
    pub fn payload(&self) -> &'a [u8] {
        &self.row.changes.bytes[self.asked.payload.range()]
    }
}
