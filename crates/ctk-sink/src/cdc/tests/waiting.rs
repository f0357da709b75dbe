//! Shards that wait for each other.

use std::time::Duration;

use ctk_flow::Claims as _;

use super::*;

const ROWS: &str = "put t id=1 v=1\npatch t id=1 v=2";

#[tokio::test]
async fn rows_wait_for_their_table_in_another_shard() {
    let world = World::new();
    let target = world.target(settings()).await;
    for shard in ["a", "b"] {
        target.claim(&ShardId::new(shard), None).await.unwrap();
    }
    let rows = {
        let target = target.clone();
        tokio::spawn(async move { commit(&target, "a", 0, ROWS).await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!rows.is_finished());
    commit(&target, "b", 1, "create t id:int64* v:int64").await;
    assert_eq!(rows.await.unwrap().written, 2);
    target.close().await.unwrap();
    assert_eq!(world.rows("t").await, "id=1 v=2");
}

#[tokio::test]
async fn nobody_waits_when_all_wait_or_the_others_are_done() {
    let world = World::new();
    let target = world.target(settings()).await;
    for shard in ["a", "b"] {
        target.claim(&ShardId::new(shard), None).await.unwrap();
    }
    let (a, b) = tokio::join!(commit(&target, "a", 0, ROWS), commit(&target, "b", 1, "put u id=1"));
    assert_eq!((a.written, a.dead_lettered, b.written), (1, 1, 1));
    let other = {
        let target = target.clone();
        tokio::spawn(async move { commit(&target, "a", 2, "put w id=1").await })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    target.release(&ShardId::new("b")).await.unwrap();
    assert_eq!(other.await.unwrap().written, 1);
    target.close().await.unwrap();
}

/// Each brings the definition that the other waits for.
#[tokio::test]
async fn shards_that_wait_for_each_other_tell_each_other() {
    let world = World::new();
    let target = world.target(settings()).await;
    for shard in ["a", "b"] {
        target.claim(&ShardId::new(shard), None).await.unwrap();
    }
    let (a, b) = tokio::join!(
        commit(&target, "a", 0, "put t id=1 v=1\npatch t id=1 v=2\ncreate u id:int64* v:int64"),
        commit(&target, "b", 1, "put u id=1 v=1\npatch u id=1 v=3\ncreate t id:int64* v:int64"),
    );
    target.close().await.unwrap();
    assert_eq!((a.dead_lettered, b.dead_lettered), (0, 0), "{}", world.letters().await);
    assert_eq!(
        (world.rows("t").await, world.rows("u").await),
        ("id=1 v=2".into(), "id=1 v=3".into())
    );
}

/// A table of this name is there, but it is that of another schema.
#[tokio::test]
async fn a_table_of_the_same_name_tells_nothing() {
    let world = World::new();
    world.run(settings(), &["create a.t id:int64* v:int64\nput a.t id=1 v=1"]).await;
    let target = world.target(settings()).await;
    for shard in ["a", "b"] {
        target.claim(&ShardId::new(shard), None).await.unwrap();
    }
    let rows = {
        let target = target.clone();
        tokio::spawn(async move {
            commit(&target, "a", 1, "put b.t id=1 v=1\npatch b.t id=1 v=2").await
        })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    commit(&target, "b", 2, "create b.t id:int64* v:int64").await;
    assert_eq!(rows.await.unwrap().dead_lettered, 0);
    target.close().await.unwrap();
    assert_eq!(world.rows("b__t").await, "id=1 v=2");
}
