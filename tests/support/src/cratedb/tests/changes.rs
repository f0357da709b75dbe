//! UPDATE and DELETE, versions, and who sees what.

use serde_json::json;

use super::{bulk, bulk_answer, codes, fails, refreshed, run, with_table};

#[tokio::test]
async fn a_key_sees_a_write_at_once_and_a_search_after_a_refresh() {
    let server = with_table("(a TEXT, b BIGINT, v TEXT, PRIMARY KEY (a, b))").await;
    run(&server, "INSERT INTO t (a, b, v) VALUES ('x', 1, 'new')");
    assert_eq!(json!(server.rows("SELECT v FROM t WHERE a = 'x' AND b = 1")), json!([["new"]]));
    for search in [
        "SELECT count(*) FROM t",
        "SELECT count(*) FROM t WHERE a = 'x'",
        "SELECT count(*) FROM t WHERE a = 'x' AND b = 1 AND v = 'new'",
    ] {
        assert_eq!(json!(server.rows(search)), json!([[0]]), "{search}");
    }
    assert_eq!(run(&server, "UPDATE t SET v = 'unseen' WHERE a = 'x'")["rowcount"], 0);
    assert_eq!(run(&server, "UPDATE t SET v = 'newer' WHERE a = 'x' AND b = 1")["rowcount"], 1);
    run(&server, "REFRESH TABLE t");
    assert_eq!(json!(server.rows("SELECT v FROM t WHERE v = 'newer'")), json!([["newer"]]));
    run(&server, "DELETE FROM t WHERE a = 'x' AND b = 1");
    assert_eq!(json!(server.rows("SELECT count(*) FROM t")), json!([[1]]));
    assert_eq!(run(&server, "DELETE FROM t")["rowcount"], 0);
    assert_eq!(refreshed(&server, "SELECT count(*) FROM t"), json!([[0]]));
}

#[tokio::test]
async fn a_version_guards_a_row() {
    let server = with_table("(id TEXT PRIMARY KEY, v BIGINT)").await;
    run(&server, "INSERT INTO t (id, v) VALUES ('other', 0), ('x', 1)");
    let version = || server.rows("SELECT _seq_no, _primary_term FROM t WHERE id = 'x'").remove(0);
    let before = version();
    assert_eq!(before[1], 1);
    let guarded = format!("WHERE id = 'x' AND _seq_no = {} AND _primary_term = 1", before[0]);
    assert_eq!(run(&server, &format!("UPDATE t SET v = v + 1 {guarded}"))["rowcount"], 1);
    assert!(version()[0].as_i64() > before[0].as_i64());
    assert_eq!(run(&server, &format!("UPDATE t SET v = v + 1 {guarded}"))["rowcount"], 0);
    assert_eq!(run(&server, &format!("DELETE FROM t {guarded}"))["rowcount"], 0);
    assert_eq!(json!(server.rows("SELECT v FROM t WHERE id = 'x'")), json!([[2]]));

    let update = "UPDATE t SET v = ? WHERE id = ? AND _seq_no = ? AND _primary_term = ?";
    let rows = json!([[5, "x", before[0], 1], [6, "x", version()[0], 1], [7, "missing", 1, 1]]);
    let (status, answer) = bulk_answer(&server, update, &rows.to_string()).await;
    assert_eq!((status, codes(&answer)), (200, vec![4092, 0, 40411]));
    assert_eq!(fails(&server, "SELECT v FROM t WHERE _seq_no = 1"), 4000);
    assert_eq!(fails(&server, "UPDATE t SET v = 1 WHERE id = 'x' AND _seq_no = 1"), 4000);
}

