//! The queue of one table: fitted, merged, written.

mod chain;

use std::{collections::HashMap, sync::Arc};

use ctk_flow::{ColumnDef, ColumnKind, Reason, SourceTable, Value};

use super::{
    cell::Cell,
    definition::Definition,
    engine::Work,
    fit::{Entry, Fit, Fitter, kind_of, object, own_column, small, variants},
    merge::{Asked, Fitted, Merged, Slot, Step, merge},
    open::{AUX, DATA, define, open, remember},
    store::{Alteration, Fate, Layout, NewColumn, Op, Open, Store, Write},
    tables::Opened,
};
use crate::SinkError;

/// How often columns are added for one queue: each time all that is known to be missing.
const ADDITIONS: usize = 10;

/// Writes the changes of one table.
pub(crate) async fn queue<S: Store>(
    work: &mut Work<'_, S>,
    source: &SourceTable,
    entries: Vec<Entry>,
) -> Result<(), SinkError> {
    if let Some(entry) = entries.first()
        && entry.row(work.group).change().is_some_and(|change| change.tells_key())
    {
        // It may be another one than that of the table so far.
        let definition = define(work, source, Some(*entry)).await?;
        if work.tables.definitions.get(source).is_some_and(|known| *known != definition) {
            work.tables.open.remove(source);
            remember(work, definition).await?;
        }
    }
    for attempt in 0.. {
        let table = match open(work, source, &entries).await? {
            Opened::Table(table) => Arc::clone(table),
            Opened::Closed(why) => {
                let why = why.clone();
                // The next records may bring what these lack.
                work.tables.open.remove(source);
                for entry in entries {
                    work.refuse(entry, source, why.clone());
                }
                return Ok(());
            }
        };
        let definition = definition(work, source);
        let barred = work.tables.barred.get(source).cloned().unwrap_or_default();
        let evolve = (work.settings.evolve && attempt < ADDITIONS, &barred);
        let mut fitter = Fitter::new(&table, &definition, S::MESSAGE_ID, evolve);
        let fit = fitter.fit(work.group, &entries);
        if !fit.missing.is_empty() {
            let columns = fit.missing.iter().filter_map(|(name, seen)| {
                Some(NewColumn { name: name.clone(), kind: kind_of(seen.kind()?) })
            });
            let columns = columns.collect();
            add_columns(work, source, &definition, columns).await?;
            continue;
        }
        let met = fitter.met(work.group);
        if let Some(definition) = with_columns(&definition, met) {
            remember(work, definition).await?;
        }
        let definition = self::definition(work, source);
        for (entry, why) in fit.refused.iter().cloned() {
            work.refuse(entry, source, why);
        }
        let mut writer = Writer {
            table: &table,
            definition: &definition,
            fit: &fit,
            whole: Vec::new(),
            ends: vec![None; fit.fitted.len()],
        };
        writer.whole = writer.whole();
        writer.all(work).await?;
        for (end, entry) in writer.ends.into_iter().zip(&fit.entries) {
            match end {
                Some(None) => work.written(*entry),
                Some(Some(why)) => work.refuse(*entry, source, (Reason::Refused, why)),
                // Nothing was done with it: a defect, which must not pass for written.
                None => return Err(SinkError::Gone),
            }
        }
        return Ok(());
    }
    Ok(())
}

fn definition<S: Store>(work: &Work<'_, S>, source: &SourceTable) -> Definition {
    let known = work.tables.definitions.get(source).cloned();
    known.unwrap_or_else(|| Definition {
        source: source.clone(),
        target: super::tables::target_of(work.store, work.settings, source),
        layout: work.settings.layout,
        key: Vec::new(),
        columns: Vec::new(),
        is_told: false,
        renamed: Vec::new(),
    })
}

/// Returns a definition with columns that it did not know.
fn with_columns(definition: &Definition, met: Vec<String>) -> Option<Definition> {
    let mut grown = definition.clone();
    for name in met {
        if grown.position(&name).is_none() && !grown.key.contains(&name) {
            grown.columns.push(ColumnDef { name, kind: ColumnKind::Unknown });
        }
    }
    (grown != *definition).then_some(grown)
}

