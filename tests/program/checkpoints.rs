//! `ctk list-checkpoints` and `ctk prune-checkpoints`, in both spellings.

use std::{process::Command, time::Duration};

use crate::world::{World, assert_shown, ended};

async fn with_checkpoints() -> World {
    let world = World::with_sensors().await;
    world.load("&checkpointer=target", "sqlite:demo.db").await;
    let mut connection =
        ctk_db::sqlite::open(&world.path("demo.db"), ctk_db::sqlite::Mode::Write).await.unwrap();
    let sql = "INSERT INTO kinesis_checkpoints (namespace, shard_id, sequence, active, updated_at) VALUES \
               ('old', 'shardId-000000000000', '123', FALSE, '2020-01-01T00:00:00.000Z'), \
               ('old', 'shardId-000000000001', NULL, FALSE, '2020-01-01T00:00:00.000Z'), \
               ('killed', 'shardId-000000000000', '456', TRUE, '2020-01-01T00:00:00.000Z')";
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    world
}

#[tokio::test]
async fn list() {
    let world = with_checkpoints().await;
    let json = world.run(&["list-checkpoints", "sqlite:demo.db"]).await;
    assert_shown!(json.shown(0));
    for spelling in [&["ls"][..], &["kinesis", "list-checkpoints"], &["kinesis", "ls"]] {
        let same = world.run(&[spelling, &["sqlite:demo.db"]].concat()).await;
        assert_eq!((same.code, &same.stdout), (Some(0), &json.stdout));
    }
    let table = world
        .run(&["ls", "--namespace", "old", "--format", "table", "sqlite:demo.db"])
        .await
        .shown(0);
    // The age of these rows grows with the calendar.
    assert_shown!(without_ages(&table));
    assert_shown!(
        world
            .run(&["ls", "--namespace", "none", "--format", "table", "sqlite:demo.db"])
            .await
            .shown(0)
    );
    assert_shown!(world.run(&["ls", "--namespace", "none", "sqlite:demo.db"]).await.shown(0));

    let mut command = world.command(&["ls", "--namespace", "demo"]);
    command.env("CRATEDB_CLUSTER_URL", "sqlite:demo.db");
    assert_eq!(ended(command).await.code, Some(0));
}

