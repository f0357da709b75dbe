//! CrateDB: rows in bulk requests over HTTP, answered one by one. There are no transactions, so a row is there *at least*
//! once, and its key, the message id, makes that exactly once: what is sent again is left alone.
//!
//! One task gathers what shards bring: while all requests are on their way, others wait, and what waited together goes into
//! one request (group commit). So many slow shards make few requests, and a fast one never waits for a timer. A batch that is
//! larger than a request is cut, and its parts travel at the same time: within a batch the order of rows does not matter,
//! since each has a key of its own.
//!
//! Positions are not kept here: see [`crate::write_then_save`].

mod chunk;
pub mod config;
pub(crate) mod fit;
pub(crate) mod json;
mod known;
pub(crate) mod letters;
pub(crate) mod names;
pub(crate) mod plan;
mod rows;
pub(crate) mod schema;
pub(crate) mod send;
pub(crate) mod table;
pub(crate) mod types;
mod writer;

use std::{sync::Arc, time::Duration};

use ctk_db::{cratedb::Client, quote};
use ctk_flow::{Changes, Committed, Failure};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use self::{
    chunk::{Chunk, Delivery, Part},
    writer::Writer,
};
use crate::{
    Shared, SinkError,
    dead_letters::DeadLetters,
    envelope::{Envelope, MessageId},
    write_then_save::Sink,
};

/// What to write, and where.
#[derive(Debug)]
pub struct Settings {
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The stream, for the envelope and for dead letters.
    pub stream: String,
    /// How much of the envelope is written.
    pub envelope: Envelope,
    /// Whether records are one value each, in the column `data`.
    pub is_document: bool,
    /// Whether to create the table when it is missing.
    pub create_table: bool,
    /// Whether to add columns.
    pub evolve: bool,
    /// Shards of a table that is created; CrateDB's default when absent.
    pub shards: Option<u32>,
    /// Its replicas, as `1` or `0-all`.
    pub replicas: Option<String>,
    /// The member whose values part it.
    pub partitioned_by: Option<String>,
    /// Rows of one request.
    pub batch_rows: usize,
    /// Its bytes, about.
    pub batch_bytes: usize,
    /// How long to wait for as much; zero sends at once what is there.
    pub linger: Duration,
    /// Requests on their way at the same time.
    pub connections: usize,
    /// What becomes of records that are no rows.
    pub dead_letters: DeadLetters,
}

impl Settings {
    /// Returns the table as SQL wants it.
    fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }
}

/// Hands batches to the task that sends them. Clones share it.
#[derive(Clone, Debug)]
pub struct CrateDbSink {
    envelope: Envelope,
    queue: mpsc::Sender<Arc<Delivery>>,
    sender: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// Shards that wait. More wait at the door.
const WAITING: usize = 1024;

/// What the envelope adds to a row, in bytes.
const ENVELOPE_BYTES: usize = 260;

impl CrateDbSink {
    /// Starts the task. The table is created when the first rows come.
    pub fn start(client: Client, settings: Settings) -> Self {
        let envelope = settings.envelope;
        let (queue, deliveries) = mpsc::channel(WAITING);
        let writer = Arc::new(Writer::new(client.patient(), settings));
        let sender = tokio::spawn(run(writer, deliveries));
        Self { envelope, queue, sender: Arc::new(Mutex::new(Some(sender))) }
    }
}

impl Sink for CrateDbSink {
    async fn write(&self, changes: Changes) -> Result<Committed, Failure> {
        let ids = match self.envelope {
            Envelope::None => Vec::new(),
            Envelope::Full | Envelope::Id => changes
                .rows()
                .map(|row| MessageId::new(changes.shard(), row.origin(), row.sub_sequence()))
                .collect(),
        };
        let (answer, answered) = oneshot::channel();
        let delivery = Arc::new(Delivery::new(changes, ids, answer));
        self.queue.send(delivery).await.map_err(|_| SinkError::Gone)?;
        Ok(answered.await.map_err(|_| SinkError::Gone)??)
    }

    async fn close(&self) -> Result<(), Failure> {
        // Nobody waits for an answer any more, so nothing is on its way.
        if let Some(sender) = self.sender.lock().await.take() {
            sender.abort();
        }
        Ok(())
    }
}

/// Gathers what shards bring into chunks, and sends them.
async fn run(writer: Arc<Writer>, mut queue: mpsc::Receiver<Arc<Delivery>>) {
    let requests = Arc::new(Semaphore::new(writer.settings.connections.max(1)));
    let mut tasks = JoinSet::new();
    while let Some(first) = queue.recv().await {
        // While this one waits for its turn, others gather behind it.
        let Ok(mut permit) = Arc::clone(&requests).acquire_owned().await else { return };
        let deadline = Instant::now() + writer.settings.linger;
        let mut chunk = Chunk::default();
        let mut next = Some(first);
        while let Some(delivery) = next {
            let parts = cut(&delivery, &writer.settings);
            for (part, bytes) in parts {
                let is_full = chunk.rows + part.rows.len() > writer.settings.batch_rows
                    || chunk.bytes + bytes > writer.settings.batch_bytes;
                if is_full && !chunk.parts.is_empty() {
                    spawn(&mut tasks, &writer, std::mem::take(&mut chunk), permit);
                    let Ok(another) = Arc::clone(&requests).acquire_owned().await else { return };
                    permit = another;
                }
                chunk.push(part, bytes);
            }
            next = match queue.try_recv() {
                Ok(delivery) => Some(delivery),
                Err(_) if Instant::now() >= deadline => None,
                Err(_) => tokio::time::timeout_at(deadline, queue.recv()).await.ok().flatten(),
            };
        }
        spawn(&mut tasks, &writer, chunk, permit);
        while tasks.try_join_next().is_some() {}
    }
}

fn spawn(
    tasks: &mut JoinSet<()>,
    writer: &Arc<Writer>,
    chunk: Chunk,
    permit: OwnedSemaphorePermit,
) {
    let writer = Arc::clone(writer);
    tasks.spawn(async move {
        let written = writer.write(&chunk).await.map_err(|error| Shared(Arc::new(error)));
        drop(permit);
        for (index, part) in chunk.parts.iter().enumerate() {
            part.delivery.done(written.as_ref().map(|parts| parts[index]).map_err(Clone::clone));
        }
    });
}

/// Cuts a batch into parts that fit into a request, each with its bytes.
fn cut(delivery: &Arc<Delivery>, settings: &Settings) -> Vec<(Part, usize)> {
    let changes = &delivery.changes;
    let rows = changes.len();
    let of_row = changes.size().checked_div(rows).unwrap_or_default() + ENVELOPE_BYTES;
    let most = settings.batch_rows.min(settings.batch_bytes / of_row).max(1);
    let part = |rows: std::ops::Range<usize>, has_letters: bool| {
        let bytes = rows.len() * of_row;
        (Part { delivery: Arc::clone(delivery), rows, has_letters }, bytes)
    };
    let has_letters = !changes.dead_letters().is_empty();
    let mut parts: Vec<_> = (0..rows)
        .step_by(most)
        .map(|from| part(from..(from + most).min(rows), has_letters && from == 0))
        .collect();
    if parts.is_empty() {
        parts.push(part(0..0, has_letters));
    }
    delivery.cut(parts.len());
    parts
}

#[cfg(test)]
mod tests;
