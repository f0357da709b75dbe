//! What the script says about single shards, and remembers of them.

use std::collections::HashMap;

use axum::body::Bytes;
use tokio::time::Instant;

use super::{Script, limits::Limits};

/// The state of all shards. Shards are named as the service names them; the same name in two streams is the same shard here,
/// except where a stream is named too.
#[derive(Debug, Default)]
pub(super) struct Shards {
    /// How many answers of every shard are to be empty, and how many of them each shard gave.
    empty: (u64, HashMap<String, u64>),
    /// Since when a shard is stuck, and whether a new iterator helps.
    stuck: HashMap<String, (Instant, bool)>,
    unstuck: HashMap<String, u64>,
    /// The first record that is left.
    trimmed: HashMap<(String, String), String>,
    forgotten: Vec<String>,
    /// The last page with records: the position that was asked for, and the answer.
    pages: HashMap<(String, String), (String, Bytes)>,
    limited: bool,
    capped: bool,
    limits: HashMap<(String, String), Limits>,
}

impl Shards {
    /// Forgets what is a fault; what was trimmed is gone for good.
    pub(super) fn heal(&mut self) {
        self.empty = (0, HashMap::new());
        self.stuck.clear();
    }
}

impl Script {
    /// Lets the next `answers` of `GetRecords` of each shard be empty although records are there: with an iterator at the
    /// same place, and a distance above 0 that falls with each answer by a second. Answers at the tip do not count.
    ///
    /// AWS: an empty answer is no error, and it may take several calls to get to a part of the shard that has records
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
    pub fn empty_answers(&self, answers: u64) {
        self.with(|state| state.shards.empty = (answers, HashMap::new()));
    }

    /// Lets answers of `GetRecords` for this shard be empty, with a distance to the tip that grows with the clock, until
    /// somebody asks for a new iterator of it. AWS documents nothing of the kind; users see it
    /// (<https://github.com/awslabs/amazon-kinesis-client/issues/185>).
    pub fn stuck(&self, shard: &str) {
        self.with(|state| state.shards.stuck.insert(shard.to_owned(), (Instant::now(), true)));
    }

    /// Lets this shard be stuck as [`Self::stuck`] has it, but until [`Self::heal`], whatever is asked.
    pub fn never_ends(&self, shard: &str) {
        self.with(|state| state.shards.stuck.insert(shard.to_owned(), (Instant::now(), false)));
    }

    /// Returns how often a new iterator brought this shard back to life.
    pub fn unstuck(&self, shard: &str) -> u64 {
        self.with(|state| state.shards.unstuck.get(shard).copied().unwrap_or_default())
    }

    /// Lets the records of a shard before `first_kept` be older than the retention of the stream: what begins before that
    /// record begins at it, and iterators that were handed out jump there.
    ///
    /// For `TRIM_HORIZON` and `AT_TIMESTAMP` this is
    /// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html>. For the sequence number of a
    /// record that is gone AWS documents nothing; this is what consumers report. No error tells that records are missing.
    pub fn trim(&self, stream: &str, shard: &str, first_kept: &str) {
        let place = (stream.to_owned(), shard.to_owned());
        self.with(|state| state.shards.trimmed.insert(place, first_kept.to_owned()));
    }

