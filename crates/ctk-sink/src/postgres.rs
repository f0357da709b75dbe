//! PostgreSQL: rows, dead letters and the positions of shards in one transaction, so each record is there exactly once.
//!
//! Rows are encoded for COPY in its binary form. While no key was met that is there already, which is how a run goes that knows
//! its positions, they are copied straight into the table; after the first such, by way of a temporary table, from which what
//! is not there is inserted. What PostgreSQL refuses is narrowed down to the row, which becomes a dead letter.
//!
//! Several writers work side by side, each with a connection (see `group`). A run is fenced: when another one has taken its
//! namespace over, the transaction that it tries next finds that, and writes nothing.

pub mod config;
mod encode;
pub(crate) mod holds;
pub(crate) mod json;
mod kinds;
mod known;
pub(crate) mod letters;
pub(crate) mod names;
mod numeric;
mod plain;
pub(crate) mod put;
pub(crate) mod rows;
pub(crate) mod schema;
mod time;
mod transaction;
pub(crate) mod writer;

use std::{sync::Arc, time::Duration};

use ctk_checkpoint::Holder;
use ctk_db::{
    DbError,
    postgres::{Connection, PgConfig, sqlstate},
    quote,
};
use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};

use self::{
    letters::Letters,
    plain::{Plain, Shared},
    writer::PgWriter,
};
use tracing::warn;

pub use self::{
    letters::table_name as dead_letter_table,
    names::{MOST_BYTES, fit as fit_name},
};
use crate::{
    SinkError,
    dead_letters::DeadLetters,
    envelope::Envelope,
    group::{Grouped, Limits},
};

/// What to write, and where.
#[derive(Debug)]
pub struct Settings {
    /// The schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// The stream, for the envelope and for dead letters.
    pub stream: String,
    /// How much of the envelope is written.
    pub envelope: Envelope,
    /// Whether to create the table when it is missing.
    pub create_table: bool,
    /// Whether to add columns.
    pub evolve: bool,
    /// Rows that make a batch full.
    pub batch_rows: usize,
    /// The same in bytes.
    pub batch_bytes: usize,
    /// How long to wait for that; zero writes at once.
    pub linger: Duration,
    /// Connections that write at the same time.
    pub connections: usize,
    /// What becomes of records that are no rows.
    pub dead_letters: DeadLetters,
    /// Whose positions are written with the rows; none when the run keeps them elsewhere.
    pub holder: Option<Holder>,
}

impl Settings {
    /// Returns the table as SQL wants it.
    fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.table))
    }

    /// Returns where dead letters are kept.
    fn letters(&self) -> Letters<'_> {
        let name = dead_letter_table(&self.table);
        Letters { schema: &self.schema, name, stream: &self.stream }
    }

    /// Returns the table for texts.
    fn shown(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }
}

/// Hands batches to the writers. Clones share them.
#[derive(Clone, Debug)]
pub struct PostgresTarget(Grouped);

impl PostgresTarget {
    /// Starts the writers, the first of them with this connection. The table is created when the first rows come.
    ///
    /// Where the server has no room for as many connections, there are fewer writers.
    pub async fn start(
        config: &PgConfig,
        connection: Connection,
        settings: Settings,
    ) -> Result<Self, SinkError> {
        let mut connections = vec![connection];
        check_encoding(&mut connections[0]).await?;
        while connections.len() < settings.connections {
            match config.connect_for_writing().await {
                Ok(connection) => connections.push(connection),
                Err(DbError::Connect { source, .. })
                    if sqlstate(&source).as_deref() == Some("53300") =>
                {
                    warn!(
                        connections = connections.len(),
                        "PostgreSQL has no room for more connections"
                    );
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let limits = Limits {
            rows: settings.batch_rows,
            bytes: settings.batch_bytes,
            linger: settings.linger,
            takes_all: false,
        };
        let (settings, shared) = (Arc::new(settings), Arc::new(Shared::default()));
        let writer = |connection| {
            let work = Plain::new(Arc::clone(&settings), Arc::clone(&shared));
            PgWriter::new(config.clone(), connection, work)
        };
        let writers = connections.into_iter().map(writer).collect();
        Ok(Self(Grouped::start(writers, settings.envelope, limits)))
    }
}

/// Refuses a database that cannot hold every text: a record could not even become a dead letter.
pub async fn check_encoding(connection: &mut Connection) -> Result<(), SinkError> {
    let sql = "SELECT pg_catalog.current_setting('server_encoding')";
    let encoding: String = sqlx::query_scalar(sql)
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(DbError::statement("look at the database"))?;
    if encoding == "UTF8" { Ok(()) } else { Err(SinkError::Encoding { encoding }) }
}

impl Target for PostgresTarget {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        self.0.commit(changes, upto).await
    }

    async fn close(&self) -> Result<(), Failure> {
        self.0.close().await
    }
}

impl Claims for PostgresTarget {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        self.0.claim(shard, begins).await
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        self.0.release(shard).await
    }
}

#[cfg(test)]
mod tests;
