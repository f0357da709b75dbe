//! The cases: their names, their titles, and which of them run.

use anyhow::{Result, bail};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// `GetRecords` in a loop, with the same SDK.
    Bare(Wire),
    /// `ctk load` into nothing.
    Nothing(Wire),
    /// `ctk load` into a file of JSON lines.
    Lines,
    /// `ctk load` into SQLite, rows and position in one transaction.
    Sqlite,
    /// The same rows into SQLite, without reading.
    BareInserts,
    /// `ctk load` into PostgreSQL, rows and position in one transaction.
    Postgres,
    /// The same rows into PostgreSQL, without reading.
    BareCopy,
    /// `ctk load` into the double of CrateDB, with requests of so many rows.
    CrateDb {
        /// In thousands.
        thousands: u32,
    },
    /// Another loader, into PostgreSQL.
    Peer(Peer),
}

/// How records are written where a case fixes it; the other cases leave it to `ctk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Json,
    Cbor,
}

/// What `ctk` is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// The program of that name.
    Ingestr,
    /// The Python library of that name, with a resource over boto3.
    Dlt,
    /// The script one would write oneself.
    Boto3,
}

impl Case {
    const ALL: [Self; 15] = [
        Self::Bare(Wire::Json),
        Self::Bare(Wire::Cbor),
        Self::Nothing(Wire::Json),
        Self::Nothing(Wire::Cbor),
        Self::Lines,
        Self::Sqlite,
        Self::BareInserts,
        Self::Postgres,
        Self::BareCopy,
        Self::CrateDb { thousands: 1 },
        Self::CrateDb { thousands: 5 },
        Self::CrateDb { thousands: 10 },
        Self::Peer(Peer::Ingestr),
        Self::Peer(Peer::Dlt),
        Self::Peer(Peer::Boto3),
    ];

    /// Reads a list of names, or returns all that can run; peers cannot without their programs.
    pub(super) fn parse(only: Option<&str>, peers: bool) -> Result<Vec<Self>> {
        let named = |name: &str| match Self::ALL.into_iter().find(|case| case.name() == name) {
            Some(case) if case.is_peer() && !peers => {
                bail!("{name} needs --peers FOLDER; docs/benchmarks.md says how it is made")
            }
            Some(case) => Ok(case),
            None => {
                bail!("no such case: {name:?}; there are {}", Self::ALL.map(Self::name).join(", "))
            }
        };
        match only {
            Some(only) => only.split(',').map(named).collect(),
            None => Ok(Self::ALL.into_iter().filter(|case| peers || !case.is_peer()).collect()),
        }
    }

    /// Returns whether it is somebody else's program.
    pub(super) fn is_peer(self) -> bool {
        matches!(self, Self::Peer(_))
    }

    /// Returns the word for `--only`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bare(Wire::Json) => "bare",
            Self::Bare(Wire::Cbor) => "bare-cbor",
            Self::Nothing(Wire::Json) => "null",
            Self::Nothing(Wire::Cbor) => "null-cbor",
            Self::Lines => "jsonl",
            Self::Sqlite => "sqlite",
            Self::BareInserts => "bare-inserts",
            Self::Postgres => "postgres",
            Self::BareCopy => "bare-copy",
            Self::CrateDb { thousands: 1 } => "crate1k",
            Self::CrateDb { thousands: 5 } => "crate5k",
            Self::CrateDb { .. } => "crate10k",
            Self::Peer(Peer::Ingestr) => "ingestr",
            Self::Peer(Peer::Dlt) => "dlt",
            Self::Peer(Peer::Boto3) => "boto3",
        }
    }

    /// Returns what a reader of the table sees.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Bare(Wire::Json) => "bare `GetRecords` loop",
            Self::Bare(Wire::Cbor) => "bare `GetRecords` loop in CBOR",
            Self::Nothing(Wire::Json) => "`ctk load …?protocol=json null:`",
            Self::Nothing(Wire::Cbor) => "`ctk load …?protocol=cbor null:`",
            Self::Lines => "`ctk load … jsonl:FILE`",
            Self::Sqlite => "`ctk load … sqlite:FILE`",
            Self::BareInserts => "bare prepared inserts into SQLite, nothing read",
            Self::Postgres => "`ctk load … postgresql://…`",
            Self::BareCopy => "bare `COPY BINARY` into PostgreSQL, nothing read",
            Self::CrateDb { thousands: 1 } => "`ctk load … crate://…?batch_rows=1000`",
            Self::CrateDb { thousands: 5 } => "`ctk load … crate://…?batch_rows=5000`",
            Self::CrateDb { .. } => "`ctk load … crate://…`, 10,000 rows",
            Self::Peer(Peer::Ingestr) => "ingestr, into PostgreSQL",
            Self::Peer(Peer::Dlt) => "dlt with a resource over boto3, into PostgreSQL",
            Self::Peer(Peer::Boto3) => "a script: boto3 and `COPY` into PostgreSQL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_named() {
        assert_eq!(Case::parse(None, false).unwrap().len(), 12);
        assert_eq!(Case::parse(None, true).unwrap().len(), 15);
        assert_eq!(
            Case::parse(Some("sqlite,bare-cbor"), false).unwrap(),
            [Case::Sqlite, Case::Bare(Wire::Cbor)]
        );
        let error = |only, peers| Case::parse(Some(only), peers).unwrap_err().to_string();
        assert!(error("sqlite,duckdb", true).contains("bare, bare-cbor, null, null-cbor, jsonl"));
        assert!(error("dlt", false).starts_with("dlt needs --peers FOLDER"));
        assert_eq!(Case::parse(Some("dlt"), true).unwrap(), [Case::Peer(Peer::Dlt)]);
    }
}
