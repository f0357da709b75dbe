//! One attempt at a group of plain records: the rows are fitted to the table, or the table to them, and written.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use ctk_checkpoint::Holder;
use ctk_db::postgres::Connection;
use ctk_flow::Committed;
use tracing::debug;

use super::{
    Settings,
    encode::{Encoded, encode},
    known::Known,
    rows::{Way, make_staging},
    schema::grow,
    transaction::{Transaction, Written},
    writer::{Attempt, LOOKS, State},
};
use crate::{SinkError, group::Delivery};

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

/// Writes rows, over one connection.
#[derive(Debug)]
pub(super) struct Plain {
    settings: Arc<Settings>,
    shared: Arc<Shared>,
    /// The look at the table that the temporary table was made for; zero without one.
    staging: u64,
}

impl Attempt for Plain {
    fn holder(&self) -> Option<&Holder> {
        self.settings.holder.as_ref()
    }

    async fn attempt(
        &mut self,
        connection: &mut Connection,
        group: &[Delivery],
        state: &mut State,
    ) -> Result<Vec<Committed>, SinkError> {
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        for _ in 0..LOOKS {
            let (known, encoded) = self.encode(connection, group).await?;
            let is_straight = shared.is_straight.load(Relaxed)
                && !known.has_row_security
                && !(known.has_rules && known.id.is_some());
            let way = if is_straight { Way::Straight } else { Way::Staged };
            if way == Way::Staged && self.staging != known.version && !encoded.parts.is_empty() {
                make_staging(connection, &settings, &known).await?;
                self.staging = known.version;
            }
            let transaction = Transaction {
                connection: &mut *connection,
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

    fn reconnect(&mut self) {
        self.staging = 0;
    }

    fn forget(&mut self) {
        self.shared.publish(None);
        self.shared.has_letters.store(false, Relaxed);
    }
}

impl Plain {
    pub(super) fn new(settings: Arc<Settings>, shared: Arc<Shared>) -> Self {
        Self { settings, shared, staging: 0 }
    }

    /// Encodes the group, and makes the table fit for it.
    async fn encode(
        &mut self,
        connection: &mut Connection,
        group: &[Delivery],
    ) -> Result<(Arc<Known>, Encoded), SinkError> {
        let (settings, shared) = (Arc::clone(&self.settings), Arc::clone(&self.shared));
        if group.iter().all(|delivery| delivery.changes.is_empty()) {
            // The table may stay missing.
            let known = match shared.known() {
                Some(known) => known,
                None => Arc::new(Known::read(connection, &settings, 0).await?),
            };
            return Ok((known, Encoded::default()));
        }
        for _ in 0..LOOKS {
            let known = match shared.known() {
                Some(known) => known,
                None => self.look(connection, None).await?,
            };
            let missing = match encode(&known, group, &settings) {
                Ok(encoded) => return Ok((known, encoded)),
                Err(missing) => missing,
            };
            let mut known = Known::clone(&known);
            grow(connection, &settings, &mut known, &missing).await?;
            self.look(connection, Some(&known)).await?;
        }
        Err(SinkError::Unsettled { table: settings.shown() })
    }

    /// Looks at the table, and tells the other writers.
    async fn look(
        &mut self,
        connection: &mut Connection,
        before: Option<&Known>,
    ) -> Result<Arc<Known>, SinkError> {
        let version = self.shared.versions.fetch_add(1, Relaxed);
        let settings = Arc::clone(&self.settings);
        let mut known = Known::read(connection, &settings, version).await?;
        if let Some(before) = before {
            known.barred.clone_from(&before.barred);
        }
        let known = Arc::new(known);
        self.shared.publish(Some(Arc::clone(&known)));
        Ok(known)
    }
}
