//! The table of dead letters: `<table>_dead_letters` beside the target table, or one for all tables of change data.
//!
//! The place of a record is the key, so a record that is read again is not kept twice. CrateDB has no type for bytes, so the
//! payload is base64.

use backon::BackoffBuilder;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ctk_db::{
    DbError,
    cratedb::{Client, patience},
    quote,
};
use ctk_flow::{DeadLetter, ShardId};
use serde_json::{Value, json};
use tracing::warn;

use super::send::{Fate, Sent, send};
use crate::SinkError;

/// Bytes of payload in one request, unless a single one has more.
const BYTES: usize = 4 << 20;

/// How often the table may be gone before that is an error: about two minutes.
const ATTEMPTS: u32 = 20;

/// Where letters are kept, and what they tell of themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Letters<'a> {
    pub(crate) schema: &'a str,
    /// The table of letters.
    pub(crate) name: &'a str,
    pub(crate) stream: &'a str,
    /// The table that they concern.
    pub(crate) table: &'a str,
}

impl Letters<'_> {
    fn quoted(self) -> String {
        format!("{}.{}", quote(self.schema), quote(self.name))
    }
}

/// Creates the table, unless it is there.
pub(crate) async fn create(client: &Client, of: Letters<'_>) -> Result<(), SinkError> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {} (\"stream\" TEXT, \"shard_id\" TEXT, \"sequence\" TEXT, \"sub_sequence\" BIGINT, \
         \"at\" TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP, \"partition_key\" TEXT, \
         \"arrived_at\" TIMESTAMP WITH TIME ZONE, \"reason\" TEXT, \
         \"error\" TEXT INDEX OFF STORAGE WITH (columnstore = false), \"table_name\" TEXT, \
         \"payload\" TEXT INDEX OFF STORAGE WITH (columnstore = false), \
         PRIMARY KEY (\"stream\", \"shard_id\", \"sequence\", \"sub_sequence\"))",
        of.quoted()
    );
    let created = client.execute(&sql, &[]).await;
    created.map_err(DbError::cratedb(format!("create table {}", of.name)))?;
    Ok(())
}

/// Keeps letters in the table. The client is patient.
pub(crate) async fn keep(
    client: &Client,
    of: Letters<'_>,
    shard: &ShardId,
    letters: &[DeadLetter],
) -> Result<(), SinkError> {
    let statement = format!(
        "INSERT INTO {} (\"stream\", \"shard_id\", \"sequence\", \"sub_sequence\", \"partition_key\", \"arrived_at\", \
         \"reason\", \"error\", \"table_name\", \"payload\") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        of.quoted()
    );
    let request = |part: &[usize]| {
        let rows: Vec<_> = part.iter().map(|at| row(of, shard, &letters[*at])).collect();
        Bytes::from(json!({ "stmt": statement, "bulk_args": rows }).to_string())
    };
    let mut pauses = patience().build();
    let mut attempts = 0;
    loop {
        match send(client, of.name, portions(letters), request).await? {
            Sent::All(fates) => {
                let refused = fates.into_iter().find_map(|fate| match fate {
                    Fate::Refused(error) => Some(error),
                    Fate::Written | Fate::Present | Fate::Duplicate => None,
                });
                return match refused {
                    Some(error) => {
                        let (table, source) = (of.name.to_owned(), error.into());
                        Err(SinkError::LetterRefused { table, source })
                    }
                    None => Ok(()),
                };
            }
            Sent::Stale(error) if attempts < ATTEMPTS => {
                attempts += 1;
                let pause = pauses.next().unwrap_or_default();
                warn!(%error, ?pause, "the table of dead letters is not there; trying again");
                tokio::time::sleep(pause).await;
                create(client, of).await?;
            }
            Sent::Stale(error) => {
                let what = format!("write into table {}", of.name);
                return Err(DbError::cratedb(what)(error).into());
            }
        }
    }
}

/// Puts letters into groups that a request takes.
fn portions(letters: &[DeadLetter]) -> Vec<Vec<usize>> {
    let mut portions: Vec<Vec<usize>> = Vec::new();
    let mut bytes = usize::MAX;
    for (at, letter) in letters.iter().enumerate() {
        bytes = bytes.saturating_add(letter.payload.len() + letter.error.len());
        match portions.last_mut() {
            Some(portion) if bytes <= BYTES => portion.push(at),
            _ => {
                portions.push(vec![at]);
                bytes = letter.payload.len() + letter.error.len();
            }
        }
    }
    portions
}

fn row(of: Letters<'_>, shard: &ShardId, letter: &DeadLetter) -> Vec<Value> {
    vec![
        json!(of.stream),
        json!(shard.as_str()),
        json!(letter.origin.sequence.as_str()),
        json!(letter.sub_sequence),
        json!(letter.origin.partition_key),
        json!(letter.origin.arrived_at),
        json!(letter.reason.code()),
        json!(letter.error),
        json!(of.table),
        json!(STANDARD.encode(&letter.payload)),
    ]
}
