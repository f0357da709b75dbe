//! The loop: one task per shard, each *read, decode, commit, again*, until every shard ended or somebody said stop. What one
//! shard does stands in [`reading`].
//!
//! What it promises: a position is handed to the target only together with everything before it; a failure of one shard
//! stops the others between two batches, never within one; the children of a shard are read after all its parents are
//! durable (the [`Source`] knows who they are). It never retries, and all waiting stands here, so a paused clock tests it.

mod reading;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    budget::Budget,
    ledger::Ledger,
    ports::{Claims, Decode, Failure, Source, Target},
    record::{Millis, ShardId},
};
use reading::End;

/// The limits of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Memory for all shards together.
    pub budget: Budget,
    /// What one read may bring, in bytes: reserved before it, given back as far as it was not needed. A budget below it lets
    /// one shard read at a time.
    pub read_bytes: usize,
    /// Leave out, and do not pass, records that arrived later.
    pub until: Option<Millis>,
    /// End after exactly this many units, all shards together: what the account of the run counts as read.
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

/// One run: a source, a way to decode, a target.
#[derive(Debug)]
pub struct Run<D, T, C> {
    decode: D,
    target: T,
    claims: Arc<C>,
    plan: Plan,
    /// What `max_records` leaves. Locked while a shard decodes, so that the sum is exact.
    left: Option<Mutex<u64>>,
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
        let left = plan.max_records.map(Mutex::new);
        // A child: a failure stops this run, not the token of the caller.
        Self { decode, target, claims, plan, left, stop: stop.child_token(), ledger }
    }

    /// Reads until every shard ended, or the run was stopped. What was read is durable in both cases, and the target is closed.
    ///
    /// An error is the first that came out of the source, a reader, the target or the claims; the other shards are stopped
    /// between two batches before it is returned, and what they read by then is durable. Needs a tokio runtime with time.
    ///
    /// Not cancel safe: stop it by its token. A dropped run loses no record, but releases no shard.
    pub async fn run<S: Source>(self, mut source: S) -> Result<(), RunError> {
        let run = Arc::new(self);
        let mut shards = JoinSet::new();
        let mut failure = None;
        loop {
            // Listing may take its time; what happens to the shards meanwhile is seen, and told to the source afterwards.
            let mut finished = Vec::new();
            let mut listing = Box::pin(source.readers());
            let listed = loop {
                tokio::select! {
                    biased;
                    () = run.stop.cancelled() => break Ok(Vec::new()),
                    listed = &mut listing => break listed,
                    Some(ended) = shards.join_next() => {
                        finished.extend(run.ended(ended, &mut failure));
                    }
                    error = run.target.failed() => run.fail(&mut failure, RunError::Target(error)),
                }
            };
            drop(listing);
            for shard in &finished {
                source.finished(shard);
            }
            match listed {
                Ok(readers) => {
                    for reader in readers {
                        shards.spawn(Arc::clone(&run).shard(reader));
                    }
                }
                Err(error) => run.fail(&mut failure, RunError::List(error)),
            }
            if !finished.is_empty() && !run.stop.is_cancelled() {
                // They may have children, which that listing was not asked for.
                continue;
            }
            if shards.is_empty() && (run.stop.is_cancelled() || run.plan.relist.is_none()) {
                break;
            }
            tokio::select! {
                Some(ended) = shards.join_next() => {
                    let mut ended = Some(ended);
                    // Those that ended at the same time are told together: one look for children serves them all.
                    while let Some(shard) = ended {
                        if let Some(shard) = run.ended(shard, &mut failure) {
                            source.finished(&shard);
                        }
                        ended = shards.try_join_next();
                    }
                }
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

    /// Returns the shard, if it was read to its end; notes what it failed with.
    fn ended(
        &self,
        ended: Result<(ShardId, Result<End, RunError>), JoinError>,
        failure: &mut Option<RunError>,
    ) -> Option<ShardId> {
        match ended {
            Ok((shard, Ok(End::Finished))) => return Some(shard),
            Ok((_, Ok(End::CaughtUp | End::Stopped))) => {}
            Ok((_, Err(error))) => self.fail(failure, error),
            Err(error) => self.fail(failure, RunError::Broken(error)),
        }
        None
    }

    fn fail(&self, first: &mut Option<RunError>, error: RunError) {
        first.get_or_insert(error);
        self.stop.cancel();
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
