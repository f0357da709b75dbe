//! What landed in files: JSON lines and SQLite, added up; and the numbers that a program prints.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use ctk_test_support::records::Expected;
use serde::Deserialize;

use crate::{landed, rows};

/// Returns the file of JSON lines.
pub(super) fn lines(folder: &Path) -> PathBuf {
    folder.join("bench.jsonl")
}

/// Returns the database of SQLite.
pub(super) fn database(folder: &Path) -> PathBuf {
    folder.join("bench.db")
}

/// Removes what an earlier case left.
pub(super) fn clean(folder: &Path) -> Result<()> {
    for name in ["bench.jsonl", "bench.db", "bench.db-wal", "bench.db-shm"] {
        match fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {name}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Refuses what is not what was sent.
pub(super) fn compare(expected: Expected, landed: Expected) -> Result<()> {
    ensure!(expected == landed, "not what was sent landed: {landed:?} instead of {expected:?}");
    Ok(())
}

/// Returns whether a text has this number, with or without separators of thousands.
pub(crate) fn tells(text: &str, number: u64) -> bool {
    let (mut digits, number) = (String::new(), number.to_string());
    for character in text.chars().filter(|character| !",_'\u{202f}\u{a0}".contains(*character)) {
        if character.is_ascii_digit() {
            digits.push(character);
        } else if digits == number {
            return true;
        } else {
            digits.clear();
        }
    }
    digits == number
}

#[derive(Deserialize)]
struct Line {
    id: u64,
    reading: u64,
}

/// Adds up a file of JSON lines; two lines of one id are an error.
pub(super) fn sum_lines(file: &Path, records: u64) -> Result<Expected> {
    let mut seen = vec![false; usize::try_from(records)?];
    let mut sums = Expected { count: 0, id: 0, reading: 0 };
    let file = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    for line in BufReader::new(file).lines() {
        let line = line?;
        let Line { id, reading } =
            sonic_rs::from_str(&line).with_context(|| format!("not a record: {line}"))?;
        let slot = usize::try_from(id).ok().and_then(|id| seen.get_mut(id));
        let slot = slot.with_context(|| format!("id {id} was never sent"))?;
        ensure!(!std::mem::replace(slot, true), "id {id} landed twice");
        sums =
            Expected { count: sums.count + 1, id: sums.id + id, reading: sums.reading + reading };
    }
    Ok(sums)
}

/// Adds up a table; two rows of one id are an error.
pub(super) fn sum_rows(database: &Path, table: &str) -> Result<Expected> {
    let sql = format!(
        "SELECT count(*), count(DISTINCT \"id\"), sum(\"id\"), sum(\"reading\") FROM \"{table}\""
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(landed::numbers(database, &sql))?.as_slice() {
        [count, distinct, id, reading] => {
            ensure!(count == distinct, "{count} rows, but {distinct} ids");
            Ok(Expected { count: *count, id: *id, reading: *reading })
        }
        other => bail!("{} columns instead of four", other.len()),
    }
}

/// Refuses a table that is not the one of [`rows`], or has another key.
pub(super) fn ensure_alike(database: &Path) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let query = |sql: &str| runtime.block_on(landed::query(database, sql));
    let columns = format!("SELECT name, type FROM pragma_table_info('{}')", rows::TABLE);
    rows::ensure_alike(query(&columns)?, |column| column.sqlite)?;
    let indexes = format!(
        "SELECT list.origin, info.name FROM pragma_index_list('{}') AS list, pragma_index_info(list.name) AS info",
        rows::TABLE
    );
    let found = query(&indexes)?;
    ensure!(
        found == [["pk", "_kinesis_msg_id"]],
        "the table has other indexes than that of the message id: {found:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use ctk_test_support::records;

    use super::*;

    #[test]
    fn a_number_is_found_as_a_whole() {
        assert!(tells("read 1,000,000 records", 1_000_000));
        assert!(tells("read=1000000", 1_000_000));
        assert!(!tells("read 11,000,000 records", 1_000_000));
        assert!(!tells("read 100 0000 records", 1_000_000));
    }

    #[test]
    fn lines_are_added_up_and_doubles_found() {
        let file = std::env::temp_dir().join(format!("ctk-lines-{}", std::process::id()));
        let text = |ids: &[u64]| {
            ids.iter()
                .map(|id| String::from_utf8(records::record(*id)).unwrap() + "\n")
                .collect::<String>()
        };
        let check = |ids: &[u64]| {
            fs::write(&file, text(ids)).unwrap();
            sum_lines(&file, 3)
                .and_then(|landed| compare(records::expected(3), landed))
                .map_err(|error| error.to_string())
        };
        assert_eq!(check(&[2, 0, 1]), Ok(()));
        assert_eq!(check(&[2, 0, 2]), Err("id 2 landed twice".to_owned()));
        assert_eq!(check(&[0, 3]), Err("id 3 was never sent".to_owned()));
        assert!(check(&[0, 1]).unwrap_err().starts_with("not what was sent landed"));
        fs::remove_file(&file).unwrap();
    }
}
