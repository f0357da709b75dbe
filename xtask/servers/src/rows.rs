//! The rows that the bare writers write: those that `ctk` makes of the records, and the table that all of them write into.
//!
//! Columns, types and sizes are the same. A message id is as random here as there, and as long, but it is not the same one:
//! what matters to a database is that keys have no order.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use ctk_test_support::records;
use serde::Deserialize;
use sonic_rs::LazyValue;

/// The table that every case writes into.
pub(crate) const TABLE: &str = "bench";

/// Rows in one transaction of a bare writer; as many as `ctk` has at most in one.
pub(crate) const TRANSACTION: u64 = 10_000;

/// A column: its name, and its types in PostgreSQL and in SQLite.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

/// The key, the envelope, and the members of a record.
pub(crate) const COLUMNS: [Column; 12] = [
    column("_kinesis_msg_id", "text", "TEXT"),
    column("_kinesis", "jsonb", "JSON"),
    column("id", "bigint", "BIGINT"),
    column("device", "text", "TEXT"),
    column("ts", "text", "TEXT"),
    column("temperature", "double precision", "DOUBLE"),
    column("humidity", "double precision", "DOUBLE"),
    column("reading", "bigint", "BIGINT"),
    column("status", "text", "TEXT"),
    column("location", "jsonb", "JSON"),
    column("firmware", "text", "TEXT"),
    column("note", "text", "TEXT"),
];

const fn column(name: &'static str, postgres: &'static str, sqlite: &'static str) -> Column {
    Column { name, postgres, sqlite }
}

/// Returns the statement that creates the table, with the key first.
pub(crate) fn create_table(type_of: impl Fn(&Column) -> &'static str) -> String {
    let columns = COLUMNS.iter().enumerate().map(|(index, column)| {
        let key = if index == 0 { " PRIMARY KEY" } else { "" };
        format!("\"{}\" {}{key}", column.name, type_of(column))
    });
    format!("CREATE TABLE \"{TABLE}\" ({})", columns.collect::<Vec<_>>().join(", "))
}

/// Returns the names of the columns, quoted, for a statement.
pub(crate) fn names() -> String {
    COLUMNS.each_ref().map(|column| format!("\"{}\"", column.name)).join(", ")
}

/// Refuses a table of other columns than these: then the figures could not be compared.
///
/// `found` has a name and a type for each column, in any order.
pub(crate) fn ensure_alike(
    mut found: Vec<Vec<String>>,
    type_of: impl Fn(&Column) -> &'static str,
) -> Result<()> {
    let mut expected = COLUMNS
        .each_ref()
        .map(|column| vec![column.name.to_owned(), type_of(column).to_owned()])
        .to_vec();
    found.sort();
    expected.sort();
    ensure!(
        found == expected,
        "the table is not the one that the bare writers write into: {found:?} instead of {expected:?}"
    );
    Ok(())
}

/// A record, parsed, with its message id and its envelope.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) message_id: String,
    pub(crate) envelope: String,
    pub(crate) id: i64,
    pub(crate) device: String,
    pub(crate) ts: String,
    pub(crate) temperature: f64,
    pub(crate) humidity: f64,
    pub(crate) reading: i64,
    pub(crate) status: String,
    pub(crate) location: String,
    pub(crate) firmware: String,
    pub(crate) note: String,
}

#[derive(Deserialize)]
struct Members<'a> {
    id: i64,
    device: &'a str,
    ts: &'a str,
    temperature: f64,
    humidity: f64,
    reading: i64,
    status: &'a str,
    #[serde(borrow)]
    location: LazyValue<'a>,
    firmware: &'a str,
    note: &'a str,
}

/// Returns the rows of one transaction in the order of their keys, which costs an index least.
pub(crate) fn rows(indexes: Range<u64>) -> Result<Vec<Row>> {
    let mut rows = indexes.map(row).collect::<Result<Vec<Row>>>()?;
    rows.sort_unstable_by(|one, other| one.message_id.cmp(&other.message_id));
    Ok(rows)
}

