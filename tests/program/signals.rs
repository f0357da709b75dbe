//! SIGINT and SIGTERM: what was read is written and noted, shards are released, and the exit code tells.

use std::{process::Command, time::Duration};

use crate::world::World;

async fn stop_with(signal: &str, code: i32) {
    let world = World::with_sensors().await;
    let source = world.source("&checkpointer=target&poll_interval=0.1");
    let child = world.command(&["load", "--follow", &source, "sqlite:demo.db"]).spawn().unwrap();
    let written = async |expected: &str| {
        while !world.path("demo.db").exists()
            || world
                .query("demo.db", "SELECT name FROM sqlite_master WHERE name = 'demo'")
                .await
                .is_empty()
            || world.query("demo.db", "SELECT count(*) FROM demo").await != [expected]
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = Duration::from_mins(1);
    tokio::time::timeout(patience, written("2")).await.expect("the first records are loaded");
    // It follows: what comes later is loaded, too.
    world.put(br#"{"sensor_id":3}"#).await;
    tokio::time::timeout(patience, written("3")).await.expect("the third record is loaded");

    let id = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    let output =
        tokio::time::timeout(patience, child.wait_with_output()).await.expect("it ends").unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains("stopping: what was read is written first"), "{stderr}");
    assert!(
        stderr.contains("3 records read = 3 written + 0 dead-lettered + 0 filtered;"),
        "{stderr}"
    );
    let state = "SELECT active || ' ' || (sequence IS NOT NULL) FROM kinesis_checkpoints";
    assert_eq!(world.query("demo.db", state).await, ["0 1"]);
}

#[tokio::test]
async fn interrupted() {
    stop_with("-INT", 130).await;
}

#[tokio::test]
async fn terminated() {
    stop_with("-TERM", 143).await;
}
