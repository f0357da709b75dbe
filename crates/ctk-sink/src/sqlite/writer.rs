//! Writes groups into SQLite, over the one connection that writes.

use ctk_checkpoint::sqlite;
use ctk_db::DbError;
use ctk_flow::{Committed, Millis, ShardId};
use sqlx::{Connection, SqliteConnection};

use super::{Settings, table::Table, transaction};
use crate::{
    SinkError,
    group::{Delivery, Writer},
};

#[derive(Debug)]
pub(super) struct SqliteWriter {
    pub(super) connection: SqliteConnection,
    pub(super) settings: Settings,
    /// As it was read last; none before the first rows, and after a transaction that was undone.
    pub(super) table: Option<Table>,
}

impl Writer for SqliteWriter {
    async fn write(&mut self, group: &[Delivery]) -> Result<Vec<Committed>, SinkError> {
        transaction::write(&mut self.connection, &mut self.table, &self.settings, group).await
    }

    async fn claim(&mut self, shard: &ShardId, begins: Option<Millis>) -> Result<(), SinkError> {
        let Some(holder) = &self.settings.checkpoints else { return Ok(()) };
        Ok(sqlite::claim(&mut self.connection, holder, shard, begins).await?)
    }

    async fn release(&mut self, shard: &ShardId) -> Result<(), SinkError> {
        let Some(holder) = &self.settings.checkpoints else { return Ok(()) };
        Ok(sqlite::release(&mut self.connection, holder, shard).await?)
    }

    async fn close(self) -> Result<(), SinkError> {
        Ok(self.connection.close().await.map_err(DbError::statement("close the database"))?)
    }
}
