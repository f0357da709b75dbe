//! One transaction: the rows of a group of batches, their dead letters, and their positions. All or nothing.

use std::{ops::Range, sync::atomic::Ordering::Relaxed};

use ctk_checkpoint::{Saved, postgres};
use ctk_db::postgres::{Connection, Trouble, trouble};
use ctk_flow::{Committed, DeadLetter, Position};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    Settings,
    encode::{Encoded, Entry, Part, letter},
    known::Known,
    letters,
    rows::{Sent, Way, execute, send},
    writer::{Shared, State, failed},
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
        // What a table would check at the end is checked at once, so that it can be said which row it is about.
        let begin =
            "BEGIN ISOLATION LEVEL READ COMMITTED; SET CONSTRAINTS ALL IMMEDIATE; SAVEPOINT rows";
        execute(self.connection, begin.into(), "begin a transaction").await?;
        let written = self.write(encoded, state).await;
        debug!(batches = self.group.len(), way = ?self.way, took = ?start.elapsed(), "transaction");
        let Ok(Some(committed)) = written else {
            // The first error is the one to tell.
            let ended = execute(self.connection, "ROLLBACK".into(), "undo the transaction").await;
            return written.and_then(|_| Ok(ended.map(|()| Written::NotStraight)?));
        };
        state.in_doubt = Some(committed.clone());
        match sqlx::raw_sql("COMMIT").execute(&mut *self.connection).await {
            Ok(_) => {
                self.shared.has_letters.fetch_or(self.makes_letters, Relaxed);
                Ok(Written::Committed(committed))
            }
            Err(error) => {
                // An answer is an answer; only silence leaves a doubt.
                if trouble(&error) != Trouble::Connection {
                    state.in_doubt = None;
                }
                Err(failed("commit the transaction")(error))
            }
        }
    }

    /// Does all but the end; none when the rows cannot go straight.
    async fn write(
        &mut self,
        encoded: Encoded,
        state: &mut State,
    ) -> Result<Option<Vec<Committed>>, SinkError> {
        let mut committed = vec![Committed::default(); self.group.len()];
        let mut refused = encoded.refused;
        let mut is_fresh = true;
        for part in &encoded.parts {
            if !self.put(part, &mut committed, &mut refused, &mut is_fresh).await? {
                return Ok(None);
            }
        }
        self.keep(&refused, &mut committed, state).await?;
        if let Some(holder) = &self.settings.holder {
            let positions: Vec<Position> =
                self.group.iter().map(|delivery| delivery.upto.clone()).collect();
            let saved = postgres::save(self.connection, holder, &positions).await?;
            for (position, saved) in positions.iter().zip(saved) {
                if let Saved::Behind { stored } = saved {
                    warn!(shard = %position.shard, %stored, "a later position is stored already");
                }
            }
        }
        Ok(Some(committed))
    }

    /// Writes rows, in halves and halves of halves where some are refused, until it is known which; false when they cannot
    /// go straight.
    async fn put(
        &mut self,
        part: &Part,
        committed: &mut [Committed],
        refused: &mut Vec<(usize, DeadLetter)>,
        is_fresh: &mut bool,
    ) -> Result<bool, SinkError> {
        let mut work: Vec<Range<usize>> = Vec::new();
        work.push(0..part.entries.len());
        while let Some(rows) = work.pop() {
            if rows.is_empty() {
                continue;
            }
            if !std::mem::take(is_fresh) {
                let next = "RELEASE SAVEPOINT rows; SAVEPOINT rows";
                execute(self.connection, next.into(), "go on with the transaction").await?;
            }
            let sent =
                send(self.connection, self.settings, self.known, (part, &rows), self.way).await?;
            *is_fresh = !matches!(sent, Sent::Inserted(_));
            let error = match sent {
                Sent::Inserted(new) => {
                    count(&part.entries, rows, new, committed);
                    continue;
                }
                Sent::NotStraight => return Ok(false),
                Sent::Refused(error) => error,
                Sent::Ignored => "the table ignored the row".to_owned(),
            };
            if rows.len() == 1 {
                let entry = part.entries[rows.start];
                refused.push((entry.member, letter(self.group, entry, error)));
                continue;
            }
            let middle = rows.start + rows.len() / 2;
            work.extend([middle..rows.end, rows.start..middle]);
        }
        Ok(true)
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
            let letters: Vec<DeadLetter> =
                changes.dead_letters().iter().chain(own).cloned().collect();
            committed[member].dead_lettered += letters.len() as u64;
            if letters.is_empty() || state.are_letters_kept {
                continue;
            }
            if dead_letters.keep(&letters, stream, changes.shard(), table)? == Keep::InTable {
                if !self.makes_letters && !self.shared.has_letters.load(Relaxed) {
                    letters::create(self.connection, self.settings).await?;
                }
                letters::keep(self.connection, self.settings, changes.shard(), &letters).await?;
                self.makes_letters = true;
            }
        }
        state.are_letters_kept |= matches!(dead_letters, DeadLetters::File(_));
        Ok(())
    }
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
