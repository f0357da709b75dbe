//! A stream that kept records for less long than the runs were apart.

use crate::world::{World, assert_shown};

const SHARD: &str = "shardId-000000000000";

/// A stream whose first records were loaded two days ago, and whose next ones expired.
async fn world_with_a_gap() -> World {
    let world = World::new(1).await;
    world.put(br#"{"id":0}"#).await;
    world.load("&checkpointer=target", "sqlite:demo.db").await;
    let database = ctk_db::sqlite::Mode::Create;
    let mut connection = ctk_db::sqlite::open(&world.path("demo.db"), database).await.unwrap();
    sqlx::query("UPDATE kinesis_checkpoints SET begins_at = begins_at - 172800000")
        .execute(&mut connection)
        .await
        .unwrap();
    world.put(br#"{"id":1}"#).await;
    let (_, kept) = world.kinesis.put("demo", "default", br#"{"id":2}"#).await.unwrap();
    world.kinesis.script().trim("demo", SHARD, &kept);
    world
}

#[tokio::test]
async fn a_gap_ends_the_run_or_is_gone_over_and_counted() {
    let world = world_with_a_gap().await;
    // Again and again, until somebody decides.
    for _ in 0..2 {
        let options = world.source("&checkpointer=target");
        let ended = world.run(&["load", &options, "sqlite:demo.db"]).await;
        assert_shown!(ended.shown(1));
    }
    assert_eq!(world.query("demo.db", "SELECT id FROM demo").await, ["0"]);

    let options = world.source("&checkpointer=target&on_data_loss=continue");
    let ended = world.run(&["load", &options, "sqlite:demo.db"]).await;
    assert_shown!(ended.shown(0));
    assert_eq!(world.query("demo.db", "SELECT id FROM demo ORDER BY id").await, ["0", "2"]);
    let said = world.load("&checkpointer=target", "sqlite:demo.db").await;
    assert!(said.contains("0 records read"), "{said}");
}

/// A position that the service does not know, further than any of its own: once given up, it stands in nobody's way.
#[tokio::test]
async fn a_position_that_is_given_up_is_replaced() {
    let world = World::new(1).await;
    world.put(br#"{"id":0}"#).await;
    world.load("&checkpointer=target", "sqlite:demo.db").await;
    let database = ctk_db::sqlite::Mode::Create;
    let mut connection = ctk_db::sqlite::open(&world.path("demo.db"), database).await.unwrap();
    let sql = "UPDATE kinesis_checkpoints SET begins_at = NULL,                sequence = '49990338271490256608559692538361571095921575989136588898'";
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    let refused =
        world.run(&["load", &world.source("&checkpointer=target"), "sqlite:demo.db"]).await;
    assert_shown!(refused.shown(1));
    let said = world.load("&checkpointer=target&on_data_loss=continue", "sqlite:demo.db").await;
    assert!(said.contains("1 record read = 1 written (1 there before)"), "{said}");
    for options in ["&checkpointer=target", "&checkpointer=target&on_data_loss=continue"] {
        let said = world.load(options, "sqlite:demo.db").await;
        assert!(said.starts_with("0 records read"), "{said}");
    }
}
