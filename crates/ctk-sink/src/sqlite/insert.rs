//! Rows into a table: many at a time, and one at a time when the many are refused.

use std::{collections::HashMap, ops::Range, sync::Arc};

use ctk_db::{DbError, primary_code, quote};
use ctk_flow::{Changes, ColumnId, Row, Value};
use sqlx::{
    Arguments, SqliteConnection,
    sqlite::{SqliteArguments, SqliteQueryResult},
};

use super::{
    holds::{Bound, Holds},
    table::{Misfit, Table},
};
use crate::{
    SinkError,
    envelope::{Envelope, EnvelopeWriter, MessageId},
    kinds::bare_number,
    names::{ENVELOPE, MESSAGE_ID},
};

/// Rows in one statement (measured: 73 CPU seconds per million rows with 1, 10.8 with 50, 8.8 with 200).
const ROWS: usize = 200;

/// SQLite's limit of parameters (<https://www.sqlite.org/limits.html#max_variable_number>).
const MAX_PARAMETERS: usize = 32_766;

/// A row to be inserted: which one, and the key it will have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) id: Option<MessageId>,
    pub(super) batch: u32,
    pub(super) row: u32,
}

/// One shard's changes within a transaction.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    pub(super) changes: &'a Changes,
    /// The column of each member, by its place.
    pub(super) slots: Vec<Option<usize>>,
}

/// Builds statements and their arguments for a set of columns.
#[derive(Debug)]
pub(super) struct Insert {
    /// The columns in the order of the statement, as places in the table, behind those of the envelope.
    used: Vec<usize>,
    /// The reverse: the place in the statement of each column of the table.
    positions: Vec<Option<usize>>,
    statements: HashMap<usize, Arc<str>>,
    envelope: Envelope,
}

/// Arguments for some rows, and what ended them.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) arguments: SqliteArguments,
    /// The entry behind the last that is in it.
    pub(super) upto: usize,
    /// That entry cannot be written as it is.
    pub(super) misfit: Option<Misfit>,
}

