//! The language between decoding and sinks: rows to insert, changes of rows and of tables, and records that could not be
//! decoded.
//!
//! A [`Changes`] owns everything in two arenas (text and bytes) and a flat list of cells, so that a batch of 10,000
//! records costs a handful of allocations, can be sent to a writer task, and needs no lifetime in any trait
//! (`docs/decisions/0001-changes-own-their-arena.md`).

mod row;

use std::{collections::HashMap, ops::Range, sync::Arc};

use self::row::{Asked, What};
pub use self::row::{Asks, Change, Row};
use crate::{
    change::{Action, Parts, SourceTable, TableChange, TableId},
    dead_letter::{DeadLetter, Origin},
    record::ShardId,
};

/// A value of a row, borrowed from its [`Changes`].
///
/// Numbers keep what JSON said: a sink decides what its column can hold, and nothing is rounded before that.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer within 64 bits, signed.
    Integer(i64),
    /// An integer beyond 64 bits, its digits.
    BigInteger(&'a str),
    /// A number with a fraction or an exponent, as written.
    Decimal(&'a str),
    /// Text.
    Text(&'a str),
    /// An object or an array: valid JSON, as written.
    Json(&'a str),
    /// Bytes that claim nothing.
    Bytes(&'a [u8]),
}

/// A range of an arena. 32 bits are enough: [`Changes`] refuses to grow beyond.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    Null,
    Bool(bool),
    Integer(i64),
    BigInteger(Span),
    Decimal(Span),
    Text(Span),
    Json(Span),
    Bytes(Span),
}

/// The index of a column name within one [`Changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(u32);

impl ColumnId {
    /// Returns the place in [`Changes::columns`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Copy, Debug)]
struct RowEnd {
    origin: u32,
    sub_sequence: u32,
    cells: u32,
}

/// The changes that one batch of one shard asks for.
///
/// To build them: [`Self::push_origin`] for each record; then for each of its units [`Self::unit`], and one of three ends:
/// [`Self::cell`]s and [`Self::end_row`], [`Self::dead_letter`], or [`Self::filter`]. All of it stays below 4 GiB.
#[derive(Clone, Debug)]
pub struct Changes {
    shard: ShardId,
    text: String,
    bytes: Vec<u8>,
    columns: Vec<Arc<str>>,
    column_ids: HashMap<Arc<str>, ColumnId>,
    origins: Vec<Origin>,
    cells: Vec<(ColumnId, Cell)>,
    rows: Vec<RowEnd>,
    /// One for each row, or none at all.
    asked: Vec<Asked>,
    tables: Vec<SourceTable>,
    table_ids: HashMap<String, HashMap<String, TableId>>,
    of_tables: Vec<TableChange>,
    dead_letters: Vec<DeadLetter>,
    units: u64,
    filtered: u64,
    /// What origins, names and dead letters hold beside their own size.
    beside: usize,
}

impl Changes {
    /// Returns changes without a row, with room for so many records, and for `bytes` of payload; more is taken, too.
    pub fn new(shard: ShardId, records: usize, bytes: usize) -> Self {
        Self {
            shard,
            text: String::with_capacity(bytes),
            bytes: Vec::new(),
            columns: Vec::new(),
            column_ids: HashMap::new(),
            origins: Vec::with_capacity(records),
            cells: Vec::with_capacity(records * 8),
            rows: Vec::with_capacity(records),
            asked: Vec::new(),
            tables: Vec::new(),
            table_ids: HashMap::new(),
            of_tables: Vec::new(),
            dead_letters: Vec::new(),
            units: 0,
            filtered: 0,
            beside: 0,
        }
    }

    /// Returns the shard all of this came from.
    pub fn shard(&self) -> &ShardId {
        &self.shard
    }

    /// Returns the names of the columns; [`ColumnId`] is an index into it.
    pub fn columns(&self) -> &[Arc<str>] {
        &self.columns
    }

    /// Returns the tables that changes are of; [`TableId`] is an index into it.
    pub fn tables(&self) -> &[SourceTable] {
        &self.tables
    }

    /// Returns true when a table itself changes.
    pub fn tells_of_tables(&self) -> bool {
        !self.of_tables.is_empty()
    }

    /// Returns how many units came in: records, or the parts of records that hold several.
    pub fn units(&self) -> u64 {
        self.units
    }

    /// Returns how many units an option of the user left out.
    pub fn filtered(&self) -> u64 {
        self.filtered
    }

    /// Returns the units that could not be decoded.
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.dead_letters
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns true when there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the bytes of payload held.
    pub fn size(&self) -> usize {
        self.text.len() + self.bytes.len()
    }

    /// Returns about how many bytes of memory all of this takes.
    pub fn held(&self) -> usize {
        self.size()
            + self.cells.len() * size_of::<(ColumnId, Cell)>()
            + self.rows.len() * size_of::<RowEnd>()
            + self.asked.len() * size_of::<Asked>()
            + self.origins.len() * size_of::<Origin>()
            + self.dead_letters.len() * size_of::<DeadLetter>()
            + self.beside
    }

    /// Returns where rows came from, as it was noted, record by record.
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Returns the rows in the order in which they came.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    /// Returns the row at `index`, which is below [`Self::len`].
    pub fn row(&self, index: usize) -> Row<'_> {
        let first = if index == 0 { 0 } else { self.rows[index - 1].cells };
        Row { changes: self, end: self.rows[index], first, asked: self.asked.get(index).copied() }
    }

    fn value(&self, cell: Cell) -> Value<'_> {
        match cell {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Bool(value),
            Cell::Integer(value) => Value::Integer(value),
            Cell::BigInteger(span) => Value::BigInteger(self.slice(span)),
            Cell::Decimal(span) => Value::Decimal(self.slice(span)),
            Cell::Text(span) => Value::Text(self.slice(span)),
            Cell::Json(span) => Value::Json(self.slice(span)),
            Cell::Bytes(span) => Value::Bytes(&self.bytes[span.range()]),
        }
    }

    #[expect(
        clippy::string_slice,
        reason = "spans are made by `text` from whole strings, so they end between characters"
    )]
    fn slice(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    // Building. The order is: `cell`s, `push_origin` where it is a new one, `end_row`; or `dead_letter`; or `filter`.

    /// Notes where the rows that end from here on come from.
    pub fn push_origin(&mut self, origin: Origin) {
        self.beside += origin.beside();
        self.origins.push(origin);
    }

    /// Counts a unit that comes in. Each must end as a row, a dead letter, or filtered.
    pub fn unit(&mut self) {
        self.units += 1;
    }

    /// Returns the id of a column, new names included.
    pub fn column(&mut self, name: &str) -> ColumnId {
        if let Some(id) = self.column_ids.get(name) {
            return *id;
        }
        let id = ColumnId(small(self.columns.len()));
        let name: Arc<str> = name.into();
        // Its entries in the list and in the map, roughly.
        self.beside += name.len() + 64;
        self.columns.push(Arc::clone(&name));
        self.column_ids.insert(name, id);
        id
    }

    /// Adds a member to the row that is being built.
    pub fn cell(&mut self, column: ColumnId, value: Value<'_>) {
        let cell = match value {
            Value::Null => Cell::Null,
            Value::Bool(value) => Cell::Bool(value),
            Value::Integer(value) => Cell::Integer(value),
            Value::BigInteger(text) => Cell::BigInteger(self.text(text)),
            Value::Decimal(text) => Cell::Decimal(self.text(text)),
            Value::Text(text) => Cell::Text(self.text(text)),
            Value::Json(text) => Cell::Json(self.text(text)),
            Value::Bytes(bytes) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(bytes);
                Cell::Bytes(Span { start: small(start), end: small(self.bytes.len()) })
            }
        };
        self.cells.push((column, cell));
    }

    /// Ends the row that is being built: of the last origin, and at this place within its record, counted from 0.
    pub fn end_row(&mut self, sub_sequence: u32) {
        let origin = small(self.origins.len().saturating_sub(1));
        self.rows.push(RowEnd { origin, sub_sequence, cells: small(self.cells.len()) });
    }

    /// Returns the id of a table, new ones included.
    pub fn table(&mut self, schema: &str, table: &str) -> TableId {
        if let Some(id) = self.table_ids.get(schema).and_then(|tables| tables.get(table)) {
            return *id;
        }
        let id = TableId(small(self.tables.len()));
        self.beside += 2 * (schema.len() + table.len()) + 128;
        self.tables.push(SourceTable { schema: schema.to_owned(), table: table.to_owned() });
        self.table_ids.entry(schema.to_owned()).or_default().insert(table.to_owned(), id);
        id
    }

    /// Ends the change that is being built: like [`Self::end_row`], and what it asks for of which table. `parts` says what the
    /// cells are; `payload` is the record as it came. Either all rows are ended so, or none.
    pub fn end_change(
        &mut self,
        sub_sequence: u32,
        table: TableId,
        action: Action,
        parts: Parts,
        payload: &[u8],
    ) {
        let what = match action {
            Action::Put => What::Put,
            Action::Patch => What::Patch,
            Action::Delete => What::Delete,
            Action::Table(change) => {
                self.beside += change.size();
                self.of_tables.push(change);
                What::Table(small(self.of_tables.len() - 1))
            }
        };
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        let payload = Span { start: small(start), end: small(self.bytes.len()) };
        self.asked.push(Asked { table, what, parts, payload });
        self.end_row(sub_sequence);
    }

    /// Forgets the members added since the last row ended: the unit turned out to be none.
    pub fn abandon_row(&mut self) {
        self.cells.truncate(self.rows.last().map_or(0, |row| row.cells as usize));
    }

    /// Adds a unit that could not be decoded.
    pub fn dead_letter(&mut self, letter: DeadLetter) {
        self.beside += letter.origin.beside() + letter.error.len() + letter.payload.len();
        self.dead_letters.push(letter);
    }

    /// Counts a unit that an option of the user leaves out.
    pub fn filter(&mut self) {
        self.filtered += 1;
    }

    fn text(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        Span { start: small(start), end: small(self.text.len()) }
    }
}

#[expect(
    clippy::expect_used,
    reason = "an answer of Kinesis holds at most 10 MiB, a record grows to at most 64 MiB: see `Decode`"
)]
fn small(n: usize) -> u32 {
    u32::try_from(n).expect("changes stay below 4 GiB")
}

#[cfg(test)]
mod tests;
