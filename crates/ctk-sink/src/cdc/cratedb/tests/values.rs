//! Values in columns of their own: what is read is what was written, to the last digit.

use ctk_flow::{ColumnKind, Value};

use super::*;
use crate::cdc::store::Holds as _;

const BIGINT: ColumnKind = ColumnKind::Integer { bits: 64, signed: true };

fn cell(value: Value<'static>) -> Cell<'static> {
    Cell::As(value)
}

#[tokio::test]
async fn digits_are_kept_also_when_a_row_gets_another_key() {
    let mut world = World::new().await;
    let columns = [
        ("id", BIGINT),
        ("unsigned", ColumnKind::Integer { bits: 64, signed: false }),
        ("amount", ColumnKind::Numeric { precision: Some(38), scale: 10 }),
        ("double", ColumnKind::Double),
        ("real", ColumnKind::Real),
        ("at", ColumnKind::Timestamp),
        ("json", ColumnKind::Json),
        ("json__json", ColumnKind::Json),
        ("day", ColumnKind::Date),
        ("bytes", ColumnKind::Bytes),
        ("long__text", ColumnKind::Text),
    ];
    let open = world.table(Layout::Direct, &columns, &["id"]).await;
    let names = columns.map(|(name, _)| name);
    let long = "ü".repeat(40_000);
    let row = vec![
        int(1),
        cell(Value::BigInteger("18446744073709551615")),
        cell(Value::Decimal("1234567890123456789012345678.0123456789")),
        cell(Value::Decimal("2.2250738585072014e-308")),
        cell(Value::Decimal("0.1")),
        cell(Value::Text("2025-06-01T10:00:00.123+02:00")),
        cell(Value::Json(r#"{"n": 9007199254740993, "d": 0.1, "l": [1, "a"]}"#)),
        cell(Value::Json("[1, \"a\"]")),
        cell(Value::Text("2025-06-01")),
        cell(Value::Text("0x01ff")),
        Cell::Text(long.as_str().into()),
    ];
    for (name, cell) in names.iter().zip(&row) {
        let slot = contract::slots(&open, &[name])[0];
        assert!(open.columns[slot].holds.takes(cell.value()), "{name}");
    }
    world.done(&open, Op::Put, &names, vec![row.clone()]).await;
    world.moves(&open, &["id"], vec![vec![int(2)]], vec![vec![int(1)]]).await;
    let digits = "SELECT \"unsigned\"::TEXT, \"amount\"::TEXT, \"double\", \"real\", \"at\", \"json\", \"json__json\", \
                  \"day\", \"bytes\" FROM t WHERE \"id\" = 2";
    let expected = json!([[
        "18446744073709551615",
        "1234567890123456789012345678.0123456789",
        2.225_073_858_507_201_4e-308,
        0.1,
        1_748_764_800_123_i64,
        { "n": 9_007_199_254_740_993_i64, "d": 0.1, "l__json": "[1, \"a\"]" },
        "[1, \"a\"]",
        "2025-06-01",
        "0x01ff",
    ]]);
    assert_eq!(world.sql(digits).await["rows"], expected);
    let length = world.sql("SELECT \"long__text\" FROM t WHERE \"id\" = 2").await;
    assert_eq!(length["rows"][0][0].as_str().map(str::len), Some(80_000));
    // The same by a change.
    world.done(&open, Op::Patch, &names, vec![row]).await;
    assert_eq!(world.sql(&digits.replace("= 2", "= 1")).await["rows"], expected);
    world.end().await;
}

#[tokio::test]
async fn objects_in_columns_are_fitted_and_replaced_as_a_whole() {
    let mut world = World::new().await;
    let columns = [("id", BIGINT), ("doc", ColumnKind::Json)];
    let open = world.table(Layout::Direct, &columns, &["id"]).await;
    let names = ["id", "doc"];
    let row = |id: i64, doc: Json| vec![int(id), object(doc)];
    let rows = vec![row(1, json!({ "v": 1, "w": "x" })), row(2, json!({ "v": "text" }))];
    world.done(&open, Op::Patch, &names, rows).await;
    world.done(&open, Op::Patch, &names, vec![row(1, json!({ "v": 2.5 }))]).await;
    assert_eq!(
        world.rows().await,
        json!([
            { "id": 1, "doc": { "v__double": 2.5 } },
            { "id": 2, "doc": { "v__text": "text" } },
        ])
    );
    world.done(&open, Op::Put, &names, vec![vec![int(1), Cell::NULL]]).await;
    assert_eq!(world.rows().await[1], json!({ "id": 1 }));
    world.end().await;
}

/// A table of somebody else: with a generated column, a default, a condition.
#[tokio::test]
async fn refused_rows_stand_alone_among_good_ones() {
    let mut world = World::new().await;
    world
        .sql("CREATE TABLE t (\"id\" BIGINT PRIMARY KEY, \"name\" TEXT NOT NULL, \"place\" GEO_POINT, \"flag\" BOOLEAN DEFAULT TRUE)")
        .await;
    let open = world.open(Layout::Direct).await;
    let names = ["id", "name", "place"];
    let row = |id: i64| {
        let name = if id % 5 == 3 { Cell::NULL } else { text("x") };
        let place = if id == 77 { text("nowhere") } else { text("POINT (1.0 2.0)") };
        vec![int(id), name, place]
    };
    let refused = |fates: &[Fate]| -> Vec<i64> {
        let fates = (0..).zip(fates);
        fates.filter(|(_, fate)| fate.is_some()).map(|(id, _)| id).collect()
    };
    let expected: Vec<i64> = (0..100).filter(|id| id % 5 == 3 || *id == 77).collect();
    for op in [Op::Put, Op::Patch, Op::Put] {
        let fates = world.twice(&open, op, &names, (0..100).map(row).collect()).await;
        assert_eq!(refused(&fates), expected, "{op:?}");
        assert!(
            fates.iter().flatten().all(|why| why.contains("name") || why.contains("nowhere")),
            "{fates:?}"
        );
        assert_eq!(world.rows().await.as_array().unwrap().len(), 79);
    }
    // Of two rows that are to be moved, one is refused, and stays.
    let (rows, from) = (
        vec![vec![int(201), Cell::NULL], vec![int(202), text("moved")]],
        vec![vec![int(0)], vec![int(1)]],
    );
    let fates =
        contract::tried(&mut world.store, &open, Op::Move, &["id", "name"], rows, from).await;
    assert!(fates[0].is_some() && fates[1].is_none(), "{fates:?}");
    let ids = world.sql("SELECT \"id\" FROM t WHERE \"id\" = 0").await;
    assert_eq!(ids["rows"], json!([[0]]));
    let missing = (0..100).chain(500..600).map(|id| vec![int(id)]).collect();
    world.done(&open, Op::Delete, &["id"], missing).await;
    assert_eq!(world.rows().await.as_array().unwrap().len(), 1);
    world.end().await;
}
