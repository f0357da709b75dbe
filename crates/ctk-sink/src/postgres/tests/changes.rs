//! A table that changes while a run goes on, or lacks what a run relies on.

use super::*;

/// Rows before, SQL in between, a row after: what stands in the table then.
async fn altered(created: &str, alter: &str, record: &str, again: bool) -> (Committed, World) {
    let world = World::new().await;
    world.server.sql(&format!(
        "CREATE TABLE t (_kinesis_msg_id TEXT PRIMARY KEY, _kinesis JSONB, v {created})"
    ));
    let target = world.target(Settings { connections: 1, ..World::settings() }).await;
    put(&world, &target, 1, &[r#"{"v": null}"#]).await;
    if again {
        // From now on by way of the temporary table.
        put(&world, &target, 1, &[r#"{"v": null}"#]).await;
    }
    world.server.sql(alter);
    let committed = put(&world, &target, 2, &[&format!(r#"{{"v": {record}}}"#)]).await;
    target.close().await.unwrap();
    (committed, world)
}

async fn check_altered(created: &str, to: &str, record: &str, again: bool, expected: &str) {
    let alter = format!("ALTER TABLE t ALTER v TYPE {to}");
    let (committed, world) = altered(created, &alter, record, again).await;
    let rows = world.rows("t");
    assert_eq!(
        (committed.dead_lettered, rows.last().map(String::as_str)),
        (0, Some(expected)),
        "{created} to {to}, by way of a temporary table: {again}"
    );
}

#[tokio::test]
async fn altered_bigint_to_double() {
    check_altered("BIGINT", "DOUBLE PRECISION", "42", false, "v=42").await;
}

#[tokio::test]
async fn altered_numeric_to_numeric_with_a_scale() {
    check_altered("NUMERIC", "NUMERIC(10, 1)", "1.25", false, "v__double=1.25").await;
}

#[tokio::test]
async fn altered_double_to_bigint_when_staged() {
    check_altered("DOUBLE PRECISION", "BIGINT", "1.7", true, "v__double=1.7").await;
}

#[tokio::test]
async fn altered_bigint_to_text() {
    check_altered("BIGINT", "TEXT", "42", false, "v__bigint=42").await;
}

#[tokio::test]
async fn a_trigger_that_comes_later_and_ignores_rows() {
    let world = World::new().await;
    let target = world.target(World::settings()).await;
    put(&world, &target, 1, &[r#"{"a": 1}"#]).await;
    put(&world, &target, 1, &[r#"{"a": 1}"#]).await;
    world.server.sql(
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.a = 3 THEN RETURN NULL; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let committed = put(&world, &target, 2, &[r#"{"a": 2}"#, r#"{"a": 3}"#]).await;
    target.close().await.unwrap();
    assert_eq!(committed.dead_lettered, 1, "{committed:?}, rows: {:?}", world.rows("t"));
}

#[tokio::test]
async fn a_table_with_our_columns_and_without_the_key() {
    let world = World::new().await;
    world.server.sql("CREATE TABLE t (_kinesis_msg_id TEXT, _kinesis JSONB, a BIGINT)");
    for _ in 0..2 {
        world.load_from(World::settings(), 1, &[r#"{"a": 1}"#]).await.unwrap();
    }
    assert_eq!(world.server.sql("SELECT count(*) FROM t"), "1");
}

#[tokio::test]
async fn a_key_that_is_dropped_while_a_run_goes_on() {
    let world = World::new().await;
    let target = world.target(World::settings()).await;
    put(&world, &target, 1, &[r#"{"a": 1}"#]).await;
    world.server.sql("ALTER TABLE t DROP CONSTRAINT t_pkey");
    put(&world, &target, 1, &[r#"{"a": 1}"#]).await;
    target.close().await.unwrap();
    assert_eq!(world.server.sql("SELECT count(*) FROM t"), "1");
}

#[tokio::test]
async fn a_key_that_is_checked_at_the_end_and_rules_are_said() {
    let world = World::new().await;
    for sql in [
        "CREATE TABLE t (_kinesis_msg_id TEXT UNIQUE DEFERRABLE INITIALLY DEFERRED, _kinesis JSONB, a BIGINT)",
        "CREATE TABLE t (_kinesis_msg_id TEXT PRIMARY KEY, _kinesis JSONB, a BIGINT); CREATE TABLE log (a BIGINT); \
         CREATE RULE r AS ON UPDATE TO t DO ALSO INSERT INTO log VALUES (NEW.a)",
    ] {
        world.server.sql(sql);
        world.load_from(World::settings(), 1, &[r#"{"a": 1}"#]).await.unwrap();
        let error = world.load_from(World::settings(), 1, &[r#"{"a": 1}"#]).await.unwrap_err();
        let said = error.to_string();
        assert!(
            said.starts_with(
                "the table public.t does not take rows of which some are there already: "
            ),
            "{said}"
        );
        assert_eq!(world.server.sql("SELECT count(*) FROM t"), "1");
        world.server.sql("DROP TABLE t");
    }
}
