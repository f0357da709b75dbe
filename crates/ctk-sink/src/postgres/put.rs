//! Rows into the table, all of them or all that it takes: who is to blame is narrowed down to the row.
//!
//! First everything is sent at once. Where something is refused, rows are tried in halves and halves of halves, and taken back
//! again, until it is known which are refused alone; then the others are sent at once. Only rows that are refused for each
//! other, as two with one value of a unique column, are written piece by piece: each piece that stays is a transaction within
//! ours, and holds a lock of the server until the end, so they are to be few.

use std::ops::Range;

use ctk_db::postgres::Connection;

use super::{
    Settings,
    encode::Part,
    known::Known,
    rows::{Sent, Way, execute, send},
};
use crate::SinkError;

/// A row that is refused, by its place in the part, and why.
pub(crate) type Refused = (usize, String);

/// What became of parts that were sent at once.
pub(super) enum AtOnce {
    /// All rows are in the table; so many of each part since now.
    Inserted(Vec<u64>),
    /// Something is refused; nothing is in the table.
    Refused,
    /// They cannot go straight; nothing is in the table.
    NotStraight,
}

/// Sends rows within a transaction that has a savepoint `rows`.
pub(super) struct Put<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) settings: &'a Settings,
    pub(super) known: &'a Known,
    pub(super) way: Way,
}

impl Put<'_> {
    /// Sends all rows of all parts.
    pub(super) async fn at_once(&mut self, parts: &[Part]) -> Result<AtOnce, SinkError> {
        let mut inserted = Vec::with_capacity(parts.len());
        for part in parts {
            if part.entries.is_empty() {
                inserted.push(0);
                continue;
            }
            match self.send(part, &(0..part.entries.len())).await? {
                Sent::Inserted(new) => inserted.push(new),
                // What was sent before is gone with it.
                Sent::Refused(_) | Sent::Ignored => return Ok(AtOnce::Refused),
                Sent::NotStraight => return Ok(AtOnce::NotStraight),
            }
        }
        Ok(AtOnce::Inserted(inserted))
    }

    /// Finds the rows that are refused alone, and leaves nothing in the table; none when they cannot go straight.
    pub(super) async fn refused_alone(
        &mut self,
        part: &Part,
    ) -> Result<Option<Vec<Refused>>, SinkError> {
        let mut refused = Vec::new();
        let mut work = Work::new(part.entries.len());
        while let Some(rows) = work.next() {
            match self.send(part, &rows).await? {
                Sent::Inserted(_) => {
                    execute(self.connection, BACK.into(), "take rows back").await?;
                }
                Sent::NotStraight => return Ok(None),
                Sent::Refused(error) => work.divide(rows, error, &mut refused),
                Sent::Ignored => work.divide(rows, IGNORED.into(), &mut refused),
            }
        }
        Ok(Some(refused))
    }

    /// Writes all rows that it can, and returns those that are refused, and the pieces with how many are new; none when they
    /// cannot go straight.
    pub(super) async fn piece_by_piece(
        &mut self,
        part: &Part,
    ) -> Result<Option<(Vec<Refused>, Vec<(Range<usize>, u64)>)>, SinkError> {
        let (mut refused, mut pieces) = (Vec::new(), Vec::new());
        let mut work = Work::new(part.entries.len());
        while let Some(rows) = work.next() {
            match self.send(part, &rows).await? {
                Sent::Inserted(new) => {
                    pieces.push((rows, new));
                    execute(self.connection, KEEP.into(), "go on with the transaction").await?;
                }
                Sent::NotStraight => return Ok(None),
                Sent::Refused(error) => work.divide(rows, error, &mut refused),
                Sent::Ignored => work.divide(rows, IGNORED.into(), &mut refused),
            }
        }
        Ok(Some((refused, pieces)))
    }

    async fn send(&mut self, part: &Part, rows: &Range<usize>) -> Result<Sent, SinkError> {
        send(self.connection, self.settings, self.known, (part, rows), self.way).await
    }
}

const BACK: &str = "ROLLBACK TO SAVEPOINT rows";
const KEEP: &str = "RELEASE SAVEPOINT rows; SAVEPOINT rows";
const IGNORED: &str = "the table ignored the row";

/// Ranges of rows that are to be tried, in their order.
pub(crate) struct Work(Vec<Range<usize>>);

impl Work {
    pub(crate) fn new(rows: usize) -> Self {
        let mut work = Self(Vec::new());
        work.0.push(0..rows);
        work
    }

    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.0.pop().filter(|rows| !rows.is_empty())
    }

    /// Notes the row, or that both halves are to be tried.
    pub(crate) fn divide(&mut self, rows: Range<usize>, error: String, refused: &mut Vec<Refused>) {
        if rows.len() == 1 {
            refused.push((rows.start, error));
            return;
        }
        let middle = rows.start + rows.len() / 2;
        self.0.extend([middle..rows.end, rows.start..middle]);
    }
}
