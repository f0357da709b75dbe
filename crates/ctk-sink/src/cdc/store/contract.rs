//! What every store must do, as tests that any of them can be put to.
//!
//! A store's own test module makes one, and calls these functions one after the other or each with a new store: each makes tables
//! of its own. Values are small integers and texts, which all databases hold; types are the business of each store's tests.

mod alterations;
mod rows;
mod tables;
mod universal;

use ctk_flow::{ColumnKind, Value};
use serde_json::Value as Json;

use super::{Alteration, Fate, Layout, NewColumn, NewTable, Op, Open, Store, TargetTable, Write};
use crate::{cdc::cell::Cell, columns::Place};

pub(crate) use self::{alterations::*, rows::*, tables::*, universal::*};

/// A store that is put to the test.
pub(crate) trait Probe: Store {
    /// It can be told to refuse equal values of a column.
    const HAS_UNIQUE: bool;

    /// A table can go into another schema.
    const CHANGES_SCHEMAS: bool;

    /// Where it keeps dead letters.
    fn letters(&self) -> TargetTable;

    /// Returns the rows of a table as objects without NULLs: numbers and texts as they are, the columns of the universal layout
    /// as objects, else whatever tells values apart.
    async fn rows(&mut self, table: &TargetTable) -> Vec<Json>;
}

/// Returns the name of a table in the default schema.
pub(crate) fn named<S: Store>(store: &S, table: &str) -> TargetTable {
    let schema = store.default_schema().unwrap_or_default().to_owned();
    TargetTable { schema, table: table.to_owned() }
}

pub(crate) fn column(name: &str, kind: ColumnKind) -> NewColumn {
    NewColumn { name: name.to_owned(), kind }
}

pub(crate) const INTEGER: ColumnKind = ColumnKind::Integer { bits: 64, signed: true };

/// Makes a table with a text for each name, except for those of the key, which are integers.
pub(crate) async fn make<S: Store>(
    store: &mut S,
    table: &str,
    layout: Layout,
    key: &[&str],
    others: &[&str],
) -> TargetTable {
    let table = named(store, table);
    let key_columns = key.iter().map(|name| column(name, INTEGER));
    let others = others.iter().map(|name| column(name, ColumnKind::Text));
    let new = NewTable {
        layout,
        columns: key_columns.chain(others).collect(),
        key: key.iter().map(|name| (*name).to_owned()).collect(),
    };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    table
}

/// Looks at a table as the engine does before it writes.
pub(crate) async fn open<S: Store>(
    store: &mut S,
    table: &TargetTable,
    layout: Layout,
    key: &[&str],
) -> Open<S::Holds> {
    let found = store.look(table).await.unwrap().expect("the table is there");
    let place = |name: &str| match found.columns.place(name) {
        Place::Column(slot) => slot,
        other => panic!("{name}: {other:?}"),
    };
    let of_key = if layout == Layout::Universal { &["pk"][..] } else { key };
    Open {
        name: table.clone(),
        layout,
        key: of_key.iter().map(|name| place(name)).collect(),
        columns: found.columns,
        key_names: key.iter().map(|name| (*name).to_owned()).collect(),
    }
}

/// Returns the places of columns.
pub(crate) fn slots<H>(open: &Open<H>, names: &[&str]) -> Vec<usize> {
    let place = |name: &&str| match open.columns.place(name) {
        Place::Column(slot) => slot,
        other => panic!("{name}: {other:?}"),
    };
    names.iter().map(place).collect()
}

pub(crate) fn int(value: i64) -> Cell<'static> {
    Cell::As(Value::Integer(value))
}

pub(crate) fn text(value: &str) -> Cell<'_> {
    Cell::As(Value::Text(value))
}

pub(crate) fn json(value: &str) -> Cell<'_> {
    Cell::As(Value::Json(value))
}

/// Does something with rows of these columns, all of which are to be written.
pub(crate) async fn done<S: Store>(
    store: &mut S,
    open: &Open<S::Holds>,
    op: Op,
    names: &[&str],
    rows: Vec<Vec<Cell<'_>>>,
) {
    let count = rows.len();
    let fates = tried(store, open, op, names, rows, Vec::new()).await;
    assert_eq!(fates, vec![None; count], "{op:?}");
}

/// The same, and returns what became of them.
pub(crate) async fn tried<'a, S: Store>(
    store: &mut S,
    open: &Open<S::Holds>,
    op: Op,
    names: &[&str],
    rows: Vec<Vec<Cell<'a>>>,
    from: Vec<Vec<Cell<'a>>>,
) -> Vec<Fate> {
    let write = Write { op, slots: slots(open, names), rows, from, masks: Vec::new() };
    store.write(open, &write).await.unwrap()
}

/// Gives a row another key and these cells, which is to succeed.
pub(crate) async fn moved<S: Store>(
    store: &mut S,
    open: &Open<S::Holds>,
    names: &[&str],
    from: Vec<Cell<'_>>,
    to: Vec<Cell<'_>>,
) {
    let shown = format!("{from:?} to {to:?}");
    let fates = tried(store, open, Op::Move, names, vec![to], vec![from]).await;
    assert_eq!(fates, [None], "{shown}");
}

/// Checks which keys there are rows of.
pub(crate) async fn found<S: Store>(
    store: &mut S,
    open: &Open<S::Holds>,
    keys: &[(Vec<Cell<'_>>, bool)],
) {
    let (cells, expected): (Vec<_>, Vec<_>) = keys.iter().cloned().unzip();
    assert_eq!(store.find(open, &cells).await.unwrap(), expected, "{cells:?}");
    // Each alone as well.
    for (key, expected) in keys {
        let found = store.find(open, std::slice::from_ref(key)).await.unwrap();
        assert_eq!(found, [*expected], "{key:?}");
    }
    assert_eq!(store.find(open, &[]).await.unwrap(), Vec::<bool>::new());
}

/// Changes a table, which is to succeed, also when it is asked for again.
pub(crate) async fn altered<S: Store>(
    store: &mut S,
    table: &TargetTable,
    layout: Layout,
    alteration: Alteration,
) {
    for time in ["first", "again"] {
        let fate = store.alter(table, layout, &alteration).await.unwrap();
        assert_eq!(fate, None, "{alteration:?}, {time}");
    }
}

/// Checks the rows of a table, in any order.
pub(crate) async fn check<S: Probe>(store: &mut S, table: &TargetTable, expected: Json) {
    let sorted = |mut rows: Vec<Json>| {
        rows.sort_by_key(Json::to_string);
        rows
    };
    let Json::Array(expected) = expected else { panic!("an array is expected: {expected}") };
    let rows = store.rows(table).await;
    assert_eq!(sorted(rows), sorted(expected), "{table:?}");
}
