//! One shard: read an answer, decode it, commit it, again.
//!
//! While a batch is written, the next one is read and decoded: when the target takes what waits in one go, it finds more, and
//! one fast shard keeps both sides busy. No further ahead: memory, and what a crash reads again, stay small.
//!
//! An answer that grows when it is decoded (compressed records, aggregates, thousands of short lines) is decoded and
//! committed in pieces, so that the budget holds; the position then stands between two units of a record.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, PoisonError},
};

use tracing::{debug, info};

use super::{Run, RunError};
use crate::{
    budget::Reserved,
    changes::Changes,
    ledger::ShardCount,
    ports::{Allowance, Answer, Claims, Decode, Decoded, Next, Reader, Target},
    record::{Millis, Position, Record, ShardId},
};

/// What changes may need of memory for each byte of an answer, before they are made in pieces.
const GROWTH: usize = 3;
/// How far a shard without records must get before that is noted for the next run.
const WORTH_NOTING: Millis = 600_000;

/// How the reading of a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Finished,
    CaughtUp,
    Stopped,
}

/// A shard on its way.
struct Reading<R> {
    reader: R,
    shard: ShardId,
    count: Arc<ShardCount>,
    rest: Option<Rest>,
    /// The time that was noted last.
    noted: Option<Millis>,
    /// There was a gap, and the next position takes the place of what is saved.
    anew: bool,
}

/// What of an answer is not decoded yet.
struct Rest {
    records: VecDeque<Record>,
    bytes: usize,
    next: Next,
    reached: Option<Millis>,
    reserved: Reserved,
    /// What the changes of a piece may take.
    room: usize,
}

/// A piece of an answer, decoded; mostly all of it.
struct Batch {
    /// Nothing when there is nothing to write, and nothing to note.
    changes: Option<Changes>,
    upto: Position,
    next: Next,
    /// With it, `max_records` are reached.
    last: bool,
    /// The memory of the answer, with its last piece.
    reserved: Option<Reserved>,
}

impl<D: Decode, T: Target, C: Claims> Run<D, T, C> {
    /// Claims the shard, reads it, and releases it, whatever happened in between.
    pub(super) async fn shard<R: Reader>(
        self: Arc<Self>,
        reader: R,
    ) -> (ShardId, Result<End, RunError>) {
        let shard = reader.shard().clone();
        let claim = |source| RunError::Claim { shard: shard.clone(), source };
        if let Err(error) = self.claims.claim(&shard, reader.begins()).await {
            return (shard.clone(), Err(claim(error)));
        }
        let count = self.ledger.shard(&shard);
        let shard = shard.clone();
        let reading =
            Reading { reader, shard: shard.clone(), count, rest: None, noted: None, anew: false };
        let end = self.read(reading).await;
        self.ledger.leave(&shard);
        let claim = |source| RunError::Claim { shard: shard.clone(), source };
        let released = self.claims.release(&shard).await.map_err(claim);
        debug!(%shard, ?end, "shard ended");
        (shard, end.and_then(|end| released.map(|()| end)))
    }

    /// Reads until the shard ends.
    async fn read<R: Reader>(&self, mut reading: Reading<R>) -> Result<End, RunError> {
        let count = Arc::clone(&reading.count);
        let mut ahead = None;
        loop {
            let batch = match ahead.take() {
                Some(batch) => batch,
                None => self.next(&mut reading).await?,
            };
            let Some(Batch { changes, upto, next, last, reserved }) = batch else {
                return Ok(End::Stopped);
            };
            if let Some(changes) = changes {
                let mut commit = pin!(self.commit(changes, upto, &count));
                if next == Next::AT_ONCE && !last {
                    let mut read = pin!(self.next(&mut reading));
                    let mut done = None;
                    // A read that fails does not hurry the commit; a commit that fails ends the read.
                    loop {
                        tokio::select! {
                            biased;
                            committed = &mut commit => break committed?,
                            batch = &mut read, if done.is_none() => done = Some(batch),
                        }
                    }
                    drop(reserved);
                    ahead = Some(match done {
                        Some(batch) => batch?,
                        None => read.await?,
                    });
                } else {
                    commit.await?;
                    drop(reserved);
                }
            } else {
                drop(reserved);
            }
            if last {
                info!("max_records reached");
                self.stop.cancel();
            }
            match next {
                Next::Closed => return Ok(End::Finished),
                Next::CaughtUp => return Ok(End::CaughtUp),
                Next::AT_ONCE => {}
                Next::Read { wait } => tokio::select! {
                    biased;
                    () = self.stop.cancelled() => return Ok(End::Stopped),
                    () = tokio::time::sleep(wait) => {}
                },
            }
        }
    }

