//! Making tables, looking at them, and what is kept beside them.

use ctk_flow::{DeadLetter, Origin, Reason, Sequence, ShardId, SourceTable};
use serde_json::json;

use super::*;
use crate::cdc::store::Holds as _;

const LAYOUT: Layout = Layout::Direct;

/// A table is made once, and found as it was made.
pub(crate) async fn tables_are_made<S: Probe>(store: &mut S) {
    let missing = named(store, "t_none");
    assert!(store.look(&missing).await.unwrap().is_none());
    let table = make(store, "t_made", LAYOUT, &["id"], &["a"]).await;
    // It is there by now, and stays as it is.
    make(store, "t_made", LAYOUT, &["other"], &["a"]).await;
    let found = store.look(&table).await.unwrap().unwrap();
    assert_eq!(found.key, ["id"]);
    let columns: Vec<_> = (0..found.columns.len())
        .map(|slot| (found.columns[slot].name.as_str(), found.columns[slot].is_key))
        .collect();
    assert_eq!(columns, [("id", true), ("a", false)]);
    assert!(store.tables().await.unwrap().contains(&table));
    let universal = make(store, "t_universal", Layout::Universal, &["id"], &[]).await;
    let found = store.look(&universal).await.unwrap().unwrap();
    for name in ["pk", "data", "aux"] {
        assert!(matches!(found.columns.place(name), Place::Column(_)), "{name}");
    }
    if store.default_schema().is_none() {
        return;
    }
    let elsewhere = TargetTable { schema: "other".into(), table: "t_made".into() };
    assert!(store.look(&elsewhere).await.unwrap().is_none());
    let columns = vec![column("x", INTEGER)];
    let new = NewTable { layout: LAYOUT, columns, key: vec!["x".into()] };
    assert_eq!(store.create(&elsewhere, &new).await.unwrap(), None);
    assert_eq!(store.look(&elsewhere).await.unwrap().unwrap().key, ["x"]);
    let tables = store.tables().await.unwrap();
    assert!(tables.contains(&elsewhere) && tables.contains(&table));
}

