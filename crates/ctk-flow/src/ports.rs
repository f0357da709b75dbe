//! The traits between the rooms: what the loop asks of a source, a decoder, a target, and of whoever notes who reads what.
//!
//! The loop ([`crate::Run::run`]) is the only caller. It never retries: what is temporary is dealt with behind these traits,
//! so an error that comes out of them ends the run.

use std::{collections::VecDeque, error::Error, time::Duration};

use crate::{
    changes::Changes,
    record::{Millis, Part, Position, Record, Sequence, ShardId},
};

/// What an implementation fails with. The loop adds the shard, and hands it to the program.
pub type Failure = Box<dyn Error + Send + Sync + 'static>;

/// A stream: knows its shards, and which of them may be read now.
pub trait Source: Send + 'static {
    /// Reads one shard.
    type Reader: Reader;

    /// Looks for shards and returns a reader for each that may be read now and was not handed out before.
    ///
    /// A shard may be read when all its parents are finished or gone. Called at the start, when a reader ended, and every
    /// [`crate::Plan::relist`] while following. Cancel safe in that a dropped call is only followed by the end of the run.
    fn readers(&mut self) -> impl Future<Output = Result<Vec<Self::Reader>, Failure>> + Send;

    /// Says that a shard was read to its end and all of it is durable, so that its children may be read: the next call of
    /// [`Self::readers`] may hand them out. It follows at once, unless the run is to stop.
    fn finished(&mut self, shard: &ShardId);
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There may be more: read again after this time.
    Read {
        /// Zero while the shard is behind and the limits of the service allow it.
        wait: Duration,
    },
    /// The reader reached the instant at which it was told to end. The shard stays open.
    CaughtUp,
    /// The shard is closed, and this was the last of it.
    Closed,
}

impl Next {
    /// There may be more, and nothing to wait for.
    pub const AT_ONCE: Self = Self::Read { wait: Duration::ZERO };
}

/// One answer of a shard. Records and the end may come together: both count.
#[derive(Debug)]
pub struct Answer {
    /// In the order of the shard; may be empty, which means nothing.
    pub records: Vec<Record>,
    /// What comes after it.
    pub next: Next,
    /// How far the shard is behind its tip, where the service says so.
    pub behind: Option<Duration>,
    /// With these records, everything that arrived before this instant was handed out.
    pub reached: Option<Millis>,
    /// Records before these may be lost: the stream kept them no longer, and the user wants to go on.
    pub gap: bool,
}

impl Answer {
    /// Returns an answer that brings nothing.
    pub fn nothing(next: Next) -> Self {
        Self { records: Vec::new(), next, behind: None, reached: None, gap: false }
    }
}

/// Reads one shard, in order, from a position on.
pub trait Reader: Send + 'static {
    /// Returns the shard.
    fn shard(&self) -> &ShardId;

    /// Returns the instant from which on the shard is read, as long as there is no position to go on from.
    ///
    /// It is noted with the claim, so that a later run does not begin later: a shard may be claimed, and stay without a
    /// record until the run ends. Zero means the beginning of the shard; `None`, that there is nothing to note.
    fn begins(&self) -> Option<Millis> {
        None
    }

    /// Returns when it makes sense to read: memory is set aside only then. Cancel safe.
    fn ready(&mut self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Returns how many bytes the next answer may have, at most `most`, which is what any answer may have
    /// ([`crate::Plan::read_bytes`]). As many are reserved from the budget before [`Self::read`].
    fn room(&self, most: usize) -> usize {
        most
    }

    /// Returns the next answer.
    ///
    /// Throttles, broken connections and expired iterators are dealt with in here, as a rule by an answer without records
    /// that asks to wait, since a shard that waits in the loop holds no memory; an error means that the shard cannot be
    /// read. Cancel safe: when the future is dropped, the next call reads the same records again. Not called any more after
    /// an answer that says [`Next::CaughtUp`] or [`Next::Closed`].
    fn read(&mut self) -> impl Future<Output = Result<Answer, Failure>> + Send;
}

