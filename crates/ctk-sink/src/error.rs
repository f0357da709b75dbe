//! What can go wrong in a sink.

use std::sync::Arc;

use ctk_checkpoint::CheckpointError;
use ctk_db::DbError;
use ctk_url::OptionError;

/// An error of a sink. Bad rows are none of them: those are dead letters.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// An option of the address is wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The database refused something that is no row.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A position could not be saved.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file could not be written.
    #[error("cannot write to {path}")]
    File {
        /// The file, or `stdout`.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The table is not there, and was not to be created.
    #[error("the table {table} does not exist, and create_table=never forbids to create it")]
    NoTable {
        /// The table.
        table: String,
    },
    /// The table has strict types, into which not every value goes.
    #[error("the table {table} is STRICT, which is not built yet")]
    Strict {
        /// The table.
        table: String,
    },
    /// The table has rows with equal message ids, so it can get no key.
    #[error("the table {table} cannot get its key: the column {column} holds equal values")]
    NoKey {
        /// The table.
        table: String,
        /// The key column.
        column: String,
        /// Why.
        source: Box<DbError>,
    },
    /// A record is no row, and the user wants to stop at the first such.
    #[error("record {sequence} of shard {shard} is refused ({reason}): {error}")]
    DeadLetter {
        /// The shard.
        shard: String,
        /// The record.
        sequence: String,
        /// The stable code.
        reason: &'static str,
        /// The same for a human.
        error: String,
    },
    /// The writer task is gone: a defect.
    #[error("the writer of the target broke down")]
    Gone,
}

impl SinkError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option(error) => error.hint(),
            Self::Db(error) => error.hint(),
            Self::NoKey { source, .. } => source.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::Strict { .. } => Some("load into another table, and copy from there".into()),
            Self::NoTable { .. } => Some("create the table, or leave create_table out".into()),
            Self::DeadLetter { .. } => Some(
                "without --dead-letters fail such records are kept in a table of their own".into(),
            ),
            Self::File { .. } | Self::Gone => None,
        }
    }
}

/// An error that several shards wait for: they were written in one transaction, and fail together.
#[derive(Clone, Debug)]
pub struct Shared(pub Arc<SinkError>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}
