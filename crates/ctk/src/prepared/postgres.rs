//! PostgreSQL before the run.

use std::collections::HashMap;

use ctk_checkpoint::{StreamIdentity, postgres as checkpoints};
use ctk_db::postgres;
use ctk_flow::ShardId;
use ctk_kinesis::Saved;
use ctk_sink::{
    SinkError,
    cdc::postgres::{self as changes_sink, Places},
    dead_letters::DeadLetters,
    envelope::Envelope,
    postgres::{PostgresTarget, Settings, check_encoding, config::PostgresAddress},
};

use super::{Prepared, saved};
use crate::{exit::CommandError, registry::AnyTarget};

impl Prepared {
    /// Looks whether the server is there and new enough, at its table, and at the positions of earlier runs.
    pub(super) async fn look_into_postgres(
        &mut self,
        address: &PostgresAddress,
    ) -> Result<(), CommandError> {
        let mut connection = address.connection.connect_for_writing().await?;
        check_encoding(&mut connection).await?;
        let table = match self.changes {
            Some(_) => None,
            None => postgres::table(&mut connection, &self.schema, &self.table).await?,
        };
        let shown = || format!("{}.{}", self.schema, self.table);
        match table {
            None if self.changes.is_none() && !address.table.create_table => {
                return Err(SinkError::NoTable { table: shown() }.into());
            }
            Some(table) if !table.kind.takes_rows() => {
                return Err(SinkError::NoTableAtAll { table: shown() }.into());
            }
            _ => {}
        }
        if let Some(namespace) = &self.namespace {
            let schema = &self.checkpoint.schema;
            let found = checkpoints::load(&mut connection, schema, namespace).await?;
            self.note(found);
        }
        Ok(())
    }

    /// Opens it for writing, takes the namespace over, and returns how far earlier runs came by now.
    pub(super) async fn open_postgres(
        mut self,
        address: PostgresAddress,
        (stream, envelope): (&str, Envelope),
        identity: StreamIdentity,
        dead_letters: DeadLetters,
    ) -> Result<(AnyTarget, HashMap<ShardId, Saved>), CommandError> {
        let mut connection = address.connection.connect_for_writing().await?;
        let schema = &self.checkpoint.schema;
        if !self.outdated.is_empty() {
            checkpoints::delete(&mut connection, schema, &self.outdated).await?;
        }
        let mut holder = None;
        if let Some(namespace) = &self.namespace {
            checkpoints::create_table(&mut connection, schema).await?;
            let opened = checkpoints::open(&mut connection, schema, namespace, identity).await?;
            // The run that had the namespace may have moved on since it was looked at.
            self.saved = opened.1.into_iter().map(saved).collect();
            holder = Some(opened.0);
        }
        if let Some(changes) = self.changes {
            let places = Places {
                letters: self.schema,
                checkpoints: schema.clone(),
                namespace: changes.namespace.clone(),
                stream: stream.to_owned(),
            };
            let settings = changes.settings(stream, &address.table, dead_letters);
            let (config, table) = (&address.connection, &address.table);
            let target =
                changes_sink::start(config, connection, settings, table, (places, holder)).await?;
            return Ok((AnyTarget::Changes(target), self.saved));
        }
        let settings = Settings {
            schema: self.schema,
            table: self.table,
            stream: stream.to_owned(),
            envelope,
            create_table: address.table.create_table,
            evolve: address.table.evolve,
            batch_rows: address.table.batch_rows,
            batch_bytes: address.table.batch_bytes,
            linger: address.table.linger,
            connections: address.connections,
            dead_letters,
            holder,
        };
        let target = PostgresTarget::start(&address.connection, connection, settings).await?;
        Ok((AnyTarget::Postgres(target), self.saved))
    }
}