fn without_ages(text: &str) -> String {
    let age = |line: &str| {
        let (head, tail) = line.split_once(" d ago")?;
        Some(format!(
            "{}AGE d ago{tail}",
            head.trim_end_matches(|digit: char| digit.is_ascii_digit())
        ))
    };
    text.lines().map(|line| age(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

#[tokio::test]
async fn prune() {
    let world = with_checkpoints().await;
    let dry = world
        .run(&["prune-checkpoints", "--older-than", "30d", "--dry-run", "sqlite:demo.db"])
        .await;
    assert_shown!(dry.shown(0));
    assert_shown!(world.run(&["prune", "--older-than", "30d", "sqlite:demo.db"]).await.shown(2));
    assert_shown!(
        world
            .run(&["kinesis", "prune", "--older-than", "30d", "--yes", "sqlite:demo.db"])
            .await
            .shown(0)
    );
    let left = "SELECT namespace FROM kinesis_checkpoints ORDER BY namespace";
    assert_eq!(world.query("demo.db", left).await, ["demo", "killed"]);
    let killed = [
        "kinesis",
        "prune-checkpoints",
        "--namespace",
        "killed",
        "--include-active",
        "--yes",
        "sqlite:demo.db",
    ];
    assert_shown!(world.run(&killed).await.shown(0));
    assert_eq!(world.query("demo.db", left).await, ["demo"]);
}

#[tokio::test]
async fn wrong_use() {
    let world = with_checkpoints().await;
    let mut all = String::new();
    for (code, arguments) in [
        (2, &["ls"][..]),
        (2, &["ls", "jsonl:lines.ndjson"]),
        (1, &["ls", "sqlite:none.db"]),
        (2, &["prune", "--yes", "sqlite:demo.db"]),
        (2, &["prune", "--older-than", "7days", "--yes", "sqlite:demo.db"]),
        (2, &["prune", "--older-than", "0d", "--yes", "sqlite:demo.db"]),
        (2, &["prune", "--older-than", "99999999999d", "--yes", "sqlite:demo.db"]),
    ] {
        let ended = world.run(arguments).await;
        all = [&all, "$ ctk ", &arguments.join(" "), "\n", &ended.shown(code)].concat();
    }
    world.load("", "sqlite:without.db").await;
    all += &world.run(&["ls", "sqlite:without.db"]).await.shown(1);
    assert_shown!(all);
    assert!(!world.path("none.db").exists());
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM kinesis_checkpoints").await, ["4"]);
}

/// On a terminal it shows the rows and asks. `script` (of util-linux, part of every Debian) is the terminal.
#[tokio::test]
async fn prune_asks_on_a_terminal() {
    let world = with_checkpoints().await;
    let line = format!("{} prune --older-than 30d sqlite:demo.db", env!("CARGO_BIN_EXE_ctk"));
    let answer = |letter: &str| {
        let shell = format!(
            "(sleep 1; printf '{letter}') | script --quiet --return --command 'stty cols 120; {line}' /dev/null"
        );
        Command::new("sh").args(["-c", &shell]).current_dir(world.path("")).output().unwrap()
    };
    let no = answer("n");
    let shown = String::from_utf8(no.stdout).unwrap();
    assert!(shown.contains("Delete 2 checkpoint rows?"), "{shown}");
    assert!(shown.contains("shardId-000000000001"), "the rows are shown: {shown}");
    assert_eq!(no.status.code(), Some(1), "{shown}");
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM kinesis_checkpoints").await, ["4"]);
    let yes = answer("y");
    assert_eq!(yes.status.code(), Some(0), "{}", String::from_utf8_lossy(&yes.stdout));
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM kinesis_checkpoints").await, ["2"]);
}

#[tokio::test]
async fn what_was_typed_comes_before_the_environment() {
    let world = with_checkpoints().await;
    world.load("", "sqlite:other.db").await;
    let run = async |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env("CRATEDB_URI", "sqlite:demo.db").env("CRATEDB_CLUSTER_URL", "sqlite:none.db");
        ended(command).await
    };
    let prune = ["prune", "--namespace", "old", "--yes"];
    // The other database has no such table, and the one of the environment is not touched.
    let typed = run(&[&prune[..], &["--cluster-url", "sqlite:other.db"]].concat()).await;
    assert_eq!(typed.code, Some(1), "{typed:?}");
    let both =
        run(&[&prune[..], &["--cluster-url", "sqlite:other.db", "sqlite:demo.db"]].concat()).await;
    assert_eq!(both.code, Some(2), "{both:?}");
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM kinesis_checkpoints").await, ["4"]);
    assert_eq!(run(&prune).await.code, Some(0));
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM kinesis_checkpoints").await, ["2"]);
}

/// The second run takes over; the first ends with its next transaction, of which nothing stays.
#[tokio::test]
async fn of_two_runs_in_a_namespace_the_second_goes_on() {
    let world = World::with_sensors().await;
    let options = "&checkpointer=target&envelope=none&poll_interval=0.1";
    let source = world.source(options);
    let first = world.command(&["load", "--follow", &source, "sqlite:demo.db"]).spawn().unwrap();
    let has = async |table: &'static str, rows: &'static str, expected: &str| {
        !world.query("demo.db", table).await.is_empty()
            && world.query("demo.db", rows).await == [expected]
    };
    let written = async {
        while !world.path("demo.db").exists()
            || !has(
                "SELECT name FROM sqlite_master WHERE name = 'demo'",
                "SELECT count(*) FROM demo",
                "2",
            )
            .await
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = Duration::from_mins(1);
    tokio::time::timeout(patience, written).await.expect("the first records are loaded");
    let second = world.load(options, "sqlite:demo.db").await;
    assert!(second.contains("0 records read"), "{second}");

    world.put(br#"{"sensor_id":3}"#).await;
    let first = tokio::time::timeout(patience, first.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8(first.stderr).unwrap();
    assert_eq!(first.status.code(), Some(1), "{said}");
    assert_shown!(said);
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM demo").await, ["2"]);
    let third = world.load(options, "sqlite:demo.db").await;
    assert!(third.contains("1 record read"), "{third}");
    assert_eq!(world.query("demo.db", "SELECT count(*) FROM demo").await, ["3"]);
}
