//! Which shards may be read now, and from where. Pure: a listing goes in, decisions come out.
//!
//! - A shard is read after *all* its parents: one after a split, two after a merge.
//! - A parent that is no longer listed has expired, and counts as done.
//! - A parent counts as done, too, when a descendant has a saved position: it was finished before the descendant was begun,
//!   so reading it again would put old records behind newer ones (the references do that at every start).
//! - A shard continues what was read before when it, or an ancestor, has a saved position: it is read from its beginning. So
//!   is a shard that appears while the run goes on. All others start where the user said.
//! - A shard without a position that an earlier run claimed begins at the instant at which that run would have begun, and so
//!   do its children: what came in between is not skipped.
//! - A run that ends by itself hands out what it saw at its first listing, and the children of what it read to the end.
//! - Where an earlier run did not read a parent to its end, or never saw it, and the parent is no longer listed, what was left
//!   in it is lost. That is told with the children that were not begun before; they are read from their beginning.
//!
//! Garbage in a listing (a shard that is its own ancestor) never blocks a shard: the edge that closes the circle is ignored.

use std::collections::{BTreeMap, HashMap, HashSet};

use ctk_flow::{Millis, Part, Position, Sequence, ShardId};

use crate::api::ShardListing;

/// How far an earlier run came in a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The last record that is durable in the target as a whole; `None` when the shard was claimed and nothing came.
    pub sequence: Option<Sequence>,
    /// The record that follows, when some of its units are durable.
    pub part: Option<Part>,
    /// The shard is closed, and all of it is durable.
    pub finished: bool,
    /// What arrived before this instant is durable, or was not to be read: where a shard without a sequence begins. Zero is
    /// its beginning.
    pub begins_at: Option<Millis>,
    /// No run left it: the user gave the position.
    pub is_given: bool,
}

impl Saved {
    fn is_position(&self) -> bool {
        self.finished || self.sequence.is_some() || self.part.is_some()
    }
}

/// What a store of checkpoints kept is what the next run goes on from.
impl std::convert::From<Position> for Saved {
    fn from(position: Position) -> Self {
        let Position { sequence, part, reached, finished, .. } = position;
        Self { sequence, part, finished, begins_at: reached, is_given: false }
    }
}

/// Which shards concern a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// What the first listing shows, and the children of what is finished.
    UntilCaughtUp,
    /// Whatever appears.
    Following,
}

/// Where a shard begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// Behind the saved position.
    Saved(Sequence),
    /// Within a record, behind the units of it that are durable.
    Part {
        /// The record.
        part: Part,
        /// The one before it, if there was one.
        behind: Option<Sequence>,
    },
    /// With the first record of this instant or later: where an earlier run stood, which found none.
    Time(Millis),
    /// At its first record.
    Beginning,
    /// Where the user said.
    RunStart,
}

/// A shard that may be read now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ready {
    /// The shard.
    pub id: ShardId,
    /// Where to begin.
    pub from: From,
    /// It was listed as closed.
    pub closed: bool,
    /// The shard before it in the listing.
    pub before: Option<ShardId>,
    /// What arrived before this instant needs not be there any more.
    pub reached: Option<Millis>,
    /// A shard before it that was not read to its end, and is gone.
    pub lost: Option<ShardId>,
    /// Its parent told of it, and no listing did so far.
    pub is_new: bool,
}

/// The family of a stream's shards, as far as it is listed.
#[derive(Debug)]
pub struct Lineage {
    saved: HashMap<ShardId, Saved>,
    scope: Scope,
    listed: BTreeMap<ShardId, ShardListing>,
    /// Those among them that no listing showed.
    told: HashSet<ShardId>,
    /// The shards of the first listing.
    first: Option<HashSet<ShardId>>,
    handed_out: HashSet<ShardId>,
    finished: HashSet<ShardId>,
}

impl Lineage {
    /// Returns a family without members.
    pub fn new(saved: HashMap<ShardId, Saved>, scope: Scope) -> Self {
        Self {
            saved,
            scope,
            listed: BTreeMap::new(),
            told: HashSet::new(),
            first: None,
            handed_out: HashSet::new(),
            finished: HashSet::new(),
        }
    }

    /// Takes a whole listing in place of the last one.
    pub fn list(&mut self, listing: Vec<ShardListing>) {
        self.listed = listing.into_iter().map(|shard| (shard.id.clone(), shard)).collect();
        self.told.clear();
        if self.first.is_none() {
            self.first = Some(self.listed.keys().cloned().collect());
        }
    }

    /// Takes shards that became known between two listings.
    pub fn add(&mut self, shards: Vec<ShardListing>) {
        for shard in shards {
            if !self.listed.contains_key(&shard.id) {
                self.told.insert(shard.id.clone());
                self.listed.insert(shard.id.clone(), shard);
            }
        }
    }

    /// Notes that a shard was read to its end in this run.
    pub fn finish(&mut self, shard: &ShardId) {
        self.finished.insert(shard.clone());
    }

    /// Returns the shards that may be read now and were not handed out before, and notes that they are.
    pub fn hand_out(&mut self) -> Vec<Ready> {
        let outlived = self.outlived();
        let mut ready = Vec::new();
        let mut before = None;
        for shard in self.listed.values() {
            if self.is_open_to(shard, &outlived) {
                let lost = self.lost_before(shard, &outlived);
                ready.push(Ready {
                    id: shard.id.clone(),
                    from: if lost.is_some() { From::Beginning } else { self.begin(shard) },
                    closed: shard.closed,
                    before: before.clone(),
                    reached: self.saved.get(&shard.id).and_then(|saved| saved.begins_at),
                    lost,
                    is_new: self.told.contains(&shard.id),
                });
            }
            before = Some(shard.id.clone());
        }
        self.handed_out.extend(ready.iter().map(|shard| shard.id.clone()));
        ready
    }

