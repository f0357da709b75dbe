//! The loop: one task per shard, each *read, decode, commit, again*, until every shard ended or somebody said stop. The next
//! batch is read and decoded while the last is written, and no further ahead.
//!
//! What it promises: a position is handed to the target only together with everything before it; a failure of one shard
//! stops the others between two batches, never within one; the children of a shard are read after all its parents are
//! durable (the [`Source`] knows who they are). It never retries, and all waiting stands here, so a paused clock tests it.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{
    budget::{Budget, Reserved},
    changes::Changes,
    ledger::{Ledger, ShardCount},
    ports::{Answer, Claims, Decode, Failure, Next, Reader, Source, Target},
    record::{Millis, Position, Record, ShardId},
};

/// The limits of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Memory for all shards together.
    pub budget: Budget,
    /// What one read may bring, in bytes: reserved before it, given back as far as it was not needed.
    pub read_bytes: usize,
    /// Leave out, and do not pass, records that arrived later.
    pub until: Option<Millis>,
    /// End after exactly this many records, all shards together.
    pub max_records: Option<u64>,
    /// Look for new shards this often; `None` ends the run when every shard that was found ended.
    pub relist: Option<Duration>,
}

/// Why a run failed. The first failure counts; the other shards were stopped in the usual way.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The shards could not be listed.
    #[error("cannot list the shards")]
    List(#[source] Failure),
    /// A shard could not be read.
    #[error("cannot read shard {shard}")]
    Read {
        /// The shard.
        shard: ShardId,
        /// Why.
        source: Failure,
    },
    /// A batch could not be written.
    #[error("cannot write the records of shard {shard}")]
    Write {
        /// The shard.
        shard: ShardId,
        /// Why.
        source: Failure,
    },
    /// A shard could not be claimed or released.
    #[error("cannot note who reads shard {shard}")]
    Claim {
        /// The shard.
        shard: ShardId,
        /// Why.
        source: Failure,
    },
    /// The target takes nothing any more, though nobody was writing.
    #[error("cannot go on writing")]
    Target(#[source] Failure),
    /// The target could not be closed.
    #[error("cannot finish writing")]
    Close(#[source] Failure),
    /// The target confirmed more or fewer units than it was given: a defect, and records may be lost.
    #[error(
        "the account of shard {shard} does not balance: {units} read, {accounted} written, dead-lettered or filtered"
    )]
    Unbalanced {
        /// The shard.
        shard: ShardId,
        /// What went in.
        units: u64,
        /// What came out.
        accounted: u64,
    },
    /// The task of a shard broke down: a defect.
    #[error("a shard task broke down")]
    Broken(#[source] JoinError),
}

/// An answer of a shard, decoded.
struct Batch {
    /// Nothing when there is nothing to write, and no end to note.
    changes: Option<Changes>,
    upto: Position,
    next: Next,
    /// With it, `max_records` are reached.
    last: bool,
    reserved: Reserved,
}

/// How the reading of a shard ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Finished,
    CaughtUp,
    Stopped,
}

/// One run: a source, a way to decode, a target.
#[derive(Debug)]
pub struct Run<D, T, C> {
    decode: D,
    target: T,
    claims: Arc<C>,
    plan: Plan,
    left: AtomicU64,
    stop: CancellationToken,
    ledger: Arc<Ledger>,
}

impl<D: Decode, T: Target, C: Claims> Run<D, T, C> {
    /// Returns a run that ends between two batches after `stop` is cancelled.
    pub fn new(
        decode: D,
        target: T,
        claims: Arc<C>,
        plan: Plan,
        stop: &CancellationToken,
        ledger: Arc<Ledger>,
    ) -> Self {
        let left = AtomicU64::new(plan.max_records.unwrap_or(u64::MAX));
        // A child: a failure stops this run, not the token of the caller.
        Self { decode, target, claims, plan, left, stop: stop.child_token(), ledger }
    }

