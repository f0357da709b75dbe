//! The table as it is, and how it grows: which column a member goes to, and the statements that make one.

use ctk_db::{DbError, quote, sqlite};
use ctk_flow::{Changes, ColumnId, Value};
use sqlx::SqliteConnection;

use super::holds::{Bound, Holds, declare};
use crate::{
    SinkError,
    columns::{self, Columns, Naming, Place},
    envelope::Envelope,
    kinds::{Kind, Seen, bare_number},
    names::{self, ENVELOPE, MESSAGE_ID},
};

/// SQLite's own limit (<https://www.sqlite.org/limits.html#max_column>).
const MAX_COLUMNS: usize = 2000;

/// SQLite does not tell `id` from `ID`, as far as ASCII goes.
pub(crate) const NAMING: Naming =
    Naming { fit: |name| name, fold: |name| name.to_ascii_lowercase() };

/// The columns of a table, kept current with what this run adds.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Columns<Holds>,
    envelope: Envelope,
    /// It may ignore rows, or end the transaction: what was sent is looked at, and can be taken back.
    pub(super) has_rules: bool,
    /// It is in the database. A new one is created when its first columns are known, in one statement.
    exists: bool,
}

impl Table {
    /// Reads the table, and sees to its key. A missing one is only created by [`Self::resolve`].
    pub(super) async fn open(
        connection: &mut SqliteConnection,
        name: &str,
        envelope: Envelope,
        create: bool,
    ) -> Result<Self, SinkError> {
        let columns = sqlite::columns(connection, name).await?;
        let exists = !columns.is_empty();
        if !exists && !create {
            return Err(SinkError::NoTable { table: name.to_owned() });
        }
        let rules = sqlite::rules(connection, name).await?;
        if rules.are_strict {
            return Err(SinkError::Strict { table: name.to_owned() });
        }
        let mut table = Self {
            name: name.to_owned(),
            columns: Columns::new(NAMING),
            envelope,
            has_rules: rules.are_its_own,
            exists,
        };
        for column in columns {
            let holds = if column.is_generated {
                Holds::Nothing
            } else {
                Holds::of_declared(&column.declared)
            };
            table.columns.push(column.name, holds, column.key > 0);
        }
        if exists {
            table.complete(connection).await?;
        } else {
            if envelope != Envelope::None {
                table.columns.push(MESSAGE_ID.to_owned(), Holds::Text, true);
            }
            if envelope == Envelope::Full {
                table.columns.push(ENVELOPE.to_owned(), Holds::Json, false);
            }
        }
        Ok(table)
    }

    /// Creates the table with the envelope's columns and these.
    async fn create(
        &mut self,
        connection: &mut SqliteConnection,
        columns: &[(String, Kind)],
    ) -> Result<(), SinkError> {
        let mut all = match self.envelope {
            Envelope::Full => {
                vec![
                    format!("{} TEXT NOT NULL PRIMARY KEY", quote(MESSAGE_ID)),
                    format!("{} JSON", quote(ENVELOPE)),
                ]
            }
            Envelope::Id => vec![format!("{} TEXT NOT NULL PRIMARY KEY", quote(MESSAGE_ID))],
            Envelope::None => Vec::new(),
        };
        all.extend(
            columns.iter().map(|(name, kind)| format!("{} {}", quote(name), declare(*kind))),
        );
        if all.is_empty() {
            // Records `{}` without an envelope; SQL has no table without a column.
            self.columns.push("data".to_owned(), Holds::Json, false);
            all.push(format!("{} JSON", quote("data")));
        }
        let sql = format!("CREATE TABLE {} ({})", quote(&self.name), all.join(", "));
        execute(connection, sql, || format!("create table {}", self.name)).await?;
        self.exists = true;
        Ok(())
    }

    /// Adds to a table of somebody else what the envelope needs: its columns, and a key over the message id.
    async fn complete(&mut self, connection: &mut SqliteConnection) -> Result<(), SinkError> {
        if self.envelope == Envelope::None {
            return Ok(());
        }
        if self.columns.place(MESSAGE_ID) == Place::Free {
            self.alter(connection, MESSAGE_ID, "TEXT").await?;
        }
        if self.envelope == Envelope::Full && self.columns.place(ENVELOPE) == Place::Free {
            self.alter(connection, ENVELOPE, "JSON").await?;
        }
        if !sqlite::is_unique(connection, &self.name, MESSAGE_ID).await? {
            let index = quote(&format!("{}_{MESSAGE_ID}", self.name));
            let sql = format!(
                "CREATE UNIQUE INDEX {index} ON {} ({})",
                quote(&self.name),
                quote(MESSAGE_ID)
            );
            let what = || format!("create the key of table {}", self.name);
            execute(connection, sql, what).await.map_err(|error| match error.code() {
                // Constraint (<https://www.sqlite.org/rescode.html#constraint>): there are equal values.
                Some(19) => SinkError::NoKey {
                    table: self.name.clone(),
                    column: MESSAGE_ID.to_owned(),
                    source: Box::new(error),
                },
                _ => error.into(),
            })?;
        }
        Ok(())
    }

