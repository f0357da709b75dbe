//! A property: whatever JSON comes, in whatever order, each value can be read back as it was.

use proptest::prelude::*;
use serde_json::{Value, json};

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
    let text = prop_oneof!["[a-z]{0,4}", "[0-9]{1,4}", any::<String>(), Just("null".to_owned())];
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

/// Returns the value of a member from the one column, its own or a variant, that holds it.
fn read_back(name: &str, row: &[(String, Value)]) -> Value {
    let mut found = Vec::new();
    for (column, cell) in row {
        let kind = match column.strip_prefix(name) {
            Some("") => "",
            Some(rest) => rest.strip_prefix("__").unwrap_or("?"),
            None => continue,
        };
        if kind != "?" && !cell.is_null() {
            found.push(cell.clone());
        }
    }
    assert!(found.len() <= 1, "{name} stands twice: {row:?}");
    found.pop().unwrap_or(Value::Null)
}

/// What a value looks like in a column: its JSON type is told by the declared type.
fn stored(value: &Value) -> Value {
    match value {
        // Beyond 64 bits: the digits.
        Value::Number(number) if number.as_i64().is_none() && number.is_u64() => {
            json!(number.to_string())
        }
        // As it was written, so that not even a digit of a number in it differs.
        Value::Array(_) | Value::Object(_) => json!({ "json": value.to_string() }),
        other => other.clone(),
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        // SQLite has no negative zero.
        (Some(left_number), Some(right_number)) if left.is_number() && right.is_number() => {
            left == right
                || (left.is_f64() || right.is_f64())
                    && (left_number - right_number).abs() < f64::MIN_POSITIVE
        }
        _ => left == right,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn nothing_is_lost_or_altered(batches in batches()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for batch in &batches {
                let texts: Vec<_> = batch.iter().map(Value::to_string).collect();
                let texts: Vec<_> = texts.iter().map(String::as_str).collect();
                assert_eq!(world.load(World::settings(), &texts).await.unwrap(), written(texts.len() as u64));
            }
            let expected: Vec<&Value> = batches.iter().flatten().collect();
            let rows = world.typed_rows().await;
            assert_eq!(rows.len(), expected.len());
            for (row, record) in rows.iter().zip(expected) {
                for (name, value) in record.as_object().unwrap() {
                    let columns = world.columns_of(name).await;
                    let row: Vec<_> = row.iter().filter(|(column, _)| columns.contains(column)).cloned().collect();
                    let name = columns.first().map_or(name.as_str(), String::as_str);
                    let back = read_back(name, &row);
                    assert!(same(&back, &stored(value)), "{name}: {value} came back as {back}");
                }
            }
        });
    }
}

impl World {
    /// Returns the rows in the order of the stream, each cell as JSON, by the declared type of its column.
    async fn typed_rows(&self) -> Vec<Vec<(String, Value)>> {
        let mut connection = self.connection().await;
        let columns = sqlite::columns(&mut connection, "t").await.unwrap();
        let order = "ORDER BY CAST(_kinesis ->> 'seq_no' AS INTEGER)";
        let mut table = vec![Vec::new(); usize::try_from(self.read).unwrap()];
        for column in columns.iter().filter(|column| !column.name.starts_with("_kinesis")) {
            let name = ctk_db::quote(&column.name);
            let sql = format!("SELECT typeof({name}), CAST({name} AS TEXT), {name} FROM t {order}");
            let rows =
                sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
            for (index, row) in rows.iter().enumerate() {
                let cell = match (row.get::<String, _>(0).as_str(), column.declared.as_str()) {
                    ("null", _) => Value::Null,
                    ("integer", "BOOLEAN") => json!(row.get::<i64, _>(2) == 1),
                    ("integer", _) => json!(row.get::<i64, _>(2)),
                    ("real", _) => json!(row.get::<f64, _>(2)),
                    ("text", "JSON") => json!({ "json": row.get::<String, _>(1) }),
                    ("text", _) => json!(row.get::<String, _>(2)),
                    other => panic!("{other:?}"),
                };
                table[index].push((column.name.clone(), cell));
            }
        }
        table
    }

    /// Returns the columns that a member may stand in: its own, as the rule for names has it, and its variants.
    async fn columns_of(&self, member: &str) -> Vec<String> {
        let columns = sqlite::columns(&mut self.connection().await, "t").await.unwrap();
        let columns: Vec<_> = columns.into_iter().map(|column| column.name).collect();
        let apart = crate::names::apart(member);
        let own = if columns.contains(&apart) { apart } else { member.to_owned() };
        let variant = |column: &&String| {
            ["bool", "bigint", "double", "text", "json"]
                .iter()
                .any(|kind| **column == format!("{own}__{kind}"))
        };
        let variants: Vec<_> = columns.iter().filter(variant).cloned().collect();
        std::iter::once(own.clone()).chain(variants).collect()
    }
}
