//! `demo` and `bench`: builds the program and the package `xtask-servers`, which does the work, and starts the latter.
//!
//! They are a package of their own because they need an emulator, an AWS client and a database client, which would make
//! every other chore wait.

use anyhow::Result;

use crate::shell;

const BENCH_HELP: &str = "\
cargo xtask bench [--records N] [--shards N,...] [--rounds N] [--only CASE,...] [--peers FOLDER] [--debug]

  --records       how many records of about 270 bytes (1000000)
  --shards        how many shards they lie in (4); a table for each number
  --rounds        how often each case runs; the figures are medians (3)
  --only          of these:
                  what ctk loads into: null (read in JSON), null-cbor, jsonl, sqlite, postgres, crate1k, crate5k, crate10k
                  the least that reading costs: bare (GetRecords in a loop, nothing else), bare-cbor
                  the least that writing costs: bare-inserts (into SQLite), bare-copy (into PostgreSQL)
                  other loaders, into PostgreSQL: ingestr, dlt, boto3
  --peers         the Python environment with the other loaders (docs/benchmarks.md); without it they are left out
  --peer-records  how many records they load (as --records)
  --peer-rounds   how often they run (as --rounds)
  --delay         milliseconds that the endpoint holds every answer back (0; with --peers 2, which ingestr needs)
  --memory true   instead: what a run with a thousand shards takes at most
  --changes true  instead: change data of AWS DMS from a dump file, into SQLite and PostgreSQL, beside a statement for each record;
                  with --records (200000), --rounds, --single-records (20000: how many are committed one by one), and --only of
                  sqlite, bare-sqlite-1000, bare-sqlite-1, postgres, bare-postgres-1000, bare-postgres-1
  --debug         with the quick build, to try the measuring itself

CPU seconds: user and system time of the process, as the kernel counts it for a child that ended, in steps of 10 ms; of the
server: of PostgreSQL's first process and all that it started. The bare writers measure themselves, without making the rows.
Peak: the high-water mark of resident memory, looked at every 10 ms. The endpoint and the servers are processes of their own.
";

/// Shows a load from a stream into a database.
pub(crate) fn demo(arguments: &[&str]) -> Result<()> {
    eprintln!("Building ctk and the embedded Kinesis (a few minutes the first time).");
    shell::run(&mut shell::cargo(&["build", "--package", "ctk", "--package", "xtask-servers"]))?;
    start("demo", "debug", arguments)
}

/// Measures; `--debug` does so with the quick build, to try the measuring itself.
pub(crate) fn bench(arguments: &[&str]) -> Result<()> {
    if arguments.contains(&"--help") {
        print!("{BENCH_HELP}");
        return Ok(());
    }
    let (debug, arguments): (Vec<&str>, Vec<&str>) =
        arguments.iter().partition(|argument| **argument == "--debug");
    if !debug.is_empty() {
        shell::run(&mut shell::cargo(&[
            "build",
            "--package",
            "ctk",
            "--package",
            "xtask-servers",
        ]))?;
        return start("bench", "debug", &arguments);
    }
    // One after the other: together they would share the features of their dependencies, and what is measured would not be
    // what is shipped.
    shell::run(&mut shell::cargo(&["build", "--release", "--package", "ctk"]))?;
    shell::run(&mut shell::cargo(&["build", "--release", "--package", "xtask-servers"]))?;
    start("bench", "release", &arguments)
}

fn start(chore: &str, profile: &str, arguments: &[&str]) -> Result<()> {
    let (servers, ctk) = (shell::built("xtask-servers", profile)?, shell::built("ctk", profile)?);
    let mut command = shell::program(&servers.to_string_lossy(), &[chore, "--ctk"]);
    shell::run(command.arg(ctk).args(arguments))
}
