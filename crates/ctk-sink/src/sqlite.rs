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
use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use sqlx::SqliteConnection;

use self::writer::SqliteWriter;
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

/// Hands batches to the writer. Clones share it.
#[derive(Clone, Debug)]
pub struct SqliteTarget(Grouped);

impl SqliteTarget {
    /// Starts the writer. Tables are created when the first rows come.
    pub fn start(connection: SqliteConnection, settings: Settings) -> Self {
        let limits = Limits {
            rows: settings.batch_rows,
            bytes: settings.batch_bytes,
            linger: settings.linger,
            takes_all: true,
        };
        let envelope = settings.envelope;
        let writer = SqliteWriter { connection, settings, table: None };
        Self(Grouped::start(vec![writer], envelope, limits))
    }
}

impl Target for SqliteTarget {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        self.0.commit(changes, upto).await
    }

    async fn close(&self) -> Result<(), Failure> {
        self.0.close().await
    }
}

impl Claims for SqliteTarget {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        self.0.claim(shard, begins).await
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        self.0.release(shard).await
    }
}

#[cfg(test)]
mod tests;
