//! Group commit: shards hand their batches in, and what waits together is written in one transaction.
//!
//! Each writer is a task with a connection of its own. One of those that are idle gathers: the first batch, and what waits
//! behind it. While all of them write, others wait. So many slow shards make few transactions, a fast one never waits for a
//! timer, and nothing is ever waited for but a group that is not full while the user allows to linger.
//!
//! A shard asks for one commit at a time, so its batches stay in order however many writers there are. When a group fails,
//! each of its members is tried alone: what is wrong with one must not fail the others.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::Instant,
};

use crate::{
    Shared, SinkError,
    envelope::{Envelope, MessageId},
};

/// What a shard brings: a batch, and how far it is with it.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) changes: Changes,
    /// The key of each row; none without an envelope. Made by the shard's task, since a writer has more to do than they.
    pub(crate) ids: Vec<MessageId>,
    pub(crate) upto: Position,
}

/// Writes groups, over one connection.
///
/// Not cancel safe; it is never cancelled while it writes.
pub(crate) trait Writer: Send + 'static {
    /// Writes the rows and dead letters of all members and their positions in one transaction, and returns what became of
    /// each. An error means that nothing is written.
    fn write(
        &mut self,
        group: &[Delivery],
    ) -> impl Future<Output = Result<Vec<Committed>, SinkError>> + Send;

    /// Notes that this run reads the shard.
    fn claim(
        &mut self,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Notes that this run reads the shard no more.
    fn release(&mut self, shard: &ShardId) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Lets go of the connection.
    fn close(self) -> impl Future<Output = Result<(), SinkError>> + Send;
}

/// When a group is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Rows that make it full.
    pub(crate) rows: usize,
    /// The same in bytes.
    pub(crate) bytes: usize,
    /// How long to wait for that; zero writes at once.
    pub(crate) linger: Duration,
    /// Whether a full group still takes what waits, rather than leave it to another writer.
    pub(crate) takes_all: bool,
}

/// A target that gathers what shards bring, and writes it together. Clones share it.
///
/// It is what [`crate::sqlite::start`] and its like return: how it writes is theirs.
#[derive(Clone, Debug)]
pub struct Grouped {
    envelope: Envelope,
    jobs: mpsc::Sender<Job>,
    writers: Arc<Mutex<Vec<Running>>>,
}

/// A writer's task, which ends with how its connection was closed.
type Running = JoinHandle<Result<(), SinkError>>;

/// What shards ask of a writer, and where the answer goes.
#[derive(Debug)]
enum Job {
    Commit { delivery: Box<Delivery>, answer: Answer<Committed> },
    Claim { shard: ShardId, begins: Option<Millis>, answer: Answer<()> },
    Release { shard: ShardId, answer: Answer<()> },
    Close,
}

type Answer<T> = oneshot::Sender<Result<T, Shared>>;

/// Shards that wait for a writer. More wait at the door.
const WAITING: usize = 1024;

impl Grouped {
    /// Starts the writers.
    pub(crate) fn start<W: Writer>(writers: Vec<W>, envelope: Envelope, limits: Limits) -> Self {
        let (jobs, receiver) = mpsc::channel(WAITING);
        let queue = Queue { receiver, next: None, claimed: 0, limits };
        let queue = Arc::new(tokio::sync::Mutex::new(queue));
        let run = |writer| tokio::spawn(run(writer, Arc::clone(&queue)));
        let writers = writers.into_iter().map(run).collect();
        Self { envelope, jobs, writers: Arc::new(Mutex::new(writers)) }
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, Failure> {
        let (answer, answered) = oneshot::channel();
        self.jobs.send(job(answer)).await.map_err(|_| SinkError::Gone)?;
        Ok(answered.await.map_err(|_| SinkError::Gone)??)
    }
}

impl Target for Grouped {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        let id = |row: ctk_flow::Row<'_>| {
            MessageId::new(changes.shard(), row.origin(), row.sub_sequence())
        };
        let ids = match self.envelope {
            Envelope::None => Vec::new(),
            Envelope::Full | Envelope::Id => changes.rows().map(id).collect(),
        };
        let delivery = Box::new(Delivery { changes, ids, upto });
        self.ask(|answer| Job::Commit { delivery, answer }).await
    }

    async fn close(&self) -> Result<(), Failure> {
        // It fails when the writers have ended already; how, their results tell.
        drop(self.jobs.send(Job::Close).await);
        let writers =
            std::mem::take(&mut *self.writers.lock().unwrap_or_else(PoisonError::into_inner));
        let mut closed = Ok(());
        for writer in writers {
            closed = closed.and(writer.await?);
        }
        Ok(closed?)
    }
}

impl Claims for Grouped {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        self.ask(|answer| Job::Claim { shard: shard.clone(), begins, answer }).await
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        self.ask(|answer| Job::Release { shard: shard.clone(), answer }).await
    }
}

