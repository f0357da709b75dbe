//! The one task that writes: gathers what waits, writes it, and tells those who asked.

use std::{sync::Arc, time::Duration};

use ctk_checkpoint::sqlite;
use ctk_db::DbError;
use ctk_flow::Committed;
use sqlx::{Connection, SqliteConnection};
use tokio::{sync::mpsc::Receiver, time::Instant};

use super::{Answer, Delivery, Job, Settings, table::Table, transaction};
use crate::{Shared, SinkError};

/// Runs until it is told to close, or nobody is left to ask.
pub(super) async fn run(
    connection: SqliteConnection,
    settings: Settings,
    mut queue: Receiver<Job>,
) {
    let mut writer = Writer { connection, settings, table: None };
    let mut next = None;
    // How many shards were answered last, if they are under load: these come again at once.
    let mut returning = 0;
    // How many shards there are. When all of them wait, nobody else can come.
    let mut claimed = 0_usize;
    loop {
        let job = match next.take() {
            Some(job) => job,
            None => match queue.recv().await {
                Some(job) => job,
                None => return,
            },
        };
        match job {
            Job::Commit { delivery, answer } => {
                let mut group = Group::default();
                group.push(*delivery, answer);
                next = group.gather(&writer.settings, (returning, claimed), &mut queue).await;
                returning = if group.rows >= UNDER_LOAD { group.answers.len() } else { 0 };
                writer.commit(group).await;
            }
            Job::Claim { shard, begins, answer } => {
                claimed += 1;
                let done = match &writer.settings.checkpoints {
                    Some(holder) => {
                        sqlite::claim(&mut writer.connection, holder, &shard, begins).await
                    }
                    None => Ok(()),
                };
                tell(answer, done.map_err(share));
            }
            Job::Release { shard, answer } => {
                claimed = claimed.saturating_sub(1);
                let done = match &writer.settings.checkpoints {
                    Some(holder) => sqlite::release(&mut writer.connection, holder, &shard).await,
                    None => Ok(()),
                };
                tell(answer, done.map_err(share));
            }
            Job::Close { answer } => {
                let closed = writer.connection.close().await;
                tell(
                    answer,
                    closed.map_err(|error| share(DbError::statement("close the database")(error))),
                );
                return;
            }
        }
    }
}

struct Writer {
    connection: SqliteConnection,
    settings: Settings,
    table: Option<Table>,
}

impl Writer {
    async fn commit(&mut self, group: Group) {
        let written = transaction::write(
            &mut self.connection,
            &mut self.table,
            &self.settings,
            group.deliveries,
        )
        .await;
        match written {
            Ok(committed) => {
                for (answer, committed) in group.answers.into_iter().zip(committed) {
                    tell(answer, Ok(committed));
                }
            }
            Err(error) => {
                let error = share(error);
                group.answers.into_iter().for_each(|answer| tell(answer, Err(error.clone())));
            }
        }
    }
}

fn share(error: impl Into<SinkError>) -> Shared {
    Shared(Arc::new(error.into()))
}

/// Who asked may have gone: the run is being dropped.
fn tell<T>(answer: Answer<T>, result: Result<T, Shared>) {
    drop(answer.send(result));
}

/// Rows of a group from which on shards are under load: they have the next batch ready when the last is written.
const UNDER_LOAD: usize = 2000;

/// How long to wait for these, so that they go into one transaction again. It is a fraction of what that takes.
const RETURN: Duration = Duration::from_millis(5);

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
        self.bytes += delivery.changes.size();
        self.deliveries.push(delivery);
        self.answers.push(answer);
    }

    /// Takes every batch that waits, and lingers for more while the group is not full. Returns the job that ended it, if
    /// that is none of these.
    ///
    /// What waits is always taken, however much it is: its memory is bounded by the budget of the run, and a larger
    /// transaction writes each page of the index once rather than often (`docs/decisions/0003-sqlite-transactions.md`).
    async fn gather(
        &mut self,
        settings: &Settings,
        (returning, claimed): (usize, usize),
        queue: &mut Receiver<Job>,
    ) -> Option<Job> {
        let start = Instant::now();
        loop {
            let all_wait = claimed > 0 && self.answers.len() >= claimed;
            let deadline = if all_wait {
                start
            } else if !self.is_full(settings) && !settings.linger.is_zero() {
                start + settings.linger
            } else if self.answers.len() < returning {
                start + RETURN
            } else {
                start
            };
            let waiting = match queue.try_recv() {
                Ok(job) => Some(job),
                Err(_) if Instant::now() >= deadline => return None,
                Err(_) => tokio::time::timeout_at(deadline, queue.recv()).await.ok().flatten(),
            };
            match waiting {
                Some(Job::Commit { delivery, answer }) => self.push(*delivery, answer),
                other => return other,
            }
        }
    }

    fn is_full(&self, settings: &Settings) -> bool {
        self.rows >= settings.batch_rows || self.bytes >= settings.batch_bytes
    }
}
