//! What a test writes beforehand: faults, claims, and the sizes of pages.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::HeaderValue;

/// What the n-th call of an operation meets.
#[derive(Clone, Debug)]
pub enum Fault {
    /// An answer with this status and this error code.
    Error {
        /// The HTTP status.
        status: u16,
        /// The code, as `ExpiredIteratorException`.
        code: &'static str,
    },
    /// The connection breaks in the middle of the answer. The call took effect.
    Drop,
}

impl Fault {
    /// Too many calls for this shard.
    pub const THROTTLED: Self =
        Self::Error { status: 400, code: "ProvisionedThroughputExceededException" };
    /// The iterator is older than five minutes.
    pub const EXPIRED_ITERATOR: Self =
        Self::Error { status: 400, code: "ExpiredIteratorException" };
    /// The token of a listing is older than five minutes.
    pub const EXPIRED_TOKEN: Self = Self::Error { status: 400, code: "ExpiredNextTokenException" };
    /// Something broke in the service.
    pub const INTERNAL: Self = Self::Error { status: 500, code: "InternalFailure" };
}

/// What answers claim about the distance to the tip of the shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// 0 ms in every answer, as the emulator says.
    #[default]
    Zero,
    /// The age of the next unread record, 0 when there is none; and a closed shard ends with its last records, where the
    /// emulator sends one more answer without any. Costs a second read.
    Honest,
    /// This many milliseconds in empty answers, 0 in others.
    EmptyAnswers(u64),
    /// No claim at all.
    Absent,
}

/// The faults of a server, shared with the test that writes them.
#[derive(Clone, Debug, Default)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    calls: HashMap<String, u64>,
    at: HashMap<(String, u64), Fault>,
    every: HashMap<String, (u64, Fault)>,
    always: HashMap<String, Fault>,
    claim: Claim,
    endless: bool,
    date: Option<HeaderValue>,
    page: Option<usize>,
    shards_per_page: Option<usize>,
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

    /// Forgets all faults.
    pub fn heal(&self) {
        self.with(|state| {
            state.at.clear();
            state.every.clear();
            state.always.clear();
        });
    }

    /// Sets what answers claim about `MillisBehindLatest`.
    pub fn claim(&self, claim: Claim) {
        self.with(|state| state.claim = claim);
    }

    /// Never says that a closed shard is read to its end, as some servers do: its iterators go on for ever, and empty.
    pub fn closed_shards_never_end(&self) {
        self.with(|state| state.endless = true);
    }

    /// Lets the clock of the service show another time in the `Date` of answers, as `Fri, 01 Jan 2100 00:00:00 GMT`.
    pub fn date(&self, date: &'static str) {
        self.with(|state| state.date = Some(HeaderValue::from_static(date)));
    }

    /// Returns at most this many records per answer, whatever the caller allows.
    pub fn records_per_answer(&self, records: usize) {
        self.with(|state| state.page = Some(records));
    }

    /// Lists at most this many shards per page, whatever the caller asks for.
    pub fn shards_per_page(&self, shards: usize) {
        self.with(|state| state.shards_per_page = Some(shards));
    }

    /// Returns how many calls of `operation` came over the socket so far.
    pub fn calls(&self, operation: &str) -> u64 {
        self.with(|state| state.calls.get(operation).copied().unwrap_or(0))
    }

    /// Returns how answers of `GetRecords` are changed.
    pub(crate) fn answers(&self) -> Answers {
        self.with(|state| Answers { claim: state.claim, endless: state.endless, page: state.page })
    }

    /// Returns the size of a page of shards.
    pub(crate) fn page_of_shards(&self) -> Option<usize> {
        self.with(|state| state.shards_per_page)
    }

    /// Returns the date that answers bear.
    pub(crate) fn said_date(&self) -> Option<HeaderValue> {
        self.with(|state| state.date.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn next_fault(&self, operation: &str) -> Option<Fault> {
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
        })
    }
}

/// How answers of `GetRecords` are changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answers {
    pub(crate) claim: Claim,
    pub(crate) endless: bool,
    pub(crate) page: Option<usize>,
}
