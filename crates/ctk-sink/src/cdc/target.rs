//! The target of a run of change data: lets a shard wait for the definition of a table that another shard may bring.
//!
//! AWS DMS writes the record that tells a table's columns and key with another partition key than the table's rows, so it may
//! stand in another shard, and Kinesis knows no order between shards. A batch with rows of a table of which nothing is known
//! is held back for a while, and then taken as it is: what is not told is made out from the rows.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_flow::{
    Asks, Changes, Claims, Committed, Failure, Millis, Position, ShardId, SourceTable, TableChange,
    Target,
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
    waiting: Mutex<HashMap<usize, Vec<SourceTable>>>,
    /// The number of the next one.
    next: AtomicUsize,
    /// How many batches told of tables, and how many had when somebody waited in vain, plus one.
    told: AtomicUsize,
    in_vain: AtomicUsize,
    /// How often all shards were found waiting: then none of them does any more.
    deadlocks: AtomicUsize,
}

impl<T> ChangeTarget<T> {
    /// Returns a target over one that was started with this knowledge.
    pub fn new(inner: T, knowledge: Knowledge) -> Self {
        let Knowledge { settled, known } = knowledge;
        let shared = Shared {
            settled,
            known,
            claimed: AtomicUsize::new(0),
            waiting: Mutex::default(),
            next: AtomicUsize::new(0),
            told: AtomicUsize::new(0),
            in_vain: AtomicUsize::new(0),
            deadlocks: AtomicUsize::new(0),
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

    fn waiting(&self) -> MutexGuard<'_, HashMap<usize, Vec<SourceTable>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true when each shard waits for a table of which nothing is known yet.
    fn are_all_waiting(&self) -> bool {
        let waiting = self.waiting();
        let still =
            waiting.values().filter(|tables| !tables.iter().all(|table| self.is_known(table)));
        still.count() >= self.claimed.load(Relaxed)
    }

    /// Waits until something is known of these tables, or nobody is left who could tell.
    async fn wait(&self, unknown: Vec<SourceTable>) {
        let deadline = Instant::now() + PATIENCE;
        let mut news = self.settled.news.subscribe();
        let deadlocks = self.deadlocks.load(Relaxed);
        let number = self.next.fetch_add(1, Relaxed);
        self.waiting().insert(number, unknown.clone());
        self.settled.stir();
        debug!(tables = ?unknown, "waiting for what another shard may tell of tables");
        loop {
            if self.are_all_waiting() {
                self.deadlocks.fetch_add(1, Relaxed);
                self.settled.stir();
            }
            if self.deadlocks.load(Relaxed) > deadlocks
                || unknown.iter().all(|table| self.is_known(table))
            {
                break;
            }
            if tokio::time::timeout_at(deadline, news.changed()).await.is_err() {
                self.in_vain.store(self.told.load(Relaxed) + 1, Relaxed);
                break;
            }
        }
        self.waiting().remove(&number);
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
            shared.told.fetch_add(1, Relaxed);
            for change in changes.rows().filter_map(|row| row.change()) {
                if let Asks::Table(TableChange::Create(def) | TableChange::Become(def)) =
                    change.asks()
                    && !def.key.is_empty()
                {
                    shared.settled.tell(&changes.tables()[change.table().index()], def);
                }
            }
        }
        let unknown = shared.unknown(&changes);
        // Who waited in vain waits again only when tables have been told of since.
        let may_come = shared.told.load(Relaxed) >= shared.in_vain.load(Relaxed);
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
