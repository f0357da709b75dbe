//! The statements that bring rows from a temporary table into the table. Pure.
//!
//! `t` is the table, `s` the temporary one: `n` numbers the rows, `c0…` are the cells, those of the key first, `f0…` the old
//! key of a row that gets another one.

use std::{collections::HashSet, ops::Range};

use ctk_db::quote;

use super::{PgHolds, quoted, stage::Stage};
use crate::cdc::store::{Layout, Op, Open, TargetTable, Write};

/// Tables that do not take `ON CONFLICT`: of another server, with rules, or with a key that is checked at the end.
#[derive(Debug, Default)]
pub(super) struct Conflicts(HashSet<TargetTable>);

impl Conflicts {
    pub(super) fn are_refused_by(&self, table: &TargetTable) -> bool {
        self.0.contains(table)
    }

    pub(super) fn refuse(&mut self, table: &TargetTable) {
        self.0.insert(table.clone());
    }

    pub(super) fn forget(&mut self, table: &TargetTable) {
        self.0.remove(table);
    }
}

/// How the statements of a write are written.
#[derive(Clone, Debug)]
pub(super) struct Statements<'a> {
    table: String,
    stage: String,
    /// The number of the first row.
    first: usize,
    open: &'a Open<PgHolds>,
    /// The columns, quoted, and whether they are part of the key.
    columns: Vec<String>,
    slots: &'a [usize],
    op: Op,
    has_masks: bool,
}

impl<'a> Statements<'a> {
    pub(super) fn new(open: &'a Open<PgHolds>, write: &'a Write<'_>, stage: &Stage) -> Self {
        let columns = write.slots.iter().map(|slot| quote(&open.columns[*slot].name)).collect();
        Self {
            table: quoted(&open.name),
            stage: stage.name.clone(),
            first: stage.first,
            open,
            columns,
            slots: &write.slots,
            op: write.op,
            has_masks: !write.masks.is_empty(),
        }
    }

    /// Returns the columns of the temporary table that are copied into.
    pub(super) fn staged(&self) -> String {
        let mut all = vec!["n".to_owned()];
        all.extend((0..self.columns.len()).map(|at| format!("c{at}")));
        if self.op == Op::Move {
            all.extend((0..self.keys()).map(|at| format!("f{at}")));
        }
        if self.has_masks {
            all.push("mask".to_owned());
        }
        all.join(", ")
    }

    fn keys(&self) -> usize {
        self.open.key.len()
    }

    /// The rows of `t` and `s` that belong together, by the new or the old key.
    fn same(&self, t: &str, prefix: char) -> String {
        let all = self.columns.iter().take(self.keys()).enumerate();
        let all: Vec<_> = all.map(|(at, name)| format!("{t}.{name} = s.{prefix}{at}")).collect();
        all.join(" AND ")
    }

    /// What an existing row gets, `from` place to place. Members are added to those that it has.
    fn sets(&self, from: usize, source: impl Fn(usize) -> String) -> String {
        let is_added = |at: usize| {
            matches!(self.op, Op::Patch | Op::Move)
                && self.open.layout == Layout::Universal
                && self.columns.get(at).is_some_and(|name| name == "\"data\"")
        };
        let sets = self.columns.iter().enumerate().skip(from).map(|(at, name)| {
            if is_added(at) {
                format!("{name} = COALESCE(t.{name}, '{{}}') || {}", source(at))
            } else if self.has_masks {
                let place = at + 1 - self.keys();
                format!(
                    "{name} = CASE pg_catalog.substr(s.mask, {place}, 1) WHEN '1' THEN {} ELSE t.{name} END",
                    source(at)
                )
            } else {
                format!("{name} = {}", source(at))
            }
        });
        sets.collect::<Vec<_>>().join(", ")
    }