impl Insert {
    /// Returns a builder for all columns that these batches use.
    pub(super) fn new(table: &Table, batches: &[Batch<'_>], envelope: Envelope) -> Self {
        let mut insert = Self {
            used: Vec::new(),
            positions: vec![None; table.columns.len()],
            statements: HashMap::new(),
            envelope,
        };
        for slot in batches.iter().flat_map(|batch| batch.slots.iter().flatten()) {
            // What is generated must not even be named.
            if table.columns[*slot].holds != Holds::Nothing {
                insert.include(*slot);
            }
        }
        insert
    }

    /// Adds a column to the statements that follow.
    pub(super) fn include(&mut self, slot: usize) {
        if self.positions.len() <= slot {
            self.positions.resize(slot + 1, None);
        }
        if self.positions[slot].is_none() {
            self.positions[slot] = Some(self.used.len());
            self.used.push(slot);
            self.statements.clear();
        }
    }

    fn width(&self) -> usize {
        let envelope = match self.envelope {
            Envelope::Full => 2,
            Envelope::Id => 1,
            Envelope::None => 0,
        };
        envelope + self.used.len()
    }

    /// Returns how many rows go into a statement.
    pub(super) fn rows(&self) -> usize {
        // Without a column there is no list of rows in SQL.
        MAX_PARAMETERS.checked_div(self.width()).map_or(1, |rows| rows.clamp(1, ROWS))
    }

    /// Returns the statement for this many rows.
    pub(super) fn statement(&mut self, table: &Table, rows: usize) -> Arc<str> {
        if let Some(statement) = self.statements.get(&rows) {
            return Arc::clone(statement);
        }
        let envelope: &[&str] = match self.envelope {
            Envelope::Full => &[MESSAGE_ID, ENVELOPE],
            Envelope::Id => &[MESSAGE_ID],
            Envelope::None => &[],
        };
        let columns = self.used.iter().map(|slot| table.columns[*slot].name.as_str());
        let columns: Vec<String> = envelope.iter().copied().chain(columns).map(quote).collect();
        let name = quote(&table.name);
        let statement = if columns.is_empty() {
            // Without an envelope, and all members NULL.
            format!("INSERT INTO {name} DEFAULT VALUES")
        } else {
            let row = format!("({})", vec!["?"; columns.len()].join(", "));
            // A row that is there already was read before: leave it.
            let conflict = match self.envelope {
                Envelope::None => String::new(),
                Envelope::Full | Envelope::Id => {
                    format!(" ON CONFLICT ({}) DO NOTHING", quote(MESSAGE_ID))
                }
            };
            let rows = vec![row; rows].join(", ");
            format!("INSERT INTO {name} ({}) VALUES {rows}{conflict}", columns.join(", "))
        };
        let statement: Arc<str> = statement.into();
        self.statements.insert(rows, Arc::clone(&statement));
        statement
    }

    /// Takes the entries of the range, up to the first that cannot be written.
    pub(super) fn build(
        &self,
        table: &Table,
        batches: &[Batch<'_>],
        envelopes: &mut [EnvelopeWriter],
        entries: &[Entry],
        range: Range<usize>,
        evolve: bool,
    ) -> Built {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(range.len() * self.width(), 0);
        let mut scratch = Scratch::default();
        let mut text = String::with_capacity(300);
        for (index, entry) in range.clone().zip(&entries[range.clone()]) {
            let batch = &batches[entry.batch as usize];
            let row = batch.changes.row(entry.row as usize);
            if let Err(misfit) =
                self.place(table, batch.changes, row, &batch.slots, evolve, &mut scratch)
            {
                return Built { arguments, upto: index, misfit: Some(misfit) };
            }
            if let Some(id) = entry.id {
                text.clear();
                id.write(&mut text);
                push(&mut arguments, Bound::Text(&text));
            }
            if self.envelope == Envelope::Full {
                text.clear();
                envelopes[entry.batch as usize].write(row.origin(), row.sub_sequence(), &mut text);
                push(&mut arguments, Bound::Text(&text));
            }
            for bound in &scratch.values {
                push(&mut arguments, *bound);
            }
        }
        Built { arguments, upto: range.end, misfit: None }
    }

    fn place<'a>(
        &self,
        table: &Table,
        changes: &'a Changes,
        row: Row<'a>,
        slots: &[Option<usize>],
        evolve: bool,
        scratch: &mut Scratch<'a>,
    ) -> Result<(), Misfit> {
        scratch.clear(self.used.len());
        for (column, value) in row.cells() {
            let own = slots[column.index()];
            // Of members that come twice, the last counts.
            if let Some(earlier) = scratch.take(column) {
                // Unless another member has taken that place since.
                if scratch.owners[earlier] == Some(column) {
                    scratch.owners[earlier] = None;
                    scratch.values[earlier] = Bound::Null;
                }
            }
            match (own, value) {
                (_, Value::Null) => {}
                (None, _) => return Err(table.without_column(changes, column, evolve)),
                (Some(own), _) => {
                    let position = |slot: usize| self.positions.get(slot).copied().flatten();
                    let is_free = |slot| {
                        position(slot).is_none_or(|position| scratch.owners[position].is_none())
                            && !self.is_envelope(table, slot)
                    };
                    let (slot, bound) = table.fit(own, bare_number(value), is_free)?;
                    // A column of the table that no statement of this run used yet.
                    let Some(position) = position(slot) else { return Err(Misfit::Unused(slot)) };
                    scratch.put(column, position, bound);
                }
            }
        }
        Ok(())
    }

    fn is_envelope(&self, table: &Table, slot: usize) -> bool {
        let name = &table.columns[slot].name;
        match self.envelope {
            Envelope::Full => name == MESSAGE_ID || name == ENVELOPE,
            Envelope::Id => name == MESSAGE_ID,
            Envelope::None => false,
        }
    }
}

/// The values of one row, in the order of the statement, and the members they belong to.
#[derive(Debug, Default)]
struct Scratch<'a> {
    values: Vec<Bound<'a>>,
    owners: Vec<Option<ColumnId>>,
    /// By member: the row it was last put into, and where.
    placed: Vec<(u32, usize)>,
    row: u32,
}

