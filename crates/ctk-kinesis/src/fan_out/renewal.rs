//! Keeps one shard subscribed to: the next subscription begins behind the last event of the one before.
//!
//! - A subscription that ends, as it does after five minutes, is renewed at once, and never sooner than a second after the
//!   call before, from the last `ContinuationSequenceNumber`, which moves even while nothing is put
//!   (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShardEvent.html>).
//! - Somebody else holds it, or our own last one is not forgotten: 5 s later a call takes over
//!   (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html>).
//! - Nothing comes for 35 s, where events come every few seconds: it is dead, whatever the connection says.
//! - Throttles and broken connections are waited out with growing pauses. Every other error is handed out, and is the end.
//!
//! When is a shard done? AWS says so by children without a continuation. Another server sends both in every event of a
//! closed shard: there the end is the event without records.

use std::time::Duration;

use ctk_flow::Sequence;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, warn};

use super::{Events, SPACING, Subscribe};
use crate::{
    api::{ApiError, ApiErrorKind, Event, Records, Start},
    pacer::Backoff,
};

/// The time after which the consumers of AWS and of others take a subscription for dead.
const SILENCE: Duration = Duration::from_secs(35);
/// Sooner, a second subscription is refused.
const TAKE_OVER: Duration = Duration::from_secs(5);
/// How often a start time is tried again that the service takes for the future, once a second.
const CLOCK_ATTEMPTS: u32 = 120;

/// One shard, over all its subscriptions.
pub(super) struct Renewal<S> {
    source: S,
    /// Where the next subscription begins.
    start: Start,
    /// The last record handed out: nothing up to it is handed out again.
    delivered: Option<Sequence>,
    throttles: Backoff,
    faults: Backoff,
    /// Since the last event, of any kind.
    failures: u32,
    called: Instant,
}

/// How a subscription ended.
enum End {
    /// In the ordinary way.
    Ordinary,
    Silent,
    Failed(ApiError),
    /// With the shard, or with whoever wanted it.
    Done,
}

impl<S: Subscribe> Renewal<S> {
    pub(super) fn new(source: S, start: Start) -> Self {
        let delivered = match &start {
            Start::After(sequence) => Some(sequence.clone()),
            Start::Earliest | Start::AtTime(_) | Start::At(_) => None,
        };
        Self {
            source,
            start,
            delivered,
            throttles: Backoff::throttled(),
            faults: Backoff::broken(),
            failures: 0,
            called: Instant::now(),
        }
    }

    /// Sends what comes until the shard ends, something cannot be mended, or nobody takes it any more.
    pub(super) async fn run(
        mut self,
        sender: mpsc::Sender<Result<Records, ApiError>>,
        earliest: Instant,
    ) {
        let mut due = earliest;
        loop {
            sleep_until(due).await;
            let pause = match self.subscription(&sender).await {
                End::Done => return,
                End::Ordinary => Duration::ZERO,
                End::Silent => {
                    self.report(Duration::ZERO, &"no event for 35 s");
                    Duration::ZERO
                }
                End::Failed(error) => {
                    let Some(pause) = self.pause(&error) else {
                        // Whoever does not want it any more misses nothing.
                        drop(sender.send(Err(error)).await);
                        return;
                    };
                    self.report(pause, &error);
                    pause
                }
            };
            due = (Instant::now() + pause).max(self.called + SPACING);
        }
    }

    async fn subscription(&mut self, sender: &mpsc::Sender<Result<Records, ApiError>>) -> End {
        debug!(shard = %self.source.shard(), start = ?self.start, "subscribing");
        let opened = timeout(SILENCE, self.source.subscribe(&self.start)).await;
        self.called = Instant::now();
        let mut events = match opened {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => return End::Failed(error),
            Err(_) => return End::Silent,
        };
        loop {
            // First the room, then the event: who does not take holds the service back, and is no silence.
            let Ok(room) = sender.reserve().await else { return End::Done };
            match timeout(SILENCE, events.next()).await {
                Ok(Ok(Some(event))) => {
                    let records = self.note(event);
                    let done = records.next.is_none();
                    room.send(Ok(records));
                    if done {
                        return End::Done;
                    }
                }
                Ok(Ok(None)) => return End::Ordinary,
                Ok(Err(error)) => return End::Failed(error),
                Err(_) => return End::Silent,
            }
        }
    }

    /// Moves the start behind an event, and returns what is new in it.
    fn note(&mut self, event: Event) -> Records {
        (self.throttles, self.faults) = (Backoff::throttled(), Backoff::broken());
        self.failures = 0;
        let Event { mut records, behind, continuation, children } = event;
        let done = !children.is_empty() && (continuation.is_none() || records.is_empty());
        if let (Some(delivered), Some(first)) = (&self.delivered, records.first())
            && first.sequence <= *delivered
        {
            let before = records.len();
            records.retain(|record| record.sequence > *delivered);
            let dropped = before - records.len();
            debug!(shard = %self.source.shard(), dropped, "sent again");
        }
        if let Some(last) = records.last() {
            self.delivered = Some(last.sequence.clone());
        }
        // Where a server names none, what was handed out is as good.
        let reached = continuation.or_else(|| Some(records.last()?.sequence.clone()));
        if let Some(reached) = reached {
            self.start = Start::After(reached);
        }
        let next = match &self.start {
            _ if done => None,
            Start::After(reached) => Some(reached.to_string()),
            Start::Earliest | Start::AtTime(_) | Start::At(_) => Some(String::new()),
        };
        Records { records, next, behind, children }
    }

    /// Returns how long to wait after an error, `None` where that does not help.
    fn pause(&mut self, error: &ApiError) -> Option<Duration> {
        match (error.kind, &self.start) {
            (ApiErrorKind::InUse, _) => Some(TAKE_OVER),
            (ApiErrorKind::Throttled, _) => Some(self.throttles.pause()),
            (ApiErrorKind::Unreachable | ApiErrorKind::Internal, _) => Some(self.faults.pause()),
            // A time that the service takes for the future: its clock is behind ours. It gets there.
            (ApiErrorKind::InvalidArgument, Start::AtTime(_)) if self.failures < CLOCK_ATTEMPTS => {
                Some(SPACING)
            }
            _ => None,
        }
    }

    fn report(&mut self, pause: Duration, reason: &dyn std::fmt::Display) {
        self.failures += 1;
        let shard = self.source.shard();
        if self.failures.is_multiple_of(4) {
            warn!(%shard, attempts = self.failures, error = %reason, "still trying to subscribe");
        } else {
            debug!(%shard, ?pause, error = %reason, "subscribing again");
        }
    }
}
