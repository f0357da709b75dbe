//! Writes groups into PostgreSQL over one connection, and waits for what passes: a server that restarts, a transaction that
//! met another one, a table that was changed.
//!
//! Whether a transaction was committed whose answer got lost is found out from the positions: they are in it.

use std::{collections::HashSet, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use ctk_checkpoint::{CheckpointError, Holder, Saved, postgres};
use ctk_db::{
    DbError,
    postgres::{Connection, PgConfig, Trouble, sqlstate},
};
use ctk_flow::{Committed, Millis, Position, Sequence, ShardId};
use sqlx::Connection as _;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::{
    SinkError,
    group::{Delivery, Writer},
};

/// How often a table that changes all the time is looked at.
pub(super) const LOOKS: u32 = 10;
/// How often a transaction is tried that meets others.
const MEETINGS: u32 = 20;
/// How long a transaction may take. A server whose machine is gone never answers, and nothing else would tell; one that waits
/// for a lock is asked anew, which loses nothing.
const SILENCE: Duration = Duration::from_mins(10);
/// How long a server that only reads is waited for: a fail-over takes that long at most.
const FAIL_OVER: Duration = Duration::from_mins(1);

/// What one attempt at a group does. What it knows of the database it keeps from one to the next.
pub(crate) trait Attempt: Send + 'static {
    /// Whose positions are written with the rows.
    fn holder(&self) -> Option<&Holder>;

    /// Writes a group in a transaction of its own, and ends it. An error means that nothing is written, unless `state` says
    /// that this is in doubt.
    fn attempt(
        &mut self,
        connection: &mut Connection,
        group: &[Delivery],
        state: &mut State,
    ) -> impl Future<Output = Result<Vec<Committed>, SinkError>> + Send;

    /// The next connection is a new one: what was made for the session is gone.
    fn reconnect(&mut self);

    /// A table is not what it was.
    fn forget(&mut self);
}

/// Makes attempts until one succeeds.
#[derive(Debug)]
pub(crate) struct PgWriter<A> {
    config: PgConfig,
    /// None after it broke.
    connection: Option<Connection>,
    work: A,
}

impl<A: Attempt> Writer for PgWriter<A> {
    async fn write(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        let mut patience = Patience::default();
        let mut state = State::default();
        loop {
            let attempt = tokio::time::timeout(SILENCE, self.attempt(group, &mut state)).await;
            let error = match attempt {
                Ok(Ok(committed)) => {
                    if let Some(holder) = self.work.holder() {
                        holder.confirm(&positions(group));
                    }
                    return Ok(committed);
                }
                Ok(Err(error)) => error,
                Err(_) => silence(),
            };
            if let Err(error) = self.wait(&mut patience, error).await {
                // Who looked, and found another run's positions, knows that nothing was committed.
                let is_known = state.in_doubt.is_none()
                    || matches!(error, SinkError::Checkpoint(CheckpointError::TakenOver { .. }));
                return Err(if is_known {
                    error
                } else {
                    SinkError::InDoubt { source: Box::new(error) }
                });
            }
        }
    }

    async fn claim(&mut self, shard: &ShardId, begins: Option<Millis>) -> Result<(), SinkError> {
        let Some(holder) = self.work.holder().cloned() else { return Ok(()) };
        let mut patience = Patience::default();
        loop {
            let claimed = match self.connection().await {
                Ok(connection) => postgres::claim(connection, &holder, shard, begins)
                    .await
                    .map_err(SinkError::from),
                Err(error) => Err(error),
            };
            match claimed {
                Ok(()) => return Ok(()),
                Err(error) => self.wait(&mut patience, error).await?,
            }
        }
    }

    async fn release(&mut self, shard: &ShardId) -> Result<(), SinkError> {
        let Some(holder) = self.work.holder().cloned() else { return Ok(()) };
        let mut patience = Patience::default();
        loop {
            let released = match self.connection().await {
                Ok(connection) => {
                    postgres::release(connection, &holder, shard).await.map_err(SinkError::from)
                }
                Err(error) => Err(error),
            };
            match released {
                Ok(()) => return Ok(()),
                Err(error) => self.wait(&mut patience, error).await?,
            }
        }
    }

    async fn close(self) -> Result<(), SinkError> {
        // Nothing is on its way any more, so how the server takes leave does not matter.
        if let Some(connection) = self.connection
            && let Err(error) = connection.close().await
        {
            debug!(%error, "the connection did not end in order");
        }
        Ok(())
    }
}

/// What several attempts at a group share.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// What a transaction did whose end is not known.
    in_doubt: Option<Vec<Committed>>,
    /// The dead letters that were written to a file, where they stay: member, sequence number, and which of the record.
    pub(crate) in_file: HashSet<(usize, Sequence, u32)>,
}

impl State {
    /// Commits a transaction that did this. Where the server does not say whether it was committed, that is noted.
    pub(crate) async fn commit(
        &mut self,
        connection: &mut Connection,
        committed: Vec<Committed>,
    ) -> Result<Vec<Committed>, SinkError> {
        self.in_doubt = Some(committed.clone());
        match sqlx::raw_sql("COMMIT").execute(connection).await {
            Ok(_) => Ok(committed),
            Err(error) => {
                if says_no(&error) {
                    self.in_doubt = None;
                }
                Err(failed("commit the transaction")(error))
            }
        }
    }
}

