//! Whatever a record is, it ends once.

use ctk_flow::Value;
use proptest::{collection::vec, prelude::*, sample::select};

use super::{decode, event, rules::rules, show};
use crate::Recipe;

/// Values of which many are what DMS would write.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let words = [
        "insert",
        "update",
        "delete",
        "create-table",
        "rename-table",
        "add-column",
        "drop-column",
        "rename-column",
        "change-columns",
        "awsdms_x",
        "a",
        "b",
        "",
        "INT32",
        "NUMERIC(5,2)",
        "Zg==",
    ];
    let names = [
        "data",
        "metadata",
        "control",
        "before-image",
        "kinesis",
        "table-def",
        "columns",
        "operation",
        "primary-key",
        "schema-name",
        "table-name",
        "new-name",
        "old-name",
        "column",
        "type",
        "name",
        "doc",
        "x",
        "tags",
    ];
    let leaf = prop_oneof![
        3 => select(words.to_vec()).prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let member = (select(names.to_vec()), inner.clone());
        prop_oneof![
            4 => vec(member, 0..6).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
            1 => vec(inner, 0..4).prop_map(serde_json::Value::from),
        ]
    })
}

fn ends_once(payload: &[u8]) {
    for recipe in [Recipe::default(), Recipe::of("shop", "orders", rules())] {
        let changes = decode(&recipe, &[payload]);
        let ends = changes.len() + changes.dead_letters().len();
        assert_eq!(ends as u64 + changes.filtered(), 1);
        show(&changes);
        for (_, value) in changes.rows().flat_map(|row| row.cells()) {
            if let Value::Json(text) | Value::Decimal(text) | Value::BigInteger(text) = value {
                assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_end_once(bytes in vec(any::<u8>(), 0..100)) {
        ends_once(&bytes);
    }

    #[test]
    fn any_json_ends_once(value in json()) {
        ends_once(value.to_string().as_bytes());
    }

    #[test]
    fn any_event_ends_once(
        data in json(),
        before in json(),
        control in json(),
        operation in select(vec![
            "insert", "update", "delete", "create-table", "drop-table", "truncate", "rename-table",
            "add-column", "drop-column", "rename-column", "change-columns",
        ]),
        cut in 0_usize..400,
    ) {
        let members = format!(r#""data": {data}, "before-image": {before}, "control": {control}"#);
        let record = event(operation, &members);
        ends_once(record.as_bytes());
        ends_once(record.as_bytes().get(..cut).unwrap_or_default());
    }
}
