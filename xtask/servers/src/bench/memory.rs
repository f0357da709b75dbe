//! What a run holds in memory at most, when a thousand shards each have an answer as large as answers can be.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::measure;
use crate::replay;

const SHARDS: u32 = 1000;
/// With their keys, ten mebibytes an answer: the most that the service sends.
const RECORDS: u64 = 10_000;
const RECORD_BYTES: usize = 1036;

/// Measures, and returns a table.
pub(super) fn markdown(ctk: &Path, folder: &Path) -> Result<String> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // Every shard holds the same records, so that they need not be held a thousand times.
    let further = ["--alike", "true", "--bytes", &RECORD_BYTES.to_string()];
    let server = replay::start("bench", SHARDS, RECORDS, &further)?;
    let host = server.address.trim_start_matches("http://");
    let mut table =
        String::from("| protocol | buffer | shards | read, MiB | wall s | CPU s | peak MiB |\n");
    table.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    for (protocol, buffer) in [("json", 64), ("cbor", 64), ("json", 256), ("cbor", 256)] {
        eprintln!("{protocol}, {buffer} MiB ...");
        let source = format!(
            "kinesis://test:test@{host}/bench?region=us-east-1&once=true&protocol={protocol}&buffer={buffer}MiB"
        );
        let mut command = Command::new(ctk);
        command.args(["load", &source, "null:"]).current_dir(folder);
        let measured = measure::run(&mut command, folder)?;
        ensure!(
            measured.printed.contains("10,000,000 records read"),
            "not all was read: {}",
            measured.printed
        );
        let read = (u64::from(SHARDS) * RECORDS * RECORD_BYTES as u64) >> 20;
        // Writing into a text cannot fail.
        _ = writeln!(
            table,
            "| {protocol} | {buffer} MiB | {SHARDS} | {read} | {:.1} | {:.1} | {} |",
            measured.wall,
            measured.cpu,
            measured.peak >> 20
        );
    }
    Ok(table)
}
