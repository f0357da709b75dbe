//! Reads one shard, in order, from a position on: never twice, never past a record.
//!
//! The position moves when an answer is handed out, and with nothing else; a new iterator always begins behind it (or where
//! the shard began, while there is none). Throttles, broken connections and expired iterators are waited out in here.
//!
//! When is a shard done? `MillisBehindLatest` of an answer with records decides nothing: servers say 0 there while they hold
//! more. The rules, in this order:
//!
//! 1. No next iterator: closed and read to its end; records of the same answer still count.
//! 2. The last record arrived later than the end of the run, by a margin that absorbs arrival times out of order: caught up.
//! 3. An empty answer at the tip (0 ms behind, or as near as the user allows): closed when the shard was listed as closed
//!    before the call, since some servers never end a closed shard; else the shard is looked up, and read once more if it
//!    turns out to be closed meanwhile; else, when the run has an end, caught up.
//! 4. An empty answer without any distance says nothing at all. AWS always sends one. For servers that do not, five such
//!    answers in a row count as one that says 0: real gaps, which AWS answers with empty results, do not occur there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_flow::{Answer, Failure, Millis, Next, Reader, Sequence, ShardId};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use crate::{
    api::{ApiError, ApiErrorKind, Page, Records, Start},
    error::KinesisError,
    listing::list_all,
    pacer::{Backoff, Pacer, Progress},
    service::Service,
};

/// Records may arrive a little out of order, so a record must be this much newer than the end to prove that it was reached.
const MARGIN: Millis = 1000;
/// How many empty answers without a distance count as one at the tip.
const SILENT_ANSWERS: u32 = 5;
/// How often a start time is tried again that the service takes for the future, once a second.
const CLOCK_ATTEMPTS: u32 = 120;
/// After so many failures in a row the iterator is suspected: some servers answer 500 to one that they do not know.
const SUSPICIOUS: u32 = 4;

/// When a shard counts as caught up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Until {
    /// The instant to reach; `None` reads on for ever.
    pub(crate) instant: Option<Millis>,
    /// How far from the tip is near enough.
    pub(crate) tolerance: Duration,
}

/// How a shard is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Records per call, 1 to 10,000.
    pub(crate) limit: i32,
    /// Between calls at the tip.
    pub(crate) poll_interval: Duration,
}

/// Reads one shard.
#[derive(Debug)]
pub struct ShardReader {
    service: Arc<Service>,
    shard: ShardId,
    /// The shard before it in the listing: the cheap way to look it up.
    before: Option<ShardId>,
    start: Start,
    position: Option<Sequence>,
    iterator: Option<String>,
    /// The source saw the shard closed. It may learn this at any time.
    closed: Arc<AtomicBool>,
    until: Until,
    limit: i32,
    pacer: Pacer,
    throttles: Backoff,
    faults: Backoff,
    silent: u32,
}

/// What came of a call.
enum Fetched {
    Answer(Records),
    /// Nothing, for a reason that passes: try again after this time. The wait is the loop's, which holds no memory meanwhile.
    Later(Duration),
}

impl ShardReader {
    pub(crate) fn new(
        service: Arc<Service>,
        (shard, before): (ShardId, Option<ShardId>),
        start: Start,
        closed: Arc<AtomicBool>,
        until: Until,
        pace: Pace,
    ) -> Self {
        Self {
            service,
            shard,
            before,
            start,
            position: None,
            iterator: None,
            closed,
            until,
            limit: pace.limit,
            pacer: Pacer::new(pace.poll_interval),
            throttles: Backoff::throttled(),
            faults: Backoff::broken(),
            silent: 0,
        }
    }

