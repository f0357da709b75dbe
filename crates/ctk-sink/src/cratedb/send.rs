//! A request with rows, until each of them has its answer.
//!
//! CrateDB answers row by row: stored, there already, failed. What failed for a reason that goes away is sent again; failures
//! that come without a reason are sent again in smaller company, since only the first ten of a shard have one. A request that
//! is refused as a whole, which the first bad value can cause without saying whose it is, is halved until the bad row stands
//! alone. What was sent before is sent again without harm: the key absorbs it.

use std::collections::VecDeque;

use backon::BackoffBuilder;
use bytes::Bytes;
use ctk_db::{
    DbError,
    cratedb::{Blame, Client, CrateDbError, RowError, RowResult, patience},
};
use tracing::{debug, warn};

use crate::SinkError;

/// Rows in a request of which all failures have a reason.
const EXPLAINED: usize = 10;

/// How often an error is waited out that may be the row's or the node's: a minute, about.
pub(crate) const DOUBTS: u32 = 10;

/// The code of a key that is there already.
const DUPLICATE: u32 = 4091;
/// The code of a key that is to be changed, and is not there.
const MISSING: u32 = 40411;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Written,
    /// It was left alone: of a row that is new, the key was there; of a change, it was not.
    Present,
    /// Its key was there, and the table has another one than ours: it may be another row.
    Duplicate,
    Refused(String),
}

/// How a request ended.
#[derive(Debug)]
pub(crate) enum Sent {
    /// Each row, in order.
    All(Vec<Fate>),
    /// The table is not what it was. Some rows may be stored.
    Stale(CrateDbError),
}

/// What is made of failures without a reason, which are those behind the first ten of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unexplained {
    /// They are sent again in smaller company, until each has its own.
    Again,
    /// Their keys are missing, when those of all others are that failed. A row can only be missing, or fail with all of its shard.
    AsOthers,
    /// They count as left alone: somebody looks later.
    LeftAlone,
}

/// Sends all rows, which are named by their numbers, from 0 on: each of the groups, or a part of one, in a `request`. Errors name
/// the table. The client is patient.
pub(crate) async fn send(
    client: &Client,
    table: &str,
    groups: Vec<Vec<usize>>,
    request: impl Fn(&[usize]) -> Bytes,
) -> Result<Sent, SinkError> {
    let what = format!("insert into table {table}");
    send_as(client, what, Unexplained::Again, groups, request).await
}

/// The same for any statement; errors say `what` could not be done.
pub(crate) async fn send_as(
    client: &Client,
    what: String,
    unexplained_are: Unexplained,
    groups: Vec<Vec<usize>>,
    request: impl Fn(&[usize]) -> Bytes,
) -> Result<Sent, SinkError> {
    let rows = groups.iter().map(Vec::len).sum();
    let mut fates: Vec<Option<Fate>> = vec![None; rows];
    let mut work = VecDeque::from(groups);
    let mut pauses = patience().build();
    let mut doubts = 0;
    while let Some(part) = work.pop_front() {
        if part.is_empty() {
            continue;
        }
        match client.bulk(request(&part), part.len()).await {
            Ok(results) => {
                let again = settle(&part, results, &mut fates, doubts < DOUBTS, unexplained_are);
                match again.failure {
                    Some(error) => match error.blame() {
                        Blame::Table => return Ok(Sent::Stale(error.into())),
                        Blame::User => return Err(DbError::cratedb(what)(error.into()).into()),
                        blame => {
                            doubts += u32::from(blame == Blame::Doubtful);
                            let pause = pauses.next().unwrap_or_default();
                            warn!(rows = again.later.len(), ?pause, %error, "CrateDB does not take rows now; trying again");
                            tokio::time::sleep(pause).await;
                        }
                    },
                    None => pauses = patience().build(),
                }
                work.push_back(again.later);
                work.extend(again.unexplained.chunks(EXPLAINED).map(<[usize]>::to_vec));
            }
            Err(error) if error.is_unknown() => return Ok(Sent::Stale(error)),
            Err(error) if error.blame() == Some(Blame::Doubtful) && doubts < DOUBTS => {
                doubts += 1;
                let pause = pauses.next().unwrap_or_default();
                warn!(rows = part.len(), ?pause, %error, "CrateDB does not take rows now; trying again");
                tokio::time::sleep(pause).await;
                work.push_back(part);
            }
            Err(error) if error.is_refused() => match part.as_slice() {
                [row] => fates[*row] = Some(Fate::Refused(error.to_string())),
                part => {
                    debug!(rows = part.len(), %error, "a request is refused as a whole; looking for the row");
                    let (left, right) = part.split_at(part.len() / 2);
                    work.push_front(right.to_vec());
                    work.push_front(left.to_vec());
                }
            },
            Err(error) => return Err(DbError::cratedb(what)(error).into()),
        }
    }
    Ok(Sent::All(fates.into_iter().map(|fate| fate.unwrap_or_else(unexplained)).collect()))
}

/// Rows to be sent again.
#[derive(Default)]
struct Again {
    /// After a pause.
    later: Vec<usize>,
    /// Why: the gravest reason.
    failure: Option<RowError>,
    unexplained: Vec<usize>,
}

impl Again {
    fn later(&mut self, row: usize, error: RowError) {
        self.later.push(row);
        let gravity = |blame: Blame| match blame {
            Blame::User => 3,
            Blame::Table => 2,
            Blame::Doubtful => 1,
            Blame::Nobody | Blame::Row => 0,
        };
        if self
            .failure
            .as_ref()
            .is_none_or(|before| gravity(before.blame()) < gravity(error.blame()))
        {
            self.failure = Some(error);
        }
    }
}

/// Notes the fates of rows, and returns those that have none yet. What is doubtful has one when `may_doubt` is false.
fn settle(
    part: &[usize],
    results: Vec<RowResult>,
    fates: &mut [Option<Fate>],
    may_doubt: bool,
    unexplained_are: Unexplained,
) -> Again {
    let mut again = Again::default();
    let is_missing = |error: &RowError| error.code == MISSING;
    let mut failures = results.iter().filter_map(|result| result.error.as_deref());
    let are_left_alone = match unexplained_are {
        Unexplained::Again => false,
        Unexplained::AsOthers => failures.clone().next().is_some() && failures.all(is_missing),
        Unexplained::LeftAlone => true,
    };
    for (row, result) in part.iter().zip(results) {
        fates[*row] = match (result.rowcount, result.error) {
            (1.., _) => Some(Fate::Written),
            (0, _) => Some(Fate::Present),
            (_, Some(error)) if error.code == DUPLICATE => Some(Fate::Duplicate),
            (_, Some(error)) if error.code == MISSING => Some(Fate::Present),
            (_, None) if are_left_alone => Some(Fate::Present),
            (_, Some(error)) => match error.blame() {
                Blame::Row => Some(Fate::Refused(error.to_string())),
                Blame::Doubtful if !may_doubt => Some(Fate::Refused(error.to_string())),
                _ => {
                    again.later(*row, *error);
                    None
                }
            },
            (_, None) if part.len() > EXPLAINED => {
                again.unexplained.push(*row);
                None
            }
            (_, None) => Some(unexplained()),
        };
    }
    again
}

fn unexplained() -> Fate {
    Fate::Refused("CrateDB gives no reason".into())
}
