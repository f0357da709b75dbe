//! A run of changes of one table, merged to the last state of each key. Pure.
//!
//! In this way a key is written once, however often it changed, and what is written has no two rows of one key, so the order
//! in which it is written does not matter. A row whose key changes is a deletion and a new row, if all of the row is known;
//! if not, the run is cut there, and the row is moved by the database.

use std::collections::HashMap;

use ctk_flow::Value;

use super::cell::Cell;
use crate::kinds::whole;

/// A column, or a member of `data`, by its number.
pub(crate) type Slot = u32;

/// What a change asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Put,
    Patch,
    Delete,
}

/// A change, fitted to the columns of its table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fitted<'a> {
    pub(crate) asked: Asked,
    pub(crate) key: Vec<Cell<'a>>,
    /// The key that the row had before, if that was another one.
    pub(crate) from: Option<Vec<Cell<'a>>>,
    /// What it sets beside the key. No slot comes twice.
    pub(crate) cells: Vec<(Slot, Cell<'a>)>,
}

/// What a key came to. Borrowed from the changes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Merged<'f, 'a> {
    pub(crate) asked: Asked,
    pub(crate) key: &'f [Cell<'a>],
    pub(crate) cells: Vec<(Slot, &'f Cell<'a>)>,
    /// The changes that it is made of, by their places.
    pub(crate) of: Vec<usize>,
}

/// What is done one after the other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step<'f, 'a> {
    /// Rows with different keys.
    Rows(Vec<Merged<'f, 'a>>),
    /// A row gets another key.
    Move { from: &'f [Cell<'a>], to: Merged<'f, 'a> },
}

/// Merges changes. `is_whole` says whether these cells are all that a row has beside its key.
pub(crate) fn merge<'f, 'a>(
    changes: &'f [Fitted<'a>],
    is_whole: impl Fn(&[(Slot, &'f Cell<'a>)]) -> bool,
) -> Vec<Step<'f, 'a>> {
    let mut run = Run::default();
    let mut steps = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        let Some(from) = &change.from else {
            run.apply(change, at);
            continue;
        };
        if let Some(row) = run.take_whole(from).filter(|_| change.asked != Asked::Put) {
            run.moved(row, from, change, at);
        } else {
            let cells: Vec<_> = change.cells.iter().map(|(slot, cell)| (*slot, cell)).collect();
            if change.asked == Asked::Put || is_whole(&cells) {
                let row = Merged { asked: Asked::Put, key: &change.key, cells, of: Vec::new() };
                run.moved(row, from, change, at);
            } else {
                steps.extend(run.end());
                let to = Merged { asked: Asked::Patch, key: &change.key, cells, of: vec![at] };
                steps.push(Step::Move { from, to });
            }
        }
    }
    steps.extend(run.end());
    steps
}

/// Keys that were met since the last cut.
#[derive(Default)]
struct Run<'f, 'a> {
    rows: Vec<Merged<'f, 'a>>,
    places: HashMap<Vec<u8>, usize>,
    /// Memory for the name of a key.
    name: Vec<u8>,
}

impl<'f, 'a> Run<'f, 'a> {
    fn end(&mut self) -> Option<Step<'f, 'a>> {
        self.places.clear();
        let rows = std::mem::take(&mut self.rows);
        (!rows.is_empty()).then_some(Step::Rows(rows))
    }

    fn place(&mut self, key: &[Cell<'a>]) -> Option<usize> {
        self.name.clear();
        for cell in key {
            push_name(cell.value(), &mut self.name);
        }
        self.places.get(self.name.as_slice()).copied()
    }

    fn push(&mut self, row: Merged<'f, 'a>) {
        if let Some(place) = self.place(row.key) {
            self.rows[place] = row;
        } else {
            self.places.insert(self.name.clone(), self.rows.len());
            self.rows.push(row);
        }
    }

    fn apply(&mut self, change: &'f Fitted<'a>, at: usize) {
        let cells = || change.cells.iter().map(|(slot, cell)| (*slot, cell));
        let Some(place) = self.place(&change.key) else {
            self.places.insert(self.name.clone(), self.rows.len());
            let cells = cells().collect();
            self.rows.push(Merged { asked: change.asked, key: &change.key, cells, of: vec![at] });
            return;
        };
        let row = &mut self.rows[place];
        row.of.push(at);
        row.key = &change.key;
        match (change.asked, row.asked) {
            (Asked::Patch, Asked::Put | Asked::Patch) => overlay(&mut row.cells, cells()),
            (asked, was) => {
                row.cells.clear();
                row.cells.extend(cells());
                // Of a row that was deleted nothing is left.
                row.asked =
                    if (asked, was) == (Asked::Patch, Asked::Delete) { Asked::Put } else { asked };
            }
        }
    }

    /// Returns the row with this key, if all of it is known, and forgets it.
    fn take_whole(&mut self, key: &[Cell<'a>]) -> Option<Merged<'f, 'a>> {
        let place = self.place(key)?;
        (self.rows[place].asked == Asked::Put).then(|| self.rows[place].clone())
    }

    /// Notes that a whole row is there under the key of a change, and no more under the old one.
    fn moved(
        &mut self,
        mut row: Merged<'f, 'a>,
        from: &'f [Cell<'a>],
        change: &'f Fitted<'a>,
        at: usize,
    ) {
        let cells = change.cells.iter().map(|(slot, cell)| (*slot, cell));
        overlay(&mut row.cells, cells);
        row.key = &change.key;
        row.of.push(at);
        let of = match self.place(from) {
            Some(place) => std::mem::take(&mut self.rows[place].of),
            None => vec![at],
        };
        self.push(Merged { asked: Asked::Delete, key: from, cells: Vec::new(), of });
        if let Some(place) = self.place(&change.key) {
            let before = std::mem::take(&mut self.rows[place].of);
            row.of.splice(0..0, before);
            row.of.sort_unstable();
            row.of.dedup();
        }
        self.push(row);
    }
}

fn overlay<'f, 'a: 'f>(
    cells: &mut Vec<(Slot, &'f Cell<'a>)>,
    later: impl Iterator<Item = (Slot, &'f Cell<'a>)>,
) {
    for (slot, cell) in later {
        match cells.iter_mut().find(|(other, _)| *other == slot) {
            Some(place) => place.1 = cell,
            None => cells.push((slot, cell)),
        }
    }
}

/// Appends a name for a value of a key, the same for values that are the same in a database.
fn push_name(value: Value<'_>, name: &mut Vec<u8>) {
    let (kind, bytes): (u8, &[u8]) = match value {
        Value::Null => (0, &[]),
        Value::Bool(value) => (1, if value { &[1] } else { &[0] }),
        Value::Integer(value) => {
            name.push(2);
            name.extend(value.to_be_bytes());
            return;
        }
        Value::Decimal(text) => match whole(text) {
            Some(integer) => return push_name(Value::Integer(integer), name),
            None => (3, text.trim_end_matches('0').as_bytes()),
        },
        Value::BigInteger(text) => (4, text.as_bytes()),
        Value::Text(text) => (5, text.as_bytes()),
        Value::Json(text) => (6, text.as_bytes()),
        Value::Bytes(bytes) => (7, bytes),
    };
    name.push(kind);
    name.extend((bytes.len() as u64).to_be_bytes());
    name.extend(bytes);
}

#[cfg(test)]
mod tests;
