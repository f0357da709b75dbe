//! One attempt at a group of changes: a transaction with what they ask for, their dead letters, and their positions.

use std::sync::Arc;

use ctk_checkpoint::Holder;
use ctk_db::postgres::{Connection, PgConfig, Trouble, trouble};
use ctk_flow::Committed;

use super::{PgHolds, PgStore, Places};
use crate::{
    SinkError,
    cdc::{
        engine::Engine,
        settings::ChangeSettings,
        target::{ChangeTarget, Knowledge},
    },
    config::TableConfig,
    envelope::Envelope,
    group::{Delivery, Grouped, Limits},
    postgres::{
        check_encoding,
        rows::raw,
        writer::{Attempt, PgWriter, State, failed, save},
    },
};

/// Starts a writer of changes with this connection, the only one: changes of a table stay in their order. `holder` is whose
/// positions are written with the rows, none when the run keeps them elsewhere.
pub async fn start(
    config: &PgConfig,
    mut connection: Connection,
    settings: ChangeSettings,
    table: &TableConfig,
    (places, holder): (Places, Option<Holder>),
) -> Result<ChangeTarget<Grouped>, SinkError> {
    check_encoding(&mut connection).await?;
    let settled = Arc::default();
    let mut engine = Engine::new(Arc::new(settings), Arc::clone(&settled));
    raw(&mut connection, "BEGIN".into()).await.map_err(failed("begin a transaction"))?;
    let known = engine.begin(&mut PgStore::new(&mut connection, &places)).await?;
    raw(&mut connection, "COMMIT".into()).await.map_err(failed("commit the transaction"))?;
    let limits = Limits {
        rows: table.batch_rows,
        bytes: table.batch_bytes,
        linger: table.linger,
        takes_all: true,
    };
    let work = OfChanges { engine, places, holder };
    let writer = PgWriter::new(config.clone(), connection, work);
    let grouped = Grouped::start(vec![writer], Envelope::None, limits);
    Ok(ChangeTarget::new(grouped, Knowledge { settled, known }))
}

#[derive(Debug)]
struct OfChanges {
    engine: Engine<PgHolds>,
    places: Places,
    holder: Option<Holder>,
}

/// When constraints are checked that the table defers to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Where the rows of a transaction are valid together, that is best.
    AtTheEnd,
    /// It can be said which row is refused.
    AtOnce,
}

/// What an attempt came to.
enum Done {
    Applied(Vec<Committed>),
    /// Something is not valid in the end, and it is not known what.
    NotValid,
}

impl OfChanges {
    async fn within(
        &mut self,
        connection: &mut Connection,
        group: &[Delivery],
        check: Check,
    ) -> Result<Done, SinkError> {
        let at_once = "SET CONSTRAINTS ALL IMMEDIATE";
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED";
        let begin = match check {
            Check::AtTheEnd => begin.to_owned(),
            Check::AtOnce => format!("{begin}; {at_once}"),
        };
        raw(connection, begin).await.map_err(failed("begin a transaction"))?;
        let mut store = PgStore::new(connection, &self.places);
        let committed = self.engine.apply(&mut store, group).await?;
        match raw(connection, at_once.into()).await {
            Ok(()) => {}
            Err(error) if check == Check::AtTheEnd && trouble(&error) == Trouble::Rows => {
                return Ok(Done::NotValid);
            }
            Err(error) => return Err(failed("check what was written")(error)),
        }
        if let Some(holder) = &self.holder {
            save(connection, holder, group).await?;
        }
        Ok(Done::Applied(committed))
    }
}

impl Attempt for OfChanges {
    fn holder(&self) -> Option<&Holder> {
        self.holder.as_ref()
    }

    async fn attempt(
        &mut self,
        connection: &mut Connection,
        group: &[Delivery],
        state: &mut State,
    ) -> Result<Vec<Committed>, SinkError> {
        let mut check = Check::AtTheEnd;
        loop {
            let done = self.within(connection, group, check).await;
            if let Ok(Done::Applied(committed)) = done {
                let ended = state.commit(connection, committed).await;
                match &ended {
                    Ok(_) => self.engine.done(),
                    Err(_) => self.engine.undone(),
                }
                return ended;
            }
            self.engine.undone();
            let undone = raw(connection, "ROLLBACK".into()).await;
            // The first error is the one to tell.
            done?;
            undone.map_err(failed("undo the transaction"))?;
            check = Check::AtOnce;
        }
    }

    fn reconnect(&mut self) {}

    fn forget(&mut self) {
        self.engine.undone();
    }
}
