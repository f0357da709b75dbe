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
    let renamed = store.fit_name("A new".into());
    let renamed = named(store, &renamed);
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
        let [schema, name] = ["a schema", "a.table"].map(|name| store.fit_name(name.into()));
        let away = TargetTable { schema, table: name };
        let rename = Alteration::Rename(away.clone());
        let is_at = if S::CHANGES_SCHEMAS {
            altered(store, &other, LAYOUT, rename).await;
            away
        } else {
            assert!(store.alter(&other, LAYOUT, &rename).await.unwrap().is_some());
            other
        };
        check(store, &is_at, json!([{"id": 1, "a": "x", "b": "2"}])).await;
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

/// Rows came before their key was told, so each has the id of its message for one. Later rows have none.
pub(crate) async fn keys_are_told_late<S: Probe>(store: &mut S) {
    if !S::HAS_UNIQUE {
        return;
    }
    let id = S::MESSAGE_ID;
    let table = named(store, "a_late");
    let columns =
        vec![column(id, ColumnKind::Text), column("id", INTEGER), column("v", ColumnKind::Text)];
    let new = NewTable { layout: LAYOUT, columns, key: vec![id.to_owned()] };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    let by_message = open(store, &table, LAYOUT, &[id]).await;
    let names = [id, "id", "v"];
    let rows = vec![
        vec![text("m1"), int(1), text("x")],
        vec![text("m2"), int(1), text("y")],
        vec![text("m3"), int(3), text("z")],
    ];
    done(store, &by_message, Op::Put, &names, rows).await;
    let unique = || Alteration::MakeUnique(vec!["id".into()]);
    let fate = store.alter(&table, LAYOUT, &unique()).await.unwrap();
    assert!(fate.is_some_and(|why| !why.is_empty()), "there are equal values");
    // It is as it was.
    assert_eq!(store.look(&table).await.unwrap().unwrap().key, [id]);
    let rows = vec![vec![text("m2"), int(2), text("y")]];
    done(store, &by_message, Op::Put, &names, rows).await;
    altered(store, &table, LAYOUT, unique()).await;

    let by_id = open(store, &table, LAYOUT, &["id"]).await;
    let rows =
        || vec![vec![int(4), text("new")], vec![int(1), text("put")], vec![int(5), text("new")]];
    done(store, &by_id, Op::Put, &["id", "v"], rows()).await;
    done(store, &by_id, Op::Put, &["id", "v"], rows()).await;
    let rows = vec![vec![int(2), text("patched")], vec![int(6), text("patched")]];
    done(store, &by_id, Op::Patch, &["id", "v"], rows).await;
    done(store, &by_id, Op::Delete, &["id"], vec![vec![int(5)]]).await;
    moved(store, &by_id, &["id"], vec![int(3)], vec![int(7)]).await;
    let expected = json!([
        {id: "m1", "id": 1, "v": "put"},
        {id: "m2", "id": 2, "v": "patched"},
        {"id": 4, "v": "new"},
        {"id": 6, "v": "patched"},
        {id: "m3", "id": 7, "v": "z"},
    ]);
    check(store, &table, expected).await;
}
