//! The tables of a run: what is known of those of the source, which of the target they go to, and how that one looks.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use ctk_flow::{SourceTable, TableDef};
use tokio::sync::watch;
use tracing::warn;

use super::{
    definition::Definition,
    fit::Why,
    settings::ChangeSettings,
    store::{Open, Store, TargetTable},
};
use crate::{SinkError, names};

/// What is known, and what of it was opened. Read from the target when first needed, and after a transaction was undone.
#[derive(Debug)]
pub(crate) struct Tables<H> {
    pub(crate) definitions: HashMap<SourceTable, Definition>,
    /// Which table of the source a table of the target belongs to.
    taken: HashMap<TargetTable, SourceTable>,
    pub(crate) open: HashMap<SourceTable, Opened<H>>,
    /// Columns that the database does not let us make, and why.
    pub(crate) barred: HashMap<SourceTable, HashMap<String, String>>,
}

/// A table that changes go to, or why none can.
#[derive(Debug)]
pub(crate) enum Opened<H> {
    Table(Arc<Open<H>>),
    Closed(Why),
}

/// What the shards of a run may know of tables while the writer works: those that need not be waited for.
#[derive(Debug)]
pub(crate) struct Settled {
    tables: Mutex<HashSet<SourceTable>>,
    /// What batches tell of tables, though they may not be written yet.
    told: Mutex<HashMap<SourceTable, TableDef>>,
    pub(crate) news: watch::Sender<u64>,
}

impl Default for Settled {
    fn default() -> Self {
        Self { tables: Mutex::default(), told: Mutex::default(), news: watch::Sender::new(0) }
    }
}

impl Settled {
    pub(crate) fn contains(&self, table: &SourceTable) -> bool {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner).contains(table)
    }

    pub(crate) fn insert(&self, table: &SourceTable) {
        let is_new =
            self.tables.lock().unwrap_or_else(PoisonError::into_inner).insert(table.clone());
        if is_new {
            self.stir();
        }
    }

    /// Notes what a batch tells of a table.
    pub(crate) fn tell(&self, table: &SourceTable, def: &TableDef) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.entry(table.clone()).or_insert_with(|| def.clone());
        drop(told);
        self.insert(table);
    }

    /// Returns what a batch told of a table.
    pub(crate) fn told(&self, table: &SourceTable) -> Option<TableDef> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).get(table).cloned()
    }

    /// Lets those who wait look again.
    pub(crate) fn stir(&self) {
        self.news.send_modify(|news| *news += 1);
    }
}

/// Returns true for the tables in which AWS DMS keeps account of itself
/// (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Tasks.CustomizingTasks.TaskSettings.ControlTable.html>).
pub(crate) fn is_bookkeeping(source: &SourceTable) -> bool {
    let prefix = source.table.get(..7).unwrap_or_default();
    source.schema.is_empty() && prefix.eq_ignore_ascii_case("awsdms_")
}

/// Returns the columns that tell the rows of such a table apart, which records do not.
pub(crate) fn bookkeeping_key(source: &SourceTable) -> &'static [&'static str] {
    if !is_bookkeeping(source) {
        return &[];
    }
    match source.table.to_ascii_lowercase().as_str() {
        "awsdms_status" => &["server_name", "task_name"],
        "awsdms_suspended_tables" => &["server_name", "task_name", "table_owner", "table_name"],
        "awsdms_history" => &["server_name", "task_name", "timeslot_type", "timeslot"],
        _ => &[],
    }
}

/// Returns the table of the target that one of the source goes to, unless another one goes there already.
pub(crate) fn target_of<S: Store>(
    store: &S,
    settings: &ChangeSettings,
    source: &SourceTable,
) -> TargetTable {
    let Some(default) = store.default_schema() else {
        let table = store.fit_name(source.table.clone());
        return TargetTable { schema: String::new(), table };
    };
    let schema = if is_bookkeeping(source) {
        "dms"
    } else {
        match (&settings.schema, source.schema.as_str()) {
            (Some(schema), _) => schema,
            (None, "") => default,
            (None, schema) => schema,
        }
    };
    TargetTable {
        schema: store.fit_name(schema.to_owned()),
        table: store.fit_name(source.table.clone()),
    }
}

/// Returns a table as the database tells names apart.
fn folded<S: Store>(target: &TargetTable) -> TargetTable {
    let fold = S::NAMING.fold;
    TargetTable { schema: fold(&target.schema), table: fold(&target.table) }
}

impl<H> Tables<H> {
    /// Reads what earlier runs learned.
    pub(crate) async fn read<S: Store>(
        store: &mut S,
        settled: &Settled,
    ) -> Result<Self, SinkError> {
        let mut tables = Self {
            definitions: HashMap::new(),
            taken: HashMap::new(),
            open: HashMap::new(),
            barred: HashMap::new(),
        };
        for text in store.definitions().await? {
            match Definition::from_json(&text) {
                Ok(definition) => tables.note::<S>(definition, settled),
                Err(error) => {
                    return Err(SinkError::Definition { source: error });
                }
            }
        }
        Ok(tables)
    }

    /// Takes a definition, without storing it.
    pub(crate) fn note<S: Store>(&mut self, definition: Definition, settled: &Settled) {
        settled.insert(&definition.source);
        self.taken.retain(|_, source| *source != definition.source);
        self.taken.insert(folded::<S>(&definition.target), definition.source.clone());
        self.definitions.insert(definition.source.clone(), definition);
    }

    /// Returns true when a table of the target belongs to one of the source.
    pub(crate) fn is_taken<S: Store>(&self, target: &TargetTable) -> bool {
        self.taken.contains_key(&folded::<S>(target))
    }

    /// Forgets a definition, without a trace in the target.
    pub(crate) fn forget(&mut self, source: &SourceTable) -> Option<Definition> {
        self.open.remove(source);
        self.taken.retain(|_, other| other != source);
        self.definitions.remove(source)
    }

    /// Returns the table that one of the source is to go to, which had the other name before: two never go to one.
    pub(crate) fn assign<S: Store>(
        &self,
        store: &S,
        settings: &ChangeSettings,
        (source, before): (&SourceTable, &SourceTable),
    ) -> TargetTable {
        let own = target_of(store, settings, source);
        let is_free = |target: &TargetTable| {
            let taken = self.taken.get(&folded::<S>(target));
            taken.is_none_or(|other| other == source || other == before)
        };
        if let Some(table) = &settings.table {
            let wanted = TargetTable { table: store.fit_name(table.clone()), ..own.clone() };
            if is_free(&wanted) {
                return wanted;
            }
        }
        if is_free(&own) {
            return own;
        }
        let long = format!("{}__{}", source.schema, source.table);
        let mut target = TargetTable { table: store.fit_name(long), schema: own.schema.clone() };
        while !is_free(&target) {
            target.table = store.fit_name(names::apart(&target.table));
        }
        warn!(
            schema = %source.schema, table = %source.table, target = %target.table,
            "another table of the source has this name already; this one goes to a table of its own"
        );
        target
    }
}