/// Adds columns; those that the database refuses are noted.
async fn add_columns<S: Store>(
    work: &mut Work<'_, S>,
    source: &SourceTable,
    definition: &Definition,
    columns: Vec<NewColumn>,
) -> Result<(), SinkError> {
    // Their types may be told, though nobody made them yet.
    let told = |column: NewColumn| {
        let kind = definition.position(&column.name).map(|at| definition.columns[at].kind);
        let kind = kind.filter(|kind| *kind != ColumnKind::Unknown).unwrap_or(column.kind);
        NewColumn { kind, ..column }
    };
    let columns: Vec<_> = columns.into_iter().map(told).collect();
    let target = &definition.target;
    work.tables.open.remove(source);
    let all = Alteration::AddColumns(columns.clone());
    if work.store.alter(target, definition.layout, &all).await?.is_none() {
        return Ok(());
    }
    for column in columns {
        let name = column.name.clone();
        let one = Alteration::AddColumns(vec![column]);
        if let Some(why) = work.store.alter(target, definition.layout, &one).await? {
            work.tables.barred.entry(source.clone()).or_default().insert(name, why);
        }
    }
    Ok(())
}

/// Writes what was fitted.
struct Writer<'w, 'a, H> {
    table: &'w Open<H>,
    definition: &'w Definition,
    fit: &'w Fit<'a>,
    /// The slots that a row from the source has beside its key, in order.
    whole: Vec<Slot>,
    /// What became of each change. One that moves a row may be a part of two rows.
    ends: Vec<Option<Fate>>,
}

