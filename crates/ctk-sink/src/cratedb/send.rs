//! A request with rows, until each of them has its answer.
//!
//! CrateDB answers row by row: stored, there already, failed. What failed for a reason that goes away is sent again; failures
//! that come without a reason are sent again in smaller company, since only the first ten of a shard have one. A request that
//! is refused as a whole, which the first bad value can cause without saying whose it is, is halved until the bad row stands
//! alone. What was sent before is sent again without harm: the key absorbs it.

use std::{collections::VecDeque, time::Duration};

use backon::BackoffBuilder;
use ctk_db::{
    DbError,
    cratedb::{Client, CrateDbError, RowResult, patience},
};
use tracing::{debug, warn};

use super::{
    Settings,
    rows::{Conflict, Rows},
    schema::Schema,
};
use crate::SinkError;

/// Rows in a request of which all failures have a reason.
const EXPLAINED: usize = 10;

/// The code of a key that is there already.
const DUPLICATE: u32 = 4091;

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Written,
    /// Its key was there.
    Present,
    /// Its key was there, and the table has another one than ours: it may be another row.
    Duplicate,
    Refused(String),
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Sent {
    /// Each row, in order.
    All(Vec<Fate>),
    /// The table is not what it was. Some rows may be stored.
    Stale(CrateDbError),
}

/// Sends all rows. The client is patient.
pub(super) async fn send(
    client: &Client,
    settings: &Settings,
    schema: &Schema,
    conflict: Conflict,
    rows: &Rows,
) -> Result<Sent, SinkError> {
    let table = settings.quoted();
    let mut fates: Vec<Option<Fate>> = vec![None; rows.len()];
    let mut work = VecDeque::from([(0..rows.len()).collect::<Vec<_>>()]);
    let mut pauses = patience().build();
    while let Some(part) = work.pop_front() {
        if part.is_empty() {
            continue;
        }
        let request = rows.request(schema, &table, conflict, &part);
        match client.bulk(request, part.len()).await {
            Ok(results) => {
                let again = settle(&part, results, &mut fates);
                if again.temporary.is_empty() {
                    pauses = patience().build();
                } else {
                    let pause: Duration = pauses.next().unwrap_or_default();
                    warn!(
                        rows = again.temporary.len(),
                        ?pause,
                        reason = again.reason.as_deref().unwrap_or_default(),
                        "CrateDB does not take rows now; trying again"
                    );
                    tokio::time::sleep(pause).await;
                    work.push_back(again.temporary);
                }
                work.extend(again.unexplained.chunks(EXPLAINED).map(<[usize]>::to_vec));
            }
            Err(error) if error.is_unknown() => return Ok(Sent::Stale(error)),
            Err(error) if error.is_refused() => match part.as_slice() {
                [row] => fates[*row] = Some(Fate::Refused(error.to_string())),
                part => {
                    debug!(rows = part.len(), %error, "a request is refused as a whole; looking for the row");
                    let (left, right) = part.split_at(part.len() / 2);
                    work.push_front(right.to_vec());
                    work.push_front(left.to_vec());
                }
            },
            Err(error) => {
                return Err(DbError::cratedb(format!("insert into table {}", settings.table))(
                    error,
                )
                .into());
            }
        }
    }
    Ok(Sent::All(fates.into_iter().map(|fate| fate.unwrap_or_else(unexplained)).collect()))
}

/// Rows to be sent again.
#[derive(Default)]
struct Again {
    temporary: Vec<usize>,
    /// Why.
    reason: Option<String>,
    unexplained: Vec<usize>,
}

fn settle(part: &[usize], results: Vec<RowResult>, fates: &mut [Option<Fate>]) -> Again {
    let mut again = Again::default();
    for (row, result) in part.iter().zip(results) {
        fates[*row] = match (result.rowcount, result.error) {
            (1.., _) => Some(Fate::Written),
            (0, _) => Some(Fate::Present),
            (_, Some(error)) if error.is_temporary() => {
                again.temporary.push(*row);
                again
                    .reason
                    .get_or_insert_with(|| format!("{} (code {})", error.message, error.code));
                None
            }
            (_, Some(error)) if error.code == DUPLICATE => Some(Fate::Duplicate),
            (_, Some(error)) => {
                Some(Fate::Refused(format!("{} (code {})", error.message, error.code)))
            }
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