/// Columns of all kinds can be made, and take what they are made for.
pub(crate) async fn columns_of_all_kinds_are_made<S: Probe>(store: &mut S) {
    let integer = |bits, signed| ColumnKind::Integer { bits, signed };
    let kinds = [
        (ColumnKind::Bool, Value::Bool(true)),
        (integer(8, true), Value::Integer(-128)),
        (integer(8, false), Value::Integer(255)),
        (integer(16, true), Value::Integer(-32_768)),
        (integer(16, false), Value::Integer(65_535)),
        (integer(32, true), Value::Integer(-2_147_483_648)),
        (integer(32, false), Value::Integer(4_294_967_295)),
        (integer(64, true), Value::Integer(i64::MIN)),
        (integer(64, false), Value::Integer(i64::MAX)),
        (ColumnKind::Real, Value::Decimal("0.5")),
        (ColumnKind::Double, Value::Decimal("0.1")),
        (ColumnKind::Text, Value::Text("größer")),
        (ColumnKind::Json, Value::Json(r#"{"a":1}"#)),
        (ColumnKind::Unknown, Value::Text("x")),
    ];
    // What goes into these is text in one database, and something else in another.
    let others = [
        ColumnKind::Numeric { precision: Some(10), scale: 2 },
        ColumnKind::Numeric { precision: None, scale: 0 },
        ColumnKind::Bytes,
        ColumnKind::Date,
        ColumnKind::Time,
        ColumnKind::Timestamp,
    ];
    let mut columns = vec![column("id", INTEGER)];
    columns.extend((0..).zip(&kinds).map(|(n, (kind, _))| column(&format!("v{n}"), *kind)));
    columns.extend((0..).zip(&others).map(|(n, kind)| column(&format!("o{n}"), *kind)));
    let names: Vec<String> =
        columns.iter().take(1 + kinds.len()).map(|column| column.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let table = named(store, "t_kinds");
    let new = NewTable { layout: LAYOUT, columns, key: vec!["id".into()] };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    let open = open(store, &table, LAYOUT, &["id"]).await;
    let values = kinds.iter().map(|(_, value)| *value);
    let row: Vec<_> = std::iter::once(Value::Integer(1)).chain(values).map(Cell::As).collect();
    for (slot, cell) in slots(&open, &names).into_iter().zip(&row) {
        assert!(open.columns[slot].holds.takes(cell.value()), "{cell:?}");
    }
    done(store, &open, Op::Put, &names, vec![row]).await;
    assert_eq!(store.rows(&table).await.len(), 1);
}

/// Names that SQL would read as something else are kept.
pub(crate) async fn names_are_kept<S: Probe>(store: &mut S) {
    for name in ["n.dot", "n \"quoted\"", "N Upper", "select", "n'--", "größe"] {
        let names = ["Id", "a \"b\"", "c.d", "e'f", "order"];
        let table = make(store, name, LAYOUT, &["Id"], &["a \"b\"", "c.d", "e'f", "order"]).await;
        let open = open(store, &table, LAYOUT, &["Id"]).await;
        let row = vec![int(1), text("1"), text("2"), text("3"), text("4")];
        done(store, &open, Op::Put, &names, vec![row.clone()]).await;
        done(store, &open, Op::Patch, &names, vec![row]).await;
        let (rows, from) = (vec![vec![int(2), text("5")]], vec![vec![int(1)]]);
        let fates = tried(store, &open, Op::Move, &["Id", "order"], rows, from).await;
        assert_eq!(fates, [None]);
        let expected = json!([{"Id": 2, "a \"b\"": "1", "c.d": "2", "e'f": "3", "order": "5"}]);
        check(store, &table, expected).await;
        let rename = Alteration::RenameColumn { from: "e'f".into(), to: "g;h".into() };
        altered(store, &table, LAYOUT, rename).await;
        altered(store, &table, LAYOUT, Alteration::DropColumn("a \"b\"".into())).await;
        check(store, &table, json!([{"Id": 2, "c.d": "2", "g;h": "3", "order": "5"}])).await;
        altered(store, &table, LAYOUT, Alteration::Drop).await;
    }
}

/// Dead letters are kept once, each with the table that it concerns.
pub(crate) async fn letters_are_kept<S: Probe>(store: &mut S) {
    let letter = |sequence: &str, payload: &[u8]| DeadLetter {
        origin: Origin {
            sequence: Sequence::new(sequence),
            partition_key: Some("k".into()),
            arrived_at: Some(1),
        },
        sub_sequence: 0,
        reason: Reason::Refused,
        error: "not\0 good".into(),
        payload: payload.to_vec(),
    };
    let shard = ShardId::new("shard-1");
    for _ in 0..2 {
        store.keep(&shard, "orders", &[letter("1", b"{}"), letter("2", &[0, 255])]).await.unwrap();
        store.keep(&shard, "", &[letter("3", b"?")]).await.unwrap();
        store.keep(&shard, "", &[]).await.unwrap();
    }
    let table = store.letters();
    let shown = |letter: &Json| {
        let names = ["sequence", "reason", "table_name"];
        names.map(|name| letter[name].as_str().unwrap_or_default().to_owned())
    };
    let mut letters: Vec<_> = store.rows(&table).await.iter().map(shown).collect();
    letters.sort();
    let expected = [["1", "refused", "orders"], ["2", "refused", "orders"], ["3", "refused", ""]];
    assert_eq!(letters, expected);
}

/// What is known of tables is stored, replaced, and forgotten.
pub(crate) async fn definitions_are_stored<S: Probe>(store: &mut S) {
    let source =
        |schema: &str, table: &str| SourceTable { schema: schema.into(), table: table.into() };
    assert!(store.definitions().await.unwrap().is_empty());
    store.define(&source("s", "a"), Some(r#"{"n": 1}"#)).await.unwrap();
    store.define(&source("", "a"), Some(r#"{"n": 2}"#)).await.unwrap();
    store.define(&source("s", "b"), Some(r#"{"n": 3}"#)).await.unwrap();
    store.define(&source("s", "a"), Some(r#"{"n": "é\u0000"}"#)).await.unwrap();
    store.define(&source("s", "b"), None).await.unwrap();
    store.define(&source("s", "none"), None).await.unwrap();
    let mut all = store.definitions().await.unwrap();
    all.sort();
    assert_eq!(all, [r#"{"n": "é\u0000"}"#, r#"{"n": 2}"#]);
}
