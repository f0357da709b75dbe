//! What is written, saved and released, in which order.
//!
//! All of a test runs on one thread, and nothing in here but a wait for [`Events::next`] lets the background task go on. So
//! nothing depends on how fast the machine is: what is to happen is waited for, and [`NEVER`] does not come.

use ctk_checkpoint::Checkpoint;
use ctk_flow::Sequence;
use tokio::sync::{Semaphore, mpsc};

use super::*;

const SHORT: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_hours(24);

/// Where the sink and the store tell what they were asked for.
#[derive(Clone, Debug)]
struct Log(mpsc::Sender<String>);

impl Log {
    fn add(&self, text: String) {
        self.0.try_send(text).unwrap();
    }
}

/// What they told, in order.
struct Events(mpsc::Receiver<String>);

impl Events {
    /// Waits for the next; nothing when target and task are gone.
    async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }

    /// Returns what came since the last call.
    fn take(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
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
        self.log.add(format!("write {}", changes.shard()));
        Ok(Committed { written: changes.units(), ..Committed::default() })
    }

    async fn close(&self) -> Result<(), Failure> {
        self.log.add("close".to_owned());
        Ok(())
    }
}

/// Fails, waits, and knows of another run, as it is told.
#[derive(Clone, Debug)]
struct FakeStore {
    log: Log,
    fails: Arc<Mutex<bool>>,
    /// Each save takes one.
    permits: Arc<Semaphore>,
    stored: Option<Sequence>,
}

impl FakeStore {
    fn new() -> (Self, Events) {
        let (log, events) = mpsc::channel(1000);
        let permits = Arc::new(Semaphore::new(1000));
        (Self { log: Log(log), fails: Arc::default(), permits, stored: None }, Events(events))
    }

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
        self.permits.acquire().await.unwrap().forget();
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

type Fake = WriteThenSave<FakeSink, FakeStore>;

fn start(store: &FakeStore, interval: Duration) -> Fake {
    let sink = FakeSink { log: store.log.clone(), refuses: false };
    WriteThenSave::start(sink, store.clone(), interval)
}

fn at(shard: &str, sequence: &str) -> Position {
    Position { sequence: Some(Sequence::new(sequence)), ..Position::new(ShardId::new(shard)) }
}

async fn commit(target: &Fake, upto: Position) -> Result<Committed, Failure> {
    let mut changes = Changes::new(upto.shard.clone(), 1, 0);
    changes.unit();
    target.commit(changes, upto).await
}

#[tokio::test]
async fn positions_are_saved_every_interval() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, SHORT);
    let start = Instant::now();
    let committed = commit(&target, at("a", "1")).await.unwrap();
    assert_eq!(committed, Committed { written: 1, ..Committed::default() });
    commit(&target, at("b", "1")).await.unwrap();
    commit(&target, at("a", "2")).await.unwrap();
    assert_eq!(events.take(), ["write a", "write b", "write a"]);
    assert_eq!(events.next().await.unwrap(), "save a=2 b=1");
    assert!(start.elapsed() >= SHORT);
    // With nothing to save, the store is told that the run lives.
    assert_eq!(events.next().await.unwrap(), "save");
    assert_eq!(events.next().await.unwrap(), "save");
    assert!(start.elapsed() >= SHORT * 3);
    commit(&target, at("a", "3")).await.unwrap();
    assert_eq!(events.take(), ["write a"]);
    assert_eq!(events.next().await.unwrap(), "save a=3");
}

#[tokio::test]
async fn with_no_interval_each_commit_saves() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, Duration::ZERO);
    commit(&target, at("a", "1")).await.unwrap();
    commit(&target, at("a", "2")).await.unwrap();
    assert_eq!(events.take(), ["write a", "save a=1", "write a", "save a=2"]);
}

#[tokio::test]
async fn what_waits_for_a_save_goes_into_the_next_together() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, Duration::ZERO);
    store.permits.forget_permits(1000);
    let commits = async {
        tokio::join!(
            commit(&target, at("a", "1")),
            commit(&target, at("b", "1")),
            commit(&target, at("c", "1")),
        )
    };
    // Once all three wait, let them go on.
    let permit = async { store.permits.add_permits(1000) };
    let ((a, b, c), ()) = tokio::join!(commits, permit);
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(events.take(), ["write a", "write b", "write c", "save a=1", "save b=1 c=1"]);
}

