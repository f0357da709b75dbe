//! A made-up stream and target, which count every call and fail at the one that the test names.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::MutexGuard,
};

use super::*;
use crate::{
    changes::{Changes, Value},
    dead_letter::Origin,
    ledger::Totals,
    ports::{Allowance, Committed, Decoded, Next},
    record::{Part, Position, Record, Sequence},
};

/// A record holds so many units, and becomes so many rows.
pub(super) const UNITS: u64 = 3;
/// So many are decoded at once, at most.
const PIECE: u64 = 4;

/// The call that fails, counted over all fakes and all runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) call: u64,
    pub(super) how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// An error, and nothing happened.
    Before,
    /// An error, though it happened.
    After,
    /// No answer ever; whether it happened is another matter: here it did not.
    Dropped,
}

#[derive(Clone, Debug)]
struct Shard {
    parents: Vec<String>,
    records: u64,
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    fault: Option<Fault>,
    happened: bool,
    stop_at: Option<u64>,
    stop: CancellationToken,
    transactional: bool,
    lose: bool,
    shards: BTreeMap<String, Shard>,
    /// What a plain table without a key would hold: shard and number of the unit, from 1 on.
    rows: Vec<(String, u64)>,
    /// How many units are done, and whether that is all.
    saved: BTreeMap<String, (u64, bool)>,
    claimed: BTreeSet<String>,
    broken: CancellationToken,
}

/// Everything that outlives a run.
#[derive(Clone, Debug)]
pub(super) struct World(Arc<Mutex<State>>);

impl World {
    /// Two shards that merge into a third, which splits into two; records in all of them, and an empty one.
    pub(super) fn with_reshards(transactional: bool, fault: Option<Fault>) -> Self {
        let world = Self(Arc::new(Mutex::new(State { fault, transactional, ..State::default() })));
        world.add_shard("a", &[], 9);
        world.add_shard("b", &[], 6);
        world.add_shard("merged", &["a", "b"], 3);
        world.add_shard("left", &["merged"], 5);
        world.add_shard("right", &["merged"], 0);
        world
    }

