//! `ctk load` into CrateDB: the tutorial word for word, what is remembered, what fails, and that nothing is lost by it.

use std::{process::Stdio, time::Duration};

use ctk_test_support::{
    cratedb::{CrateDb, Options, Target, target},
    records,
    replay::{Replay, ReplayOptions},
};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::world::{World, assert_shown, ended};

/// Returns the address of a path, with the user and the password of the tutorial.
fn address(target: &Target, path: &str) -> String {
    let url = target.url(&format!("{}/{path}", target.schema()));
    match target.double() {
        Some(_) => url.replace("crate://", "crate://crate:crate@"),
        None => url,
    }
}

async fn rows(target: &Target, table: &str, statement: &str) -> Value {
    let name = format!("\"{}\".\"{table}\"", target.schema());
    target.sql(&format!("REFRESH TABLE {name}"), &[]).await;
    let answer = target.sql(&statement.replace("TABLE", &name), &[]).await;
    assert!(answer["rows"].is_array(), "{answer}");
    answer["rows"].clone()
}

/// What differs from server to server.
fn without_names(text: &str, target: &Target) -> String {
    let host = target.url("");
    let host = host.trim_start_matches("crate://").trim_end_matches('/');
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    text.replace(target.schema(), "SCHEMA").replace(host, "HOST")
}

#[tokio::test]
async fn the_tutorial() {
    let world = World::with_sensors().await;
    let target = target().await;
    let load = async |source: &str| {
        let mut command = world.command(&["load", source, &address(&target, "kinesis")]);
        command.env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_ENDPOINT_URL", world.kinesis.endpoint());
        ended(command).await
    };
    let source = "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1&table=demo";
    assert_shown!(without_names(&load(source).await.shown(0), &target));
    assert_eq!(rows(&target, "kinesis", "SELECT count(*) FROM TABLE").await, json!([[2]]));
    let all = "SELECT sensor_id, ts, temperature, humidity, kinesis['shard_id'], kinesis['partition'] FROM TABLE ORDER BY sensor_id";
    let expected = json!([
        [1, "2025-06-01 10:00", 42.42, 84.84, "shardId-000000000000", "default"],
        [2, "2025-06-01 11:00", 45.21, 80.82, "shardId-000000000000", "default"],
    ]);
    assert_eq!(rows(&target, "kinesis", all).await, expected);
    let created = format!("SHOW CREATE TABLE \"{}\".\"kinesis\"", target.schema());
    let created = target.sql(&created, &[]).await["rows"][0][0].as_str().unwrap().to_owned();
    assert!(created.contains("PRIMARY KEY (\"kinesis_msg_id\")"), "{created}");

    // The same stream by its ARN, from a time on: what is there stays.
    let arn = format!(
        "{}&start_date=2023-01-31T15:00:00+00:00",
        source.replace("table=demo", "table=arn:aws:kinesis:us-east-1:000000000000:stream/demo")
    );
    let again = load(&arn).await;
    assert!(again.stderr.contains("2 records read = 2 written (2 there before)"), "{again:?}");
    assert_eq!(rows(&target, "kinesis", all).await, expected);
    target.clean().await;
}

