//! The target of a run of change data: lets a shard wait for the definition of a table that another shard may bring.
//!
//! AWS DMS writes the record that tells a table's columns and key with another partition key than the table's rows, so it may
//! stand in another shard, and Kinesis knows no order between shards. A batch with rows of a table of which nothing is known
//! is held back for a while, and then taken as it is: what is not told is made out from the rows.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_flow::{
    Asks, Changes, Claims, Committed, Failure, Millis, Position, ShardId, SourceTable, Target,
};
use tokio::time::Instant;
use tracing::debug;

use super::{
    settings::ChangeSettings,
    store::TargetTable,
    tables::{Settled, is_bookkeeping},
};

/// How long a batch is held back. The other shards are being read meanwhile, and the record was written before the rows.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known before the run.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) settings: Arc<ChangeSettings>,
    /// The tables of the target, which have keys of their own.
    pub(crate) tables: HashSet<TargetTable>,
    /// The schema of tables that have none in the source.
    pub(crate) default_schema: &'static str,
}

/// What is known before the run, and what the writer learns in it. For [`ChangeTarget::new`].
#[derive(Debug)]
pub struct Knowledge {
    pub(crate) settled: Arc<Settled>,
    pub(crate) known: Known,
}

/// A target that holds back what comes before its table is known. Clones share it.
#[derive(Clone, Debug)]
pub struct ChangeTarget<T> {
    inner: T,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settled: Arc<Settled>,
    known: Known,
    /// Shards that are read, and those of them that wait.
    claimed: AtomicUsize,
    waiting: AtomicUsize,
    /// The stream has records that tell of tables.
    is_told: AtomicBool,
    /// Somebody waited in vain.
    was_in_vain: AtomicBool,
}

impl<T> ChangeTarget<T> {
    /// Returns a target over one that was started with this knowledge.
    pub fn new(inner: T, knowledge: Knowledge) -> Self {
        let Knowledge { settled, known } = knowledge;
        let shared = Shared {
            settled,
            known,
            claimed: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            is_told: AtomicBool::new(false),
            was_in_vain: AtomicBool::new(false),
        };
        Self { inner, shared: Arc::new(shared) }
    }
}

impl Shared {
    fn is_known(&self, source: &SourceTable) -> bool {
        let Known { settings, tables, default_schema } = &self.known;
        if self.settled.contains(source) || is_bookkeeping(source) {
            return true;
        }
        let schemas = [settings.schema.as_deref(), Some(&source.schema), Some(default_schema)];
        let is_there = schemas.into_iter().flatten().any(|schema| {
            let (schema, table) = (schema.to_owned(), source.table.clone());
            tables.contains(&TargetTable { schema, table })
        });
        is_there || !settings.rules(source).key.is_empty()
    }

    /// Returns the tables of which neither anybody nor these changes tell anything before the first row.
    fn unknown(&self, changes: &Changes) -> Vec<SourceTable> {
        let mut open: Vec<bool> =
            changes.tables().iter().map(|table| !self.is_known(table)).collect();
        let mut unknown = Vec::new();
        let mut left = open.iter().filter(|open| **open).count();
        for change in changes.rows().filter_map(|row| row.change()) {
            if left == 0 {
                break;
            }
            let index = change.table().index();
            if std::mem::take(&mut open[index]) {
                left -= 1;
                if !matches!(change.asks(), Asks::Table(_)) && !change.tells_key() {
                    unknown.push(changes.tables()[index].clone());
                }
            }
        }
        unknown
    }

    /// Waits until something is known of these tables, or nobody is left who could tell.
    async fn wait(&self, unknown: Vec<SourceTable>) {
        let deadline = Instant::now() + PATIENCE;
        let mut news = self.settled.news.subscribe();
        self.waiting.fetch_add(1, Relaxed);
        self.settled.stir();
        debug!(tables = ?unknown, "waiting for what another shard may tell of tables");
        loop {
            let is_alone = self.waiting.load(Relaxed) >= self.claimed.load(Relaxed);
            if is_alone || unknown.iter().all(|table| self.is_known(table)) {
                break;
            }
            if tokio::time::timeout_at(deadline, news.changed()).await.is_err() {
                self.was_in_vain.store(true, Relaxed);
                break;
            }
        }
        self.waiting.fetch_sub(1, Relaxed);
        // Nobody waits for them again.
        for table in &unknown {
            self.settled.insert(table);
        }
    }
}

impl<T: Target> Target for ChangeTarget<T> {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        let shared = &self.shared;
        if changes.tells_of_tables() {
            shared.is_told.store(true, Relaxed);
        }
        let unknown = shared.unknown(&changes);
        let may_come = shared.is_told.load(Relaxed) || !shared.was_in_vain.load(Relaxed);
        if !unknown.is_empty() && may_come {
            shared.wait(unknown).await;
        }
        self.inner.commit(changes, upto).await
    }

    async fn failed(&self) -> Failure {
        self.inner.failed().await
    }

    async fn close(&self) -> Result<(), Failure> {
        self.inner.close().await
    }
}

impl<T: Claims> Claims for ChangeTarget<T> {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        self.shared.claimed.fetch_add(1, Relaxed);
        self.inner.claim(shard, begins).await
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        self.shared.claimed.fetch_sub(1, Relaxed);
        self.shared.settled.stir();
        self.inner.release(shard).await
    }
}