    /// Lets a closed shard be older than the retention of the stream: `ListShards` has it no more
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html>), and calls about it answer
    /// `ResourceNotFoundException`. Its children go on to name it as their parent.
    pub fn forget_shard(&self, shard: &str) {
        self.with(|state| state.shards.forgotten.push(shard.to_owned()));
    }

    /// Enforces the limits of AWS, for each shard by itself: 5 calls/s of `GetRecords` and 2 MiB/s, 10 MiB per answer and then
    /// 5 s of refusals (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>), 5 calls/s of
    /// `GetShardIterator` (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html>).
    pub fn limits(&self, on: bool) {
        self.with(|state| {
            (state.shards.limited, state.shards.capped) = (on, on);
            state.shards.limits.clear();
        });
    }

    /// Ends an answer before the record that would bring it above 10 MiB, and refuses nothing
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
    pub fn cap_answers(&self, on: bool) {
        self.with(|state| state.shards.capped = on);
    }

    /// Returns whether the next answer of this shard is to be empty.
    pub(crate) fn has_empty(&self, shard: &str) -> bool {
        self.with(|state| {
            let (answers, given) = &state.shards.empty;
            given.get(shard).copied().unwrap_or_default() < *answers
        })
    }

    /// Counts an empty answer of this shard, and returns how many follow it.
    pub(crate) fn take_empty(&self, shard: &str) -> Option<u64> {
        self.with(|state| {
            let (answers, given) = &mut state.shards.empty;
            if *answers == 0 {
                return None;
            }
            let given = given.entry(shard.to_owned()).or_default();
            let left = answers.checked_sub(*given + 1)?;
            *given += 1;
            Some(left)
        })
    }

    /// Returns the distance that a stuck shard claims.
    pub(crate) fn stuck_for(&self, shard: &str) -> Option<u64> {
        self.with(|state| {
            let since = state.shards.stuck.get(shard)?.0.elapsed().as_millis();
            Some(u64::try_from(since).unwrap_or(u64::MAX).saturating_add(1))
        })
    }

    /// Notes that a new iterator is asked for.
    pub(crate) fn unstick(&self, shard: &str) {
        self.with(|state| {
            if state.shards.stuck.get(shard).is_some_and(|(_, heals)| *heals) {
                state.shards.stuck.remove(shard);
                *state.shards.unstuck.entry(shard.to_owned()).or_default() += 1;
            }
        });
    }

    /// Returns the first record that a shard still has, when others are gone.
    pub(crate) fn first_kept(&self, stream: &str, shard: &str) -> Option<String> {
        self.with(|state| state.shards.trimmed.get(&(stream.to_owned(), shard.to_owned())).cloned())
    }

    /// Returns whether the stream keeps nothing of a shard, not even its name.
    pub(crate) fn forgot(&self, shard: &str) -> bool {
        self.with(|state| state.shards.forgotten.iter().any(|forgotten| forgotten == shard))
    }

    /// Returns how many shards are forgotten.
    pub(crate) fn forgotten(&self) -> usize {
        self.with(|state| state.shards.forgotten.len())
    }

    /// Keeps a page for [`super::Fault::Repeat`].
    pub(crate) fn keep_page(&self, (place, asked): ((String, String), String), answer: Bytes) {
        self.with(|state| state.shards.pages.insert(place, (asked, answer)));
    }

    /// Returns the last page of a shard, and the position that it was an answer to.
    pub(crate) fn kept_page(&self, stream: &str, shard: &str) -> Option<(String, Bytes)> {
        self.with(|state| state.shards.pages.get(&(stream.to_owned(), shard.to_owned())).cloned())
    }

    /// Returns whether answers end at 10 MiB.
    pub(crate) fn caps(&self) -> bool {
        self.with(|state| state.shards.capped)
    }

    /// Counts a call about a shard; false when it is one too many. `read` tells `GetRecords` from `GetShardIterator`.
    pub(crate) fn allows(&self, stream: &str, shard: &str, read: bool) -> bool {
        self.with(|state| {
            if !state.shards.limited {
                return true;
            }
            let place = (stream.to_owned(), shard.to_owned());
            let limits = state.shards.limits.entry(place).or_default();
            if read { limits.read(Instant::now()) } else { limits.iterator(Instant::now()) }
        })
    }

    /// Notes how much an answer brought.
    pub(crate) fn gave(&self, stream: &str, shard: &str, bytes: usize, full: bool) {
        self.with(|state| {
            let place = (stream.to_owned(), shard.to_owned());
            if let Some(limits) = state.shards.limits.get_mut(&place) {
                limits.answered(Instant::now(), bytes, full);
            }
        });
    }
}
