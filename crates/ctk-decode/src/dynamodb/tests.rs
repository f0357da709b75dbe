//! Records and what becomes of them; numbers of any length; any bytes.

use std::{collections::VecDeque, fmt::Write};

use ctk_flow::{Allowance, Asks, Decode, Origin, Reason, Record, Sequence, ShardId, Value};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{DecodeOptions, Decoder, Format};

/// Returns what becomes of a record: the action, the table, and its cells: key, others, and behind a bar those of several types.
fn dump(recipe: &Recipe, payload: &[u8]) -> Result<String, Refused> {
    let mut changes = Changes::new(ShardId::new("s"), 1, payload.len());
    changes.push_origin(Origin {
        sequence: Sequence::new("1"),
        partition_key: None,
        arrived_at: None,
    });
    assert_eq!(read(payload, recipe, 3, &mut changes)?, Read::Change);
    let row = changes.row(0);
    assert_eq!((changes.len(), row.sub_sequence()), (1, 3));
    let change = row.change().unwrap();
    assert!(change.tells_key() && change.before().count() == 0);
    assert_eq!(change.payload(), payload);
    let action = match change.asks() {
        Asks::Put => "put",
        Asks::Patch => "patch",
        Asks::Delete => "delete",
        Asks::Table(table) => panic!("{table:?}"),
    };
    let table = &changes.tables()[change.table().index()];
    assert_eq!(table.schema, "");
    let cells = |cells: &mut dyn Iterator<Item = (ctk_flow::ColumnId, Value<'_>)>| {
        cells.fold(String::new(), |mut all, (column, value)| {
            let value = match value {
                Value::Null => "null".to_owned(),
                Value::Bool(value) => value.to_string(),
                Value::Integer(value) => value.to_string(),
                Value::BigInteger(text) => format!("big {text}"),
                Value::Decimal(text) => format!("decimal {text}"),
                Value::Text(text) => format!("{text:?}"),
                Value::Json(text) => {
                    serde_json::from_str::<serde_json::Value>(text).unwrap();
                    format!("json {text}")
                }
                Value::Bytes(bytes) => panic!("{bytes:?}"),
            };
            write!(all, " {}={value}", changes.columns()[column.index()]).unwrap();
            all
        })
    };
    let keys = change.key().count();
    let (key, data) = (cells(&mut change.key()), cells(&mut change.data().skip(keys)));
    let aux = cells(&mut change.aux());
    Ok(format!("{action} {}:{key} |{data} |{aux}", table.table))
}

fn event(name: &str, item: &str) -> String {
    format!(
        r#"{{"awsRegion":"r","eventID":"e","eventName":"{name}","userIdentity":null,"recordFormat":"application/json","tableName":"t","dynamodb":{item},"eventSource":"aws:dynamodb"}}"#
    )
}

