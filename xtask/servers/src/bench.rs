//! `bench`: what loading costs, beside the least that reading and that writing cost, and beside others, in the same run.
//!
//! The stream is served from memory by another process ([`crate::replay`]), and PostgreSQL is a new server for each run of a
//! case ([`crate::postgres`]). Each case is a process of its own, run once per round, one after another; after each, what
//! landed is checked. The figures are medians over the rounds. `--shards 1,16,256` makes a table for each number of
//! shards; `--memory true` measures what a run holds at most, with a thousand shards, `--changes true` what applying change
//! data costs.

mod case;
mod changes;
mod files;
mod measure;
mod memory;
mod peer;
mod report;
mod run;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::arguments::Arguments;
use crate::replay;
use case::Case;
pub(crate) use files::tells;

/// Milliseconds that every answer is held back in a run with peers, for all cases alike. ingestr's client does not bear an
/// answer that comes within half a millisecond: it drops the connection, and gives up after three of them.
const DELAY_FOR_PEERS: u32 = 2;

/// What is measured, and where.
#[derive(Debug, Default)]
struct Plan {
    ctk: PathBuf,
    folder: PathBuf,
    stream: String,
    shards: u32,
    records: u64,
    rounds: usize,
    cases: Vec<Case>,
    /// Milliseconds that an answer is held back.
    delay: u32,
    /// Where the peers' programs are.
    peers: Option<PathBuf>,
    /// How many records a peer loads.
    peer_records: u64,
    /// How often a peer runs.
    peer_rounds: usize,
}

impl Plan {
    fn records_of(&self, case: Case) -> u64 {
        if case.is_peer() { self.peer_records } else { self.records }
    }

    fn rounds_of(&self, case: Case) -> usize {
        if case.is_peer() { self.peer_rounds } else { self.rounds }
    }
}

/// Measures and prints a table in Markdown for each number of shards.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    if arguments.take("--changes")?.unwrap_or(false) {
        return changes::run(arguments);
    }
    let shards = arguments.take::<String>("--shards")?.unwrap_or_else(|| "4".to_owned());
    let shards = shards.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let shards = shards.context("--shards takes numbers, separated by commas")?;
    let peers: Option<PathBuf> = arguments.take("--peers")?;
    let peers = match peers {
        Some(folder) => Some(folder.canonicalize().context("--peers names no folder")?),
        None => None,
    };
    let records = arguments.take("--records")?.unwrap_or(1_000_000);
    let rounds = arguments.take("--rounds")?.unwrap_or(3);
    let delay = if peers.is_some() { DELAY_FOR_PEERS } else { 0 };
    let only = arguments.take::<String>("--only")?;
    let mut plan = Plan {
        ctk: arguments.require("--ctk")?,
        folder: crate::root()?.join("target/bench"),
        stream: "bench".to_owned(),
        shards: 0,
        records,
        rounds,
        cases: Case::parse(only.as_deref(), peers.is_some())?,
        delay: arguments.take("--delay")?.unwrap_or(delay),
        peers,
        peer_records: arguments.take("--peer-records")?.unwrap_or(records),
        peer_rounds: arguments.take("--peer-rounds")?.unwrap_or(rounds),
    };
    let memory = arguments.take("--memory")?.unwrap_or(false);
    arguments.finish()?;
    if memory {
        println!("{}", memory::markdown(&plan.ctk, &plan.folder)?);
        return Ok(());
    }
    if shards.contains(&0)
        || [plan.records, plan.peer_records].contains(&0)
        || [plan.rounds, plan.peer_rounds].contains(&0)
    {
        bail!("numbers of records, shards and rounds must be at least 1");
    }
    fs::create_dir_all(&plan.folder)
        .with_context(|| format!("cannot create {}", plan.folder.display()))?;
    let mut failed = false;
    for number in shards {
        plan.shards = number;
        let (table, is_good) = measure(&plan)?;
        println!("{table}");
        failed |= !is_good;
    }
    if failed {
        bail!("not all cases of our own ran well");
    }
    Ok(())
}

/// Returns the table, and whether all but the peers ran well. What fails does not take along what was measured before.
fn measure(plan: &Plan) -> Result<(String, bool)> {
    let serve = |records| {
        eprintln!("encoding {records} records for {} shards ...", plan.shards);
        let delay = ["--delay", &plan.delay.to_string()];
        replay::start(&plan.stream, plan.shards, records, &delay)
    };
    let source = serve(plan.records)?;
    let is_other =
        plan.peer_records != plan.records && plan.cases.iter().any(|case| case.is_peer());
    let for_peers = if is_other { Some(serve(plan.peer_records)?) } else { None };
    let (mut figures, mut failures) = (Vec::new(), Vec::new());
    for round in 1..=plan.rounds.max(plan.peer_rounds) {
        for case in plan.cases.iter().copied().filter(|case| round <= plan.rounds_of(*case)) {
            eprintln!("{} shards, round {round}: {} ...", plan.shards, case.name());
            let source = for_peers.as_ref().filter(|_| case.is_peer()).unwrap_or(&source);
            match run::measure(case, plan, &source.address) {
                Ok(measured) => figures.push((case, measured)),
                Err(error) => {
                    eprintln!("{} failed: {error:#}", case.name());
                    failures.push((case, format!("{error:#}")));
                }
            }
        }
    }
    let is_good = failures.iter().all(|(case, _)| case.is_peer());
    Ok((report::markdown(plan, &figures, &failures), is_good))
}
