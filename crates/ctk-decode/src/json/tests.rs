//! Table tests, and a comparison with `serde_json` over arbitrary values, texts and damage.

use ctk_flow::ShardId;
use proptest::{collection::vec, prelude::*};

use super::*;

/// A value that a test can hold.
#[derive(Clone, Debug, PartialEq)]
enum Owned {
    Null,
    Bool(bool),
    Integer(i64),
    Big(String),
    Decimal(String),
    Text(String),
    Json(String),
}

impl From<Value<'_>> for Owned {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Integer(value) => Self::Integer(value),
            Value::BigInteger(text) => Self::Big(text.into()),
            Value::Decimal(text) => Self::Decimal(text.into()),
            Value::Text(text) => Self::Text(text.into()),
            Value::Json(text) => Self::Json(text.into()),
            Value::Bytes(bytes) => panic!("bytes from JSON: {bytes:?}"),
        }
    }
}

type Reading = fn(&mut Json, &[u8], &mut Changes) -> Result<(), NotJson>;

fn read(reading: Reading, bytes: &[u8]) -> Result<Vec<(String, Owned)>, NotJson> {
    let mut changes = Changes::new(ShardId::new("s"), 1, bytes.len());
    reading(&mut Json::default(), bytes, &mut changes)?;
    changes.end_row(0);
    let row = changes.row(0);
    Ok(row
        .cells()
        .map(|(id, value)| (changes.columns()[id.index()].to_string(), value.into()))
        .collect())
}

