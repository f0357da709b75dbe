//! One run of one case: its servers, its process, and whether what landed is what was sent.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ctk_test_support::records;

use super::case::{Case, Wire};
use super::measure::{self, Measured};
use super::peer::Task;
use super::{Plan, files, tells};
use crate::meter::Spent;
use crate::postgres::{self, Served};
use crate::rows::TABLE;
use crate::{cratedb, process::ServerProcess};

/// What a case writes into.
enum Target {
    /// Nothing, or files in the folder of the plan.
    Folder,
    CrateDb(ServerProcess),
    Postgres(postgres::Server),
}

/// Runs a case once and checks what landed.
pub(super) fn measure(case: Case, plan: &Plan, endpoint: &str) -> Result<Measured> {
    files::clean(&plan.folder)?;
    let mut target = match case {
        Case::CrateDb { .. } => Target::CrateDb(cratedb::start()?),
        Case::Postgres | Case::BareCopy | Case::Peer(_) => {
            Target::Postgres(postgres::Server::start()?)
        }
        _ => Target::Folder,
    };
    let mut command = command(case, plan, endpoint, &target)?;
    let before = served(&mut target)?;
    let mut measured = measure::run(&mut command, &plan.folder)?;
    if matches!(case, Case::BareCopy | Case::BareInserts) {
        // It makes its rows itself, and knows what is not making them.
        let spent = Spent::parse(&measured.printed)?;
        (measured.wall, measured.cpu) = (spent.wall, spent.cpu);
    }
    if let (Some(before), Some(after)) = (before, served(&mut target)?) {
        measured.served = Some(after.since(before));
    }
    check(case, plan, &measured, &target)?;
    Ok(measured)
}

fn served(target: &mut Target) -> Result<Option<Served>> {
    match target {
        Target::Postgres(server) => server.served().map(Some),
        Target::Folder | Target::CrateDb(_) => Ok(None),
    }
}

fn command(case: Case, plan: &Plan, endpoint: &str, target: &Target) -> Result<Command> {
    let address = match target {
        Target::Folder => "",
        Target::CrateDb(process) => &process.address,
        Target::Postgres(server) => server.url(),
    };
    let load = |target: String, options: &str| {
        let host = endpoint.trim_start_matches("http://");
        let source = format!(
            "kinesis://test:test@{host}/{}?region=us-east-1&once=true{options}",
            plan.stream
        );
        let mut command = Command::new(&plan.ctk);
        command.args(["load", &source, &target]).current_dir(&plan.folder);
        command
    };
    let records = plan.records.to_string();
    let file = files::database(&plan.folder);
    Ok(match case {
        Case::Bare(wire) => {
            let mut command = own(&["bare", "--endpoint", endpoint, "--stream", &plan.stream])?;
            command.args((wire == Wire::Cbor).then_some("--cbor"));
            command
        }
        Case::Nothing(Wire::Json) => load("null:".to_owned(), "&protocol=json"),
        Case::Nothing(Wire::Cbor) => load("null:".to_owned(), "&protocol=cbor"),
        Case::Lines => load(format!("jsonl:{}", files::lines(&plan.folder).display()), ""),
        Case::Sqlite => {
            load(format!("sqlite:{}?table={TABLE}", file.display()), "&checkpointer=target")
        }
        Case::BareInserts => {
            own(&["bare-inserts", "--file", &file.to_string_lossy(), "--records", &records])?
        }
        Case::Postgres => load(format!("{address}?table={TABLE}"), "&checkpointer=target"),
        Case::BareCopy => own(&["bare-copy", "--url", address, "--records", &records])?,
        Case::CrateDb { thousands } => {
            let rows = thousands * 1000;
            let target = format!("{address}/{}?batch_rows={rows}", cratedb::TABLE);
            load(target, "&checkpointer=target")
        }
        Case::Peer(peer) => {
            let peers = plan.peers.as_deref().unwrap_or(Path::new(""));
            let (stream, folder) = (&plan.stream, &plan.folder);
            peer.command(peers, &Task { endpoint, stream, database: address, folder })?
        }
    })
}

/// Returns a call of this program.
pub(super) fn own(arguments: &[&str]) -> Result<Command> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    let mut command = Command::new(own);
    command.args(arguments);
    Ok(command)
}

fn check(case: Case, plan: &Plan, measured: &Measured, target: &Target) -> Result<()> {
    let records = plan.records_of(case);
    let table = match case {
        Case::Peer(peer) => peer.table(),
        _ => TABLE,
    };
    let landed = match (case, target) {
        (Case::Bare(_), _) => {
            let printed = measured.printed.trim();
            ensure!(printed == records.to_string(), "{printed} of {records} records were read");
            return Ok(());
        }
        (Case::Lines, _) => files::sum_lines(&files::lines(&plan.folder), records)?,
        (_, Target::CrateDb(process)) => cratedb::landed(&process.address)?,
        (_, Target::Postgres(server)) => server.landed(table)?,
        (Case::Sqlite | Case::BareInserts, _) => {
            files::sum_rows(&files::database(&plan.folder), TABLE)?
        }
        _ => {
            ensure!(
                tells(&measured.printed, records),
                "the run does not say that it read {records} records:\n{}",
                measured.printed
            );
            return Ok(());
        }
    };
    files::compare(records::expected(records), landed)?;
    // Only tables alike can be compared; peers have theirs.
    match (case, target) {
        (Case::Postgres | Case::BareCopy, Target::Postgres(server)) => server.ensure_alike(),
        (Case::Sqlite | Case::BareInserts, _) => {
            files::ensure_alike(&files::database(&plan.folder))
        }
        _ => Ok(()),
    }
}
