//! The table of dead letters, beside the target table: `<table>_dead_letters`.
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

use super::{
    Settings,
    send::{Fate, Sent, send},
};
use crate::SinkError;

/// Bytes of payload in one request, unless a single one has more.
const BYTES: usize = 4 << 20;

/// How often the table may be gone before that is an error: about two minutes.
const ATTEMPTS: u32 = 20;

fn name(settings: &Settings) -> String {
    format!("{}_dead_letters", settings.table)
}

fn quoted(settings: &Settings) -> String {
    format!("{}.{}", quote(&settings.schema), quote(&name(settings)))
}

/// Creates the table, unless it is there.
pub(super) async fn create(client: &Client, settings: &Settings) -> Result<(), SinkError> {
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {} (\"stream\" TEXT, \"shard_id\" TEXT, \"sequence\" TEXT, \"sub_sequence\" BIGINT, \
         \"at\" TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP, \"partition_key\" TEXT, \
         \"arrived_at\" TIMESTAMP WITH TIME ZONE, \"reason\" TEXT, \
         \"error\" TEXT INDEX OFF STORAGE WITH (columnstore = false), \"table_name\" TEXT, \
         \"payload\" TEXT INDEX OFF STORAGE WITH (columnstore = false), \
         PRIMARY KEY (\"stream\", \"shard_id\", \"sequence\", \"sub_sequence\"))",
        quoted(settings)
    );
    let created = client.execute(&sql, &[]).await;
    created.map_err(DbError::cratedb(format!("create table {}", name(settings))))?;
    Ok(())
}

/// Keeps letters in the table. The client is patient.
pub(super) async fn keep(
    client: &Client,
    settings: &Settings,
    shard: &ShardId,
    letters: &[DeadLetter],
) -> Result<(), SinkError> {
    let statement = format!(
        "INSERT INTO {} (\"stream\", \"shard_id\", \"sequence\", \"sub_sequence\", \"partition_key\", \"arrived_at\", \
         \"reason\", \"error\", \"table_name\", \"payload\") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        quoted(settings)
    );
    let request = |part: &[usize]| {
        let rows: Vec<_> = part.iter().map(|at| row(settings, shard, &letters[*at])).collect();
        Bytes::from(json!({ "stmt": statement, "bulk_args": rows }).to_string())
    };
    let mut pauses = patience().build();
    let mut attempts = 0;
    loop {
        match send(client, &name(settings), portions(letters), request).await? {
            Sent::All(fates) => {
                let refused = fates.into_iter().find_map(|fate| match fate {
                    Fate::Refused(error) => Some(error),
                    Fate::Written | Fate::Present | Fate::Duplicate => None,
                });
                return match refused {
                    Some(error) => {
                        let (table, source) = (name(settings), error.into());
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
                create(client, settings).await?;
            }
            Sent::Stale(error) => {
                let what = format!("write into table {}", name(settings));
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

fn row(settings: &Settings, shard: &ShardId, letter: &DeadLetter) -> Vec<Value> {
    vec![
        json!(settings.stream),
        json!(shard.as_str()),
        json!(letter.origin.sequence.as_str()),
        json!(letter.sub_sequence),
        json!(letter.origin.partition_key),
        json!(letter.origin.arrived_at),
        json!(letter.reason.code()),
        json!(letter.error),
        json!(settings.table),
        json!(STANDARD.encode(&letter.payload)),
    ]
}