    /// Returns the next piece, of what is left of the last answer or of a new one; nothing when the run is to stop.
    async fn next<R: Reader>(&self, reading: &mut Reading<R>) -> Result<Option<Batch>, RunError> {
        let work = async {
            let rest = match reading.rest.take() {
                Some(rest) => rest,
                None => self.fetch(reading).await?,
            };
            Ok(self.piece(reading, rest).await)
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Ok(None),
            batch = work => batch.map(Some),
        }
    }

    /// Reads an answer, as far as the limits of the run allow.
    async fn fetch<R: Reader>(&self, reading: &mut Reading<R>) -> Result<Rest, RunError> {
        let Reading { reader, shard, count, .. } = reading;
        reader.ready().await;
        let mut reserved = self.plan.budget.reserve(reader.room(self.plan.read_bytes)).await;
        let answer = reader.read().await;
        let Answer { mut records, mut next, behind, mut reached, gap } =
            answer.map_err(|source| RunError::Read { shard: shard.clone(), source })?;
        count.behind(behind);
        if gap {
            self.ledger.gap();
            reading.anew = true;
        }
        let is_later = |record: &Record| record.arrived_at > self.plan.until;
        if self.plan.until.is_some()
            && let Some(later) = records.iter().position(is_later)
        {
            records.truncate(later);
            (next, reached) = (Next::CaughtUp, None);
        }
        let size: usize = records.iter().map(Record::size).sum();
        let room = size * GROWTH;
        reserved.shrink(size + room);
        reserved.grow(size + room).await;
        let bytes = records.iter().map(|record| record.data.len()).sum();
        Ok(Rest { records: records.into(), bytes, next, reached, reserved, room })
    }

    /// Decodes what fits into the room of the answer, and keeps the rest for the next call.
    async fn piece<R: Reader>(&self, reading: &mut Reading<R>, mut rest: Rest) -> Batch {
        let shard = reading.shard.clone();
        let (decoded, last) = loop {
            let (decoded, last) = self.decode(&shard, &mut rest);
            let is_stuck = decoded.changes.units() == 0 && !rest.records.is_empty() && !last;
            if !is_stuck || rest.room == usize::MAX {
                break (decoded, last);
            }
            // The first record needs more than the whole answer was thought to.
            rest.room = rest.room.saturating_mul(4);
            debug!(%shard, room = rest.room, "a record needs more room");
            rest.reserved.grow(rest.room).await;
        };
        let Decoded { changes, upto, part } = decoded;
        let is_whole = rest.records.is_empty();
        let next = match (is_whole, last) {
            (true, _) => rest.next,
            (false, true) => Next::CaughtUp,
            (false, false) => Next::AT_ONCE,
        };
        let upto = Position {
            shard,
            sequence: upto,
            part,
            reached: rest.reached.filter(|_| is_whole),
            finished: is_whole && next == Next::Closed,
            anew: reading.anew,
        };
        let left = rest.records.iter().map(|record| record.data.len()).sum();
        self.ledger.read(changes.units(), rest.bytes - left);
        rest.bytes = left;
        let is_worth_it = changes.units() > 0
            || upto.finished
            || upto.reached.is_some_and(|reached| {
                let noted = reading.noted.unwrap_or(0);
                reached >= noted.saturating_add(WORTH_NOTING)
                    || next == Next::CaughtUp && reached > noted
            });
        if is_worth_it {
            reading.noted = upto.reached.or(reading.noted);
            reading.anew = false;
        }
        let changes = is_worth_it.then_some(changes);
        let reserved = if next == Next::AT_ONCE && !is_whole {
            reading.rest = Some(rest);
            None
        } else {
            Some(rest.reserved)
        };
        Batch { changes, upto, next, last, reserved }
    }

    /// Decodes as much as `max_records` and the room allow; true when that was the last of it.
    fn decode(&self, shard: &ShardId, rest: &mut Rest) -> (Decoded, bool) {
        let mut allowance = Allowance { units: u64::MAX, bytes: rest.room };
        let Some(left) = &self.left else {
            return (self.decode.decode(shard, &mut rest.records, allowance), false);
        };
        // Held while decoding, so that no shard counts on what another is about to use.
        let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
        allowance.units = *left;
        let decoded = self.decode.decode(shard, &mut rest.records, allowance);
        *left = left.saturating_sub(decoded.changes.units());
        (decoded, *left == 0)
    }

    /// Commits a batch, and checks that the target accounts for all of it.
    async fn commit(
        &self,
        changes: Changes,
        upto: Position,
        count: &ShardCount,
    ) -> Result<(), RunError> {
        let (shard, units, filtered) = (upto.shard.clone(), changes.units(), changes.filtered());
        let committed = match self.target.commit(changes, upto).await {
            Ok(committed) => committed,
            Err(source) => return Err(RunError::Write { shard, source }),
        };
        self.ledger.committed(count, committed, filtered);
        let accounted = committed.written + committed.dead_lettered + filtered;
        if accounted == units {
            Ok(())
        } else {
            Err(RunError::Unbalanced { shard, units, accounted })
        }
    }
}
