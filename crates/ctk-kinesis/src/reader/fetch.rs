//! How a reader gets an answer: the call, its iterator, and what becomes of each error.
//!
//! What passes (throttles, broken connections, trouble of the service) is answered with a time to wait, and the wait is the
//! loop's, which holds no memory meanwhile. What expired is renewed behind the last record. What is gone for good ends the run,
//! or is a gap, as the user wants. Each call makes one attempt, so a dropped future has lost nothing.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use ctk_flow::{Millis, Sequence};
use ctk_url::time::format_instant;
use tracing::{debug, warn};

use super::{SILENT_ANSWERS, ShardReader};
use crate::{
    api::{ApiError, ApiErrorKind, Records, Start},
    config::OnDataLoss,
    error::KinesisError,
    listing::list_all,
    pacer::Backoff,
    source::lost,
};

/// How often a start time is tried again that the service takes for the future, once a second.
const CLOCK_ATTEMPTS: u32 = 120;
/// How often a shard that its parent told of is looked for, once a second.
const NEW_ATTEMPTS: u32 = 30;
/// How often a service may repeat records, each time from a new iterator on, before it is taken at its word.
const REPEATS: u32 = 5;
/// After so many failures in a row the iterator is suspected: some servers answer 500 to one that they do not know.
const SUSPICIOUS: u32 = 4;
/// Between two looks at the oldest record of a shard that begins with a gap: the rate that AWS allows one reader.
const LOOK: Duration = Duration::from_millis(200);

/// What came of a call.
pub(super) enum Fetched {
    Answer(Records),
    /// Nothing, for a reason that passes.
    Later(Duration),
    /// The shard expired, and the user wants to go on.
    Gone,
}

/// How often something failed in a row.
#[derive(Debug)]
pub(super) struct Patience {
    throttles: Backoff,
    faults: Backoff,
    /// Iterators that were refused.
    renewals: Backoff,
    /// Start times in the future.
    early: u32,
    /// Looks at a new shard that is not there yet.
    missing: u32,
    /// Answers that began at or before the position.
    repeats: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            throttles: Backoff::throttled(),
            faults: Backoff::broken(),
            renewals: Backoff::broken(),
            early: 0,
            missing: 0,
            repeats: 0,
        }
    }
}

/// A look at the oldest record of the shard.
#[derive(Debug, Default)]
pub(super) struct Probe {
    iterator: Option<String>,
    /// Empty answers that said nothing about the tip.
    silent: u32,
}

impl ShardReader {
    /// Asks for the next records, once. Moves nothing but the iterator.
    pub(super) async fn fetch(&mut self) -> Result<Fetched, KinesisError> {
        if let Some(parent) = self.lost.take() {
            self.gap_behind(&lost(&parent))?;
        }
        if self.fan_out.is_none() && self.iterator.is_none() {
            match self.service.api.shard_iterator(&self.shard, &self.place()).await {
                Ok(iterator) => self.iterator = Some(iterator),
                Err(error) => return self.no_iterator(error).await,
            }
        }
        // After the iterator, since a service may have more to say of a position than that it is old.
        if self.probe.is_none() && self.horizon.is_due(self.service.now()) {
            self.probe = Some(Probe::default());
        }
        if self.probe.is_some()
            && let Some(wait) = self.look_at_the_oldest().await?
        {
            return Ok(Fetched::Later(wait));
        }
        if let Some(fan_out) = &mut self.fan_out {
            let pushed = fan_out.take();
            return self.pushed(pushed);
        }
        let Some(iterator) = &self.iterator else { return Ok(Fetched::Later(Duration::ZERO)) };
        self.pacer.call();
        match self.service.api.get_records(iterator, self.limit).await {
            Ok(answer) => self.answered(answer),
            Err(error) => self.no_records(error).await,
        }
    }

    /// Gets a new iterator with the next call.
    pub(super) fn begin_anew(&mut self) {
        self.iterator = None;
        if let Some(fan_out) = &mut self.fan_out {
            fan_out.reset();
        }
    }

    /// Returns true when the next call asks what was sent, and nothing else.
    pub(super) fn awaits_a_push(&self) -> bool {
        self.lost.is_none() && self.probe.is_none() && !self.horizon.is_due(self.service.now())
    }

    /// Returns where a new iterator, or a subscription, begins.
    pub(super) fn place(&self) -> Start {
        match &self.position {
            Some(sequence) => Start::After(sequence.clone()),
            None => self.start.clone(),
        }
    }

    /// Returns how long to wait after an answer that makes no sense.
    pub(super) fn pause_after_a_fault(&mut self) -> Duration {
        self.patience.faults.pause()
    }