    async fn alter(
        &mut self,
        connection: &mut SqliteConnection,
        name: &str,
        declared: &str,
    ) -> Result<usize, SinkError> {
        let (table, column) = (quote(&self.name), quote(name));
        let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {declared}");
        let what = || format!("add column {name} to table {}", self.name);
        let mut holds = Holds::of_declared(declared);
        if let Err(error) = execute(connection, sql, what).await {
            // Another run may have added it since we looked.
            let columns = sqlite::columns(connection, &self.name).await?;
            let there = columns.into_iter().find(|column| column.name == name);
            holds = Holds::of_declared(&there.ok_or(error)?.declared);
        }
        Ok(self.columns.push(name.to_owned(), holds, false))
    }

    /// Adds a column of our own. [`Self::is_full`] says when not to ask.
    pub(super) async fn add(
        &mut self,
        connection: &mut SqliteConnection,
        name: &str,
        kind: Kind,
    ) -> Result<usize, SinkError> {
        self.alter(connection, name, declare(kind)).await
    }

    /// Returns true when SQLite allows no further column.
    pub(super) fn is_full(&self) -> bool {
        self.columns.len() >= MAX_COLUMNS
    }

    /// Returns the column of each member that occurs, and adds those that are missing and hold more than NULLs.
    pub(super) async fn resolve(
        &mut self,
        connection: &mut SqliteConnection,
        changes: &Changes,
        evolve: bool,
    ) -> Result<Vec<Option<usize>>, SinkError> {
        let found = |table: &Self, name: &str| table.columns.find(names::of_member(name));
        let mut slots: Vec<Option<usize>> =
            changes.columns().iter().map(|name| found(self, name).ok()).collect();
        let grows = evolve || !self.exists;
        let mut seen = vec![Seen::default(); slots.len()];
        if grows && slots.iter().any(Option::is_none) {
            for (column, value) in changes.rows().flat_map(|row| row.cells()) {
                if slots[column.index()].is_none() {
                    seen[column.index()].see(bare_number(value));
                }
            }
        }
        let mut new = Vec::new();
        for (index, seen) in seen.into_iter().enumerate() {
            if let (None, Some(kind), false) = (slots[index], seen.kind(), self.is_full()) {
                // Asked again: an earlier one of these may have taken the name in another case.
                slots[index] = Some(match found(self, &changes.columns()[index]) {
                    Ok(slot) => slot,
                    Err(name) if self.exists => self.add(connection, &name, kind).await?,
                    Err(name) => {
                        new.push((name.clone(), kind));
                        self.columns.push(name, Holds::of_declared(declare(kind)), false)
                    }
                });
            }
        }
        if !self.exists {
            self.create(connection, &new).await?;
        }
        Ok(slots)
    }
}

/// Why a value found no column.
pub(super) type Misfit = columns::Misfit<Kind>;

impl Table {
    /// Returns the column to put a value into, and the value as that column takes it.
    pub(super) fn fit<'a>(
        &self,
        own: usize,
        value: Value<'a>,
        is_free: impl Fn(usize) -> bool,
    ) -> Result<(usize, Bound<'a>), Misfit> {
        let kind = Kind::of(value).map(|kind| (kind, kind.name()));
        self.columns.fit(own, kind, is_free, |holds| holds.convert(value))
    }

    /// Returns the misfit of a member that has no column of its own.
    pub(super) fn without_column(
        &self,
        changes: &Changes,
        column: ColumnId,
        evolve: bool,
    ) -> Misfit {
        let name = &changes.columns()[column.index()];
        Misfit::Refused(if evolve {
            format!(
                "the table has {} columns, and SQLite allows no column {name}",
                self.columns.len()
            )
        } else {
            format!("the table has no column {name}, and evolve=none forbids to add it")
        })
    }
}

async fn execute(
    connection: &mut SqliteConnection,
    sql: String,
    what: impl FnOnce() -> String,
) -> Result<(), DbError> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(|source| DbError::Statement { what: what(), source })
}
