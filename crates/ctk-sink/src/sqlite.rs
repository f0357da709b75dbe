//! SQLite: rows, dead letters and the position of the shard in one transaction, so each record is there exactly once.
//!
//! One task writes, all shards hand their batches to it: while it commits, others wait, and what waited together goes into
//! one transaction (group commit). So many slow shards make few transactions, and a fast one never waits for a timer.

mod holds;
mod insert;
mod letters;
mod table;
mod transaction;
mod writer;

use std::{sync::Arc, time::Duration};

use ctk_checkpoint::Holder;
use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use sqlx::SqliteConnection;
use tokio::{
    sync::{Mutex, mpsc, oneshot},
    task::JoinHandle,
};

use crate::{
    SinkError,
    dead_letters::DeadLetters,
    envelope::{Envelope, MessageId},
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
pub struct SqliteTarget {
    envelope: Envelope,
    jobs: mpsc::Sender<Job>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What shards ask of the writer, and where the answer goes.
#[derive(Debug)]
enum Job {
    Commit { delivery: Box<Delivery>, answer: Answer<Committed> },
    Claim { shard: ShardId, begins: Option<Millis>, answer: Answer<()> },
    Release { shard: ShardId, answer: Answer<()> },
    Close { answer: Answer<()> },
}

/// What a shard brings: a batch, and how far it is with it.
#[derive(Debug)]
struct Delivery {
    changes: Changes,
    /// The key of each row. Made by the shard's task, since the writer has more to do than they.
    ids: Vec<MessageId>,
    upto: Position,
}

type Answer<T> = oneshot::Sender<Result<T, crate::Shared>>;

/// Shards that wait for the writer. More wait at the door.
const WAITING: usize = 1024;

impl SqliteTarget {
    /// Starts the writer. Tables are created when the first rows come.
    pub fn start(connection: SqliteConnection, settings: Settings) -> Self {
        let envelope = settings.envelope;
        let (jobs, queue) = mpsc::channel(WAITING);
        let writer = tokio::spawn(writer::run(connection, settings, queue));
        Self { envelope, jobs, writer: Arc::new(Mutex::new(Some(writer))) }
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| SinkError::Gone)?;
        Ok(answered.await.map_err(|_| SinkError::Gone)??)
    }
}

fn ids(changes: &Changes) -> Vec<MessageId> {
    changes
        .rows()
        .map(|row| MessageId::new(changes.shard(), row.origin(), row.sub_sequence()))
        .collect()
}

impl Target for SqliteTarget {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        let ids = match self.envelope {
            Envelope::None => Vec::new(),
            Envelope::Full | Envelope::Id => ids(&changes),
        };
        let delivery = Box::new(Delivery { changes, ids, upto });
        self.ask(|answer| Job::Commit { delivery, answer }).await
    }

    async fn close(&self) -> Result<(), Failure> {
        self.ask(|answer| Job::Close { answer }).await?;
        if let Some(writer) = self.writer.lock().await.take() {
            writer.await?;
        }
        Ok(())
    }
}

impl Claims for SqliteTarget {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        self.ask(|answer| Job::Claim { shard: shard.clone(), begins, answer }).await
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        self.ask(|answer| Job::Release { shard: shard.clone(), answer }).await
    }
}

#[cfg(test)]
mod tests;
