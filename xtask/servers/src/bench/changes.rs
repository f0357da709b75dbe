//! `--changes true`: what applying change data costs, beside one prepared statement for each record, in the same run.
//!
//! The source is a dump file, so nothing waits for a stream. After each run the tables must be what the records come to
//! ([`crate::changes`]), columns included: so those of `ctk` and of the bare writer are equal, or the case fails.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::measure::{self, Measured};
use super::{files, report};
use crate::arguments::Arguments;
use crate::changes::{self, Written};
use crate::postgres::{Served, Server};
use crate::{landed, root};

/// Changes in a transaction of the bare writer, where it has more than one.
const TRANSACTION: u64 = 1_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Ctk(Database),
    /// So many changes in a transaction.
    Bare(Database, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

impl Case {
    const ALL: [Self; 6] = [
        Self::Ctk(Database::Sqlite),
        Self::Bare(Database::Sqlite, TRANSACTION),
        Self::Bare(Database::Sqlite, 1),
        Self::Ctk(Database::Postgres),
        Self::Bare(Database::Postgres, TRANSACTION),
        Self::Bare(Database::Postgres, 1),
    ];

    fn parse(only: Option<&str>) -> Result<Vec<Self>> {
        let Some(only) = only else { return Ok(Self::ALL.to_vec()) };
        let named = |name: &str| {
            let names = || Self::ALL.map(Self::name).join(", ");
            Self::ALL.into_iter().find(|case| case.name() == name).with_context(|| {
                format!("no such case of change data: {name:?}; there are {}", names())
            })
        };
        only.split(',').map(named).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ctk(Database::Sqlite) => "sqlite",
            Self::Bare(Database::Sqlite, 1) => "bare-sqlite-1",
            Self::Bare(Database::Sqlite, _) => "bare-sqlite-1000",
            Self::Ctk(Database::Postgres) => "postgres",
            Self::Bare(Database::Postgres, 1) => "bare-postgres-1",
            Self::Bare(Database::Postgres, _) => "bare-postgres-1000",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Ctk(Database::Sqlite) => "`ctk load kinesis+dms:… sqlite:FILE`",
            Self::Ctk(Database::Postgres) => "`ctk load kinesis+dms:… postgresql://…`",
            Self::Bare(Database::Sqlite, 1) => "SQLite: a statement a record, committed one by one",
            Self::Bare(Database::Sqlite, _) => "SQLite: a statement a record, 1,000 a transaction",
            Self::Bare(Database::Postgres, 1) => {
                "PostgreSQL: a statement a record, committed one by one"
            }
            Self::Bare(Database::Postgres, _) => {
                "PostgreSQL: a statement a record, 1,000 a transaction"
            }
        }
    }

    fn database(self) -> Database {
        match self {
            Self::Ctk(database) | Self::Bare(database, _) => database,
        }
    }

    fn is_single(self) -> bool {
        matches!(self, Self::Bare(_, 1))
    }
}

/// A dump file.
struct Dump {
    path: PathBuf,
    changes: u64,
    written: Written,
}

impl Dump {
    fn write(folder: &Path, name: &str, changes: u64) -> Result<Self> {
        eprintln!("writing {changes} changes ...");
        let path = folder.join(name);
        let written = changes::write(&path, changes)?;
        Ok(Self { path, changes, written })
    }
}

