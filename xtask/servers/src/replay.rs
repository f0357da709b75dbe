//! `replay`: the endpoint that the benchmark reads, as a process of its own, so that its CPU is not the reader's.

use std::time::Duration;

use anyhow::{Context as _, Result};
use ctk_test_support::records;
use ctk_test_support::replay::{Replay, ReplayOptions};

use crate::arguments::Arguments;
use crate::process::{ServerProcess, serve};

/// Serves until stdin ends.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let options = ReplayOptions {
        stream: arguments.require("--stream")?,
        shards: arguments.require("--shards")?,
        alike: arguments.take("--alike")?.unwrap_or(false),
        delay: Duration::from_millis(arguments.take("--delay")?.unwrap_or(0)),
        ..ReplayOptions::default()
    };
    let count: u64 = arguments.require("--records")?;
    let bytes: usize = arguments.take("--bytes")?.unwrap_or(0);
    arguments.finish()?;
    // Blanks behind an object are JSON, too.
    let padded = |index| {
        let mut record = records::record(index);
        record.resize(record.len().max(bytes), b' ');
        record
    };
    let replay =
        Replay::start(&options, (0..count).map(padded)).context("cannot serve the records")?;
    serve(&replay.endpoint())
}

/// Starts it in a process of its own, with further arguments, and waits until it serves.
pub(crate) fn start(
    stream: &str,
    shards: u32,
    records: u64,
    further: &[&str],
) -> Result<ServerProcess> {
    let (shards, records) = (shards.to_string(), records.to_string());
    let arguments = ["replay", "--stream", stream, "--shards", &shards, "--records", &records];
    ServerProcess::start(&[&arguments, further].concat())
}
