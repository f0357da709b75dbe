//! `replay`: the endpoint that the benchmark reads, as a process of its own, so that its CPU is not the reader's.

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
        ..ReplayOptions::default()
    };
    let count: u64 = arguments.require("--records")?;
    arguments.finish()?;
    let replay = Replay::start(&options, (0..count).map(records::record))
        .context("cannot serve the records")?;
    serve(&replay.endpoint())
}

/// Starts it in a process of its own, and waits until it serves.
pub(crate) fn start(stream: &str, shards: u32, records: u64) -> Result<ServerProcess> {
    ServerProcess::start(&[
        "replay",
        "--stream",
        stream,
        "--shards",
        &shards.to_string(),
        "--records",
        &records.to_string(),
    ])
}