    pub(super) fn add_shard(&self, id: &str, parents: &[&str], records: u64) {
        let parents = parents.iter().map(|parent| (*parent).to_owned()).collect();
        self.state().shards.insert(id.to_owned(), Shard { parents, records });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(super) fn plan() -> Plan {
        Plan {
            budget: Budget::new(1 << 20),
            read_bytes: 1000,
            until: None,
            max_records: None,
            relist: None,
        }
    }

    pub(super) async fn run(&self, plan: Plan) -> Result<Totals, RunError> {
        let source = FakeSource { world: self.clone(), handed_out: BTreeSet::new() };
        self.run_on(source, plan).await
    }

    pub(super) async fn run_on(&self, source: impl Source, plan: Plan) -> Result<Totals, RunError> {
        let stop = self.state().stop.clone();
        let ledger = Arc::new(Ledger::default());
        let run = Run::new(
            FakeDecode,
            self.clone(),
            Arc::new(self.clone()),
            plan,
            &stop,
            Arc::clone(&ledger),
        );
        run.run(source).await?;
        assert!(ledger.totals().balance());
        Ok(ledger.totals())
    }

    /// One call of any fake: does `effect`, unless this is the call that fails.
    async fn call<T>(&self, effect: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let how = {
            let mut state = self.state();
            state.calls += 1;
            if state.stop_at == Some(state.calls) {
                state.stop.cancel();
            }
            match state.fault {
                Some(fault) if fault.call == state.calls => {
                    state.happened = true;
                    fault.how
                }
                _ => return Ok(effect(&mut state)),
            }
        };
        match how {
            How::Before => {}
            How::After => drop(effect(&mut self.state())),
            How::Dropped => std::future::pending().await,
        }
        Err("the fault of the script".into())
    }

    pub(super) fn fault_happened(&self) -> bool {
        self.state().happened
    }

    pub(super) fn fail_in(&self, calls: u64, how: How) {
        let mut state = self.state();
        state.fault = Some(Fault { call: state.calls + calls, how });
    }

    pub(super) fn stop_in(&self, calls: u64) {
        let mut state = self.state();
        state.stop_at = Some(state.calls + calls);
    }

    pub(super) fn never_stop(&self) {
        let mut state = self.state();
        (state.stop_at, state.stop) = (None, CancellationToken::new());
    }

    pub(super) fn stop_token(&self) -> CancellationToken {
        self.state().stop.clone()
    }

    /// When it is cancelled, the target says that it takes nothing any more.
    pub(super) fn broken(&self) -> CancellationToken {
        self.state().broken.clone()
    }

    pub(super) fn lose_a_row(&self) {
        self.state().lose = true;
    }

    pub(super) fn all_released(&self) -> bool {
        self.state().claimed.is_empty()
    }

    pub(super) fn units(&self) -> usize {
        let units = |shard: &Shard| usize::try_from(shard.records * UNITS).unwrap();
        self.state().shards.values().map(units).sum()
    }

    pub(super) fn rows(&self) -> usize {
        self.state().rows.len()
    }

    /// Asserts what a run to the end must leave: every record, once, in order, children after parents.
    pub(super) fn check(&self, what: &str) {
        let state = self.state();
        let mut rows = state.rows.clone();
        if !state.transactional {
            // At least once; the key of the row absorbs the rest.
            let mut seen = BTreeSet::new();
            rows.retain(|row| seen.insert(row.clone()));
        }
        for (id, shard) in &state.shards {
            let of_shard: Vec<u64> =
                rows.iter().filter(|(row, _)| row == id).map(|(_, number)| *number).collect();
            let expected: Vec<u64> = (1..=shard.records * UNITS).collect();
            assert_eq!(of_shard, expected, "{what}: shard {id}");
            let first = rows.iter().position(|(row, _)| row == id).unwrap_or(usize::MAX);
            for parent in &shard.parents {
                let last = rows.iter().rposition(|(row, _)| row == parent).unwrap_or(0);
                assert!(
                    last < first,
                    "{what}: {id} was read before its parent {parent} was written"
                );
            }
            assert_eq!(
                state.saved.get(id),
                Some(&(shard.records * UNITS, true)),
                "{what}: position of {id}"
            );
        }
    }
}

struct FakeSource {
    world: World,
    handed_out: BTreeSet<String>,
}

impl Source for FakeSource {
    type Reader = FakeReader;

    async fn readers(&mut self) -> Result<Vec<FakeReader>, Failure> {
        let world = self.world.clone();
        let handed_out = &mut self.handed_out;
        self.world
            .call(|state| {
                let finished = |id: &String| state.saved.get(id).is_some_and(|saved| saved.1);
                let ready = state.shards.iter().filter(|(id, shard)| {
                    !finished(id) && !handed_out.contains(*id) && shard.parents.iter().all(finished)
                });
                let ready: Vec<_> = ready.map(|(id, shard)| (id.clone(), shard.records)).collect();
                handed_out.extend(ready.iter().map(|(id, _)| id.clone()));
                let reader = |(id, end): (String, u64)| FakeReader {
                    world: world.clone(),
                    shard: ShardId::new(&id),
                    done: state.saved.get(&id).map_or(0, |saved| saved.0),
                    end,
                };
                ready.into_iter().map(reader).collect()
            })
            .await
    }

    fn finished(&mut self, shard: &ShardId) {
        assert!(self.handed_out.contains(shard.as_str()));
    }
}

struct FakeReader {
    world: World,
    shard: ShardId,
    /// Units that are done.
    done: u64,
    end: u64,
}

impl Reader for FakeReader {
    fn shard(&self) -> &ShardId {
        &self.shard
    }

