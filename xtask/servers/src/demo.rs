//! `demo`: a stream lands in a database, and a second run loads only what is new. It is a check as well: if anything else
//! lands than what was put into the stream, it fails.
//!
//! Kinesis is an emulator inside this process, on a socket of this machine; everything else is as it would be on AWS: the
//! built `ctk`, its real client, an address as a user types it. The database stays, for looking around.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ctk_test_support::embedded::{Kinesis, Options};
use ctk_test_support::records;

use crate::arguments::Arguments;
use crate::bench::tells;
use crate::landed;

const DATABASE: &str = "demo.db";
const STREAM: &str = "demo";
const TABLE: &str = "kinesis";

/// The tutorial's two records and five thousand more, then another thousand.
const FIRST: u64 = 5_002;
const SECOND: u64 = 1_000;

/// Shows it; with `--keep` the stream stays until Enter is pressed.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let ctk: PathBuf = arguments.require("--ctk")?;
    let keep = arguments.take_flag("--keep");
    arguments.finish()?;
    let root = crate::root()?;
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(show(&Demo { ctk, root, keep }))
}

struct Demo {
    ctk: PathBuf,
    root: PathBuf,
    keep: bool,
}

async fn show(demo: &Demo) -> Result<()> {
    demo.remove_database()?;
    let kinesis =
        Kinesis::start(Options::default()).await.context("cannot start the embedded Kinesis")?;
    kinesis.create_stream(STREAM, 2).await?;
    put(&kinesis, 0..FIRST).await?;
    heading(&format!(
        "A Kinesis at {}, its stream `{STREAM}` with 2 shards and {FIRST} records",
        kinesis.endpoint()
    ));

    heading("Load it into SQLite");
    let source = format!(
        "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1&table={STREAM}\
         &endpoint_url={}&checkpointer=sqlite",
        kinesis.endpoint()
    );
    let target = format!("sqlite:{DATABASE}?table={TABLE}");
    let load = ["load", source.as_str(), target.as_str()];
    demo.ctk(&load)?;
    demo.ensure_landed(FIRST).await?;

    heading("What landed");
    demo.print(
        &format!("SELECT name, type FROM pragma_table_info('{TABLE}')"),
        &["column", "type"],
    )
    .await?;
    say("");
    let columns = ["sensor_id", "ts", "temperature", "humidity"];
    let first =
        format!("SELECT {} FROM {TABLE} ORDER BY sensor_id, ts LIMIT 5", columns.join(", "));
    demo.print(&first, &columns).await?;
    say("");
    demo.print(&format!("SELECT count(*) FROM {TABLE}"), &["rows"]).await?;

    heading("How far it is");
    demo.ctk(&["list-checkpoints", "--format", "table", &format!("sqlite:{DATABASE}")])?;

    put(&kinesis, FIRST..FIRST + SECOND).await?;
    heading(&format!(
        "{SECOND} more records were put into the stream; the same command again loads only those"
    ));
    let printed = demo.ctk(&load)?;
    demo.ensure_landed(FIRST + SECOND).await?;
    ensure!(
        tells(&printed, SECOND) && !tells(&printed, FIRST + SECOND),
        "the second run does not say that it loaded {SECOND} records and no others"
    );
    demo.print(&format!("SELECT count(*) FROM {TABLE}"), &["rows"]).await?;

    let ctk = demo.ctk.strip_prefix(&demo.root).unwrap_or(&demo.ctk).display();
    heading(&format!("Done. {DATABASE} stays; to go on:"));
    say(&format!("{ctk} list-checkpoints sqlite:{DATABASE}"));
    say(&format!(
        "sqlite3 {DATABASE} 'SELECT sensor_id, avg(temperature) FROM {TABLE} GROUP BY 1 LIMIT 5'"
    ));
    say(&format!("{ctk} load --help"));
    if demo.keep {
        heading("The stream stays until you press Enter:");
        say(&shown(&load));
        drop(std::io::stdin().read(&mut [0]));
    } else {
        say("cargo xtask demo --keep      (leaves the stream open for loads of your own)");
    }
    Ok(())
}

