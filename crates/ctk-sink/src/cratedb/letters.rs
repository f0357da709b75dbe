//! The table of dead letters, beside the target table: `<table>_dead_letters`.
//!
//! The place of a record is the key, so a record that is read again is not kept twice. CrateDB has no type for bytes, so the
//! payload is base64.

use std::time::Duration;

use backon::BackoffBuilder;
use base64::{Engine, engine::general_purpose::STANDARD};
use ctk_db::{
    DbError,
    cratedb::{Blame, Client, RowError, patience},
    quote,
};
use ctk_flow::{DeadLetter, ShardId};
use serde_json::{Value, json};

use super::Settings;
use crate::SinkError;

/// Bytes of payload in one request, unless a single one has more.
const BYTES: usize = 4 << 20;

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

/// Keeps letters in the table, which is there. The client is patient.
pub(super) async fn keep(
    client: &Client,
    settings: &Settings,
    shard: &ShardId,
    letters: &[DeadLetter],
) -> Result<(), SinkError> {
    let sql = format!(
        "INSERT INTO {} (\"stream\", \"shard_id\", \"sequence\", \"sub_sequence\", \"partition_key\", \"arrived_at\", \
         \"reason\", \"error\", \"table_name\", \"payload\") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        quoted(settings)
    );
    for letters in portions(letters) {
        let mut rows: Vec<_> = letters.iter().map(|letter| row(settings, shard, letter)).collect();
        let mut pauses = patience().build();
        while !rows.is_empty() {
            let results = client.execute_bulk(&sql, &rows).await;
            let results = results
                .map_err(DbError::cratedb(format!("write into table {}", name(settings))))?;
            let mut left = Vec::new();
            for (row, result) in rows.into_iter().zip(results) {
                match (result.rowcount, result.error) {
                    (0.., _) => {}
                    (_, Some(error)) if matches!(error.blame(), Blame::Row | Blame::User) => {
                        return Err(refused(settings, &error));
                    }
                    _ => left.push(row),
                }
            }
            rows = left;
            if !rows.is_empty() {
                let pause: Duration = pauses.next().unwrap_or_default();
                tokio::time::sleep(pause).await;
            }
        }
    }
    Ok(())
}

/// Cuts letters into requests that a server takes.
fn portions(letters: &[DeadLetter]) -> Vec<&[DeadLetter]> {
    let mut portions = Vec::new();
    let mut left = letters;
    while !left.is_empty() {
        let mut bytes = 0;
        let fitting = left.iter().take_while(|letter| {
            bytes += letter.payload.len() + letter.error.len();
            bytes <= BYTES
        });
        let (portion, rest) = left.split_at(fitting.count().clamp(1, left.len()));
        portions.push(portion);
        left = rest;
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

fn refused(settings: &Settings, error: &RowError) -> SinkError {
    SinkError::LetterRefused { table: name(settings), error: error.to_string() }
}
