//! Values at the edges of each type that we declare: each is there as it was sent.

use super::*;

/// Makes a column of this kind, puts a value into it, and compares what stands there; none when it does not fit.
async fn check(
    store: &mut PgStore<'_>,
    kind: ColumnKind,
    value: Value<'_>,
    expected: Option<&str>,
) {
    let table = TargetTable { schema: "public".into(), table: "t".into() };
    let new = NewTable {
        layout: Layout::Direct,
        columns: vec![column("id", contract::INTEGER), column("v", kind)],
        key: vec!["id".into()],
    };
    assert_eq!(store.create(&table, &new).await.unwrap(), None);
    let open = open(store, &table, Layout::Direct, &["id"]).await;
    let slot = contract::slots(&open, &["v"])[0];
    assert_eq!(
        open.columns[slot].holds.takes(value),
        expected.is_some(),
        "{value:?} into {kind:?}"
    );
    if let Some(expected) = expected {
        done(store, &open, Op::Put, &["id", "v"], vec![vec![int(1), Cell::As(value)]]).await;
        let found: String = sqlx::query_scalar("SELECT v::text FROM t")
            .persistent(false)
            .fetch_one(store.connection())
            .await
            .unwrap();
        assert_eq!(found, expected, "{value:?} into {kind:?}");
    } else {
        // Whoever sends it all the same gets a fate, and no error.
        let row = vec![vec![int(1), Cell::As(value)]];
        let fates = tried(store, &open, Op::Put, &["id", "v"], row, Vec::new()).await;
        assert!(fates[0].is_some(), "{value:?} into {kind:?}");
    }
    assert_eq!(store.alter(&table, Layout::Direct, &Alteration::Drop).await.unwrap(), None);
}

#[tokio::test]
async fn each_kind_holds_its_values() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let integer = |bits, signed| ColumnKind::Integer { bits, signed };
    let numeric = |precision, scale| ColumnKind::Numeric { precision, scale };
    for (kind, value, expected) in [
        (ColumnKind::Bool, Value::Bool(true), Some("true")),
        (ColumnKind::Bool, Value::Integer(1), None),
        (integer(8, true), Value::Integer(-128), Some("-128")),
        (integer(8, false), Value::Integer(255), Some("255")),
        (integer(16, true), Value::Integer(-32_768), Some("-32768")),
        (integer(16, true), Value::Integer(32_768), None),
        (integer(16, false), Value::Integer(65_535), Some("65535")),
        (integer(32, true), Value::Integer(-2_147_483_648), Some("-2147483648")),
        (integer(32, true), Value::Integer(2_147_483_648), None),
        (integer(32, false), Value::Integer(4_294_967_295), Some("4294967295")),
        (integer(64, true), Value::Integer(i64::MIN), Some("-9223372036854775808")),
        (
            integer(64, false),
            Value::BigInteger("18446744073709551615"),
            Some("18446744073709551615"),
        ),
        (integer(64, false), Value::BigInteger("100000000000000000000"), None),
        (numeric(Some(10), 2), Value::Decimal("-99999999.99"), Some("-99999999.99")),
        (numeric(Some(10), 2), Value::Decimal("0.005"), None),
        (numeric(None, 0), Value::Decimal("1e-20"), Some("0.00000000000000000001")),
        (ColumnKind::Real, Value::Decimal("3.4028235e38"), Some("3.4028235e+38")),
        (
            ColumnKind::Double,
            Value::Decimal("-1.7976931348623157e308"),
            Some("-1.7976931348623157e+308"),
        ),
        (ColumnKind::Text, Value::Text("日本 \\ 'x' \"y\"\n\t"), Some("日本 \\ 'x' \"y\"\n\t")),
        (ColumnKind::Text, Value::Text(""), Some("")),
        (ColumnKind::Text, Value::Text("a\0b"), None),
        (ColumnKind::Bytes, Value::Bytes(&[0, 0xff, b'\\']), Some("\\x00ff5c")),
        (ColumnKind::Bytes, Value::Bytes(&[]), Some("\\x")),
        (ColumnKind::Date, Value::Text("0001-01-01"), Some("0001-01-01")),
        (ColumnKind::Date, Value::Text("9999-12-31"), Some("9999-12-31")),
        (ColumnKind::Date, Value::Text("0000-00-00"), None),
        (ColumnKind::Time, Value::Text("23:59:59.999999"), Some("23:59:59.999999")),
        (
            ColumnKind::Timestamp,
            Value::Text("2026-11-20T18:33:24.123456Z"),
            Some("2026-11-20 18:33:24.123456+00"),
        ),
        (
            ColumnKind::Timestamp,
            Value::Text("9999-12-31 23:59:59.999999"),
            Some("9999-12-31 23:59:59.999999+00"),
        ),
        (
            ColumnKind::Json,
            Value::Json(r#"{"b": 1.50, "a": [null]}"#),
            Some(r#"{"a": [null], "b": 1.50}"#),
        ),
        (ColumnKind::Json, Value::Json("\"text\""), Some("\"text\"")),
        (ColumnKind::Unknown, Value::Text("x"), Some("x")),
    ] {
        check(&mut store, kind, value, expected).await;
    }
}
