//! The cases: how each is started, and how what landed is checked.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use ctk_test_support::records::{self, Expected};
use serde::Deserialize;

use super::Plan;
use super::measure::{self, Measured};
use crate::{cratedb, landed};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// `GetRecords` in a loop, with the same SDK.
    Bare(Wire),
    /// `ctk load` into nothing.
    Nothing(Wire),
    /// `ctk load` into a file of JSON lines.
    Lines,
    /// `ctk load` into SQLite, rows and position in one transaction.
    Sqlite,
    /// `ctk load` into the double of CrateDB, with requests of so many rows.
    CrateDb {
        /// In thousands.
        thousands: u32,
    },
}

/// How records are written where a case fixes it; the other cases leave it to `ctk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    Json,
    Cbor,
}

impl Case {
    const ALL: [Self; 9] = [
        Self::Bare(Wire::Json),
        Self::Bare(Wire::Cbor),
        Self::Nothing(Wire::Json),
        Self::Nothing(Wire::Cbor),
        Self::Lines,
        Self::Sqlite,
        Self::CrateDb { thousands: 1 },
        Self::CrateDb { thousands: 5 },
        Self::CrateDb { thousands: 10 },
    ];

    /// Reads a list of names, or returns all.
    pub(super) fn parse(only: Option<&str>) -> Result<Vec<Self>> {
        let Some(only) = only else { return Ok(Self::ALL.to_vec()) };
        let named = |name: &str| match Self::ALL.into_iter().find(|case| case.name() == name) {
            Some(case) => Ok(case),
            None => {
                bail!("no such case: {name:?}; there are {}", Self::ALL.map(Self::name).join(", "))
            }
        };
        only.split(',').map(named).collect()
    }

    /// Returns the word for `--only`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bare(Wire::Json) => "bare",
            Self::Bare(Wire::Cbor) => "bare-cbor",
            Self::Nothing(Wire::Json) => "null",
            Self::Nothing(Wire::Cbor) => "null-cbor",
            Self::Lines => "jsonl",
            Self::Sqlite => "sqlite",
            Self::CrateDb { thousands: 1 } => "crate1k",
            Self::CrateDb { thousands: 5 } => "crate5k",
            Self::CrateDb { .. } => "crate10k",
        }
    }

    /// Returns what a reader of the table sees.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Bare(Wire::Json) => "bare `GetRecords` loop",
            Self::Bare(Wire::Cbor) => "bare `GetRecords` loop in CBOR",
            Self::Nothing(Wire::Json) => "`ctk load …?protocol=json null:`",
            Self::Nothing(Wire::Cbor) => "`ctk load …?protocol=cbor null:`",
            Self::Lines => "`ctk load … jsonl:FILE`",
            Self::Sqlite => "`ctk load … sqlite:FILE`",
            Self::CrateDb { thousands: 1 } => "`ctk load … crate://…?batch_rows=1000`",
            Self::CrateDb { thousands: 5 } => "`ctk load … crate://…?batch_rows=5000`",
            Self::CrateDb { .. } => "`ctk load … crate://…`, 10,000 rows",
        }
    }

    /// Runs it once and checks what landed.
    pub(super) fn measure(self, plan: &Plan, endpoint: &str) -> Result<Measured> {
        let (lines, database) = (plan.folder.join("bench.jsonl"), plan.folder.join("bench.db"));
        for name in ["bench.jsonl", "bench.db", "bench.db-wal", "bench.db-shm"] {
            remove(&plan.folder.join(name))?;
        }
        let process = match self {
            Self::CrateDb { .. } => Some(cratedb::start()?),
            _ => None,
        };
        let double = process.as_ref().map(|double| double.address.as_str()).unwrap_or_default();
        let load = |target: String, options: &str| {
            let host = endpoint.trim_start_matches("http://");
            let source = format!(
                "kinesis://test:test@{host}/{}?region=us-east-1&once=true{options}",
                plan.stream
            );
            let mut command = Command::new(&plan.ctk);
            command.args(["load", &source, &target]).current_dir(&plan.folder);
            command
        };
        let mut command = match self {
            Self::Bare(wire) => {
                let own = std::env::current_exe().context("cannot find the running program")?;
                let mut command = Command::new(own);
                command.args(["bare", "--endpoint", endpoint, "--stream", &plan.stream]);
                command.args((wire == Wire::Cbor).then_some("--cbor"));
                command
            }
            Self::Nothing(Wire::Json) => load("null:".to_owned(), "&protocol=json"),
            Self::Nothing(Wire::Cbor) => load("null:".to_owned(), "&protocol=cbor"),
            Self::Lines => load(format!("jsonl:{}", lines.display()), ""),
            Self::Sqlite => load(format!("sqlite:{}", database.display()), "&checkpointer=target"),
            Self::CrateDb { thousands } => {
                let rows = thousands * 1000;
                let target = format!("{double}/{}?batch_rows={rows}", cratedb::TABLE);
                load(target, "&checkpointer=target")
            }
        };
        let measured = measure::run(&mut command, &plan.folder)?;
        let expected = records::expected(plan.records);
        match self {
            Self::Bare(_) => ensure!(
                measured.printed.trim() == plan.records.to_string(),
                "{} of {} records were read",
                measured.printed.trim(),
                plan.records
            ),
            Self::Nothing(_) => ensure!(
                tells(&measured.printed, plan.records),
                "the run does not say that it read {} records:\n{}",
                plan.records,
                measured.printed
            ),
            Self::Lines => compare(expected, sum_lines(&lines, plan.records)?)?,
            Self::Sqlite => compare(expected, sum_rows(&database, &plan.stream)?)?,
            Self::CrateDb { .. } => compare(expected, cratedb::landed(double)?)?,
        }
        Ok(measured)
    }
}

fn compare(expected: Expected, landed: Expected) -> Result<()> {
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
fn sum_lines(file: &Path, records: u64) -> Result<Expected> {
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
fn sum_rows(database: &Path, table: &str) -> Result<Expected> {
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

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_named() {
        assert_eq!(Case::parse(None).unwrap().len(), 9);
        assert_eq!(
            Case::parse(Some("sqlite,bare-cbor")).unwrap(),
            [Case::Sqlite, Case::Bare(Wire::Cbor)]
        );
        assert!(
            Case::parse(Some("sqlite,duckdb"))
                .unwrap_err()
                .to_string()
                .contains("bare, bare-cbor, null, null-cbor, jsonl")
        );
    }

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
