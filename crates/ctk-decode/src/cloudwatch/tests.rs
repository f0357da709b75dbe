//! Messages, rows and refusals, by tables.

use ctk_flow::ShardId;
use proptest::prelude::*;

use super::*;

/// Each row as `name=value` pairs, all cells in order; `control` for the health check.
fn rows(text: &str) -> Result<Vec<String>, String> {
    let message = Message::parse(text.as_bytes()).map_err(|problem| problem.to_string())?;
    let Message::Data(data) = message else { return Ok(vec!["control".to_owned()]) };
    let (mut changes, mut json) = (Changes::new(ShardId::new("s"), 1, 0), Json::default());
    for event in data.events() {
        data.read_event(event, &mut changes, &mut json).unwrap();
        changes.end_row(0);
    }
    let columns = changes.columns();
    Ok(changes
        .rows()
        .map(|row| {
            let cells = row.cells().map(|(id, value)| format!("{}={value:?}", columns[id.index()]));
            cells.collect::<Vec<_>>().join(" ")
        })
        .collect())
}

#[test]
fn events_become_rows() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(rows(text).unwrap(), expected, "{text}");
    };
    check(
        r#"{"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s","subscriptionFilters":["f"],
            "logEvents":[{"id":"0","timestamp":1432826855000,"message":"a \"b\""},
                         {"id":"1","timestamp":1432826855001,"message":"","extractedFields":{"level":"INFO"}}]}"#,
        &[
            r#"owner=Text("123456789012") logGroup=Text("g") logStream=Text("s") subscriptionFilters=Json("[\"f\"]") id=Text("0") timestamp=Integer(1432826855000) message=Text("a \"b\"")"#,
            r#"owner=Text("123456789012") logGroup=Text("g") logStream=Text("s") subscriptionFilters=Json("[\"f\"]") id=Text("1") timestamp=Integer(1432826855001) message=Text("") extractedFields=Json("{\"level\":\"INFO\"}")"#,
        ],
    );
    // Members in any order, names with escapes, a byte order mark, members that nobody knows.
    check(
        "\u{feff}{\"logEvents\" : [ {\"id\":1} , {} ] , \"b\":1.50, \"message\\u0054ype\":\"DATA\\u005fMESSAGE\", \"\\u0061\":null} ",
        &[r#"b=Decimal("1.50") a=Null id=Integer(1)"#, r#"b=Decimal("1.50") a=Null"#],
    );
    // A name that both have: the event's comes last, and the last counts.
    check(
        r#"{"messageType":"DATA_MESSAGE","id":1,"a":2,"logEvents":[{"id":3},{"b":4}]}"#,
        &["id=Integer(1) a=Integer(2) id=Integer(3)", "id=Integer(1) a=Integer(2) b=Integer(4)"],
    );
    // What is no object is `data`, as with plain records; also where the message has a member of that name.
    check(
        r#"{"messageType":"DATA_MESSAGE","a":true,"logEvents":["],",[{}, 1],null,7]}"#,
        &[
            r#"a=Bool(true) data=Text("],")"#,
            r#"a=Bool(true) data=Json("[{}, 1]")"#,
            "a=Bool(true) data=Null",
            "a=Bool(true) data=Integer(7)",
        ],
    );
    check(
        r#"{"messageType":"DATA_MESSAGE","data":1,"logEvents":[2]}"#,
        &["data=Integer(1) data=Integer(2)"],
    );
    // Names of the message are plain names in an event.
    check(
        r#"{"messageType":"DATA_MESSAGE","logEvents":[{"logEvents":[1],"messageType":"x"}]}"#,
        &[r#"logEvents=Json("[1]") messageType=Text("x")"#],
    );
    check(r#"{"messageType":"x","messageType":"DATA_MESSAGE","logEvents":[{}]}"#, &[""]);
    check(r#"{"messageType":"DATA_MESSAGE","logEvents":[ ]}"#, &[]);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(509), "]".repeat(509));
    let text = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{deep}]}}"#);
    assert_eq!(rows(&text).unwrap().len(), 1);
}

