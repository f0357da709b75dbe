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

/// Rows get other keys.
pub(crate) async fn rows_are_moved<S: Probe>(store: &mut S) {
    let table = make(store, "c_move", LAYOUT, &["id"], &["a", "b"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let rows = (1..=3).map(|id| vec![int(id), text("a"), text("b")]).collect();
    done(store, &open, Op::Put, &["id", "a", "b"], rows).await;
    // 1 goes where none is, 2 where 3 is; 8 is missing, and becomes 9.
    let rows =
        vec![vec![int(10), text("one")], vec![int(3), text("two")], vec![int(9), text("eight")]];
    moved(store, &open, &["id", "a"], rows, &[1, 2, 8]).await;
    let expected = json!([
        {"id": 10, "a": "one", "b": "b"},
        {"id": 3, "a": "two", "b": "b"},
        {"id": 9, "a": "eight"},
    ]);
    check(store, &table, expected).await;
    // Again: the old ones are gone, so these are patches.
    let rows = vec![vec![int(10), text("one")], vec![int(3), text("two!")]];
    moved(store, &open, &["id", "a"], rows, &[1, 2]).await;
    // Nothing but the key, also where it is already; nothing at all.
    moved(store, &open, &["id"], vec![vec![int(11)], vec![int(3)]], &[10, 3]).await;
    moved(store, &open, &["id", "a"], Vec::new(), &[]).await;
    let expected = json!([
        {"id": 11, "a": "one", "b": "b"},
        {"id": 3, "a": "two!", "b": "b"},
        {"id": 9, "a": "eight"},
    ]);
    check(store, &table, expected).await;
}

async fn moved<S: Probe>(
    store: &mut S,
    open: &Open<S::Holds>,
    names: &[&str],
    rows: Vec<Vec<Cell<'_>>>,
    from: &[i64],
) {
    let from = from.iter().map(|id| vec![int(*id)]).collect();
    let count = rows.len();
    let fates = tried(store, open, Op::Move, names, rows, from).await;
    assert_eq!(fates, vec![None; count]);
}

/// Rows that take each other's keys are moved as if all went at the same time.
pub(crate) async fn rows_change_places<S: Probe>(store: &mut S) {
    let table = make(store, "c_places", LAYOUT, &["id"], &["a", "b"]).await;
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let names: Vec<String> = (1..=5).map(|id| id.to_string()).collect();
    let rows = (1..).zip(&names).map(|(id, name)| vec![int(id), text("old"), text(name)]).collect();
    done(store, &open, Op::Put, &["id", "a", "b"], rows).await;
    // 1 and 2 change places; 3 to 4 to 5 to 6.
    let rows = [2, 1, 4, 5, 6].iter().map(|to| vec![int(*to), text("new")]).collect();
    moved(store, &open, &["id", "a"], rows, &[1, 2, 3, 4, 5]).await;
    let expected = json!([
        {"id": 1, "a": "new", "b": "2"},
        {"id": 2, "a": "new", "b": "1"},
        {"id": 4, "a": "new", "b": "3"},
        {"id": 5, "a": "new", "b": "4"},
        {"id": 6, "a": "new", "b": "5"},
    ]);
    check(store, &table, expected).await;
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
    let rows = vec![vec![text("y"), int(2), text("Y2")]];
    let from = vec![vec![text("y"), int(1)]];
    assert_eq!(tried(store, &open, Op::Move, &names, rows, from).await, [None]);
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
    let from = vec![vec![int(1)], vec![int(2)]];
    let rows = vec![vec![int(201), text("taken")], vec![int(202), text("two")]];
    let fates = tried(store, &open, Op::Move, &["id", "u"], rows, from).await;
    assert!(fates[0].is_some() && fates[1].is_none(), "{fates:?}");
    let rows = store.rows(&table).await;
    assert!(rows.contains(&json!({"id": 1, "u": "1"})), "a refused row stays as it was");
    assert!(rows.contains(&json!({"id": 202, "u": "two"})));
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
}
