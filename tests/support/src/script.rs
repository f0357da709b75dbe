//! What a test writes beforehand: faults, claims, limits, and the sizes of pages.

mod chaos;
mod fault;
mod limits;
mod shards;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::HeaderValue;

use self::{chaos::Chaos, shards::Shards};

pub use fault::{Claim, Fault};
pub(crate) use limits::LARGEST_ANSWER;

/// The faults of a server, shared with the test that writes them.
#[derive(Clone, Debug, Default)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: HashMap<String, u64>,
    at: HashMap<(String, u64), Fault>,
    every: HashMap<String, (u64, Fault)>,
    always: HashMap<String, Fault>,
    chaos: Option<Chaos>,
    answers: Answers,
    date: Option<HeaderValue>,
    listing: Listing,
    shards: Shards,
}

/// How answers of `GetRecords` are changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Answers {
    pub(crate) claim: Claim,
    pub(crate) endless: bool,
    pub(crate) page: Option<usize>,
    pub(crate) null_at_end: bool,
    pub(crate) child_shards: bool,
    pub(crate) without_keys: bool,
}

impl Answers {
    /// Returns whether answers of the emulator pass as they are.
    pub(crate) fn change_nothing(self) -> bool {
        let Self { claim, endless, page: _, null_at_end, child_shards, without_keys } = self;
        claim == Claim::Zero && !(endless || null_at_end || child_shards || without_keys)
    }
}

/// How a listing of shards is paged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listing {
    pub(crate) page: Option<usize>,
    pub(crate) disorder: bool,
}

impl Script {
    /// Lets the n-th call of `operation` from now on (1 is the next) meet a fault.
    pub fn fault(&self, operation: &str, nth: u64, fault: Fault) {
        self.with(|state| {
            let made = state.calls.get(operation).copied().unwrap_or(0);
            state.at.insert((operation.to_owned(), made + nth), fault);
        });
    }

    /// Lets every n-th call of `operation` meet a fault.
    pub fn fault_every(&self, operation: &str, nth: u64, fault: Fault) {
        self.with(|state| state.every.insert(operation.to_owned(), (nth, fault)));
    }

    /// Lets all calls of `operation` meet a fault, until [`Self::heal`].
    pub fn fault_always(&self, operation: &str, fault: Fault) {
        self.with(|state| state.always.insert(operation.to_owned(), fault));
    }

    /// Lets one in so many calls of `GetRecords`, `GetShardIterator` and `ListShards` meet a fault by chance: throttles, also
    /// of KMS, internal errors, expired iterators and tokens, broken, cut and refused answers, pages that come again, answers
    /// that are late or empty. The same seed brings the same faults to the same calls. Other faults of the script go first.
    pub fn chaos(&self, seed: u64, one_in: u64) {
        self.with(|state| state.chaos = Some(Chaos { seed, one_in }));
    }

    /// Forgets all faults, chaos, stuck shards and empty answers to come.
    pub fn heal(&self) {
        self.with(|state| {
            state.at.clear();
            state.every.clear();
            state.always.clear();
            state.chaos = None;
            state.shards.heal();
        });
    }

    /// Sets what answers claim about `MillisBehindLatest`.
    pub fn claim(&self, claim: Claim) {
        self.with(|state| state.answers.claim = claim);
    }

    /// Never says that a closed shard is read to its end, as some servers do: its iterators go on for ever, and empty.
    pub fn closed_shards_never_end(&self) {
        self.with(|state| state.answers.endless = true);
    }

    /// Ends a closed shard with a `NextShardIterator` of null, where it is missing else. AWS documents null
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>); both are seen.
    pub fn null_at_the_end(&self, on: bool) {
        self.with(|state| state.answers.null_at_end = on);
    }

    /// Names the children of a closed shard in the answer that ends it
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ChildShard.html>).
    pub fn child_shards(&self, on: bool) {
        self.with(|state| state.answers.child_shards = on);
    }

    /// Leaves the partition keys out of records, as a stream that spreads its records itself
    /// (<https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-considerations.html>).
    pub fn no_partition_keys(&self, on: bool) {
        self.with(|state| state.answers.without_keys = on);
    }

    /// Lets the clock of the service show another time in the `Date` of answers, as `Fri, 01 Jan 2100 00:00:00 GMT`.
    pub fn date(&self, date: &'static str) {
        self.with(|state| state.date = Some(HeaderValue::from_static(date)));
    }

    /// Returns at most this many records per answer, whatever the caller allows.
    pub fn records_per_answer(&self, records: usize) {
        self.with(|state| state.answers.page = Some(records));
    }

    /// Lists at most this many shards per page, whatever the caller asks for.
    pub fn shards_per_page(&self, shards: usize) {
        self.with(|state| state.listing.page = Some(shards));
    }

    /// Lists the youngest shards first, so children before their parents, and each page begins with the last shard of the
    /// page before. AWS promises no order
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html>). A listing that begins behind a certain
    /// shard (`ExclusiveStartShardId`) stays in order.
    pub fn list_pages_in_disorder(&self, on: bool) {
        self.with(|state| state.listing.disorder = on);
    }

    /// Returns how many calls of `operation` came over the socket so far.
    pub fn calls(&self, operation: &str) -> u64 {
        self.with(|state| state.calls.get(operation).copied().unwrap_or(0))
    }

    /// Returns how answers of `GetRecords` are changed.
    pub(crate) fn answers(&self) -> Answers {
        self.with(|state| state.answers)
    }

    /// Returns how listings are paged.
    pub(crate) fn listing(&self) -> Listing {
        self.with(|state| state.listing)
    }

    /// Returns the date that answers bear.
    pub(crate) fn said_date(&self) -> Option<HeaderValue> {
        self.with(|state| state.date.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts a call, and returns what it meets. `has_token` tells the later pages of a listing.
    pub(crate) fn next_fault(&self, operation: &str, has_token: bool) -> Option<Fault> {
        self.with(|state| {
            let calls = state.calls.entry(operation.to_owned()).or_default();
            *calls += 1;
            let call = *calls;
            let every = state
                .every
                .get(operation)
                .filter(|(nth, _)| call % nth == 0)
                .map(|(_, fault)| fault.clone());
            state
                .at
                .remove(&(operation.to_owned(), call))
                .or(every)
                .or_else(|| state.always.get(operation).cloned())
                .or_else(|| state.chaos.and_then(|chaos| chaos.fault(operation, call, has_token)))
        })
    }
}
