//! How fast one shard is read.
//!
//! AWS allows 5 calls/s and 2 MB/s per shard, shared by everybody who polls it
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>). What is left of that for us cannot be
//! known, and other servers have no such limit, so nothing is held back in advance. The rules:
//!
//! - while answers bring records, the next call follows at once;
//! - an empty answer that is still behind is followed by the next call after 200 ms, the rate that AWS allows one reader;
//! - at the tip, the next call comes after the poll interval;
//! - a throttled call is made again after 1 s, then 2 s, 4 s, up to 10 s, each with jitter (AWS refuses calls for 1 s when
//!   the rate is exceeded, for 5 s after an answer of 10 MiB). From then on calls are at least 200 ms apart, twice as much
//!   with each further throttle, up to 1 s; that shrinks slowly back to 200 ms with every answer, and after a minute
//!   without a throttle it is forgotten.
//!
//! The pacer only computes; waiting is done by its callers, so a paused clock tests them.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

use tokio::time::Instant;

/// What one reader may use of a shard when nobody else reads it.
const ALONE: Duration = Duration::from_millis(200);
const SLOWEST: Duration = Duration::from_secs(1);
const FORGET: Duration = Duration::from_mins(1);

/// What an answer said about the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There were records.
    Records,
    /// Nothing came, but there is more to come.
    Gap,
    /// Nothing is left to read at the moment.
    Tip,
}

/// The pace of one shard.
#[derive(Debug)]
pub struct Pacer {
    poll_interval: Duration,
    spacing: Duration,
    throttled: Option<Instant>,
    called: Option<Instant>,
}

impl Pacer {
    /// Returns the pace of a shard that was never throttled.
    pub fn new(poll_interval: Duration) -> Self {
        Self { poll_interval, spacing: Duration::ZERO, throttled: None, called: None }
    }

    /// Notes that a call is made now.
    pub fn call(&mut self) {
        self.called = Some(Instant::now());
    }

    /// Notes that the service asked for fewer calls.
    pub fn throttled(&mut self) {
        self.spacing = (self.spacing * 2).clamp(ALONE, SLOWEST);
        self.throttled = Some(Instant::now());
    }

    /// Notes an answer, and returns how long to wait before the next call.
    pub fn answered(&mut self, progress: Progress) -> Duration {
        match self.throttled {
            Some(at) if at.elapsed() >= FORGET => {
                self.throttled = None;
                self.spacing = Duration::ZERO;
            }
            Some(_) => self.spacing = (self.spacing * 9 / 10).max(ALONE),
            None => {}
        }
        let least = match progress {
            Progress::Records => self.spacing,
            Progress::Gap => self.spacing.max(ALONE),
            Progress::Tip => return self.poll_interval.max(self.spacing),
        };
        least.saturating_sub(self.called.map_or(Duration::ZERO, |called| called.elapsed()))
    }
}

/// Growing pauses between attempts at the same call.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    /// How many attempts failed.
    pub failures: u32,
}

impl Backoff {
    /// The longest pause, jitter aside.
    pub const LONGEST: Duration = Duration::from_secs(10);

    /// For a service that asks for fewer calls.
    pub fn throttled() -> Self {
        Self { first: Duration::from_secs(1), failures: 0 }
    }

    /// For a broken connection, or a service with trouble of its own.
    pub fn broken() -> Self {
        Self { first: Duration::from_millis(100), failures: 0 }
    }

    /// Returns the next pause: doubled each time, between it and a quarter more, so that shards do not march in step.
    pub fn pause(&mut self) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16)).min(Self::LONGEST);
        self.failures += 1;
        doubled + doubled.mul_f64(chance() / 4.0)
    }
}

/// Returns a number from 0 to below 1. Good enough for jitter: the standard library seeds its hashers from the system.
fn chance() -> f64 {
    let random =
        u32::try_from(RandomState::new().build_hasher().finish() >> 32).unwrap_or_default();
    f64::from(random) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MILLIS: fn(u64) -> Duration = Duration::from_millis;

    #[tokio::test(start_paused = true)]
    async fn full_answers_follow_each_other_until_throttled() {
        let mut pacer = Pacer::new(MILLIS(1000));
        let mut wait = async |progress| {
            pacer.call();
            advance(MILLIS(50)).await;
            pacer.answered(progress)
        };
        assert_eq!(wait(Progress::Records).await, Duration::ZERO);
        assert_eq!(wait(Progress::Gap).await, MILLIS(150), "what the call took counts");
        assert_eq!(wait(Progress::Tip).await, MILLIS(1000));
    }

    #[tokio::test(start_paused = true)]
    async fn throttles_space_calls_out_and_are_forgotten() {
        let mut pacer = Pacer::new(MILLIS(100));
        pacer.throttled();
        assert_eq!(pacer.answered(Progress::Records), MILLIS(200));
        assert_eq!(
            pacer.answered(Progress::Tip),
            MILLIS(200),
            "the poll interval never undercuts it"
        );
        for _ in 0..5 {
            pacer.throttled();
        }
        assert_eq!(
            pacer.answered(Progress::Records),
            MILLIS(900),
            "at most one second, then a tenth less"
        );
        for _ in 0..50 {
            pacer.answered(Progress::Records);
        }
        assert_eq!(pacer.answered(Progress::Records), MILLIS(200));
        advance(FORGET).await;
        assert_eq!(pacer.answered(Progress::Records), Duration::ZERO);
    }

    #[test]
    fn pauses_grow_to_a_bound() {
        let mut backoff = Backoff::throttled();
        for seconds in [1, 2, 4, 8, 10, 10] {
            let pause = backoff.pause();
            let least = Duration::from_secs(seconds);
            assert!(pause >= least && pause < least.mul_f64(1.25), "{pause:?} for {least:?}");
        }
    }
}