    /// Reads until every shard ended, or the run was stopped. What was read is durable in both cases.
    ///
    /// Not cancel safe: stop it by its token. A dropped run loses no record, but releases no shard.
    pub async fn run<S: Source>(self, mut source: S) -> Result<(), RunError> {
        let run = Arc::new(self);
        let mut shards = JoinSet::new();
        let mut failure = None;
        loop {
            let listed = tokio::select! {
                biased;
                () = run.stop.cancelled() => Ok(Vec::new()),
                listed = source.readers() => listed,
            };
            match listed {
                Ok(readers) => {
                    for reader in readers {
                        shards.spawn(Arc::clone(&run).shard(reader));
                    }
                }
                Err(error) => run.fail(&mut failure, RunError::List(error)),
            }
            if shards.is_empty() && (run.stop.is_cancelled() || run.plan.relist.is_none()) {
                break;
            }
            tokio::select! {
                Some(ended) = shards.join_next() => match ended {
                    Ok((shard, Ok(End::Finished))) => source.finished(&shard),
                    Ok((_, Ok(End::CaughtUp | End::Stopped))) => {}
                    Ok((_, Err(error))) => run.fail(&mut failure, error),
                    Err(error) => run.fail(&mut failure, RunError::Broken(error)),
                },
                error = run.target.failed(), if !run.stop.is_cancelled() => {
                    run.fail(&mut failure, RunError::Target(error));
                }
                () = relist(run.plan.relist), if !run.stop.is_cancelled() => {}
                () = run.stop.cancelled(), if shards.is_empty() => {}
            }
        }
        let closed = run.target.close().await.map_err(RunError::Close);
        failure.map_or(closed, Err)
    }

    fn fail(&self, first: &mut Option<RunError>, error: RunError) {
        first.get_or_insert(error);
        self.stop.cancel();
    }

    /// Claims the shard, reads it, and releases it, whatever happened in between.
    async fn shard<R: Reader>(self: Arc<Self>, mut reader: R) -> (ShardId, Result<End, RunError>) {
        let shard = reader.shard().clone();
        let claim = |source| RunError::Claim { shard: shard.clone(), source };
        if let Err(error) = self.claims.claim(&shard, reader.begins()).await {
            return (shard.clone(), Err(claim(error)));
        }
        let count = self.ledger.shard(&shard);
        let end = self.read(&mut reader, &shard, &count).await;
        self.ledger.leave(&shard);
        let released = self.claims.release(&shard).await.map_err(claim);
        debug!(%shard, ?end, "shard ended");
        (shard, end.and_then(|end| released.map(|()| end)))
    }

    /// Reads until the shard ends. While a batch is written, the next one is read and decoded: when the target takes what
    /// waits in one go, it finds more, and one fast shard keeps both sides busy. No further: memory, and what a crash reads
    /// again, stay small.
    async fn read<R: Reader>(
        &self,
        reader: &mut R,
        shard: &ShardId,
        count: &ShardCount,
    ) -> Result<End, RunError> {
        let mut ahead = None;
        loop {
            let batch = match ahead.take() {
                Some(batch) => batch,
                None => self.next(reader, shard, count).await?,
            };
            let Some(Batch { changes, upto, next, last, reserved }) = batch else {
                return Ok(End::Stopped);
            };
            if let Some(changes) = changes {
                let mut commit = pin!(self.commit(changes, upto, count));
                if next == Next::AT_ONCE && !last {
                    let mut read = pin!(self.next(reader, shard, count));
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

    /// Reads and decodes the next batch, as far as the limits of the run allow; nothing when the run is to stop.
    async fn next<R: Reader>(
        &self,
        reader: &mut R,
        shard: &ShardId,
        count: &ShardCount,
    ) -> Result<Option<Batch>, RunError> {
        let read = async {
            let reserved = self.plan.budget.reserve(self.plan.read_bytes).await;
            (reserved, reader.read().await)
        };
        let (mut reserved, answer) = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Ok(None),
            read = read => read,
        };
        let Answer { mut records, mut next, behind } =
            answer.map_err(|source| RunError::Read { shard: shard.clone(), source })?;
        count.behind(behind);
        reserved.shrink(records.iter().map(Record::size).sum());
        let is_later = |record: &Record| record.arrived_at > self.plan.until;
        if self.plan.until.is_some()
            && let Some(later) = records.iter().position(is_later)
        {
            records.truncate(later);
            next = Next::CaughtUp;
        }
        let (granted, last) = self.take(records.len());
        if granted < records.len() {
            records.truncate(granted);
            next = Next::CaughtUp;
        }
        let upto = Position {
            shard: shard.clone(),
            sequence: records.last().map(|record| record.sequence.clone()),
            finished: next == Next::Closed,
        };
        let changes = (!records.is_empty() || upto.finished).then(|| {
            let bytes = records.iter().map(|record| record.data.len()).sum();
            let changes = self.decode.decode(shard, records);
            self.ledger.read(changes.units(), bytes);
            changes
        });
        Ok(Some(Batch { changes, upto, next, last, reserved }))
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

    /// Takes up to `wanted` records from what `max_records` leaves; true with the last of them.
    fn take(&self, wanted: usize) -> (usize, bool) {
        let wanted = wanted as u64;
        let left =
            self.left.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(wanted)));
        let left = left.unwrap_or_else(|left| left);
        (usize::try_from(wanted.min(left)).unwrap_or(usize::MAX), wanted >= left)
    }
}

async fn relist(every: Option<Duration>) {
    match every {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
