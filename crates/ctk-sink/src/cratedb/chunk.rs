//! What goes into one request: rows of one batch or of several, and who waits for them.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use ctk_flow::{Changes, Committed};
use tokio::sync::oneshot;

use super::{
    Settings,
    known::Known,
    plan::{Discovered, discover, plan},
    rows::{Members, Problem, Rows},
};
use crate::{
    Shared,
    envelope::{Envelope, EnvelopeWriter, MessageId},
};

/// A batch of a shard that is being written, perhaps in several requests.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) changes: Changes,
    /// The key of each row. Made by the shard's task.
    pub(super) ids: Vec<MessageId>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Parts that are not done.
    left: usize,
    committed: Committed,
    answer: Option<oneshot::Sender<Result<Committed, Shared>>>,
}

impl Delivery {
    pub(super) fn new(
        changes: Changes,
        ids: Vec<MessageId>,
        answer: oneshot::Sender<Result<Committed, Shared>>,
    ) -> Self {
        let state = State { left: 0, committed: Committed::default(), answer: Some(answer) };
        Self { changes, ids, state: Mutex::new(state) }
    }

    /// Notes how many parts there are, before the first of them is written.
    pub(super) fn cut(&self, parts: usize) {
        self.state().left = parts;
    }

    /// Notes that a part is done, and tells the shard with the last one, or at the first that failed.
    pub(super) fn done(&self, part: Result<Committed, Shared>) {
        let mut state = self.state();
        state.left = state.left.saturating_sub(1);
        let result = match part {
            Err(error) => Err(error),
            Ok(part) => {
                state.committed.written += part.written;
                state.committed.present += part.present;
                state.committed.dead_lettered += part.dead_lettered;
                if state.left > 0 {
                    return;
                }
                Ok(state.committed)
            }
        };
        if let Some(answer) = state.answer.take() {
            // Who asked may have gone: the run is being dropped.
            drop(answer.send(result));
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Some rows of a delivery.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) delivery: Arc<Delivery>,
    pub(super) rows: Range<usize>,
    /// With this part, the records that could not be decoded are kept as well.
    pub(super) has_letters: bool,
}

/// What is written together.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) parts: Vec<Part>,
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

impl Chunk {
    pub(super) fn push(&mut self, part: Part, bytes: usize) {
        self.rows += part.rows.len();
        self.bytes += bytes;
        self.parts.push(part);
    }

    /// Returns all rows.
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        let parts = self.parts.iter().enumerate();
        parts.flat_map(|(part, Part { rows, .. })| rows.clone().map(move |row| Entry { part, row }))
    }
}

/// A row of a chunk: the part, and the row in its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Entry {
    pub(super) part: usize,
    pub(super) row: usize,
}

/// The rows of a chunk, written as arguments.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) rows: Rows,
    /// Which row each of them is.
    pub(super) entries: Vec<Entry>,
    /// The others, and why.
    pub(super) refused: Vec<(Entry, String)>,
}

/// Writes the rows for the table as it is. None when it must grow first.
pub(super) fn encode(known: &Known, chunk: &Chunk, settings: &Settings) -> Option<Encoded> {
    let mut known = std::borrow::Cow::Borrowed(known);
    encode_with(&mut known, chunk, settings, Growth::None).map(|(encoded, _)| encoded)
}

/// Writes the rows for the table as it will be, and plans what it lacks: returns the paths of new columns and keys. None would
/// be a defect: nothing is missing that is not planned.
pub(super) fn encode_and_plan(
    known: &mut Known,
    chunk: &Chunk,
    settings: &Settings,
    is_tight: bool,
) -> Option<(Encoded, Vec<Vec<String>>)> {
    let mut owned = std::borrow::Cow::Owned(known.clone());
    let most_new = most_new(known.schema.size(), is_tight);
    let encoded = encode_with(&mut owned, chunk, settings, Growth::Plan { most_new });
    *known = owned.into_owned();
    encoded
}

