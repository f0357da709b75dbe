//! Whose rows they are, in databases with transactions: the run that opened a namespace last holds it, and the one before
//! can write nothing any more. Pure: what is to become of rows, once they are read and locked.
//!
//! Positions are saved in the transaction of the rows, so a run that finds another owner in its rows is rolled back as a
//! whole. No lease and no clock is needed: [`crate::sqlite`] and [`crate::postgres`] have the statements.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, hash_map::RandomState},
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ctk_flow::{Millis, Position, ShardId};

use crate::{Checkpoint, CheckpointError, Saved, StreamIdentity};

/// The token of a run, ordered: the run that opened a namespace later has the greater one. As text `0000000007-` and 16
/// hexadecimal digits: the generation, and what tells runs apart that opened an empty namespace at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    generation: u64,
    random: u64,
}

impl Owner {
    /// Returns a token that is greater than all of these.
    fn after(others: impl Iterator<Item = Self>) -> Self {
        let greatest = others.map(|other| other.generation).max().unwrap_or_default();
        Self { generation: greatest.saturating_add(1), random: random() }
    }

    /// Reads a token. What is of another form is none: other tools, and CrateDB, where tokens have no order.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (generation, random) = text.split_once('-')?;
        let owner = Self {
            generation: generation.parse().ok()?,
            random: u64::from_str_radix(random, 16).ok()?,
        };
        (owner.to_string() == text).then_some(owner)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}-{:016x}", self.generation, self.random)
    }
}

/// Returns 64 random bits. Nothing is secret about them, they only differ from run to run: the standard library seeds its
/// hashers from the system.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// One run in one namespace. Clones share what they know.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The schema of the table; empty where there are none.
    pub schema: String,
    /// The namespace.
    pub namespace: String,
    /// The stream that is read, noted in the rows.
    pub stream: StreamIdentity,
    /// What this run writes into its rows.
    pub owner: Owner,
    /// How far shards were when the run opened the namespace: from there it reads.
    known: Arc<HashMap<ShardId, Position>>,
    /// How far this run brought shards, as the target said ([`Self::confirm`]).
    confirmed: Arc<Mutex<HashMap<ShardId, Position>>>,
}

/// A row as it was read: the checkpoint, and which run put it there.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) owner: Option<Owner>,
}

/// What a save changes.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Rows that are there.
    pub(crate) moved: Vec<Checkpoint>,
    /// Rows that are not there yet.
    pub(crate) new: Vec<Checkpoint>,
}

impl Holder {
    /// Returns the holder that comes after those of `rows`, which are all of the namespace.
    pub(crate) fn after(
        rows: &[Row],
        schema: &str,
        namespace: &str,
        stream: StreamIdentity,
    ) -> Self {
        let known = rows
            .iter()
            .map(|Row { checkpoint, .. }| (checkpoint.shard_id.clone(), checkpoint.position()));
        Self {
            schema: schema.to_owned(),
            namespace: namespace.to_owned(),
            stream,
            owner: Owner::after(rows.iter().filter_map(|row| row.owner)),
            known: Arc::new(known.collect()),
            confirmed: Arc::default(),
        }
    }

    /// Notes that the transaction with these positions was committed, so that it is noticed when the target comes back without
    /// it: a standby that was promoted before it had everything, a crash with `synchronous_commit=off`, a restored backup.
    ///
    /// To be called when that is known, and before a later position of the same shard is saved.
    pub fn confirm(&self, positions: &[Position]) {
        let mut confirmed = self.confirmed();
        for position in positions {
            let shard = &position.shard;
            let known = confirmed.entry(shard.clone());
            let known = known.or_insert_with(|| Position::new(shard.clone()));
            known.advance(position);
            // It has replaced what was known, and is an ordinary one from now on.
            known.anew = false;
        }
    }

    /// Fails when a later run opened the namespace; `owners` are those of all its rows.
    pub(crate) fn is_last(
        &self,
        owners: impl IntoIterator<Item = Owner>,
        shard: &ShardId,
    ) -> Result<(), CheckpointError> {
        if owners.into_iter().any(|owner| owner > self.owner) {
            return Err(self.taken_over(shard));
        }
        Ok(())
    }

