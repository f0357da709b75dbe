//! Rows in the universal layout: `pk`, `data`, `aux`.

use serde_json::json;

use super::*;

const LAYOUT: Layout = Layout::Universal;

/// Rows are put, patched and deleted. A member keeps its type, since not all databases let it have another one.
pub(crate) async fn objects_are_written<S: Probe>(store: &mut S) {
    let table = make(store, "u_rows", LAYOUT, &["id"], &[]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let first = (r#"{"a": "x", "b": [1, null]}"#, r#"{"l": [1, "x"]}"#);
    for _ in 0..2 {
        let rows = vec![
            vec![json(r#"{"id": 1}"#), json(first.0), json(first.1)],
            vec![json(r#"{"id": 2}"#), json("{}"), json("{}")],
            vec![json(r#"{"id": 3}"#), json(r#"{"a": "z"}"#), json("{}")],
        ];
        done(store, &open, Op::Put, &["pk", "data", "aux"], rows).await;
        let expected = json!([
            {"pk": {"id": 1}, "data": {"a": "x", "b": [1, null]}, "aux": {"l": [1, "x"]}},
            {"pk": {"id": 2}, "data": {}, "aux": {}},
            {"pk": {"id": 3}, "data": {"a": "z"}, "aux": {}},
        ]);
        check(store, &table, expected).await;
    }
    // Members that are not named go with a put, and stay with a patch.
    let rows = vec![vec![json(r#"{"id": 1}"#), json(r#"{"a": "X"}"#)]];
    done(store, &open, Op::Put, &["pk", "data"], rows).await;
    let rows = vec![
        vec![json(r#"{"id": 3}"#), json(r#"{"c": "added", "b": null}"#)],
        vec![json(r#"{"id": 4}"#), json(r#"{"a": "new"}"#)],
    ];
    for _ in 0..2 {
        done(store, &open, Op::Patch, &["pk", "data"], rows.clone()).await;
    }
    let rows = vec![vec![json(r#"{"id": 2}"#)], vec![json(r#"{"id": 9}"#)]];
    done(store, &open, Op::Delete, &["pk"], rows).await;
    let expected = json!([
        {"pk": {"id": 1}, "data": {"a": "X"}, "aux": {"l": [1, "x"]}},
        {"pk": {"id": 3}, "data": {"a": "z", "b": null, "c": "added"}, "aux": {}},
        {"pk": {"id": 4}, "data": {"a": "new"}, "aux": {}},
    ]);
    check(store, &table, expected).await;
}

/// Rows get other keys, with all that they have.
pub(crate) async fn objects_are_moved<S: Probe>(store: &mut S) {
    let table = make(store, "u_move", LAYOUT, &["id"], &[]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let rows = vec![
        vec![json(r#"{"id": 1}"#), json(r#"{"a": "one"}"#), json(r#"{"l": [1, "x"]}"#)],
        vec![json(r#"{"id": 2}"#), json(r#"{"a": "two"}"#), json("{}")],
        vec![json(r#"{"id": 3}"#), json(r#"{"a": "three", "b": 3}"#), json("{}")],
    ];
    done(store, &open, Op::Put, &["pk", "data", "aux"], rows).await;
    for _ in 0..2 {
        for (from, to, data) in [
            (r#"{"id": 1}"#, r#"{"id": 7}"#, r#"{"c": "moved"}"#),
            // There is one: it stays.
            (r#"{"id": 2}"#, r#"{"id": 3}"#, r#"{"c": "again"}"#),
            (r#"{"id": 5}"#, r#"{"id": 6}"#, r#"{"a": "none before"}"#),
            (r#"{"id": 6}"#, r#"{"id": 6}"#, r#"{"c": "itself"}"#),
        ] {
            moved(store, &open, &["pk", "data"], vec![json(from)], vec![json(to), json(data)])
                .await;
        }
        let expected = json!([
            {"pk": {"id": 3}, "data": {"a": "three", "b": 3, "c": "again"}, "aux": {}},
            {"pk": {"id": 6}, "data": {"a": "none before", "c": "itself"}, "aux": {}},
            {"pk": {"id": 7}, "data": {"a": "one", "c": "moved"}, "aux": {"l": [1, "x"]}},
        ]);
        check(store, &table, expected).await;
    }
}

/// It is told which keys there are rows of.
pub(crate) async fn objects_are_found<S: Probe>(store: &mut S) {
    let table = make(store, "u_find", LAYOUT, &["id"], &[]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    found(store, &open, &[(vec![json(r#"{"id": 1}"#)], false)]).await;
    let rows = vec![vec![json(r#"{"id": 1}"#), json(r#"{"a": "one"}"#)]];
    done(store, &open, Op::Put, &["pk", "data"], rows).await;
    let keys = [
        (vec![json(r#"{"id": 2}"#)], false),
        (vec![json(r#"{"id": 1}"#)], true),
        (vec![json(r#"{"id": "no number"}"#)], false),
        (vec![json("{}")], false),
    ];
    found(store, &open, &keys).await;
}

/// Keys of several members, of texts and numbers.
pub(crate) async fn objects_have_keys_of_several_members<S: Probe>(store: &mut S) {
    let table = named(store, "u_keys");
    let new = NewTable {
        layout: LAYOUT,
        columns: vec![column("tenant", ColumnKind::Text), column("n", INTEGER)],
        key: vec!["tenant".into(), "n".into()],
    };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    let open = open(store, &table, LAYOUT, &["tenant", "n"]).await;
    let key = |tenant: &str, n: i64| Cell::Json(json!({"tenant": tenant, "n": n}).to_string());
    let names = ["pk", "data"];
    let rows = vec![
        vec![key("a", 1), json(r#"{"v": 1}"#)],
        vec![key("a", 2), json(r#"{"v": 2}"#)],
        vec![key("b \"", 1), json(r#"{"v": 3}"#)],
    ];
    done(store, &open, Op::Put, &names, rows).await;
    done(store, &open, Op::Patch, &names, vec![vec![key("b \"", 1), json(r#"{"w": 4}"#)]]).await;
    done(store, &open, Op::Delete, &["pk"], vec![vec![key("a", 1)]]).await;
    let expected = json!([
        {"pk": {"tenant": "a", "n": 2}, "data": {"v": 2}, "aux": {}},
        {"pk": {"tenant": "b \"", "n": 1}, "data": {"v": 3, "w": 4}, "aux": {}},
    ]);
    check(store, &table, expected).await;
}

/// Changes of the table are changes of the members.
pub(crate) async fn members_are_altered<S: Probe>(store: &mut S) {
    let table = make(store, "u_alter", LAYOUT, &["id"], &[]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let rows = vec![
        vec![json(r#"{"id": 1}"#), json(r#"{"a": "x", "b": 1, "c": {"a": 1}}"#)],
        vec![json(r#"{"id": 2}"#), json(r#"{"a": "y"}"#)],
    ];
    done(store, &open, Op::Put, &["pk", "data"], rows).await;
    altered(store, &table, LAYOUT, Alteration::AddColumns(vec![column("d", INTEGER)])).await;
    altered(store, &table, LAYOUT, Alteration::ChangeColumn(column("a", INTEGER))).await;
    let rename = Alteration::RenameColumn { from: "b".into(), to: "B2".into() };
    altered(store, &table, LAYOUT, rename).await;
    altered(store, &table, LAYOUT, Alteration::DropColumn("a".into())).await;
    let expected = json!([
        {"pk": {"id": 1}, "data": {"B2": 1, "c": {"a": 1}}, "aux": {}},
        {"pk": {"id": 2}, "data": {}, "aux": {}},
    ]);
    check(store, &table, expected).await;
    let renamed = named(store, "u_altered");
    altered(store, &table, LAYOUT, Alteration::Rename(renamed.clone())).await;
    assert_eq!(store.rows(&renamed).await.len(), 2);
    altered(store, &renamed, LAYOUT, Alteration::Truncate).await;
    check(store, &renamed, json!([])).await;
    altered(store, &renamed, LAYOUT, Alteration::Drop).await;
    assert!(store.look(&renamed).await.unwrap().is_none());
}
