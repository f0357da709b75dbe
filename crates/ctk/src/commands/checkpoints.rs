//! What `list-checkpoints` and `prune-checkpoints` share: finding and opening the database.

use std::path::PathBuf;

use ctk_db::sqlite::{self, Connection, Mode};
use ctk_url::{TargetScheme, TargetUrl};

use crate::{cli::DatabaseArgs, exit::CommandError};

/// Opens the database that the arguments name.
pub(super) async fn open(arguments: &DatabaseArgs, mode: Mode) -> Result<Connection, CommandError> {
    let address =
        arguments.database.as_ref().or(arguments.cluster_url.as_ref()).ok_or_else(|| {
            CommandError::usage("the database is missing").hint(
                "name it, as sqlite:my.db, or set CRATEDB_URI or CRATEDB_CLUSTER_URL".to_owned(),
            )
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