/// How much may be decoded at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// So many units, and no more.
    pub units: u64,
    /// Stop at about so many bytes of changes ([`Changes::held`]): what a unit brings beyond them is let through, but a
    /// payload is expanded only within them.
    pub bytes: usize,
}

impl Allowance {
    /// All there is.
    pub const ALL: Self = Self { units: u64::MAX, bytes: usize::MAX };
}

/// What came of the records at the front.
#[derive(Debug)]
pub struct Decoded {
    /// What their units ask for, each exactly once.
    pub changes: Changes,
    /// The last record that is done as a whole.
    pub upto: Option<Sequence>,
    /// The record that is at the front now, if some of its units are done.
    pub part: Option<Part>,
}

/// Turns records into changes. Pure: no I/O, no clock, no failure; what cannot be decoded is a dead letter.
pub trait Decode: Send + Sync + 'static {
    /// Returns a mark of the way in which records are taken apart: where it differs, so may the number of their units.
    fn form(&self) -> u8 {
        0
    }

    /// Takes records from the front, until the allowance is used up or none is left.
    ///
    /// A record of many units may be taken in part: it stays at the front, and [`Record::done`] says how far it is. When
    /// not a single unit was decoded though units are allowed, the first record needs more bytes.
    fn decode(
        &self,
        shard: &ShardId,
        records: &mut VecDeque<Record>,
        allowance: Allowance,
    ) -> Decoded;
}

/// What a target did with the units of one [`Changes`]. The sum must be what came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// Rows that are now in the target.
    pub written: u64,
    /// How many of these were there before: read again, and absorbed by their key.
    pub present: u64,
    /// Units that are now dead letters (or only counted, when the user said so).
    pub dead_lettered: u64,
}

impl std::iter::Sum for Committed {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            written: sum.written + one.written,
            present: sum.present + one.present,
            dead_lettered: sum.dead_lettered + one.dead_lettered,
        })
    }
}

/// Takes what one batch asks for, and remembers how far the shard is. When this returns, both are durable.
pub trait Target: Send + Sync + 'static {
    /// Writes the changes, and then, or in the same transaction, the position.
    ///
    /// `upto` is behind all of `changes`, whose rows are in the order of the shard; what a shard has to say without a row (it
    /// ended, it stands at a later time) comes with empty changes. Dead letters ([`Changes::dead_letters`]) are for the target
    /// to keep. What is confirmed must add up: `written` and `dead_lettered` are the units that came in, without those that
    /// were filtered.
    ///
    /// Many shards call at the same time, each with one call at a time; a target may gather what is waiting into one write. An
    /// error ends the run, so what goes away by itself is waited out in here. Not cancel safe in the sense
    /// that a dropped future tells nothing: the changes may be durable or not, but never the position without them.
    fn commit(
        &self,
        changes: Changes,
        upto: Position,
    ) -> impl Future<Output = Result<Committed, Failure>> + Send;

    /// Returns when the target can take nothing any more, and why: what is only noted may fail to be saved while nobody
    /// writes. Most targets have nothing to say here. Cancel safe.
    fn failed(&self) -> impl Future<Output = Failure> + Send {
        std::future::pending()
    }

    /// Makes everything durable that is still only noted, and lets go of the target. Called once, at the end, when no shard is
    /// read any more, also of a run that failed. Not cancel safe.
    fn close(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Who reads which shard. The positions themselves are saved by [`Target::commit`].
///
/// An error ends the run. Not cancel safe: after a dropped future, the note may have been made or not.
pub trait Claims: Send + Sync + 'static {
    /// Notes that this run reads the shard from now on, and, if it has no position yet, the instant from which on.
    fn claim(
        &self,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Notes that this run reads the shard no more; called at every orderly end, errors included.
    fn release(&self, shard: &ShardId) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Claims of which nobody takes note: for a run whose positions are not kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoClaims;

impl Claims for NoClaims {
    async fn claim(&self, _: &ShardId, _: Option<Millis>) -> Result<(), Failure> {
        Ok(())
    }

    async fn release(&self, _: &ShardId) -> Result<(), Failure> {
        Ok(())
    }
}
