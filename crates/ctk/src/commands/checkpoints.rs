//! What `list-checkpoints` and `prune-checkpoints` share: finding and opening the database.

use std::path::PathBuf;

use ctk_db::sqlite::{self, Connection, Mode};
use ctk_url::{TargetScheme, TargetUrl};

use crate::{cli::DatabaseArgs, exit::CommandError};

/// Opens the database that the arguments name.
pub(super) async fn open(arguments: &DatabaseArgs, mode: Mode) -> Result<Connection, CommandError> {
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
    let address = found.ok_or_else(|| {
        CommandError::usage("the database is missing")
            .hint("name it, as sqlite:my.db, or set CRATEDB_URI or CRATEDB_CLUSTER_URL".to_owned())
    })?;
    let path = path(&TargetUrl::parse(address)?)?;
    Ok(sqlite::open(&path, mode).await?)
}

fn path(url: &TargetUrl) -> Result<PathBuf, CommandError> {
    match (&url.scheme, &url.file) {
        (TargetScheme::Sqlite, Some(file)) => Ok(file.clone()),
        (scheme, _) => {
            Err(CommandError::usage(format!("this version keeps no checkpoints in {scheme}"))
                .hint("name a SQLite database, as sqlite:my.db".to_owned()))
        }
    }
}
