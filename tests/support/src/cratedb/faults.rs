//! What a test writes beforehand: faults of requests over the socket, and what it may count afterwards.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::time::Instant;

use super::lock;

/// How many statements are remembered.
const REMEMBERED: usize = 10_000;

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks before the request is applied.
    Reset,
    /// An answer with this HTTP status and a text that is no JSON, as from a proxy. Nothing is applied.
    Status(u16),
    /// The request is applied, then the connection breaks.
    LoseAnswer,
    /// An answer with status 200, and each row has failed with this code. Nothing is applied. A request that has no rows is
    /// refused with the code.
    RowsFail(u32),
    /// The request is refused as a whole with this code.
    TopLevel(u32),
}

/// The faults of a server, shared with the test that writes them. They concern requests over the socket alone.
#[derive(Clone, Debug)]
pub struct Faults(Arc<Mutex<Script>>);

#[derive(Debug)]
struct Script {
    random: u64,
    every: Option<u64>,
    /// Faults with the percentage of requests that meet them.
    shares: Vec<(Fault, u32)>,
    rows_fail: Option<(Instant, u32)>,
    top_level: Option<(Instant, u32)>,
    /// By the number of the bulk request.
    bulk_faults: HashMap<u64, Fault>,
    hang: Option<Duration>,
    before: Option<String>,
    requests: u64,
    /// Those of them that were statements.
    asked: u64,
    bulk_requests: u64,
    largest_bulk: usize,
    gzipped: u64,
    statements: Vec<String>,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Script {
            random: seed,
            every: None,
            shares: Vec::new(),
            rows_fail: None,
            top_level: None,
            bulk_faults: HashMap::new(),
            hang: None,
            before: None,
            requests: 0,
            asked: 0,
            bulk_requests: 0,
            largest_bulk: 0,
            gzipped: 0,
            statements: Vec::new(),
        })))
    }

    /// Breaks the connection of every n-th statement since the start before it is applied.
    pub fn reset_every(&self, nth: u64) {
        self.with(|script| script.every = (nth > 0).then_some(nth));
    }

    /// Breaks the connections of so many requests in a hundred before they are applied.
    pub fn reset_share(&self, percent: u32) {
        self.with(|script| script.shares.push((Fault::Reset, percent)));
    }

    /// Answers so many requests in a hundred with an HTTP status, as a proxy does.
    pub fn status_share(&self, status: u16, percent: u32) {
        self.with(|script| script.shares.push((Fault::Status(status), percent)));
    }

    /// Applies so many requests in a hundred and breaks their connections then.
    pub fn lose_answer_share(&self, percent: u32) {
        self.with(|script| script.shares.push((Fault::LoseAnswer, percent)));
    }

    /// Lets all rows of bulk requests fail for a while, with status 200, as a table does that takes no writes.
    pub fn rows_fail_for(&self, time: Duration, code: u32) {
        self.with(|script| script.rows_fail = Some((Instant::now() + time, code)));
    }

    /// Refuses all requests for a while.
    pub fn top_level_fail_for(&self, time: Duration, code: u32) {
        self.with(|script| script.top_level = Some((Instant::now() + time, code)));
    }

    /// Lets the next bulk request meet a fault.
    pub fn next_bulk(&self, fault: Fault) {
        self.nth_bulk(1, fault);
    }

    /// Lets the n-th bulk request from now on (1 is the next) meet a fault.
    pub fn nth_bulk(&self, nth: u64, fault: Fault) {
        self.with(|script| script.bulk_faults.insert(script.bulk_requests + nth, fault));
    }

    /// Holds the next request back for a while before it is applied.
    pub fn hang_next(&self, time: Duration) {
        self.with(|script| script.hang = Some(time));
    }

    /// Runs a statement in process right before the next bulk request is applied: another writer that gets in between.
    pub fn before_next_bulk(&self, statement: &str) {
        self.with(|script| script.before = Some(statement.to_owned()));
    }

    /// Forgets all faults.
    pub fn heal(&self) {
        self.with(|script| {
            script.every = None;
            script.shares.clear();
            script.rows_fail = None;
            script.top_level = None;
            script.bulk_faults.clear();
            script.hang = None;
            script.before = None;
        });
    }

    /// Returns how many requests came over the socket.
    pub fn requests(&self) -> u64 {
        self.with(|script| script.requests)
    }

    /// Returns how many of them had `bulk_args`.
    pub fn bulk_requests(&self) -> u64 {
        self.with(|script| script.bulk_requests)
    }

    /// Returns the number of rows of the largest one of those.
    pub fn largest_bulk(&self) -> usize {
        self.with(|script| script.largest_bulk)
    }

    /// Returns how many requests were compressed.
    pub fn gzipped(&self) -> u64 {
        self.with(|script| script.gzipped)
    }

    /// Returns the statements that came over the socket, without arguments, the first ten thousand of them.
    pub fn statements(&self) -> Vec<String> {
        self.with(|script| script.statements.clone())
    }

    pub(super) fn count_request(&self) {
        self.with(|script| script.requests += 1);
    }

    pub(super) fn count_gzipped(&self) {
        self.with(|script| script.gzipped += 1);
    }

    /// Returns how long the present request is held back.
    pub(super) fn hang(&self) -> Option<Duration> {
        self.with(|script| script.hang.take())
    }

    /// Notes a statement, and returns what it meets and what another writer does before it.
    pub(super) fn next(
        &self,
        statement: &str,
        bulk: Option<usize>,
    ) -> (Option<Fault>, Option<String>) {
        self.with(|script| {
            if script.statements.len() < REMEMBERED {
                script.statements.push(statement.to_owned());
            }
            script.asked += 1;
            if let Some(rows) = bulk {
                script.bulk_requests += 1;
                script.largest_bulk = script.largest_bulk.max(rows);
            }
            let fault = script.fault(bulk.is_some());
            // Who is not applied is overtaken by nobody.
            let is_applied = bulk.is_some() && matches!(fault, None | Some(Fault::LoseAnswer));
            (fault, if is_applied { script.before.take() } else { None })
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Script) -> T) -> T {
        act(&mut lock(&self.0))
    }
}

impl Script {
    fn fault(&mut self, is_bulk: bool) -> Option<Fault> {
        // Drawn for each request, so that a fault that is met for another reason does not shift those that follow.
        let drawn = self.draw();
        if is_bulk && let Some(fault) = self.bulk_faults.remove(&self.bulk_requests) {
            return Some(fault);
        }
        let now = Instant::now();
        if let Some((until, code)) = self.top_level
            && now < until
        {
            return Some(Fault::TopLevel(code));
        }
        if let Some((until, code)) = self.rows_fail
            && now < until
            && is_bulk
        {
            return Some(Fault::RowsFail(code));
        }
        if self.every.is_some_and(|nth| self.asked.is_multiple_of(nth)) {
            return Some(Fault::Reset);
        }
        let mut below = 0;
        self.shares.iter().find_map(|(fault, percent)| {
            below += percent;
            (drawn < below).then_some(*fault)
        })
    }

    /// Returns a number below 100 (splitmix64, <https://prng.di.unimi.it/splitmix64.c>).
    fn draw(&mut self) -> u32 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % 100).unwrap_or_default()
    }
}