    fn answered(&mut self, mut answer: Records) -> Result<Fetched, KinesisError> {
        let done: Option<&Sequence> = match (&self.position, &self.start) {
            (Some(position), _) | (None, Start::After(position)) => Some(position),
            (None, _) => None,
        };
        if let (Some(done), Some(first)) = (done, answer.records.first())
            && first.sequence <= *done
        {
            // It was handed out before. A new iterator, from behind it, tells what really comes next.
            self.patience.repeats += 1;
            if self.patience.repeats <= REPEATS {
                warn!(shard = %self.shard, sequence = %first.sequence, "the service repeats records; asking again");
                self.begin_anew();
                return Ok(Fetched::Later(self.patience.faults.pause()));
            }
            let done = done.clone();
            answer.records.retain(|record| record.sequence > done);
            if answer.records.is_empty() {
                let error = ApiError::odd("GetRecords", "only records before the position come");
                return Err(self.service.bad_position(&self.shard, &Start::After(done), error));
            }
        }
        // An answer without an iterator is judged by its reader, and may be a fault.
        if answer.next.is_some() {
            self.patience = Patience::default();
        }
        Ok(Fetched::Answer(answer))
    }

    /// Says what comes of what a subscription brought.
    fn pushed(
        &mut self,
        pushed: Option<Result<Records, ApiError>>,
    ) -> Result<Fetched, KinesisError> {
        match pushed {
            Some(Ok(answer)) => return self.answered(answer),
            // A poll goes on, or tells what is wrong: a stream that is gone, and a consumer, are the same here.
            Some(Err(error)) => {
                warn!(shard = %self.shard, %error, "no enhanced fan-out; the shard is polled instead");
                self.poll_from_here();
            }
            // Silence proves nothing. Where it may be the end, a poll tells.
            None if self.has_ended() || self.closed.load(Relaxed) => self.poll_from_here(),
            None => {}
        }
        Ok(Fetched::Later(Duration::ZERO))
    }

    /// Asks for records from now on.
    pub(super) fn poll_from_here(&mut self) {
        self.fan_out = None;
    }

    /// Says what comes of an error of `GetRecords`.
    async fn no_records(&mut self, error: ApiError) -> Result<Fetched, KinesisError> {
        match error.kind {
            ApiErrorKind::Throttled => {
                self.pacer.throttled();
                Ok(Fetched::Later(self.later(&error)))
            }
            ApiErrorKind::Unreachable | ApiErrorKind::Internal => {
                let wait = self.later(&error);
                if self.patience.faults.failures.is_multiple_of(SUSPICIOUS) {
                    self.begin_anew();
                }
                Ok(Fetched::Later(wait))
            }
            // The second is what servers say to an iterator that they handed out before they were restarted.
            ApiErrorKind::ExpiredIterator | ApiErrorKind::InvalidArgument => {
                let renewals = &mut self.patience.renewals;
                if error.kind == ApiErrorKind::InvalidArgument && renewals.failures > 2 {
                    return Err(self.service.refused(error));
                }
                debug!(shard = %self.shard, position = ?self.position, "iterator renewed");
                // The first renewal is ordinary; a server whose iterators die at once must not be hammered.
                let pause = renewals.pause();
                let wait = if renewals.failures > 1 { pause } else { Duration::ZERO };
                self.begin_anew();
                self.service.look_at_the_clock().await;
                Ok(Fetched::Later(wait))
            }
            ApiErrorKind::NotFound => self.gone(error).await,
            _ => Err(self.service.refused(error)),
        }
    }

    /// Says what comes of an error of `GetShardIterator`.
    async fn no_iterator(&mut self, error: ApiError) -> Result<Fetched, KinesisError> {
        match error.kind {
            ApiErrorKind::Throttled | ApiErrorKind::Unreachable | ApiErrorKind::Internal => {
                Ok(Fetched::Later(self.later(&error)))
            }
            ApiErrorKind::InvalidArgument => {
                let place = self.place();
                // A time that the service takes for the future: its clock is behind ours. It gets there.
                let now = self.service.now();
                let is_recent = matches!(place, Start::AtTime(at) if at > now - 600_000);
                self.patience.early += 1;
                if is_recent && self.patience.early <= CLOCK_ATTEMPTS {
                    return Ok(Fetched::Later(Duration::from_secs(1)));
                }
                let is_foreign = matches!(place, Start::At(_) | Start::After(_));
                if is_foreign && self.service.on_data_loss == OnDataLoss::Continue {
                    self.gap_behind(&format!("the service does not take its position ({error})"))?;
                    return Ok(Fetched::Later(Duration::ZERO));
                }
                Err(self.service.bad_position(&self.shard, &place, error))
            }
            ApiErrorKind::NotFound => self.gone(error).await,
            _ => Err(self.service.refused(error)),
        }
    }

