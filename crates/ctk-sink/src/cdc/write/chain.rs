//! Rows that get the keys of each other.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use super::Writer;
use crate::{
    SinkError,
    cdc::{
        engine::Work,
        merge::{Asked, Merged, name_of},
        store::{Holds, Store},
    },
};

impl<H: Holds> Writer<'_, '_, H> {
    /// Moves rows to keys that others leave. Either a row moves on and on, or many rows, each to the place of the next, as in
    /// `UPDATE t SET id = id + 1`. Which of both it is, the table tells: in the first case the keys in between are free.
    pub(super) async fn chain<S: Store<Holds = H>>(
        &mut self,
        work: &mut Work<'_, S>,
        of: Range<usize>,
    ) -> Result<(), SinkError> {
        let of: Vec<usize> = of.collect();
        let fit = self.fit;
        let change = |at: usize| &fit.fitted[at];
        let keys: Vec<_> = of.iter().map(|at| change(*at).key.clone()).collect();
        let there = work.store.find(self.table, &keys).await?;
        let left: HashSet<_> =
            of.iter().filter_map(|at| change(*at).from.as_deref().map(name_of)).collect();
        let is_taken =
            keys.iter().zip(there).any(|(key, there)| there && left.contains(&name_of(key)));
        if !is_taken {
            return self.one_by_one(work, &of).await;
        }
        // Those whose new place is free by now, until all are done, or stand in each other's way.
        let mut waiting = of;
        loop {
            let froms: HashMap<_, _> = waiting
                .iter()
                .filter_map(|at| Some((name_of(change(*at).from.as_deref()?), *at)))
                .collect();
            let is_free =
                |at: &usize| froms.get(&name_of(&change(*at).key)).is_none_or(|other| other == at);
            let (free, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_free);
            self.one_by_one(work, &free).await?;
            waiting = rest;
            if free.is_empty() || waiting.is_empty() {
                break;
            }
        }
        let cells = |at: usize| change(at).cells.iter().map(|(slot, cell)| (*slot, cell)).collect();
        let is_whole = |at: &usize| {
            change(*at).asked == Asked::Put || self.is_whole(&Vec::from_iter::<Vec<_>>(cells(*at)))
        };
        if !waiting.iter().all(is_whole) {
            for at in waiting {
                let why = "rows take each other's keys, and the record does not tell the whole row";
                self.end(at, Some(why.to_owned()));
            }
            return Ok(());
        }
        let row = |at: usize| Merged {
            asked: Asked::Put,
            key: &change(at).key,
            cells: cells(at),
            of: vec![at],
        };
        let rows = waiting.into_iter().map(row).collect();
        self.rows(work, rows).await
    }
}