/// An event that puts an item with these attributes behind its key.
fn put(attributes: &str) -> String {
    event("INSERT", &format!(r#"{{"Keys":{{"id":{{"S":"k"}}}},"NewImage":{{{attributes}}}}}"#))
}

#[test]
fn records_become_changes() {
    let check = |payload: &str, expected: &str| {
        assert_eq!(
            dump(&Recipe::default(), payload.as_bytes()),
            Ok(expected.to_owned()),
            "{payload}"
        );
    };
    let item = r#"{"ApproximateCreationDateTime":1,"Keys":{"b":{"N":"2"},"a":{"S":"1"}},"NewImage":{"z":{"BOOL":true},"b":{"N":"2"},"a":{"S":"1"}},"OldImage":{"a":{"?":1}},"SizeBytes":9}"#;
    check(&event("INSERT", item), r#"put t: a="1" b=2 | z=true |"#);
    check(&event("MODIFY", item), r#"put t: a="1" b=2 | z=true |"#);
    check(&event("REMOVE", item), r#"delete t: a="1" b=2 | |"#);

    // Only keys, or the old image: the row is there, nothing else is known (D-12).
    for rest in ["", r#","NewImage":null"#, r#","OldImage":{"z":{"S":"old"}}"#] {
        let item = format!(r#"{{"Keys":{{"a":{{"B":"eA=="}}}}{rest}}}"#);
        check(&event("INSERT", &item), r#"patch t: a="eA==" | |"#);
        check(&event("MODIFY", &item), r#"patch t: a="eA==" | |"#);
        check(&event("REMOVE", &item), r#"delete t: a="eA==" | |"#);
    }
    check(&put(""), r#"put t: id="k" | |"#);

    let bare = r#"{"dynamodb":{"NewImage":{},"Keys":{"id":{"N":7}}},"eventName":"MODIFY"}"#;
    check(bare, "put : id=7 | |");
    let wrapped = r#"{"kinesis":{"data":"eyJkeW5hbW9kYiI6eyJLZXlzIjp7ImlkIjp7IlMiOiJrIn19fSwiZXZlbnROYW1lIjoiUkVNT1ZFIn0="}}"#;
    check(wrapped, r#"delete : id="k" | |"#);
    check(
        r#"{"kinesis":{"shard_id":"s"},"dynamodb":{"Keys":{"id":{"S":"k"}}},"eventName":"REMOVE"}"#,
        r#"delete : id="k" | |"#,
    );
    check(
        r#" {"tableName":"gr\u00fcn","dynamodb":{"Keys":{"\u0069d":{"\u0053":"\u006b"}}},"eventName":"REMOVE"} "#,
        r#"delete grün: id="k" | |"#,
    );
}

#[test]
fn values_are_unwrapped() {
    let check = |value: &str, expected: &str| {
        let payload = put(&format!(r#""id":{{"S":"k"}},"v":{value}"#));
        let expected = format!(r#"put t: id="k" | v={expected} |"#);
        assert_eq!(dump(&Recipe::default(), payload.as_bytes()), Ok(expected), "{value}");
    };
    check(r#"{"S":"a\n\"grün\" \u00e4"}"#, r#""a\n\"grün\" ä""#);
    check(r#"{"S":""}"#, r#""""#);
    check(r#"{"S":null}"#, "null");
    check(r#"{"N":"42"}"#, "42");
    check(r#"{"N":"9007199254740993"}"#, "9007199254740993");
    check(r#"{"N":"9223372036854775808"}"#, "big 9223372036854775808");
    check(r#"{"N":"-0.10"}"#, "decimal -0.10");
    check(r#"{"N":"1E-130"}"#, "decimal 1E-130");
    check(
        r#"{"N":"9.9999999999999999999999999999999999999E+125"}"#,
        "decimal 9.9999999999999999999999999999999999999E+125",
    );
    check(r#"{"N":12.50}"#, "decimal 12.50");
    check(r#"{"BOOL":false}"#, "false");
    check(r#"{"NULL":true}"#, "null");
    check(r#"{"NULL":[1]}"#, "null");
    check(r#"{"B":"AAEC/w=="}"#, r#""AAEC/w==""#);
    check(r#"{"SS":["b","a","b\u0000"]}"#, r#"json ["b","a","b\u0000"]"#);
    check(r#"{"NS":["1","1","2.50",3]}"#, "json [1,1,2.50,3]");
    check(r#"{"BS":["eA==","eQ=="]}"#, r#"json ["eA==","eQ=="]"#);
    check(r#"{"SS":[]}"#, "json []");
    check(r#"{"M":{}}"#, "json {}");
    check(r#"{"L":[]}"#, "json []");
    check(r#"{ "L" : [ { "S" : "a" } , { "S" : "b" } ] }"#, r#"json ["a","b"]"#);
    check(r#"{"L":[{"M":{"a":{"S":"x"}}},{"M":{"b":{"N":"1"}}}]}"#, r#"json [{"a":"x"},{"b":1}]"#);
    // Of several types, but below the top.
    check(
        r#"{"M":{"a b\"":{"L":[{"N":"1.0"},{"NULL":true},{"BOOL":false}]},"c":{"NS":["1"]},"d":{"B":"eA=="},"e":{"S":null}}}"#,
        r#"json {"a b\"":[1.0,null,false],"c":[1],"d":"eA==","e":null}"#,
    );
    check(r#"{"L":[{"L":[{"S":"a"},{"N":"1"}]}]}"#, r#"json [["a",1]]"#);
}

#[test]
fn lists_of_several_types_stand_apart() {
    let payload = put(
        r#""m":{"L":[{"S":"a"},{"N":"1"}]},"l":{"L":[{"N":"1"}]},"id":{"S":"k"},"n":{"L":[{"S":"a"},{"NULL":true}]},"z":{"M":{"x":{"S":"y"}}}"#,
    );
    let expected =
        r#"put t: id="k" | l=json [1] z=json {"x":"y"} | m=json ["a",1] n=json ["a",null]"#;
    assert_eq!(dump(&Recipe::default(), payload.as_bytes()), Ok(expected.to_owned()));
}

#[test]
fn what_is_no_event_is_refused() {
    let check = |payload: &str, reason: Reason, expected: &str| {
        let expected = Refused { reason, error: expected.to_owned() };
        assert_eq!(dump(&Recipe::default(), payload.as_bytes()), Err(expected), "{payload}");
    };
    let no_event = |payload: &str, problem: &str| {
        let error = format!("this is no change event of DynamoDB: {problem}");
        check(payload, Reason::NotDynamoDb, &error);
    };
    check("x", Reason::NotJson, "a value is missing at byte 0");
    check("{} {}", Reason::NotJson, "characters after the value at byte 3");
    let damaged = put("").replace("}}", "}");
    check(
        &damaged,
        Reason::NotJson,
        &format!("a comma or a closing brace is missing at byte {}", damaged.len()),
    );
    let deep = format!(r#"{}"v":{}"#, "", r#"{"L":["#.repeat(300));
    assert_eq!(
        dump(&Recipe::default(), put(&deep).as_bytes()).map_err(|refused| refused.reason),
        Err(Reason::NotJson)
    );
    check(
        r#"{"kinesis":{"data":"?"}}"#,
        Reason::NotJson,
        "`kinesis.data` is not base64: Invalid symbol 63, offset 0.",
    );
    check(r#"{"kinesis":{"data":"eA=="}}"#, Reason::NotJson, "a value is missing at byte 0");

    no_event("[]", "it is no object");
    no_event("{}", "it has no object dynamodb");
    no_event(r#"{"eventSource":"aws:dynamodb","dynamodb":null}"#, "it has no object dynamodb");
    let source = put("").replace("aws:dynamodb", "aws:kinesis");
    no_event(&source, "its eventSource is not aws:dynamodb");
    no_event(&put("").replace("\"aws:dynamodb\"", "null"), "its eventSource is not aws:dynamodb");
    for name in ["insert", "TRUNCATE", ""] {
        let event = event(name, r#"{"Keys":{"id":{"S":"k"}}}"#);
        no_event(&event, "its eventName is none of INSERT, MODIFY, REMOVE");
    }
    no_event(&put("").replace("\"t\"", "7"), "its tableName is no text");
    no_event(&event("INSERT", r#"{"Keys":7}"#), "its Keys is no object");
    no_event(
        &event("INSERT", r#"{"Keys":{"id":{"S":"k"}},"NewImage":[]}"#),
        "its NewImage is no object",
    );
    for item in ["{}", r#"{"Keys":null}"#, r#"{"NewImage":{"id":{"S":"k"}}}"#] {
        check(&event("MODIFY", item), Reason::NoKey, "the event has no Keys");
    }
    check(&event("REMOVE", r#"{"Keys":{}}"#), Reason::NoKey, "the Keys of the event are empty");
    for (key, problem) in [
        (r#""id":{"BOOL":true}"#, "a key is text, a number, or binary"),
        (r#""id":{"S":null}"#, "a key is text, a number, or binary"),
        (r#""id":{"S":"a"},"id":{"S":"b"}"#, "it comes twice in Keys"),
        (r#""id":{"X":"a"}"#, "unknown descriptor `X`"),
    ] {
        let event = event("INSERT", &format!(r#"{{"Keys":{{{key}}}}}"#));
        check(&event, Reason::NotDynamoDb, &format!("attribute `id`: {problem}"));
    }
}

#[test]
fn what_is_no_value_is_refused() {
    let check = |value: &str, problem: &str| {
        let error = format!("attribute `v`: {problem}");
        let expected = Refused { reason: Reason::NotDynamoDb, error };
        let payload = put(&format!(r#""v":{value}"#));
        assert_eq!(dump(&Recipe::default(), payload.as_bytes()), Err(expected), "{value}");
        // And as deep as it may stand.
        let payload = put(&format!(r#""v":{{"M":{{"a":{{"L":[{value}]}}}}}}"#));
        let refused = dump(&Recipe::default(), payload.as_bytes()).unwrap_err();
        assert!(refused.error.ends_with(problem), "{}", refused.error);
    };
    for value in ["{}", "null", "7", r#""text""#, "[]"] {
        check(value, "a value has no descriptor");
    }
    check(r#"{"s":"a"}"#, "unknown descriptor `s`");
    check(
        &format!(r#"{{"{}":1}}"#, "ä".repeat(100)),
        &format!("unknown descriptor `{}`", "ä".repeat(64)),
    );
    check(r#"{"S":"a","N":"1"}"#, "a value has two descriptors");
    check(r#"{"S":"a","S":"a"}"#, "a value has two descriptors");
    check(r#"{"S":7}"#, "S is no text");
    for number in ["abc", "", "1,5", "NaN", "Infinity", "01", "+1", " 1", "1 "] {
        check(&format!(r#"{{"N":"{number}"}}"#), "N is no number");
    }
    check(r#"{"N":null}"#, "N is no number");
    check(r#"{"N":true}"#, "N is no number");
    check(r#"{"BOOL":"true"}"#, "BOOL is neither true nor false");
    check(r#"{"B":null}"#, "B is no text");
    check(r#"{"M":[]}"#, "M is no object");
    for value in [r#"{"L":{}}"#, r#"{"SS":"a"}"#, r#"{"NS":null}"#] {
        check(value, "a list or set is no array");
    }
    check(r#"{"SS":[7]}"#, "S is no text");
    check(r#"{"SS":[null]}"#, "a set has a member null");
    check(r#"{"NS":["x"]}"#, "N is no number");
    check(r#"{"BS":[1]}"#, "B is no text");
}

#[test]
fn a_recipe_applies_to_attributes() {
    let recipe = |rules: &str| {
        let text = format!("collections: [{{address: {{container: '', name: t}}, {rules}}}]");
        Recipe::parse(&text).unwrap()
    };
    let check = |rules: &str, attributes: &str, expected: &str| {
        let expected = format!(r#"put t: id="k" |{expected}"#);
        assert_eq!(dump(&recipe(rules), put(attributes).as_bytes()), Ok(expected), "{rules}");
    };
    let refused = |rules: &str, attributes: &str, expected: &str| {
        let expected = Refused { reason: Reason::Refused, error: expected.to_owned() };
        assert_eq!(dump(&recipe(rules), put(attributes).as_bytes()), Err(expected), "{rules}");
    };
    let rename = "bucket: {names: {rules: [{old: a, new: b}]}}";
    check(rename, r#""a":{"N":"1"},"c":{"N":"2"}"#, " b=1 c=2 |");
    check(rename, r#""b":{"N":"1"}"#, " b=1 |");
    let problem = "attribute `b`: the recipe gives its name to another attribute of the item";
    refused(rename, r#""a":{"N":"1"},"b":{"N":"2"}"#, problem);
    refused(rename, r#""b":{"N":"1"},"a":{"N":"2"}"#, problem);
    refused(
        "bucket: {names: {rules: [{old: a, new: id}]}}",
        r#""a":{"N":"1"}"#,
        "attribute `id`: the recipe gives its name to another attribute of the item",
    );

    // What is ignored is not even looked at.
    check("treatment: {ignore_field: [a]}", r#""a":{"X":1},"b":{"N":"2"}"#, " b=2 |");

    let lists = "treatment: {convert_list: [a]}";
    check(lists, r#""a":{"N":"1.50"}"#, " a=json [1.50] |");
    check(lists, r#""a":{"S":"x\n"}"#, r#" a=json ["x\n"] |"#);
    check(lists, r#""a":{"BOOL":true}"#, " a=json [true] |");
    check(lists, r#""a":{"M":{"b":{"N":"1"}}}"#, r#" a=json [{"b":1}] |"#);
    check(lists, r#""a":{"NULL":true}"#, " a=null |");
    check(lists, r#""a":{"NS":["1"]}"#, " a=json [1] |");
    check(
        lists,
        r#""x":{"L":[{"S":"a"},{"N":"1"}]},"a":{"M":{}}"#,
        r#" a=json [{}] | x=json ["a",1]"#,
    );

    let texts = "treatment: {convert_string: [a, id]}";
    check(texts, r#""a":{"N":"1.50"}"#, r#" a="1.50" |"#);
    check(texts, r#""a":{"BOOL":false}"#, r#" a="false" |"#);
    check(texts, r#""a":{"L":[{"S":"a"},{"N":"1"}]}"#, r#" a="[\"a\",1]" |"#);
    check(texts, r#""a":{"NULL":true}"#, " a=null |");
    check(texts, r#""a":{"S":"x"}"#, r#" a="x" |"#);

    let json = "map: {rules: [{pointer: /a, type: map}]}";
    check(json, r#""a":{"S":" {\"b\": [1.50]} "}"#, r#" a=json {"b": [1.50]} |"#);
    check(json, r#""a":{"S":"12345678901234567890"}"#, " a=big 12345678901234567890 |");
    check(json, r#""a":{"S":"1e2"}"#, " a=decimal 1e2 |");
    check(json, r#""a":{"S":"\"x\\n\""}"#, r#" a="x\n" |"#);
    check(json, r#""a":{"S":"null"}"#, " a=null |");
    check(json, r#""a":{"S":"true"}"#, " a=true |");
    check(json, r#""a":{"N":"1"}"#, " a=1 |");
    refused(
        json,
        r#""a":{"S":"{"}"#,
        "attribute `a`: no JSON: a member's name is missing at byte 1",
    );
    refused(json, r#""a":{"S":""}"#, "attribute `a`: no JSON: the payload is empty at byte 0");
    let both = "map: {rules: [{pointer: a, type: map}]}, treatment: {convert_list: [a]}";
    check(both, r#""a":{"S":" {} "}"#, " a=json [{}] |");
    check(both, r#""a":{"S":"[1]"}"#, " a=json [1] |");
    check(both, r#""a":{"S":"1"}"#, " a=json [1] |");

    for (rules, asked) in [
        ("bucket: {names: {rules: [{old: id, new: b}]}}", "to rename it"),
        ("treatment: {ignore_field: [id]}", "to ignore it"),
        ("treatment: {convert_list: [id]}", "for a list"),
        ("map: {rules: [{pointer: id, type: map}]}", "for JSON"),
    ] {
        let error = format!("attribute `id`: the recipe asks {asked}, but it is a part of the key");
        refused(rules, "", &error);
    }

    let of_target = Recipe::parse(
        "collections: [{address: {container: doc, name: t}, treatment: {ignore_field: [a]}}]",
    )
    .unwrap();
    let payload = put(r#""a":{"N":"1"}"#);
    let shown = |recipe: &Recipe| dump(recipe, payload.as_bytes()).unwrap();
    assert_eq!(shown(&of_target), r#"put t: id="k" | a=1 |"#);
    let of_target = of_target.with_target_schema(Some("doc".to_owned()));
    assert_eq!(shown(&of_target), r#"put t: id="k" | |"#);
}

/// The walk is recursive: the deepest value that is read needs less than the half of what a thread has.
#[test]
fn deep_values_are_no_problem() {
    let deep = |levels: usize| {
        let value =
            format!("{}{}{}", r#"{"L":["#.repeat(levels), r#"{"N":"1"}"#, "]}".repeat(levels));
        let payload = put(&format!(r#""v":{value}"#));
        let read = move || {
            let mut changes = Changes::new(ShardId::new("s"), 1, 1);
            read(payload.as_bytes(), &Recipe::default(), 0, &mut changes)?;
            let last = changes.row(0).cells().last();
            let Some((_, Value::Json(text))) = last else { panic!("{last:?}") };
            Ok(text.to_owned())
        };
        std::thread::Builder::new().stack_size(1024 * 1024).spawn(read).unwrap().join().unwrap()
    };
    // Two levels each, below the record, `dynamodb`, the image, and above a number.
    let expected = format!("{}1{}", "[".repeat(254), "]".repeat(254));
    assert_eq!(deep(254), Ok(expected));
    assert_eq!(deep(255).map_err(|refused: Refused| refused.reason), Err(Reason::NotJson));
}

#[test]
fn each_record_is_one_unit() {
    let records = ["x", &put(r#""v":{"N":"1"}"#), &put(r#""v":{"N":"y"}"#), &put("")];
    let mut records: VecDeque<_> = records
        .iter()
        .enumerate()
        .map(|(index, data)| Record {
            data: data.as_bytes().to_vec(),
            sequence: Sequence::new(index.to_string()),
            partition_key: Some("p".to_owned()),
            arrived_at: None,
            done: 0,
        })
        .collect();
    let options = DecodeOptions { format: Format::DynamoDb, ..DecodeOptions::default() };
    let decoder = Decoder::with_recipe(options, Recipe::default());
    let decoded = decoder.decode(&ShardId::new("s"), &mut records, Allowance::ALL);
    let changes = decoded.changes;
    assert_eq!((changes.units(), changes.len(), changes.filtered()), (4, 2, 0));
    assert_eq!(decoded.upto, Some(Sequence::new("3")));
    let rows: Vec<_> = changes
        .rows()
        .map(|row| (row.origin().sequence.to_string(), row.change().unwrap().data().count()))
        .collect();
    assert_eq!(rows, [("1".to_owned(), 2), ("3".to_owned(), 1)]);
    let letters: Vec<_> = changes
        .dead_letters()
        .iter()
        .map(|letter| (letter.origin.sequence.to_string(), letter.reason))
        .collect();
    let expected = [("0".to_owned(), Reason::NotJson), ("2".to_owned(), Reason::NotDynamoDb)];
    assert_eq!(letters, expected);
    assert_eq!(changes.dead_letters()[0].payload, b"x");
}

/// A number as DynamoDB may send it: up to 38 digits, with a point and an exponent or without.
fn digits() -> impl Strategy<Value = String> {
    "-?(0|[1-9][0-9]{0,37}|[1-9][0-9]{0,18}\\.[0-9]{1,19}|[1-9]\\.[0-9]{1,37}E(-[1-9][0-9]?|\\+[1-9][0-9]?))"
}

/// An attribute value, and the JSON that it stands for.
fn value() -> impl Strategy<Value = (String, String)> {
    let text = "[a-zä\"\\\\\n]{0,5}".prop_map(|text| serde_json::to_string(&text).unwrap());
    let leaf = prop_oneof![
        text.prop_map(|text| (format!(r#"{{"S":{text}}}"#), text)),
        digits().prop_map(|digits| (format!(r#"{{"N":"{digits}"}}"#), digits)),
        any::<bool>().prop_map(|value| (format!(r#"{{"BOOL":{value}}}"#), value.to_string())),
        Just((r#"{"NULL":true}"#.to_owned(), "null".to_owned())),
        vec(digits(), 0..4).prop_map(|all| {
            (
                format!(r#"{{"NS":["{}"]}}"#, all.join("\",\"")).replace("[\"\"]", "[]"),
                format!("[{}]", all.join(",")),
            )
        }),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let member = ("[a-zä\"]{0,3}", inner.clone());
        let lists = vec(inner, 0..4).prop_map(|all| {
            let (values, json): (Vec<_>, Vec<_>) = all.into_iter().unzip();
            (format!(r#"{{"L":[{}]}}"#, values.join(" , ")), format!("[{}]", json.join(",")))
        });
        let maps = vec(member, 0..4).prop_map(|all| {
            let side = |pick: fn(&(String, String)) -> &String| {
                let members: Vec<_> = all
                    .iter()
                    .map(|(name, value)| {
                        format!("{}:{}", serde_json::to_string(name).unwrap(), pick(value))
                    })
                    .collect();
                members.join(",")
            };
            (
                format!(r#"{{"M":{{{}}}}}"#, side(|value| &value.0)),
                format!("{{{}}}", side(|value| &value.1)),
            )
        });
        prop_oneof![lists, maps]
    })
}

proptest! {
    #[test]
    fn numbers_keep_every_digit(digits in digits()) {
        let payload = put(&format!(r#""v":{{"N":"{digits}"}},"l":{{"NS":["{digits}"]}}"#));
        let shown = dump(&Recipe::default(), payload.as_bytes()).unwrap();
        let kind = match digits.parse::<i64>() {
            Ok(_) => "",
            Err(_) if digits.contains(['.', 'E']) => "decimal ",
            Err(_) => "big ",
        };
        let digits_of_integer = if digits == "-0" { "0" } else { &digits };
        prop_assert_eq!(shown, format!(r#"put t: id="k" | v={kind}{digits_of_integer} l=json [{digits}] |"#));
    }

    #[test]
    fn nested_values_become_json((value, json) in value()) {
        let payload = put(&format!(r#""v":{{"M":{{"v":{value}}}}}"#));
        let shown = dump(&Recipe::default(), payload.as_bytes()).unwrap();
        prop_assert_eq!(shown, format!(r#"put t: id="k" | v=json {{"v":{json}}} |"#));
    }

    #[test]
    fn no_bytes_end_the_process(bytes in vec(any::<u8>(), 0..100), at in 0_usize..300, with in vec(any::<u8>(), 0..4)) {
        let dumped = dump(&Recipe::default(), &bytes);
        prop_assert!(dumped.is_err());
        // And an event that is damaged.
        let mut event = put(r#""id":{"S":"k"},"l":{"L":[{"M":{"a":{"NS":["1"]}}},{"B":"eA=="}]},"n":{"N":"1.5"}"#).into_bytes();
        let at = at.min(event.len());
        event.splice(at..(at + 2).min(event.len()), with);
        drop(dump(&Recipe::default(), &event));
    }
}
