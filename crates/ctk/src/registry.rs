//! Which target an address means: one arm for each.

use std::{
    fs::File,
    io::{BufWriter, Stdout},
    path::PathBuf,
    sync::Arc,
};

use ctk_checkpoint::{MemoryStore, cratedb::CrateDbStore};
use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use ctk_sink::{
    Grouped,
    cdc::{ChangeTarget, cratedb::CrateDbChanges},
    config::TableConfig,
    cratedb::{CrateDbSink, config::CrateDbAddress},
    discard::Discard,
    jsonl::Jsonl,
    postgres::{self, PostgresTarget, config::PostgresAddress},
    write_then_save::WriteThenSave,
};
use ctk_url::{TargetScheme, TargetUrl};

use crate::exit::CommandError;

/// A kind of target, with what its address says of it.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    CrateDb(Box<CrateDbAddress>),
    Postgres(Box<PostgresAddress>),
    Sqlite(PathBuf, TableConfig),
    File(PathBuf),
    Stdout,
    Discard,
}

impl Kind {
    pub(crate) fn has_tables(&self) -> bool {
        matches!(self, Self::CrateDb(_) | Self::Postgres(_) | Self::Sqlite(..))
    }

    pub(crate) fn has_schemas(&self) -> bool {
        matches!(self, Self::CrateDb(_) | Self::Postgres(_))
    }

    /// Returns the table that the address names.
    pub(crate) fn table(&self) -> Option<String> {
        match self {
            Self::CrateDb(address) => address.table.table.clone(),
            Self::Postgres(address) => address.table.table.clone(),
            Self::Sqlite(_, config) => config.table.clone(),
            Self::File(_) | Self::Stdout | Self::Discard => None,
        }
    }

    /// Returns the schema that the address names.
    pub(crate) fn schema(&self) -> Option<String> {
        match self {
            Self::CrateDb(address) => address.schema.clone(),
            Self::Postgres(address) => address.schema.clone(),
            Self::Sqlite(..) | Self::File(_) | Self::Stdout | Self::Discard => None,
        }
    }

    /// Returns the schema and the table: as they were typed, else as the address or the stream has them.
    pub(crate) fn full_name(
        &self,
        typed: (Option<String>, Option<String>),
        stream: &str,
    ) -> Result<(String, String), CommandError> {
        let (mut schema, mut table) = typed;
        let is_postgres = matches!(self, Self::Postgres(_));
        if let (true, Some(name)) = (is_postgres, &table) {
            let split = postgres::config::split(name);
            if let (Some((own, _)), Some(other)) = (&split, &schema)
                && own != other
            {
                return Err(CommandError::usage("--table and --schema name two schemas"));
            }
            let (own, name) = match split {
                Some((own, name)) => (Some(own), name),
                None => (schema.take(), postgres::config::unquoted(name)),
            };
            (schema, table) = (own, Some(name));
        }
        let default = if is_postgres { "public" } else { "doc" };
        let schema = schema.or_else(|| self.schema()).unwrap_or_else(|| default.to_owned());
        let table = table.or_else(|| self.table()).unwrap_or_else(|| stream.to_owned());
        if is_postgres && schema.len() > postgres::MOST_BYTES {
            return Err(CommandError::usage(format!(
                "the schema {schema} is longer than PostgreSQL's names, 63 bytes"
            )));
        }
        // The name of a stream may be longer than that of a table.
        Ok((schema, if is_postgres { postgres::fit_name(table) } else { table }))
    }

    /// Returns what an address means.
    pub(crate) fn of_url(url: &TargetUrl) -> Result<Self, CommandError> {
        let not_yet = |name: &str| {
            CommandError::usage(format!("{name} is no target of this version yet")).hint(
                "targets today: crate://HOST/SCHEMA/TABLE, postgresql://HOST/DATABASE, sqlite:FILE, jsonl:FILE, - (stdout)"
                    .to_owned(),
            )
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
            (TargetScheme::CrateDb, _) => {
                Ok(Self::CrateDb(Box::new(CrateDbAddress::from_url(url)?)))
            }
            (TargetScheme::PostgreSql, _) => {
                Ok(Self::Postgres(Box::new(PostgresAddress::from_url(url)?)))
            }
            (TargetScheme::DuckDb, _) => Err(not_yet("DuckDB")),
        }
    }
}

/// An open target.
#[derive(Clone, Debug)]
pub enum AnyTarget {
    /// CrateDB, with positions in a table beside the rows.
    CrateDb(WriteThenSave<CrateDbSink, CrateDbStore>),
    /// CrateDB, with positions that end with the process.
    CrateDbAlone(WriteThenSave<CrateDbSink, MemoryStore>),
    /// PostgreSQL.
    Postgres(PostgresTarget),
    /// A SQLite database.
    Sqlite(Grouped),
    /// Change data into a database with transactions.
    Changes(ChangeTarget<Grouped>),
    /// Change data into CrateDB, with positions in a table.
    CrateDbChanges(ChangeTarget<WriteThenSave<CrateDbChanges, CrateDbStore>>),
    /// Change data into CrateDB, with positions that end with the process.
    CrateDbChangesAlone(ChangeTarget<WriteThenSave<CrateDbChanges, MemoryStore>>),
    /// A file of lines.
    File(Arc<Jsonl<BufWriter<File>>>),
    /// Lines on stdout.
    Stdout(Arc<Jsonl<Stdout>>),
    /// Nothing.
    Discard(Arc<Discard>),
}

/// Calls the same on whatever target it is.
macro_rules! each {
    ($any:expr, $target:ident => $call:expr) => {
        match $any {
            AnyTarget::CrateDb($target) => $call,
            AnyTarget::CrateDbAlone($target) => $call,
            AnyTarget::Postgres($target) => $call,
            AnyTarget::Sqlite($target) => $call,
            AnyTarget::Changes($target) => $call,
            AnyTarget::CrateDbChanges($target) => $call,
            AnyTarget::CrateDbChangesAlone($target) => $call,
            AnyTarget::File($target) => $call,
            AnyTarget::Stdout($target) => $call,
            AnyTarget::Discard($target) => $call,
        }
    };
}

/// The same for those that note who reads what.
macro_rules! each_database {
    ($any:expr, $target:ident => $call:expr) => {
        match $any {
            AnyTarget::CrateDb($target) => $call,
            AnyTarget::CrateDbAlone($target) => $call,
            AnyTarget::Postgres($target) => $call,
            AnyTarget::Sqlite($target) => $call,
            AnyTarget::Changes($target) => $call,
            AnyTarget::CrateDbChanges($target) => $call,
            AnyTarget::CrateDbChangesAlone($target) => $call,
            AnyTarget::File(_) | AnyTarget::Stdout(_) | AnyTarget::Discard(_) => Ok(()),
        }
    };
}

impl Target for AnyTarget {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        each!(self, target => target.commit(changes, upto).await)
    }

    async fn failed(&self) -> Failure {
        each!(self, target => target.failed().await)
    }

    async fn close(&self) -> Result<(), Failure> {
        each!(self, target => target.close().await)
    }
}

impl Claims for AnyTarget {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        each_database!(self, target => target.claim(shard, begins).await)
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        each_database!(self, target => target.release(shard).await)
    }
}
