//! Why CrateDB did not do what a request asked for, sorted by who can do something about it.

/// An error of CrateDB, or of the way to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrateDbError {
    /// No host of the address answers.
    #[error("cannot reach CrateDB at {host}")]
    Unreachable {
        /// The host that was tried last.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke, or took too long, after the request was sent: it may have been applied.
    #[error("the connection to CrateDB at {host} broke")]
    Broken {
        /// The host.
        host: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client itself could not be made, as when the system has no certificates.
    #[error("cannot make an HTTP client")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The user or the password is wrong.
    #[error("CrateDB does not let this user in: {message}")]
    Unauthorized {
        /// What it says.
        message: String,
    },
    /// An answer that is not one of CrateDB's own: from a proxy, or of a server that is no CrateDB.
    #[error("the answer has HTTP status {status}: {message}")]
    Http {
        /// The status.
        status: u16,
        /// The beginning of the body.
        message: String,
    },
    /// CrateDB refused the request.
    #[error("{message} (code {code})")]
    Sql {
        /// Its code (<https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html#error-codes>).
        code: u32,
        /// Its message, cut when it is long.
        message: String,
    },
    /// The body is larger than the server takes.
    #[error("the request is larger than CrateDB takes (HTTP status 413)")]
    TooLarge,
    /// The answer cannot be read.
    #[error("cannot read the answer of CrateDB")]
    Answer(#[source] serde_json::Error),
    /// A bulk request was not answered row by row.
    #[error("CrateDB answered {found} of {expected} rows")]
    MissingResults {
        /// How many were sent.
        expected: usize,
        /// How many were answered.
        found: usize,
    },
    /// The server does not report what became of each row.
    #[error(
        "CrateDB {version} is too old: {}.{} is the first that reports what became of each row",
        oldest.0, oldest.1
    )]
    TooOld {
        /// What it says it is.
        version: String,
        /// The first one that will do.
        oldest: (u32, u32),
    },
}

impl CrateDbError {
    /// Returns true when the same request may work later, without anybody doing anything. It may have been applied.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            // An answer that is cut off is a broken connection.
            Self::Answer(error) => error.is_eof(),
            Self::Http { status, .. } => matches!(status, 408 | 429 | 500..),
            Self::Sql { code, message } => blame(*code, message) == Blame::Nobody,
            Self::Setup(_)
            | Self::Unauthorized { .. }
            | Self::TooLarge
            | Self::MissingResults { .. }
            | Self::TooOld { .. } => false,
        }
    }

    /// Returns true when CrateDB knows no such table, column or schema. It says so of all of them while it starts.
    pub fn is_unknown(&self) -> bool {
        self.blame() == Some(Blame::Table)
    }

    /// Returns true when the request as such is refused, perhaps for one of its rows: nothing of it was stored.
    pub fn is_refused(&self) -> bool {
        match self {
            Self::TooLarge | Self::Http { status: 400, .. } => true,
            _ => matches!(self.blame(), Some(Blame::Row | Blame::Doubtful)),
        }
    }

    /// Returns whose fault it is, where CrateDB itself refused the request.
    pub fn blame(&self) -> Option<Blame> {
        match self {
            Self::Sql { code, message } => Some(blame(*code, message)),
            _ => None,
        }
    }

    /// Returns what the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { source, .. } if is_about_certificate(source.as_ref()) => {
                "the certificate of the server is not trusted; sslmode=require encrypts without verifying it"
            }
            Self::Unreachable { .. } => {
                "check host and port: the address takes the HTTP port, 4200 by default, not that of PostgreSQL"
            }
            Self::Broken { .. } => "check the port; when the server wants HTTPS, add ssl=true",
            Self::Unauthorized { .. } => {
                "name user and password in the address, as crate://user:password@host:4200/schema/table"
            }
            Self::Http { status: 300..=399, .. } => {
                "the server wants another address, perhaps HTTPS: add ssl=true"
            }
            Self::Http { status: 404, .. } => {
                "this is no CrateDB; check host and port of the address"
            }
            Self::Sql { code: 4002, .. } => {
                "CrateDB does not take this name; choose another in the address, as crate://host/schema/table"
            }
            Self::Sql { code: 4010 | 4011, .. } => {
                "ask for the privilege: GRANT DQL, DML, DDL TO …"
            }
            Self::TooOld { .. } => "upgrade the server",
            _ => return None,
        };
        Some(hint.into())
    }
}

fn is_about_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.into_iter().any(|cause| cause.to_string().contains("certificate"))
}

/// Whose fault a refusal is, as far as its code and its message tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The row: it will never be stored as it is.
    Row,
    /// Nobody: the same works later.
    Nobody,
    /// Perhaps the row, perhaps the node: code 5000 is for all that has none of its own.
    Doubtful,
    /// The table: it is not what it was, or not known to a node that starts.
    Table,
    /// The user, who may not do this.
    User,
}

/// Errors with code 5000 that a value can cause.
const OF_VALUES: [&str; 4] = [
    "ClassCastException",
    "IllegalArgumentException",
    "NumberFormatException",
    "ConversionException",
];

/// Overload has no code of its own in all versions.
const OF_OVERLOAD: [&str; 2] = ["CircuitBreakingException", "RejectedExecutionException"];

/// Sorts what CrateDB says of a request or of a row of it
/// (<https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html#error-codes>).
pub(super) fn blame(code: u32, message: &str) -> Blame {
    let names = |classes: &[&str]| classes.iter().any(|name| message.contains(name));
    match code {
        // Nodes and tables that take no writes for a time, a node that closes, shards that are not there, a job that was
        // killed, too many requests.
        4031..=4037 | 4290 | 5001..=5005 | 5030..=5039 => Blame::Nobody,
        4007 | 4010 | 4011 => Blame::User,
        4040 | 4041 | 4043 | 4045 | 4046 => Blame::Table,
        // Messages repeat values, so a class in one says nothing where there is a better code.
        5000 if names(&OF_VALUES) => Blame::Row,
        5000 if names(&OF_OVERLOAD) => Blame::Nobody,
        5000 => Blame::Doubtful,
        _ => Blame::Row,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_what_can_be_done() {
        let check = |code: u32, temporary: bool, refused: bool| {
            let error = CrateDbError::Sql { code, message: "m".into() };
            assert_eq!((error.is_temporary(), error.is_refused()), (temporary, refused), "{code}");
        };
        check(4000, false, true);
        check(4003, false, true);
        check(4008, false, true);
        check(5000, false, true);
        check(4033, true, false);
        check(4290, true, false);
        check(5005, true, false);
        check(4010, false, false);
        check(4011, false, false);
        check(4041, false, false);
        check(4043, false, false);
        check(4032, true, false);
        check(4037, true, false);
        check(5002, true, false);
        assert_eq!(blame(5000, "CircuitBreakingException[Allocating 3mb …]"), Blame::Nobody);
        let told = "SQLParseException[Cannot cast value `CircuitBreakingException: x` to type `geo_point`]";
        assert_eq!(blame(4000, told), Blame::Row);
        assert_eq!(blame(5000, "ClassCastException[class java.lang.String]"), Blame::Row);
        assert_eq!(blame(5000, "NodeDisconnectedException[…]"), Blame::Doubtful);
        assert!(CrateDbError::Http { status: 503, message: String::new() }.is_temporary());
        assert!(!CrateDbError::Http { status: 404, message: String::new() }.is_temporary());
        assert!(CrateDbError::TooLarge.is_refused());
    }
}
