//! One attempt at a group of changes: a transaction with what they ask for, their dead letters, and their positions.

use ctk_checkpoint::Holder;
use ctk_db::postgres::{Connection, PgConfig, Trouble, trouble};
use ctk_flow::Committed;

use super::{PgStore, Places};
use crate::{
    SinkError,
    envelope::Envelope,
    group::{Delivery, Grouped, Limits},
    postgres::{
        check_encoding,
        rows::raw,
        writer::{Attempt, PgWriter, State, failed, save},
    },
};

/// Applies the changes of a group within a transaction.
pub(crate) trait Apply: Send + 'static {
    /// Returns what became of each member, dead letters included, which are kept.
    fn apply(
        &mut self,
        store: &mut PgStore<'_>,
        group: &[Delivery],
    ) -> impl Future<Output = Result<Vec<Committed>, SinkError>> + Send;

    /// Nothing of what was applied since the last commit has happened, or a table is not what it was: all is to be looked at anew.
    fn forget(&mut self);
}

/// Starts a writer of changes with this connection, the only one: changes of a table stay in their order.
pub(crate) async fn start<A: Apply>(
    config: &PgConfig,
    mut connection: Connection,
    places: Places,
    holder: Option<Holder>,
    engine: A,
    limits: Limits,
) -> Result<Grouped, SinkError> {
    check_encoding(&mut connection).await?;
    let work = OfChanges { engine, places, holder };
    let writer = PgWriter::new(config.clone(), connection, work);
    Ok(Grouped::start(vec![writer], Envelope::None, limits))
}

#[derive(Debug)]
struct OfChanges<A> {
    engine: A,
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

impl<A: Apply> OfChanges<A> {
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

impl<A: Apply> Attempt for OfChanges<A> {
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
                if ended.is_err() {
                    self.engine.forget();
                }
                return ended;
            }
            self.engine.forget();
            let undone = raw(connection, "ROLLBACK".into()).await;
            // The first error is the one to tell.
            done?;
            undone.map_err(failed("undo the transaction"))?;
            check = Check::AtOnce;
        }
    }

    fn reconnect(&mut self) {}

    fn forget(&mut self) {
        self.engine.forget();
    }
}
