//! What a SELECT can do.

use serde_json::{Value, json};

use super::{fails, run, with_table};

#[tokio::test]
async fn rows_are_found_ordered_and_counted() {
    let server = with_table(
        "(id BIGINT PRIMARY KEY, a TEXT, at TIMESTAMP WITH TIME ZONE, o OBJECT(DYNAMIC))",
    )
    .await;
    run(
        &server,
        "INSERT INTO t (id, a, at, o) VALUES (1, 'x', 1000, '{\"k\": {\"l\": 5}}'), (2, 'y', '1970-01-01T00:00:02Z', NULL), \
         (3, NULL, 3000, '{\"k\": {\"l\": 7}}'), (4, 'x', NULL, NULL)",
    );
    run(&server, "REFRESH TABLE t");
    let check = |query: &str, args: &[Value], expected: Value| {
        let answer = server.sql(&format!("SELECT {query}"), args);
        assert_eq!(answer["rows"], expected, "{query}: {answer}");
    };
    check("id FROM t WHERE a = 'x' ORDER BY id DESC", &[], json!([[4], [1]]));
    check("id FROM t WHERE a = ? OR a IS NULL ORDER BY id", &[json!("y")], json!([[2], [3]]));
    check("id FROM t WHERE NOT (a = 'x') ORDER BY id", &[], json!([[2]]));
    check("id FROM t WHERE a <> 'x' AND a IS NOT NULL", &[], json!([[2]]));
    check("id FROM t WHERE at >= '1970-01-01T00:00:02Z' ORDER BY at", &[], json!([[2], [3]]));
    check(
        "id FROM t WHERE at < CURRENT_TIMESTAMP - 60000 ORDER BY at DESC LIMIT 2",
        &[],
        json!([[3], [2]]),
    );
    check("id FROM t WHERE id = ANY(?) ORDER BY id", &[json!([1, 3, 9])], json!([[1], [3]]));
    check("id FROM t WHERE id IN (?, ?) ORDER BY id", &[json!(2), json!(4)], json!([[2], [4]]));
    check("id FROM t ORDER BY a, id", &[], json!([[1], [4], [2], [3]]));
    check("count(*), sum(id), count(DISTINCT a), max(at) FROM t", &[], json!([[4, 10, 2, 3000]]));
    check("sum(id) FROM t WHERE id > 9", &[], json!([[null]]));
    check("o['k']['l'] AS l FROM t WHERE o['k']['l'] > 5", &[], json!([[7]]));
    check("id::TEXT, CAST(a AS TEXT) FROM t WHERE id = $1", &[json!(1)], json!([["1", "x"]]));
    check("_id FROM t WHERE id = 1", &[], json!([["1"]]));
    check("version()", &[], json!([[server.rows("SELECT version()")[0][0]]]));
    assert!(
        server.rows("SELECT version()")[0][0]
            .as_str()
            .unwrap()
            .starts_with("CrateDB 6.4.3 (built ")
    );
    let named = server.sql("SELECT a, count(*) AS n, id AS \"Number\" FROM t LIMIT 0", &[]);
    assert_eq!(named["error"]["code"], 4000, "a column beside an aggregate: {named}");
    let named = server.sql("SELECT a, id AS \"Number\", o['k'] FROM t LIMIT 1", &[]);
    assert_eq!(
        (&named["cols"], &named["rowcount"]),
        (&json!(["a", "Number", "o['k']"]), &json!(1))
    );
}

#[tokio::test]
async fn what_is_not_known_is_a_syntax_error_that_names_the_statement() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    for statement in [
        "EXPLAIN SELECT 1",
        "SELECT id FROM t GROUP BY id",
        "SELECT upper(a) FROM t",
        "INSERT INTO t (id) VALUES (1) RETURNING id",
        "SELECT id FROM t WHERE",
        "VACUUM",
        "SELECT 'open",
    ] {
        let answer = server.sql(statement, &[]);
        assert_eq!(answer["error"]["code"], 4000, "{statement}");
        assert!(
            answer["error"]["message"].as_str().unwrap().starts_with("SQLParseException["),
            "{answer}"
        );
    }
    let answer = server.sql("EXPLAIN SELECT 1", &[]);
    assert!(answer["error"]["message"].as_str().unwrap().contains("EXPLAIN SELECT 1"));
    assert_eq!(fails(&server, &format!("SELECT '{}'", "x".repeat(262_144))), 4000);
    assert_eq!(fails(&server, "SELECT nothing FROM t"), 4043);
    assert_eq!(fails(&server, "SELECT id FROM t WHERE id = ?"), 4000);
    assert_eq!(fails(&server, "SELECT id FROM t WHERE id = 'x'"), 4000);
}
