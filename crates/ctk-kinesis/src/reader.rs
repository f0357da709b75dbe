//! Reads one shard, in order, from a position on: never twice, never past a record.
//!
//! The position moves when an answer is handed out, and with nothing else; a new iterator always begins behind it (or where
//! the shard began, while there is none). How an answer is had, and what becomes of errors, stands in [`fetch`]; here is what
//! an answer means.
//!
//! When is a shard done? `MillisBehindLatest` of an answer with records decides nothing: servers say 0 there while they hold
//! more. The rules, in this order:
//!
//! 1. No next iterator: closed and read to its end; records of the same answer still count. Where the answer does not name
//!    the children, as AWS does, the end must be met twice.
//! 2. The last record arrived later than the end of the run, by a margin that absorbs arrival times out of order: caught up.
//! 3. An empty answer at the tip (0 ms behind, or as near as the user allows): closed when the shard was listed as closed
//!    before the call, since some servers never end a closed shard; else the shard is looked up, and read once more if it
//!    turns out to be closed meanwhile; else, when the run has an end, caught up.
//! 4. An empty answer without any distance says nothing at all. AWS always sends one. For servers that do not, five such
//!    answers in a row count as one that says 0: real gaps, which AWS answers with empty results, do not occur there.

mod fetch;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_flow::{Answer, Failure, Millis, Next, Part, Reader, Sequence, ShardId};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    api::{Page, Records, Start},
    error::KinesisError,
    fan_out::FanOut,
    horizon::Horizon,
    listing::list_all,
    pacer::{Pacer, Progress},
    service::Service,
    watchdog::Watchdog,
};
use fetch::{Fetched, Patience, Probe};

/// Records may arrive a little out of order, so a record must be this much newer than the end to prove that it was reached.
const MARGIN: Millis = 1000;
/// How many empty answers without a distance count as one at the tip.
const SILENT_ANSWERS: u32 = 5;
/// Arrival times are not exact
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html>), so what an empty answer proves is dated back.
const SLACK: Millis = 60_000;
/// What a shard takes in a second (<https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html>).
const BYTES_PER_SECOND: f64 = 1_048_576.0;
/// What an answer may hold (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
const MOST_BYTES: f64 = 10.0 * 1_048_576.0;

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
    /// How long a shard may be behind without moving.
    pub(crate) patience: Duration,
}

/// Where a shard begins, and what is known of it from earlier runs.
#[derive(Debug)]
pub(crate) struct Beginning {
    pub(crate) start: Start,
    /// The record at the start, when some of its units are done.
    pub(crate) part: Option<Part>,
    /// The last record that is done.
    pub(crate) last: Option<Sequence>,
    /// What arrived before this instant is done.
    pub(crate) reached: Option<Millis>,
    /// A parent whose rest is lost.
    pub(crate) lost: Option<ShardId>,
    /// Its parent told of it, and no listing did so far.
    pub(crate) is_new: bool,
}

/// Reads one shard.
#[derive(Debug)]
pub struct ShardReader {
    service: Arc<Service>,
    shard: ShardId,
    /// The shard before it in the listing: the cheap way to look it up.
    before: Option<ShardId>,
    start: Start,
    part: Option<Part>,
    position: Option<Sequence>,
    iterator: Option<String>,
    horizon: Horizon,
    probe: Option<Probe>,
    /// A parent whose rest is lost, which is not told yet.
    lost: Option<ShardId>,
    /// The service may not show it to everybody yet.
    is_new: bool,
    /// There is a gap before the next records, which is not told yet.
    gap: bool,
    watchdog: Watchdog,
    /// Records are sent, in place of being asked for.
    fan_out: Option<FanOut>,
    /// The source saw the shard closed. It may learn this at any time.
    closed: Arc<AtomicBool>,
    until: Until,
    limit: i32,
    pacer: Pacer,
    patience: Patience,
    silent: u32,
    /// The shard seemed to end, and nobody named its children.
    ending: bool,
    /// Since when nothing was there to read.
    idle: Option<Instant>,
}

