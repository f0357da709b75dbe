//! The table of dead letters, beside the target table: `<table>_dead_letters`.

use ctk_checkpoint::time::iso;
use ctk_db::{DbError, quote};
use ctk_flow::{DeadLetter, ShardId};
use sqlx::SqliteConnection;

use crate::SinkError;

/// Returns its name.
pub(super) fn table_name(table: &str) -> String {
    format!("{table}_dead_letters")
}

/// Keeps letters in a table, in the transaction of the caller; it is created when first needed. `of` are the stream, and the
/// table that their rows would have gone to.
///
/// The place of a record is the key, so a record that is read again is not kept twice.
pub(crate) async fn keep(
    connection: &mut SqliteConnection,
    into: &str,
    (stream, table): (&str, &str),
    shard: &ShardId,
    letters: &[DeadLetter],
) -> Result<(), SinkError> {
    let name = quote(into);
    let create = format!(
        "CREATE TABLE IF NOT EXISTS {name} (at TEXT NOT NULL, stream TEXT NOT NULL, shard_id TEXT NOT NULL, \
         sequence TEXT NOT NULL, sub_sequence INTEGER NOT NULL, partition_key TEXT, arrived_at TEXT, \
         reason TEXT NOT NULL, error TEXT NOT NULL, table_name TEXT NOT NULL, payload BLOB NOT NULL, \
         PRIMARY KEY (stream, shard_id, sequence, sub_sequence))"
    );
    let failed = || format!("write into table {into}");
    let run = sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut *connection).await;
    run.map_err(DbError::statement(failed()))?;
    let insert = format!(
        "INSERT INTO {name} (at, stream, shard_id, sequence, sub_sequence, partition_key, arrived_at, reason, error, \
         table_name, payload) VALUES (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (stream, shard_id, sequence, sub_sequence) DO NOTHING"
    );
    for letter in letters {
        let query = sqlx::query(sqlx::AssertSqlSafe(insert.clone()))
            .bind(stream)
            .bind(shard.as_str())
            .bind(letter.origin.sequence.as_str())
            .bind(letter.sub_sequence)
            .bind(letter.origin.partition_key.as_deref())
            .bind(letter.origin.arrived_at.map(iso))
            .bind(letter.reason.code())
            .bind(letter.error.as_str())
            .bind(table)
            .bind(letter.payload.as_slice());
        query.execute(&mut *connection).await.map_err(DbError::statement(failed()))?;
    }
    Ok(())
}
