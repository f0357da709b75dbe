//! Targets without transactions: the rows first, and when the target has confirmed them, the position.
//!
//! A [`Sink`] writes, a [`CheckpointStore`] remembers. Positions are noted in memory as rows are confirmed, and saved together
//! every so often, when a shard is released, and at the end. So a run that is killed reads the last of its records again,
//! which the key of the rows absorbs; **no position is ever ahead of its rows**. What cannot be saved stays noted, and ends
//! the run: the stores wait for what goes away by itself.

mod noted;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use ctk_checkpoint::{CheckpointError, CheckpointStore, Saved};
use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::Instant,
};
use tracing::warn;

use self::noted::Noted;
use crate::{Shared, SinkError};

/// Writes rows, and keeps dead letters, but no positions.
pub trait Sink: Send + Sync + 'static {
    /// Writes the changes. When this returns, they are durable, dead letters included.
    ///
    /// What is confirmed must add up, and an error ends the run: see [`Target::commit`]. What it wrote before the error is
    /// written again by the next run.
    ///
    /// Many shards call at the same time, each with one call at a time. Not cancel safe: a dropped future may have written them or not.
    fn write(&self, changes: Changes) -> impl Future<Output = Result<Committed, Failure>> + Send;

    /// Lets go of the target. Called once, at the end, also of a run that failed. Not cancel safe.
    fn close(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// How often a store hears of a run at least, however seldom it saves.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Returns how often a store hears of a run that saves at this interval.
pub fn heartbeat(interval: Duration) -> Duration {
    if interval.is_zero() { HEARTBEAT } else { interval.min(HEARTBEAT) }
}

/// A sink and a store as one target. Clones share them.
#[derive(Debug)]
pub struct WriteThenSave<S, C> {
    inner: Arc<Inner<S, C>>,
}

#[derive(Debug)]
struct Inner<S, C> {
    sink: S,
    store: C,
    interval: Duration,
    noted: Mutex<Noted>,
    /// Held while positions are saved: whoever waits for it finds, as a rule, that its own were among them.
    saving: tokio::sync::Mutex<()>,
    /// Why positions cannot be saved any more: the end of the run.
    failure: watch::Sender<Option<Shared>>,
    background: Mutex<Option<Background>>,
}

#[derive(Debug)]
struct Background {
    /// Dropped to end the task, also when nobody closed the target.
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl<S: Sink, C: CheckpointStore> WriteThenSave<S, C> {
    /// Starts the task that saves every `interval`; zero saves with each commit.
    ///
    /// The task calls the store also when there is nothing to save, so that others see that the run lives. It is started in the
    /// tokio runtime of the caller, and ends with [`Target::close`], or when the last clone is dropped.
    pub fn start(sink: S, store: C, interval: Duration) -> Self {
        let inner = Arc::new(Inner {
            sink,
            store,
            interval,
            noted: Mutex::default(),
            saving: tokio::sync::Mutex::default(),
            failure: watch::Sender::new(None),
            background: Mutex::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(save_every(interval, Arc::downgrade(&inner), stopped));
        *lock(&inner.background) = Some(Background { stop, task });
        Self { inner }
    }
}

async fn save_every<S: Sink, C: CheckpointStore>(
    interval: Duration,
    target: Weak<Inner<S, C>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let every = heartbeat(interval);
    let mut last = Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            () = tokio::time::sleep(every) => {}
        }
        let Some(target) = target.upgrade() else { return };
        let is_due = last.elapsed() >= interval;
        let done = if is_due { target.save().await } else { target.renew().await };
        // It is kept for whoever comes next: nobody waits here.
        if done.is_err() {
            return;
        }
        if is_due {
            last = Instant::now();
        }
    }
}

impl<S: Sink, C: CheckpointStore> Inner<S, C> {
    /// Saves all that is noted. A failure is kept, and what was noted as well.
    async fn save(&self) -> Result<(), Shared> {
        let saving = self.saving.lock().await;
        self.save_all(saving).await
    }

    /// Tells the store that the run lives, and saves nothing.
    async fn renew(&self) -> Result<(), Shared> {
        let _saving = self.saving.lock().await;
        self.store.save(&[]).await.map(drop).map_err(|error| self.fail(error))
    }

    /// Keeps why positions cannot be saved: the first one.
    fn fail(&self, error: CheckpointError) -> Shared {
        let error = Shared(Arc::new(error.into()));
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            failure.get_or_insert_with(|| error.clone());
            is_first
        });
        error
    }

    /// Saves all that is noted, unless that of this shard was saved meanwhile.
    async fn save_shard(&self, shard: &ShardId) -> Result<(), Shared> {
        let saving = self.saving.lock().await;
        if lock(&self.noted).contains(shard) { self.save_all(saving).await } else { Ok(()) }
    }

    async fn save_all(&self, _saving: tokio::sync::MutexGuard<'_, ()>) -> Result<(), Shared> {
        let positions = lock(&self.noted).positions();
        let saved = match self.store.save(&positions).await {
            Ok(saved) => saved,
            Err(error) => return Err(self.fail(error)),
        };
        for (position, saved) in positions.iter().zip(saved) {
            if let Saved::Behind { stored } = saved {
                warn!(shard = %position.shard, %stored, "another run with this namespace is further; is it still running?");
            }
        }
        lock(&self.noted).forget(&positions);
        Ok(())
    }

    /// Returns the failure of an earlier attempt to save.
    fn check(&self) -> Result<(), Shared> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }
}

impl<S: Sink, C: CheckpointStore> Target for WriteThenSave<S, C> {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        let inner = &self.inner;
        inner.check()?;
        let shard = upto.shard.clone();
        // What drops or empties a table is not to be done once more, when another shard has brought rows since.
        let is_final = changes.tells_of_tables();
        let committed = inner.sink.write(changes).await?;
        lock(&inner.noted).note(upto);
        if inner.interval.is_zero() || is_final {
            inner.save_shard(&shard).await?;
        }
        Ok(committed)
    }

    async fn failed(&self) -> Failure {
        let mut failure = self.inner.failure.subscribe();
        match failure.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(failure)) => failure.clone().into(),
            // The sender lives as long as `self`.
            Ok(None) | Err(_) => SinkError::Gone.into(),
        }
    }

    async fn close(&self) -> Result<(), Failure> {
        let background = lock(&self.inner.background).take();
        let ended = match background {
            Some(Background { stop, task }) => {
                drop(stop);
                task.await
            }
            None => Ok(()),
        };
        let earlier = self.inner.check();
        let saved = self.inner.save().await;
        // In any case; the first error is the one to tell.
        let closed = self.inner.sink.close().await;
        ended?;
        earlier?;
        saved?;
        closed
    }
}

impl<S: Sink, C: CheckpointStore> Claims for WriteThenSave<S, C> {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        Ok(self.inner.store.claim(shard, begins).await.map_err(SinkError::from)?)
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        let earlier = self.inner.check();
        let saved = self.inner.save_shard(shard).await;
        // In any case: a shard that is not released keeps the next run waiting.
        let released = self.inner.store.release(shard).await;
        earlier?;
        saved?;
        Ok(released.map_err(SinkError::from)?)
    }
}

impl<S, C> Clone for WriteThenSave<S, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// No call panics while it holds one of these, so what they guard is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
