//! Applies the changes of a group of batches, over one [`Store`].
//!
//! Changes are queued per table. A change of a table comes after all that was queued, and before all that follows. At the end,
//! or before such a change, the queues are written, one table after the other.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ctk_flow::{Asks, Committed, DeadLetter, Reason, Sequence, ShardId, SourceTable};

use super::{
    ddl,
    fit::{Entry, Why},
    settings::ChangeSettings,
    store::Store,
    tables::{Settled, Tables},
    target::Known,
    write,
};
use crate::{SinkError, dead_letters::Keep, group::Delivery};

/// Applies groups. What it remembers between two of them is what is known of tables.
#[derive(Debug)]
pub(crate) struct Engine<H> {
    pub(crate) settings: Arc<ChangeSettings>,
    pub(crate) settled: Arc<Settled>,
    /// None before the first group, and after one that was undone.
    tables: Option<Tables<H>>,
    /// The dead letters of the group that stand in a file already, though it was undone.
    in_file: HashSet<(ShardId, Sequence, u32)>,
}

impl<H: super::store::Holds> Engine<H> {
    pub(crate) fn new(settings: Arc<ChangeSettings>, settled: Arc<Settled>) -> Self {
        Self { settings, settled, tables: None, in_file: HashSet::new() }
    }

    /// Forgets what is known of tables: the transaction that they were seen in was undone.
    pub(crate) fn undone(&mut self) {
        self.tables = None;
    }

    /// Notes that the group is durable.
    pub(crate) fn done(&mut self, group: &[Delivery]) {
        self.in_file
            .retain(|(shard, ..)| group.iter().all(|delivery| delivery.changes.shard() != shard));
    }

    /// Looks at what is there, so that nobody waits for tables that are known.
    pub(crate) async fn begin<S: Store<Holds = H>>(
        &mut self,
        store: &mut S,
    ) -> Result<Known, SinkError> {
        let tables = Tables::read(store, &self.settled).await?;
        // A table of an equal name, as in another schema of the source, says nothing.
        let mut there = store.tables().await?;
        there.retain(|table| !tables.is_taken::<S>(table));
        self.tables = Some(tables);
        Ok(Known {
            settings: Arc::clone(&self.settings),
            tables: there.into_iter().collect(),
            default_schema: store.default_schema().unwrap_or_default(),
        })
    }

    /// Applies a group, and returns what became of its members. After an error, what the store did is to be undone.
    ///
    /// Not cancel safe.
    pub(crate) async fn apply<S: Store<Holds = H>>(
        &mut self,
        store: &mut S,
        group: &[Delivery],
    ) -> Result<Vec<Committed>, SinkError> {
        let tables = match self.tables.take() {
            Some(tables) => tables,
            None => Tables::read(store, &self.settled).await?,
        };
        let mut work = Work {
            settings: &self.settings,
            settled: &self.settled,
            store,
            group,
            tables,
            committed: vec![Committed::default(); group.len()],
            letters: Vec::new(),
        };
        work.all().await?;
        let Work { tables, mut committed, letters, .. } = work;
        self.keep(store, group, letters, &mut committed).await?;
        self.tables = Some(tables);
        Ok(committed)
    }