/// Returns true for an answer to COMMIT that says that nothing was committed. Other errors leave a doubt: poolers answer for a
/// server that went away.
fn says_no(error: &sqlx::Error) -> bool {
    let Some(code) = sqlstate(error) else { return false };
    let class = code.get(..2).unwrap_or_default();
    code == "57014" || code != "40003" && matches!(class, "22" | "23" | "40" | "44" | "53" | "P0")
}

/// Saves how far the shards of a group are, in the transaction of the caller.
pub(crate) async fn save(
    connection: &mut Connection,
    holder: &Holder,
    group: &[Delivery],
) -> Result<(), SinkError> {
    let positions = positions(group);
    let saved = postgres::save(connection, holder, &positions).await?;
    for (position, saved) in positions.iter().zip(saved) {
        if let Saved::Behind { stored } = saved {
            warn!(shard = %position.shard, %stored, "a later position is stored already");
        }
    }
    Ok(())
}

impl<A: Attempt> PgWriter<A> {
    pub(crate) fn new(config: PgConfig, connection: Connection, work: A) -> Self {
        Self { config, connection: Some(connection), work }
    }

    async fn connection(&mut self) -> Result<&mut Connection, SinkError> {
        if self.connection.is_none() {
            self.work.reconnect();
            self.connection = Some(self.config.connect_for_writing().await?);
        }
        self.connection.as_mut().ok_or(SinkError::Gone)
    }

    async fn attempt(
        &mut self,
        group: &[Delivery],
        state: &mut State,
    ) -> Result<Vec<Committed>, SinkError> {
        self.connection().await?;
        let connection = self.connection.as_mut().ok_or(SinkError::Gone)?;
        if let (Some(committed), Some(holder)) = (state.in_doubt.clone(), self.work.holder())
            && postgres::is_saved(connection, holder, &positions(group)).await?
        {
            debug!("the transaction was committed, though nobody said so");
            return Ok(committed);
        }
        state.in_doubt = None;
        self.work.attempt(connection, group, state).await
    }

    /// Waits until it makes sense to try again, or returns the error when it does not.
    async fn wait(&mut self, patience: &mut Patience, error: SinkError) -> Result<(), SinkError> {
        let trouble = match &error {
            SinkError::Db(error) | SinkError::Checkpoint(CheckpointError::Database(error)) => {
                error.trouble()
            }
            _ => Trouble::Other,
        };
        if trouble != Trouble::ReadOnly {
            patience.reads_since = None;
        }
        let code = match &error {
            SinkError::Db(DbError::Statement { source, .. })
            | SinkError::Checkpoint(CheckpointError::Database(DbError::Statement {
                source, ..
            })) => sqlstate(source),
            _ => None,
        };
        let again = match trouble {
            Trouble::Connection => true,
            Trouble::ReadOnly => {
                patience.reads_since.get_or_insert_with(Instant::now).elapsed() < FAIL_OVER
            }
            // The lock of a table that is to get a column: whoever reads it for long is not to be held up by us, and we by
            // nobody else.
            Trouble::Retry if code.as_deref() == Some("55P03") => true,
            Trouble::Retry => {
                // What takes too long will again; a part of it may not.
                patience.meetings +=
                    if code.as_deref() == Some("57014") { MEETINGS / 4 } else { 1 };
                patience.meetings < MEETINGS
            }
            Trouble::Table => {
                self.work.forget();
                patience.looks += 1;
                patience.looks < LOOKS
            }
            Trouble::Rows | Trouble::Other => false,
        };
        if !again {
            // Whatever it was doing; the next to use it begins anew.
            self.connection = None;
            return Err(error);
        }
        if trouble != Trouble::Table {
            // Some servers end the session with such an error.
            self.connection = None;
        }
        patience.attempts += 1;
        let pause = patience.pauses.next().unwrap_or(LONGEST);
        if patience.attempts.is_multiple_of(6) {
            warn!(attempts = patience.attempts, error = %causes(&error), "PostgreSQL is still waited for");
        } else {
            debug!(?pause, error = %causes(&error), "trying again");
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// The longest pause between two attempts.
const LONGEST: Duration = Duration::from_secs(5);

/// How often something failed in a row.
struct Patience {
    pauses: ExponentialBackoff,
    attempts: u32,
    meetings: u32,
    looks: u32,
    /// Since when the server only reads.
    reads_since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(20))
            .with_max_delay(LONGEST)
            .with_jitter()
            .without_max_times();
        Self { pauses: pauses.build(), attempts: 0, meetings: 0, looks: 0, reads_since: None }
    }
}

/// Returns how far the shards of a group are with it.
fn positions(group: &[Delivery]) -> Vec<Position> {
    group.iter().map(|delivery| delivery.upto.clone()).collect()
}

fn silence() -> SinkError {
    let error = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 10 minutes");
    failed("write to PostgreSQL")(sqlx::Error::Io(error))
}

fn causes(error: &SinkError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {}", ctk_db::text_of(error));
        cause = error.source();
    }
    text
}

/// Returns an error of a statement of the transaction.
pub(crate) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> SinkError {
    move |error| DbError::statement(what)(error).into()
}
