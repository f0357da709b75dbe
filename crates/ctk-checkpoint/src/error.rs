//! What can go wrong with the table, by what its owner can do.

use ctk_db::DbError;
use thiserror::Error;

use crate::TABLE;

/// An error of a checkpoint table.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// There is no table to look at.
    #[error("checkpoint table \"{TABLE}\" does not exist")]
    NoTable,
    /// A table of that name is there, but it is another one.
    #[error("table \"{TABLE}\" is no checkpoint table: it has no column \"{column}\"")]
    MissingColumn {
        /// What it would have if it were.
        column: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl CheckpointError {
    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTable => Some("a load with `checkpointer=target` creates it".into()),
            Self::MissingColumn { .. } => {
                Some("rename that table, or load into another database".into())
            }
            Self::Database(error) => error.hint(),
        }
    }
}