    /// Keeps dead letters as the user wants it, and counts them.
    async fn keep<S: Store>(
        &mut self,
        store: &mut S,
        group: &[Delivery],
        refused: Vec<(usize, String, DeadLetter)>,
        committed: &mut [Committed],
    ) -> Result<(), SinkError> {
        // By member and table: what stands together is kept together.
        let mut all: Vec<((usize, String), Vec<DeadLetter>)> = Vec::new();
        let mut places = HashMap::new();
        let own = group.iter().enumerate().flat_map(|(member, delivery)| {
            let letters = delivery.changes.dead_letters().iter();
            letters.map(move |letter| (member, String::new(), letter.clone()))
        });
        for (member, table, letter) in own.chain(refused) {
            committed[member].dead_lettered += 1;
            let key = (member, table);
            let place = *places.entry(key.clone()).or_insert(all.len());
            if place == all.len() {
                all.push((key, Vec::new()));
            }
            all[place].1.push(letter);
        }
        let is_file =
            matches!(self.settings.dead_letters, crate::dead_letters::DeadLetters::File(_));
        for ((member, table), mut letters) in all {
            let shard = group[member].changes.shard();
            let place = |letter: &DeadLetter| {
                (shard.clone(), letter.origin.sequence.clone(), letter.sub_sequence)
            };
            letters.retain(|letter| !self.in_file.contains(&place(letter)));
            let ChangeSettings { dead_letters, stream, .. } = &*self.settings;
            if dead_letters.keep(&letters, stream, shard, &table)? == Keep::InTable {
                store.keep(shard, &table, &letters).await?;
            }
            if is_file {
                self.in_file.extend(letters.iter().map(place));
            }
        }
        Ok(())
    }
}

/// A group on its way into the tables.
pub(crate) struct Work<'a, S: Store> {
    pub(crate) settings: &'a ChangeSettings,
    pub(crate) settled: &'a Settled,
    pub(crate) store: &'a mut S,
    pub(crate) group: &'a [Delivery],
    pub(crate) tables: Tables<S::Holds>,
    pub(crate) committed: Vec<Committed>,
    /// With the member of the group, and the table.
    letters: Vec<(usize, String, DeadLetter)>,
}

impl<S: Store> Work<'_, S> {
    async fn all(&mut self) -> Result<(), SinkError> {
        let mut queues = Queues::default();
        for (member, Delivery { changes, .. }) in self.group.iter().enumerate() {
            let mut places = vec![None; changes.tables().len()];
            for (index, row) in changes.rows().enumerate() {
                let entry = Entry { member, row: index };
                let Some(change) = row.change() else {
                    let why = "a row that is no change came among changes".to_owned();
                    self.refuse(entry, &SourceTable::default(), (Reason::Refused, why));
                    continue;
                };
                let source = &changes.tables()[change.table().index()];
                if let Asks::Table(change) = change.asks() {
                    self.flush(&mut queues).await?;
                    places.fill(None);
                    ddl::apply(self, entry, source, change).await?;
                    continue;
                }
                let place = match places[change.table().index()] {
                    Some(place) => place,
                    None => *places[change.table().index()].insert(queues.place(source)),
                };
                queues.all[place].1.push(entry);
            }
        }
        self.flush(&mut queues).await
    }

    async fn flush(&mut self, queues: &mut Queues) -> Result<(), SinkError> {
        queues.places.clear();
        for (source, entries) in std::mem::take(&mut queues.all) {
            write::queue(self, &source, entries).await?;
        }
        Ok(())
    }

    /// Counts changes that are written.
    pub(crate) fn written(&mut self, entry: Entry) {
        self.committed[entry.member].written += 1;
    }

    /// Makes a dead letter of a change.
    pub(crate) fn refuse(&mut self, entry: Entry, table: &SourceTable, (reason, error): Why) {
        let row = entry.row(self.group);
        let name = match table.schema.as_str() {
            "" => table.table.clone(),
            schema => format!("{schema}.{}", table.table),
        };
        let letter = DeadLetter {
            origin: row.origin().clone(),
            sub_sequence: row.sub_sequence(),
            reason,
            error,
            payload: row.change().map(|change| change.payload().to_vec()).unwrap_or_default(),
        };
        self.letters.push((entry.member, name, letter));
    }
}

/// Changes that wait, by table, in the order in which tables came.
#[derive(Default)]
struct Queues {
    all: Vec<(SourceTable, Vec<Entry>)>,
    places: HashMap<SourceTable, usize>,
}

impl Queues {
    fn place(&mut self, source: &SourceTable) -> usize {
        if let Some(place) = self.places.get(source) {
            return *place;
        }
        self.places.insert(source.clone(), self.all.len());
        self.all.push((source.clone(), Vec::new()));
        self.all.len() - 1
    }
}