#[test]
fn the_health_check_is_no_row() {
    let check = |text: &str| assert_eq!(rows(text).unwrap(), ["control"], "{text}");
    check(
        r#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],
            "logEvents":[{"id":"","timestamp":1432826855000,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#,
    );
    check(r#"{"messageType":"CONTROL_MESSAGE"}"#);
    check(r#"{"logEvents":7,"messageType":"CONTROL_MESSAGE"}"#);
}

#[test]
fn what_is_no_message_is_refused() {
    let check = |text: &str, expected: &str| {
        assert_eq!(rows(text).unwrap_err(), expected, "{text}");
    };
    let other = |text: &str, problem: &str| {
        check(text, &format!("this is no subscription message of CloudWatch Logs: {problem}"));
    };
    let kind = "its messageType is neither DATA_MESSAGE nor CONTROL_MESSAGE";
    other("{}", kind);
    other(r#"{"messageType":"OTHER","logEvents":[]}"#, kind);
    other(r#"{"messageType":["DATA_MESSAGE"],"logEvents":[]}"#, kind);
    other(r#"{"messageType":"DATA_MESSAGE","messageType":1,"logEvents":[]}"#, kind);
    other(r#"{"messagetype":"DATA_MESSAGE","logEvents":[]}"#, kind);
    let events = "it has no array logEvents";
    other(r#"{"messageType":"DATA_MESSAGE"}"#, events);
    other(r#"{"messageType":"DATA_MESSAGE","logEvents":{}}"#, events);
    other(r#"{"messageType":"DATA_MESSAGE","logEvents":null}"#, events);
    other(r#"{"messageType":"DATA_MESSAGE","logEvents":"[]"}"#, events);
    other(
        r#"{"messageType":"DATA_MESSAGE","logEvents":[1],"logEvents":[]}"#,
        "it has two members logEvents",
    );
    for text in ["[]", "7", r#""messageType""#, "null"] {
        other(text, "it is no object");
    }

    check("", "the payload is empty at byte 0");
    check("plain text", "a value is missing at byte 0");
    check("[] x", "characters after the value at byte 3");
    check(
        r#"{"messageType":"DATA_MESSAGE","logEvents":[]"#,
        "a comma or a closing brace is missing at byte 44",
    );
    check(
        r#"{"messageType":"DATA_MESSAGE","logEvents":[]}}"#,
        "characters after the value at byte 45",
    );
    check(
        r#"{"messageType":"DATA_MESSAGE","logEvents":[{"a":01}]}"#,
        "a comma or a closing brace is missing at byte 49",
    );
    // Also in the health check.
    check(r#"{"messageType":"CONTROL_MESSAGE"}x"#, "characters after the value at byte 33");
    assert_eq!(Message::parse(b"{\"\xff\"}").unwrap_err().to_string(), "not UTF-8 at byte 2");
}

#[test]
fn members_that_come_in_every_row_are_limited() {
    let message = |members: usize| {
        let members: Vec<_> = (0..members).map(|n| format!(r#","m{n}":0"#)).collect();
        let members = members.concat();
        format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{{}}]{members}}}"#)
    };
    assert!(rows(&message(MAX_SHARED)).is_ok());
    assert!(rows(&message(MAX_SHARED + 1)).unwrap_err().ends_with("it has too many members"));
}

proptest! {
    #[test]
    fn every_element_comes_as_it_is_written(
        elements in prop::collection::vec(r#"null|-?[1-9]\.5e7|"[a-z,\[\]{}]{0,9}(\\"|\\\\)?"|\[( |1|"\]")\]|\{"a" : \[\]\}"#, 0..20),
        space in "[ \n]{0,2}",
    ) {
        let array = elements.iter().map(|element| format!("{space}{element}{space}")).collect::<Vec<_>>().join(",");
        let text = format!(r#"{{"messageType":"DATA_MESSAGE","logEvents":[{array}]}}"#);
        let Ok(Message::Data(data)) = Message::parse(text.as_bytes()) else { panic!("{text}") };
        prop_assert_eq!(data.events().collect::<Vec<_>>(), elements);
    }
}
