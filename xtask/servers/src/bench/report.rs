//! The table, in Markdown, as it goes into `docs/benchmarks.md`.

use std::fmt::Write as _;

use super::Plan;
use super::case::{Case, Wire};
use super::measure::Measured;

/// What the others are compared with.
const BARE: Case = Case::Bare(Wire::Json);

/// Returns the table, each figure the median of its rounds.
pub(super) fn markdown(plan: &Plan, figures: &[(Case, Measured)]) -> String {
    let records = u32::try_from(plan.records).map_or(f64::MAX, f64::from);
    let mut text = format!(
        "{} records of about 270 bytes over {} shards, rounds: {} (medians){}\n\n",
        plan.records,
        plan.shards,
        plan.rounds,
        machine().map(|machine| format!(", {machine}")).unwrap_or_default()
    );
    text.push_str("| | rows/s | wall s | CPU s | CPU s per million rows | rows per CPU s | × bare CPU | peak MB |\n");
    text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
    let cpu = |case: Case| median(figures, case, |measured| measured.cpu);
    let bare = figures.iter().any(|(case, _)| *case == BARE).then(|| cpu(BARE));
    for case in &plan.cases {
        let (wall, cpu) = (median(figures, *case, |measured| measured.wall), cpu(*case));
        // Bytes of memory are far below 2^52.
        let peak = median(figures, *case, |measured| {
            f64::from(u32::try_from(measured.peak >> 10).unwrap_or(u32::MAX))
        });
        let ratio = bare.map_or_else(|| "-".to_owned(), |bare| format!("{:.2}", cpu / bare));
        // Writing into a text cannot fail.
        _ = writeln!(
            text,
            "| {} | {:.0} | {wall:.2} | {cpu:.2} | {:.2} | {:.0} | {ratio} | {:.0} |",
            case.title(),
            records / wall,
            cpu / records * 1e6,
            records / cpu,
            peak / 1024.0
        );
    }
    text
}

fn median(figures: &[(Case, Measured)], case: Case, figure: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = figures
        .iter()
        .filter(|(of, _)| *of == case)
        .map(|(_, measured)| figure(measured))
        .collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => {
            f64::midpoint(*upper, values.get(middle.wrapping_sub(1)).copied().unwrap_or(*upper))
        }
    }
}

/// Returns the processor and the number of its cores, where the kernel tells.
fn machine() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let model = text.lines().find(|line| line.starts_with("model name"))?.split_once(':')?.1.trim();
    let cores = std::thread::available_parallelism().ok()?;
    Some(format!("{model}, {cores} cores"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_stand_in_the_table() {
        let measured =
            |wall: f64, cpu: f64| Measured { wall, cpu, peak: 20 << 20, printed: String::new() };
        let figures = [
            (BARE, measured(1.0, 1.0)),
            (Case::Sqlite, measured(9.0, 9.0)),
            (BARE, measured(3.0, 2.0)),
            (Case::Sqlite, measured(4.0, 3.0)),
            (BARE, measured(2.0, 9.0)),
            (Case::Sqlite, measured(5.0, 4.0)),
        ];
        let plan = Plan {
            ctk: "ctk".into(),
            folder: "bench".into(),
            stream: "bench".to_owned(),
            shards: 4,
            records: 1_000_000,
            rounds: 3,
            cases: vec![BARE, Case::Sqlite],
        };
        let text = markdown(&plan, &figures);
        assert!(
            text.contains(
                "| bare `GetRecords` loop | 500000 | 2.00 | 2.00 | 2.00 | 500000 | 1.00 | 20 |"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "| `ctk load … sqlite:FILE` | 200000 | 5.00 | 4.00 | 4.00 | 250000 | 2.00 | 20 |"
            ),
            "{text}"
        );
    }
}
