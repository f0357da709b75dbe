//! Changes of tables with columns of their own.

use serde_json::json;

use super::*;

const LAYOUT: Layout = Layout::Direct;

async fn with_one_row<S: Probe>(store: &mut S, name: &str) -> TargetTable {
    let table = make(store, name, LAYOUT, &["id"], &["a", "b"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    done(store, &open, Op::Put, &["id", "a", "b"], vec![vec![int(1), text("x"), text("2")]]).await;
    table
}

/// Columns come, go, and get other names.
pub(crate) async fn columns_are_altered<S: Probe>(store: &mut S) {
    let table = with_one_row(store, "a_columns").await;
    let add = vec![column("c", ColumnKind::Text), column("a", INTEGER), column("d", INTEGER)];
    altered(store, &table, LAYOUT, Alteration::AddColumns(add)).await;
    altered(store, &table, LAYOUT, Alteration::AddColumns(Vec::new())).await;
    let opened = open(store, &table, LAYOUT, &["id"]).await;
    let row = vec![int(1), text("y"), int(4)];
    done(store, &opened, Op::Patch, &["id", "c", "d"], vec![row]).await;
    check(store, &table, json!([{"id": 1, "a": "x", "b": "2", "c": "y", "d": 4}])).await;

    let rename =
        |from: &str, to: &str| Alteration::RenameColumn { from: from.into(), to: to.into() };
    altered(store, &table, LAYOUT, rename("a", "A2")).await;
    altered(store, &table, LAYOUT, rename("none", "new")).await;
    altered(store, &table, LAYOUT, Alteration::DropColumn("c".into())).await;
    check(store, &table, json!([{"id": 1, "A2": "x", "b": "2", "d": 4}])).await;
    let fate = store.alter(&table, LAYOUT, &rename("b", "d")).await.unwrap();
    assert!(fate.is_some(), "the name is taken");
    altered(store, &table, LAYOUT, rename("id", "key")).await;
    assert_eq!(store.look(&table).await.unwrap().unwrap().key, ["key"]);
    let opened = open(store, &table, LAYOUT, &["key"]).await;
    done(store, &opened, Op::Patch, &["key", "d"], vec![vec![int(1), int(5)]]).await;
    check(store, &table, json!([{"key": 1, "A2": "x", "b": "2", "d": 5}])).await;
}

/// The key of a table cannot go.
pub(crate) async fn key_columns_stay<S: Probe>(store: &mut S) {
    let table = with_one_row(store, "a_key").await;
    let fate = store.alter(&table, LAYOUT, &Alteration::DropColumn("id".into())).await.unwrap();
    assert!(fate.is_some());
    check(store, &table, json!([{"id": 1, "a": "x", "b": "2"}])).await;
}

/// A column gets another type only if its values can be kept. Where types are advice, nothing is lost by any.
pub(crate) async fn types_are_changed<S: Probe>(store: &mut S) {
    let table = with_one_row(store, "a_types").await;
    let change = |name: &str, kind| Alteration::ChangeColumn(column(name, kind));
    altered(store, &table, LAYOUT, change("b", ColumnKind::Text)).await;
    let fate = store.alter(&table, LAYOUT, &change("a", INTEGER)).await.unwrap();
    let rows = store.rows(&table).await;
    assert_eq!(rows, [json!({"id": 1, "a": "x", "b": "2"})], "{fate:?}");
}

/// Tables are emptied, renamed, and dropped.
pub(crate) async fn tables_are_altered<S: Probe>(store: &mut S) {
    let table = with_one_row(store, "a_table").await;
    let other = with_one_row(store, "a_other").await;
    let renamed = named(store, "A new");
    altered(store, &table, LAYOUT, Alteration::Rename(renamed.clone())).await;
    assert!(store.look(&table).await.unwrap().is_none());
    check(store, &renamed, json!([{"id": 1, "a": "x", "b": "2"}])).await;
    let fate = store.alter(&renamed, LAYOUT, &Alteration::Rename(other.clone())).await.unwrap();
    assert!(fate.is_some(), "the name is taken");
    // The old name is free.
    with_one_row(store, "a_table").await;
    altered(store, &renamed, LAYOUT, Alteration::Truncate).await;
    check(store, &renamed, json!([])).await;
    altered(store, &renamed, LAYOUT, Alteration::Drop).await;
    assert!(store.look(&renamed).await.unwrap().is_none());
    let never = named(store, "a_never");
    for alteration in [
        Alteration::Truncate,
        Alteration::DropColumn("a".into()),
        Alteration::AddColumns(vec![column("a", INTEGER)]),
        Alteration::ChangeColumn(column("a", INTEGER)),
        Alteration::RenameColumn { from: "a".into(), to: "b".into() },
        Alteration::MakeUnique(vec!["a".into()]),
        Alteration::Rename(never),
    ] {
        altered(store, &renamed, LAYOUT, alteration).await;
    }
    assert!(store.look(&renamed).await.unwrap().is_none());
    if store.default_schema().is_some() {
        let away = TargetTable { schema: "a schema".into(), table: "a.table".into() };
        altered(store, &other, LAYOUT, Alteration::Rename(away.clone())).await;
        check(store, &away, json!([{"id": 1, "a": "x", "b": "2"}])).await;
    }
}

/// Columns become unique together, unless they are not.
pub(crate) async fn columns_are_made_unique<S: Probe>(store: &mut S) {
    if !S::HAS_UNIQUE {
        return;
    }
    let table = with_one_row(store, "a_unique").await;
    let names = ["id", "a", "b"];
    let by_id = open(store, &table, LAYOUT, &["id"]).await;
    done(store, &by_id, Op::Put, &names, vec![vec![int(2), text("x"), text("3")]]).await;
    let unique = |names: &[&str]| {
        Alteration::MakeUnique(names.iter().map(|name| (*name).to_owned()).collect())
    };
    let fate = store.alter(&table, LAYOUT, &unique(&["a"])).await.unwrap();
    assert!(fate.is_some(), "there are equal values");
    altered(store, &table, LAYOUT, unique(&["a", "b"])).await;
    let rows = vec![vec![int(3), text("x"), text("3")], vec![int(4), text("x"), text("4")]];
    let fates = tried(store, &by_id, Op::Put, &names, rows, Vec::new()).await;
    assert!(fates[0].is_some() && fates[1].is_none(), "{fates:?}");
    // Rows can be found by them.
    let by_both = open(store, &table, LAYOUT, &["a", "b"]).await;
    let rows = vec![vec![text("x"), text("4"), int(5)]];
    done(store, &by_both, Op::Patch, &["a", "b", "id"], rows).await;
    done(store, &by_both, Op::Delete, &["a", "b"], vec![vec![text("x"), text("2")]]).await;
    let expected = json!([{"id": 2, "a": "x", "b": "3"}, {"id": 5, "a": "x", "b": "4"}]);
    check(store, &table, expected).await;
}
