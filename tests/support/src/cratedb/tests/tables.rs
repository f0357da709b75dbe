//! Tables: their making, their columns, and what `information_schema` says of them.

use serde_json::json;

use super::{CrateDb, fails, run, with_table};

#[tokio::test]
async fn a_table_is_made_once() {
    let server = with_table("(id TEXT PRIMARY KEY)").await;
    assert_eq!(fails(&server, "CREATE TABLE t (id TEXT)"), 4093);
    run(&server, "CREATE TABLE IF NOT EXISTS t (id TEXT)");
    assert_eq!(run(&server, "DROP TABLE t")["rowcount"], 1);
    assert_eq!(fails(&server, "DROP TABLE t"), 4041);
    assert_eq!(run(&server, "DROP TABLE IF EXISTS t")["rowcount"], 0);
    for statement in ["SELECT a FROM t", "REFRESH TABLE t", "DELETE FROM t", "SHOW CREATE TABLE t"]
    {
        assert_eq!(fails(&server, statement), 4041, "{statement}");
    }
    assert_eq!(fails(&server, "SELECT a FROM nowhere.t"), 4045);
}

#[tokio::test]
async fn definitions_are_refused() {
    let server = CrateDb::start().await.unwrap();
    let check = |definition: &str, code: i64| {
        assert_eq!(fails(&server, &format!("CREATE TABLE {definition}")), code, "{definition}");
    };
    check("t (\"_id\" TEXT)", 4008);
    check("t (\"a.b\" TEXT)", 4008);
    check("t (\"a[\" TEXT)", 4008);
    check("t (\"a\tb\" TEXT)", 4008);
    check("t (a INT1)", 4000);
    check("t (a TEXT, a TEXT)", 4000);
    check("t (id TEXT PRIMARY KEY, day TEXT) PARTITIONED BY (day)", 4000);
    check("t (id TEXT PRIMARY KEY, day TEXT) CLUSTERED BY (day) INTO 2 SHARDS", 4000);
    check("t (id TEXT) PARTITIONED BY (day)", 4043);
    check("t (id OBJECT PRIMARY KEY)", 4000);
    check("t (id TEXT) WITH (columns = 'dynamic')", 4000);
    check("t (id TEXT", 4000);
    check("\"a/b\" (id TEXT)", 4002);
    check("sys.t (id TEXT)", 4007);
    let columns: Vec<String> = (0..1001).map(|column| format!("c{column} TEXT")).collect();
    check(&format!("t ({})", columns.join(", ")), 4000);
    run(&server, "CREATE TABLE t (\"_Id\" TEXT, \"_1\" TEXT, o OBJECT AS (\"_id\" TEXT))");
}

#[tokio::test]
async fn columns_are_added() {
    let server = with_table("(id TEXT PRIMARY KEY, o OBJECT(DYNAMIC) AS (k TEXT))").await;
    assert_eq!(
        run(
            &server,
            "ALTER TABLE t ADD COLUMN a BIGINT, ADD COLUMN o['l']['m'] TEXT"
                .replace("['l']['m']", "['l']")
                .as_str()
        )["rowcount"],
        -1
    );
    assert_eq!(fails(&server, "ALTER TABLE t ADD COLUMN b TEXT, ADD COLUMN a BIGINT"), 4000);
    let refused = server.sql("ALTER TABLE t ADD COLUMN a BIGINT", &[]);
    assert!(
        refused["error"]["message"].as_str().unwrap().contains("already has a column named a"),
        "{refused}"
    );
    assert_eq!(fails(&server, "ALTER TABLE t ADD COLUMN IF NOT EXISTS b TEXT"), 4000);
    assert_eq!(fails(&server, "ALTER TABLE t ADD COLUMN a['k'] TEXT"), 4043);
    assert_eq!(fails(&server, "ALTER TABLE t ADD COLUMN \"_b\" TEXT"), 4008);
    let names =
        server.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 't'");
    assert_eq!(json!(names), json!([["id"], ["o"], ["o['k']"], ["o['l']"], ["a"]]));
    // Declared now: a wrong value refuses the whole request.
    assert_eq!(fails(&server, "INSERT INTO t (id, a) VALUES ('x', 'y')"), 4000);
}