    /// Asks for the next records. Changes nothing but the iterator.
    async fn fetch(&mut self) -> Result<Fetched, KinesisError> {
        let mut renewals = Backoff::broken();
        loop {
            let iterator = match self.iterator.take() {
                Some(iterator) => iterator,
                None => self.renew().await?,
            };
            let iterator = self.iterator.insert(iterator);
            self.pacer.call();
            let error = match self.service.api.get_records(iterator, self.limit).await {
                Ok(answer) => {
                    (self.throttles, self.faults) = (Backoff::throttled(), Backoff::broken());
                    return Ok(Fetched::Answer(answer));
                }
                Err(error) => error,
            };
            match error.kind {
                ApiErrorKind::Throttled => {
                    self.pacer.throttled();
                    let pause = self.throttles.pause();
                    self.report(&self.throttles, pause, &error);
                    return Ok(Fetched::Later(pause));
                }
                ApiErrorKind::Unreachable | ApiErrorKind::Internal => {
                    let pause = self.faults.pause();
                    self.report(&self.faults, pause, &error);
                    if self.faults.failures.is_multiple_of(SUSPICIOUS) {
                        self.iterator = None;
                    }
                    return Ok(Fetched::Later(pause));
                }
                // The second is what servers say to an iterator that they handed out before they were restarted.
                ApiErrorKind::ExpiredIterator | ApiErrorKind::InvalidArgument => {
                    if error.kind == ApiErrorKind::InvalidArgument && renewals.failures > 2 {
                        return Err(self.service.refused(error));
                    }
                    debug!(shard = %self.shard, position = ?self.position, "iterator renewed");
                    self.iterator = None;
                    let pause = renewals.pause();
                    // The first renewal is ordinary; a server whose iterators die at once must not be hammered.
                    if renewals.failures > 1 {
                        sleep(pause).await;
                    }
                }
                ApiErrorKind::NotFound => return Err(self.gone(error).await),
                _ => return Err(self.service.refused(error)),
            }
        }
    }

    /// Returns an iterator behind the last record handed out.
    async fn renew(&self) -> Result<String, KinesisError> {
        let start = match &self.position {
            Some(sequence) => &Start::After(sequence.clone()),
            None => &self.start,
        };
        let (mut throttles, mut faults, mut early) = (Backoff::throttled(), Backoff::broken(), 0);
        loop {
            let error = match self.service.api.shard_iterator(&self.shard, start).await {
                Ok(iterator) => return Ok(iterator),
                Err(error) => error,
            };
            match error.kind {
                ApiErrorKind::Throttled => self.pause(&mut throttles, &error).await,
                ApiErrorKind::Unreachable | ApiErrorKind::Internal => {
                    self.pause(&mut faults, &error).await;
                }
                ApiErrorKind::InvalidArgument => {
                    // A time that the service takes for the future: its clock is behind ours. It gets there.
                    let recent =
                        matches!(start, Start::AtTime(at) if *at > self.service.now() - 600_000);
                    early += 1;
                    if !recent || early > CLOCK_ATTEMPTS {
                        return Err(self.service.bad_position(&self.shard, start, error));
                    }
                    sleep(Duration::from_secs(1)).await;
                }
                ApiErrorKind::NotFound => return Err(self.gone(error).await),
                _ => return Err(self.service.refused(error)),
            }
        }
    }

    /// Tells a shard that expired from a stream that is gone. Either way there is no more of it to be had, and what was left
    /// in it is lost: the run must not take that for its end.
    async fn gone(&self, error: ApiError) -> KinesisError {
        match list_all(&self.service).await {
            Ok(listed) if !listed.iter().any(|shard| shard.id == self.shard) => {
                KinesisError::Expired {
                    stream: self.service.api.stream().to_string(),
                    shard: self.shard.clone(),
                    source: error,
                }
            }
            Ok(_) => self.service.refused(error),
            Err(error) => error,
        }
    }

    async fn pause(&self, backoff: &mut Backoff, error: &ApiError) {
        let pause = backoff.pause();
        self.report(backoff, pause, error);
        sleep(pause).await;
    }

    fn report(&self, backoff: &Backoff, pause: Duration, error: &ApiError) {
        if backoff.failures.is_multiple_of(4) {
            warn!(shard = %self.shard, attempts = backoff.failures, %error, "still trying");
        } else {
            debug!(shard = %self.shard, ?pause, %error, "trying again");
        }
    }

