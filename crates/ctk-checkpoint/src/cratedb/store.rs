//! The checkpoints of one run: claimed, moved on, let go, and noticed when another run takes them.
//!
//! Each run has an owner token of its own. A row that it claims carries the token and a lease, an instant of the database's
//! clock; each [`CrateDbStore::save`] puts it off. A run that was killed lets its lease run out. A run that ends in order
//! clears both. Rows without an owner are of the Python `ctk`, or of a run that ended: they are claimed without a question.

mod attempts;
mod lease;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ctk_db::cratedb::Client;
use ctk_flow::{Millis, Position, ShardId};
use tokio::sync::RwLock;
use tracing::warn;

use super::{row::Row, table::Table};
use crate::{Checkpoint, CheckpointError, CheckpointStore, Saved, StreamIdentity, age::span};
use attempts::Attempts;
use lease::{Lease, token};

/// The shards that another run holds: which, and until when.
type Leases = BTreeMap<ShardId, (Option<String>, Option<Millis>)>;

/// The checkpoints of a namespace, for one run.
#[derive(Debug)]
pub struct CrateDbStore {
    table: Table,
    namespace: String,
    stream: StreamIdentity,
    lease: Lease,
    /// Runs that are presumed dead, or were told to be overridden.
    overridden: HashSet<String>,
    /// The shards whose lease is to be renewed.
    held: Mutex<BTreeSet<ShardId>>,
    /// A save changes the rows of all shards: no row is claimed or released meanwhile by this run.
    turn: RwLock<()>,
}

impl CrateDbStore {
    /// Creates the table where it is missing, and makes sure that no other run is at work in the namespace.
    ///
    /// Where one seems to be, this waits until its lease has run out; one that renews it meanwhile is alive, which is
    /// [`CheckpointError::Held`]. With `take_over` it is not waited for: the other run finds out when it saves, and stops.
    /// `lease` has to be several times as long as the time between two saves. The client is to be a patient one.
    pub async fn open(
        client: &Client,
        schema: &str,
        namespace: &str,
        stream: StreamIdentity,
        lease: Duration,
        take_over: bool,
    ) -> Result<Self, CheckpointError> {
        let mut store = Self {
            table: Table::create(client, schema).await?,
            namespace: namespace.to_owned(),
            stream,
            lease: Lease::new(token(), lease),
            overridden: HashSet::new(),
            held: Mutex::default(),
            turn: RwLock::default(),
        };
        store.overridden = store.wait_for_others(take_over).await?;
        Ok(store)
    }

    /// Returns the runs that have left rows, when none of them lives or counts any more.
    async fn wait_for_others(&self, take_over: bool) -> Result<HashSet<String>, CheckpointError> {
        let mut first: Option<Leases> = None;
        loop {
            let (rows, now) = self.table.read(Some(&self.namespace)).await?;
            let now = now.unwrap_or_default();
            let live: Leases = rows
                .iter()
                .filter(|row| self.lease.is_anothers(row, now))
                .map(|row| (row.checkpoint.shard_id.clone(), (row.owner.clone(), row.lease_until)))
                .collect();
            if live.is_empty() || take_over {
                return Ok(rows.into_iter().filter_map(|row| row.owner).collect());
            }
            match &first {
                None => {
                    let until = live.values().filter_map(|(_, until)| *until).max();
                    let left = until.unwrap_or(now).saturating_sub(now).unsigned_abs();
                    warn!(
                        namespace = self.namespace,
                        at_most = span(Duration::from_millis(left)),
                        "another run has these checkpoints, or was killed; waiting to see which"
                    );
                    first = Some(live);
                }
                Some(first) => {
                    if live.iter().any(|(shard, lease)| first.get(shard) != Some(lease)) {
                        return Err(self.held_by_another());
                    }
                }
            }
            tokio::time::sleep(self.lease.poll()).await;
        }
    }

    fn held_by_another(&self) -> CheckpointError {
        CheckpointError::Held { namespace: self.namespace.clone() }
    }

    fn taken_over(&self, shard: &ShardId) -> CheckpointError {
        CheckpointError::TakenOver { namespace: self.namespace.clone(), shard: shard.clone() }
    }

    fn held(&self) -> MutexGuard<'_, BTreeSet<ShardId>> {
        // No call panics while it holds the lock, so what it guards is whole.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what a claim makes of a row; nothing when it is so already.
    fn claimed(
        &self,
        row: Option<&Row>,
        shard: &ShardId,
        begins: Option<Millis>,
        (now, until): (Millis, Millis),
    ) -> Result<Option<Row>, CheckpointError> {
        if let Some(row) = row
            && !self.lease.is_ours(row)
        {
            if self.held().contains(shard) {
                return Err(self.taken_over(shard));
            }
            let is_free = row.owner.as_ref().is_some_and(|owner| self.overridden.contains(owner));
            if !is_free && self.lease.is_anothers(row, now) {
                return Err(self.held_by_another());
            }
        }
        let mut claimed = row.cloned().unwrap_or_else(|| self.new_row(shard));
        self.lease.renew(&mut claimed, until);
        let Checkpoint { stream, begins_at, .. } = &mut claimed.checkpoint;
        stream.arn = self.stream.arn.clone().or(stream.arn.take());
        stream.created_at = self.stream.created_at.or(stream.created_at);
        *begins_at = begins_at.or(begins);
        Ok((row != Some(&claimed)).then_some(claimed))
    }