/// Returns how many new columns and keys one record may ask for.
fn most_new(size: usize, is_tight: bool) -> usize {
    match MOST_COLUMNS.checked_sub(size) {
        Some(room) if is_tight && room > 0 => room,
        // There are more already: the limit of this table is another one.
        _ => MOST_COLUMNS,
    }
}

/// Columns and keys that CrateDB allows a table by default.
const MOST_COLUMNS: usize = 1000;

/// Siblings that one record may ask for. Each costs another look at the record.
const MOST_BESIDE: usize = 300;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Growth {
    None,
    Plan {
        /// New columns and keys that one record may ask for.
        most_new: usize,
    },
}

fn encode_with(
    known: &mut std::borrow::Cow<'_, Known>,
    chunk: &Chunk,
    settings: &Settings,
    growth: Growth,
) -> Option<(Encoded, Vec<Vec<String>>)> {
    let arguments = match settings.envelope {
        Envelope::Full => 2,
        Envelope::Id => 1,
        Envelope::None => 0,
    };
    let mut encoded = Encoded {
        rows: Rows::new(arguments),
        entries: Vec::with_capacity(chunk.rows),
        refused: Vec::new(),
    };
    let may_grow = settings.evolve || !known.exists;
    let Discovered { mut planned, too_many } = match growth {
        // A record as a whole has no members to be found.
        Growth::Plan { most_new } if may_grow && !settings.is_document => {
            let barred = known.barred.clone();
            let is_barred = |name: &str| barred.contains(name);
            discover(&mut known.to_mut().schema, chunk, is_barred, most_new)
        }
        Growth::Plan { .. } | Growth::None => Discovered::default(),
    };
    for (index, part) in chunk.parts.iter().enumerate() {
        let changes = &part.delivery.changes;
        let mut members = Members::new(&known.schema, changes);
        let mut writer =
            EnvelopeWriter::new(&settings.stream, changes.shard()).with_time(known.time);
        for row in part.rows.clone() {
            let entry = Entry { part: index, row };
            if too_many.contains(&entry) {
                let why = "the record has more new members than a table may have columns";
                encoded.refused.push((entry, why.into()));
                continue;
            }
            let row = changes.row(row);
            let planned_before = planned.len();
            let id = part.delivery.ids.get(entry.row);
            loop {
                let envelope = |out: &mut String| {
                    if let Some(id) = id {
                        out.push('"');
                        id.write(out);
                        out.push('"');
                    }
                    if settings.envelope == Envelope::Full {
                        out.push(',');
                        writer.write(row.origin(), row.sub_sequence(), out);
                    }
                };
                let missing = match encoded.rows.push(&known.schema, &members, row, envelope) {
                    Ok(()) => {
                        encoded.entries.push(entry);
                        break;
                    }
                    Err(Problem::Refused(why)) => {
                        encoded.refused.push((entry, why));
                        break;
                    }
                    Err(Problem::Missing(missing)) => missing,
                };
                let name = missing.path.join(".");
                let refused = if let Some(why) = known.barred.why(&missing.path) {
                    Some(format!("the column {name} cannot be added: {why}"))
                } else if !may_grow {
                    Some(format!(
                        "the table has no column {name}, and evolve=none forbids to add it"
                    ))
                } else if planned.len() - planned_before > MOST_BESIDE {
                    Some("too many values of the record do not fit their columns".to_owned())
                } else {
                    None
                };
                if let Some(why) = refused {
                    encoded.refused.push((entry, why));
                    break;
                }
                if growth == Growth::None {
                    return None;
                }
                plan(&mut known.to_mut().schema, &missing, settings.is_document);
                planned.push(missing.path);
                members = Members::new(&known.schema, changes);
            }
        }
    }
    Some((encoded, planned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_has_another_limit_than_the_default() {
        let check = |size: usize, is_tight: bool, expected: usize| {
            assert_eq!(most_new(size, is_tight), expected, "{size} {is_tight}");
        };
        check(10, false, 1000);
        check(10, true, 990);
        check(999, true, 1);
        check(1000, true, 1000);
        check(1200, true, 1000);
    }
}
