//! Change data: where tables do not equal those of the source, or a run ends that should not.

use ctk_test_support::postgres::Postgres;

use crate::world::{Ended, World};

fn dms(operation: &str, (schema, table): (&str, &str), members: &str) -> String {
    let kind = if members.starts_with("\"control\"") { "control" } else { "data" };
    format!(
        r#"{{{members}, "metadata": {{"timestamp": "2026-11-20T10:00:00.000000Z", "record-type": "{kind}", "operation": "{operation}", "partition-key-type": "schema-table", "schema-name": "{schema}", "table-name": "{table}"}}}}"#
    )
}

const ORDERS: &str = r#""control": {"table-def": {"columns": {"id": {"type": "INT64"}, "total": {"type": "INT64"}}, "primary-key": ["id"]}}"#;

fn event(table: &str, id: u32) -> String {
    let key = format!(r#"{{"id": {{"N": "{id}"}}}}"#);
    format!(
        r#"{{"eventSource": "aws:dynamodb", "eventName": "INSERT", "tableName": "{table}", "dynamodb": {{"Keys": {key}, "NewImage": {key}}}}}"#
    )
}

/// Loads change data once.
async fn load(world: &World, (scheme, options): (&str, &str), rest: &[&str]) -> Ended {
    let source = world.source(options).replacen("kinesis:", &format!("{scheme}:"), 1);
    world.run(&[&["load", "--once", &source], rest].concat()).await
}

/// The address names another table than in the run before. Nothing says that the rows go to the first one.
#[tokio::test]
async fn items_go_to_the_table_of_the_address() {
    let world = World::new(1).await;
    world.put(event("music", 1).as_bytes()).await;
    let source = ("kinesis+dynamodb+cdc", "");
    assert_eq!(load(&world, source, &["sqlite:demo.db?table=a"]).await.code, Some(0));
    let ended = load(&world, source, &["sqlite:demo.db?table=b"]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let tables = "SELECT name FROM sqlite_master WHERE name IN ('a', 'b')";
    assert_eq!(world.query("demo.db", tables).await, ["a", "b"], "{}", ended.stderr);
}

/// The same with `--schema`.
#[tokio::test]
async fn tables_go_to_the_schema_that_was_typed() {
    let (world, server) = (World::new(1).await, Postgres::start().await.unwrap());
    world.put(dms("create-table", ("shop", "orders"), ORDERS).as_bytes()).await;
    world.put(dms("load", ("shop", "orders"), r#""data": {"id": 1}"#).as_bytes()).await;
    for schema in ["a", "b"] {
        let ended = load(&world, ("kinesis+dms", ""), &[&server.url(), "--schema", schema]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
    let rows = server.try_sql("SELECT count(*) FROM b.orders");
    assert_eq!(rows.unwrap(), "1");
}

/// One record ends this run, and all that come after it: the checkpoint does not move over it.
#[tokio::test]
async fn a_view_does_not_stop_the_loading_of_other_tables() {
    let (world, server) = (World::new(1).await, Postgres::start().await.unwrap());
    server.try_sql("CREATE SCHEMA shop; CREATE VIEW shop.report AS SELECT 1 AS id").unwrap();
    world.put(dms("load", ("shop", "report"), r#""data": {"id": 1}"#).as_bytes()).await;
    world.put(dms("load", ("shop", "orders"), r#""data": {"id": 1}"#).as_bytes()).await;
    let ended = load(&world, ("kinesis+dms", "&checkpointer=target"), &[&server.url()]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// Without a checkpointer a run reads everything again: so says the note on stderr, and the tables must stay what they are.
#[tokio::test]
async fn everything_again_gives_the_same_tables() {
    let world = World::new(1).await;
    let orders = ("shop", "orders");
    let rename = r#""control": {"old-column-name": "total", "new-column-name": "sum"}"#;
    for record in [
        dms("create-table", orders, ORDERS),
        dms("load", orders, r#""data": {"id": 1, "total": 5}"#),
        dms("rename-column", orders, rename),
    ] {
        world.put(record.as_bytes()).await;
    }
    let rows = "SELECT id || ' ' || ifnull(sum, 'NULL') FROM orders";
    for _ in 0..2 {
        let ended = load(&world, ("kinesis+dms", ""), &["sqlite:demo.db"]).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(world.query("demo.db", rows).await, ["1 5"], "{}", ended.stderr);
    }
}

/// Names and values that are statements are names and values.
#[tokio::test]
async fn names_are_no_statements() {
    let world = World::new(1).await;
    let evil = "o'\\\"; DROP TABLE orders; --";
    let def = ORDERS.replace("total", evil);
    world.put(dms("create-table", ("shop", "orders"), ORDERS).as_bytes()).await;
    world.put(dms("create-table", ("shop", evil), &def).as_bytes()).await;
    let row = format!(r#""data": {{"id": 1, "{evil}": 5}}"#);
    world.put(dms("load", ("shop", evil), &row).as_bytes()).await;
    let update = format!(r#""before-image": {{"id": 1}}, "data": {{"id": 2, "{evil}": 2.5}}"#);
    world.put(dms("update", ("shop", evil), &update).as_bytes()).await;
    let ended = load(&world, ("kinesis+dms", ""), &["sqlite:demo.db"]).await;
    assert!(ended.stderr.contains("4 records read = 4 written"), "{}", ended.stderr);
    let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('orders', 'o''\"; DROP TABLE orders; --')";
    assert_eq!(world.query("demo.db", tables).await, ["2"]);
}
