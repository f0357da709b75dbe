//! What lands is what was sent, whatever CrateDB would make of it.

use super::*;

#[tokio::test]
async fn a_table_is_made_and_widened() {
    let mut world = World::new().await;
    world
        .loads(
            &[
                r#"{"id": 1, "v": 1, "ok": true, "none": null}"#,
                r#"{"id": 2, "v": 2, "place": {"room": 1, "x": {"y": "z"}}, "tags": ["a", "b"], "temperature": 42.42}"#,
            ],
            2,
            0,
        )
        .await;
    assert_eq!(
        world.columns("t").await,
        [
            "id bigint",
            "ok boolean",
            "place object",
            "place['room'] bigint",
            "place['x'] object",
            "place['x']['y'] text",
            "tags text_array",
            "temperature double precision",
            "v bigint",
        ]
    );
    world
        .loads(
            &[r#"{"id": 3, "v": 2.5, "place": {"room": "B", "new": 1.5}, "late": 1}"#, "42"],
            2,
            0,
        )
        .await;
    assert_eq!(
        world.rows("t").await,
        [
            "id=1 ok=true v=1",
            r#"id=2 place={"room":1,"x":{"y":"z"}} tags=["a","b"] temperature=42.42 v=2"#,
            r#"id=3 late=1 place={"new":1.5,"room__text":"B"} v__double=2.5"#,
            "data=42",
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn the_envelope_is_written() {
    let mut world = World::new().await;
    world.loads(&[r#"{"kinesis": 1, "_id": "x", "_kinesis": 2}"#], 1, 0).await;
    world.sql("REFRESH TABLE \"t\"").await;
    let answer = world.sql("SELECT \"kinesis_msg_id\", \"kinesis\" FROM \"t\"").await;
    assert_eq!(
        answer["rows"][0],
        serde_json::json!(["KiEkMle98iLC1I5SUALF", {
            "shard_id": "shard-1", "seq_no": "1", "sub_seq": 0, "ts": 1_748_772_000_123_i64,
            "partition": "key", "stream_name": "stream",
        }])
    );
    assert_eq!(world.rows("t").await, [r#"payload__id="x" payload__kinesis=2 payload_kinesis=1"#]);
    world.end().await;
}

/// Each of these is stored as something else when it is sent as it is.
#[tokio::test]
async fn what_would_be_changed_stands_beside() {
    let mut world = World::new().await;
    world.loads(&[r#"{"n": 1, "o": {"n": 1}, "l": [{"n": 1}]}"#], 1, 0).await;
    world
        .loads(
            &[
                r#"{"n": 18446744073709551615, "o": {"n": 18446744073709551615}, "l": [{"n": 18446744073709551615}]}"#,
                r#"{"n": 1.7, "o": {"n": 1.7}, "l": [{"n": 1.7}, {"n": 2}]}"#,
                r#"{"n": 9223372036854775807, "o": {"n": -9223372036854775808}}"#,
                r#"{"n": "5", "o": {"n": true}}"#,
                r#"{"n": [1, "a"], "o": {"n": [1, "a"], "new": [[1], [2]]}, "new": [[1]]}"#,
                r#"{"n": 3.0, "o": {"n": 3.0}}"#,
                r#"{"n": {"a": 1}, "o": {"n": {"a.b[0]": 1}}, "e": []}"#,
            ],
            7,
            0,
        )
        .await;
    let key = names::of_key("a.b[0]");
    assert_eq!(
        world.rows("t").await,
        [
            r#"l=[{"n":1}] n=1 o={"n":1}"#,
            r#"l=[{"n__text":"18446744073709551615"}] n__text="18446744073709551615" o={"n__text":"18446744073709551615"}"#,
            r#"l=[{"n__double":1.7},{"n":2}] n__double=1.7 o={"n__double":1.7}"#,
            r#"n__text="9223372036854775807" o={"n__text":"-9223372036854775808"}"#,
            r#"n__text="5" o={"n__bool":true}"#,
            r#"n__json="[1, \"a\"]" new__json="[[1]]" o={"n__json":"[1, \"a\"]","new__json":"[[1], [2]]"}"#,
            r#"n=3 o={"n":3}"#,
            &format!(r#"e__json="[]" n__object={{"a":1}} o={{"n__object":{{"{key}":1}}}}"#),
        ]
    );
    world.end().await;
}

/// CrateDB takes the type of a key from whichever row it likes, so both must be told apart before they are sent.
#[tokio::test]
async fn two_types_in_one_request_are_told_apart() {
    let mut world = World::new().await;
    world
        .loads(
            &[
                r#"{"a": 1, "o": {"k": 1, "x": "a"}}"#,
                r#"{"a": 2.5, "o": {"k": 2.5, "x": 1}}"#,
                r#"{"a": 3, "o": {"k": 3, "x": {"y": 1}}}"#,
            ],
            3,
            0,
        )
        .await;
    assert_eq!(
        world.rows("t").await,
        [
            r#"a=1.0 o={"k":1.0,"x":"a"}"#,
            r#"a=2.5 o={"k":2.5,"x__bigint":1}"#,
            r#"a=3.0 o={"k":3.0,"x__object":{"y":1}}"#,
        ]
    );
    // The same for keys that come later, and for large integers, which no double holds.
    world
        .loads(
            &[
                r#"{"o": {"l": 9007199254740993, "m": 1}}"#,
                r#"{"o": {"l": 0.5, "m": "x"}}"#,
                r#"{"o": {"l": [1, 2.5], "m": 2}}"#,
            ],
            3,
            0,
        )
        .await;
    assert_eq!(
        world.rows("t").await[3..],
        [
            r#"o={"l":9007199254740993,"m":1}"#,
            r#"o={"l__double":0.5,"m__text":"x"}"#,
            r#"o={"l__double_array":[1.0,2.5],"m":2}"#,
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn long_texts_and_bytes_and_documents() {
    let mut world = World::new().await;
    let long = "ü".repeat(20_000);
    world.loads(&[r#"{"t": "short"}"#, &format!(r#"{{"t": "{long}"}}"#)], 2, 0).await;
    assert_eq!(world.rows("t").await, [r#"t="short""#, &format!(r#"t__longtext="{long}""#)]);

    world.decode.format = ctk_decode::Format::Raw;
    let settings = Settings { table: "traw".into(), ..world.settings() };
    let bytes = "x".repeat(40_000);
    assert_eq!(world.load(settings, &["a", &bytes]).await.unwrap().written, 2);
    let rows = world.rows("traw").await;
    assert_eq!(rows[0], r#"data="YQ==""#);
    assert_eq!(rows[1].len(), 53_336 + r#"data="""#.len());

    world.decode =
        DecodeOptions { layout: ctk_decode::Layout::Document, ..DecodeOptions::default() };
    let settings = || Settings { table: "tdoc".into(), is_document: true, ..world.settings() };
    let (first, second) = (settings(), settings());
    let records = [
        r#"{"a": 1, "b": {"c": [1, {"d": 2}]}}"#,
        r#"{"a": "x", "b": 18446744073709551615, "c.d": 1}"#,
        "[1, 2]",
        "7",
    ];
    assert_eq!(world.load(first, &records).await.unwrap().written, 4);
    assert_eq!(world.load(second, &[r#"{"a": 2.5}"#]).await.unwrap().written, 1);
    let key = names::of_key("c.d");
    let mut rows = world.rows("tdoc").await;
    rows.sort();
    let mut expected = vec![
        r#"data={"a":1,"b":{"c":[1,{"d":2}]}}"#.to_owned(),
        format!(r#"data={{"a":"x","b__text":"18446744073709551615","{key}":1}}"#),
        "data__bigint_array=[1,2]".to_owned(),
        "data__bigint=7".to_owned(),
        r#"data={"a":2.5}"#.to_owned(),
    ];
    expected.sort();
    assert_eq!(rows, expected);
    assert!(
        !world.columns("tdoc").await.iter().any(|column| column.contains('[')),
        "no keys became columns"
    );
    world.end().await;
}

#[tokio::test]
async fn what_becomes_text_asks_for_no_keys() {
    let mut world = World::new().await;
    let keys: Vec<String> = (0..1001).map(|n| format!(r#""k{n}":{n}"#)).collect();
    let mixed = format!(r#"["start",{{{}}}]"#, keys.join(","));
    world.loads(&[&format!(r#"{{"id": 1, "events": {mixed}}}"#)], 1, 0).await;
    assert_eq!(world.columns("t").await, ["events__json text", "id bigint"]);
    world.end().await;
}

#[tokio::test]
async fn what_is_read_again_adds_no_row() {
    let mut world = World::new().await;
    let records = [r#"{"id": 1}"#, r#"{"id": 2}"#];
    world.loads(&records, 2, 0).await;
    let again = world.load_from(world.settings(), 1, &records).await.unwrap();
    assert_eq!((again.written, again.present), (2, 2));
    assert_eq!(world.count("t").await, 2);
    let without = Settings { envelope: Envelope::None, table: "tnone".into(), ..world.settings() };
    assert_eq!(world.load_from(without, 1, &records).await.unwrap().written, 2);
    let without = Settings { envelope: Envelope::None, table: "tnone".into(), ..world.settings() };
    assert_eq!(world.load_from(without, 1, &records).await.unwrap().written, 2);
    assert_eq!(world.count("tnone").await, 4);
    world.end().await;
}
