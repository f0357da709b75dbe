//! Groups of changes into SQLite: the rows, dead letters, what is known of tables, and positions, in one transaction.

use std::sync::Arc;

use ctk_checkpoint::{Holder, Saved, sqlite};
use ctk_db::DbError;
use ctk_flow::{Committed, Millis, Position, ShardId};
use sqlx::{Connection as _, SqliteConnection};
use tracing::warn;

use super::{Holds, SqliteStore};
use crate::{
    SinkError,
    cdc::{
        engine::Engine,
        settings::ChangeSettings,
        target::{ChangeTarget, Knowledge},
    },
    config::TableConfig,
    envelope::Envelope,
    group::{Delivery, Grouped, Limits, Writer},
};

#[derive(Debug)]
struct ChangeWriter {
    connection: SqliteConnection,
    namespace: String,
    holder: Option<Holder>,
    engine: Engine<Holds>,
}

/// Starts writing changes over a connection. What is known of tables is kept under the namespace; `holder` is whose positions
/// are written with the rows, none when the run keeps them elsewhere.
pub async fn start(
    connection: SqliteConnection,
    settings: ChangeSettings,
    config: &TableConfig,
    (namespace, holder): (String, Option<Holder>),
) -> Result<ChangeTarget<Grouped>, SinkError> {
    let settled = Arc::default();
    let settings = Arc::new(settings);
    let engine = Engine::new(Arc::clone(&settings), Arc::clone(&settled));
    let mut writer = ChangeWriter { connection, namespace, holder, engine };
    let mut store = SqliteStore {
        connection: &mut writer.connection,
        stream: &settings.stream,
        namespace: &writer.namespace,
    };
    let known = writer.engine.begin(&mut store).await?;
    let limits = Limits {
        rows: config.batch_rows,
        bytes: config.batch_bytes,
        linger: config.linger,
        takes_all: true,
    };
    let grouped = Grouped::start(vec![writer], Envelope::None, limits);
    Ok(ChangeTarget::new(grouped, Knowledge { settled, known }))
}

impl ChangeWriter {
    async fn write_all(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        let settings = Arc::clone(&self.engine.settings);
        let mut store = SqliteStore {
            connection: &mut self.connection,
            stream: &settings.stream,
            namespace: &self.namespace,
        };
        let committed = self.engine.apply(&mut store, group).await?;
        if let Some(holder) = &self.holder {
            let positions: Vec<Position> =
                group.iter().map(|delivery| delivery.upto.clone()).collect();
            let saved = sqlite::save(&mut self.connection, holder, &positions).await?;
            for (position, saved) in positions.iter().zip(saved) {
                if let Saved::Behind { stored } = saved {
                    warn!(shard = %position.shard, %stored, "another tool moved this checkpoint on; is it still running?");
                }
            }
        }
        Ok(committed)
    }
}

impl Writer for ChangeWriter {
    async fn write(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        crate::sqlite::run(&mut self.connection, "BEGIN IMMEDIATE").await?;
        let written = match self.write_all(group).await {
            Ok(written) => {
                crate::sqlite::run(&mut self.connection, "COMMIT").await.map(|()| written)
            }
            Err(error) => Err(error),
        };
        if written.is_err() {
            self.engine.undone();
            // The first error is the one to tell; SQLite has rolled back by itself after some of them.
            drop(crate::sqlite::run(&mut self.connection, "ROLLBACK").await);
        } else {
            self.engine.done();
        }
        written
    }

    async fn claim(&mut self, shard: &ShardId, begins: Option<Millis>) -> Result<(), SinkError> {
        let Some(holder) = &self.holder else { return Ok(()) };
        Ok(sqlite::claim(&mut self.connection, holder, shard, begins).await?)
    }

    async fn release(&mut self, shard: &ShardId) -> Result<(), SinkError> {
        let Some(holder) = &self.holder else { return Ok(()) };
        Ok(sqlite::release(&mut self.connection, holder, shard).await?)
    }

    async fn close(self) -> Result<(), SinkError> {
        Ok(self.connection.close().await.map_err(DbError::statement("close the database"))?)
    }
}