/// Puts sensor records into the stream; their keys spread them over the shards.
async fn put(kinesis: &Kinesis, indexes: std::ops::Range<u64>) -> Result<()> {
    let entries: Vec<(String, Vec<u8>)> =
        indexes.map(|index| (records::partition_key(index), records::sensor(index))).collect();
    let borrowed = entries.iter().map(|(key, data)| (key.as_str(), data.as_slice()));
    kinesis.put_all(STREAM, borrowed).await.context("cannot fill the stream")
}

impl Demo {
    fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    fn remove_database(&self) -> Result<()> {
        if !self.database().exists() {
            return Ok(());
        }
        say(&format!("{DATABASE} of an earlier demo is replaced."));
        for suffix in ["", "-wal", "-shm"] {
            let file = self.root.join(format!("{DATABASE}{suffix}"));
            if file.exists() {
                std::fs::remove_file(&file)
                    .with_context(|| format!("cannot remove {}", file.display()))?;
            }
        }
        Ok(())
    }

    /// Shows a command line, runs it, shows what it printed, and returns that.
    fn ctk(&self, arguments: &[&str]) -> Result<String> {
        say(&format!("$ {}", shown(arguments)));
        drop(std::io::stdout().flush());
        let mut command = Command::new(&self.ctk);
        command.args(arguments).current_dir(&self.root);
        // What the developer has set up for other work must not decide what a newcomer sees.
        for (name, _) in std::env::vars_os() {
            if ["AWS_", "CTK_", "CRATEDB_"]
                .iter()
                .any(|prefix| name.to_string_lossy().starts_with(prefix))
            {
                command.env_remove(name);
            }
        }
        let output =
            command.output().with_context(|| format!("cannot start {}", self.ctk.display()))?;
        let printed =
            String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        printed.lines().for_each(say);
        ensure!(output.status.success(), "ctk failed ({})", output.status);
        Ok(printed.into_owned())
    }

    /// Compares the table with the records that were put, by count, message ids and a sum.
    async fn ensure_landed(&self, records: u64) -> Result<()> {
        let sql = format!(
            "SELECT count(*), count(DISTINCT _kinesis_msg_id), sum(sensor_id) FROM {TABLE}"
        );
        let landed = landed::numbers(&self.database(), &sql).await?;
        let sensors = (0..records).map(records::sensor_id).sum();
        ensure!(
            landed == [records, records, sensors],
            "not what was put landed: {landed:?} instead of {:?} (rows, message ids, sum of sensor_id)",
            [records, records, sensors]
        );
        Ok(())
    }

    async fn print(&self, sql: &str, columns: &[&str]) -> Result<()> {
        let rows = landed::query(&self.database(), sql).await?;
        for line in table(columns, &rows) {
            say(&line);
        }
        Ok(())
    }
}

/// Returns lines with a heading and columns that are as wide as they must be.
fn table(columns: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading = columns.iter().map(ToString::to_string).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell: &String| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns.len()).map(|column| width(column).unwrap_or(0)).collect();
    let line = |cells: &&Vec<String>| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect()
}

/// Returns a command line of ctk as one types it.
fn shown(arguments: &[&str]) -> String {
    let quoted = |word: &&str| {
        if word.contains(['?', '&', ' ']) { format!("'{word}'") } else { (*word).to_owned() }
    };
    format!("ctk {}", arguments.iter().map(quoted).collect::<Vec<_>>().join(" "))
}

fn heading(text: &str) {
    // Whoever closed our output has seen enough; what is checked is checked nevertheless.
    drop(writeln!(std::io::stdout(), "\n{text}"));
}

fn say(text: &str) {
    let indent = if text.is_empty() { "" } else { "  " };
    drop(writeln!(std::io::stdout(), "{indent}{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be() {
        let rows =
            [vec!["1".to_owned(), "2025".to_owned()], vec!["1000".to_owned(), String::new()]];
        assert_eq!(table(&["id", "ts"], &rows), ["id    ts", "1     2025", "1000"]);
    }

    #[test]
    fn a_command_line_can_be_pasted() {
        assert_eq!(
            shown(&["load", "kinesis:?table=a&b=c", "sqlite:demo.db"]),
            "ctk load 'kinesis:?table=a&b=c' sqlite:demo.db"
        );
    }
}