impl<'a> Scratch<'a> {
    fn clear(&mut self, width: usize) {
        self.row += 1;
        self.values.clear();
        self.values.resize(width, Bound::Null);
        self.owners.clear();
        self.owners.resize(width, None);
    }

    /// Returns where the member stands, when it was put into this row before.
    fn take(&self, column: ColumnId) -> Option<usize> {
        self.placed
            .get(column.index())
            .filter(|(row, _)| *row == self.row)
            .map(|(_, position)| *position)
    }

    fn put(&mut self, column: ColumnId, position: usize, bound: Bound<'a>) {
        if self.placed.len() <= column.index() {
            self.placed.resize(column.index() + 1, (0, 0));
        }
        self.placed[column.index()] = (self.row, position);
        self.owners[position] = Some(column);
        self.values[position] = bound;
    }
}

/// Appends an argument.
pub(crate) fn push(arguments: &mut SqliteArguments, bound: Bound<'_>) {
    let pushed = match bound {
        Bound::Null => arguments.add(None::<i64>),
        Bound::Integer(value) => arguments.add(value),
        Bound::Real(value) => arguments.add(value),
        // `Arc<str>` is the one text type that sqlx takes with a single allocation.
        Bound::Text(text) => arguments.add(Arc::<str>::from(text)),
        Bound::Blob(bytes) => arguments.add(bytes.to_vec()),
    };
    // These encodings write into memory and have no error.
    drop(pushed);
}

/// What the database said to a statement with rows.
#[derive(Debug)]
pub(super) enum Outcome {
    /// This many rows are new; the others were there.
    Inserted(u64),
    /// It refuses the rows, or one of them, for what they hold. None of them is in the table.
    Refused(String),
    /// It did not take all, and has rules of its own: they were there, or it ignored them. None of them was added.
    Ignored,
}

/// Sends a statement with so many rows. An error is one that is not about the rows.
pub(super) async fn send(
    connection: &mut SqliteConnection,
    table: &Table,
    (statement, rows): (Arc<str>, usize),
    arguments: SqliteArguments,
) -> Result<Outcome, SinkError> {
    let query = sqlx::query_with(sqlx::AssertSqlSafe(statement), arguments);
    if !table.has_rules {
        return outcome(&table.name, query.execute(connection).await);
    }
    // Rules may leave a part of the rows, or end the transaction; then there is nothing to go back to, which is an error.
    savepoint(connection, "SAVEPOINT rows").await?;
    let mut outcome = outcome(&table.name, query.execute(&mut *connection).await)?;
    if matches!(outcome, Outcome::Inserted(new) if new < rows as u64) {
        outcome = Outcome::Ignored;
    }
    if !matches!(outcome, Outcome::Inserted(_)) {
        savepoint(connection, "ROLLBACK TO rows").await?;
    }
    savepoint(connection, "RELEASE rows").await?;
    Ok(outcome)
}

fn outcome(
    table: &str,
    result: Result<SqliteQueryResult, sqlx::Error>,
) -> Result<Outcome, SinkError> {
    match result {
        Ok(done) => Ok(Outcome::Inserted(done.rows_affected())),
        // Too big, constraint, mismatch: <https://www.sqlite.org/rescode.html>. A trigger that raises is a constraint, too.
        Err(error) if matches!(primary_code(&error), Some(18..=20)) => {
            Ok(Outcome::Refused(error.to_string()))
        }
        Err(error) => Err(DbError::statement(format!("insert into table {table}"))(error).into()),
    }
}

async fn savepoint(connection: &mut SqliteConnection, sql: &'static str) -> Result<(), DbError> {
    let done = sqlx::raw_sql(sql).execute(connection).await;
    done.map(drop).map_err(DbError::statement("keep the transaction, which the table has ended"))
}

/// Returns true when the table has a row with this message id.
pub(super) async fn is_there(
    connection: &mut SqliteConnection,
    table: &Table,
    id: MessageId,
) -> Result<bool, DbError> {
    let mut text = String::new();
    id.write(&mut text);
    let (name, key) = (quote(&table.name), quote(MESSAGE_ID));
    let sql = format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {key} = ?)");
    let found = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(text).fetch_one(connection).await;
    found.map_err(DbError::statement(format!("read table {}", table.name)))
}