impl<'a, H: super::store::Holds> Writer<'_, 'a, H> {
    async fn all<S: Store<Holds = H>>(&mut self, work: &mut Work<'_, S>) -> Result<(), SinkError> {
        for step in merge(&self.fit.fitted, |cells| self.is_whole(cells)) {
            match step {
                Step::Rows(rows) => self.rows(work, rows).await?,
                Step::Chain(of) => self.chain(work, of).await?,
                Step::Move { from, to } => {
                    let write = self.moves(from, &to);
                    self.write(work, &write, &[to.of]).await?;
                }
            }
        }
        Ok(())
    }

    /// Returns true when these are all cells that a row of the table can have.
    fn is_whole(&self, cells: &[(Slot, &Cell<'a>)]) -> bool {
        let has = |slot: Slot| cells.iter().any(|(other, _)| *other == slot);
        match self.table.layout {
            // Which members an object has that is there, nobody knows.
            Layout::Universal => false,
            Layout::Direct => (0..self.table.columns.len()).all(|slot| {
                self.table.key.contains(&slot)
                    || !self.table.columns[slot].holds.takes(Value::Null)
                    || has(small(slot))
            }),
        }
    }

    /// Returns the slots that a row from the source has beside its key, in order.
    fn whole(&self) -> Vec<Slot> {
        let names = self.definition.columns.iter().map(|column| column.name.as_str());
        let names = names.filter(|name| !self.definition.key.iter().any(|key| key == name));
        if self.table.layout == Layout::Universal {
            // A name that no change has is no slot: nothing is whole then.
            let slot = |name: &str| {
                let place = self.fit.members.iter().position(|member| *member == name);
                place.map_or(Slot::MAX, small)
            };
            return names.map(slot).collect();
        }
        let mut slots = Vec::new();
        for name in names {
            let Ok(own) = own_column(&self.table.columns, name) else { continue };
            let columns = &self.table.columns;
            let family = variants(columns, self.definition, &columns[own].name);
            slots.extend(family.into_iter().chain([own]).map(small));
        }
        let mut is_set = vec![false; self.table.columns.len()];
        for (slot, _) in self.fit.fitted.iter().flat_map(|fitted| &fitted.cells) {
            is_set[*slot as usize] = true;
        }
        slots.extend((0..).zip(is_set).filter(|(_, is_set)| *is_set).map(|(slot, _)| slot));
        slots.retain(|slot| {
            let slot = *slot as usize;
            !self.table.key.contains(&slot) && self.table.columns[slot].holds.takes(Value::Null)
        });
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    async fn rows<S: Store<Holds = H>>(
        &mut self,
        work: &mut Work<'_, S>,
        rows: Vec<Merged<'_, 'a>>,
    ) -> Result<(), SinkError> {
        let mut puts = Vec::new();
        let mut deletes = Vec::new();
        // By the columns that they set.
        let mut patches: Vec<(Vec<Slot>, Vec<Merged<'_, 'a>>)> = Vec::new();
        let mut places: HashMap<Vec<Slot>, usize> = HashMap::new();
        for row in rows {
            match row.asked {
                Asked::Put => puts.push(row),
                Asked::Delete => deletes.push(row),
                Asked::Patch => {
                    let mut slots: Vec<Slot> = match self.table.layout {
                        Layout::Direct => row.cells.iter().map(|(slot, _)| *slot).collect(),
                        Layout::Universal => Vec::new(),
                    };
                    slots.sort_unstable();
                    slots.dedup();
                    let place = *places.entry(slots.clone()).or_insert(patches.len());
                    if place == patches.len() {
                        patches.push((slots, Vec::new()));
                    }
                    patches[place].1.push(row);
                }
            }
        }
        self.same(work, Op::Delete, &[], deletes).await?;
        let whole = self.whole.clone();
        self.same(work, Op::Put, &whole, puts).await?;
        if S::MASKS && patches.len() > 1 {
            let mut slots: Vec<Slot> =
                patches.iter().flat_map(|(slots, _)| slots.iter().copied()).collect();
            slots.sort_unstable();
            slots.dedup();
            let rows = patches.into_iter().flat_map(|(_, rows)| rows).collect();
            return self.same(work, Op::Patch, &slots, rows).await;
        }
        for (slots, rows) in patches {
            self.same(work, Op::Patch, &slots, rows).await?;
        }
        Ok(())
    }

    /// Writes rows with which the same is done.
    async fn same<S: Store<Holds = H>>(
        &mut self,
        work: &mut Work<'_, S>,
        op: Op,
        slots: &[Slot],
        rows: Vec<Merged<'_, 'a>>,
    ) -> Result<(), SinkError> {
        let is_refused =
            |row: &Merged<'_, 'a>| row.of.iter().any(|at| matches!(self.ends[*at], Some(Some(_))));
        // The other part of a move was refused: so this one does not happen either.
        let (apart, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_refused);
        for row in apart {
            let left: Vec<_> = row.of.into_iter().filter(|at| self.ends[*at].is_none()).collect();
            self.one_by_one(work, &left).await?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let cells = rows.iter().map(|row| self.cells(op, slots, row.key, &row.cells)).collect();
        let masks = match op {
            Op::Patch if rows.iter().any(|row| row.cells.len() < slots.len()) => {
                rows.iter().map(|row| mask(slots, &row.cells)).collect()
            }
            _ => Vec::new(),
        };
        let slots = self.slots(op, slots);
        let write = Write { op, slots, rows: cells, from: Vec::new(), masks };
        let of: Vec<_> = rows.into_iter().map(|row| row.of).collect();
        self.write(work, &write, &of).await
    }

    fn slots(&self, op: Op, slots: &[Slot]) -> Vec<usize> {
        let mut all = self.table.key.clone();
        match (self.table.layout, op) {
            (_, Op::Delete) => {}
            (Layout::Direct, _) => all.extend(slots.iter().map(|slot| *slot as usize)),
            (Layout::Universal, _) => {
                let names: &[&str] = if op == Op::Put { &[DATA, AUX] } else { &[DATA] };
                all.extend(
                    names.iter().filter_map(|name| self.table.columns.find((*name).into()).ok()),
                );
            }
        }
        all
    }

    /// Returns the cells of a row, in the order of [`Self::slots`].
    fn cells(
        &self,
        op: Op,
        slots: &[Slot],
        key: &[Cell<'a>],
        cells: &[(Slot, &Cell<'a>)],
    ) -> Vec<Cell<'a>> {
        let mut row = key.to_vec();
        match (self.table.layout, op) {
            (_, Op::Delete) => {}
            (Layout::Direct, _) => {
                let start = row.len();
                row.resize(start + slots.len(), Cell::NULL);
                for (slot, cell) in cells {
                    if let Ok(place) = slots.binary_search(slot) {
                        row[start + place] = (*cell).clone();
                    }
                }
            }
            (Layout::Universal, _) => {
                let part = |aux: bool| {
                    let members = cells
                        .iter()
                        .filter(|(slot, _)| self.fit.aux[*slot as usize] == aux)
                        .map(|(slot, cell)| (self.fit.members[*slot as usize], *cell));
                    Cell::Json(object(members))
                };
                row.push(part(false));
                if op == Op::Put {
                    row.push(part(true));
                }
            }
        }
        row
    }

    fn moves<'f>(&self, from: &'f [Cell<'a>], to: &Merged<'f, 'a>) -> Write<'a> {
        let mut slots: Vec<Slot> = to.cells.iter().map(|(slot, _)| *slot).collect();
        slots.sort_unstable();
        let row = self.cells(Op::Move, &slots, to.key, &to.cells);
        Write {
            op: Op::Move,
            slots: self.slots(Op::Move, &slots),
            rows: vec![row],
            from: vec![from.to_vec()],
            masks: Vec::new(),
        }
    }

    /// Writes rows, `of` which changes each is made of; those of a refused one are tried one after the other.
    async fn write<S: Store<Holds = H>>(
        &mut self,
        work: &mut Work<'_, S>,
        write: &Write<'a>,
        of: &[Vec<usize>],
    ) -> Result<(), SinkError> {
        let fates = work.store.write(self.table, write).await?;
        for (fate, of) in fates.into_iter().zip(of) {
            match (fate, of.as_slice()) {
                (None, of) => of.iter().for_each(|at| self.end(*at, None)),
                (Some(why), [at]) => self.end(*at, Some(why)),
                (Some(_), of) => self.one_by_one(work, of).await?,
            }
        }
        Ok(())
    }

    async fn one_by_one<S: Store<Holds = H>>(
        &mut self,
        work: &mut Work<'_, S>,
        of: &[usize],
    ) -> Result<(), SinkError> {
        for at in of {
            let write = self.alone(&self.fit.fitted[*at]);
            let fates = work.store.write(self.table, &write).await?;
            self.end(*at, fates.into_iter().flatten().next());
        }
        Ok(())
    }

    /// Notes what became of a change: once refused, it stays so.
    fn end(&mut self, at: usize, fate: Fate) {
        let end = self.ends[at].get_or_insert_default();
        *end = end.take().or(fate);
    }

    /// Returns what writes one change.
    fn alone(&self, fitted: &Fitted<'a>) -> Write<'a> {
        let cells: Vec<_> = fitted.cells.iter().map(|(slot, cell)| (*slot, cell)).collect();
        let row = Merged { asked: fitted.asked, key: &fitted.key, cells, of: Vec::new() };
        if let Some(from) = &fitted.from {
            return self.moves(from, &row);
        }
        let (op, mut slots) = match fitted.asked {
            Asked::Delete => (Op::Delete, Vec::new()),
            Asked::Put => (Op::Put, self.whole.clone()),
            Asked::Patch => (Op::Patch, row.cells.iter().map(|(slot, _)| *slot).collect()),
        };
        slots.sort_unstable();
        let rows = vec![self.cells(op, &slots, row.key, &row.cells)];
        Write { op, slots: self.slots(op, &slots), rows, from: Vec::new(), masks: Vec::new() }
    }
}

/// Returns a `1` for each slot that the cells set, and a `0` for the others.
fn mask(slots: &[Slot], cells: &[(Slot, &Cell<'_>)]) -> String {
    let mut mask = vec![b'0'; slots.len()];
    for (slot, _) in cells {
        if let Ok(place) = slots.binary_search(slot) {
            mask[place] = b'1';
        }
    }
    mask.into_iter().map(char::from).collect()
}