#[tokio::test]
async fn information_schema_tells_names_and_types_but_no_policies() {
    let server = CrateDb::start().await.unwrap();
    run(
        &server,
        r#"CREATE TABLE "s"."TX" (
            "id" BIGINT, "day" TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP, "n" NUMERIC(20, 3) NOT NULL,
            "pk" OBJECT(STRICT) AS ("id" TEXT PRIMARY KEY), "list" ARRAY(OBJECT(IGNORED) AS ("x" SMALLINT)), "tags" ARRAY(TEXT),
            "g" TEXT GENERATED ALWAYS AS (upper("id"::TEXT)), "t" TIMESTAMP DEFAULT 'x', "flag" BOOLEAN DEFAULT TRUE,
            PRIMARY KEY ("day")
        ) PARTITIONED BY ("day") CLUSTERED INTO 3 SHARDS WITH ("column_policy" = 'dynamic', number_of_replicas = '0-all')"#,
    );
    let table = server.rows(
        "SELECT table_name, column_policy, partitioned_by, table_type, number_of_shards, number_of_replicas \
         FROM information_schema.tables WHERE table_schema = 's'",
    );
    assert_eq!(json!(table), json!([["TX", "dynamic", ["day"], "BASE TABLE", 3, "0-all"]]));
    let columns = server.rows(
        "SELECT column_name, data_type, column_details['name'], column_details['path'], is_generated, is_nullable, \
         numeric_precision, numeric_scale, column_default FROM information_schema.columns ORDER BY ordinal_position",
    );
    assert_eq!(
        json!(columns),
        json!([
            ["id", "bigint", "id", [], "NEVER", true, 64, null, null],
            [
                "day",
                "timestamp with time zone",
                "day",
                [],
                "NEVER",
                false,
                null,
                null,
                "current_timestamp"
            ],
            ["n", "numeric", "n", [], "NEVER", false, 20, null, null],
            ["pk", "object", "pk", [], "NEVER", true, null, null, null],
            ["pk['id']", "text", "pk", ["id"], "NEVER", false, null, null, null],
            ["list", "object_array", "list", [], "NEVER", true, null, null, null],
            ["list['x']", "smallint", "list", ["x"], "NEVER", true, 16, null, null],
            ["tags", "text_array", "tags", [], "NEVER", true, null, null, null],
            ["g", "text", "g", [], "ALWAYS", true, null, null, null],
            ["t", "timestamp without time zone", "t", [], "NEVER", true, null, null, "'x'"],
            ["flag", "boolean", "flag", [], "NEVER", true, null, null, "true"],
        ])
    );
    let details = server.rows(
        "SELECT column_details FROM information_schema.columns WHERE column_name = 'pk[''id'']'",
    );
    assert_eq!(json!(details), json!([[{ "name": "pk", "path": ["id"] }]]));
    let keys = server.rows(
        "SELECT column_name, ordinal_position, constraint_name FROM information_schema.key_column_usage WHERE table_schema = 's'",
    );
    assert_eq!(json!(keys), json!([["pk['id']", 1, "TX_pkey"], ["day", 2, "TX_pkey"]]));
    let shown = server.rows(r#"SHOW CREATE TABLE "s"."TX""#);
    let shown = shown[0][0].as_str().unwrap();
    assert!(shown.contains("\"pk\" OBJECT(STRICT) AS ("), "{shown}");
    assert!(shown.contains("column_policy = 'dynamic'"), "{shown}");
}

#[tokio::test]
async fn defaults_fill_what_is_not_named() {
    let server = with_table("(id TEXT PRIMARY KEY, a BOOLEAN DEFAULT TRUE, b TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP)").await;
    run(&server, "INSERT INTO t (id) VALUES ('x')");
    run(&server, "INSERT INTO t (id, a, b) VALUES ('y', NULL, CURRENT_TIMESTAMP)");
    assert_eq!(
        super::refreshed(&server, "SELECT a, b <= CURRENT_TIMESTAMP FROM t ORDER BY id"),
        json!([[true, true], [null, true]])
    );
}

