//! The account of a run: `read = written + dead-lettered + filtered`.
//!
//! Counted where things happen (units when they come out of the decoder, rows when the target confirmed them), read by the
//! progress display while the run goes on, and checked at its end.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{ports::Committed, record::ShardId};

/// Shared counters of one run.
#[derive(Debug, Default)]
pub struct Ledger {
    read: AtomicU64,
    bytes: AtomicU64,
    written: AtomicU64,
    present: AtomicU64,
    dead_lettered: AtomicU64,
    filtered: AtomicU64,
    gaps: AtomicU64,
    shards: Mutex<BTreeMap<ShardId, Arc<ShardCount>>>,
}

/// The counters of one shard.
#[derive(Debug)]
pub struct ShardCount {
    records: AtomicU64,
    behind_millis: AtomicI64,
}

impl Default for ShardCount {
    fn default() -> Self {
        Self { records: AtomicU64::new(0), behind_millis: AtomicI64::new(-1) }
    }
}

impl ShardCount {
    /// Notes how far the shard is behind its tip.
    pub fn behind(&self, behind: Option<Duration>) {
        let millis =
            behind.map_or(-1, |behind| i64::try_from(behind.as_millis()).unwrap_or(i64::MAX));
        self.behind_millis.store(millis, Relaxed);
    }
}

/// A shard as the display shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardState {
    /// The shard.
    pub shard: ShardId,
    /// Units committed in this run.
    pub records: u64,
    /// How far it is behind its tip, where known.
    pub behind: Option<Duration>,
}

/// The sums at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Units that came out of the decoder and whose commit was asked for.
    pub read: u64,
    /// Bytes of payload read.
    pub bytes: u64,
    /// Rows in the target.
    pub written: u64,
    /// How many of these were there before.
    pub present: u64,
    /// Dead letters.
    pub dead_lettered: u64,
    /// Left out by an option of the user.
    pub filtered: u64,
    /// Places where the stream had lost records before they were read, and the user wanted to go on.
    pub gaps: u64,
}

impl Totals {
    /// Returns true when every unit that was read ended somewhere.
    pub fn balance(&self) -> bool {
        self.read == self.written + self.dead_lettered + self.filtered
    }
}

impl Ledger {
    /// Returns the counters of a shard, new ones when it is first seen.
    pub fn shard(&self, shard: &ShardId) -> Arc<ShardCount> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shards.entry(shard.clone()).or_default())
    }

    /// Forgets a shard that is read no more, so that the display shows the others.
    pub fn leave(&self, shard: &ShardId) {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner).remove(shard);
    }

    /// Counts units before their commit.
    pub fn read(&self, units: u64, bytes: usize) {
        self.read.fetch_add(units, Relaxed);
        self.bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts a place where records may be lost.
    pub fn gap(&self) {
        self.gaps.fetch_add(1, Relaxed);
    }

    /// Counts what the target confirmed.
    pub fn committed(&self, shard: &ShardCount, committed: Committed, filtered: u64) {
        self.written.fetch_add(committed.written, Relaxed);
        self.present.fetch_add(committed.present, Relaxed);
        self.dead_lettered.fetch_add(committed.dead_lettered, Relaxed);
        self.filtered.fetch_add(filtered, Relaxed);
        shard.records.fetch_add(committed.written + committed.dead_lettered + filtered, Relaxed);
    }

    /// Returns the sums.
    pub fn totals(&self) -> Totals {
        Totals {
            read: self.read.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            written: self.written.load(Relaxed),
            present: self.present.load(Relaxed),
            dead_lettered: self.dead_lettered.load(Relaxed),
            filtered: self.filtered.load(Relaxed),
            gaps: self.gaps.load(Relaxed),
        }
    }

    /// Returns the shards that are being read, by name.
    pub fn shards(&self) -> Vec<ShardState> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards
            .iter()
            .map(|(shard, count)| ShardState {
                shard: shard.clone(),
                records: count.records.load(Relaxed),
                behind: u64::try_from(count.behind_millis.load(Relaxed))
                    .ok()
                    .map(Duration::from_millis),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_vanishes_is_seen() {
        let (ledger, shard) = (Ledger::default(), ShardId::new("s"));
        ledger.read(3, 100);
        let count = ledger.shard(&shard);
        ledger.committed(&count, Committed { written: 1, present: 0, dead_lettered: 1 }, 0);
        assert!(!ledger.totals().balance());
        ledger.committed(&count, Committed::default(), 1);
        assert!(ledger.totals().balance());
        count.behind(Some(Duration::from_secs(2)));
        let state =
            ShardState { shard: shard.clone(), records: 3, behind: Some(Duration::from_secs(2)) };
        assert_eq!(ledger.shards(), [state]);
        ledger.leave(&shard);
        assert_eq!(ledger.shards(), []);
    }
}