impl ShardReader {
    pub(crate) fn new(
        service: Arc<Service>,
        (shard, before): (ShardId, Option<ShardId>),
        beginning: Beginning,
        closed: Arc<AtomicBool>,
        until: Until,
        pace: Pace,
        consumer: Option<Arc<str>>,
    ) -> Self {
        let Beginning { start, part, last, reached, lost, is_new } = beginning;
        Self {
            horizon: Horizon::new(service.retention, last, reached),
            fan_out: consumer.map(|arn| FanOut::new(Arc::clone(&service), arn, shard.clone())),
            service,
            shard,
            before,
            start,
            part,
            position: None,
            iterator: None,
            probe: None,
            lost,
            is_new,
            gap: false,
            watchdog: Watchdog::new(pace.patience),
            closed,
            until,
            limit: pace.limit,
            pacer: Pacer::new(pace.poll_interval),
            patience: Patience::default(),
            silent: 0,
            ending: false,
            idle: None,
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
        self.idle = None;
        self.watchdog.is_fine();
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
        if self.fan_out.is_some() {
            // An event says where the shard stood when it was sent. What that means now, a poll tells.
            let is_near = behind.is_none_or(|behind| behind <= self.until.tolerance);
            if is_near && (was_closed || self.has_ended()) {
                self.poll_from_here();
            }
            return Ok(Next::AT_ONCE);
        }
        let behind = match behind {
            Some(behind) => behind,
            None if self.silent + 1 < SILENT_ANSWERS => {
                self.silent += 1;
                let progress = if self.has_ended() { Progress::Gap } else { Progress::Tip };
                return Ok(Next::Read { wait: self.pacer.answered(progress) });
            }
            None => Duration::ZERO,
        };
        if behind.is_zero() {
            self.watchdog.is_fine();
            self.idle = Some(Instant::now());
        } else {
            self.idle = None;
            if self.watchdog.is_stuck(self.service.now(), behind) {
                warn!(shard = %self.shard, ?behind, "the shard makes no progress; beginning anew behind the last record");
                self.begin_anew();
            }
        }
        if was_closed && behind.is_zero() {
            return Ok(Next::Closed);
        }
        let progress = if behind.is_zero() { Progress::Tip } else { Progress::Gap };
        if was_closed || behind > self.until.tolerance {
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
        Ok(Next::Read { wait: self.pacer.answered(progress) })
    }
}

impl Reader for ShardReader {
    fn shard(&self) -> &ShardId {
        &self.shard
    }

    /// A subscription brings records at times of its own, and nobody is to hold memory for them until then.
    async fn ready(&mut self) {
        if self.fan_out.is_none() || !self.awaits_a_push() {
            return;
        }
        let place = self.place();
        if let Some(fan_out) = &mut self.fan_out {
            fan_out.ready(&place).await;
        }
    }

    fn begins(&self) -> Option<Millis> {
        match self.start {
            Start::Earliest => Some(0),
            // What the stream keeps no longer is no promise: from its beginning on, then.
            Start::AtTime(instant) => Some(if self.service.keeps(instant) { instant } else { 0 }),
            // There is a position, or the address of the next run names it again.
            Start::At(_) | Start::After(_) => None,
        }
    }

    /// A shard that was read to its tip takes in so much in a second, and no more. Else any answer may be a full one.
    fn room(&self, most: usize) -> usize {
        let Some(idle) = self.idle else { return most };
        let expected = BYTES_PER_SECOND * (idle.elapsed().as_secs_f64() + 1.0);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an estimate between zero and `most`"
        )]
        let room = (most as f64 * (expected / MOST_BYTES).min(1.0)) as usize;
        room
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        let started = Instant::now();
        // Looked at before the call: what was put between the call and the close would be missing else.
        let was_closed = self.closed.load(Relaxed);
        let answer = match self.fetch().await? {
            Fetched::Answer(answer) => answer,
            Fetched::Later(wait) => return Ok(Answer::nothing(Next::Read { wait })),
            Fetched::Gone => return Ok(Answer { gap: true, ..Answer::nothing(Next::Closed) }),
        };
        let Records { mut records, next: iterator, behind, children } = answer;
        let mut next = match records.last() {
            _ if iterator.is_none() => Next::Closed,
            Some(last) => self.after_records(last.arrived_at),
            None => self.after_nothing(behind, was_closed).await?,
        };
        let is_confirmed = self.ending && records.is_empty();
        if next == Next::Closed && iterator.is_none() && children.is_empty() && !is_confirmed {
            // AWS names the children at the end of a shard. Where nobody does, an iterator may be missing by mistake, and what is
            // left of the shard would be lost: so the end must be met twice, the second time from a new iterator.
            let is_closed = was_closed || self.is_closed().await?;
            let wait = if is_closed {
                Duration::ZERO
            } else {
                warn!(shard = %self.shard, "an answer without an iterator, though the shard is open; asking again");
                self.pause_after_a_fault()
            };
            self.closed.store(is_closed, Relaxed);
            self.begin_anew();
            next = Next::Read { wait };
            self.ending = is_closed;
        } else {
            self.ending = false;
        }
        // From here on nothing waits, so a dropped future leaves the position where it was.
        let now = self.service.now();
        let reached = match (records.last(), behind) {
            // What comes from the future would never grow old.
            (Some(last), _) => last.arrived_at.map(|arrived| arrived.min(now)),
            (None, Some(behind)) => {
                let behind = Millis::try_from(behind.as_millis()).unwrap_or(Millis::MAX);
                let place = now.saturating_sub(behind).saturating_sub(SLACK);
                // Near the oldest record, an empty answer promises nothing to later runs.
                Some(place).filter(|place| self.service.keeps(place.saturating_sub(SLACK)))
            }
            (None, None) => None,
        };
        if let Some(first) = records.first_mut()
            && let Some(part) = self.part.take()
            && part.sequence == first.sequence
        {
            first.done = part.units;
        }
        if let Some(last) = records.last() {
            self.position = Some(last.sequence.clone());
        }
        self.horizon.moved(self.position.as_ref(), reached, now);
        if next == Next::Closed {
            self.service.note_children(children);
        }
        // The watchdog may have dropped it, and wants a new one.
        if self.iterator.is_some() {
            self.iterator = iterator;
        }
        debug!(shard = %self.shard, records = records.len(), ?behind, ?next, took = ?started.elapsed(), "read");
        Ok(Answer { records, next, behind, reached, gap: std::mem::take(&mut self.gap) })
    }
}