#[tokio::test]
async fn a_later_run_goes_on_where_the_earlier_one_ended() {
    let world = World::with_sensors().await;
    let target = target().await;
    let checkpoints = format!("&checkpointer=cratedb&checkpointer-schema={}", target.schema());
    let load = async || world.load(&checkpoints, &address(&target, "kinesis")).await;
    let said = load().await;
    assert!(
        said.starts_with("2 records read = 2 written + 0 dead-lettered + 0 filtered;"),
        "{said}"
    );
    world.put(br#"{"sensor_id":3,"ts":"2025-06-01 12:00","temperature":41.0}"#).await;
    let said = load().await;
    assert!(
        said.starts_with("1 record read = 1 written + 0 dead-lettered + 0 filtered;"),
        "{said}"
    );
    assert_eq!(rows(&target, "kinesis", "SELECT count(*) FROM TABLE").await, json!([[3]]));
    let state = "SELECT namespace, shard_id, active, sequence IS NOT NULL FROM TABLE";
    assert_eq!(
        rows(&target, "kinesis_checkpoints", state).await,
        json!([["demo", "shardId-000000000000", false, true]])
    );
    let dry = world
        .run(&["load", "--dry-run", &world.source(&checkpoints), &address(&target, "kinesis")])
        .await;
    assert_shown!(without_names(&dry.shown(0), &target));
    target.clean().await;
}

#[tokio::test]
async fn records_that_are_no_rows_are_kept_beside() {
    let world = World::with_sensors().await;
    let target = target().await;
    world.put(b"not json \xff").await;
    world.put(br#"{"sensor_id": 3, "temperature": "hot", "ts": {"at": 1}}"#).await;
    let ended = world.run(&["load", &world.source(""), &address(&target, "kinesis")]).await;
    assert_shown!(without_names(&ended.shown(0), &target));
    let letters = "SELECT \"reason\", \"payload\" FROM TABLE";
    assert_eq!(
        rows(&target, "kinesis_dead_letters", letters).await,
        json!([["not_json", "bm90IGpzb24g/w=="]])
    );
    let beside = "SELECT temperature__text, ts__object['at'] FROM TABLE WHERE sensor_id = 3";
    assert_eq!(rows(&target, "kinesis", beside).await, json!([["hot", 1]]));
    target.clean().await;
}

#[tokio::test]
async fn wrong_addresses_and_servers() {
    let world = World::new(1).await;
    let old =
        CrateDb::start_with(Options { version: "5.9.3", ..Options::default() }).await.unwrap();
    let locked = Options { user: Some(("crate", "s3cr3t")), ..Options::default() };
    let locked = CrateDb::start_with(locked).await.unwrap();
    let fine = CrateDb::start().await.unwrap();
    let with_password = locked.url().replace("crate://", "crate://crate:wr0ng@");
    let source = world.source("");
    let mut all = String::new();
    for (code, arguments) in [
        (1, &["load", &source, "crate://127.0.0.1:1/s/t"][..]),
        (1, &["load", &source, "crate://127.0.0.1:1,127.0.0.1:2/s/t"]),
        (1, &["load", &source, &old.url()]),
        (1, &["load", &source, &locked.url()]),
        (1, &["load", &source, &with_password]),
        (1, &["load", &source, &format!("{}/s/missing?create_table=never", fine.url())]),
        (2, &["load", &source, &format!("{}/s/t?table=u", fine.url())]),
        (2, &["load", &source, &format!("{}/s/t?ssl=true&sslmode=disable", fine.url())]),
        (2, &["load", &source, &format!("{}/s/t?shard=6", fine.url())]),
        (2, &["load", &world.source("&checkpointer=sqlite"), &fine.url()]),
        (
            2,
            &[
                "load",
                &world.source("&checkpointer=cratedb"),
                &format!("{}/ext/kinesis_checkpoints", fine.url()),
            ],
        ),
    ] {
        let ended = world.run(arguments).await;
        assert!(!format!("{ended:?}").contains("wr0ng"), "{ended:?}");
        all = [&all, "$ ctk load … ", arguments[2], "\n", &ended.shown(code), "\n"].concat();
    }
    assert_shown!(all);
    assert_eq!(
        fine.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 's'")
            .len(),
        0
    );
}

/// `--schema` and `--table` win over the address; a host that is down is passed over; large requests are compressed when asked for.
#[tokio::test]
async fn options_do_what_they_say() {
    let world = World::with_sensors().await;
    let server = CrateDb::start().await.unwrap();
    let url = format!("crate://127.0.0.1:1,{}/a/b?gzip=true", server.address());
    for _ in 0..20 {
        let large = format!(r#"{{"text": "{}"}}"#, "x".repeat(30_000));
        world.put(large.as_bytes()).await;
    }
    let ended =
        world.run(&["load", "--schema", "other", "--table", "t", &world.source(""), &url]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    server.sql("REFRESH TABLE \"other\".\"t\"", &[]);
    assert_eq!(server.rows("SELECT count(*) FROM \"other\".\"t\""), [[json!(22)]]);
    assert!(server.script().gzipped() > 0);
}

fn replay(count: u64) -> Replay {
    let options = ReplayOptions { stream: "demo".into(), ..ReplayOptions::default() };
    // It has a runtime of its own, which is not to be started on a thread of this one.
    std::thread::spawn(move || Replay::start(&options, (0..count).map(records::record)))
        .join()
        .unwrap()
        .unwrap()
}

fn command(folder: &std::path::Path, source: &str, target: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ctk"));
    command.env_clear().current_dir(folder).args(["load", "--progress=never", source, target]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn count(server: &CrateDb) -> u64 {
    server.sql("REFRESH TABLE \"s\".\"t\"", &[]);
    let answer = server.sql("SELECT count(*) FROM \"s\".\"t\"", &[]);
    answer["rows"][0][0].as_u64().unwrap_or_default()
}

fn check_sums(server: &CrateDb, records: u64) {
    server.sql("REFRESH TABLE \"s\".\"t\"", &[]);
    let sums = "SELECT count(*), count(DISTINCT \"kinesis_msg_id\"), sum(\"id\"), sum(\"reading\") FROM \"s\".\"t\"";
    let expected = records::expected(records);
    assert_eq!(
        server.rows(sums),
        [[
            json!(expected.count),
            json!(expected.count),
            json!(expected.id),
            json!(expected.reading)
        ]]
    );
}

/// Every twentieth connection breaks, every twentieth answer is 503, one in fifty is lost after the rows are stored; and
/// in the middle a restart, and three seconds in which nothing may be written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_thousand_records_through_all_faults() {
    const RECORDS: u64 = 200_000;
    let replay = replay(RECORDS);
    let server = CrateDb::start().await.unwrap();
    server.script().reset_share(5);
    server.script().status_share(503, 5);
    server.script().lose_answer_share(2);
    let folder = tempfile::tempdir().unwrap();
    let source =
        crate::world::source(&replay.endpoint(), "&checkpointer=cratedb&checkpointer_interval=1");
    let target = format!("{}/s/t?batch_rows=1000", server.url());
    let child = command(folder.path(), &source, &target).spawn().unwrap();
    let trouble = async {
        while count(&server) < RECORDS / 4 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.restart(Duration::from_millis(500)).await.unwrap();
        while count(&server) < RECORDS / 2 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        server.script().rows_fail_for(Duration::from_secs(3), 4037);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), trouble);
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("+ 0 dead-lettered + 0 filtered"), "{said}");
    server.script().heal();
    check_sums(&server, RECORDS);
    let again =
        command(folder.path(), &source, &target).spawn().unwrap().wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(said.contains("0 records read"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_once_after_kills() {
    const RECORDS: u64 = 60_000;
    let replay = replay(RECORDS);
    let server = CrateDb::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = "&checkpointer=cratedb&checkpointer_interval=0.2&chunk_size=500";
    let source = crate::world::source(&replay.endpoint(), options);
    let target = format!("{}/s/t", server.url());
    let mut interrupted = 0;
    for kill in 0..3 {
        let mut child = command(folder.path(), &source, &target).spawn().unwrap();
        let before = count(&server);
        // Once it writes, at a moment of its own.
        while count(&server) <= before + 2000 * kill && child.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().await.unwrap();
        let after = count(&server);
        assert!(after >= before);
        interrupted += u64::from(after < RECORDS);
    }
    assert!(interrupted > 0, "every kill came too late: nothing was tested");
    let output =
        command(folder.path(), &source, &target).spawn().unwrap().wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    check_sums(&server, RECORDS);
}

/// Two runs with one namespace notice each other.
#[tokio::test]
async fn a_second_run_is_refused_unless_it_takes_over() {
    let world = World::with_sensors().await;
    let server = CrateDb::start().await.unwrap();
    let source = world.source("&checkpointer=cratedb&follow=true&checkpointer_interval=0.5");
    let target = format!("{}/s/t", server.url());
    let first = world.command(&["load", &source, &target]).spawn().unwrap();
    let owned = "SELECT count(*) FROM \"ext\".\"kinesis_checkpoints\" WHERE \"owner\" IS NOT NULL";
    let owners = || {
        server.sql("REFRESH TABLE \"ext\".\"kinesis_checkpoints\"", &[]);
        server.sql(owned, &[])["rows"][0][0].as_u64().unwrap_or_default()
    };
    while owners() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let second = world.run(&["load", &source, &target]).await;
    assert_shown!(second.shown(1));
    let once = source.replace("&follow=true", "");
    let third = world.run(&["load", "--take-over", &once, &target]).await;
    assert_eq!(third.code, Some(0), "{third:?}");
    let first = first.wait_with_output().await.unwrap();
    assert_eq!(first.status.code(), Some(1));
    let said = String::from_utf8_lossy(&first.stderr);
    assert!(said.contains("error:") && said.contains("another run took over shard"), "{said}");
}