    /// Returns the shards that were handed out and are listed as closed.
    pub fn closed(&self) -> impl Iterator<Item = &ShardId> {
        self.listed
            .values()
            .filter(|shard| shard.closed && self.handed_out.contains(&shard.id))
            .map(|shard| &shard.id)
    }

    fn is_open_to(&self, shard: &ShardListing, outlived: &HashSet<ShardId>) -> bool {
        let done = |id: &ShardId| self.is_done(id, outlived);
        !self.handed_out.contains(&shard.id)
            && !done(&shard.id)
            && self.concerns(shard)
            && shard.parents.iter().all(|parent| done(parent) || self.descends(parent, &shard.id))
    }

    fn is_done(&self, shard: &ShardId, outlived: &HashSet<ShardId>) -> bool {
        !self.listed.contains_key(shard)
            || self.finished.contains(shard)
            || outlived.contains(shard)
            || self.saved.get(shard).is_some_and(|saved| saved.finished)
    }

    fn concerns(&self, shard: &ShardListing) -> bool {
        match self.scope {
            Scope::Following => true,
            Scope::UntilCaughtUp => {
                self.was_first(&shard.id)
                    || shard.parents.iter().any(|parent| self.finished.contains(parent))
            }
        }
    }

    fn was_first(&self, shard: &ShardId) -> bool {
        self.first.as_ref().is_some_and(|first| first.contains(shard))
    }

    fn begin(&self, shard: &ShardListing) -> From {
        let begins_at = |id: &ShardId| self.saved.get(id)?.begins_at;
        match self.saved.get(&shard.id) {
            // A tool that knows no parts may have moved the sequence past one.
            Some(Saved { part: Some(part), sequence, .. })
                if sequence.as_ref().is_none_or(|sequence| *sequence < part.sequence) =>
            {
                return From::Part { part: part.clone(), behind: sequence.clone() };
            }
            Some(Saved { sequence: Some(sequence), .. }) => return From::Saved(sequence.clone()),
            Some(Saved { begins_at: Some(instant), .. }) => return From::Time(*instant),
            Some(_) | None => {}
        }
        let ancestors = self.ancestors(&shard.id);
        if ancestors.iter().any(|ancestor| self.has_position(ancestor)) {
            return From::Beginning;
        }
        // An earlier run waited in an ancestor for records that never came there.
        if let Some(instant) = ancestors.iter().filter_map(begins_at).min() {
            return From::Time(instant);
        }
        if self.was_first(&shard.id) { From::RunStart } else { From::Beginning }
    }

    /// Returns a parent that is gone from the stream before it was read to its end, if that is how the shard was never begun.
    fn lost_before(&self, shard: &ShardListing, outlived: &HashSet<ShardId>) -> Option<ShardId> {
        let is_lost = |id: &&ShardId| {
            !self.listed.contains_key(id)
                && !outlived.contains(id)
                && !self.finished.contains(id)
                && self.saved.get(id).is_none_or(|saved| !saved.finished)
        };
        if self.saved.contains_key(&shard.id) {
            return None;
        }
        // One that was begun; or one that no run saw, where a shard that was read is gone and nobody knows its children.
        let is_missed = |id: &&ShardId| self.saved.contains_key(id) || self.has_orphans();
        shard.parents.iter().filter(is_lost).find(is_missed).cloned()
    }

    /// Returns true when a shard that an earlier run read is gone, and none that is listed comes from it: a generation was born
    /// and expired since.
    fn has_orphans(&self) -> bool {
        let is_parent = |id: &ShardId| {
            let is_its_child = |shard: &ShardListing| shard.parents.contains(id);
            self.listed.values().any(is_its_child)
        };
        self.saved
            .iter()
            .any(|(id, saved)| !saved.is_given && !self.listed.contains_key(id) && !is_parent(id))
    }

    fn has_position(&self, shard: &ShardId) -> bool {
        self.saved.get(shard).is_some_and(Saved::is_position)
    }

    /// Returns the shards that have a descendant with a saved position.
    fn outlived(&self) -> HashSet<ShardId> {
        let mut outlived = HashSet::new();
        for shard in self.listed.keys().filter(|shard| self.has_position(shard)) {
            // A circle may lead back; nothing outlives itself.
            outlived.extend(self.ancestors(shard).into_iter().filter(|ancestor| ancestor != shard));
        }
        outlived
    }

    /// Returns true when `ancestor` is above `shard`.
    fn descends(&self, shard: &ShardId, ancestor: &ShardId) -> bool {
        shard == ancestor || self.ancestors(shard).contains(ancestor)
    }

    /// Returns all ancestors, as far as they are named by shards that are listed.
    fn ancestors(&self, shard: &ShardId) -> HashSet<ShardId> {
        let mut ancestors = HashSet::new();
        let mut open = vec![shard];
        while let Some(shard) = open.pop() {
            let parents = self.listed.get(shard).map(|shard| shard.parents.as_slice());
            open.extend(
                parents
                    .unwrap_or_default()
                    .iter()
                    .filter(|&parent| ancestors.insert(parent.clone())),
            );
        }
        ancestors
    }
}

#[cfg(test)]
mod tests;
