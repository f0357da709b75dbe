//! The chores that need servers and clients: `demo` and `bench`, and the processes that `bench` starts of itself.
//!
//! `cargo xtask demo` and `cargo xtask bench` build this and start it with the path of the `ctk` that was built with it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the developer who started it"
)]

mod arguments;
mod bare;
mod bare_changes;
mod bare_copy;
mod bare_inserts;
mod bench;
mod changes;
mod cratedb;
mod demo;
mod landed;
mod meter;
mod postgres;
mod process;
mod replay;
mod rows;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use arguments::Arguments;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: Vec<String>) -> Result<()> {
    let chore = if words.is_empty() { String::new() } else { words.remove(0) };
    let arguments = Arguments::new(words);
    match chore.as_str() {
        "demo" => demo::run(arguments),
        "bench" => bench::run(arguments),
        "cratedb" => cratedb::run(arguments),
        "replay" => replay::run(arguments),
        "postgres" => postgres::run(arguments),
        "bare" => bare::run(arguments),
        "bare-changes" => bare_changes::run(arguments),
        "bare-copy" => bare_copy::run(arguments),
        "bare-inserts" => bare_inserts::run(arguments),
        other => bail!(
            "no such chore: {other:?}; this is started by `cargo xtask demo` and `cargo xtask bench`"
        ),
    }
}

/// Returns the root of the workspace.
fn root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().with_context(|| format!("cannot find {}", root.display()))
}
