//! The table, in Markdown, as it goes into `docs/benchmarks.md`.

use std::fmt::Write as _;

use super::Plan;
use super::case::{Case, Wire};
use super::measure::Measured;
use crate::postgres::Served;

/// What the CPU of the others is compared with.
const BARE: Case = Case::Bare(Wire::Json);

const HEAD: &str = "\
| | rows/s | wall s | CPU s per million rows | rows per CPU s | × bare CPU | server: CPU s per million rows | transactions/s | peak MB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
";

/// Returns the table, each figure the median of its rounds, and below it what failed, and why.
pub(super) fn markdown(
    plan: &Plan,
    figures: &[(Case, Measured)],
    failures: &[(Case, String)],
) -> String {
    let mut text = head(plan);
    text.push_str(HEAD);
    let per_million = |case: Case, cpu: f64| cpu * 1e6 / number(plan.records_of(case));
    let cpu = |case: Case| {
        let cpu = median(figures, case, |measured| Some(measured.cpu))?;
        Some(per_million(case, cpu))
    };
    let bare = cpu(BARE);
    for case in plan.cases.iter().copied() {
        let records = number(plan.records_of(case));
        let figure = |of: &dyn Fn(&Measured) -> Option<f64>| median(figures, case, of);
        let served = |of: fn(&Served, &Measured) -> f64| {
            figure(&|measured| Some(of(&measured.served?, measured)))
        };
        let cpu = cpu(case);
        let cells = [
            shown(figure(&|measured| Some(records / measured.wall)), 0),
            shown(figure(&|measured| Some(measured.wall)), 2),
            shown(cpu, 2),
            shown(cpu.map(|cpu| 1e6 / cpu), 0),
            shown(cpu.zip(bare).map(|(cpu, bare)| cpu / bare), 2),
            shown(served(|served, _| served.cpu).map(|cpu| per_million(case, cpu)), 2),
            shown(served(|served, of| f64::from(served.transactions) / of.wall), 1),
            shown(figure(&|measured| Some(number(measured.peak >> 10) / 1024.0)), 0),
        ];
        // Writing into a text cannot fail.
        _ = writeln!(text, "| {} | {} |", case.title(), cells.join(" | "));
    }
    for (case, reason) in failures {
        // What a program prints last says most, advice aside; all of it was shown when it failed.
        let mut lines =
            reason.lines().filter(|line| !line.is_empty() && !line.starts_with("hint:"));
        let last = lines.next_back().unwrap_or_default();
        _ = write!(text, "\n{} failed: {last}\n", case.name());
    }
    text
}

/// Returns what holds for all lines.
fn head(plan: &Plan) -> String {
    let mut text = format!(
        "{} records of about 270 bytes over {} shards, rounds: {} (medians)",
        plan.records, plan.shards, plan.rounds
    );
    if plan.cases.iter().any(|case| case.is_peer()) {
        _ = write!(text, "; peers: {} records, rounds: {}", plan.peer_records, plan.peer_rounds);
    }
    if plan.delay > 0 {
        _ = write!(text, "; answers held back {} ms", plan.delay);
    }
    if let Some(machine) = machine() {
        _ = write!(text, "; {machine}");
    }
    text.push_str("\n\n");
    text
}

/// Returns a number with so many digits behind the point, or that there is none.
pub(super) fn shown(number: Option<f64>, digits: usize) -> String {
    number.map_or_else(|| "-".to_owned(), |number| format!("{number:.digits$}"))
}

/// Counts of records, and KiB, are far below 2^32.
pub(super) fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

fn median(
    figures: &[(Case, Measured)],
    case: Case,
    figure: impl Fn(&Measured) -> Option<f64>,
) -> Option<f64> {
    let of_case = figures.iter().filter(|(of, _)| *of == case);
    middle(of_case.filter_map(|(_, measured)| figure(measured)).collect())
}

/// Returns the median; of an even number of values the mean of the two in the middle.
pub(super) fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    values.get(middle.wrapping_sub(1)).map(|lower| f64::midpoint(*lower, upper))
}

/// Returns the processor and the number of its cores, where the kernel tells.
pub(super) fn machine() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = text.lines().find(|line| line.starts_with("model name"))?.split_once(':')?.1.trim();
    let cores = std::thread::available_parallelism().ok()?;
    Some(format!("{model}, {cores} cores"))
}

#[cfg(test)]
mod tests {
    use super::super::case::Peer;
    use super::*;

    fn measured(wall: f64, cpu: f64) -> Measured {
        Measured { wall, cpu, peak: 20 << 20, ..Measured::default() }
    }

    fn plan(cases: &[Case]) -> Plan {
        Plan {
            shards: 4,
            records: 1_000_000,
            rounds: 3,
            cases: cases.to_vec(),
            peer_records: 200_000,
            peer_rounds: 1,
            ..Plan::default()
        }
    }

    #[test]
    fn medians_stand_in_the_table() {
        let figures = [
            (BARE, measured(1.0, 1.0)),
            (Case::Sqlite, measured(9.0, 9.0)),
            (BARE, measured(3.0, 2.0)),
            (Case::Sqlite, measured(4.0, 3.0)),
            (BARE, measured(2.0, 9.0)),
            (Case::Sqlite, measured(5.0, 4.0)),
        ];
        let text = markdown(&plan(&[BARE, Case::Sqlite]), &figures, &[]);
        let bare = "| bare `GetRecords` loop | 500000 | 2.00 | 2.00 | 500000 | 1.00 | - | - | 20 |";
        assert!(text.contains(bare), "{text}");
        let sqlite =
            "| `ctk load … sqlite:FILE` | 200000 | 5.00 | 4.00 | 250000 | 2.00 | - | - | 20 |";
        assert!(text.contains(sqlite), "{text}");
        assert!(!text.contains("peers"), "{text}");
    }

    #[test]
    fn the_servers_figures_stand_beside_the_clients() {
        let with = |wall, cpu, server, transactions| Measured {
            served: Some(Served { cpu: server, transactions }),
            ..measured(wall, cpu)
        };
        let (dlt, boto3) = (Case::Peer(Peer::Dlt), Case::Peer(Peer::Boto3));
        let figures =
            [(Case::Postgres, with(4.0, 2.0, 3.0, 110)), (boto3, with(8.0, 6.0, 1.0, 20))];
        let plan = Plan { delay: 2, ..plan(&[Case::Postgres, boto3, dlt]) };
        let text = markdown(
            &plan,
            &figures,
            &[(dlt, "the process failed:\nlong\nno disk\nhint: buy\n".to_owned())],
        );
        for line in [
            "1000000 records of about 270 bytes over 4 shards, rounds: 3 (medians); \
             peers: 200000 records, rounds: 1; answers held back 2 ms",
            "| `ctk load … postgresql://…` | 250000 | 4.00 | 2.00 | 500000 | - | 3.00 | 27.5 | 20 |",
            "| a script: boto3 and `COPY` into PostgreSQL | 25000 | 8.00 | 30.00 | 33333 | - | 5.00 | 2.5 | 20 |",
            "| dlt with a resource over boto3, into PostgreSQL | - | - | - | - | - | - | - | - |",
            "\ndlt failed: no disk\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
