//! What is sent for a value, type by type.

use ctk_flow::Value;
use proptest::prelude::*;

use super::*;

fn object(keys: &[(&str, Type)]) -> Type {
    Type::Object(keys.iter().map(|(key, of)| ((*key).to_owned(), of.clone())).collect())
}

fn ignored_object() -> Type {
    Type::Ignored([("k".to_owned(), of("bigint"))].into())
}

fn of(name: &str) -> Type {
    Type::of_name(name, None, None)
}

/// What is sent; `-` when the value belongs elsewhere, `?path kind` when something is missing.
fn shown(of: &Type, item: &Item<'_>) -> String {
    let mut out = String::new();
    match write(of, item, &mut out) {
        Ok(true) => out,
        Ok(false) => "-".to_owned(),
        Err(missing) => format!("?{} {}", missing.path.join("."), missing.kind.name()),
    }
}

fn check(of: &Type, json: &str, expected: &str) {
    assert_eq!(shown(of, &Item::new(Value::Json(json))), expected, "{json} into {of:?}");
}

#[test]
fn numbers_are_never_changed() {
    let bigint = of("bigint");
    check(&bigint, "5", "5");
    check(&bigint, "5.0", "5");
    check(&bigint, "1.7", "-");
    check(&bigint, "9007199254740993.0", "9007199254740993");
    check(&bigint, "4503599627370497.25", "-");
    check(&bigint, "18446744073709551615", "-");
    check(&bigint, "9223372036854775806", "9223372036854775806");
    check(&bigint, "9223372036854775807", "-");
    check(&bigint, "-9223372036854775808", "-");
    check(&bigint, "true", "-");
    check(&bigint, r#""5""#, "-");
    check(&of("integer"), "2147483647", "2147483647");
    check(&of("integer"), "2147483648", "-");
    check(&of("smallint"), "-32769", "-");
    check(&of("char"), "127", "127");
    check(&of("char"), "128", "-");
    check(&of("double precision"), "1.50", "1.50");
    check(&of("double precision"), "3", "3.0");
    check(&of("double precision"), "9007199254740993", "-");
    check(&of("double precision"), "1e999", "-");
    check(&of("real"), "0.1", "0.1");
    check(&of("real"), "42.4200001", "-");
    check(&of("real"), "16777216", "16777216");
    check(&of("real"), "16777217", "-");
    let numeric = Type::of_name("numeric", Some(5), Some(2));
    check(&numeric, "123.45", r#""123.45""#);
    check(&numeric, "-123.450", r#""-123.450""#);
    check(&numeric, "123.456", "-");
    check(&numeric, "1234.5", "-");
    check(&numeric, "1e2", "-");
    check(
        &Type::of_name("numeric", None, None),
        "18446744073709551615.5",
        r#""18446744073709551615.5""#,
    );
    check(&Type::of_name("numeric", Some(3), None), "1", "-");
    assert_eq!(Type::numeric("NUMERIC(5, 2) NOT NULL"), Some(numeric));
    check(&Type::numeric("NUMERIC(3)").unwrap(), "1.5", "-");
}

#[test]
fn text_and_times_and_the_rest() {
    check(&of("text"), r#""a\n""#, r#""a\n""#);
    check(&of("text"), "5", "-");
    check(&of("text"), "18446744073709551615", r#""18446744073709551615""#);
    check(&of("text"), "9223372036854775807", r#""9223372036854775807""#);
    check(&of("text"), "1e999", r#""1e999""#);
    check(&of("text"), "[1]", "-");
    check(&of("text"), &format!("{:?}", "x".repeat(32_767)), "-");
    let longest = format!("{:?}", "x".repeat(32_766));
    check(&of("text"), &longest, &longest);
    check(&of("boolean"), "true", "true");
    check(&of("boolean"), "1", "-");
    check(&of("ip"), r#""192.168.0.1""#, r#""192.168.0.1""#);
    check(&of("ip"), r#""somewhere""#, "-");
    let zoned = of("timestamp with time zone");
    check(&zoned, r#""2025-06-01 10:00""#, "1748772000000");
    check(&zoned, r#""2025-06-01T10:00:00.123Z""#, "1748772000123");
    check(&zoned, r#""2025-06-01T12:00:00+02:00""#, "1748772000000");
    check(&zoned, r#""2025-06-01T12:00:00.5+0200""#, "1748772000500");
    check(&zoned, r#""2025-06-01""#, "1748736000000");
    check(&zoned, r#""2025-06-01T10:00:00.000123Z""#, "-");
    check(&zoned, r#""yesterday""#, "-");
    check(&zoned, "1748772000000", "1748772000000");
    check(&zoned, "1748772000.5", "-");
    check(&zoned, "1748772000.0", "-");
    let naive = of("timestamp without time zone");
    check(&naive, r#""2025-06-01T10:00:00Z""#, "1748772000000");
    check(&naive, r#""2025-06-01T12:00:00+02:00""#, "-");
    check(&of("geo_shape"), r#"{"type":"Point"}"#, r#"{"type":"Point"}"#);
    check(&of("geo_point"), "[1.5, 2.5]", "[1.5, 2.5]");
    check(&of("time with time zone"), "1.5", "-");
    assert_eq!(shown(&of("text"), &Item::Bytes(&[0xff, 0])), r#""/wA=""#);
    for name in ["bigint", "text", "object", "bigint_array", "geo_shape"] {
        check(&of(name), "null", "null");
    }
}

#[test]
fn arrays_are_of_one_kind() {
    check(&of("bigint_array"), "[1, null, 2.0]", "[1,null,2]");
    check(&of("bigint_array"), "[1, 2.5]", "-");
    check(&of("double precision_array"), "[1, 2.5]", "[1.0,2.5]");
    check(&of("text_array"), r#"["a", 1]"#, "-");
    check(&of("text_array"), "[]", "[]");
    check(&of("bigint_array"), "1", "-");
    check(&of("bigint"), "[1]", "-");
    let objects = Type::Array(Box::new(object(&[("a", of("bigint"))])));
    check(&objects, r#"[{"a": 1}, {"a": null}, null, {}]"#, r#"[{"a":1},{"a":null},null,{}]"#);
    check(&objects, r#"[{"a": 1}, {"b": 2}]"#, "?b bigint");
    check(&objects, r#"[{"a": 1.5}]"#, "?a__double double");
}

#[test]
fn objects_keep_their_rules_at_every_depth() {
    let inner =
        object(&[("k", of("bigint")), ("k__double", of("double precision")), ("t", of("text"))]);
    let outer = object(&[("o", inner), ("list", of("bigint_array"))]);
    check(&outer, r#"{"o": {"k": 1}}"#, r#"{"o":{"k":1}}"#);
    check(&outer, r#"{"o": {"k": 2.5}}"#, r#"{"o":{"k__double":2.5}}"#);
    check(&outer, r#"{"o": {"k": "x"}}"#, "?o.k__text text");
    check(&outer, r#"{"o": {"k": 18446744073709551615}}"#, "?o.k__text text");
    check(&outer, r#"{"o": {"new": [1, 2.5]}}"#, "?o.new double_array");
    check(&outer, r#"{"o": {"new": null}}"#, r#"{"o":{"new":null}}"#);
    check(&outer, r#"{"o": {"k": 2.5, "k__double": 3.5}}"#, "?o.k__double__double double");
    check(&outer, r#"{"o": {"a.b": 1}}"#, &format!("?o.{} bigint", names::of_key("a.b")));
    check(&outer, r#"{"list": [1, "a"]}"#, "?list__json json");
    check(&outer, r#"{"list": [[1]]}"#, "?list__json json");
    check(&outer, r#"{"list": []}"#, r#"{"list":[]}"#);
    check(&outer, r#"{"empty": []}"#, "?empty__json json");
    check(&outer, r#"{"o": [1]}"#, "?o__bigint_array bigint_array");
    check(&outer, r#"{"o": {"t": "\u00fc"}}"#, r#"{"o":{"t":"\u00fc"}}"#);
    let with_json = object(&[("list__json", of("text"))]);
    check(&with_json, r#"{"list": [1, "a"]}"#, r#"{"list__json":"[1, \"a\"]"}"#);
    // Dynamic keys are indexed; CrateDB refuses such a row and says why.
    let long = "x".repeat(40_000);
    check(
        &object(&[("t", of("text"))]),
        &format!(r#"{{"t":"{long}"}}"#),
        &format!(r#"{{"t":"{long}"}}"#),
    );
}

#[test]
fn in_an_ignored_object_anything_goes_but_what_would_change() {
    check(
        &ignored_object(),
        r#"{"a": [1, "x", {"b": 1.5}], "c": null}"#,
        r#"{"a":[1,"x",{"b":1.5}],"c":null}"#,
    );
    check(
        &ignored_object(),
        r#"{"a": 18446744073709551615}"#,
        r#"{"a__text":"18446744073709551615"}"#,
    );
    check(
        &ignored_object(),
        r#"{"o": {"a": [18446744073709551615]}}"#,
        r#"{"o":{"a":["18446744073709551615"]}}"#,
    );
    check(&ignored_object(), "[1]", "-");
    check(
        &ignored_object(),
        r#"{"a": 1e400, "b": [1e400]}"#,
        r#"{"a__text":"1e400","b":["1e400"]}"#,
    );
    // What is declared in it has its type.
    check(&ignored_object(), r#"{"k": 2, "x": 2.5}"#, r#"{"k":2,"x":2.5}"#);
    check(&ignored_object(), r#"{"k": 2.5}"#, r#"{"k__double":2.5}"#);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        prop_oneof![Just(i64::MIN), Just(i64::MAX)].prop_map(Into::into),
        Just("x".repeat(32_767)).prop_map(Into::into),
        (-1e6..1e6_f64).prop_map(Into::into),
        "[a-z0-9\"\\\\]{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            proptest::collection::hash_map("[a-c._]{0,3}", inner, 0..4)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// How many values there are that are not null, containers included.
fn leaves(value: &serde_json::Value) -> usize {
    match value {
        serde_json::Value::Null => 0,
        serde_json::Value::Array(values) => 1 + values.iter().map(leaves).sum::<usize>(),
        serde_json::Value::Object(members) => 1 + members.values().map(leaves).sum::<usize>(),
        _ => 1,
    }
}

proptest! {
    /// A column that is made for a value takes it, else ever new ones would be made.
    #[test]
    fn a_column_takes_what_it_is_made_for(value in any_json()) {
        let json = value.to_string();
        let item = Item::new(Value::Json(&json));
        if let Some(kind) = Kind::of(&item) {
            let written = write_variant(&kind.column(), kind, &item, &mut String::new());
            // The keys of an object come later.
            prop_assert!(!matches!(written, Ok(false)), "{} {:?}", json, kind);
        }
    }

    /// Whatever comes, an object that may grow takes it in the end, as valid JSON, and no value is missing.
    #[test]
    fn an_object_that_grows_takes_everything(values in proptest::collection::vec(any_json(), 1..6)) {
        let mut schema = crate::cratedb::schema::Schema::default();
        schema.insert(&["o".to_owned()], Type::Object(HashMap::new()));
        for value in values {
            let json = serde_json::json!({ "v": value }).to_string();
            let item = Item::new(Value::Json(&json));
            let mut steps = 0;
            let out = loop {
                let mut out = String::new();
                let of = schema.get(&["o".to_owned()]).unwrap().clone();
                match write(&of, &item, &mut out) {
                    Ok(fits) => { prop_assert!(fits); break out; }
                    Err(missing) => {
                        let mut path = vec!["o".to_owned()];
                        path.extend(missing.path);
                        prop_assert_eq!(schema.get(&path), None);
                        schema.insert(&path, missing.kind.column());
                        prop_assert!(schema.get(&path).is_some());
                    }
                }
                steps += 1;
                prop_assert!(steps < 200, "{} {:?}", json, schema);
            };
            let stored: serde_json::Value = serde_json::from_str(&out).unwrap();
            // Mixed arrays become text, which counts as one.
            prop_assert!(leaves(&stored) <= leaves(&serde_json::from_str(&json).unwrap()) && leaves(&stored) > 0, "{} {}", json, out);
        }
    }
}