#[tokio::test]
async fn columns_go_and_get_other_names() {
    let server = with_table("(id BIGINT PRIMARY KEY, a TEXT, b BIGINT, c OBJECT(DYNAMIC))").await;
    run(&server, "INSERT INTO t (id, a, b) VALUES (1, 'x', 5)");
    run(&server, "REFRESH TABLE t");
    assert_eq!(run(&server, "ALTER TABLE t DROP COLUMN a, DROP COLUMN c")["rowcount"], -1);
    assert_eq!(json!(server.rows("SELECT * FROM t")), json!([[1, 5]]));
    run(&server, "ALTER TABLE t RENAME COLUMN b TO \"B b\"");
    run(&server, "ALTER TABLE t RENAME COLUMN id TO key");
    run(&server, "UPDATE t SET \"B b\" = 6 WHERE key = 1");
    run(&server, "ALTER TABLE t ADD COLUMN a BIGINT");
    assert_eq!(
        json!(server.rows("SELECT key, \"B b\", a FROM t WHERE key = 1")),
        json!([[1, 6, null]])
    );
    let check = |what: &str, code: i64| {
        assert_eq!(fails(&server, &format!("ALTER TABLE t {what}")), code, "{what}");
    };
    check("DROP COLUMN key", 4000);
    check("DROP COLUMN missing", 4043);
    check("RENAME COLUMN missing TO x", 4043);
    check("RENAME COLUMN a TO key", 4000);
    check("RENAME COLUMN a TO \"x.y\"", 4008);
    assert_eq!(fails(&server, "ALTER TABLE missing DROP COLUMN a"), 4041);
}

#[tokio::test]
async fn keys_of_objects_go_and_get_other_names() {
    let server = with_table(
        "(pk OBJECT AS (id BIGINT PRIMARY KEY), o OBJECT(DYNAMIC) AS (a BIGINT, b OBJECT AS (c TEXT), l ARRAY(OBJECT AS (x BIGINT, y BIGINT))))",
    )
    .await;
    run(
        &server,
        "INSERT INTO t (pk, o) VALUES ('{\"id\": 1}', '{\"a\": 1, \"b\": {\"c\": \"x\"}, \"l\": [{\"x\": 1, \"y\": 2}]}')",
    );
    run(&server, "ALTER TABLE t RENAME COLUMN o['b']['c'] TO o['b']['d']");
    run(&server, "ALTER TABLE t DROP COLUMN o['a']");
    run(&server, "ALTER TABLE t DROP COLUMN o['l']['x']");
    run(&server, "ALTER TABLE t ADD COLUMN o['a'] TEXT, ADD COLUMN o['l']['z'] TEXT");
    let select = "SELECT o FROM t WHERE pk['id'] = 1";
    assert_eq!(json!(server.rows(select)), json!([[{ "b": { "d": "x" }, "l": [{ "y": 2 }] }]]));
    run(&server, "ALTER TABLE t RENAME COLUMN pk['id'] TO pk['key']");
    run(&server, "UPDATE t SET o['a'] = 'new' WHERE pk['key'] = 1");
    let check = |what: &str, code: i64| {
        assert_eq!(fails(&server, &format!("ALTER TABLE t {what}")), code, "{what}");
    };
    check("DROP COLUMN pk['key']", 4000);
    check("DROP COLUMN pk", 4000);
    check("DROP COLUMN o['missing']", 4043);
    check("RENAME COLUMN o['a'] TO o['b']", 4000);
    check("RENAME COLUMN o['a'] TO a", 4000);
    check("RENAME COLUMN o['a'] TO o['x.y']", 4008);
}

#[tokio::test]
async fn a_table_gets_another_name() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    run(&server, "INSERT INTO t (id) VALUES (1)");
    assert_eq!(run(&server, "ALTER TABLE t RENAME TO \"U\"")["rowcount"], -1);
    assert_eq!(json!(server.rows("SELECT id FROM \"U\" WHERE id = 1")), json!([[1]]));
    assert_eq!(fails(&server, "SELECT id FROM t"), 4041);
    run(&server, "CREATE TABLE t (id BIGINT)");
    assert_eq!(fails(&server, "ALTER TABLE t RENAME TO \"U\""), 4093);
    assert_eq!(fails(&server, "ALTER TABLE t RENAME TO \"a/b\""), 4002);
    assert_eq!(fails(&server, "ALTER TABLE t RENAME TO other.t"), 4000);
    assert_eq!(fails(&server, "ALTER TABLE missing RENAME TO x"), 4041);
}