#[tokio::test]
async fn a_missing_key_is_an_error_in_bulk_and_nothing_alone() {
    let server = with_table("(id TEXT PRIMARY KEY, v BIGINT)").await;
    run(&server, "INSERT INTO t (id, v) VALUES ('x', 1)");
    assert_eq!(run(&server, "DELETE FROM t WHERE id = 'y'")["rowcount"], 0);
    assert_eq!(
        bulk(&server, "UPDATE t SET v = ? WHERE id = ?", r#"[[2, "x"], [2, "y"]]"#).await,
        (200, vec![1, -2])
    );
    let (_, answer) =
        bulk_answer(&server, "DELETE FROM t WHERE id = ?", r#"[["y"], ["x"], ["x"]]"#).await;
    assert_eq!(codes(&answer), [40411, 0, 40411]);
    assert_eq!(
        bulk(&server, "UPDATE t SET v = ? WHERE id = ?", r#"[[1, "x"], ["no", "y"]]"#).await,
        (400, vec![4000])
    );
}

#[tokio::test]
async fn assignments_reach_into_objects_and_to_other_columns() {
    let server = with_table("(id TEXT PRIMARY KEY, v BIGINT, at TIMESTAMP WITH TIME ZONE, o OBJECT(DYNAMIC) AS (k TEXT))").await;
    run(&server, "INSERT INTO t (id, v, o) VALUES ('x', 1, '{\"k\": \"a\", \"l\": 1}')");
    run(
        &server,
        "UPDATE t SET o['k'] = 'b', o['new'] = 2.5, v = o['l'], at = CURRENT_TIMESTAMP + 1000 WHERE id = 'x'",
    );
    assert_eq!(
        json!(server.rows("SELECT v, o, at > CURRENT_TIMESTAMP FROM t WHERE id = 'x'")),
        json!([[1, { "k": "b", "l": 1, "new": 2.5 }, true]])
    );
    assert_eq!(fails(&server, "UPDATE t SET id = 'y' WHERE id = 'x'"), 4000);
    assert_eq!(fails(&server, "UPDATE t SET w = 1 WHERE id = 'x'"), 4043);
    assert_eq!(fails(&server, "UPDATE t SET v = 'y' WHERE id = 'x'"), 4000);
}

#[tokio::test]
async fn a_key_may_lie_inside_of_an_object() {
    let server =
        with_table("(pk OBJECT(STRICT) AS (id BIGINT PRIMARY KEY, s TEXT PRIMARY KEY), v TEXT)")
            .await;
    let insert = "INSERT INTO t (pk, v) VALUES (?, ?) ON CONFLICT (pk['id'], pk['s']) DO UPDATE SET v = excluded.v";
    let rows =
        r#"[[{"id": 1, "s": "a"}, "x"], [{"s": "a", "id": "1"}, "y"], [{"id": 1, "s": "b"}, "z"]]"#;
    assert_eq!(bulk(&server, insert, rows).await, (200, vec![1, 1, 1]));
    let select = "SELECT v FROM t WHERE pk['id'] = 1 AND pk['s'] = 'a'";
    assert_eq!(json!(server.rows(select)), json!([["y"]]));
    assert_eq!(bulk(&server, insert, r#"[[{"id": 1, "s": null}, "x"]]"#).await, (400, vec![4000]));
    assert_eq!(bulk(&server, insert, r#"[[null, "x"]]"#).await, (400, vec![4000]));
    assert_eq!(
        bulk(&server, insert, r#"[[{"id": 1, "s": "c", "t": 1}, "x"]]"#).await,
        (200, vec![-2])
    );
    assert_eq!(
        fails(&server, "UPDATE t SET pk['s'] = 'c' WHERE pk['id'] = 1 AND pk['s'] = 'a'"),
        4000
    );
}

#[tokio::test]
async fn an_upsert_may_name_a_column_that_does_not_come_to_be() {
    let server = with_table("(id BIGINT PRIMARY KEY) WITH (column_policy = 'dynamic')").await;
    let insert = "INSERT INTO t (id, a, b) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b";
    assert_eq!(bulk(&server, insert, "[[1, 5, null], [1, 6, null]]").await, (200, vec![1, 1]));
    assert_eq!(refreshed(&server, "SELECT * FROM t"), json!([[1, 6]]));
}

#[tokio::test]
async fn members_of_objects_are_changed_by_keys_inside_of_objects() {
    let server = with_table(
        "(pk OBJECT(STRICT) AS (id BIGINT PRIMARY KEY, \"it's\" TEXT PRIMARY KEY), data OBJECT(DYNAMIC), aux OBJECT(IGNORED))",
    )
    .await;
    let insert = "INSERT INTO t (pk, data) VALUES (?, ?) ON CONFLICT DO NOTHING";
    let rows = r#"[[{"id": 1, "it's": "a"}, {"v": 1, "w": "x"}], [{"id": 1, "it's": "a"}, {}]]"#;
    assert_eq!(bulk(&server, insert, rows).await, (200, vec![1, 0]));
    run(&server, "ALTER TABLE t ADD COLUMN data['it''s'] DOUBLE PRECISION");
    let by_key = "WHERE \"pk\"['id'] = ? AND \"pk\"['it''s'] = ?";
    let update = format!("UPDATE t SET data['v'] = ?, data['it''s'] = ? {by_key}");
    let (status, answer) =
        bulk_answer(&server, &update, r#"[[2, 2, 1, "a"], [3, 3, 1, "b"]]"#).await;
    assert_eq!((status, codes(&answer)), (200, vec![0, 40411]));
    assert_eq!(
        json!(server.rows("SELECT data FROM t WHERE pk['id'] = 1 AND pk['it''s'] = 'a'")),
        json!([[{ "v": 2, "w": "x", "it's": 2.0 }]])
    );
    let update = format!("UPDATE t SET data = ?, aux = ? {by_key}");
    assert_eq!(
        bulk(&server, &update, r#"[[{"w": "y"}, {"l": [1, "a"]}, 1, "a"]]"#).await,
        (200, vec![1])
    );
    let found = server.sql(&format!("SELECT data, aux FROM t {by_key}"), &[json!(1), json!("a")]);
    assert_eq!(found["rows"], json!([[{ "w": "y" }, { "l": [1, "a"] }]]));
    let delete = format!("DELETE FROM t {by_key}");
    let (_, answer) = bulk_answer(&server, &delete, r#"[[1, "a"], [1, "a"]]"#).await;
    assert_eq!(codes(&answer), [0, 40411]);
}
