//! Tables equal those of their source: random histories of rows and tables, as records of AWS DMS, into each database.
//!
//! The histories are those of `change_model`. Here they are decoded and handed to a target as the loop does it, in batches of any
//! size, and again and again over a target that was just opened; where nothing remembers how far a shard is, some of them
//! come twice, or all of them from some point on. In `changes_run` they go through the program.
//!
//! A history that fails is cut down, and shown with its seed. `CTK_TEST_CHANGES_SEED=7` runs this one alone
//! (`7-90`: these), and `CTK_TEST_CHANGES_STEPS=2000` makes each a long one.

use std::{collections::VecDeque, fmt::Write as _, sync::Arc};

use ctk_decode::{DecodeOptions, Decoder};
use ctk_flow::{Allowance, Decode as _, Position, Record, Sequence, ShardId, Target};

use ctk_test_support::postgres::Postgres;

use crate::{
    change_model::{Event, OPTIONS, Settings, Source, steps},
    ledger::Plan,
};

#[path = "changes_equal/compare.rs"]
mod compare;
#[path = "changes_equal/cratedb.rs"]
pub(crate) mod cratedb;
#[path = "changes_equal/postgres.rs"]
pub(crate) mod postgres;
#[path = "changes_equal/sqlite.rs"]
pub(crate) mod sqlite;

pub(crate) use self::compare::{Raw, compare};

const STEPS: usize = 120;
const SEED_VARIABLE: &str = "CTK_TEST_CHANGES_SEED";
const STEPS_VARIABLE: &str = "CTK_TEST_CHANGES_STEPS";

/// How many histories are tried to find a shorter one.
const TRIES: usize = 400;

/// A database under test.
pub(crate) trait Place: Sized {
    type Target: Target;

    /// Opens it as a run of the program does.
    async fn open(&self) -> Self::Target;

    /// Returns all tables, and the dead letters.
    async fn read(&self, source: &Source) -> (Raw, String);
}

/// Runs histories, one of them in each new place.
#[expect(
    clippy::disallowed_methods,
    reason = "a longer look is asked for on the command line of the tests"
)]
async fn check<P: Place>(settings: Settings, seeds: u64, place: impl AsyncFn() -> P) {
    let all = 1..=seeds;
    let seeds = std::env::var(SEED_VARIABLE).map_or(all, |seeds| {
        let (first, last) = seeds.split_once('-').unwrap_or((&seeds, &seeds));
        first.parse().unwrap()..=last.parse().unwrap()
    });
    let count = std::env::var(STEPS_VARIABLE).map_or(STEPS, |steps| steps.parse().unwrap());
    let mut failed = Vec::new();
    for seed in seeds {
        let (settings, history) = (settings.vary(seed), steps(seed, count));
        if run(&place().await, settings, &history).await.is_err() {
            eprintln!("seed {seed} fails");
            failed.push((seed, settings, history));
        }
    }
    if let Some((seed, settings, history)) = failed.into_iter().next() {
        let history = cut_down(settings, history, &place).await;
        let why = run(&place().await, settings, &history).await.unwrap_err();
        panic!("seed {seed}, {settings:?}, steps {history:?}\n{why}");
    }
}

/// Returns a history that fails as well, and is shorter.
async fn cut_down<P: Place>(
    settings: Settings,
    mut history: Vec<u64>,
    place: &impl AsyncFn() -> P,
) -> Vec<u64> {
    let mut tries = 0;
    let mut length = history.len() / 2;
    while length > 0 && tries < TRIES {
        let mut at = 0;
        while at < history.len() && tries < TRIES {
            let mut shorter = history.clone();
            shorter.drain(at..(at + length).min(history.len()));
            tries += 1;
            match run(&place().await, settings, &shorter).await {
                Ok(()) => at += length,
                Err(_) => history = shorter,
            }
        }
        length /= 2;
    }
    history
}

