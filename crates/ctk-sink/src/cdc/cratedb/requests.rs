//! Bulk requests for many rows, some of them at the same time: no two rows have the same key, so their order does not matter.

use bytes::Bytes;

use ctk_db::cratedb::CrateDbError;

use super::CrateStore;
use crate::{
    SinkError,
    cdc::store::TargetTable,
    cratedb::send::{Fate, Sent, Unexplained, send_as},
    envelope::push_json_text,
};

/// A statement, and the rows that it is for.
pub(super) struct Job<'a> {
    pub(super) statement: String,
    /// Their numbers.
    pub(super) rows: Vec<usize>,
    pub(super) args: Args<'a>,
}

/// Appends the arguments of a row, with commas between them.
pub(super) type Args<'a> = Box<dyn Fn(usize, &mut String) + Send + Sync + 'a>;

/// The most requests at the same time.
pub(super) const LANES: usize = 4;

/// What became of rows, by their numbers; or why the table is not what it was.
pub(super) type Done = Result<Vec<(usize, Fate)>, CrateDbError>;

impl CrateStore {
    /// Runs statements for their rows.
    pub(super) async fn run(
        &self,
        table: &TargetTable,
        unexplained: Unexplained,
        jobs: &[Job<'_>],
    ) -> Result<Done, SinkError> {
        let mut lanes: [Lane; LANES] = Default::default();
        let used = self.settings.connections.clamp(1, LANES);
        let mut next = 0;
        for (number, job) in jobs.iter().enumerate() {
            for group in self.groups(job) {
                if let Some(lane) = lanes.get_mut(next % used) {
                    lane.push(number, group);
                }
                next += 1;
            }
        }
        let [one, two, three, four] = &lanes;
        let travel = |lane| self.travel(table, unexplained, jobs, lane);
        let (one, two, three, four) =
            tokio::join!(travel(one), travel(two), travel(three), travel(four));
        let mut all = Vec::new();
        for lane in [one, two, three, four] {
            match lane? {
                Ok(fates) => all.extend(fates),
                Err(stale) => return Ok(Err(stale)),
            }
        }
        Ok(Ok(all))
    }

    async fn travel(
        &self,
        table: &TargetTable,
        unexplained: Unexplained,
        jobs: &[Job<'_>],
        lane: &Lane,
    ) -> Result<Done, SinkError> {
        let request = |part: &[usize]| {
            let row = |at: &usize| lane.rows.get(*at).copied();
            let job = part.first().and_then(row).and_then(|(job, _)| jobs.get(job));
            job.map_or_else(Bytes::new, |job| {
                body(job, part.iter().filter_map(row).map(|(_, row)| row))
            })
        };
        let what = format!("write into table {}", table.table);
        match send_as(&self.client, what, unexplained, lane.groups.clone(), request).await? {
            Sent::All(fates) => Ok(Ok(lane.rows.iter().map(|(_, row)| *row).zip(fates).collect())),
            Sent::Stale(error) => Ok(Err(error)),
        }
    }

    /// Puts the rows of a job into groups that a request takes.
    fn groups(&self, job: &Job<'_>) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        let (mut bytes, mut text) = (0, String::new());
        for row in &job.rows {
            text.clear();
            (job.args)(*row, &mut text);
            bytes += text.len() + 3;
            match groups.last_mut() {
                Some(group)
                    if group.len() < self.settings.batch_rows
                        && bytes <= self.settings.batch_bytes =>
                {
                    group.push(*row);
                }
                _ => {
                    groups.push(vec![*row]);
                    bytes = text.len() + 3;
                }
            }
        }
        groups
    }
}

/// What travels one after the other.
#[derive(Default)]
struct Lane {
    /// Jobs and rows.
    rows: Vec<(usize, usize)>,
    /// Places in `rows`; each group is of one job.
    groups: Vec<Vec<usize>>,
}

impl Lane {
    fn push(&mut self, job: usize, group: Vec<usize>) {
        let from = self.rows.len();
        self.rows.extend(group.into_iter().map(|row| (job, row)));
        self.groups.push((from..self.rows.len()).collect());
    }
}

fn body(job: &Job<'_>, rows: impl Iterator<Item = usize>) -> Bytes {
    let mut body = String::from("{\"stmt\":");
    push_json_text(&job.statement, &mut body);
    body.push_str(",\"bulk_args\":[");
    for (index, row) in rows.enumerate() {
        body.push_str(if index == 0 { "[" } else { ",[" });
        (job.args)(row, &mut body);
        body.push(']');
    }
    body.push_str("]}");
    body.into()
}
