//! What can go wrong with a database, by what its owner can do.

use std::path::PathBuf;

use crate::cratedb::CrateDbError;

/// An error of a connection.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The file is not there, and was not to be created.
    #[error("the database {path} does not exist")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The folder of a file to be created is not there.
    #[error("the folder of the database {path} does not exist")]
    NoFolder {
        /// The file.
        path: PathBuf,
    },
    /// The path names a folder.
    #[error("{path} is a folder, not a database")]
    Folder {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be opened: permissions, or it is no database.
    #[error("cannot open the database {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// A statement failed.
    #[error("cannot {what}")]
    Statement {
        /// What it was to do.
        what: String,
        /// Why.
        source: sqlx::Error,
    },
    /// CrateDB did not do what it was asked for.
    #[error("cannot {what}")]
    CrateDb {
        /// What it was to do.
        what: String,
        /// Why.
        source: Box<CrateDbError>,
    },
}

impl DbError {
    /// Returns a way to make an error of a statement, for `map_err`.
    pub fn statement(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Statement { what: what.into(), source }
    }

    /// Returns a way to make an error of a request to CrateDB, for `map_err`.
    pub fn cratedb(what: impl Into<String>) -> impl FnOnce(CrateDbError) -> Self {
        move |source| Self::CrateDb { what: what.into(), source: Box::new(source) }
    }

    /// Returns SQLite's primary result code, where it is one of its errors.
    pub fn code(&self) -> Option<i32> {
        match self {
            Self::Open { source, .. } | Self::Statement { source, .. } => primary_code(source),
            Self::Missing { .. }
            | Self::NoFolder { .. }
            | Self::Folder { .. }
            | Self::CrateDb { .. } => None,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some("check the path; `ctk load` creates the database".into()),
            Self::NoFolder { path } => path
                .parent()
                .map(|folder| format!("create it first: mkdir -p '{}'", folder.display())),
            Self::Folder { path } => {
                Some(format!("name a file in it, as sqlite:{}/my.db", path.display()))
            }
            Self::Open { source, .. } | Self::Statement { source, .. } => hint(source),
            Self::CrateDb { source, .. } => source.hint(),
        }
    }
}

/// Returns the primary result code (<https://www.sqlite.org/rescode.html>), which sqlx hands out as text.
pub fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

fn hint(error: &sqlx::Error) -> Option<String> {
    let hint = match primary_code(error)? {
        5 | 6 => "another program writes to this database; wait for it, or end it",
        8 => "the file, or its folder, cannot be written to; check its permissions",
        13 => "the disk is full",
        14 => "check the path and its permissions",
        26 => "the file is no SQLite database; name another one",
        _ => return None,
    };
    Some(hint.into())
}
