//! What all stores must do: see [`contract`].

use super::*;
use crate::cdc::store::contract::Probe;

/// The store on a double of its own, with tables in `doc`.
struct Probed {
    target: Target,
    store: CrateStore,
}

async fn probed() -> Probed {
    let target = Target::of(CrateDb::start().await.unwrap());
    let store = CrateStore::new(client(&target), settings("doc"));
    Probed { target, store }
}

impl Probe for Probed {
    const HAS_UNIQUE: bool = false;
    const CHANGES_SCHEMAS: bool = false;

    fn letters(&self) -> TargetTable {
        TargetTable { schema: "doc".into(), table: LETTERS.into() }
    }

    async fn rows(&mut self, table: &TargetTable) -> Vec<Json> {
        rows(&self.target, table).await
    }
}

impl Store for Probed {
    type Holds = Holding;

    const NAMING: Naming = CrateStore::NAMING;

    const MASKS: bool = false;

    fn default_schema(&self) -> Option<&'static str> {
        self.store.default_schema()
    }

    fn fit_name(&self, name: String) -> String {
        self.store.fit_name(name)
    }

    fn tables(&mut self) -> impl Future<Output = Result<Vec<TargetTable>, SinkError>> + Send {
        self.store.tables()
    }

    fn look(
        &mut self,
        table: &TargetTable,
    ) -> impl Future<Output = Result<Option<Found<Holding>>, SinkError>> + Send {
        self.store.look(table)
    }

    fn create(
        &mut self,
        table: &TargetTable,
        new: &NewTable,
    ) -> impl Future<Output = Result<Fate, SinkError>> + Send {
        self.store.create(table, new)
    }

    fn alter(
        &mut self,
        table: &TargetTable,
        layout: Layout,
        alteration: &Alteration,
    ) -> impl Future<Output = Result<Fate, SinkError>> + Send {
        self.store.alter(table, layout, alteration)
    }

    fn write(
        &mut self,
        table: &Open<Holding>,
        write: &Write<'_>,
    ) -> impl Future<Output = Result<Vec<Fate>, SinkError>> + Send {
        self.store.write(table, write)
    }

    fn find(
        &mut self,
        table: &Open<Holding>,
        keys: &[Vec<Cell<'_>>],
    ) -> impl Future<Output = Result<Vec<bool>, SinkError>> + Send {
        self.store.find(table, keys)
    }

    fn keep(
        &mut self,
        shard: &ShardId,
        table: &str,
        letters: &[DeadLetter],
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        self.store.keep(shard, table, letters)
    }

    fn definitions(&mut self) -> impl Future<Output = Result<Vec<String>, SinkError>> + Send {
        self.store.definitions()
    }

    fn define(
        &mut self,
        source: &SourceTable,
        definition: Option<&str>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send {
        self.store.define(source, definition)
    }
}

macro_rules! contracts {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                contract::$name(&mut probed().await).await;
            }
        )*
    };
}

contracts! {
    rows_are_put
    rows_are_patched
    rows_are_deleted
    rows_are_moved
    rows_are_found
    keys_have_several_columns
    refused_rows_are_found_among_many
    unique_values_are_handed_over
    objects_are_written
    objects_are_moved
    objects_are_found
    tables_are_made
    columns_of_all_kinds_are_made
    names_are_kept
    letters_are_kept
    definitions_are_stored
    columns_are_altered
    key_columns_stay
    types_are_changed
    tables_are_altered
    columns_are_made_unique
    keys_are_told_late
    objects_have_keys_of_several_members
    members_are_altered
}