    /// Returns true when the service lists the shard as closed, or not at all.
    async fn is_closed(&self) -> Result<bool, KinesisError> {
        // One call for one shard; servers that ignore where to begin get the long way.
        let page = self.service.api.list_shards(Page::OneAfter(self.before.as_ref())).await;
        if let Some(shard) =
            page.ok().and_then(|page| page.shards.into_iter().find(|shard| shard.id == self.shard))
        {
            return Ok(shard.closed);
        }
        let listed = list_all(&self.service).await?;
        Ok(listed.iter().find(|shard| shard.id == self.shard).is_none_or(|shard| shard.closed))
    }

    /// Returns true when the run has an end, and the clock has passed it.
    fn has_ended(&self) -> bool {
        self.until.instant.is_some_and(|end| self.service.now() >= end)
    }

    /// Decides what comes after an answer with records.
    fn after_records(&mut self, newest: Option<Millis>) -> Next {
        self.silent = 0;
        let wait = self.pacer.answered(Progress::Records);
        match (self.until.instant, newest) {
            (Some(end), Some(newest)) if newest > end + MARGIN => Next::CaughtUp,
            _ => Next::Read { wait },
        }
    }

    /// Decides what comes after an empty answer.
    async fn after_nothing(
        &mut self,
        behind: Option<Duration>,
        was_closed: bool,
    ) -> Result<Next, KinesisError> {
        let behind = match behind {
            Some(behind) => behind,
            None if self.silent + 1 < SILENT_ANSWERS => {
                self.silent += 1;
                let wait = self.pacer.answered(if self.has_ended() {
                    Progress::Gap
                } else {
                    Progress::Tip
                });
                return Ok(Next::Read { wait });
            }
            None => Duration::ZERO,
        };
        if was_closed && behind.is_zero() {
            return Ok(Next::Closed);
        }
        if was_closed || behind > self.until.tolerance {
            let progress = if behind.is_zero() { Progress::Tip } else { Progress::Gap };
            return Ok(Next::Read { wait: self.pacer.answered(progress) });
        }
        if self.has_ended() {
            if !self.is_closed().await? {
                return Ok(Next::CaughtUp);
            }
            // What was put before the shard closed may have come after the call: one more read decides.
            self.closed.store(true, Relaxed);
            return Ok(Next::Read { wait: Duration::ZERO });
        }
        let progress = if behind.is_zero() { Progress::Tip } else { Progress::Gap };
        Ok(Next::Read { wait: self.pacer.answered(progress) })
    }
}

impl Reader for ShardReader {
    fn shard(&self) -> &ShardId {
        &self.shard
    }

    fn begins(&self) -> Option<Millis> {
        match self.start {
            Start::Earliest => Some(0),
            Start::AtTime(instant) => Some(instant),
            // There is a position, or the address of the next run names it again.
            Start::At(_) | Start::After(_) => None,
        }
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        let started = Instant::now();
        // Looked at before the call: what was put between the call and the close would be missing else.
        let was_closed = self.closed.load(Relaxed);
        let nothing = |next| Answer { records: Vec::new(), next, behind: None };
        let Records { records, next: iterator, behind, .. } = match self.fetch().await? {
            Fetched::Answer(answer) => answer,
            Fetched::Later(wait) => return Ok(nothing(Next::Read { wait })),
        };
        let next = match records.last() {
            _ if iterator.is_none() => Next::Closed,
            Some(last) => self.after_records(last.arrived_at),
            None => self.after_nothing(behind, was_closed).await?,
        };
        // From here on nothing waits, so a dropped future leaves the position where it was.
        if let Some(last) = records.last() {
            self.position = Some(last.sequence.clone());
        }
        self.iterator = iterator;
        debug!(shard = %self.shard, records = records.len(), ?behind, ?next, took = ?started.elapsed(), "read");
        Ok(Answer { records, next, behind })
    }
}
