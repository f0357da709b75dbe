//! What is written, saved and released, in which order, by a paused clock.

use ctk_checkpoint::{Checkpoint, CheckpointError};
use ctk_flow::Sequence;
use tokio::time::{Instant, sleep};

use super::*;

const INTERVAL: Duration = Duration::from_secs(5);

/// What the sink and the store were asked for, in order.
#[derive(Clone, Debug, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, text: String) {
        lock(&self.0).push(text);
    }

    /// Returns what came since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0))
    }
}

#[derive(Debug)]
struct FakeSink {
    log: Log,
    refuses: bool,
}

impl Sink for FakeSink {
    async fn write(&self, changes: Changes) -> Result<Committed, Failure> {
        if self.refuses {
            self.log.add("refuse".to_owned());
            return Err("no".into());
        }
        sleep(Duration::from_millis(1)).await;
        self.log.add(format!("write {}", changes.shard()));
        Ok(Committed { written: changes.units(), ..Committed::default() })
    }

    async fn close(&self) -> Result<(), Failure> {
        self.log.add("close".to_owned());
        Ok(())
    }
}

/// Fails, takes time, and knows of another run, as it is told.
#[derive(Clone, Debug, Default)]
struct FakeStore {
    log: Log,
    fails: Arc<Mutex<bool>>,
    takes: Duration,
    stored: Option<Sequence>,
}

impl FakeStore {
    fn fail(&self, fails: bool) {
        *lock(&self.fails) = fails;
    }
}

impl CheckpointStore for FakeStore {
    async fn load(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        Ok(Vec::new())
    }

    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), CheckpointError> {
        self.log.add(format!("claim {shard} {begins:?}"));
        Ok(())
    }

    async fn save(&self, positions: &[Position]) -> Result<Vec<Saved>, CheckpointError> {
        sleep(self.takes).await;
        if *lock(&self.fails) {
            self.log.add("fail to save".to_owned());
            let shard = ShardId::new("a");
            return Err(CheckpointError::TakenOver { namespace: "n".into(), shard });
        }
        let show = |position: &Position| {
            let sequence = position.sequence.as_ref().map_or("-", Sequence::as_str);
            let finished = if position.finished { " finished" } else { "" };
            format!(" {}={sequence}{finished}", position.shard)
        };
        self.log.add(format!("save{}", positions.iter().map(show).collect::<String>()));
        let saved = |_| match &self.stored {
            Some(stored) => Saved::Behind { stored: stored.clone() },
            None => Saved::Written,
        };
        Ok(positions.iter().map(saved).collect())
    }

    async fn release(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        self.log.add(format!("release {shard}"));
        Ok(())
    }
}

fn start(store: &FakeStore, interval: Duration) -> WriteThenSave<FakeSink, FakeStore> {
    let sink = FakeSink { log: store.log.clone(), refuses: false };
    WriteThenSave::start(sink, store.clone(), interval)
}

fn at(shard: &str, sequence: &str) -> Position {
    Position {
        shard: ShardId::new(shard),
        sequence: Some(Sequence::new(sequence)),
        finished: false,
    }
}

async fn commit(
    target: &WriteThenSave<FakeSink, FakeStore>,
    upto: Position,
) -> Result<Committed, Failure> {
    let mut changes = Changes::new(upto.shard.clone(), 1, 0);
    changes.unit();
    target.commit(changes, upto).await
}

#[tokio::test(start_paused = true)]
async fn positions_are_saved_every_interval() {
    let store = FakeStore::default();
    let target = start(&store, INTERVAL);
    let committed = commit(&target, at("a", "1")).await.unwrap();
    assert_eq!(committed, Committed { written: 1, ..Committed::default() });
    commit(&target, at("b", "1")).await.unwrap();
    commit(&target, at("a", "2")).await.unwrap();
    sleep(Duration::from_millis(4900)).await;
    assert_eq!(store.log.take(), ["write a", "write b", "write a"]);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(store.log.take(), ["save a=2 b=1"]);
    // With nothing to save, the store is told that the run lives.
    sleep(INTERVAL * 2).await;
    assert_eq!(store.log.take(), ["save", "save"]);
    commit(&target, at("a", "3")).await.unwrap();
    sleep(INTERVAL).await;
    assert_eq!(store.log.take(), ["write a", "save a=3"]);
}

