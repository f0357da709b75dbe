//! What producers really send: aggregates of the Kinesis Producer Library, CloudWatch Logs, records without a partition key.

use ctk_test_support::kpl::{aggregate, cloudwatch};

use crate::world::{World, assert_shown};

/// Ten records in three records of the stream: an aggregate of six, a plain one, an aggregate of three.
async fn world_with_aggregates() -> World {
    let world = World::new(1).await;
    let texts: Vec<String> = (0..10).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    let entry = |id: usize| (["a", "b"][id % 2], Some("0"), texts[id].as_bytes());
    world.put(&aggregate(&(0..6).map(entry).collect::<Vec<_>>())).await;
    world.put(texts[6].as_bytes()).await;
    world.put(&aggregate(&(7..10).map(entry).collect::<Vec<_>>())).await;
    world
}

#[tokio::test]
async fn aggregates_become_the_records_they_were_made_of() {
    let world = world_with_aggregates().await;
    let said = world.load("", "sqlite:a.db").await;
    assert!(said.contains("10 records read = 10 written"), "{said}");
    let rows = "SELECT id || ' ' || (_kinesis ->> 'sub_seq') || ' ' || (_kinesis ->> 'partition') || ' ' || \
                substr(_kinesis_msg_id, 21) FROM demo ORDER BY id";
    let expected = [
        "0 0 a ",
        "1 1 b /1",
        "2 2 a /2",
        "3 3 b /3",
        "4 4 a /4",
        "5 5 b /5",
        "6 0 default ",
        "7 0 b ",
        "8 1 a /1",
        "9 2 b /2",
    ];
    assert_eq!(world.query("a.db", rows).await, expected);

    // As they came: not JSON, so dead letters, whole.
    let said = world.load("&aggregation=none", "sqlite:b.db").await;
    assert!(said.contains("3 records read = 1 written + 2 dead-lettered"), "{said}");
}

/// Rows have no key here, so a unit that is read twice is there twice.
#[tokio::test]
async fn a_run_that_ends_within_an_aggregate_is_gone_on_from_there() {
    for (limit, runs) in [(1, 10), (3, 4), (4, 3), (7, 2), (100, 1)] {
        let world = world_with_aggregates().await;
        let options = format!("&checkpointer=target&envelope=none&max_records={limit}");
        for run in 1..=runs {
            world.load(&options, "sqlite:demo.db").await;
            let count: Vec<String> = world.query("demo.db", "SELECT count(*) FROM demo").await;
            assert_eq!(count, [(run * limit).min(10).to_string()], "{limit} a run");
        }
        let said = world.load("&checkpointer=target&envelope=none", "sqlite:demo.db").await;
        assert!(said.contains("0 records read"), "{said}");
        let ids = "SELECT group_concat(id) FROM (SELECT id FROM demo ORDER BY rowid)";
        assert_eq!(world.query("demo.db", ids).await, ["0,1,2,3,4,5,6,7,8,9"], "{limit} a run");
    }
}

/// The sequence is that of the last whole record, for tools that know no parts.
#[tokio::test]
async fn the_checkpoint_stands_between_two_units() {
    let world = world_with_aggregates().await;
    world.load("&checkpointer=target&max_records=4", "sqlite:demo.db").await;
    let row = "SELECT (sequence IS NULL) || ' ' || substr(part, -4) FROM kinesis_checkpoints";
    assert_eq!(world.query("demo.db", row).await, ["1 /4/0"]);
    world.load("&checkpointer=target&max_records=4", "sqlite:demo.db").await;
    let row = "SELECT (sequence < part) || ' ' || substr(part, -4) FROM kinesis_checkpoints";
    assert_eq!(world.query("demo.db", row).await, ["1 /1/0"]);
    world.load("&checkpointer=target", "sqlite:demo.db").await;
    let row = "SELECT (sequence IS NOT NULL) || ' ' || (part IS NULL) FROM kinesis_checkpoints";
    assert_eq!(world.query("demo.db", row).await, ["1 1"]);
}

