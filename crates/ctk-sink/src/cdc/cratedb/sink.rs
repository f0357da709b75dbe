//! Groups of changes into CrateDB: one after the other, since changes of a table stay in their order. Positions are kept by
//! [`crate::write_then_save`].

use std::sync::Arc;

use ctk_db::cratedb::Client;
use ctk_flow::{Changes, Committed, Failure, Millis, Position, ShardId, Target as _};

use super::{CrateStore, Settings, holds::Holding};
use crate::{
    Grouped, SinkError,
    cdc::{engine::Engine, settings::ChangeSettings, target::Knowledge},
    config::TableConfig,
    envelope::Envelope,
    group::{Delivery, Limits, Writer},
    write_then_save::Sink,
};

/// Hands batches to the writer. Clones share it.
#[derive(Clone, Debug)]
pub struct CrateDbChanges(Grouped);

/// Starts the writer, and looks at what is there.
pub async fn start(
    client: Client,
    store: Settings,
    settings: ChangeSettings,
    table: &TableConfig,
) -> Result<(CrateDbChanges, Knowledge), SinkError> {
    let settled = Arc::default();
    let mut store = CrateStore::new(client, store);
    let mut engine = Engine::new(Arc::new(settings), Arc::clone(&settled));
    let known = engine.begin(&mut store).await?;
    let limits = Limits {
        rows: table.batch_rows,
        bytes: table.batch_bytes,
        linger: table.linger,
        takes_all: true,
    };
    let grouped = Grouped::start(vec![ChangeWriter { store, engine }], Envelope::None, limits);
    Ok((CrateDbChanges(grouped), Knowledge { settled, known }))
}

impl Sink for CrateDbChanges {
    async fn write(&self, changes: Changes) -> Result<Committed, Failure> {
        let upto = Position::new(changes.shard().clone());
        self.0.commit(changes, upto).await
    }

    async fn close(&self) -> Result<(), Failure> {
        self.0.close().await
    }
}

#[derive(Debug)]
struct ChangeWriter {
    store: CrateStore,
    engine: Engine<Holding>,
}

impl Writer for ChangeWriter {
    async fn write(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        let committed = self.engine.apply(&mut self.store, group).await;
        match &committed {
            Ok(_) => self.engine.done(),
            // What was written stays; what is known of tables is looked at anew.
            Err(_) => self.engine.undone(),
        }
        committed
    }

    async fn claim(&mut self, _: &ShardId, _: Option<Millis>) -> Result<(), SinkError> {
        Ok(())
    }

    async fn release(&mut self, _: &ShardId) -> Result<(), SinkError> {
        Ok(())
    }

    async fn close(self) -> Result<(), SinkError> {
        Ok(())
    }
}