/// Measures and prints a table in Markdown.
pub(super) fn run(mut arguments: Arguments) -> Result<()> {
    let ctk: PathBuf = arguments.require("--ctk")?;
    let number: u64 = arguments.take("--records")?.unwrap_or(200_000);
    let singles: u64 = arguments.take("--single-records")?.unwrap_or(20_000).min(number);
    let rounds: usize = arguments.take("--rounds")?.unwrap_or(3);
    let cases = Case::parse(arguments.take::<String>("--only")?.as_deref())?;
    arguments.finish()?;
    ensure!(singles > 0 && rounds > 0, "numbers of records and rounds must be at least 1");
    let folder = root()?.join("target/bench");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let all = Dump::write(&folder, "changes.ndjson", number)?;
    let few = Dump::write(&folder, "changes-few.ndjson", singles)?;
    let (mut figures, mut failures) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for case in cases.iter().copied() {
            eprintln!("round {round}: {} ...", case.name());
            let dump = if case.is_single() { &few } else { &all };
            match measure(case, &ctk, &folder, dump) {
                Ok(measured) => figures.push((case, measured)),
                Err(error) => {
                    eprintln!("{} failed: {error:#}", case.name());
                    failures.push((case, format!("{error:#}")));
                }
            }
        }
    }
    println!("{}", markdown(&cases, (&all, &few), rounds, &figures));
    for (case, reason) in &failures {
        println!("{} failed: {}", case.name(), reason.lines().next().unwrap_or_default());
    }
    ensure!(failures.is_empty(), "not all cases ran well");
    Ok(())
}

/// Runs a case once and checks what landed.
fn measure(case: Case, ctk: &Path, folder: &Path, dump: &Dump) -> Result<Measured> {
    files::clean(folder)?;
    let file = files::database(folder);
    let mut server = match case.database() {
        Database::Sqlite => None,
        Database::Postgres => Some(Server::start()?),
    };
    let target = match &server {
        None => file.to_string_lossy().into_owned(),
        Some(server) => server.url().to_owned(),
    };
    let path = dump.path.to_string_lossy();
    let mut command = match case {
        Case::Ctk(database) => {
            let target = match database {
                Database::Sqlite => format!("sqlite:{target}"),
                Database::Postgres => target,
            };
            let mut command = Command::new(ctk);
            let source = format!("kinesis+dms://{path}?checkpointer=target");
            command.args(["load", &source, &target]).current_dir(folder);
            command
        }
        Case::Bare(_, each) => {
            let each = each.to_string();
            super::run::own(&[
                "bare-changes",
                "--file",
                &path,
                "--target",
                &target,
                "--each",
                &each,
            ])?
        }
    };
    let before = server.as_mut().map(Server::served).transpose()?;
    let mut measured = measure::run(&mut command, folder)?;
    if let (Some(before), Some(server)) = (before, &mut server) {
        measured.served = Some(server.served()?.since(before));
    }
    let printed = &measured.printed;
    let is_told = match case {
        Case::Ctk(_) => {
            super::tells(printed, dump.written.lines) && printed.contains(" 0 dead-lettered")
        }
        Case::Bare(..) => printed.trim() == dump.changes.to_string(),
    };
    ensure!(is_told, "the run does not say that it wrote all of them:\n{printed}");
    let expected = &dump.written.tables;
    match &server {
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let query = |sql: &str| runtime.block_on(landed::query(&file, sql));
            changes::ensure_equal(expected, changes::sqlite_sql, |column| column.sqlite, query)?;
        }
        Some(server) => {
            let query = |sql: &str| server.rows(sql);
            let type_of = |column: &changes::Column| column.postgres;
            changes::ensure_equal(expected, changes::postgres_sql, type_of, query)?;
        }
    }
    Ok(measured)
}

