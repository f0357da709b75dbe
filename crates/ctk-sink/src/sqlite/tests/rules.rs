//! Tables of somebody else, with rules of their own: what they ignore or refuse is not lost.

use super::*;

#[tokio::test]
async fn what_a_table_ignores_or_refuses_is_kept() {
    let records = [r#"{"k": 1, "v": "a"}"#, r#"{"k": 1, "v": "b"}"#, r#"{"k": 2, "v": "c"}"#];
    let rules = [
        "CREATE TABLE t (k INTEGER UNIQUE ON CONFLICT IGNORE, v TEXT)",
        "CREATE TABLE t (k INTEGER UNIQUE ON CONFLICT FAIL, v TEXT)",
        "CREATE TABLE t (k INTEGER, v TEXT); CREATE TRIGGER r BEFORE INSERT ON t WHEN NEW.v = 'b' \
         BEGIN SELECT RAISE(IGNORE); END",
        "CREATE TABLE t (k INTEGER, v TEXT); CREATE TRIGGER r BEFORE INSERT ON t WHEN NEW.v = 'b' \
         BEGIN SELECT RAISE(FAIL, 'no'); END",
    ];
    let both = |rule| [(rule, Envelope::Full), (rule, Envelope::None)];
    for (rule, envelope) in rules.into_iter().flat_map(both) {
        let mut world = World::new();
        world.execute(rule).await;
        let settings = || Settings { envelope, ..World::settings() };
        let committed = world.load(settings(), &records).await.unwrap();
        assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 1 }, "{rule}");
        let rows = world.rows("SELECT * FROM t ORDER BY k").await;
        assert_eq!(rows, ["k=1 v='a'", "k=2 v='c'"], "{rule}");
        if envelope == Envelope::Full {
            let again = world.load_from(settings(), 1, &records).await.unwrap();
            assert_eq!(again, Committed { written: 2, present: 2, dead_lettered: 1 }, "{rule}");
        }
    }
}

#[tokio::test]
async fn a_table_that_ends_the_transaction_ends_the_run_and_moves_no_position() {
    let mut world = World::new();
    world.execute("CREATE TABLE t (k INTEGER UNIQUE ON CONFLICT ROLLBACK)").await;
    let settings = world.with_checkpoints().await;
    world.load(settings, &[r#"{"k": 1}"#, r#"{"k": 1}"#]).await.unwrap_err();
    assert!(world.rows("SELECT * FROM t").await.is_empty());
    assert!(world.rows("SELECT * FROM kinesis_checkpoints").await.is_empty());
}

#[tokio::test]
async fn generated_columns_and_keys_in_another_case_are_respected() {
    let mut world = World::new();
    let sql = "CREATE TABLE t (_KINESIS_MSG_ID TEXT PRIMARY KEY, a BIGINT, b AS (a + 1))";
    world.execute(sql).await;
    let records = [r#"{"a": 1, "b": 5}"#];
    assert_eq!(world.load(World::settings(), &records).await.unwrap(), written(1));
    let rows = world.rows("SELECT * FROM t").await;
    assert!(rows[0].ends_with(" a=1 b=2 b__bigint=5"), "{rows:?}");
    let again = world.load_from(World::settings(), 1, &records).await.unwrap();
    assert_eq!(again, Committed { written: 1, present: 1, dead_lettered: 0 });
}

#[tokio::test]
async fn strict_tables_are_refused() {
    let mut world = World::new();
    world.execute("CREATE TABLE t (a INTEGER) STRICT").await;
    let error = world.load(World::settings(), &["{}"]).await.unwrap_err();
    assert_eq!(error.to_string(), "the table t is STRICT, which is not built yet");
}
