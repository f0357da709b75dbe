//! SQLite: rows, dead letters and the position of the shard in one transaction, so each record is there exactly once.
//!
//! There is one writer, since SQLite has one; what waits for it goes into one transaction (see `group`).

mod holds;
mod insert;
mod letters;
mod table;
mod transaction;
mod writer;

use std::time::Duration;

use ctk_checkpoint::Holder;
use sqlx::SqliteConnection;

use self::writer::SqliteWriter;
pub(crate) use self::{
    holds::{Bound, Holds},
    insert::push,
    letters::keep as keep_letters,
    table::NAMING,
    transaction::run,
};
use crate::{
    dead_letters::DeadLetters,
    envelope::Envelope,
    group::{Grouped, Limits},
};

/// What to write, and where.
#[derive(Debug)]
pub struct Settings {
    /// The table.
    pub table: String,
    /// The stream, for the envelope and for dead letters.
    pub stream: String,
    /// How much of the envelope is written.
    pub envelope: Envelope,
    /// Whether to create the table when it is missing.
    pub create_table: bool,
    /// Whether to add columns.
    pub evolve: bool,
    /// Rows that make a batch full.
    pub batch_rows: usize,
    /// The same in bytes.
    pub batch_bytes: usize,
    /// How long to wait for that; zero writes at once.
    pub linger: Duration,
    /// What becomes of records that are no rows.
    pub dead_letters: DeadLetters,
    /// Whose positions are kept beside the rows; none when the run keeps them elsewhere.
    pub checkpoints: Option<Holder>,
}

/// Starts the writer. Tables are created when the first rows come. Needs a tokio runtime.
pub fn start(connection: SqliteConnection, settings: Settings) -> Grouped {
    let limits = Limits {
        rows: settings.batch_rows,
        bytes: settings.batch_bytes,
        linger: settings.linger,
        takes_all: true,
    };
    let envelope = settings.envelope;
    let writer = SqliteWriter { connection, settings, table: None };
    Grouped::start(vec![writer], envelope, limits)
}

#[cfg(test)]
mod tests;
