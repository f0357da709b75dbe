//! CrateDB, over its HTTP endpoint `/_sql`: the only way in that reports every row of a bulk insert.
//!
//! [`Client::execute`] runs a statement, [`Client::bulk`] one statement for many rows. **An answer to the second says nothing
//! by being there: each of its [`RowResult`]s has to be looked at**
//! (<https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html>). A client that is [`Client::patient`] repeats
//! what failed for a reason that goes away by itself; what is repeated may have been applied before, so statements must
//! bear that.

mod answer;
mod config;
mod error;
mod transport;

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use serde_json::{Value, json, value::RawValue};
use tokio::time::Instant;
use tracing::{info, warn};

pub use answer::{Answer, RowError, RowResult};
pub use config::{CrateDbConfig, Gzip, OPTIONS, Tls};
pub use error::{Blame, CrateDbError};

use transport::Transport;

/// A CrateDB cluster. Clones share its connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    is_patient: bool,
}

/// The first version that reports each row of a bulk insert with its error.
const OLDEST: (u32, u32) = (5, 10);

/// How long a relation may be unknown: a node that starts says so of every table, until it has read its state (seen: 1.2 s).
const STARTING: Duration = Duration::from_secs(30);

impl Client {
    /// Returns a client that connects with its first request, and repeats none.
    pub fn new(config: &CrateDbConfig) -> Result<Self, CrateDbError> {
        Ok(Self { transport: Transport::new(config)?, is_patient: false })
    }

    /// Returns the same client, but one that waits for the cluster as long as it takes.
    pub fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    /// Returns the version, and refuses a server that is too old.
    pub async fn check_version(&self) -> Result<String, CrateDbError> {
        let answer = self.execute("SELECT version()", &[]).await?;
        let text = answer.rows.first().and_then(|row| row.first()).and_then(Value::as_str);
        let text = text.unwrap_or_default();
        let number = text.split(' ').nth(1).unwrap_or(text);
        let mut parts = number.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) if (major, minor) < OLDEST => {
                Err(CrateDbError::TooOld { version: number.to_owned(), oldest: OLDEST })
            }
            (Some(Ok(_)), Some(Ok(_))) => Ok(number.to_owned()),
            _ => {
                info!(version = text, "the server tells no version that could be compared");
                Ok(text.to_owned())
            }
        }
    }

    /// Runs a statement with `?` for its arguments.
    ///
    /// Not cancel safe: a dropped future may have run it or not.
    pub async fn execute(&self, statement: &str, args: &[Value]) -> Result<Answer, CrateDbError> {
        let body = if args.is_empty() {
            json!({ "stmt": statement })
        } else {
            json!({ "stmt": statement, "args": args })
        };
        answer::parse(&self.send(body.to_string().into()).await?)
    }

    /// Sends the request of a query that is written already, `{"stmt": …, "args": …}`, and returns its rows as they came: so
    /// numbers keep their digits.
    pub async fn rows(&self, body: Bytes) -> Result<Vec<Vec<Box<RawValue>>>, CrateDbError> {
        answer::parse_rows(&self.send(body).await?)
    }

    /// Runs a statement once for each row of arguments.
    pub async fn execute_bulk(
        &self,
        statement: &str,
        rows: &[Vec<Value>],
    ) -> Result<Vec<RowResult>, CrateDbError> {
        let body = json!({ "stmt": statement, "bulk_args": rows });
        self.bulk(body.to_string().into(), rows.len()).await
    }

    /// Sends a bulk request that is written already, `{"stmt": …, "bulk_args": …}`, and returns what became of each of its
    /// `rows`, in their order.
    ///
    /// Not cancel safe: a dropped future may have run it or not.
    pub async fn bulk(&self, body: Bytes, rows: usize) -> Result<Vec<RowResult>, CrateDbError> {
        let results = answer::parse_bulk(&self.send(body).await?)?;
        if results.len() == rows {
            Ok(results)
        } else {
            Err(CrateDbError::MissingResults { expected: rows, found: results.len() })
        }
    }

    async fn send(&self, body: Bytes) -> Result<Bytes, CrateDbError> {
        let send = || self.transport.send(body.clone());
        if !self.is_patient {
            return send().await;
        }
        let start = Instant::now();
        // When the server, which answers, said first that it does not know the table.
        let mut unknown = None;
        send.retry(patience())
            .when(|error| {
                if !error.is_unknown() {
                    unknown = None;
                    return error.is_temporary();
                }
                unknown.get_or_insert_with(Instant::now).elapsed() < STARTING
            })
            .notify(|error, pause| {
                // The first one is nothing to worry about: connections that are kept alive break.
                if start.elapsed() > Duration::from_secs(1) {
                    warn!(%error, ?pause, "CrateDB does not take the request; trying again");
                } else {
                    info!(%error, ?pause, "CrateDB does not take the request; trying again");
                }
            })
            .await
    }
}

/// Returns the pauses between attempts: 100 ms, doubled each time up to 10 s, with jitter, without an end.
pub fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_delay(Duration::from_secs(10))
        .with_jitter()
        .without_max_times()
}