    /// Returns what a claim makes of a row, in a namespace that is still ours ([`Self::is_last`]).
    ///
    /// A row that is not ours came after the namespace was opened: of a run that was not fenced yet, or of another tool. It
    /// is ours now, unless records were written with it that this run is about to read.
    pub(crate) fn claimed(
        &self,
        row: Option<Row>,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> Result<Checkpoint, CheckpointError> {
        let mut claimed = match row {
            None => self.new_checkpoint(shard),
            Some(Row { checkpoint, owner }) => {
                if owner != Some(self.owner) && !self.is_as_known(&checkpoint) {
                    return Err(self.taken_over(shard));
                }
                checkpoint
            }
        };
        claimed.active = Some(true);
        claimed.stream.arn = self.stream.arn.clone().or(claimed.stream.arn);
        claimed.stream.created_at = self.stream.created_at.or(claimed.stream.created_at);
        claimed.begins_at = claimed.begins_at.or(begins);
        Ok(claimed)
    }

    /// Returns what positions make of the rows of their shards, and what becomes of each.
    pub(crate) fn saved(
        &self,
        rows: Vec<Row>,
        positions: &[Position],
    ) -> Result<(Vec<Saved>, Changes), CheckpointError> {
        if let Some(row) = self.anothers(&rows) {
            return Err(self.taken_over(&row.checkpoint.shard_id));
        }
        let mut checkpoints = by_shard(rows);
        if let Some(shard) = self.went_back(&checkpoints) {
            let namespace = self.namespace.clone();
            return Err(CheckpointError::WentBack { namespace, shard: shard.clone() });
        }
        let there: BTreeSet<ShardId> = checkpoints.keys().cloned().collect();
        let mut written = BTreeSet::new();
        let save = |position: &Position| {
            let shard = &position.shard;
            let checkpoint =
                checkpoints.entry(shard.clone()).or_insert_with(|| self.new_checkpoint(shard));
            let saved = checkpoint.advance(position);
            if saved == Saved::Written {
                written.insert(shard.clone());
            }
            saved
        };
        let saved = positions.iter().map(save).collect();
        let mut changes = Changes::default();
        for (shard, checkpoint) in checkpoints {
            if !there.contains(&shard) {
                changes.new.push(checkpoint);
            } else if written.contains(&shard) {
                changes.moved.push(checkpoint);
            }
        }
        Ok((saved, changes))
    }

    /// Returns whether the transaction that carried these positions was committed, as far as the rows of their shards tell.
    pub(crate) fn is_saved(
        &self,
        rows: Vec<Row>,
        positions: &[Position],
    ) -> Result<bool, CheckpointError> {
        let anothers = self.anothers(&rows).map(|row| row.checkpoint.shard_id.clone());
        let stored = by_shard(rows);
        let verdicts: Vec<bool> = positions
            .iter()
            .filter_map(|position| is_stored(stored.get(&position.shard), position))
            .collect();
        let is_saved = !verdicts.is_empty() && verdicts.into_iter().all(|is_stored| is_stored);
        match anothers {
            Some(shard) if !is_saved => Err(self.taken_over(&shard)),
            _ => Ok(is_saved),
        }
    }

    /// Returns the error of a run that lost its namespace.
    pub(crate) fn taken_over(&self, shard: &ShardId) -> CheckpointError {
        CheckpointError::TakenOver { namespace: self.namespace.clone(), shard: shard.clone() }
    }

    /// Returns a shard of which less is stored than was confirmed. Only what decides about rows: nothing is lost with an
    /// instant that was reached, or with the end of a shard.
    fn went_back<'a>(&self, stored: &'a BTreeMap<ShardId, Checkpoint>) -> Option<&'a ShardId> {
        let confirmed = self.confirmed();
        let is_before = |(shard, stored): &(&ShardId, &Checkpoint)| {
            confirmed
                .get(*shard)
                .is_some_and(|confirmed| stored.position().furthest() < confirmed.furthest())
        };
        stored.iter().find(is_before).map(|(shard, _)| shard)
    }

    fn confirmed(&self) -> MutexGuard<'_, HashMap<ShardId, Position>> {
        // No call panics while it holds the lock, so what it guards is whole.
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn anothers<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        rows.iter().find(|row| row.owner != Some(self.owner))
    }

    fn is_as_known(&self, checkpoint: &Checkpoint) -> bool {
        let stored = checkpoint.position();
        let known = self.known.get(&checkpoint.shard_id).and_then(Position::furthest);
        stored.furthest().is_none() || stored.furthest() == known
    }

    fn new_checkpoint(&self, shard: &ShardId) -> Checkpoint {
        let mut checkpoint = Checkpoint::new(&self.namespace, shard.clone());
        checkpoint.stream.clone_from(&self.stream);
        checkpoint
    }
}

fn by_shard(rows: Vec<Row>) -> BTreeMap<ShardId, Checkpoint> {
    rows.into_iter().map(|row| (row.checkpoint.shard_id.clone(), row.checkpoint)).collect()
}

/// Returns whether a position is stored, or a later one; nothing when it says nothing that could be seen.
fn is_stored(stored: Option<&Checkpoint>, position: &Position) -> Option<bool> {
    let stored = stored.map(Checkpoint::position);
    if position.anew {
        // What was given up may be further than what takes its place.
        return Some(stored.is_some_and(|stored| Position { anew: true, ..stored } == *position));
    }
    if position.furthest().is_none() && position.reached.is_none() && !position.finished {
        return None;
    }
    let Some(stored) = stored else { return Some(false) };
    if position.furthest().is_some() && stored.furthest() != position.furthest() {
        return Some(stored.furthest() > position.furthest());
    }
    let is_reached = position.reached.is_none_or(|reached| stored.reached >= Some(reached));
    Some(is_reached && (stored.finished || !position.finished))
}

#[cfg(test)]
pub(crate) mod contract;
#[cfg(test)]
mod tests;
