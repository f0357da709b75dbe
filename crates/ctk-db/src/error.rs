//! What can go wrong with a database, by what its owner can do.

use std::{io, path::PathBuf};

use sqlx::sqlite::SqliteError;

use crate::{
    cratedb::CrateDbError,
    postgres::{Trouble, connect_hint, statement_hint, text, trouble},
};

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
    /// No connection to PostgreSQL.
    #[error("cannot connect to {what}")]
    Connect {
        /// Which one, without a secret.
        what: String,
        /// Why.
        source: sqlx::Error,
    },
    /// A certificate or key that the address names cannot be read.
    #[error("cannot read {path}, which `{option}` names")]
    Certificate {
        /// The option of the address.
        option: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A server that speaks PostgreSQL's protocol and is something else.
    #[error("{what} is {product}, not PostgreSQL")]
    NotPostgres {
        /// Which one.
        what: String,
        /// What it calls itself.
        product: String,
        /// The address to use instead, without a password, where there is one.
        address: Option<String>,
    },
    /// PostgreSQL is too old.
    #[error("{what} has PostgreSQL {version}, which is too old")]
    TooOld {
        /// Which one.
        what: String,
        /// Its major version, or the older form, as `9.6`.
        version: String,
    },
    /// A server that only reads.
    #[error("{what} only reads: {}", if *is_standby { "it is a standby" } else { "its transactions are read-only by default" })]
    ReadOnly {
        /// Which one.
        what: String,
        /// It copies another server; else it was set so.
        is_standby: bool,
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
            | Self::Connect { .. }
            | Self::Certificate { .. }
            | Self::NotPostgres { .. }
            | Self::TooOld { .. }
            | Self::ReadOnly { .. }
            | Self::CrateDb { .. } => None,
        }
    }

    /// Returns what an error of PostgreSQL asks for.
    pub fn trouble(&self) -> Trouble {
        match self {
            // What is wrong with a certificate stays wrong, though it looks like a broken connection.
            Self::Connect { source: sqlx::Error::Io(source), .. }
                if source.kind() == io::ErrorKind::InvalidData =>
            {
                Trouble::Other
            }
            Self::Connect { source, .. } | Self::Statement { source, .. } => trouble(source),
            Self::ReadOnly { .. } => Trouble::ReadOnly,
            Self::Missing { .. }
            | Self::NoFolder { .. }
            | Self::Folder { .. }
            | Self::Open { .. }
            | Self::Certificate { .. }
            | Self::NotPostgres { .. }
            | Self::TooOld { .. }
            | Self::CrateDb { .. } => Trouble::Other,
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
            Self::Open { source, .. } => hint(source),
            Self::Statement { source, .. } => hint(source).or_else(|| statement_hint(source)),
            Self::Connect { source, .. } => connect_hint(source),
            Self::Certificate { .. } => Some("check the path and its permissions".into()),
            Self::NotPostgres { address, .. } => address
                .as_ref()
                .map(|address| format!("CrateDB is loaded over HTTP: use {address}")),
            Self::TooOld { .. } => Some("use PostgreSQL 13 or later".into()),
            Self::ReadOnly { is_standby: true, .. } => {
                Some("name the primary, or all servers: postgresql://a,b/database".into())
            }
            Self::ReadOnly { is_standby: false, .. } => {
                Some("see default_transaction_read_only of the server, database and user".into())
            }
            Self::CrateDb { source, .. } => source.hint(),
        }
    }
}

/// Returns the text of an error or a cause, as a user is to see it: of one that a server reported, what the server says.
pub fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    let reported = error.downcast_ref::<sqlx::Error>().and_then(text);
    reported.unwrap_or_else(|| error.to_string())
}

/// Returns the primary result code (<https://www.sqlite.org/rescode.html>), which sqlx hands out as text.
pub fn primary_code(error: &sqlx::Error) -> Option<i32> {
    // PostgreSQL's codes look like numbers as well.
    let error: &SqliteError = error.as_database_error()?.try_downcast_ref()?;
    let code: i32 = sqlx::error::DatabaseError::code(error)?.parse().ok()?;
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

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use ctk_test_support::postgres::Postgres;
    use ctk_url::TargetUrl;

    use super::*;
    use crate::postgres::PgConfig;

    #[tokio::test]
    async fn errors_of_postgresql_have_their_own_hints() {
        let server = Postgres::start().await.unwrap();
        server.sql("CREATE TABLE t (a int); CREATE USER guest");
        let address = server.url().replace("ctk@", "guest@");
        let url = TargetUrl::parse(&address).unwrap();
        let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
        let mut connection = config.connect().await.unwrap();
        let mut check = async |sql: &'static str, expected: &str| {
            let ended = sqlx::raw_sql(sql).execute(&mut connection).await;
            let error = ended.map_err(DbError::statement("do it")).unwrap_err();
            assert_eq!(error.to_string(), "cannot do it");
            // 42501 and 0x5, 0x8 of SQLite are not alike.
            assert_eq!(error.code(), None, "{error:?}");
            let hint = error.hint().unwrap_or_default();
            assert!(hint.starts_with(expected), "{hint}; {:?}", error.source());
        };
        check("INSERT INTO t VALUES (1)", "let the owner GRANT this user the right").await;
        check("CREATE TABLE none.t (a int)", "create the schema first").await;
        check("SET statement_timeout = 1; SELECT pg_sleep(9)", "the server's statement_timeout")
            .await;
        check("SELECT 1 / 0", "").await;
        // The server's own.
        check("SELECT nothing(1)", "No function matches the given name").await;
    }
}