#[test]
fn members_become_cells() {
    let check = |text: &str, expected: &[(&str, Owned)]| {
        let expected: Vec<_> =
            expected.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        assert_eq!(read(Json::read_members, text.as_bytes()), Ok(expected), "{text}");
    };
    let text = |text: &str| Owned::Text(text.to_owned());
    let json = |text: &str| Owned::Json(text.to_owned());
    let decimal = |text: &str| Owned::Decimal(text.to_owned());
    let big = |text: &str| Owned::Big(text.to_owned());
    check("{}", &[]);
    check(" { \r\n\t } ", &[]);
    check(
        r#"{"a":null,"b":true,"c":false}"#,
        &[("a", Owned::Null), ("b", Owned::Bool(true)), ("c", Owned::Bool(false))],
    );
    check(
        r#"{"a":1,"b":-1,"c":0,"d":-0}"#,
        &[
            ("a", Owned::Integer(1)),
            ("b", Owned::Integer(-1)),
            ("c", Owned::Integer(0)),
            ("d", Owned::Integer(0)),
        ],
    );
    check(r#"{"a":9223372036854775807}"#, &[("a", Owned::Integer(i64::MAX))]);
    check(r#"{"a":-9223372036854775808}"#, &[("a", Owned::Integer(i64::MIN))]);
    check(r#"{"a":9223372036854775808}"#, &[("a", big("9223372036854775808"))]);
    check(r#"{"a":-9223372036854775809}"#, &[("a", big("-9223372036854775809"))]);
    check(
        r#"{"a":1.50,"b":1e400,"c":-0.0,"d":1E+2}"#,
        &[
            ("a", decimal("1.50")),
            ("b", decimal("1e400")),
            ("c", decimal("-0.0")),
            ("d", decimal("1E+2")),
        ],
    );
    check(
        r#"{"a":"grün","b":"\u00e4\n\"\ud83d\ude00","c":""}"#,
        &[("a", text("grün")), ("b", text("ä\n\"😀")), ("c", text(""))],
    );
    check(r#"{"a":"\u0000"}"#, &[("a", text("\0"))]);
    check(r#"{"\u0061\"":1,"":2}"#, &[("a\"", Owned::Integer(1)), ("", Owned::Integer(2))]);
    check(
        r#"{"a": {"b" : [1, 2.0] } ,"c":[ ]}"#,
        &[("a", json(r#"{"b" : [1, 2.0] }"#)), ("c", json("[ ]"))],
    );
    check(r#"{"a":1,"a":2}"#, &[("a", Owned::Integer(1)), ("a", Owned::Integer(2))]);
    check("\u{feff}{\"a\":1}\n", &[("a", Owned::Integer(1))]);
    check("[1, {}]", &[("data", json("[1, {}]"))]);
    check(" 1.5 ", &[("data", decimal("1.5"))]);
    check("null", &[("data", Owned::Null)]);
    check(r#""a\tb""#, &[("data", text("a\tb"))]);
}

#[test]
fn a_document_is_one_cell() {
    let check = |text: &str, expected: &str| {
        let expected = vec![("data".to_owned(), Owned::Json(expected.to_owned()))];
        assert_eq!(read(Json::read_document, text.as_bytes()), Ok(expected), "{text}");
    };
    check(r#" {"a": 1.50} "#, r#"{"a": 1.50}"#);
    check("1e400", "1e400");
    check(r#""\u0061""#, r#""\u0061""#);
    check("\u{feff}null", "null");
    check("{}", "{}");
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    let check = |bytes: &[u8], offset: usize| {
        for reading in [Json::read_members as Reading, Json::read_document] {
            let error = read(reading, bytes).expect_err(&String::from_utf8_lossy(bytes));
            assert_eq!(error.offset, offset, "{}: {error}", String::from_utf8_lossy(bytes));
            assert!(!error.problem.is_empty());
        }
    };
    check(b"", 0);
    check(b" \n", 2);
    check(b"{\"a\":{\"b\":tru}}", 10);
    check(b"{\"a\":[1,]}", 8);
    check(b"{\"a\":01}", 6);
    check(b"{\"a\":[01]}", 7);
    check(b"{\"a\":-}", 6);
    check(b"{\"a\":1.}", 7);
    check(b"{\"a\":+1}", 5);
    check(b"{\"a\":1e}", 7);
    check(b"{\"a\":NaN}", 5);
    check(b"{\"a\":[Infinity]}", 6);
    check(b"{\"a\":\"x\ny\"}", 7);
    check(b"{\"a\":[\"x\x00y\"]}", 8);
    check(b"{\"a\x01\":1}", 3);
    check(b"{\"a\":\"\xff\"}", 6);
    check(b"{\"a\":[\"\xff\"]}", 7);
    check(b"{\"a\":[\"\\ud800\"]}", 7);
    check(b"{\"\\udc00\":1}", 2);
    check(b"{\"a\":[\"\\u12\"xy\"]}", 7);
    check(b"{\"a\":[\"\\q\"]}", 7);
    check(b"{\"a\":1} x", 8);
    check(b"{\"a\":1}}", 7);
    check(b"{}{}", 2);
    check(b"{\"a\":1", 6);
    check(b"{\"a\":\"x", 7);
    check(b"{\"a\"", 4);
    check(b"{\"a\":", 5);
    check(b"{\"a\":1,}", 7);
    check(b"{,\"a\":1}", 1);
    check(b"{\"a\" 1}", 5);
    check(b"{a:1}", 1);
    check(b"{'a':1}", 1);
    check(b"{", 1);
    check(b"[1] 2", 4);
    check(b"1 2", 2);
    check(b"\xef\xbb\xbf\xef\xbb\xbf{}", 3);
    check(b"\xef\xbb\xbf{\"a\":01}", 9);
    check(b"{\"a\":1}\x0b", 7);
    check(b"{\"a\":1}\xc2\xa0", 7);
}

#[test]
fn depth_ends_as_an_error_not_as_the_end_of_the_process() {
    for open in ["[", "{\"a\":", "{\"a\":["] {
        let deep = open.repeat(100_000);
        for reading in [Json::read_members as Reading, Json::read_document] {
            assert_eq!(read(reading, deep.as_bytes()).unwrap_err().problem, "nested too deeply");
        }
    }
    let allowed =
        format!("{{\"a\":{}{}}}", "[".repeat(scan::MAX_DEPTH - 1), "]".repeat(scan::MAX_DEPTH - 1));
    assert_eq!(read(Json::read_members, allowed.as_bytes()).unwrap().len(), 1);
    assert_eq!(read(Json::read_document, allowed.as_bytes()).unwrap().len(), 1);
}

/// What `serde_json` says, `None` where it cannot judge: it refuses numbers beyond a double, and levels beyond 127.
fn judge(bytes: &[u8]) -> Option<Result<serde_json::Value, ()>> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(value) => Some(Ok(value)),
        Err(error)
            if error.to_string().contains("out of range")
                || error.to_string().contains("recursion") =>
        {
            None
        }
        Err(_) => Some(Err(())),
    }
}

fn parse(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

fn agrees(bytes: &[u8]) -> Result<(), TestCaseError> {
    let (members, document) = (read(Json::read_members, bytes), read(Json::read_document, bytes));
    prop_assert_eq!(members.is_ok(), document.is_ok());
    if let Err(error) = &members {
        prop_assert!(error.offset <= bytes.len());
    }
    let Some(expected) = judge(bytes) else { return Ok(()) };
    let (Ok(expected), Ok(members), Ok(document)) = (&expected, &members, &document) else {
        prop_assert_eq!(expected.is_ok(), members.is_ok(), "{:?} {:?}", expected, members);
        return Ok(());
    };
    let [(_, Owned::Json(text))] = &document[..] else { panic!("one cell: {document:?}") };
    prop_assert_eq!(&parse(text), expected);
    let value = |value: &Owned| match value {
        Owned::Null => serde_json::Value::Null,
        Owned::Bool(value) => (*value).into(),
        Owned::Integer(value) => (*value).into(),
        Owned::Text(text) => text.as_str().into(),
        Owned::Big(text) | Owned::Decimal(text) | Owned::Json(text) => parse(text),
    };
    let actual = match expected {
        serde_json::Value::Object(_) => {
            members.iter().map(|(name, cell)| (name.clone(), value(cell))).collect()
        }
        _ => value(&members[0].1),
    };
    // serde_json takes `-0` for the double -0.0.
    let minus_zero = |value: &serde_json::Value| value.as_f64() == Some(0.0);
    match (&actual, expected) {
        (serde_json::Value::Object(actual), serde_json::Value::Object(expected)) => {
            prop_assert_eq!(actual.len(), expected.len());
            for (name, expected) in expected {
                prop_assert!(
                    actual[name] == *expected || minus_zero(expected) && minus_zero(&actual[name])
                );
            }
        }
        (actual, expected) => {
            prop_assert!(actual == expected || minus_zero(expected) && minus_zero(actual));
        }
    }
    Ok(())
}

/// JSON text with white space, escapes, duplicates and odd numbers.
fn json_text() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[a-c]{0,3}",
        "\\PC{0,40}",
        r#"([a-z ]|\\u00[0-9a-f]{2}|\\ud83d\\ude00|\\n|\\\\|\\"){0,40}"#,
    ]
    .prop_map(|text| match serde_json::from_str::<String>(&format!("\"{text}\"")) {
        Ok(_) => format!("\"{text}\""),
        Err(_) => serde_json::to_string(&text).unwrap(),
    });
    let scalar = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,40})",
        "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,40}",
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?[eE][+-]?[0-9]{1,2}",
        string.clone(),
    ];
    let space = "[ \t\r\n]{0,2}";
    scalar.prop_recursive(5, 60, 6, move |inner| {
        let item = (space, inner.clone(), space)
            .prop_map(|(before, value, after)| before + &value + &after);
        let member = (space, string.clone(), space, item.clone())
            .prop_map(|(before, name, after, value)| format!("{before}{name}{after}:{value}"));
        prop_oneof![
            vec(item, 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// Bytes that are likely to matter.
fn fragment() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"",
            "\\",
            "\\u",
            "d800",
            "\"a\"",
            "0",
            "-",
            ".",
            "e",
            "+",
            "1",
            "tru",
            "true",
            "null",
            "nul",
            " ",
            "\n",
            "\u{feff}",
            "é",
            "\0",
            "\u{7f}",
            "\u{a0}",
            "/",
            "'",
            "0123456789",
            "                                ",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        any::<u8>().prop_map(|byte| vec![byte]),
    ]
}

proptest! {
    #[test]
    fn valid_texts_agree(text in json_text()) {
        prop_assert!(read(Json::read_members, text.as_bytes()).is_ok());
        agrees(text.as_bytes())?;
    }

    #[test]
    fn damaged_texts_agree(text in json_text(), place: prop::sample::Index, damage in fragment(), removed in 0..4_usize) {
        let mut bytes = text.into_bytes();
        let start = place.index(bytes.len() + 1);
        let end = (start + removed).min(bytes.len());
        bytes.splice(start..end, damage);
        agrees(&bytes)?;
    }

    #[test]
    fn arbitrary_bytes_agree(fragments in vec(fragment(), 0..40)) {
        agrees(&fragments.concat())?;
    }
}
