//! What `list-checkpoints` and `prune-checkpoints` share: finding and opening the database, and what they ask of it.

use ctk_checkpoint::{Checkpoint, CheckpointError, cratedb, postgres, prune::Filter, sqlite};
use ctk_db::{
    DbError,
    cratedb::{Client, CrateDbConfig},
    postgres::PgConfig,
    sqlite::Mode,
};
use ctk_url::{OptionError, OptionSpec, Options, TargetScheme, TargetUrl};

use crate::{cli::DatabaseArgs, exit::CommandError};

/// The schema of the Python ctk.
const SCHEMA: &str = "ext";

const EXAMPLES: &str = "crate://localhost/, postgresql://localhost/my or sqlite:my.db";

/// A database with checkpoints.
#[derive(Debug)]
pub(super) enum Database {
    Sqlite(ctk_db::sqlite::Connection),
    /// With the schema of the table.
    CrateDb(Client, String),
    /// The same.
    PostgreSql(ctk_db::postgres::Connection, String),
}

impl Database {
    /// Opens the database that the arguments name. CrateDB is first asked when it is used, and its mode is that of its user.
    pub(super) async fn open(arguments: &DatabaseArgs, mode: Mode) -> Result<Self, CommandError> {
        let url = TargetUrl::parse(address(arguments)?)?;
        // An empty variable of the environment is none.
        let schema = Some(arguments.schema.as_str()).filter(|schema| !schema.is_empty());
        let schema = schema.unwrap_or(SCHEMA).to_owned();
        match (url.scheme, &url.file) {
            (TargetScheme::Sqlite, Some(file)) => {
                Ok(Self::Sqlite(ctk_db::sqlite::open(file, mode).await?))
            }
            (TargetScheme::CrateDb, _) => {
                let mut options = url.options.clone();
                let config = CrateDbConfig::take(&url, &mut options)?;
                let of_tables = [ctk_sink::cratedb::config::OPTIONS, ctk_sink::config::OPTIONS];
                finish(options, ctk_db::cratedb::OPTIONS, &of_tables.concat())?;
                let client = Client::new(&config);
                let client = client.map_err(DbError::cratedb("connect to CrateDB"))?;
                Ok(Self::CrateDb(client, schema))
            }
            (TargetScheme::PostgreSql, _) => {
                let mut options = url.options.clone();
                let config = PgConfig::take(&url, &mut options)?;
                let of_tables = [ctk_sink::postgres::config::OPTIONS, ctk_sink::config::OPTIONS];
                finish(options, ctk_db::postgres::OPTIONS, &of_tables.concat())?;
                let connection = match mode {
                    Mode::Read => config.connect().await?,
                    Mode::Write | Mode::Create => config.connect_for_writing().await?,
                };
                Ok(Self::PostgreSql(connection, schema))
            }
            (scheme, _) => {
                Err(CommandError::usage(format!("this version keeps no checkpoints in {scheme}"))
                    .hint(format!("name a database, as {EXAMPLES}")))
            }
        }
    }

    /// Returns the checkpoints of a namespace, or all.
    pub(super) async fn list(
        &mut self,
        namespace: Option<&str>,
    ) -> Result<Vec<Checkpoint>, CheckpointError> {
        match self {
            Self::Sqlite(connection) => sqlite::list(connection, namespace).await,
            Self::CrateDb(client, schema) => cratedb::list(client, schema, namespace).await,
            Self::PostgreSql(connection, schema) => {
                postgres::list(connection, schema, namespace).await
            }
        }
    }

    /// Returns what the filter means.
    pub(super) async fn prunable(
        &mut self,
        filter: &Filter,
    ) -> Result<Vec<Checkpoint>, CheckpointError> {
        match self {
            Self::Sqlite(connection) => sqlite::prunable(connection, filter).await,
            Self::CrateDb(client, schema) => cratedb::prunable(client, schema, filter).await,
            Self::PostgreSql(connection, schema) => {
                postgres::prunable(connection, schema, filter).await
            }
        }
    }

    /// Deletes checkpoints that did not change since they were read, and returns how many.
    pub(super) async fn delete(&mut self, shown: &[Checkpoint]) -> Result<u64, CheckpointError> {
        match self {
            Self::Sqlite(connection) => sqlite::delete(connection, shown).await,
            Self::CrateDb(client, schema) => cratedb::delete(client, schema, shown).await,
            Self::PostgreSql(connection, schema) => {
                postgres::delete(connection, schema, shown).await
            }
        }
    }
}

/// What was typed comes before the environment.
fn address(arguments: &DatabaseArgs) -> Result<&str, CommandError> {
    let typed = match (&arguments.database, &arguments.cluster_url) {
        (Some(database), Some(other)) if database != other => {
            return Err(CommandError::usage("two databases are given, as DB and as --cluster-url")
                .hint("give one of them".to_owned()));
        }
        (database, cluster_url) => database.as_ref().or(cluster_url.as_ref()),
    };
    let environment = [&arguments.uri_from_environment, &arguments.cluster_url_from_environment];
    // An empty variable is none.
    let found =
        typed.or_else(|| environment.into_iter().flatten().find(|address| !address.is_empty()));
    found.map(String::as_str).ok_or_else(|| {
        let hint = format!("name it, as {EXAMPLES}, or set CRATEDB_URI or CRATEDB_CLUSTER_URL");
        CommandError::usage("the database is missing").hint(hint)
    })
}

/// Takes what is left. An address that is good for a load is good here: what concerns its table has no effect.
fn finish(
    mut options: Options,
    of_connection: &[&OptionSpec],
    of_tables: &[&OptionSpec],
) -> Result<(), OptionError> {
    for option in of_tables {
        options.take(option)?;
    }
    options.finish(&[of_connection, of_tables].concat())
}