fn row(index: u64) -> Result<Row> {
    let record = records::record(index);
    let members: Members<'_> = sonic_rs::from_slice(&record).context("a record is no JSON")?;
    Ok(Row {
        message_id: message_id(index),
        envelope: envelope(index),
        id: members.id,
        device: members.device.to_owned(),
        ts: members.ts.to_owned(),
        temperature: members.temperature,
        humidity: members.humidity,
        reading: members.reading,
        status: members.status.to_owned(),
        location: members.location.as_raw_str().to_owned(),
        firmware: members.firmware.to_owned(),
        note: members.note.to_owned(),
    })
}

/// Returns 20 characters of base64 without order, another for every index.
fn message_id(index: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let high = mixed(index);
    let mut bits = u128::from(high) << 64 | u128::from(mixed(high));
    let letter = |_| {
        let letter = LETTERS[usize::try_from(bits >> 122).unwrap_or_default()];
        bits <<= 6;
        char::from(letter)
    };
    (0..20).map(letter).collect()
}

/// Spreads a number over 64 bits; different numbers stay different (the finalizer of `SplitMix64`).
pub(crate) fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Returns what `ctk` says about where a row came from, as long as there.
fn envelope(index: u64) -> String {
    let (shard, position) = (index % 4, index / 4 + 1);
    let (minute, second, milli) = (index / 60_000 % 60, index / 1000 % 60, index % 1000);
    format!(
        concat!(
            r#"{{"shard_id":"shardId-{shard:012}","seq_no":"49{shard:018}{position:036}","sub_seq":0,"#,
            r#""ts":"2026-01-01T00:{minute:02}:{second:02}.{milli:03}Z","partition":"key-{index}","stream_name":"bench"}}"#
        ),
        shard = shard,
        position = position,
        minute = minute,
        second = second,
        milli = milli,
        index = index,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_row_has_what_its_record_has() {
        let rows = rows(0..500).unwrap();
        let sum = |of: fn(&Row) -> i64| rows.iter().map(of).sum::<i64>().cast_unsigned();
        let expected = records::expected(500);
        assert_eq!((sum(|row| row.id), sum(|row| row.reading)), (expected.id, expected.reading));
        let seventh = rows.iter().find(|row| row.id == 7).unwrap();
        assert_eq!(
            (seventh.ts.as_str(), seventh.temperature),
            ("2026-01-01T00:00:00.259Z", -18.857)
        );
        assert_eq!(seventh.location, r#"{"site":"plant-23","lat":47.4562,"lon":8.1202,"floor":5}"#);
        let envelope: serde_json::Value = serde_json::from_str(&seventh.envelope).unwrap();
        assert_eq!(envelope["partition"], "key-7");
        assert_eq!(envelope["seq_no"].as_str().unwrap().len(), 56);
    }

    #[test]
    fn keys_differ_and_are_in_order() {
        let rows = rows(0..5_000).unwrap();
        let keys: HashSet<&str> = rows.iter().map(|row| row.message_id.as_str()).collect();
        assert_eq!(keys.len(), 5_000);
        assert!(keys.iter().all(|key| key.len() == 20));
        assert!(rows.is_sorted_by_key(|row| row.message_id.as_str()));
        // In no order as they are made: about half of the neighbours are the wrong way round.
        let falls = (1..5_000).filter(|index| message_id(*index) < message_id(index - 1)).count();
        assert!((2_300..2_700).contains(&falls), "{falls}");
    }

    #[test]
    fn another_table_is_refused() {
        let table = || {
            COLUMNS
                .each_ref()
                .map(|column| vec![column.name.to_owned(), column.postgres.to_owned()])
                .to_vec()
        };
        let mut other = table();
        other.reverse();
        ensure_alike(other.clone(), |column| column.postgres).unwrap();
        other[3][1] = "character varying".to_owned();
        assert!(ensure_alike(other, |column| column.postgres).is_err());
        assert!(ensure_alike(table(), |column| column.sqlite).is_err());
        assert!(ensure_alike(Vec::new(), |column| column.sqlite).is_err());
    }

    #[test]
    fn the_first_column_is_the_key() {
        let sql = create_table(|column| column.postgres);
        assert!(
            sql.starts_with(
                r#"CREATE TABLE "bench" ("_kinesis_msg_id" text PRIMARY KEY, "_kinesis" jsonb, "#
            ),
            "{sql}"
        );
        assert_eq!(sql.matches("PRIMARY KEY").count(), 1);
    }
}
