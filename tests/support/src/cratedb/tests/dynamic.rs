//! Columns and keys that come with values.

use serde_json::json;

use super::{bulk, bulk_answer, codes, fails, refreshed, run, with_table};

const OBJECT: &str = "INSERT INTO t (id, o) VALUES (?, ?)";
const TYPES: &str = "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 't' ORDER BY ordinal_position";

#[tokio::test]
async fn keys_get_a_type_from_their_value() {
    let server = with_table("(id BIGINT PRIMARY KEY, o OBJECT(DYNAMIC))").await;
    let object = r#"{"b": true, "i": 1, "f": 1.5, "t": "x", "o": {"k": 1}, "l": [1, 2.5], "lo": [{"x": 1}, {"y": "z"}],
        "n": null, "e": [], "ln": [null], "_u": 1}"#;
    assert_eq!(bulk(&server, OBJECT, &format!("[[1, {object}]]")).await, (200, vec![1]));
    assert_eq!(
        json!(server.rows(TYPES)),
        json!([
            ["id", "bigint"],
            ["o", "object"],
            ["o['b']", "boolean"],
            ["o['i']", "bigint"],
            ["o['f']", "double precision"],
            ["o['t']", "text"],
            ["o['o']", "object"],
            ["o['o']['k']", "bigint"],
            ["o['l']", "double precision_array"],
            ["o['lo']", "object_array"],
            ["o['lo']['x']", "bigint"],
            ["o['lo']['y']", "text"],
            ["o['_u']", "bigint"],
        ])
    );
    // What became no column is kept all the same.
    assert_eq!(refreshed(&server, "SELECT o FROM t")[0][0]["e"], json!([]));
    assert_eq!(refreshed(&server, "SELECT o['lo']['x'] FROM t"), json!([[[1, null]]]));
    assert_eq!(fails(&server, "SELECT o['n'] FROM t"), 4043);
}

#[tokio::test]
async fn the_last_row_decides_about_a_type() {
    let server = with_table("(id BIGINT PRIMARY KEY, o OBJECT(DYNAMIC))").await;
    let (status, answer) = bulk_answer(
        &server,
        OBJECT,
        r#"[[1, {"k": "text"}], [2, {"k": 2.5}], [3, {"k": "7"}], [4, {"k": true}], [5, {"k": 1}]]"#,
    )
    .await;
    assert_eq!((status, codes(&answer)), (200, vec![4000, 0, 0, 4000, 0]));
    // Casts that are possible happen in silence.
    assert_eq!(
        refreshed(&server, "SELECT id, o['k'] FROM t ORDER BY id"),
        json!([[2, 2], [3, 7], [5, 1]])
    );
    assert_eq!(
        bulk(&server, OBJECT, r#"[[6, {"k": "late"}], [7, {"k": 3}]]"#).await,
        (200, vec![-2, 1])
    );
}

#[tokio::test]
async fn objects_refuse_rows() {
    let server = with_table(
        "(id BIGINT PRIMARY KEY, o OBJECT(DYNAMIC), s OBJECT(STRICT) AS (k BIGINT NOT NULL), i OBJECT(IGNORED))",
    )
    .await;
    let check = async |column: &str, value: &str, code: i64| {
        let statement = format!(
            "INSERT INTO t (id, {column}) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET {column} = excluded.{column}"
        );
        let (status, answer) = bulk_answer(&server, &statement, &format!("[[1, {value}]]")).await;
        assert_eq!((status, codes(&answer)), (200, vec![code]), "{value}");
    };
    check("o", r#"{"a.b": 1}"#, 4008).await;
    check("o", r#"{"a": {"b[0]": 1}}"#, 4008).await;
    check("o", r#"{"m": [1, "a"]}"#, 5000).await;
    check("o", r#"{"m": [[1], [2]]}"#, 4000).await;
    check("o", r#"{"big": 9223372036854775807}"#, 4000).await;
    check("o", r#"{"wrapped": 18446744073709551615}"#, 0).await;
    check("s", r#"{"k": 1, "other": 1}"#, 4000).await;
    check("s", "{}", 4000).await;
    check("s", r#"{"k": 1}"#, 0).await;
    check("i", r#"{"m": [1, "a"], "a.b": [[1]], "big": 9223372036854775807}"#, 0).await;
    assert_eq!(refreshed(&server, "SELECT i FROM t")[0][0]["a.b"], json!([[1]]));
    assert_eq!(refreshed(&server, "SELECT o['wrapped'] FROM t"), json!([[-1]]));
    assert!(!server.rows(TYPES).iter().any(|row| row[0].as_str().unwrap().starts_with("i[")));
}

#[tokio::test]
async fn tables_grow_when_they_may() {
    let server = with_table("(id BIGINT PRIMARY KEY) WITH (column_policy = 'dynamic')").await;
    let insert = "INSERT INTO t (id, a, b, c) VALUES (?, ?, ?, ?)";
    let rows = r#"[[1, "x", 1, null], [2, 5, null, []], [3, null, 1.5, null]]"#;
    assert_eq!(bulk(&server, insert, rows).await, (200, vec![-2, 1, 1]));
    assert_eq!(
        json!(server.rows(TYPES)),
        json!([["id", "bigint"], ["b", "double precision"], ["a", "bigint"]])
    );
    assert_eq!(
        refreshed(&server, "SELECT * FROM t ORDER BY id"),
        json!([[2, null, 5], [3, 1.5, null]])
    );
    // Known by now: what cannot be cast refuses the request.
    assert_eq!(bulk(&server, insert, r#"[[4, "x", 1, null]]"#).await, (400, vec![4000]));
    assert_eq!(
        bulk(&server, "INSERT INTO t (id, \"_a\") VALUES (?, ?)", "[[4, 1]]").await,
        (400, vec![4008])
    );
}

#[tokio::test]
async fn a_table_has_a_thousand_columns_at_most() {
    let server = with_table("(id BIGINT PRIMARY KEY, o OBJECT(DYNAMIC))").await;
    let keys = |from: usize, to: usize| {
        let members: Vec<String> = (from..to).map(|key| format!("\"k{key}\": 1")).collect();
        format!("{{{}}}", members.join(","))
    };
    let rows = format!("[[1, {}], [2, {}], [3, {{\"k0\": 2}}]]", keys(990, 1000), keys(0, 990));
    let (_, answer) = bulk_answer(&server, OBJECT, &rows).await;
    assert_eq!(codes(&answer), [4000, 0, 0]);
    let count =
        run(&server, "SELECT count(*) FROM information_schema.columns WHERE table_name = 't'");
    assert_eq!(count["rows"], json!([[1000]]));
    assert_eq!(fails(&server, "ALTER TABLE t ADD COLUMN more TEXT"), 4000);
}