const HEAD: &str = "\
| | changes | changes/s | wall s | client: CPU s | CPU s per million | server: CPU s | CPU s per million | transactions/s | peak MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// Returns the table, each figure the median of its rounds.
fn markdown(
    cases: &[Case],
    (all, few): (&Dump, &Dump),
    rounds: usize,
    figures: &[(Case, Measured)],
) -> String {
    let Written { inserts, updates, deletes, bytes, tables, .. } = &all.written;
    let rows: u64 = tables.iter().map(|table| table.rows).sum();
    let mut text = format!(
        "{} changes of {} bytes ({inserts} insertions, {updates} updates, {deletes} deletions; {rows} rows at the end), \
         one by one {} of them, rounds: {rounds} (medians)",
        all.changes,
        bytes / all.changes.max(1),
        few.changes
    );
    if let Some(machine) = report::machine() {
        _ = write!(text, "; {machine}");
    }
    text.push_str("\n\n");
    text.push_str(HEAD);
    for case in cases.iter().copied() {
        let number = if case.is_single() { few.changes } else { all.changes };
        let changes = report::number(number);
        let figure = |of: &dyn Fn(&Measured) -> Option<f64>| {
            let of_case = figures.iter().filter(|(other, _)| *other == case);
            report::middle(of_case.filter_map(|(_, measured)| of(measured)).collect())
        };
        let served = |of: fn(&Served, &Measured) -> f64| {
            figure(&|measured| Some(of(measured.served.as_ref()?, measured)))
        };
        let per_million = |cpu: Option<f64>| cpu.map(|cpu| cpu * 1e6 / changes);
        let client = figure(&|measured| Some(measured.cpu));
        let server = served(|served, _| served.cpu);
        let cells = [
            number.to_string(),
            report::shown(figure(&|measured| Some(changes / measured.wall)), 0),
            report::shown(figure(&|measured| Some(measured.wall)), 2),
            report::shown(client, 2),
            report::shown(per_million(client), 2),
            report::shown(server, 2),
            report::shown(per_million(server), 2),
            report::shown(served(|served, of| f64::from(served.transactions) / of.wall), 1),
            report::shown(
                figure(&|measured| Some(report::number(measured.peak >> 10) / 1024.0)),
                0,
            ),
        ];
        // Writing into a text cannot fail.
        _ = writeln!(text, "| {} | {} |", case.title(), cells.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_named() {
        assert_eq!(Case::parse(None).unwrap().len(), 6);
        assert_eq!(
            Case::parse(Some("postgres,bare-sqlite-1")).unwrap(),
            [Case::Ctk(Database::Postgres), Case::Bare(Database::Sqlite, 1)]
        );
        let error = Case::parse(Some("bare")).unwrap_err().to_string();
        assert!(error.contains("sqlite, bare-sqlite-1000, bare-sqlite-1, postgres"), "{error}");
    }

    #[test]
    fn fewer_changes_are_told_and_counted() {
        let dump = |changes| {
            let tables = vec![changes::Digest { rows: 7, checksum: 1 }];
            let written = Written {
                lines: changes + 10,
                bytes: changes * 500,
                inserts: 120_000,
                updates: 60_000,
                deletes: 20_000,
                tables,
            };
            Dump { path: PathBuf::new(), changes, written }
        };
        let measured = |wall, cpu, served| Measured {
            wall,
            cpu,
            peak: 20 << 20,
            served,
            ..Measured::default()
        };
        let (ctk, single) = (Case::Ctk(Database::Sqlite), Case::Bare(Database::Postgres, 1));
        let served = Some(Served { cpu: 3.0, transactions: 20_000 });
        let figures = [
            (ctk, measured(4.0, 2.0, None)),
            (single, measured(10.0, 1.0, served)),
            (ctk, measured(2.0, 1.0, None)),
            (ctk, measured(1.0, 9.0, None)),
        ];
        let text = markdown(&[ctk, single], (&dump(200_000), &dump(20_000)), 3, &figures);
        for line in [
            "200000 changes of 500 bytes (120000 insertions, 60000 updates, 20000 deletions; 7 rows at the end), \
             one by one 20000 of them, rounds: 3 (medians)",
            "| `ctk load kinesis+dms:… sqlite:FILE` | 200000 | 100000 | 2.00 | 2.00 | 10.00 | - | - | - | 20 |",
            "| PostgreSQL: a statement a record, committed one by one | 20000 | 2000 | 10.00 | 1.00 | 50.00 | 3.00 | 150.00 | 2000.0 | 20 |",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
