//! Writes groups into PostgreSQL over one connection, and waits for what passes: a server that restarts, a transaction that
//! met another one, a table that was changed.
//!
//! Whether a transaction was committed whose answer got lost is found out from the positions: they are in it.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use ctk_checkpoint::{CheckpointError, postgres};
use ctk_db::{
    DbError,
    postgres::{Connection, PgConfig, Trouble, sqlstate},
};
use ctk_flow::{Committed, Millis, Position, Sequence, ShardId};
use sqlx::Connection as _;
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    Settings,
    encode::{Encoded, encode},
    known::Known,
    rows::{Way, make_staging},
    schema::grow,
    transaction::{Transaction, Written},
};
use crate::{
    SinkError,
    group::{Delivery, Writer},
};

/// How often a table that changes all the time is looked at.
const LOOKS: u32 = 10;
/// How often a transaction is tried that meets others.
const MEETINGS: u32 = 20;
/// How long a transaction may take. A server whose machine is gone never answers, and nothing else would tell; one that waits
/// for a lock is asked anew, which loses nothing.
const SILENCE: Duration = Duration::from_mins(10);
/// How long a server that only reads is waited for: a fail-over takes that long at most.
const FAIL_OVER: Duration = Duration::from_mins(1);

/// What the writers of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    known: Mutex<Option<Arc<Known>>>,
    versions: AtomicU64,
    /// No key was met so far that was there.
    is_straight: AtomicBool,
    /// The table of dead letters is there.
    pub(super) has_letters: AtomicBool,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            known: Mutex::default(),
            versions: AtomicU64::new(1),
            is_straight: AtomicBool::new(true),
            has_letters: AtomicBool::default(),
        }
    }
}

impl Shared {
    fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, known: Option<Arc<Known>>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

#[derive(Debug)]
pub(super) struct PgWriter {
    pub(super) config: PgConfig,
    pub(super) settings: Arc<Settings>,
    pub(super) shared: Arc<Shared>,
    /// None before the first use, and after it broke.
    pub(super) connection: Option<Connection>,
    /// The look at the table that the temporary table was made for; zero without one.
    pub(super) staging: u64,
}

impl Writer for PgWriter {
    async fn write(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        let mut patience = Patience::default();
        let mut state = State::default();
        loop {
            let attempt = tokio::time::timeout(SILENCE, self.attempt(group, &mut state)).await;
            let error = match attempt {
                Ok(Ok(committed)) => {
                    if let Some(holder) = &self.settings.holder {
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
        let settings = Arc::clone(&self.settings);
        let Some(holder) = &settings.holder else { return Ok(()) };
        let mut patience = Patience::default();
        loop {
            let claimed = match self.connection().await {
                Ok(connection) => postgres::claim(connection, holder, shard, begins)
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
        let settings = Arc::clone(&self.settings);
        let Some(holder) = &settings.holder else { return Ok(()) };
        let mut patience = Patience::default();
        loop {
            let released = match self.connection().await {
                Ok(connection) => {
                    postgres::release(connection, holder, shard).await.map_err(SinkError::from)
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
#[derive(Default)]
pub(super) struct State {
    /// What a transaction did whose end is not known.
    pub(super) in_doubt: Option<Vec<Committed>>,
    /// The dead letters that were written to a file, where they stay: member, sequence number, and which of the record.
    pub(super) in_file: HashSet<(usize, Sequence, u32)>,
}

impl PgWriter {
    async fn connection(&mut self) -> Result<&mut Connection, SinkError> {
        if self.connection.is_none() {
            self.staging = 0;
            self.connection = Some(self.config.connect_for_writing().await?);
        }
        self.connection.as_mut().ok_or(SinkError::Gone)
    }

    async fn attempt(
        &mut self,
        group: &[Delivery],
        state: &mut State,
    ) -> Result<Vec<Committed>, SinkError> {
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        if let (Some(committed), Some(holder)) = (state.in_doubt.clone(), &settings.holder) {
            let connection = self.connection().await?;
            if postgres::is_saved(connection, holder, &positions(group)).await? {
                debug!("the transaction was committed, though nobody said so");
                return Ok(committed);
            }
        }
        state.in_doubt = None;
        for _ in 0..LOOKS {
            let (known, encoded) = self.encode(group).await?;
            let is_straight = shared.is_straight.load(Relaxed)
                && !known.has_row_security
                && !(known.has_rules && known.id.is_some());
            let way = if is_straight { Way::Straight } else { Way::Staged };
            if way == Way::Staged && self.staging != known.version && !encoded.parts.is_empty() {
                make_staging(self.connection().await?, &settings, &known).await?;
                self.staging = known.version;
            }
            let connection = self.connection().await?;
            let transaction = Transaction {
                connection,
                settings: &settings,
                shared: &shared,
                known: &known,
                group,
                way,
                makes_letters: false,
            };
            match transaction.run(encoded, state).await? {
                Written::Committed(committed) => return Ok(committed),
                Written::NotStraight => {
                    debug!(
                        "keys are there already; rows go by way of a temporary table from now on"
                    );
                    shared.is_straight.store(false, Relaxed);
                }
                Written::Changed => {
                    debug!("the table has changed");
                    shared.publish(None);
                }
            }
        }
        Err(SinkError::Unsettled { table: settings.shown() })
    }

    /// Encodes the group, and makes the table fit for it.
    async fn encode(&mut self, group: &[Delivery]) -> Result<(Arc<Known>, Encoded), SinkError> {
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        if group.iter().all(|delivery| delivery.changes.is_empty()) {
            // The table may stay missing.
            let known = match shared.known() {
                Some(known) => known,
                None => Arc::new(Known::read(self.connection().await?, &settings, 0).await?),
            };
            return Ok((known, Encoded::default()));
        }
        for _ in 0..LOOKS {
            let known = match shared.known() {
                Some(known) => known,
                None => self.look(None).await?,
            };
            let missing = match encode(&known, group, &settings) {
                Ok(encoded) => return Ok((known, encoded)),
                Err(missing) => missing,
            };
            let mut known = Known::clone(&known);
            grow(self.connection().await?, &settings, &mut known, &missing).await?;
            self.look(Some(&known)).await?;
        }
        Err(SinkError::Unsettled { table: settings.shown() })
    }

    /// Looks at the table, and tells the other writers.
    async fn look(&mut self, before: Option<&Known>) -> Result<Arc<Known>, SinkError> {
        let version = self.shared.versions.fetch_add(1, Relaxed);
        let settings = Arc::clone(&self.settings);
        let mut known = Known::read(self.connection().await?, &settings, version).await?;
        if let Some(before) = before {
            known.barred.clone_from(&before.barred);
        }
        let known = Arc::new(known);
        self.shared.publish(Some(Arc::clone(&known)));
        Ok(known)
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
                self.shared.publish(None);
                self.shared.has_letters.store(false, Relaxed);
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
pub(super) fn positions(group: &[Delivery]) -> Vec<Position> {
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
pub(super) fn failed(what: &'static str) -> impl FnOnce(sqlx::Error) -> SinkError {
    move |error| DbError::statement(what)(error).into()
}