    /// Tells a shard that expired from a stream that is gone. There is no more of it to be had either way, and what was left in
    /// it is lost: the run must not take that for its end.
    async fn gone(&mut self, error: ApiError) -> Result<Fetched, KinesisError> {
        if self.is_new && self.position.is_none() && self.patience.missing < NEW_ATTEMPTS {
            self.patience.missing += 1;
            debug!(shard = %self.shard, "the shard is not to be seen yet");
            return Ok(Fetched::Later(Duration::from_secs(1)));
        }
        let listed = list_all(&self.service).await?;
        if listed.iter().any(|shard| shard.id == self.shard) {
            let place = self.place();
            return Err(match place {
                // So some servers call a position of an earlier stream.
                Start::At(_) | Start::After(_) if self.iterator.is_none() => {
                    self.service.bad_position(&self.shard, &place, error)
                }
                _ => self.service.refused(error),
            });
        }
        if self.service.on_data_loss == OnDataLoss::Continue {
            warn!(shard = %self.shard, "the shard expired before it was read to its end; what was left in it is lost");
            return Ok(Fetched::Gone);
        }
        Err(KinesisError::Expired {
            stream: self.service.api.stream().to_string(),
            shard: self.shard.clone(),
            source: error,
        })
    }

    /// Looks at the oldest record of the shard, a step at a time; nothing when that is done.
    async fn look_at_the_oldest(&mut self) -> Result<Option<Duration>, KinesisError> {
        let Some(probe) = &mut self.probe else { return Ok(None) };
        let api = &self.service.api;
        let looked = match &probe.iterator {
            None => api.shard_iterator(&self.shard, &Start::Earliest).await.map(|iterator| {
                probe.iterator = Some(iterator);
                None
            }),
            Some(iterator) => api.get_records(iterator, 1).await.map(Some),
        };
        let answer = match looked {
            Ok(None) => return Ok(Some(Duration::ZERO)),
            Ok(Some(answer)) => answer,
            Err(error) => {
                let is_temporary = matches!(
                    error.kind,
                    ApiErrorKind::Throttled | ApiErrorKind::Unreachable | ApiErrorKind::Internal
                );
                return match error.kind {
                    _ if is_temporary || error.kind == ApiErrorKind::ExpiredIterator => {
                        probe.iterator = None;
                        Ok(Some(self.later(&error)))
                    }
                    // The reading itself meets the same, and deals with it.
                    ApiErrorKind::NotFound => {
                        self.probe = None;
                        Ok(None)
                    }
                    // Going on could mean to go over a gap that nobody saw.
                    _ => Err(self.service.refused(error)),
                };
            }
        };
        let oldest = answer.records.first();
        let is_over = match answer.behind {
            None => {
                probe.silent += 1;
                probe.silent >= SILENT_ANSWERS
            }
            Some(behind) => {
                let behind = Millis::try_from(behind.as_millis()).unwrap_or(Millis::MAX);
                // Nothing that is done is kept, if the first that is kept is later than all of it.
                let place = self.service.now().saturating_sub(behind);
                behind == 0 || self.horizon.is_passed(place)
            }
        };
        if oldest.is_none() && answer.next.is_some() && !is_over {
            probe.iterator = answer.next;
            return Ok(Some(LOOK));
        }
        self.probe = None;
        if self.horizon.judge(oldest.map(|record| (&record.sequence, record.arrived_at))) {
            let done = match self.horizon.reached() {
                Some(reached) => format!("it was read up to {}", format_instant(reached)),
                None => "nobody noted up to which time it was read".to_owned(),
            };
            let kept = match oldest.map(|record| record.arrived_at) {
                Some(Some(arrived)) => {
                    format!("the oldest record that is kept is of {}", format_instant(arrived))
                }
                Some(None) => "the oldest record that is kept is a later one".to_owned(),
                None => "nothing of that time is kept".to_owned(),
            };
            self.gap_behind(&format!("{done}, and {kept}"))?;
        }
        Ok(None)
    }

    /// Deals with records that may be lost, as the user wants: an error, or on from what is left.
    fn gap_behind(&mut self, how: &str) -> Result<(), KinesisError> {
        if self.service.on_data_loss == OnDataLoss::Fail {
            return Err(KinesisError::DataLoss {
                stream: self.service.api.stream().to_string(),
                shard: self.shard.clone(),
                how: how.to_owned(),
            });
        }
        warn!(shard = %self.shard, "records may be lost: {how}; going on with the oldest that is kept");
        self.gap = true;
        self.horizon.forget();
        (self.start, self.part, self.position) = (Start::Earliest, None, None);
        self.begin_anew();
        Ok(())
    }

    /// Returns how long to wait for what passes, longer each time, and tells of it.
    fn later(&mut self, error: &ApiError) -> Duration {
        let backoff = match error.kind {
            ApiErrorKind::Throttled => &mut self.patience.throttles,
            _ => &mut self.patience.faults,
        };
        let pause = backoff.pause();
        if backoff.failures.is_multiple_of(4) {
            warn!(shard = %self.shard, attempts = backoff.failures, %error, "still trying");
        } else {
            debug!(shard = %self.shard, ?pause, %error, "trying again");
        }
        pause
    }
}
