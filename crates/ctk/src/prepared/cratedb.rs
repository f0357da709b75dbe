//! CrateDB before the run.

use std::{collections::HashMap, time::Duration};

use ctk_checkpoint::{CheckpointStore, MemoryStore, StreamIdentity, cratedb::CrateDbStore};
use ctk_db::{DbError, cratedb::Client};
use ctk_flow::ShardId;
use ctk_kinesis::Saved;
use ctk_sink::{
    SinkError,
    cdc::{
        ChangeTarget,
        cratedb::{self, Settings as ChangesSettings},
    },
    cratedb::{CrateDbSink, Settings, config::CrateDbAddress},
    dead_letters::DeadLetters,
    envelope::Envelope,
    write_then_save::{WriteThenSave, heartbeat},
};

use super::{Prepared, saved};
use crate::{exit::CommandError, registry::AnyTarget};

/// What the source says of the rows.
pub(super) struct Rows<'a> {
    pub(super) stream: &'a str,
    pub(super) envelope: Envelope,
    pub(super) is_document: bool,
}

/// A run that was not heard of for so many heartbeats is taken for dead.
const HEARTBEATS: u32 = 3;

/// But not before this, so that a slow answer is no death.
const LEAST_LEASE: Duration = Duration::from_secs(3);

impl Prepared {
    /// Looks whether the server is there and new enough, at its table, and at the positions of earlier runs.
    pub(super) async fn look_into_cratedb(
        &mut self,
        address: &CrateDbAddress,
    ) -> Result<(), CommandError> {
        let failed = || DbError::cratedb("connect to the target");
        let client = Client::new(&address.connection).map_err(failed())?;
        client.check_version().await.map_err(failed())?;
        if self.changes.is_none() && !address.table.create_table {
            let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ? AND table_name = ?";
            let found = client
                .execute(sql, &[self.schema.as_str().into(), self.table.as_str().into()])
                .await
                .map_err(DbError::cratedb("look for the table"))?;
            if found.rows.is_empty() {
                let table = format!("{}.{}", self.schema, self.table);
                return Err(SinkError::NoTable { table }.into());
            }
        }
        if let Some(namespace) = &self.namespace {
            let schema = &self.checkpoint.schema;
            let checkpoints = ctk_checkpoint::cratedb::load(&client, schema, namespace).await?;
            self.note(checkpoints);
        }
        Ok(())
    }

    /// Opens it for writing, and returns how far earlier runs came by now.
    pub(super) async fn open_cratedb(
        self,
        address: CrateDbAddress,
        rows: Rows<'_>,
        identity: StreamIdentity,
        dead_letters: DeadLetters,
    ) -> Result<(AnyTarget, HashMap<ShardId, Saved>), CommandError> {
        let client =
            Client::new(&address.connection).map_err(DbError::cratedb("connect to the target"))?;
        if self.changes.is_some() {
            let beside = (identity, dead_letters);
            return self.open_changes(address, client, rows.stream, beside).await;
        }
        let settings = Settings {
            schema: self.schema.clone(),
            table: self.table.clone(),
            stream: rows.stream.to_owned(),
            envelope: rows.envelope,
            is_document: rows.is_document,
            create_table: address.table.create_table,
            evolve: address.table.evolve,
            shards: address.shards,
            replicas: address.replicas,
            partitioned_by: address.partitioned_by,
            batch_rows: address.table.batch_rows,
            batch_bytes: address.table.batch_bytes,
            linger: address.table.linger,
            connections: address.connections,
            dead_letters,
        };
        let interval = self.checkpoint.interval;
        let Some(namespace) = &self.namespace else {
            let store = MemoryStore::new(rows.stream);
            let sink = CrateDbSink::start(client, settings);
            let target = AnyTarget::CrateDbAlone(WriteThenSave::start(sink, store, interval));
            return Ok((target, self.saved));
        };
        let (store, saved) = self.open_store(&client, namespace, identity).await?;
        let sink = CrateDbSink::start(client, settings);
        Ok((AnyTarget::CrateDb(WriteThenSave::start(sink, store, interval)), saved))
    }

    /// Opens it for change data.
    async fn open_changes(
        self,
        address: CrateDbAddress,
        client: Client,
        stream: &str,
        (identity, dead_letters): (StreamIdentity, DeadLetters),
    ) -> Result<(AnyTarget, HashMap<ShardId, Saved>), CommandError> {
        let Some(changes) = self.changes.clone() else { return Err(SinkError::Gone.into()) };
        let interval = self.checkpoint.interval;
        let settings = ChangesSettings {
            stream: stream.to_owned(),
            namespace: changes.namespace.clone(),
            letters_schema: self.schema.clone(),
            checkpoint_schema: self.checkpoint.schema.clone(),
            shards: address.shards,
            replicas: address.replicas,
            batch_rows: address.table.batch_rows,
            batch_bytes: address.table.batch_bytes,
            connections: address.connections,
        };
        let opened = match &self.namespace {
            Some(namespace) => Some(self.open_store(&client, namespace, identity).await?),
            None => None,
        };
        let wanted = changes.settings(stream, &address.table, dead_letters);
        let started = cratedb::start(client, settings, wanted, &address.table).await?;
        let (sink, knowledge) = started;
        let Some((store, saved)) = opened else {
            let target = WriteThenSave::start(sink, MemoryStore::new(stream), interval);
            let target = AnyTarget::CrateDbChangesAlone(ChangeTarget::new(target, knowledge));
            return Ok((target, self.saved));
        };
        let target = WriteThenSave::start(sink, store, interval);
        Ok((AnyTarget::CrateDbChanges(ChangeTarget::new(target, knowledge)), saved))
    }

    /// Opens the table of checkpoints, and returns how far earlier runs came by now.
    async fn open_store(
        &self,
        client: &Client,
        namespace: &str,
        identity: StreamIdentity,
    ) -> Result<(CrateDbStore, HashMap<ShardId, Saved>), CommandError> {
        let lease = (heartbeat(self.checkpoint.interval) * HEARTBEATS).max(LEAST_LEASE);
        let patient = client.clone().patient();
        let schema = &self.checkpoint.schema;
        if !self.outdated.is_empty() {
            ctk_checkpoint::cratedb::delete(&patient, schema, &self.outdated).await?;
        }
        let store =
            CrateDbStore::open(&patient, schema, namespace, identity, lease, self.take_over)
                .await?;
        // Another run may have moved on while this one waited for it.
        let saved = store.load().await?.into_iter().map(saved).collect();
        Ok((store, saved))
    }
}
