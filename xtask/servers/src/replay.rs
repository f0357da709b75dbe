//! `replay`: the endpoint that the benchmark reads, as a process of its own, so that its CPU is not the reader's.
//!
//! The server prints its URL on stdout as soon as it serves, and ends when its stdin does: it cannot outlive who started it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use ctk_test_support::records;
use ctk_test_support::replay::{Replay, ReplayOptions};

use crate::arguments::Arguments;

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
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", replay.endpoint())?;
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The server in a process of its own; dropping it ends it.
pub(crate) struct ReplayProcess {
    child: Child,
    /// Where it serves.
    pub(crate) endpoint: String,
}

impl ReplayProcess {
    /// Starts it, and waits until it serves.
    pub(crate) fn start(stream: &str, shards: u32, records: u64) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find the running program")?;
        let mut child = Command::new(own)
            .args(["replay", "--stream", stream])
            .args(["--shards", &shards.to_string(), "--records", &records.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut endpoint = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut endpoint)
                .context("cannot read where the server is")?;
        }
        let process = Self { child, endpoint: endpoint.trim_end().to_owned() };
        if process.endpoint.is_empty() {
            bail!("the server ended before it served");
        }
        Ok(process)
    }
}

impl Drop for ReplayProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ended by itself, or it ends now; there is nobody to tell.
        drop(self.child.wait());
    }
}
