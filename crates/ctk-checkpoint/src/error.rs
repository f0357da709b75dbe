//! What can go wrong with the table, by what its owner can do.

use ctk_db::DbError;
use ctk_flow::ShardId;
use thiserror::Error;

/// An error of a checkpoint table.
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// There is no table to look at.
    #[error("checkpoint table {table} does not exist")]
    NoTable {
        /// Its name, quoted, with its schema where there are schemas.
        table: String,
    },
    /// A table of that name is there, but it is another one.
    #[error("table {table} is no checkpoint table: it has no column \"{column}\"")]
    MissingColumn {
        /// Its name, quoted, with its schema where there are schemas.
        table: String,
        /// What it would have if it were.
        column: &'static str,
    },
    /// Another run is at work under this name.
    #[error("another run loads with the checkpoints of namespace \"{namespace}\"")]
    Held {
        /// The namespace of both.
        namespace: String,
    },
    /// Another run took a shard from this one, which has to stop.
    #[error("another run took over shard {shard} of namespace \"{namespace}\"")]
    TakenOver {
        /// The namespace of both.
        namespace: String,
        /// The shard.
        shard: ShardId,
    },
    /// The target came back without what it had confirmed, and has to be loaded from where it is now.
    #[error("the target has lost what it confirmed for shard {shard} of namespace \"{namespace}\"")]
    WentBack {
        /// The namespace.
        namespace: String,
        /// The shard.
        shard: ShardId,
    },
    /// The database refuses to change or to delete a row, each time it is tried.
    #[error("cannot change the checkpoint of shard {shard}: {reason}")]
    Refused {
        /// The shard.
        shard: ShardId,
        /// What the database says.
        reason: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl CheckpointError {
    /// Returns the error of a table that lets a change pass without making it.
    pub(crate) fn ignored(shard: &ShardId) -> Self {
        let reason = "a trigger, a rule or a policy of the table ignores it".to_owned();
        Self::Refused { shard: shard.clone(), reason }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoTable { .. } => Some("a load with `checkpointer=target` creates it".into()),
            Self::MissingColumn { .. } => {
                Some("rename that table, or load into another database".into())
            }
            Self::Held { .. } => Some(
                "stop that run, give this one checkpoints of its own with checkpointer_name=ANOTHER in the source address, \
                 or take over with --take-over"
                    .into(),
            ),
            Self::TakenOver { .. } => Some(
                "both have the same checkpointer_name: one run at a time, or a checkpointer_name for each"
                    .into(),
            ),
            Self::WentBack { .. } => {
                Some("start the run again: it goes on from what the target has".into())
            }
            Self::Refused { .. } => None,
            Self::Database(error) => error.hint(),
        }
    }
}
