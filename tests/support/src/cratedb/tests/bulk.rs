//! Bulk requests: what refuses a row, and what refuses them all.

use serde_json::json;

use super::{bulk, bulk_answer, codes, refreshed, run, with_table};

const INSERT: &str = "INSERT INTO t (id, a) VALUES (?, ?)";

#[tokio::test]
async fn status_200_does_not_mean_stored() {
    let server = with_table("(id TEXT PRIMARY KEY, a BIGINT NOT NULL)").await;
    let (status, answer) =
        bulk_answer(&server, INSERT, r#"[["x", 1], ["x", 2], ["y", null], ["z", 3]]"#).await;
    assert_eq!(status, 200);
    assert_eq!(codes(&answer), [0, 4091, 4000, 0]);
    assert_eq!(answer["results"][1]["rowcount"], -2);
    assert_eq!(
        answer["results"][1]["error"]["message"],
        "DuplicateKeyException[A document with the same primary key exists already]"
    );
    assert_eq!(answer["cols"], json!([]));
    assert_eq!(refreshed(&server, "SELECT id, a FROM t ORDER BY id"), json!([["x", 1], ["z", 3]]));
}

#[tokio::test]
async fn only_ten_failed_rows_say_why() {
    let server = with_table("(id TEXT PRIMARY KEY, a BIGINT)").await;
    let rows = format!("[{}]", vec![r#"["same", 1]"#; 15].join(","));
    let (_, answer) = bulk_answer(&server, INSERT, &rows).await;
    let explained = codes(&answer).iter().filter(|code| **code == 4091).count();
    assert_eq!(explained, 10);
    let failed = answer["results"].as_array().unwrap().iter().filter(|row| row["rowcount"] == -2);
    assert_eq!(failed.count(), 14);
    assert_eq!(answer["results"][14], json!({ "rowcount": -2 }));
}

#[tokio::test]
async fn one_bad_row_refuses_the_whole_request() {
    let server = with_table(
        "(id TEXT PRIMARY KEY, a BIGINT, o OBJECT(DYNAMIC) AS (k BIGINT), at TIMESTAMP WITH TIME ZONE)",
    )
    .await;
    let columns = "INSERT INTO t (id, a, o, at) VALUES (?, ?, ?, ?)";
    for (bad, value) in [
        (r#"["b", "x", null, null]"#, "`x`"),
        (r#"["b", true, null, null]"#, "`true`"),
        (r#"["b", 1, {"k": "y"}, null]"#, "`y`"),
        (r#"["b", 1, 5, null]"#, "`5`"),
        (r#"["b", 1, null, "yesterday"]"#, "`yesterday`"),
        (r"[null, 1, null, null]", "Primary key"),
        (r#"["b", 1, null]"#, "arguments"),
    ] {
        let rows = format!(r#"[["a", 1, null, null], {bad}, ["c", 1, null, null]]"#);
        let (status, answer) = bulk_answer(&server, columns, &rows).await;
        assert_eq!((status, answer["error"]["code"].as_i64()), (400, Some(4000)), "{bad}");
        assert!(answer["error"]["message"].as_str().unwrap().contains(value), "{bad}: {answer}");
    }
    let (status, _) = bulk(&server, columns, r#"[["a"], ["b"]]"#).await;
    assert_eq!(status, 400);
    assert_eq!(refreshed(&server, "SELECT count(*) FROM t"), json!([[0]]));
}

#[tokio::test]
async fn conflicts_are_left_alone_or_updated() {
    let server = with_table("(id TEXT PRIMARY KEY, a BIGINT, b TEXT)").await;
    run(&server, "INSERT INTO t (id, a, b) VALUES ('x', 1, 'first')");
    let nothing = format!("{INSERT} ON CONFLICT DO NOTHING");
    assert_eq!(
        bulk(&server, &nothing, r#"[["x", 2], ["y", 2], ["y", 3]]"#).await,
        (200, vec![0, 1, 0])
    );
    let update = format!("{INSERT} ON CONFLICT (id) DO UPDATE SET a = excluded.a");
    assert_eq!(
        bulk(&server, &update, r#"[["x", 5], ["x", 6], ["z", 7]]"#).await,
        (200, vec![1, 1, 1])
    );
    assert_eq!(
        refreshed(&server, "SELECT id, a, b FROM t ORDER BY id"),
        json!([["x", 6, "first"], ["y", 2, null], ["z", 7, null]])
    );
    let other = format!("{INSERT} ON CONFLICT (a) DO UPDATE SET b = excluded.b");
    assert_eq!(bulk(&server, &other, r#"[["x", 5]]"#).await, (400, vec![4000]));
    let key = format!("{INSERT} ON CONFLICT (id) DO UPDATE SET id = excluded.id");
    assert_eq!(bulk(&server, &key, r#"[["x", 5]]"#).await, (400, vec![4000]));
}

#[tokio::test]
async fn long_terms_are_refused_unless_they_are_no_terms() {
    let server = with_table(
        "(id TEXT PRIMARY KEY, a TEXT, b TEXT INDEX OFF, c TEXT INDEX OFF STORAGE WITH (columnstore = false))",
    )
    .await;
    let check = async |id: &str, column: &str, text: String, expected: i64| {
        let statement = format!("INSERT INTO t (id, {column}) VALUES (?, ?)");
        let (_, answer) = bulk_answer(&server, &statement, &json!([[id, text]]).to_string()).await;
        assert_eq!(codes(&answer), [expected], "{id}");
    };
    check("1", "a", "x".repeat(32_766), 0).await;
    check("2", "a", "x".repeat(32_767), 4000).await;
    check("3", "a", "ü".repeat(16_384), 4000).await;
    check("4", "b", "x".repeat(32_767), 4000).await;
    check("5", "c", "x".repeat(100_000), 0).await;
}

#[tokio::test]
async fn a_statement_alone_reports_what_a_row_would() {
    let server = with_table("(id TEXT PRIMARY KEY, a BIGINT NOT NULL)").await;
    let insert = |values: &str| format!("INSERT INTO t (id, a) VALUES {values}");
    assert_eq!(run(&server, &insert("('x', 1)"))["rowcount"], 1);
    assert_eq!(super::fails(&server, &insert("('x', 1)")), 4091);
    assert_eq!(super::fails(&server, &insert("('y', NULL)")), 4000);
    // Of several rows, those that fail are passed over in silence.
    assert_eq!(run(&server, &insert("('x', 1), ('y', NULL), ('z', 2)"))["rowcount"], 1);
    assert_eq!(super::fails(&server, "INSERT INTO t (id, b) VALUES ('q', 1)"), 4043);
}

#[tokio::test]
async fn rows_without_values_are_counted_and_keep_their_keys() {
    let options = super::super::Options { store_rows: false, ..Default::default() };
    let server = super::CrateDb::start_with(options).await.unwrap();
    run(&server, "CREATE TABLE t (id TEXT PRIMARY KEY, a BIGINT)");
    assert_eq!(
        bulk(&server, INSERT, r#"[["x", 1], ["x", 2], ["y", 2]]"#).await,
        (200, vec![1, -2, 1])
    );
    assert_eq!(refreshed(&server, "SELECT count(*) FROM t"), json!([[2]]));
    assert_eq!(refreshed(&server, "SELECT a FROM t"), json!([[null], [null]]));
}