    /// Two records at a time, with an empty answer in between; the last one comes with the end of the shard.
    async fn read(&mut self) -> Result<Answer, Failure> {
        let (whole, part, end) = (self.done / UNITS, self.done % UNITS, self.end);
        let upto = (whole + 2).min(end);
        let record = |number: u64| Record {
            data: number.to_string().into_bytes(),
            sequence: Sequence::new(number.to_string()),
            partition_key: None,
            arrived_at: Some(Millis::try_from(number).unwrap()),
            done: if number == whole + 1 { u32::try_from(part).unwrap() } else { 0 },
        };
        let wait = Duration::from_secs(u64::from(upto % 4 == 0));
        let next = if upto == end { Next::Closed } else { Next::Read { wait } };
        let records = (whole + 1..=upto).map(record).collect();
        self.world.call(|_| ()).await?;
        self.done = upto * UNITS;
        Ok(Answer { records, ..Answer::nothing(next) })
    }
}

#[derive(Debug)]
struct FakeDecode;

impl Decode for FakeDecode {
    fn decode(
        &self,
        shard: &ShardId,
        records: &mut VecDeque<Record>,
        allowance: Allowance,
    ) -> Decoded {
        let mut changes = Changes::new(shard.clone(), records.len(), 0);
        let column = changes.column("number");
        let (mut upto, mut part) = (None, None);
        while let Some(record) = records.front_mut() {
            let sequence = record.sequence.clone();
            let number: u64 = sequence.as_str().parse().unwrap();
            let origin = Origin { sequence, partition_key: None, arrived_at: record.arrived_at };
            changes.push_origin(origin);
            while u64::from(record.done) < UNITS && changes.units() < PIECE.min(allowance.units) {
                changes.unit();
                record.done += 1;
                let unit = (number - 1) * UNITS + u64::from(record.done);
                changes.cell(column, Value::Integer(unit.cast_signed()));
                changes.end_row(record.done - 1);
            }
            if u64::from(record.done) < UNITS {
                part = (record.done > 0).then(|| Part {
                    sequence: record.sequence.clone(),
                    units: record.done,
                    form: 0,
                });
                break;
            }
            upto = records.pop_front().map(|record| record.sequence);
        }
        Decoded { changes, upto, part }
    }
}

impl Target for World {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        let id = upto.shard.to_string();
        let rows: Vec<_> = changes
            .rows()
            .map(|row| match row.cells().next() {
                Some((_, Value::Integer(number))) => (id.clone(), u64::try_from(number).unwrap()),
                other => panic!("{other:?}"),
            })
            .collect();
        let number = |sequence: &Sequence| sequence.as_str().parse::<u64>().unwrap();
        let position = match (&upto.part, &upto.sequence) {
            (Some(part), _) => Some((number(&part.sequence) - 1) * UNITS + u64::from(part.units)),
            (None, sequence) => sequence.as_ref().map(|sequence| number(sequence) * UNITS),
        };
        let save = move |state: &mut State| {
            let saved = state.saved.entry(id).or_default();
            assert!(
                position.is_none_or(|position| position > saved.0),
                "a position went backwards"
            );
            *saved = (position.unwrap_or(saved.0), upto.finished);
        };
        let written = rows.len() as u64 - u64::from(self.state().lose && !rows.is_empty());
        if self.state().transactional {
            let write = |state: &mut State| {
                state.rows.extend(rows);
                save(state);
            };
            self.call(write).await?;
        } else {
            self.call(|state| state.rows.extend(rows)).await?;
            self.call(save).await?;
        }
        Ok(Committed { written, ..Committed::default() })
    }

    async fn failed(&self) -> Failure {
        self.broken().cancelled().await;
        "broken".into()
    }

    async fn close(&self) -> Result<(), Failure> {
        self.call(|_| ()).await
    }
}

impl Claims for World {
    async fn claim(&self, shard: &ShardId, _: Option<Millis>) -> Result<(), Failure> {
        self.call(|state| state.claimed.insert(shard.to_string())).await.map(drop)
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        self.call(|state| state.claimed.remove(shard.as_str())).await.map(drop)
    }
}
