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
    /// What bears the name is no table that rows can be put into.
    #[error("{table} is no table: rows cannot be copied into it")]
    NoTableAtAll {
        /// The view, or what it is.
        table: String,
    },
    /// The database has an encoding of one language.
    #[error("the database has the encoding {encoding}, which cannot hold every text")]
    Encoding {
        /// Its name.
        encoding: String,
    },
    /// The table has rules that forbid to leave out what is there already.
    #[error("the table {table} does not take rows of which some are there already: {why}")]
    Rules {
        /// The table.
        table: String,
        /// What the database says.
        why: String,
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
    /// The table has no primary key, so what is read again would be doubled.
    #[error(
        "the table {table} has no primary key, so records that are read again would be doubled"
    )]
    NoPrimaryKey {
        /// The table.
        table: String,
    },
    /// The key of the table has a column that is another one each time.
    #[error(
        "the key of table {table} has the column {column} with a default, so records that are read again would be doubled"
    )]
    UnstableKey {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// The table lacks a column of the envelope, and is not to be changed.
    #[error("the table {table} has no column {column}, and evolve=none forbids to add it")]
    NoEnvelope {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A column of the envelope is there, but is of another type.
    #[error("the column {column} of table {table} is not {wanted}")]
    OtherColumn {
        /// The table.
        table: String,
        /// The column.
        column: &'static str,
        /// What it is to be.
        wanted: &'static str,
    },
    /// The columns of the envelope cannot be added.
    #[error("the table {table} cannot get the columns of the envelope: {why}")]
    Widen {
        /// The table.
        table: String,
        /// What the database says.
        why: String,
    },
    /// The table is to be parted by a member that the first records do not have.
    #[error("the first records have no member {column}, so the table cannot be partitioned by it")]
    NoPartitionColumn {
        /// The member.
        column: String,
    },
    /// Somebody else made a key of another type at the same moment, and the rows cannot be written anew.
    #[error(
        "{path} of table {table} was made with another type while rows were written; some values may have been changed"
    )]
    Altered {
        /// The table.
        table: String,
        /// Column and key.
        path: String,
    },
    /// The table changes faster than it can be read.
    #[error(
        "the columns of table {table} do not settle: is somebody else changing it all the time?"
    )]
    Unsettled {
        /// The table.
        table: String,
    },
    /// The table of dead letters does not take one.
    #[error("cannot write into table {table}")]
    LetterRefused {
        /// The table of dead letters.
        table: String,
        /// What the database says.
        source: Box<dyn std::error::Error + Send + Sync>,
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
    /// The connection was lost at the end of a transaction, and it could not be found out what became of it.
    #[error("it is not known whether the last rows are in the target")]
    InDoubt {
        /// Why it could not be found out.
        source: Box<Self>,
    },
    /// What was stored of a table cannot be read.
    #[error("the table kinesis_tables of the target holds what cannot be read")]
    Definition {
        /// Why.
        source: serde_json::Error,
    },
    /// The writer task is gone: a defect.
    #[error("the writer of the target broke down")]
    Gone,
}

impl SinkError {
    /// Returns true when it may be about one batch of those that were written together, and not about the target.
    pub(crate) fn may_be_of_one(&self) -> bool {
        !matches!(
            self,
            Self::Rules { .. }
                | Self::Checkpoint(
                    CheckpointError::TakenOver { .. } | CheckpointError::WentBack { .. }
                )
                | Self::Db(DbError::Connect { .. } | DbError::ReadOnly { .. })
                | Self::InDoubt { .. }
                | Self::Gone
        )
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option(error) => error.hint(),
            Self::Db(error) => error.hint(),
            Self::NoKey { source, .. } => source.hint(),
            Self::Checkpoint(error) => error.hint(),
            Self::NoPrimaryKey { .. } => Some(
                "create it with \"kinesis_msg_id\" TEXT PRIMARY KEY, load into another table, or say envelope=none in the source address".into(),
            ),
            Self::NoEnvelope { .. } => Some(
                "add the column, or say envelope=id or envelope=none in the source address".into(),
            ),
            Self::Rules { .. } | Self::NoTableAtAll { .. } | Self::OtherColumn { .. } | Self::Altered { .. } | Self::UnstableKey { .. } => Some("load into another table".into()),
            Self::NoPartitionColumn { .. } => {
                Some("create the table yourself, with the type that this column is to have".into())
            }
            Self::LetterRefused { .. } => Some("--dead-letters jsonl:FILE keeps them in a file".into()),
            Self::Strict { .. } => Some("load into another table, and copy from there".into()),
            Self::NoTable { .. } => Some("create the table, or leave create_table out".into()),
            Self::DeadLetter { .. } => Some(
                "without --dead-letters fail such records are kept in a table of their own".into(),
            ),
            Self::Encoding { .. } => {
                Some("create another one: CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0".into())
            }
            Self::InDoubt { .. } => Some(
                "the next run finds it out from its positions, where they are kept in the target".into(),
            ),
            Self::Definition { .. } => Some("was it written by a later version?".into()),
            Self::File { .. } | Self::Gone | Self::Widen { .. } | Self::Unsettled { .. } => None,
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
