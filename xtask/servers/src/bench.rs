//! `bench`: what loading costs, beside the least that reading costs, on the same stream, in the same run.
//!
//! The stream is served from memory by another process ([`crate::replay`]). Each case is a process of its own, run once
//! per round, one after another; after each, what landed is checked. The figures are medians over the rounds. `--shards 1,4,16`
//! makes a table for each number of shards; `--memory true` measures what a run holds at most, with a thousand shards.

mod case;
mod measure;
mod memory;
mod report;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::arguments::Arguments;
use crate::replay;
use case::Case;
pub(crate) use case::tells;

/// What is measured, and where.
struct Plan {
    ctk: PathBuf,
    folder: PathBuf,
    stream: String,
    shards: u32,
    records: u64,
    rounds: usize,
    cases: Vec<Case>,
}

/// Measures and prints a table in Markdown for each number of shards.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let shards = arguments.take::<String>("--shards")?.unwrap_or_else(|| "4".to_owned());
    let shards = shards.split(',').map(str::parse).collect::<Result<Vec<u32>, _>>();
    let shards = shards.context("--shards takes numbers, separated by commas")?;
    let mut plan = Plan {
        ctk: arguments.require("--ctk")?,
        folder: crate::root()?.join("target/bench"),
        stream: "bench".to_owned(),
        shards: 0,
        records: arguments.take("--records")?.unwrap_or(1_000_000),
        rounds: arguments.take("--rounds")?.unwrap_or(3),
        cases: Case::parse(arguments.take::<String>("--only")?.as_deref())?,
    };
    let memory = arguments.take("--memory")?.unwrap_or(false);
    arguments.finish()?;
    if memory {
        println!("{}", memory::markdown(&plan.ctk, &plan.folder)?);
        return Ok(());
    }
    if shards.contains(&0) || plan.records == 0 || plan.rounds == 0 {
        bail!("--records, --shards and --rounds must be at least 1");
    }
    fs::create_dir_all(&plan.folder)
        .with_context(|| format!("cannot create {}", plan.folder.display()))?;
    for number in shards {
        plan.shards = number;
        println!("{}", measure(&plan)?);
    }
    Ok(())
}

fn measure(plan: &Plan) -> Result<String> {
    eprintln!("encoding {} records for {} shards ...", plan.records, plan.shards);
    let source = replay::start(&plan.stream, plan.shards, plan.records, &[])?;
    let mut figures = Vec::new();
    for round in 1..=plan.rounds {
        for case in &plan.cases {
            eprintln!("round {round} of {}: {} ...", plan.rounds, case.name());
            let measured = case.measure(plan, &source.address)?;
            figures.push((*case, measured));
        }
    }
    Ok(report::markdown(plan, &figures))
}
