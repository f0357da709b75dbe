//! One transaction: the rows of a group of batches, their dead letters, and their positions. All or nothing.

use std::{ops::Range, sync::atomic::Ordering::Relaxed};

use ctk_db::postgres::Connection;
use ctk_flow::{Committed, DeadLetter};
use sqlx::Row as _;
use tokio::time::Instant;
use tracing::debug;

use super::{
    Settings,
    encode::{Encoded, Entry, Part, letter},
    known::{Known, fingerprint_sql},
    letters,
    plain::Shared,
    put::{AtOnce, Put, Refused},
    rows::{Way, execute},
    writer::{State, failed, save},
};
use crate::{
    SinkError,
    dead_letters::{DeadLetters, Keep},
    group::Delivery,
};

/// What the transaction came to.
pub(super) enum Written {
    /// For each member of the group, what became of it.
    Committed(Vec<Committed>),
    /// Nothing is written: the rows cannot go straight into the table.
    NotStraight,
    /// Nothing is written: the table is not as it is known.
    Changed,
}

pub(super) struct Transaction<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) settings: &'a Settings,
    pub(super) shared: &'a Shared,
    pub(super) known: &'a Known,
    pub(super) group: &'a [Delivery],
    pub(super) way: Way,
    /// It wrote into the table of dead letters, which is there when it is committed.
    pub(super) makes_letters: bool,
}

impl Transaction<'_> {
    /// Writes the group. An error means that nothing is written, unless `state` says that this is in doubt.
    pub(super) async fn run(
        mut self,
        encoded: Encoded,
        state: &mut State,
    ) -> Result<Written, SinkError> {
        let start = Instant::now();
        let written = self.write(encoded, state).await;
        debug!(batches = self.group.len(), way = ?self.way, took = ?start.elapsed(), "transaction");
        let Ok(Written::Committed(committed)) = written else {
            // The first error is the one to tell.
            let ended = execute(self.connection, "ROLLBACK".into(), "undo the transaction").await;
            return written.and_then(|written| Ok(ended.map(|()| written)?));
        };
        let committed = state.commit(self.connection, committed).await?;
        self.shared.has_letters.fetch_or(self.makes_letters, Relaxed);
        Ok(Written::Committed(committed))
    }

    /// Begins, and returns false when the table is not as it is known. From here on it stays as it is.
    async fn begin(&mut self, has_rows: bool) -> Result<bool, SinkError> {
        // What a table would check at the end is checked at once, so that it can be said which row it is about.
        let begin =
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT rows";
        if !has_rows {
            execute(self.connection, begin.into(), "begin a transaction").await?;
            return Ok(true);
        }
        // A table of another server cannot be locked.
        let lock = if self.known.is_foreign {
            String::new()
        } else {
            format!("LOCK TABLE {} IN ROW EXCLUSIVE MODE; ", self.settings.quoted())
        };
        let sql = format!("{begin}; {lock}{}", fingerprint_sql(self.settings));
        let found =
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_optional(&mut *self.connection).await;
        let found = found.and_then(|row| row.map(|row| row.try_get::<String, _>(0)).transpose());
        Ok(found.map_err(failed("begin a transaction"))?.unwrap_or_default()
            == self.known.fingerprint)
    }

    /// Does all but the end.
    async fn write(&mut self, encoded: Encoded, state: &mut State) -> Result<Written, SinkError> {
        if !self.begin(!encoded.parts.is_empty()).await? {
            return Ok(Written::Changed);
        }
        let mut committed = vec![Committed::default(); self.group.len()];
        let Encoded { mut parts, mut refused } = encoded;
        let put = Put {
            connection: &mut *self.connection,
            settings: self.settings,
            known: self.known,
            way: self.way,
        };
        if !put_all(put, self.group, &mut parts, &mut committed, &mut refused).await? {
            return Ok(Written::NotStraight);
        }
        self.keep(&refused, &mut committed, state).await?;
        if let Some(holder) = &self.settings.holder {
            save(self.connection, holder, self.group).await?;
        }
        Ok(Written::Committed(committed))
    }

    /// Keeps dead letters as the user wants it, and counts them.
    async fn keep(
        &mut self,
        refused: &[(usize, DeadLetter)],
        committed: &mut [Committed],
        state: &mut State,
    ) -> Result<(), SinkError> {
        let Settings { table, stream, dead_letters, .. } = self.settings;
        for (member, Delivery { changes, .. }) in self.group.iter().enumerate() {
            let own = refused.iter().filter(|(of, _)| *of == member).map(|(_, letter)| letter);
            let mut letters: Vec<DeadLetter> =
                changes.dead_letters().iter().chain(own).cloned().collect();
            committed[member].dead_lettered += letters.len() as u64;
            if matches!(dead_letters, DeadLetters::File(_)) {
                // What an earlier attempt wrote into the file stays there.
                letters.retain(|letter| {
                    let sequence = letter.origin.sequence.clone();
                    state.in_file.insert((member, sequence, letter.sub_sequence))
                });
            }
            if dead_letters.keep(&letters, stream, changes.shard(), table)? == Keep::InTable {
                if !self.makes_letters && !self.shared.has_letters.load(Relaxed) {
                    letters::create(self.connection, &self.settings.letters()).await?;
                }
                let place = self.settings.letters();
                letters::keep(self.connection, &place, table, changes.shard(), &letters).await?;
                self.makes_letters = true;
            }
        }
        Ok(())
    }
}

/// Writes the rows of all parts, and counts them; false when they cannot go straight.
async fn put_all(
    mut put: Put<'_>,
    group: &[Delivery],
    parts: &mut [Part],
    committed: &mut [Committed],
    refused: &mut Vec<(usize, DeadLetter)>,
) -> Result<bool, SinkError> {
    let mut refuse = |part: &Part, rows: Vec<Refused>| {
        for (row, error) in rows {
            let entry = part.entries[row];
            refused.push((entry.member, letter(group, entry, error)));
        }
    };
    for is_again in [false, true] {
        match put.at_once(parts).await? {
            AtOnce::NotStraight => return Ok(false),
            AtOnce::Inserted(new) => {
                for (part, new) in parts.iter().zip(new) {
                    count(&part.entries, 0..part.entries.len(), new, committed);
                }
                return Ok(true);
            }
            AtOnce::Refused if is_again => break,
            AtOnce::Refused => {}
        }
        for part in &mut *parts {
            let Some(alone) = put.refused_alone(part).await? else { return Ok(false) };
            let rest = part.without(&alone);
            refuse(part, alone);
            *part = rest;
        }
    }
    for part in &*parts {
        let Some((rows, pieces)) = put.piece_by_piece(part).await? else { return Ok(false) };
        refuse(part, rows);
        for (piece, new) in pieces {
            count(&part.entries, piece, new, committed);
        }
    }
    Ok(true)
}

/// Counts rows that are in the table now, `new` of them since this statement.
fn count(entries: &[Entry], rows: Range<usize>, new: u64, committed: &mut [Committed]) {
    // Which of them were there before is not known, and only their sum is ever shown.
    if let Some(first) = entries.get(rows.start) {
        committed[first.member].present += (rows.len() as u64).saturating_sub(new);
    }
    for entry in &entries[rows] {
        committed[entry.member].written += 1;
    }
}
