//! The limits of AWS on reading one shard.
//!
//! `GetRecords`: 5 calls/s and 2 MiB/s per shard, 10 MiB per answer; calls within 5 s after such an answer, and within 1 s
//! after the throughput was used up, are refused
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>). `GetShardIterator`: 5 calls/s per shard
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html>). A refused call counts for nothing.
//!
//! AWS does not say over which time it counts. Here it is the second before a call.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// The most data in an answer.
pub(crate) const LARGEST_ANSWER: usize = 10 << 20;
const BYTES_PER_SECOND: usize = 2 << 20;
const CALLS_PER_SECOND: usize = 5;
const SECOND: Duration = Duration::from_secs(1);
const AFTER_THE_LARGEST: Duration = Duration::from_secs(5);

/// What one shard gave in the last second.
#[derive(Debug, Default)]
pub(super) struct Limits {
    reads: VecDeque<(Instant, usize)>,
    iterators: VecDeque<Instant>,
    blocked: Option<Instant>,
}

impl Limits {
    /// Counts a call of `GetRecords`, or refuses it.
    pub(super) fn read(&mut self, now: Instant) -> bool {
        self.reads.retain(|(at, _)| now.duration_since(*at) < SECOND);
        let bytes: usize = self.reads.iter().map(|(_, bytes)| bytes).sum();
        if self.blocked.is_some_and(|until| now < until)
            || self.reads.len() >= CALLS_PER_SECOND
            || bytes >= BYTES_PER_SECOND
        {
            return false;
        }
        self.reads.push_back((now, 0));
        true
    }

    /// Notes how much an answer brought; `full` when it would have been more without the cap.
    pub(super) fn answered(&mut self, now: Instant, bytes: usize, full: bool) {
        if let Some((at, counted)) = self.reads.back_mut() {
            (*at, *counted) = (now, bytes);
        }
        if full {
            self.blocked = Some(now + AFTER_THE_LARGEST);
        }
    }

    /// Counts a call of `GetShardIterator`, or refuses it.
    pub(super) fn iterator(&mut self, now: Instant) -> bool {
        self.iterators.retain(|at| now.duration_since(*at) < SECOND);
        if self.iterators.len() >= CALLS_PER_SECOND {
            return false;
        }
        self.iterators.push_back(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLIS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn five_calls_in_any_second() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        for (at, allowed) in [
            (0, true),
            (100, true),
            (200, true),
            (300, true),
            (400, true),
            (500, false),
            (999, false),
            (1000, true),
            (1001, false),
            (1100, true),
        ] {
            assert_eq!(limits.read(start + MILLIS(at)), allowed, "at {at} ms");
            assert_eq!(limits.iterator(start + MILLIS(at)), allowed, "at {at} ms");
        }
    }

    #[test]
    fn two_mebibytes_in_any_second_and_a_pause_after_the_largest_answer() {
        let (mut limits, start) = (Limits::default(), Instant::now());
        assert!(limits.read(start));
        limits.answered(start, BYTES_PER_SECOND - 1, false);
        assert!(limits.read(start + MILLIS(200)), "one byte is left");
        limits.answered(start + MILLIS(200), 1000, false);
        assert!(!limits.read(start + MILLIS(400)));
        assert!(limits.read(start + MILLIS(1000)), "the first answer is a second old");
        limits.answered(start + MILLIS(1000), LARGEST_ANSWER, true);
        assert!(!limits.read(start + MILLIS(5999)));
        assert!(limits.read(start + MILLIS(6000)));
    }
}