#[tokio::test]
async fn a_release_saves_first_and_the_end_of_a_shard_too() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, NEVER);
    let shard = ShardId::new("a");
    target.claim(&shard, Some(7)).await.unwrap();
    commit(&target, at("a", "1")).await.unwrap();
    commit(&target, Position { finished: true, ..at("a", "2") }).await.unwrap();
    target.release(&shard).await.unwrap();
    let expected = ["claim a Some(7)", "write a", "write a", "save a=2 finished", "release a"];
    assert_eq!(events.take(), expected);

    // One without a record, and one with nothing to save.
    let end = Position { finished: true, ..Position::new(ShardId::new("b")) };
    commit(&target, end).await.unwrap();
    target.release(&ShardId::new("b")).await.unwrap();
    target.release(&ShardId::new("c")).await.unwrap();
    assert_eq!(events.take(), ["write b", "save b=- finished", "release b", "release c"]);
}

#[tokio::test]
async fn closing_saves_and_ends_the_task() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, NEVER);
    drop(store);
    commit(&target, at("a", "1")).await.unwrap();
    target.clone().close().await.unwrap();
    assert_eq!(events.take(), ["write a", "save a=1", "close"]);
    assert!(lock(&target.inner.background).is_none(), "its end was waited for");
    drop(target);
    assert_eq!(events.next().await, None);
}

#[tokio::test]
async fn a_dropped_target_saves_no_more() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, SHORT);
    drop(store);
    commit(&target, at("a", "1")).await.unwrap();
    drop(target);
    assert_eq!(events.next().await.unwrap(), "write a");
    assert_eq!(events.next().await, None, "a run that is gone must not look alive");
}

#[tokio::test]
async fn rows_that_are_not_confirmed_move_nothing() {
    let (store, mut events) = FakeStore::new();
    let sink = FakeSink { log: store.log.clone(), refuses: true };
    let target = WriteThenSave::start(sink, store.clone(), SHORT);
    assert_eq!(commit(&target, at("a", "1")).await.unwrap_err().to_string(), "no");
    assert_eq!(events.take(), ["refuse"]);
    assert_eq!(events.next().await.unwrap(), "save");
    target.release(&ShardId::new("a")).await.unwrap();
    target.close().await.unwrap();
    assert_eq!(events.take(), ["release a", "save", "close"]);
}

#[tokio::test]
async fn a_failure_to_save_ends_the_run_and_forgets_nothing() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, SHORT);
    commit(&target, at("a", "1")).await.unwrap();
    store.fail(true);
    assert_eq!(events.take(), ["write a"]);
    // A run that has nothing to write is told as well, whenever it asks.
    target.failed().await;
    assert_eq!(events.take(), ["fail to save"]);
    target.failed().await;

    let text = "another run took over shard a of namespace \"n\"";
    let error = commit(&target, at("a", "2")).await.unwrap_err();
    assert_eq!(error.to_string(), text);
    // The program finds the hint where it finds that of a transaction.
    assert!(error.downcast_ref::<Shared>().unwrap().0.hint().is_some());
    assert_eq!(events.take(), [""; 0], "nothing is written any more");

    // It is told again, and what was confirmed is tried again.
    store.fail(false);
    assert_eq!(target.release(&ShardId::new("a")).await.unwrap_err().to_string(), text);
    assert_eq!(events.take(), ["save a=1", "release a"]);
    assert_eq!(target.close().await.unwrap_err().to_string(), text);
    assert_eq!(events.take(), ["save", "close"]);
}

#[tokio::test]
async fn a_failure_to_save_at_a_release_and_at_the_end_is_told() {
    let (store, mut events) = FakeStore::new();
    let target = start(&store, NEVER);
    commit(&target, at("a", "1")).await.unwrap();
    store.fail(true);
    assert!(target.release(&ShardId::new("a")).await.is_err());
    assert_eq!(events.take(), ["write a", "fail to save", "release a"]);
    assert!(target.close().await.is_err());
    assert_eq!(events.take(), ["fail to save", "close"]);
}

#[tokio::test]
async fn a_position_that_is_behind_is_done_with() {
    let (mut store, mut events) = FakeStore::new();
    store.stored = Some(Sequence::new("9"));
    let target = start(&store, NEVER);
    commit(&target, at("a", "1")).await.unwrap();
    target.release(&ShardId::new("a")).await.unwrap();
    target.close().await.unwrap();
    assert_eq!(events.take(), ["write a", "save a=1", "release a", "save", "close"]);
}