#[tokio::test(start_paused = true)]
async fn with_no_interval_each_commit_saves() {
    let store = FakeStore::default();
    let target = start(&store, Duration::ZERO);
    commit(&target, at("a", "1")).await.unwrap();
    commit(&target, at("a", "2")).await.unwrap();
    assert_eq!(store.log.take(), ["write a", "save a=1", "write a", "save a=2"]);
    sleep(HEARTBEAT).await;
    assert_eq!(store.log.take(), ["save"]);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_save_goes_into_the_next_together() {
    let store = FakeStore { takes: Duration::from_secs(1), ..FakeStore::default() };
    let target = start(&store, Duration::ZERO);
    let start = Instant::now();
    let (a, b, c) = tokio::join!(
        commit(&target, at("a", "1")),
        commit(&target, at("b", "1")),
        commit(&target, at("c", "1")),
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    let saves: Vec<_> =
        store.log.take().into_iter().filter(|line| line.starts_with("save")).collect();
    assert!(start.elapsed() < Duration::from_secs(3), "three took two saves at most: {saves:?}");
    let all = saves.concat();
    assert!(["a=1", "b=1", "c=1"].iter().all(|position| all.contains(position)), "{saves:?}");
}

#[tokio::test(start_paused = true)]
async fn a_release_saves_first_and_the_end_of_a_shard_too() {
    let store = FakeStore::default();
    let target = start(&store, INTERVAL);
    let shard = ShardId::new("a");
    target.claim(&shard, Some(7)).await.unwrap();
    commit(&target, at("a", "1")).await.unwrap();
    commit(&target, Position { finished: true, ..at("a", "2") }).await.unwrap();
    target.release(&shard).await.unwrap();
    let expected =
        ["claim a Some(7)", "write a", "write a", "save a=2 finished", "release a"];
    assert_eq!(store.log.take(), expected);

    // One without a record, and one with nothing to save.
    let end = Position { shard: ShardId::new("b"), sequence: None, finished: true };
    commit(&target, end).await.unwrap();
    target.release(&ShardId::new("b")).await.unwrap();
    target.release(&ShardId::new("c")).await.unwrap();
    assert_eq!(store.log.take(), ["write b", "save b=- finished", "release b", "release c"]);
}

#[tokio::test(start_paused = true)]
async fn closing_saves_and_ends_the_task() {
    let store = FakeStore::default();
    let target = start(&store, INTERVAL);
    commit(&target, at("a", "1")).await.unwrap();
    target.clone().close().await.unwrap();
    assert_eq!(store.log.take(), ["write a", "save a=1", "close"]);
    sleep(INTERVAL * 3).await;
    assert_eq!(store.log.take(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_target_saves_no_more() {
    let store = FakeStore::default();
    let target = start(&store, INTERVAL);
    commit(&target, at("a", "1")).await.unwrap();
    drop(target);
    sleep(INTERVAL * 3).await;
    assert_eq!(store.log.take(), ["write a"], "a run that is gone must not look alive");
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_not_confirmed_move_nothing() {
    let store = FakeStore::default();
    let sink = FakeSink { log: store.log.clone(), refuses: true };
    let target = WriteThenSave::start(sink, store.clone(), INTERVAL);
    assert_eq!(commit(&target, at("a", "1")).await.unwrap_err().to_string(), "no");
    sleep(INTERVAL).await;
    target.release(&ShardId::new("a")).await.unwrap();
    target.close().await.unwrap();
    assert_eq!(store.log.take(), ["refuse", "save", "release a", "save", "close"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_save_ends_the_run_and_forgets_nothing() {
    let store = FakeStore::default();
    let target = start(&store, INTERVAL);
    commit(&target, at("a", "1")).await.unwrap();
    store.fail(true);
    sleep(INTERVAL * 3).await;
    assert_eq!(store.log.take(), ["write a", "fail to save"]);

    let text = "another run took over shard a of namespace \"n\"";
    let error = commit(&target, at("a", "2")).await.unwrap_err();
    assert_eq!(error.to_string(), text);
    // The program finds the hint where it finds that of a transaction.
    assert!(error.downcast_ref::<Shared>().unwrap().0.hint().is_some());
    assert_eq!(store.log.take(), [""; 0], "nothing is written any more");

    // It is told again, and what was confirmed is tried again.
    store.fail(false);
    assert_eq!(target.release(&ShardId::new("a")).await.unwrap_err().to_string(), text);
    assert_eq!(store.log.take(), ["save a=1", "release a"]);
    assert_eq!(target.close().await.unwrap_err().to_string(), text);
    assert_eq!(store.log.take(), ["save", "close"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_to_save_at_a_release_and_at_the_end_is_told() {
    let store = FakeStore::default();
    let target = start(&store, INTERVAL);
    commit(&target, at("a", "1")).await.unwrap();
    store.fail(true);
    assert!(target.release(&ShardId::new("a")).await.is_err());
    assert_eq!(store.log.take(), ["write a", "fail to save", "release a"]);
    assert!(target.close().await.is_err());
    assert_eq!(store.log.take(), ["fail to save", "close"]);
}

#[tokio::test(start_paused = true)]
async fn a_position_that_is_behind_is_done_with() {
    let store = FakeStore { stored: Some(Sequence::new("9")), ..FakeStore::default() };
    let target = start(&store, INTERVAL);
    commit(&target, at("a", "1")).await.unwrap();
    sleep(INTERVAL * 2).await;
    assert_eq!(store.log.take(), ["write a", "save a=1", "save"]);
}