    fn overriding(&self) -> &'static str {
        let is_identity = |slot: &usize| self.open.columns[*slot].holds.is_identity;
        if self.slots.iter().any(is_identity) { " OVERRIDING SYSTEM VALUE" } else { "" }
    }

    fn insert(&self, rows: &Range<usize>) -> String {
        let cells: Vec<_> = (0..self.columns.len()).map(|at| format!("s.c{at}")).collect();
        format!(
            "INSERT INTO {} AS t ({}){} SELECT {} FROM {} AS s WHERE {}",
            self.table,
            self.columns.join(", "),
            self.overriding(),
            cells.join(", "),
            self.stage,
            self.within(rows)
        )
    }

    /// Rows that are there are changed, and then those that are not are inserted: an `INSERT … ON CONFLICT` would be refused for
    /// what a row lacks that the table has.
    fn patch(&self, rows: &Range<usize>) -> String {
        format!("{}{}", self.change(rows), self.add(rows))
    }

    /// Changes rows that are there; nothing when there is nothing to set.
    fn change(&self, rows: &Range<usize>) -> String {
        let sets = self.sets(self.keys(), |at| format!("s.c{at}"));
        if sets.is_empty() {
            return sets;
        }
        let Self { table, stage, .. } = self;
        let (same, within) = (self.same("t", 'c'), self.within(rows));
        format!("UPDATE {table} AS t SET {sets} FROM {stage} AS s WHERE {same} AND {within}; ")
    }

    /// Adds rows that are missing.
    fn add(&self, rows: &Range<usize>) -> String {
        format!("{} AND NOT {}", self.insert(rows), self.is_there('c'))
    }

    fn is_there(&self, prefix: char) -> String {
        format!("EXISTS (SELECT 1 FROM {} AS o WHERE {})", self.table, self.same("o", prefix))
    }

    /// Returns what writes some of the rows.
    pub(super) fn apply(&self, rows: &Range<usize>, conflicts: bool) -> String {
        match self.op {
            Op::Put if conflicts => {
                let key: Vec<_> =
                    self.columns.iter().take(self.keys()).map(String::as_str).collect();
                let key = key.join(", ");
                let sets = self.sets(self.keys(), |at| {
                    format!("EXCLUDED.{}", self.columns.get(at).map_or("", String::as_str))
                });
                let action =
                    if sets.is_empty() { "NOTHING".into() } else { format!("UPDATE SET {sets}") };
                format!("{} ON CONFLICT ({key}) DO {action}", self.insert(rows))
            }
            Op::Put | Op::Patch => self.patch(rows),
            Op::Delete => format!(
                "DELETE FROM {} AS t USING {} AS s WHERE {} AND {}",
                self.table,
                self.stage,
                self.same("t", 'c'),
                self.within(rows)
            ),
            Op::Move => self.move_row(rows),
        }
    }

    /// When there is a row with the new key, the one with the old key goes, and lets go of what is unique, before that one is
    /// changed; else it gets the new key. At most one of the four does something with each of the two.
    fn move_row(&self, row: &Range<usize>) -> String {
        let Self { table, stage, .. } = self;
        let (by_new, by_old) = (self.same("t", 'c'), self.same("t", 'f'));
        let (has_new, has_old) = (self.is_there('c'), self.is_there('f'));
        let within = self.within(row);
        let (change, add) = (self.change(row), self.add(row));
        let sets = self.sets(0, |at| format!("s.c{at}"));
        format!(
            "DELETE FROM {table} AS t USING {stage} AS s WHERE {by_old} AND NOT ({by_new}) AND {has_new} AND {within}; \
             {change}UPDATE {table} AS t SET {sets} FROM {stage} AS s WHERE {by_old} AND NOT {has_new} AND {within}; \
             {add} AND NOT {has_old}"
        )
    }

    /// Returns true when each row is in the table afterwards, and the server says how many.
    pub(super) fn makes_rows(&self) -> bool {
        self.op != Op::Delete
    }

    /// Asks whether a row is missing that was written.
    pub(super) fn is_missing(&self, rows: &Range<usize>) -> String {
        let (table, stage) = (&self.table, &self.stage);
        let (same, within) = (self.same("t", 'c'), self.within(rows));
        format!(
            "SELECT EXISTS (SELECT 1 FROM {stage} AS s WHERE {within} AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE {same}))"
        )
    }

    /// Asks for the numbers of rows that the table has, of `count` in the temporary one.
    pub(super) fn found(&self, count: usize) -> String {
        let (table, stage) = (&self.table, &self.stage);
        let (same, within) = (self.same("t", 'c'), self.within(&(0..count)));
        format!(
            "SELECT s.n - {} FROM {stage} AS s WHERE {within} AND EXISTS (SELECT 1 FROM {table} AS t WHERE {same})",
            self.first
        )
    }

    fn within(&self, rows: &Range<usize>) -> String {
        format!("s.n >= {} AND s.n < {}", self.first + rows.start, self.first + rows.end)
    }
}
