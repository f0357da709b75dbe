//! Group commit with a writer that only notes what it is asked.

use std::collections::HashSet;

use ctk_flow::{Origin, Sequence, Value};
use tokio::sync::Semaphore;

use super::*;

/// Writes into a list; waits for a permit before each write.
struct Fake {
    name: &'static str,
    written: Arc<Mutex<Vec<String>>>,
    turns: Arc<Semaphore>,
    /// Shards whose batches are refused, alone or with others.
    bad: HashSet<&'static str>,
}

impl Writer for Fake {
    async fn write(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        self.turns.acquire().await.map_err(|_| SinkError::Gone)?.forget();
        let shards: Vec<_> = group.iter().map(|delivery| delivery.upto.shard.as_str()).collect();
        if let Some(bad) = shards.iter().find(|shard| self.bad.contains(**shard)) {
            return Err(SinkError::NoTable { table: (*bad).to_owned() });
        }
        let text = format!("{}: {}", self.name, shards.join(" "));
        self.written.lock().unwrap().push(text);
        let committed = |delivery: &Delivery| Committed {
            written: delivery.changes.len() as u64,
            ..Committed::default()
        };
        Ok(group.iter().map(committed).collect())
    }

    async fn claim(&mut self, shard: &ShardId, _: Option<Millis>) -> Result<(), SinkError> {
        self.written.lock().unwrap().push(format!("claim {shard}"));
        Ok(())
    }

    async fn release(&mut self, shard: &ShardId) -> Result<(), SinkError> {
        self.written.lock().unwrap().push(format!("release {shard}"));
        Ok(())
    }

    async fn close(self) -> Result<(), SinkError> {
        self.written.lock().unwrap().push(format!("close {}", self.name));
        Ok(())
    }
}

/// A target with writers of these names, what they wrote, and what lets them write.
struct World {
    target: Grouped,
    written: Arc<Mutex<Vec<String>>>,
    turns: Arc<Semaphore>,
}

const LIMITS: Limits = Limits { rows: 4, bytes: 1 << 20, linger: Duration::ZERO, takes_all: true };

impl World {
    fn new(names: &[&'static str], bad: &[&'static str], limits: Limits) -> Self {
        let (written, turns) = (Arc::default(), Arc::new(Semaphore::new(0)));
        let writer = |name: &&'static str| Fake {
            name,
            written: Arc::clone(&written),
            turns: Arc::clone(&turns),
            bad: bad.iter().copied().collect(),
        };
        let writers = names.iter().map(writer).collect();
        let target = Grouped::start(writers, Envelope::Full, limits);
        Self { target, written, turns }
    }

    /// Commits so many rows of a shard, once it is polled.
    fn commit(&self, shard: &str, rows: usize) -> JoinHandle<Result<Committed, String>> {
        let (target, shard) = (self.target.clone(), ShardId::new(shard));
        let mut changes = Changes::new(shard.clone(), rows, 100);
        for row in 0..rows {
            let column = changes.column("a");
            changes.cell(column, Value::Integer(1));
            changes.push_origin(Origin {
                sequence: Sequence::new(row.to_string()),
                partition_key: None,
                arrived_at: None,
            });
            changes.end_row(0);
        }
        tokio::spawn(async move {
            let committed = target.commit(changes, Position::new(shard)).await;
            committed.map_err(|error| error.to_string())
        })
    }

    async fn written(self, turns: usize) -> Vec<String> {
        self.turns.add_permits(turns);
        self.target.close().await.unwrap();
        Arc::try_unwrap(self.written).unwrap().into_inner().unwrap()
    }
}

/// Lets everything run that can.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_together_is_written_together() {
    let world = World::new(&["a"], &[], LIMITS);
    for shard in ["1", "2", "3"] {
        world.commit(shard, 3);
        settle().await;
    }
    assert_eq!(world.written(9).await, ["a: 1", "a: 2 3", "close a"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_group_leaves_the_rest_to_another_writer() {
    let limits = Limits { takes_all: false, ..LIMITS };
    let world = World::new(&["a", "b"], &[], limits);
    for shard in ["1", "2"] {
        world.commit(shard, 4);
        settle().await;
    }
    // Both write; what comes now waits.
    for shard in ["3", "4", "5"] {
        world.commit(shard, 2);
        settle().await;
    }
    let mut written = world.written(9).await;
    written.sort();
    let groups: Vec<_> = written.iter().filter_map(|text| text.split_once(": ")).collect();
    assert_eq!(
        groups.iter().map(|(_, shards)| *shards).collect::<HashSet<_>>(),
        ["1", "2", "3 4", "5"].into()
    );
    assert_eq!(written.iter().filter(|text| text.starts_with("close")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_full_may_linger() {
    let limits = Limits { linger: Duration::from_secs(5), ..LIMITS };
    let world = World::new(&["a"], &[], limits);
    world.turns.add_permits(9);
    let first = world.commit("1", 1);
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!first.is_finished());
    world.commit("2", 1);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(first.is_finished());
    let full = world.commit("3", 4);
    settle().await;
    assert!(full.is_finished(), "a full group does not wait");
    assert_eq!(world.written(0).await, ["a: 1 2", "a: 3", "close a"]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_waited_for_when_all_are_there() {
    let limits = Limits { linger: Duration::from_secs(5), ..LIMITS };
    let world = World::new(&["a"], &[], limits);
    world.turns.add_permits(9);
    world.target.claim(&ShardId::new("1"), None).await.unwrap();
    let first = world.commit("1", 1);
    settle().await;
    assert!(first.is_finished());
    world.target.release(&ShardId::new("1")).await.unwrap();
    assert_eq!(world.written(0).await, ["claim 1", "a: 1", "release 1", "close a"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_one_does_not_fail_the_others() {
    let world = World::new(&["a"], &["bad"], LIMITS);
    let first = world.commit("1", 1);
    settle().await;
    let all: Vec<_> = ["2", "bad", "3"].map(|shard| world.commit(shard, 2)).into();
    settle().await;
    world.turns.add_permits(9);
    assert_eq!(first.await.unwrap().unwrap().written, 1);
    let mut results = Vec::new();
    for one in all {
        results.push(one.await.unwrap().map(|committed| committed.written));
    }
    let error = SinkError::NoTable { table: "bad".into() }.to_string();
    assert_eq!(results, [Ok(2), Err(error), Ok(2)]);
    assert_eq!(world.written(0).await, ["a: 1", "a: 2", "a: 3", "close a"]);
}

#[tokio::test(start_paused = true)]
async fn after_the_end_nothing_is_taken() {
    let world = World::new(&["a", "b"], &[], LIMITS);
    world.target.close().await.unwrap();
    let error = world.commit("1", 1).await.unwrap().unwrap_err();
    assert_eq!(error, SinkError::Gone.to_string());
    world.target.close().await.unwrap();
}
