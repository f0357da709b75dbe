//! Rows in columns of their own.

use serde_json::json;

use super::*;

const LAYOUT: Layout = Layout::Direct;

/// Rows come, and come again changed: they are exactly what they are told to be, and other columns stay.
pub(crate) async fn rows_are_put<S: Probe>(store: &mut S) {
    let table = make(store, "c_put", LAYOUT, &["id"], &["a", "b"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let rows = || vec![vec![int(1), text("x"), text("y")], vec![int(2), text("z"), Cell::NULL]];
    done(store, &open, Op::Put, &["id", "a", "b"], rows()).await;
    done(store, &open, Op::Put, &["id", "a", "b"], rows()).await;
    check(store, &table, json!([{"id": 1, "a": "x", "b": "y"}, {"id": 2, "a": "z"}])).await;

    let rows = vec![vec![int(3), text("new")], vec![int(1), Cell::NULL]];
    done(store, &open, Op::Put, &["id", "a"], rows).await;
    let expected = json!([{"id": 1, "b": "y"}, {"id": 2, "a": "z"}, {"id": 3, "a": "new"}]);
    check(store, &table, expected).await;

    // Nothing but the key, in another order, and nothing at all.
    done(store, &open, Op::Put, &["id"], vec![vec![int(4)], vec![int(2)]]).await;
    done(store, &open, Op::Put, &["id", "b", "a"], Vec::new()).await;
    done(store, &open, Op::Put, &["id", "b", "a"], vec![vec![int(4), text("b"), text("a")]]).await;
    let expected = json!([
        {"id": 1, "b": "y"},
        {"id": 2, "a": "z"},
        {"id": 3, "a": "new"},
        {"id": 4, "a": "a", "b": "b"},
    ]);
    check(store, &table, expected).await;
}

/// What a row has is changed, the rest stays; a missing row becomes one.
pub(crate) async fn rows_are_patched<S: Probe>(store: &mut S) {
    let table = make(store, "c_patch", LAYOUT, &["id"], &["a", "b"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    done(store, &open, Op::Put, &["id", "a", "b"], vec![vec![int(1), text("x"), text("y")]]).await;
    for _ in 0..2 {
        let rows = vec![vec![int(1), text("changed")], vec![int(2), text("new")]];
        done(store, &open, Op::Patch, &["id", "b"], rows).await;
        let expected = json!([{"id": 1, "a": "x", "b": "changed"}, {"id": 2, "b": "new"}]);
        check(store, &table, expected).await;
    }
    done(store, &open, Op::Patch, &["id"], vec![vec![int(1)], vec![int(3)]]).await;
    done(store, &open, Op::Patch, &["id", "a"], vec![vec![int(1), Cell::NULL]]).await;
    done(store, &open, Op::Patch, &["id", "a"], Vec::new()).await;
    let expected = json!([{"id": 1, "b": "changed"}, {"id": 2, "b": "new"}, {"id": 3}]);
    check(store, &table, expected).await;
}

/// Rows go, also those that are not there.
pub(crate) async fn rows_are_deleted<S: Probe>(store: &mut S) {
    let table = make(store, "c_delete", LAYOUT, &["id"], &["a"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let rows = (1..=4).map(|id| vec![int(id), text("x")]).collect();
    done(store, &open, Op::Put, &["id", "a"], rows).await;
    for _ in 0..2 {
        let rows = vec![vec![int(1)], vec![int(9)], vec![int(3)]];
        done(store, &open, Op::Delete, &["id"], rows).await;
        check(store, &table, json!([{"id": 2, "a": "x"}, {"id": 4, "a": "x"}])).await;
    }
    done(store, &open, Op::Delete, &["id"], Vec::new()).await;
    check(store, &table, json!([{"id": 2, "a": "x"}, {"id": 4, "a": "x"}])).await;
}

/// Rows get other keys. One that is there with the new key stays, since it is from a later time.
pub(crate) async fn rows_are_moved<S: Probe>(store: &mut S) {
    let table = make(store, "c_move", LAYOUT, &["id"], &["a", "b"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let names: Vec<String> = (1..=6).map(|id| format!("b{id}")).collect();
    let rows = (1..).zip(&names).map(|(id, name)| vec![int(id), text("old"), text(name)]).collect();
    done(store, &open, Op::Put, &["id", "a", "b"], rows).await;
    // 1 goes where none is, 2 where 3 is, once more; 8 is missing, and becomes 9.
    for _ in 0..2 {
        for (from, to, name) in [(1, 10, "one"), (2, 3, "two"), (8, 9, "eight")] {
            moved(store, &open, &["id", "a"], vec![int(from)], vec![int(to), text(name)]).await;
        }
    }
    let expected = json!([
        {"id": 10, "a": "one", "b": "b1"},
        {"id": 3, "a": "two", "b": "b3"},
        {"id": 4, "a": "old", "b": "b4"},
        {"id": 5, "a": "old", "b": "b5"},
        {"id": 6, "a": "old", "b": "b6"},
        {"id": 9, "a": "eight"},
    ]);
    check(store, &table, expected).await;
    // Nothing but the key, also where one is, or is itself, or none was.
    for (from, to) in [(10, 11), (4, 5), (3, 3), (20, 21), (20, 11)] {
        moved(store, &open, &["id"], vec![int(from)], vec![int(to)]).await;
    }
    moved(store, &open, &["id", "a"], vec![int(6)], vec![int(6), text("six")]).await;
    let expected = json!([
        {"id": 11, "a": "one", "b": "b1"},
        {"id": 3, "a": "two", "b": "b3"},
        {"id": 5, "a": "old", "b": "b5"},
        {"id": 6, "a": "six", "b": "b6"},
        {"id": 9, "a": "eight"},
        {"id": 21},
    ]);
    check(store, &table, expected).await;
}

/// It is told which keys there are rows of, also between writes. What the column cannot hold is no row's.
pub(crate) async fn rows_are_found<S: Probe>(store: &mut S) {
    let table = make(store, "c_find", LAYOUT, &["id"], &["a"]).await;
    let by_id = open(store, &table, LAYOUT, &["id"]).await;
    let no_number = || vec![text("no number")];
    let missing = [(vec![int(1)], false), (no_number(), false), (vec![Cell::NULL], false)];
    found(store, &by_id, &missing).await;
    let rows = vec![vec![int(1), text("x")], vec![int(-2), Cell::NULL]];
    done(store, &by_id, Op::Put, &["id", "a"], rows).await;
    let keys = [
        (no_number(), false),
        (vec![int(1)], true),
        (vec![int(2)], false),
        (vec![Cell::NULL], false),
        (vec![int(-2)], true),
        (vec![int(1)], true),
    ];
    found(store, &by_id, &keys).await;
    done(store, &by_id, Op::Delete, &["id"], vec![vec![int(1)], vec![int(7)]]).await;
    found(store, &by_id, &[(vec![int(1)], false), (vec![int(-2)], true)]).await;
    check(store, &table, json!([{"id": -2}])).await;

    let table = named(store, "c_finds");
    let columns = vec![column("b", INTEGER), column("a", ColumnKind::Text)];
    let new = NewTable { layout: LAYOUT, columns, key: vec!["a".into(), "b".into()] };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    let by_both = open(store, &table, LAYOUT, &["a", "b"]).await;
    let rows = vec![vec![text("x"), int(1)], vec![text("y \""), int(2)]];
    done(store, &by_both, Op::Put, &["a", "b"], rows).await;
    let keys = [
        (vec![text("x"), int(1)], true),
        (vec![text("x"), int(2)], false),
        (vec![text("y \""), int(2)], true),
        (vec![text("X"), int(1)], false),
    ];
    found(store, &by_both, &keys).await;
}

/// A key of two columns, in another order than that of the columns.
pub(crate) async fn keys_have_several_columns<S: Probe>(store: &mut S) {
    let table = named(store, "c_keys");
    let new = NewTable {
        layout: LAYOUT,
        columns: vec![
            column("v", ColumnKind::Text),
            column("b", INTEGER),
            column("a", ColumnKind::Text),
        ],
        key: vec!["a".into(), "b".into()],
    };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    assert_eq!(store.look(&table).await.unwrap().unwrap().key, ["a", "b"]);
    let open = open(store, &table, LAYOUT, &["a", "b"]).await;
    let names = ["a", "b", "v"];
    let rows = vec![
        vec![text("x"), int(1), text("x1")],
        vec![text("x"), int(2), text("x2")],
        vec![text("y"), int(1), text("y1")],
    ];
    done(store, &open, Op::Put, &names, rows).await;
    done(store, &open, Op::Patch, &names, vec![vec![text("x"), int(2), text("X2")]]).await;
    done(store, &open, Op::Delete, &["a", "b"], vec![vec![text("x"), int(1)]]).await;
    let to = vec![text("y"), int(2), text("Y2")];
    moved(store, &open, &names, vec![text("y"), int(1)], to).await;
    let expected = json!([{"a": "x", "b": 2, "v": "X2"}, {"a": "y", "b": 2, "v": "Y2"}]);
    check(store, &table, expected).await;
}

/// Makes a table whose column `u` holds no value twice; none when the store cannot.
async fn with_unique<S: Probe>(store: &mut S, name: &str) -> Option<TargetTable> {
    if !S::HAS_UNIQUE {
        return None;
    }
    let table = make(store, name, LAYOUT, &["id"], &["u"]).await;
    altered(store, &table, LAYOUT, Alteration::MakeUnique(vec!["u".into()])).await;
    Some(table)
}

/// Many rows, of which a few are refused: these alone, each with the reason.
pub(crate) async fn refused_rows_are_found_among_many<S: Probe>(store: &mut S) {
    let Some(table) = with_unique(store, "c_refused").await else { return };
    let open = open(store, &table, LAYOUT, &["id"]).await;
    done(store, &open, Op::Put, &["id", "u"], vec![vec![int(0), text("taken")]]).await;
    let name = |id| if id == 7 || id == 100 { "taken".to_owned() } else { format!("{id}") };
    let names: Vec<String> = (1..=100).map(name).collect();
    for op in [Op::Put, Op::Patch, Op::Put] {
        let rows = (1..).zip(&names).map(|(id, name)| vec![int(id), text(name)]).collect();
        let fates = tried(store, &open, op, &["id", "u"], rows, Vec::new()).await;
        let refused: Vec<_> =
            (1..).zip(&fates).filter(|(_, fate)| fate.is_some()).map(|(id, _)| id).collect();
        assert_eq!(refused, [7, 100], "{op:?}");
        assert!(fates.iter().flatten().all(|why| !why.is_empty()));
        assert_eq!(store.rows(&table).await.len(), 99);
    }
    // A refused row stays as it was, and so does the one whose key it was to have.
    for to in [201, 2] {
        let (to, from) = (vec![int(to), text("taken")], vec![int(1)]);
        let fates = tried(store, &open, Op::Move, &["id", "u"], vec![to], vec![from]).await;
        assert!(fates[0].is_some());
        let rows = store.rows(&table).await;
        assert_eq!(rows.len(), 99);
        assert!(rows.contains(&json!({"id": 1, "u": "1"})));
        assert!(rows.contains(&json!({"id": 2, "u": "2"})));
    }
}

/// A value that one row lets go of is there for another one that comes with it, whatever their order.
pub(crate) async fn unique_values_are_handed_over<S: Probe>(store: &mut S) {
    let Some(table) = with_unique(store, "c_handed").await else { return };
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let rows = vec![vec![int(1), text("a")], vec![int(2), text("b")], vec![int(3), text("c")]];
    done(store, &open, Op::Put, &["id", "u"], rows).await;
    let rows = vec![vec![int(1), text("b")], vec![int(2), text("c")], vec![int(3), text("d")]];
    done(store, &open, Op::Put, &["id", "u"], rows).await;
    let expected = json!([{"id": 1, "u": "b"}, {"id": 2, "u": "c"}, {"id": 3, "u": "d"}]);
    check(store, &table, expected).await;
    // Also when a row goes, as there is one with its new key.
    moved(store, &open, &["id", "u"], vec![int(1)], vec![int(2), text("b")]).await;
    check(store, &table, json!([{"id": 2, "u": "b"}, {"id": 3, "u": "d"}])).await;
}
