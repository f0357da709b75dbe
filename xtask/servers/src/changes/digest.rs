//! What a table holds: how many rows, and a checksum of all of them. So the tables of two loaders are compared, and those of
//! both with what the records come to.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};

use super::row::Row;
use super::{COLUMNS, Column, SCHEMA, State, table};

/// A table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) rows: u64,
    /// FNV-1a of their texts, in the order of their keys.
    pub(crate) checksum: u64,
}

impl Digest {
    /// Returns that of rows as they must be.
    pub(super) fn expected(rows: &BTreeMap<i64, State>) -> Self {
        let mut digest = Self::default();
        for (id, state) in rows {
            digest.add(&Row::text(*id, *state));
        }
        digest
    }

    fn add(&mut self, row: &str) {
        let begin = if self.rows == 0 { 0xcbf2_9ce4_8422_2325 } else { self.checksum };
        self.rows += 1;
        self.checksum = row.bytes().chain([b'\n']).fold(begin, |checksum, byte| {
            (checksum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    }
}

/// Returns two queries of a table in SQLite: of the names and types of its columns, and of its rows as text.
pub(crate) fn sqlite_sql(number: usize) -> [String; 2] {
    let name = table(number);
    let columns = format!("SELECT name, type FROM pragma_table_info('{name}')");
    let rows = format!(
        "SELECT id || '|' || customer || '|' || quantity || '|' || printf('%.2f', total) || '|' || \
         printf('%.3f', weight) || '|' || paid || '|' || changed || '|' || coalesce(note, 'NULL') \
         FROM \"{name}\" ORDER BY id"
    );
    [columns, rows]
}

/// Returns the same for PostgreSQL.
pub(crate) fn postgres_sql(number: usize) -> [String; 2] {
    let name = format!("{SCHEMA}.{}", table(number));
    let columns = format!(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
         WHERE attrelid = '{name}'::regclass AND attnum > 0 AND NOT attisdropped"
    );
    let rows = format!(
        "SELECT concat_ws('|', id, customer, quantity, total, round(weight::numeric, 3), paid::integer, \
         to_char(changed AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), coalesce(note, 'NULL')) \
         FROM {name} ORDER BY id"
    );
    [columns, rows]
}

/// Refuses tables that are not what the records come to, or have other columns than those of the bare writer.
pub(crate) fn ensure_equal(
    expected: &[Digest],
    sql: impl Fn(usize) -> [String; 2],
    type_of: impl Fn(&Column) -> &'static str,
    query: impl Fn(&str) -> Result<Vec<Vec<String>>>,
) -> Result<()> {
    let mut columns =
        COLUMNS.each_ref().map(|column| vec![column.name.to_owned(), type_of(column).to_owned()]);
    columns.sort();
    for (number, expected) in (0..).zip(expected) {
        let (name, [types, rows]) = (table(number), sql(number));
        let mut found = query(&types).with_context(|| format!("cannot look at {name}"))?;
        if found.is_empty() {
            bail!("there is no table {name}");
        }
        found.sort();
        ensure!(found == columns, "{name} has other columns: {found:?} instead of {columns:?}");
        let mut digest = Digest::default();
        for row in query(&rows)? {
            digest.add(row.first().map_or("", String::as_str));
        }
        ensure!(
            digest == *expected,
            "{name} is not what the records come to: {digest:?} instead of {expected:?}"
        );
    }
    Ok(())
}
