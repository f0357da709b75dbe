//! `cratedb`: the double of CrateDB that the benchmark writes into, as a process of its own.

use anyhow::{Context as _, Result, bail};
use ctk_test_support::cratedb::{CrateDb, Options, Target};
use ctk_test_support::records::Expected;
use serde_json::Value;

use crate::arguments::Arguments;
use crate::process::{ServerProcess, serve};

/// The schema, and the table in it.
pub(crate) const TABLE: &str = "bench/bench";

/// Serves until stdin ends.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    arguments.finish()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime
        .block_on(CrateDb::start_with(Options::default()))
        .context("cannot start the double of CrateDB")?;
    serve(&server.url())
}

/// Starts it in a process of its own, and waits until it serves.
pub(crate) fn start() -> Result<ServerProcess> {
    ServerProcess::start(&["cratedb"])
}

/// Adds up what landed; two rows of one id are an error.
pub(crate) fn landed(url: &str) -> Result<Expected> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let table = "\"bench\".\"bench\"";
    let answer = runtime.block_on(async {
        let server = Target::at(url);
        server.sql(&format!("REFRESH TABLE {table}"), &[]).await;
        let sums = "count(*), count(DISTINCT \"id\"), sum(\"id\"), sum(\"reading\")";
        server.sql(&format!("SELECT {sums} FROM {table}"), &[]).await
    });
    let numbers: Option<Vec<u64>> =
        answer["rows"][0].as_array().map(|row| row.iter().filter_map(Value::as_u64).collect());
    match numbers.as_deref() {
        Some([count, distinct, id, reading]) if count == distinct => {
            Ok(Expected { count: *count, id: *id, reading: *reading })
        }
        _ => bail!("not what was expected landed: {answer}"),
    }
}