/// Runs a history. What went wrong is told with all records that were handed in.
///
/// The step says what is done after it, too, so that this stays as it is when others are left out.
async fn run<P: Place>(place: &P, settings: Settings, history: &[u64]) -> Result<(), String> {
    let mut source = Source::new(settings);
    let options = DecodeOptions { whole_updates: settings.whole_updates, ..OPTIONS };
    let (events, said) = (Vec::new(), String::new());
    let mut run = Run { events, said, options, plan: Plan(0), done: 0 };
    let mut target = place.open().await;
    for (number, step) in history.iter().enumerate() {
        run.events.extend(source.step(*step));
        run.plan = Plan(!step);
        let is_last = number + 1 == history.len();
        if !run.plan.one_in(15) && !is_last {
            continue;
        }
        let from = run.done;
        run.hand_in(&target, from).await?;
        if settings.replays && run.plan.one_in(5) {
            run.hand_in(&target, from).await?;
        }
        if settings.replays && run.plan.one_in(8) {
            let back = run.plan.below(1 + run.events.len() as u64);
            let back = if run.plan.one_in(2) { back } else { back.min(40) };
            let from = run.events.len() - usize::try_from(back).unwrap();
            run.hand_in(&target, from).await?;
        }
        if is_last || run.plan.one_in(4) {
            target.close().await.map_err(|failure| failure.to_string())?;
            let (raw, letters) = place.read(&source).await;
            let why = compare(&source.expected(), &raw).unwrap_or_default();
            // What comes again after its table is another one may be refused, and is done already.
            if !why.is_empty() || !(letters.is_empty() || settings.replays) {
                return Err(format!("{}\n{why}\ndead letters:\n{letters}", run.said));
            }
            target = place.open().await;
        }
    }
    target.close().await.map_err(|failure| failure.to_string())
}

struct Run {
    events: Vec<Event>,
    said: String,
    options: DecodeOptions,
    plan: Plan,
    /// How many records were handed in.
    done: usize,
}

impl Run {
    /// Hands in all records from one on, in batches.
    async fn hand_in(&mut self, target: &impl Target, from: usize) -> Result<(), String> {
        let mut at = from;
        while at < self.events.len() {
            let length = 1 + usize::try_from(self.plan.below(30)).unwrap();
            let end = (at + length).min(self.events.len());
            writeln!(self.said, "-- a batch, from record {at}").unwrap();
            for event in &self.events[at..end] {
                writeln!(self.said, "{}", event.shown()).unwrap();
            }
            commit(target, self.options, at, &self.events[at..end])
                .await
                .map_err(|why| format!("{}{why}", self.said))?;
            at = end;
        }
        self.done = self.events.len();
        Ok(())
    }
}

/// Decodes records, and hands them in.
async fn commit(
    target: &impl Target,
    options: DecodeOptions,
    first: usize,
    events: &[Event],
) -> Result<(), String> {
    let record = |(number, event): (usize, &Event)| Record {
        data: event.record.clone().into_bytes(),
        sequence: Sequence::new((first + number + 1).to_string()),
        partition_key: Some(event.partition_key()),
        arrived_at: None,
        done: 0,
    };
    let mut records: VecDeque<_> = events.iter().enumerate().map(record).collect();
    let shard = ShardId::new("shardId-000000000000");
    let changes = Decoder::new(options).decode(&shard, &mut records, Allowance::ALL).changes;
    let upto = Position {
        sequence: Some(Sequence::new((first + events.len()).to_string())),
        ..Position::new(shard)
    };
    let committed = target.commit(changes, upto).await.map_err(|failure| failure.to_string())?;
    if committed.written + committed.dead_lettered != events.len() as u64 {
        return Err(format!("of {} records: {committed:?}", events.len()));
    }
    Ok(())
}

#[tokio::test]
async fn sqlite() {
    check(Settings::USUAL, 12, async || sqlite::Sqlite::new()).await;
}

#[tokio::test]
async fn sqlite_with_replays() {
    check(Settings::REPLAYED, 8, async || sqlite::Sqlite::new()).await;
}

#[tokio::test]
async fn sqlite_in_both_layouts() {
    check(Settings::USUAL, 6, async || sqlite::Sqlite::with(sqlite::mixed())).await;
}

#[tokio::test]
async fn sqlite_in_both_layouts_with_replays() {
    check(Settings::REPLAYED, 4, async || sqlite::Sqlite::with(sqlite::mixed())).await;
}

#[tokio::test]
async fn postgresql() {
    let server = Arc::new(Postgres::start().await.unwrap());
    check(Settings::USUAL, 4, async || postgres::PostgreSql::new(&server)).await;
}

#[tokio::test]
async fn postgresql_with_replays() {
    let server = Arc::new(Postgres::start().await.unwrap());
    check(Settings::REPLAYED, 3, async || postgres::PostgreSql::new(&server)).await;
}

/// The address names a schema, so that tables of two schemas meet in it; some of them are in the universal layout.
#[tokio::test]
async fn postgresql_in_a_schema() {
    let server = Arc::new(Postgres::start().await.unwrap());
    check(Settings::USUAL, 2, async || postgres::PostgreSql::in_schema(&server)).await;
}

#[tokio::test]
async fn cratedb() {
    check(Settings::USUAL, 4, cratedb::Crate::new).await;
}

#[tokio::test]
async fn cratedb_with_replays() {
    check(Settings::REPLAYED, 4, cratedb::Crate::new).await;
}
