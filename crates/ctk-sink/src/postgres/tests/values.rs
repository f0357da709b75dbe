//! A property: whatever JSON comes, in whatever order, each value can be read back as it was.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Map, Value};

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(Value::from),
        (-1000_i32..1000).prop_map(|number| Value::from(f64::from(number) / 4.0)),
    ];
    let text = prop_oneof!["[a-z]{0,4}", "[0-9]{1,4}", any::<String>(), Just("a\0b".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.prop_map(Value::from)
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec(("[a-c]", inner), 0..3).prop_map(Value::from_iter),
        ]
    })
}

fn batches() -> impl Strategy<Value = Vec<Vec<Value>>> {
    let record = proptest::collection::vec(("[ab]|A", value()), 0..3).prop_map(Value::from_iter);
    proptest::collection::vec(proptest::collection::vec(record, 1..5), 1..4)
}

/// Returns what a row says a member is: the one column, its own or a variant, that holds it, as JSON.
fn read_back(name: &str, row: &Map<String, Value>) -> Value {
    let found: Vec<_> = row
        .iter()
        .filter(|(column, value)| {
            let is_own = *column == name
                || column.strip_prefix(name).is_some_and(|rest| rest.starts_with("__"));
            is_own && !value.is_null()
        })
        .collect();
    assert!(found.len() <= 1, "{name} stands twice: {row:?}");
    let Some((_, value)) = found.first() else { return Value::Null };
    let of = |key: &str| value.as_object().and_then(|object| object.get(key)?.as_str());
    if let Some(text) = of("$json") {
        return serde_json::from_str(text).unwrap();
    }
    if let Some(hex) = of("$bytes") {
        let pairs = hex.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
        let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        return Value::from(String::from_utf8(bytes).unwrap());
    }
    (*value).clone()
}

/// The same number, however it is written; JSONB and NUMERIC write `1e3` as `1000`.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => {
            let integers = |number: &serde_json::Number| number.as_i128();
            if let (Some(a), Some(b)) = (integers(a), integers(b)) {
                return a == b;
            }
            // What is compared was read by serde_json, which is exact up to the last binary digit.
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= (a.abs() * f64::EPSILON).max(f64::MIN_POSITIVE)
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}

/// The rows as JSON, with columns of JSON and bytes as text, told apart by a key.
fn rows(world: &World) -> Vec<Value> {
    let schema = world.schema("t");
    let cells: Vec<_> = schema
        .iter()
        .filter(|column| !column.starts_with("_kinesis"))
        .map(|column| {
            let (name, of) = column.split_once(' ').unwrap();
            // JSON may hold what nothing else can, so its text is escaped once more; a record has no such members.
            let value = match of {
                "json" => format!("CASE WHEN \"{name}\" IS NOT NULL THEN json_build_object('$json', \"{name}\"::text) END"),
                "bytea" => format!("CASE WHEN \"{name}\" IS NOT NULL THEN json_build_object('$bytes', encode(\"{name}\", 'hex')) END"),
                _ => format!("\"{name}\""),
            };
            format!("'{name}', {value}")
        })
        .collect();
    let sql = format!(
        "SELECT json_build_object({}) FROM t ORDER BY lpad(_kinesis ->> 'seq_no', 9)",
        cells.join(", ")
    );
    world.server.sql(&sql).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn nothing_is_lost_or_altered() {
    let mut world = World::new().await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..60 {
        let batches = batches().new_tree(&mut runner).unwrap().current();
        world.server.sql("DROP TABLE IF EXISTS t");
        for batch in &batches {
            let texts: Vec<_> = batch.iter().map(Value::to_string).collect();
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            let committed = world.load(World::settings(), &texts).await.unwrap();
            assert_eq!(committed, written(batch.len() as u64), "{batches:?}");
        }
        let stored = rows(&world);
        let records: Vec<_> = batches.iter().flatten().collect();
        assert_eq!(stored.len(), records.len());
        for (record, row) in records.into_iter().zip(stored) {
            for name in ["a", "b", "A"] {
                let expected = record.get(name).unwrap_or(&Value::Null);
                let found = read_back(name, row.as_object().unwrap());
                assert!(same(expected, &found), "{name}: {expected} became {found} in {row}");
            }
        }
    }
}
