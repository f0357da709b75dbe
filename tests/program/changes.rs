//! Change data, from a stream into databases.

use ctk_test_support::postgres::Postgres;

use crate::world::World;

/// A record as AWS DMS writes it.
fn dms(operation: &str, table: &str, members: &str) -> String {
    let kind = if members.starts_with("\"control\"") { "control" } else { "data" };
    format!(
        r#"{{{members}, "metadata": {{"timestamp": "2026-11-20T10:00:00.000000Z", "record-type": "{kind}", "operation": "{operation}", "partition-key-type": "schema-table", "schema-name": "shop", "table-name": "{table}"}}}}"#
    )
}

const ORDERS: &str = r#""control": {"table-def": {"columns": {"id": {"type": "INT64"}, "total": {"type": "NUMERIC", "precision": 10, "scale": 2}, "note": {"type": "STRING", "length": 20}}, "primary-key": ["id"]}}"#;

fn history() -> Vec<String> {
    vec![
        dms("create-table", "orders", ORDERS),
        dms("load", "orders", r#""data": {"id": 1, "total": 9.50, "note": "first"}"#),
        dms("insert", "orders", r#""data": {"id": 2, "total": 1.00}"#),
        dms("update", "orders", r#""data": {"id": 1, "total": 10.00}"#),
        dms("delete", "orders", r#""data": {"id": 2}"#),
        dms(
            "update",
            "orders",
            r#""before-image": {"id": 1}, "data": {"id": 7, "total": 10.00, "note": "moved"}"#,
        ),
    ]
}

impl World {
    async fn put_all(&self, records: &[String]) {
        for record in records {
            self.put(record.as_bytes()).await;
        }
    }

    /// Loads change data once, and returns the account of the run.
    async fn load_changes(&self, scheme: &str, target: &str, more: &[&str]) -> String {
        let source =
            self.source("&checkpointer=target").replacen("kinesis:", &format!("{scheme}:"), 1);
        let arguments = [&["load", "--once", &source, target], more].concat();
        let ended = self.run(&arguments).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.stderr
    }
}

#[tokio::test]
async fn changes_of_dms_become_tables() {
    let world = World::new(1).await;
    world.put_all(&history()).await;
    let said = world.load_changes("kinesis+dms", "sqlite:demo.db", &[]).await;
    assert!(said.starts_with("6 records read = 6 written + 0 dead-lettered"), "{said}");
    let rows = "SELECT id || ' ' || total || ' ' || note FROM orders";
    assert_eq!(world.query("demo.db", rows).await, ["7 10 moved"]);

    // The key is known to the next run, which sees no definition.
    world.put(dms("update", "orders", r#""data": {"id": 7, "note": "again"}"#).as_bytes()).await;
    let said = world.load_changes("kinesis+dms", "sqlite:demo.db", &[]).await;
    assert!(said.starts_with("1 record read = 1 written"), "{said}");
    assert_eq!(world.query("demo.db", rows).await, ["7 10 again"]);
}

#[tokio::test]
async fn changes_of_dms_become_tables_of_postgresql() {
    let (world, server) = (World::new(1).await, Postgres::start().await.unwrap());
    world.put_all(&history()).await;
    let said = world.load_changes("kinesis+dms", &server.url(), &[]).await;
    assert!(said.starts_with("6 records read = 6 written + 0 dead-lettered"), "{said}");
    let rows = "SELECT concat_ws(' ', id, total, note) FROM shop.orders";
    assert_eq!(server.try_sql(rows).unwrap(), "7 10.00 moved");

    world.put(dms("update", "orders", r#""data": {"id": 7, "note": "again"}"#).as_bytes()).await;
    let said = world.load_changes("kinesis+dms", &server.url(), &[]).await;
    assert!(said.starts_with("1 record read = 1 written"), "{said}");
    assert_eq!(server.try_sql(rows).unwrap(), "7 10.00 again");
}
