//! The table of dead letters: `<table>_dead_letters` beside the target table, or one for all tables.

use ctk_db::{DbError, postgres::Connection, quote};
use ctk_flow::{DeadLetter, ShardId};

use super::{names::fit, rows::execute, schema::create_schema};
use crate::SinkError;

/// Letters in one statement, and bytes of their payloads, beyond which no further one is added.
const TOGETHER: usize = 1000;
const TOGETHER_BYTES: usize = 8 << 20;

/// Returns its name.
pub fn table_name(table: &str) -> String {
    fit(format!("{table}_dead_letters"))
}

/// Where letters are kept, and what stands in each.
#[derive(Clone, Debug)]
pub(crate) struct Letters<'a> {
    pub(crate) schema: &'a str,
    /// The name of the table.
    pub(crate) name: String,
    pub(crate) stream: &'a str,
}

impl Letters<'_> {
    fn quoted(&self) -> String {
        format!("{}.{}", quote(self.schema), quote(&self.name))
    }
}

/// Creates the table if it is missing, in the transaction of the caller, who is alone with it until its end.
pub(crate) async fn create(
    connection: &mut Connection,
    place: &Letters<'_>,
) -> Result<(), SinkError> {
    let name = place.quoted();
    let what = "create the table of dead letters";
    let lock =
        sqlx::query("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))")
            .persistent(false)
            .bind(format!("ctk letters {name}"));
    lock.execute(&mut *connection).await.map_err(DbError::statement(what))?;
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = $1 AND c.relname = $2)",
    )
    .persistent(false)
    .bind(place.schema)
    .bind(&place.name)
    .fetch_one(&mut *connection)
    .await
    .map_err(DbError::statement(what))?;
    if there {
        // Asking needs no rights, `IF NOT EXISTS` would.
        return Ok(());
    }
    create_schema(connection, place.schema).await?;
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {name} (at TIMESTAMPTZ NOT NULL, stream TEXT NOT NULL, shard_id TEXT NOT NULL, \
         sequence TEXT NOT NULL, sub_sequence BIGINT NOT NULL, partition_key TEXT, arrived_at TIMESTAMPTZ, \
         reason TEXT NOT NULL, error TEXT NOT NULL, table_name TEXT NOT NULL, payload BYTEA NOT NULL, \
         PRIMARY KEY (stream, shard_id, sequence, sub_sequence))"
    );
    Ok(execute(connection, sql, what).await?)
}

/// Keeps letters that concern a table, in the transaction of the caller.
///
/// The place of a record is the key, so a record that is read again is not kept twice. In texts that PostgreSQL cannot hold,
/// NUL characters are written as `\0`; the payload keeps its bytes.
pub(crate) async fn keep(
    connection: &mut Connection,
    place: &Letters<'_>,
    table: &str,
    shard: &ShardId,
    letters: &[DeadLetter],
) -> Result<(), SinkError> {
    let sql = format!(
        "INSERT INTO {} (at, stream, shard_id, sequence, sub_sequence, partition_key, arrived_at, reason, error, table_name, payload) \
         SELECT pg_catalog.now(), $1, $2, sequence, sub_sequence, partition_key, pg_catalog.to_timestamp(arrived_at / 1000.0), \
         reason, error, $3, payload \
         FROM ROWS FROM (pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::bigint[]), pg_catalog.unnest($6::text[]), \
         pg_catalog.unnest($7::bigint[]), pg_catalog.unnest($8::text[]), pg_catalog.unnest($9::text[]), pg_catalog.unnest($10::bytea[])) \
         AS letters (sequence, sub_sequence, partition_key, arrived_at, reason, error, payload) \
         ON CONFLICT (stream, shard_id, sequence, sub_sequence) DO NOTHING",
        place.quoted()
    );
    let plain = |text: &str| text.replace('\0', "\\0");
    let mut rest = letters;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take(TOGETHER).take_while(|letter| {
            let before = bytes;
            bytes += letter.payload.len();
            before < TOGETHER_BYTES
        });
        let (letters, others) = rest.split_at(fits.count());
        rest = others;
        let all = |text: fn(&DeadLetter) -> &str| {
            letters.iter().map(|letter| plain(text(letter))).collect::<Vec<_>>()
        };
        let keys: Vec<_> = letters
            .iter()
            .map(|letter| letter.origin.partition_key.as_deref().map(plain))
            .collect();
        let query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
            .persistent(false)
            .bind(place.stream)
            .bind(shard.as_str())
            .bind(plain(table))
            .bind(all(|letter| letter.origin.sequence.as_str()))
            .bind(letters.iter().map(|letter| i64::from(letter.sub_sequence)).collect::<Vec<_>>())
            .bind(keys)
            .bind(letters.iter().map(|letter| letter.origin.arrived_at).collect::<Vec<_>>())
            .bind(all(|letter| letter.reason.code()))
            .bind(all(|letter| &letter.error))
            .bind(letters.iter().map(|letter| letter.payload.as_slice()).collect::<Vec<_>>());
        let written = query.execute(&mut *connection).await;
        written.map_err(DbError::statement(format!("write into table {}", place.name)))?;
    }
    Ok(())
}
