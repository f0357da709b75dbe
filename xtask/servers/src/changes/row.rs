//! A row as one change writes it: its record, and how it is compared.

use super::{SCHEMA, State, table};
use crate::rows::mixed;

/// The row of a key as a change writes it.
pub(super) struct Row {
    pub(super) number: u64,
    pub(super) id: i64,
}

impl Row {
    /// Returns the record of an insertion or an update.
    pub(super) fn change(&self, operation: &str, in_table: usize) -> String {
        let (id, paid) = (self.id, self.paid() == 1);
        let note = self.note().map(|note| format!(",\"note\":\"{note}\"")).unwrap_or_default();
        format!(
            r#"{{"data":{{"id":{id},"customer":"{}","quantity":{},"total":{},"weight":{},"paid":{paid},"changed":"{}"{note}}},"metadata":{}}}"#,
            self.customer(),
            self.quantity(),
            self.total(),
            self.weight(),
            time(self.number),
            metadata("data", operation, in_table, Some(id), self.number)
        )
    }

    /// Returns the record of a deletion, which has the key alone.
    pub(super) fn deletion(&self, in_table: usize) -> String {
        let metadata = metadata("data", "delete", in_table, Some(self.id), self.number);
        format!(r#"{{"data":{{"id":{}}},"metadata":{metadata}}}"#, self.id)
    }

    /// Returns the row as text, the same for the same row in whatever database.
    pub(super) fn text(id: i64, state: State) -> String {
        let row = Self { number: state.last, id };
        let note = Self { number: state.note, id }.note();
        format!(
            "{id}|{}|{}|{}|{}|{}|{}|{}",
            row.customer(),
            row.quantity(),
            row.total(),
            row.weight(),
            row.paid(),
            time(row.number),
            note.as_deref().unwrap_or("NULL")
        )
    }

    /// Returns what is random of it, from some bit on.
    fn random(&self, bit: u32, end: u64) -> u64 {
        (mixed(self.number) >> bit) % end
    }

    fn customer(&self) -> String {
        format!("customer-{:05}", self.random(0, 90_000))
    }

    fn quantity(&self) -> u64 {
        self.random(8, 1_000)
    }

    fn total(&self) -> String {
        let cents = self.random(16, 10_000_000);
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    fn weight(&self) -> String {
        let grams = self.random(24, 1_000_000);
        format!("{}.{:03}", grams / 1000, grams % 1000)
    }

    fn paid(&self) -> u64 {
        self.random(3, 2)
    }

    /// NULL in one of eight.
    pub(super) fn note(&self) -> Option<String> {
        let parcel = self.random(40, 8);
        (parcel > 0).then(|| format!("parcel {parcel} of order {}, to be left next door", self.id))
    }
}

/// Returns the second of a change, from the beginning of 2026 on, in months of 28 days.
fn time(number: u64) -> String {
    format!("2026-{:02}-{:02}T{}Z", number / 2_419_200 % 12 + 1, number / 86_400 % 28 + 1, {
        format!("{:02}:{:02}:{:02}", number / 3600 % 24, number / 60 % 60, number % 60)
    })
}

/// Returns what AWS DMS says about a record, with the partition key and the transaction
/// (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kinesis.html>).
pub(super) fn metadata(
    kind: &str,
    operation: &str,
    in_table: usize,
    id: Option<i64>,
    number: u64,
) -> String {
    let (table, time) = (table(in_table), time(number));
    let seconds = time.trim_end_matches('Z');
    let (by, value) = match id {
        Some(id) => ("primary-key", format!("{SCHEMA}.{table}.{id}")),
        None => ("task-id", format!("bench.{SCHEMA}.{table}")),
    };
    format!(
        r#"{{"timestamp":"{seconds}.250000Z","record-type":"{kind}","operation":"{operation}","partition-key-type":"{by}","partition-key-value":"{value}","schema-name":"{SCHEMA}","table-name":"{table}","commit-timestamp":"{seconds}.000000Z","transaction-id":{},"stream-position":"{:08X}/{:08X}"}}"#,
        number + 1,
        number >> 20,
        number << 8 & u64::from(u32::MAX)
    )
}
