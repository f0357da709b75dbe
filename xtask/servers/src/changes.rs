//! Change data for the benchmark: a dump file as AWS DMS would fill a stream, and what tables must hold after it.
//!
//! Ten tables, 5,000 hot keys: 60 % of the changes are insertions (of a hot key that is not there, else of a new one), 30 %
//! updates and 10 % deletions of hot keys. What a change writes follows from its number, so what must be there at the end is
//! known without a database; all of it follows from one seed, and a shorter file is the beginning of a longer one.

mod digest;
mod row;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

pub(crate) use digest::{Digest, ensure_equal, postgres_sql, sqlite_sql};
use row::Row;

use crate::rows::mixed;

/// The schema of the source.
pub(crate) const SCHEMA: &str = "shop";

/// How many tables there are.
pub(crate) const TABLES: usize = 10;

/// Keys of each table that are changed and deleted: 5,000 in all.
const HOT: i64 = 500;

const SEED: u64 = 20_261_121;

/// A column: its name, its definition by AWS DMS, and the types that `ctk` gives it.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    dms: &'static str,
    pub(crate) postgres: &'static str,
    pub(crate) sqlite: &'static str,
}

/// The columns of each table, with the key first.
pub(crate) const COLUMNS: [Column; 8] = [
    column("id", r#""type":"INT64""#, "bigint", "BIGINT"),
    column("customer", r#""type":"STRING","length":20"#, "text", "TEXT"),
    column("quantity", r#""type":"INT32""#, "integer", "INTEGER"),
    column(
        "total",
        r#""type":"NUMERIC","precision":12,"scale":2"#,
        "numeric(12,2)",
        "DECIMAL(12, 2)",
    ),
    column("weight", r#""type":"DOUBLE""#, "double precision", "DOUBLE"),
    column("paid", r#""type":"BOOLEAN""#, "boolean", "BOOLEAN"),
    column("changed", r#""type":"DATETIME""#, "timestamp with time zone", "TIMESTAMP"),
    column("note", r#""type":"STRING","length":100"#, "text", "TEXT"),
];

const fn column(
    name: &'static str,
    dms: &'static str,
    postgres: &'static str,
    sqlite: &'static str,
) -> Column {
    Column { name, dms, postgres, sqlite }
}

/// Returns the name of a table.
pub(crate) fn table(number: usize) -> String {
    format!("orders_{number}")
}

/// What a file has, and what its changes come to.
#[derive(Debug)]
pub(crate) struct Written {
    /// The definitions of tables included.
    pub(crate) lines: u64,
    /// Of changes alone.
    pub(crate) bytes: u64,
    pub(crate) inserts: u64,
    pub(crate) updates: u64,
    pub(crate) deletes: u64,
    /// What each table holds at the end.
    pub(crate) tables: Vec<Digest>,
}

/// Writes a file with the definitions of the tables and so many changes.
pub(crate) fn write(file: &Path, changes: u64) -> Result<Written> {
    let failed = || format!("cannot write {}", file.display());
    let mut out = BufWriter::new(File::create(file).with_context(failed)?);
    for number in 0..TABLES {
        writeln!(out, "{}", definition(number)).with_context(failed)?;
    }
    let mut source = Source::new();
    let mut written = Written {
        lines: TABLES as u64 + changes,
        bytes: 0,
        inserts: 0,
        updates: 0,
        deletes: 0,
        tables: Vec::new(),
    };
    for number in 0..changes {
        let (operation, key) = source.change(number);
        let row = Row { number, id: key.id };
        let record = match operation {
            "delete" => row.deletion(key.table),
            _ => row.change(operation, key.table),
        };
        match operation {
            "insert" => written.inserts += 1,
            "update" => written.updates += 1,
            _ => written.deletes += 1,
        }
        written.bytes += record.len() as u64;
        writeln!(out, "{record}").with_context(failed)?;
    }
    out.flush().with_context(failed)?;
    written.tables = source.tables.iter().map(Digest::expected).collect();
    Ok(written)
}

/// Returns the control record that defines a table.
fn definition(number: usize) -> String {
    let columns =
        COLUMNS.each_ref().map(|column| format!("\"{}\":{{{}}}", column.name, column.dms));
    format!(
        r#"{{"control":{{"table-def":{{"columns":{{{}}},"primary-key":["id"]}}}},"metadata":{}}}"#,
        columns.join(","),
        row::metadata("control", "create-table", number, None, 0)
    )
}

#[derive(Clone, Copy)]
struct Key {
    table: usize,
    id: i64,
}

/// What the last changes of a row were: the one that wrote it, and the one that its note is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct State {
    last: u64,
    note: u64,
}

/// The database that is captured.
struct Source {
    drawn: u64,
    /// Hot keys that are there, and those that are not.
    living: Vec<Key>,
    missing: Vec<Key>,
    next: [i64; TABLES],
    tables: [BTreeMap<i64, State>; TABLES],
}

impl Source {
    fn new() -> Self {
        let hot = (1..=HOT).flat_map(|id| (0..TABLES).map(move |table| Key { table, id }));
        Self {
            drawn: 0,
            living: Vec::new(),
            missing: hot.collect(),
            next: [HOT + 1; TABLES],
            tables: Default::default(),
        }
    }

    /// Returns a number below `end`; numbers are random enough, and always the same.
    fn draw(&mut self, end: usize) -> usize {
        self.drawn += 1;
        let end = (end as u64).max(1);
        usize::try_from(mixed(SEED ^ (self.drawn << 20)) % end).unwrap_or_default()
    }

    /// Makes a change, with what AWS DMS calls it.
    fn change(&mut self, number: u64) -> (&'static str, Key) {
        let wanted = self.draw(10);
        let (living, missing) = (self.living.len(), self.missing.len());
        if wanted < 6 || living == 0 {
            let key = if missing > 0 {
                let key = self.draw(missing);
                let key = self.missing.swap_remove(key);
                self.living.push(key);
                key
            } else {
                let table = self.draw(self.next.len());
                let id = self.next[table];
                self.next[table] += 1;
                Key { table, id }
            };
            self.rows(key).insert(key.id, State { last: number, note: number });
            return ("insert", key);
        }
        let hot = self.draw(living);
        if wanted == 9 {
            let key = self.living.swap_remove(hot);
            self.missing.push(key);
            self.rows(key).remove(&key.id);
            return ("delete", key);
        }
        let key = self.living[hot];
        if let Some(state) = self.rows(key).get_mut(&key.id) {
            state.last = number;
            // AWS DMS leaves NULL out, so of an update it says nothing.
            if (Row { number, id: key.id }).note().is_some() {
                state.note = number;
            }
        }
        ("update", key)
    }

    fn rows(&mut self, key: Key) -> &mut BTreeMap<i64, State> {
        &mut self.tables[key.table]
    }
}

#[cfg(test)]
mod tests;