#[tokio::test]
async fn lines_are_counted_and_gone_on_from_like_records() {
    let world = World::new(1).await;
    world.put(b"{\"id\":0}\n{\"id\":1}\n\nno\n{\"id\":3}\n").await;
    world.put(b"{\"id\":4}").await;
    let options = "&format=ndjson&checkpointer=target&envelope=none&max_records=2";
    for expected in ["0,1", "0,1,3", "0,1,3,4", "0,1,3,4"] {
        world.load(options, "sqlite:demo.db").await;
        let ids = "SELECT group_concat(id) FROM (SELECT id FROM demo ORDER BY rowid)";
        assert_eq!(world.query("demo.db", ids).await, [expected]);
    }
    let letters = "SELECT sub_sequence || ' ' || payload FROM demo_dead_letters";
    assert_eq!(world.query("demo.db", letters).await, ["2 no"]);
}

#[tokio::test]
async fn log_events_become_rows() {
    let world = World::new(1).await;
    world.put(br#"{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}"#).await;
    world
        .put(&cloudwatch(
            "/app",
            &[(1_700_000_000_000, "started"), (1_700_000_000_001, "{\"a\":1}")],
        ))
        .await;
    world.put(b"{\"no\":\"message\"}").await;
    let ended = world
        .run(&[
            "load",
            &world.source("&format=cloudwatch-logs&checkpointer=target"),
            "sqlite:demo.db",
        ])
        .await;
    assert_shown!(ended.shown(0));
    let rows = "SELECT logGroup || ' ' || timestamp || ' ' || message FROM demo ORDER BY timestamp";
    assert_eq!(
        world.query("demo.db", rows).await,
        ["/app 1700000000000 started", "/app 1700000000001 {\"a\":1}"]
    );
    let letters = "SELECT reason FROM demo_dead_letters";
    assert_eq!(world.query("demo.db", letters).await, ["not_cloudwatch_logs"]);
}

/// Streams that distribute their records by themselves give out none.
#[tokio::test]
async fn records_without_a_partition_key_have_none() {
    let world = World::with_sensors().await;
    world.kinesis.script().no_partition_keys(true);
    world.load("", "sqlite:demo.db").await;
    let keys = "SELECT count(*) FROM demo WHERE _kinesis ->> 'partition' IS NULL";
    assert_eq!(world.query("demo.db", keys).await, ["2"]);
}

/// The address names where to begin, and the checkpoint says that this record is done in part: the checkpoint wins.
#[tokio::test]
async fn a_start_at_a_record_that_is_done_in_part_goes_on_within_it() {
    let world = World::new(1).await;
    let lines: Vec<String> = (0..5).map(|id| format!(r#"{{"id":{id}}}"#)).collect();
    let lines = lines.join("\n");
    let (shard, sequence) = world.kinesis.put("demo", "default", lines.as_bytes()).await.unwrap();
    let options = format!(
        "&format=ndjson&checkpointer=target&envelope=none&max_records=3&start=at:{shard}:{sequence}"
    );
    for expected in ["0,1,2", "0,1,2,3,4", "0,1,2,3,4"] {
        world.load(&options, "sqlite:demo.db").await;
        let ids = "SELECT group_concat(id) FROM (SELECT id FROM demo ORDER BY rowid)";
        assert_eq!(world.query("demo.db", ids).await, [expected]);
    }
}

/// Three lines are done; what would that mean for one value?
#[tokio::test]
async fn a_record_is_not_gone_on_with_in_another_format() {
    let world = World::new(1).await;
    world.put(b"1\n2\n3\n4\n5\n").await;
    world.load("&format=ndjson&checkpointer=target&max_records=3", "sqlite:demo.db").await;
    let other = world.source("&format=raw&checkpointer=target");
    assert_shown!(world.run(&["load", &other, "sqlite:demo.db"]).await.shown(1));
    let said = world.load("&format=ndjson&checkpointer=target", "sqlite:demo.db").await;
    assert!(said.contains("2 records read = 2 written"), "{said}");

    // A position that is given up with its stream says nothing any more.
    world.put(b"1\n2\n").await;
    world.load("&format=ndjson&checkpointer=target&max_records=1", "sqlite:demo.db").await;
    world.kinesis.delete_stream("demo").await.unwrap();
    // Creation times are told in seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    world.kinesis.create_stream("demo", 1).await.unwrap();
    let options = "&format=raw&checkpointer=target&on_data_loss=continue";
    assert!(world.load(options, "sqlite:demo.db").await.contains("0 records read"));
}