    /// Returns what a save makes of a row, and what becomes of the position.
    fn saved(
        &self,
        row: Option<&Row>,
        (shard, position): (&ShardId, Option<&Position>),
        (now, until): (Millis, Millis),
    ) -> Result<(Option<Row>, Saved), CheckpointError> {
        let is_ours = row.is_none_or(|row| self.lease.is_ours(row));
        if let Some(row) = row
            && !is_ours
            && (self.held().contains(shard) || self.lease.is_anothers(row, now))
        {
            return Err(self.taken_over(shard));
        }
        if row.is_none() && position.is_none() {
            // Somebody deleted it. What is known of the shard comes back with its next position.
            return Ok((None, Saved::Written));
        }
        let mut changed = row.cloned().unwrap_or_else(|| self.new_row(shard));
        if is_ours {
            self.lease.renew(&mut changed, until);
        }
        let saved = match position {
            Some(position) => changed.checkpoint.advance(position),
            None => Saved::Written,
        };
        Ok(((row != Some(&changed)).then_some(changed), saved))
    }

    fn new_row(&self, shard: &ShardId) -> Row {
        let mut row = Row::new(Checkpoint::new(&self.namespace, shard.clone()));
        row.checkpoint.stream.clone_from(&self.stream);
        row
    }
}

impl CheckpointStore for CrateDbStore {
    async fn load(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        let (rows, _) = self.table.read(Some(&self.namespace)).await?;
        Ok(rows.into_iter().map(|row| row.checkpoint).collect())
    }

    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), CheckpointError> {
        let _turn = self.turn.read().await;
        let mut attempts = Attempts::default();
        let mut until = None;
        loop {
            let (row, now) = match self.table.read_one(&self.namespace, shard).await? {
                Some((row, now)) => (Some(row), now),
                None => (None, self.table.now().await?),
            };
            // The same at each attempt: so an answer that was lost, and applied, is recognised.
            let until = *until.get_or_insert_with(|| self.lease.end(now));
            let failures = match self.claimed(row.as_ref(), shard, begins, (now, until))? {
                Some(row) => self.table.write(&[row]).await?,
                None => Vec::new(),
            };
            let Some(failure) = failures.first() else { break };
            attempts.again(failure).await?;
        }
        self.held().insert(shard.clone());
        Ok(())
    }

    async fn save(&self, positions: &[Position]) -> Result<Vec<Saved>, CheckpointError> {
        let _turn = self.turn.write().await;
        let mut left: BTreeMap<ShardId, Option<&Position>> =
            self.held().iter().map(|shard| (shard.clone(), None)).collect();
        left.extend(positions.iter().map(|position| (position.shard.clone(), Some(position))));
        if left.is_empty() {
            return Ok(Vec::new());
        }
        let mut results = BTreeMap::new();
        let (mut attempts, mut until, mut lost) = (Attempts::default(), None, None);
        while !left.is_empty() {
            let (rows, now) = self.table.read(Some(&self.namespace)).await?;
            let rows: BTreeMap<_, _> =
                rows.into_iter().map(|row| (row.checkpoint.shard_id.clone(), row)).collect();
            let now = match now {
                Some(now) => now,
                None => self.table.now().await?,
            };
            let until = *until.get_or_insert_with(|| self.lease.end(now));
            let mut changed = Vec::new();
            for (shard, position) in &left {
                match self.saved(rows.get(shard), (shard, *position), (now, until)) {
                    Ok((row, saved)) => {
                        // A row that this call makes is held as if it had been claimed.
                        if row.as_ref().is_some_and(|row| row.version.is_none()) {
                            self.held().insert(shard.clone());
                        }
                        changed.extend(row);
                        results.insert(shard.clone(), saved);
                    }
                    // The positions of the other shards are still worth saving.
                    Err(error) => lost = lost.or(Some(error)),
                }
            }
            let failures = self.table.write(&changed).await?;
            left.retain(|shard, _| failures.iter().any(|failure| failure.shard == *shard));
            if let Some(failure) = failures.first() {
                attempts.again(failure).await?;
            }
        }
        match lost {
            Some(error) => Err(error),
            None => Ok(positions
                .iter()
                .map(|position| results.get(&position.shard).cloned().unwrap_or(Saved::Written))
                .collect()),
        }
    }

    async fn release(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        let _turn = self.turn.read().await;
        // First, so that a row whose release is answered by nobody does not look as if another run had been there.
        self.held().remove(shard);
        let mut attempts = Attempts::default();
        loop {
            let row = self.table.read_one(&self.namespace, shard).await?;
            let Some((mut row, _)) = row.filter(|(row, _)| self.lease.is_ours(row)) else {
                // Released already, or another run has it by now, and keeps it.
                return Ok(());
            };
            Lease::clear(&mut row);
            let failures = self.table.write(&[row]).await?;
            let Some(failure) = failures.first() else { return Ok(()) };
            attempts.again(failure).await?;
        }
    }
}
