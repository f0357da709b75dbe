//! `ctk load`: what lands, and what is said.

use crate::world::{World, assert_shown, ended};

#[tokio::test]
async fn the_tutorial() {
    let world = World::with_sensors().await;
    let first = world
        .run(&["load", &world.source("&checkpointer=sqlite"), "sqlite:demo.db?table=kinesis"])
        .await;
    assert_shown!(first.shown(0));
    let rows =
        "SELECT sensor_id || ' ' || ts || ' ' || temperature || ' ' || humidity FROM kinesis";
    assert_eq!(
        world.query("demo.db", rows).await,
        ["1 2025-06-01 10:00 42.42 84.84", "2 2025-06-01 11:00 45.21 80.82"]
    );

    world.put(br#"{"sensor_id":3,"ts":"2025-06-01 12:00","temperature":41.0}"#).await;
    let said = world.load("&checkpointer=sqlite", "sqlite:demo.db?table=kinesis").await;
    assert!(
        said.starts_with("1 record read = 1 written + 0 dead-lettered + 0 filtered;"),
        "{said}"
    );
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM kinesis").await, ["3"]);

    let said = world.load("&checkpointer=target", "sqlite:demo.db?table=kinesis").await;
    assert!(
        said.starts_with("0 records read = 0 written + 0 dead-lettered + 0 filtered;"),
        "{said}"
    );
}

#[tokio::test]
async fn without_a_checkpointer_rows_are_kept_once_and_that_is_said() {
    let world = World::with_sensors().await;
    world.load("", "sqlite:demo.db").await;
    let second = world.run(&["load", &world.source(""), "sqlite:demo.db"]).await;
    assert_shown!(second.shown(0));
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM demo").await, ["2"]);
}

#[tokio::test]
async fn records_that_are_not_json_are_counted() {
    let world = World::with_sensors().await;
    world.put(b"not json \xff").await;
    let ended = world.run(&["load", &world.source("&checkpointer=target"), "sqlite:demo.db"]).await;
    assert_shown!(ended.shown(0));
    let letters = "SELECT reason || ' ' || hex(payload) FROM demo_dead_letters";
    assert_eq!(world.query("demo.db", letters).await, ["not_json 6E6F74206A736F6E20FF"]);
    let again = world.load("&checkpointer=target", "sqlite:demo.db").await;
    assert!(again.starts_with("0 records read"), "{again}");

    let fail =
        world.run(&["load", "--dead-letters", "fail", &world.source(""), "sqlite:fail.db"]).await;
    assert_shown!(fail.shown(1));
}

#[tokio::test]
async fn lines_on_stdout_are_for_other_programs() {
    let world = World::with_sensors().await;
    let ended = world.run(&["load", "--quiet", &world.source(""), "-"]).await;
    assert_shown!(ended.shown(0));
    world.load("", "jsonl:out.jsonl").await;
    assert_eq!(std::fs::read_to_string(world.path("out.jsonl")).unwrap(), ended.stdout);
}

#[tokio::test]
async fn a_pipe_that_is_closed_early_is_no_error() {
    let world = World::new(1).await;
    let data = format!(r#"{{"text":"{}"}}"#, "x".repeat(10_000));
    for _ in 0..20 {
        world
            .kinesis
            .put_all("demo", std::iter::repeat_n(("key", data.as_bytes()), 50))
            .await
            .unwrap();
    }
    let mut command = world.command(&["load", "--quiet", &world.source(""), "-"]);
    let mut child = command.spawn().unwrap();
    // Nobody reads the ten megabytes.
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(
        (output.status.code(), String::from_utf8(output.stderr).unwrap()),
        (Some(0), String::new())
    );
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let world = World::with_sensors().await;
    let ended = world
        .run(&["load", "--dry-run", &world.source("&checkpointer=target"), "sqlite:demo.db"])
        .await;
    assert_shown!(ended.shown(0));
    assert_eq!(world.files(), [""; 0]);

    let source = world.source("&checkpointer=target&fan_out=me&create=true");
    let ended = world.run(&["load", "--dry-run", &source, "sqlite:demo.db"]).await;
    let expected =
        "reading:     sent to the consumer me, which would be registered if it is missing\n";
    assert!(ended.stdout.contains(expected), "{ended:?}");
    let script = world.kinesis.script();
    assert_eq!(script.calls("RegisterStreamConsumer") + script.calls("CreateStream"), 0);
}

#[tokio::test]
async fn records_are_sent_to_a_consumer() {
    let world = World::with_sensors().await;
    let options = "&checkpointer=target&fan_out=me";
    for expected in ["2 records read = 2 written", "0 records read"] {
        let said = world.load(options, "sqlite:demo.db").await;
        assert!(said.contains(expected), "{said}");
    }
    let script = world.kinesis.script();
    assert_eq!(script.calls("RegisterStreamConsumer"), 1, "it stays registered");
    assert!(script.calls("SubscribeToShard") >= 2);
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM demo").await, ["2"]);
}

#[tokio::test]
async fn a_reshard_between_and_during_runs_loses_nothing() {
    let world = World::new(2).await;
    let options = "&checkpointer=target&chunk_size=3";
    let records: Vec<_> =
        (0..60).map(|id| (format!("key{id}"), format!(r#"{{"id":{id}}}"#))).collect();
    let put = async |range: std::ops::Range<usize>| {
        let records = records[range].iter().map(|(key, data)| (key.as_str(), data.as_bytes()));
        world.kinesis.put_all("demo", records).await.unwrap();
    };
    put(0..20).await;
    world.load(options, "sqlite:demo.db").await;
    put(20..30).await;
    world.kinesis.split_shard("demo", "shardId-000000000000").await.unwrap();
    put(30..40).await;
    world
        .kinesis
        .merge_shards("demo", "shardId-000000000003", "shardId-000000000001")
        .await
        .unwrap();
    put(40..60).await;
    let said = world.load(options, "sqlite:demo.db").await;
    assert!(
        said.starts_with("40 records read = 40 written + 0 dead-lettered + 0 filtered;"),
        "{said}"
    );
    let all = "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || sum(id) FROM demo";
    assert_eq!(world.query("demo.db", all).await, ["60 60 1770"]);
    let finished =
        "SELECT shard_id FROM kinesis_checkpoints WHERE finished AND NOT active ORDER BY shard_id";
    let expected = ["shardId-000000000000", "shardId-000000000001", "shardId-000000000003"];
    assert_eq!(world.query("demo.db", finished).await, expected);
    let said = world.load(options, "sqlite:demo.db").await;
    assert!(said.starts_with("0 records read"), "{said}");
}

#[tokio::test]
async fn options_of_the_source_do_what_they_say() {
    let world = World::new(1).await;
    for id in 0..10 {
        world.put(format!(r#"{{"id":{id},"nested":{{"a":[1,2]}}}}"#).as_bytes()).await;
    }
    world.load("&max_records=3&checkpointer=target", "sqlite:max.db").await;
    assert_eq!(world.query("max.db", "SELECT id FROM demo ORDER BY id").await, ["0", "1", "2"]);
    world.load("&max_records=4&checkpointer=target", "sqlite:max.db").await;
    assert_eq!(world.query("max.db", "SELECT count(*) FROM demo").await, ["7"]);

    world.load("&layout=document", "sqlite:document.db").await;
    let document = "SELECT data FROM demo WHERE data ->> 'id' = 9";
    assert_eq!(world.query("document.db", document).await, [r#"{"id":9,"nested":{"a":[1,2]}}"#]);

    world.load("&envelope=none", "sqlite:none.db").await;
    world.load("&envelope=none", "sqlite:none.db").await;
    assert_eq!(world.query("none.db", "SELECT count(*) FROM demo").await, ["20"]);

    world.load("&parse_json=false", "sqlite:raw.db").await;
    assert_eq!(
        world.query("raw.db", "SELECT count(*) FROM demo WHERE typeof(data) = 'blob'").await,
        ["10"]
    );

    world.load("&start=latest", "sqlite:latest.db").await;
    assert!(world.query("latest.db", "SELECT name FROM sqlite_master").await.is_empty());

    world.load("&start=-1h", "sqlite:hour.db").await;
    assert_eq!(world.query("hour.db", "SELECT count(*) FROM demo").await, ["10"]);
}

#[tokio::test]
async fn until_ends_a_run_that_follows() {
    let world = World::with_sensors().await;
    let options = "&checkpointer=target&poll_interval=0.1";
    let follow = async |until: &str| {
        let source = world.source(&format!("{options}&until={until}"));
        let ended = world.run(&["load", "--follow", &source, "sqlite:demo.db"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stderr
    };
    let before = follow("2020-01-01").await;
    assert!(before.starts_with("0 records read"), "{before}");
    let after = follow("+1s").await;
    assert!(after.starts_with("2 records read = 2 written"), "{after}");
}

#[tokio::test]
async fn what_comes_between_two_runs_from_latest_is_loaded() {
    let world = World::with_sensors().await;
    let options = "&start=latest&checkpointer=target";
    world.load(options, "sqlite:demo.db").await;
    world.put(br#"{"sensor_id":3}"#).await;
    let said = world.load(options, "sqlite:demo.db").await;
    assert!(said.starts_with("1 record read = 1 written"), "{said}");
    assert_eq!(world.query("demo.db", "SELECT sensor_id FROM demo").await, ["3"]);
}

#[tokio::test]
async fn the_target_may_come_from_the_environment_or_a_file() {
    let world = World::with_sensors().await;
    std::fs::write(world.path(".env"), "CRATEDB_CLUSTER_URL=sqlite:from-file.db\n").unwrap();
    let said = world.run(&["load", &world.source("")]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(world.query("from-file.db", "SELECT count(*) FROM demo").await, ["2"]);

    let source = world.source("");
    let mut command = world.command(&["load", &source]);
    command.env("CRATEDB_CLUSTER_URL", "sqlite:from-env.db").env("CRATEDB_TABLE", "t");
    assert_eq!(ended(command).await.code, Some(0));
    assert_eq!(world.query("from-env.db", "SELECT count(*) FROM t").await, ["2"]);
}

#[tokio::test]
async fn a_stream_that_was_made_anew_is_noticed() {
    let world = World::with_sensors().await;
    world.load("&checkpointer=target", "sqlite:demo.db").await;
    world.kinesis.delete_stream("demo").await.unwrap();
    // Creation times are told in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.kinesis.create_stream("demo", 1).await.unwrap();
    let ended = world.run(&["load", &world.source("&checkpointer=target"), "sqlite:demo.db"]).await;
    assert_shown!(ended.shown(1));

    // Gone on with, when the user wants that: from the beginning of the new one, whatever the start.
    world.put(&ctk_test_support::records::sensor(5)).await;
    let options = "&checkpointer=target&on_data_loss=continue&start=latest";
    let ended = world.run(&["load", &world.source(options), "sqlite:demo.db"]).await;
    assert_shown!(ended.shown(0));
    let rows = "SELECT count(*) || ' ' || sum(finished IS TRUE) FROM kinesis_checkpoints";
    assert_eq!(world.query("demo.db", rows).await, ["1 0"]);
    let said = world.load("&checkpointer=target", "sqlite:demo.db").await;
    assert!(said.contains("0 records read"), "{said}");
}
