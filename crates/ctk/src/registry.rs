//! Which target an address means: one arm for each.

use std::{
    fs::File,
    io::{BufWriter, Stdout},
    path::PathBuf,
    sync::Arc,
};

use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use ctk_sink::{config::TableConfig, discard::Discard, jsonl::Jsonl, sqlite::SqliteTarget};
use ctk_url::{TargetScheme, TargetUrl};

use crate::exit::CommandError;

/// A kind of target, with what its address says of it.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Sqlite(PathBuf, TableConfig),
    File(PathBuf),
    Stdout,
    Discard,
}

impl Kind {
    pub(crate) fn has_tables(&self) -> bool {
        matches!(self, Self::Sqlite(..))
    }

    /// Returns the table that the address names.
    pub(crate) fn table(&self) -> Option<String> {
        match self {
            Self::Sqlite(_, config) => config.table.clone(),
            Self::File(_) | Self::Stdout | Self::Discard => None,
        }
    }

    /// Returns what an address means.
    pub(crate) fn of_url(url: &TargetUrl) -> Result<Self, CommandError> {
        let not_yet = |name: &str| {
            CommandError::usage(format!("{name} is no target of this version yet"))
                .hint("targets today: sqlite:FILE, jsonl:FILE, - (stdout)".to_owned())
        };
        let options = url.options.clone();
        match (url.scheme, &url.file) {
            (TargetScheme::Sqlite, Some(file)) => {
                Ok(Self::Sqlite(file.clone(), TableConfig::from_options(options)?))
            }
            (TargetScheme::Jsonl, file) => {
                options.finish(&[])?;
                Ok(file.clone().map_or(Self::Stdout, Self::File))
            }
            (TargetScheme::Discard, _) => {
                options.finish(&[])?;
                Ok(Self::Discard)
            }
            (TargetScheme::Sqlite, None) => {
                Err(CommandError::usage("the address names no database file"))
            }
            (TargetScheme::CrateDb, _) => Err(not_yet("CrateDB")),
            (TargetScheme::PostgreSql, _) => Err(not_yet("PostgreSQL")),
            (TargetScheme::DuckDb, _) => Err(not_yet("DuckDB")),
        }
    }
}

/// An open target.
#[derive(Clone, Debug)]
pub enum AnyTarget {
    /// A SQLite database.
    Sqlite(SqliteTarget),
    /// A file of lines.
    File(Arc<Jsonl<BufWriter<File>>>),
    /// Lines on stdout.
    Stdout(Arc<Jsonl<Stdout>>),
    /// Nothing.
    Discard(Arc<Discard>),
}

impl Target for AnyTarget {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        match self {
            Self::Sqlite(target) => target.commit(changes, upto).await,
            Self::File(target) => target.commit(changes, upto).await,
            Self::Stdout(target) => target.commit(changes, upto).await,
            Self::Discard(target) => target.commit(changes, upto).await,
        }
    }

    async fn close(&self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(target) => target.close().await,
            Self::File(target) => target.close().await,
            Self::Stdout(target) => target.close().await,
            Self::Discard(target) => target.close().await,
        }
    }
}

impl Claims for AnyTarget {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        match self {
            Self::Sqlite(target) => target.claim(shard, begins).await,
            Self::File(_) | Self::Stdout(_) | Self::Discard(_) => Ok(()),
        }
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        match self {
            Self::Sqlite(target) => target.release(shard).await,
            Self::File(_) | Self::Stdout(_) | Self::Discard(_) => Ok(()),
        }
    }
}