/// Works off the queue until it is closed, or nobody is left to ask.
async fn run<W: Writer>(
    mut writer: W,
    queue: Arc<tokio::sync::Mutex<Queue>>,
) -> Result<(), SinkError> {
    // How many shards were answered last, if they are under load: these come again at once.
    let mut returning = 0;
    loop {
        let task = queue.lock().await.take(returning).await;
        match task {
            Task::Write(group) => {
                returning = if group.rows >= UNDER_LOAD { group.answers.len() } else { 0 };
                write(&mut writer, group).await;
            }
            Task::Claim { shard, begins, answer } => {
                tell(answer, writer.claim(&shard, begins).await.map_err(share));
            }
            Task::Release { shard, answer } => {
                tell(answer, writer.release(&shard).await.map_err(share));
            }
            Task::Close => return writer.close().await,
        }
    }
}

/// Writes a group, or, if that fails, each member alone.
async fn write(writer: &mut impl Writer, group: Group) {
    let Group { deliveries, answers, .. } = group;
    match writer.write(&deliveries).await {
        Ok(committed) => {
            for (answer, committed) in answers.into_iter().zip(committed) {
                tell(answer, Ok(committed));
            }
        }
        Err(error) if answers.len() == 1 || !error.may_be_of_one() => {
            let error = share(error);
            for answer in answers {
                tell(answer, Err(error.clone()));
            }
        }
        Err(_) => {
            for (delivery, answer) in deliveries.into_iter().zip(answers) {
                let written = writer.write(&[delivery]).await;
                tell(answer, written.map(|all| all.into_iter().sum()).map_err(share));
            }
        }
    }
}

fn share(error: SinkError) -> Shared {
    Shared(Arc::new(error))
}

/// Who asked may have gone: the run is being dropped.
fn tell<T>(answer: Answer<T>, result: Result<T, Shared>) {
    drop(answer.send(result));
}

/// Rows of a group from which on shards are under load: they have the next batch ready when the last is written.
const UNDER_LOAD: usize = 2000;

/// How long to wait for these, so that they go into one transaction again. It is a fraction of what that takes.
const RETURN: Duration = Duration::from_millis(5);

/// What a writer does next.
enum Task {
    Write(Group),
    Claim { shard: ShardId, begins: Option<Millis>, answer: Answer<()> },
    Release { shard: ShardId, answer: Answer<()> },
    Close,
}

/// What waits, for the writer that is idle.
struct Queue {
    receiver: mpsc::Receiver<Job>,
    /// It was taken, and comes behind the group that it ended.
    next: Option<Job>,
    /// How many shards there are. When all of them wait, nobody else can come.
    claimed: usize,
    limits: Limits,
}

/// Batches that go into one transaction.
#[derive(Default)]
struct Group {
    deliveries: Vec<Delivery>,
    answers: Vec<Answer<Committed>>,
    rows: usize,
    bytes: usize,
}

impl Group {
    fn push(&mut self, delivery: Delivery, answer: Answer<Committed>) {
        self.rows += delivery.changes.len();
        self.bytes += delivery.changes.held();
        self.deliveries.push(delivery);
        self.answers.push(answer);
    }
}

impl Queue {
    async fn take(&mut self, returning: usize) -> Task {
        let job = match self.next.take() {
            Some(job) => Some(job),
            None => self.receiver.recv().await,
        };
        match job {
            Some(Job::Commit { delivery, answer }) => {
                let mut group = Group::default();
                group.push(*delivery, answer);
                self.gather(&mut group, returning).await;
                Task::Write(group)
            }
            Some(Job::Claim { shard, begins, answer }) => {
                self.claimed += 1;
                Task::Claim { shard, begins, answer }
            }
            Some(Job::Release { shard, answer }) => {
                self.claimed = self.claimed.saturating_sub(1);
                Task::Release { shard, answer }
            }
            Some(Job::Close) | None => {
                // The other writers find it closed as well.
                self.receiver.close();
                Task::Close
            }
        }
    }

    /// Takes what waits, and lingers for more while the group is not full. What is no batch ends it.
    ///
    /// Even a full group may take what waits: its memory is bounded by the budget of the run, and in SQLite a larger
    /// transaction writes each page of the index once rather than often (`docs/decisions/0003-sqlite-transactions.md`).
    async fn gather(&mut self, group: &mut Group, returning: usize) {
        let Limits { rows, bytes, linger, takes_all } = self.limits;
        let start = Instant::now();
        loop {
            let is_full = group.rows >= rows || group.bytes >= bytes;
            if is_full && !takes_all {
                return;
            }
            let all_wait = self.claimed > 0 && group.answers.len() >= self.claimed;
            let deadline = if all_wait {
                start
            } else if !is_full && !linger.is_zero() {
                start + linger
            } else if group.answers.len() < returning {
                start + RETURN
            } else {
                start
            };
            let waiting = match self.receiver.try_recv() {
                Ok(job) => Some(job),
                Err(_) if Instant::now() >= deadline => return,
                Err(_) => {
                    tokio::time::timeout_at(deadline, self.receiver.recv()).await.ok().flatten()
                }
            };
            match waiting {
                Some(Job::Commit { delivery, answer }) => group.push(*delivery, answer),
                other => {
                    self.next = other;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
