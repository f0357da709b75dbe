//! `ctk list-checkpoints` and `ctk prune-checkpoints` on CrateDB: the lines of the documentation of the Python ctk, word for
//! word but for the host, and what goes wrong.

use std::time::Duration;

use ctk_test_support::cratedb::{CrateDb, Options};
use serde_json::json;

use crate::world::{Ended, World, assert_shown, ended};

/// A CrateDB with the checkpoints of two schemas.
struct Place {
    world: World,
    server: CrateDb,
}

/// As the Python ctk makes it.
const TABLE: &str = r#"CREATE TABLE "SCHEMA"."kinesis_checkpoints" ("namespace" TEXT NOT NULL, "shard_id" TEXT NOT NULL,
    "sequence" TEXT, "active" BOOLEAN DEFAULT TRUE, "updated_at" TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY ("namespace", "shard_id"))"#;

/// The first of 2020.
const OLD: i64 = 1_577_836_800_000;

/// In the order in which they are listed.
const ROWS: [(&str, &str, Option<&str>, bool, i64); 5] = [
    (
        "killed",
        "shardId-000000000000",
        Some("49650000000000000000000000000000000000000000000000000002"),
        true,
        OLD,
    ),
    (
        "my-stream",
        "shardId-000000000000",
        Some("49650000000000000000000000000000000000000000000000000003"),
        false,
        4_000_000_000_000,
    ),
    ("my-stream", "shardId-000000000001", None, true, 4_000_000_000_000),
    ("old-pipeline", "shardId-000000000000", Some("7"), false, OLD),
    ("old-pipeline", "shardId-000000000001", None, false, OLD),
];

impl Place {
    async fn new(options: Options) -> Self {
        let place = Self {
            world: World::new(1).await,
            server: CrateDb::start_with(options).await.unwrap(),
        };
        for schema in ["ext", "my_ext"] {
            place.sql(&TABLE.replace("SCHEMA", schema), &[]);
            for (namespace, shard, sequence, active, updated_at) in ROWS {
                let insert = format!(
                    r#"INSERT INTO "{schema}"."kinesis_checkpoints" ("namespace", "shard_id", "sequence", "active", "updated_at")
                       VALUES (?, ?, ?, ?, ?)"#
                );
                let args = [
                    json!(namespace),
                    json!(shard),
                    json!(sequence),
                    json!(active),
                    json!(updated_at),
                ];
                place.sql(&insert, &args);
            }
        }
        place
    }

    fn sql(&self, statement: &str, args: &[serde_json::Value]) {
        let answer = self.server.sql(statement, args);
        assert!(answer["error"].is_null(), "{statement}: {answer}");
    }

    /// Runs a line of the documentation.
    async fn line(&self, line: &str) -> Ended {
        let address = format!("{}/", self.server.url());
        let words: Vec<_> = line
            .split_whitespace()
            .skip(1)
            .map(|word| if word == r#""crate://localhost/""# { address.as_str() } else { word })
            .collect();
        self.world.run(&words).await
    }

    /// Returns the namespaces and shards that are left.
    fn left(&self, schema: &str) -> Vec<String> {
        self.sql(&format!(r#"REFRESH TABLE "{schema}"."kinesis_checkpoints""#), &[]);
        let select = format!(
            r#"SELECT "namespace", "shard_id" FROM "{schema}"."kinesis_checkpoints" ORDER BY "namespace", "shard_id""#
        );
        let last = |text: &str| text.chars().last().unwrap_or_default();
        let rows = self.server.rows(&select);
        rows.iter()
            .map(|row| format!("{} {}", row[0].as_str().unwrap(), last(row[1].as_str().unwrap())))
            .collect()
    }
}

const ALL: [&str; 5] =
    ["killed 0", "my-stream 0", "my-stream 1", "old-pipeline 0", "old-pipeline 1"];

#[tokio::test]
async fn list() {
    let place = Place::new(Options::default()).await;
    let all = place.line(r#"ctk kinesis list-checkpoints "crate://localhost/""#).await;
    assert_shown!(all.shown(0));
    let expected = ROWS.map(|(namespace, shard_id, sequence, active, updated_at)| {
        json!({ "namespace": namespace, "shard_id": shard_id, "sequence": sequence, "active": active, "updated_at": updated_at })
    });
    let listed: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(listed, json!(expected));
    let one = r#"ctk kinesis list-checkpoints --namespace my-stream "crate://localhost/""#;
    assert_shown!(place.line(one).await.shown(0));
    let table =
        r#"ctk ls --namespace old-pipeline --format csv --schema my_ext "crate://localhost/""#;
    assert_shown!(place.line(table).await.shown(0));
    let none = r#"ctk ls --namespace none --format table "crate://localhost/""#;
    assert_eq!(place.line(none).await.stdout, "No checkpoints found.\n");

    // Other ways to say the same: where a load would go to does not matter.
    let host = place.server.address();
    for address in [
        format!("cratedb://{host}/doc/orders"),
        format!("http://{host}/"),
        format!("crate://{host}/?ssl=false&table=orders&schema=doc&batch-rows=5"),
    ] {
        let same = place.world.run(&["list-checkpoints", &address]).await;
        assert_eq!((same.code, &same.stdout), (Some(0), &all.stdout), "{address} {same:?}");
    }
    for (variable, schema) in [("CRATEDB_URI", "ext"), ("CRATEDB_CLUSTER_URL", "")] {
        let mut command = place.world.command(&["ls"]);
        command.env(variable, format!("crate://{host}/")).env("CRATEDB_EXT_SCHEMA", schema);
        let same = ended(command).await;
        assert_eq!((same.code, &same.stdout), (Some(0), &all.stdout), "{variable} {same:?}");
    }
}

#[tokio::test]
async fn prune() {
    let place = Place::new(Options::default()).await;
    let dry = r#"ctk kinesis prune-checkpoints --older-than 30d --dry-run "crate://localhost/""#;
    assert_shown!(place.line(dry).await.shown(0));
    // There is no terminal to ask on.
    let asks = r#"ctk kinesis prune-checkpoints --older-than 30d "crate://localhost/""#;
    assert_shown!(place.line(asks).await.shown(2));
    assert_eq!(place.left("ext"), ALL);

    let yes = r#"ctk kinesis prune-checkpoints --older-than 30d --yes "crate://localhost/""#;
    assert_shown!(place.line(yes).await.shown(0));
    assert_eq!(place.left("ext"), ["killed 0", "my-stream 0", "my-stream 1"]);
    let custom = r#"ctk kinesis prune-checkpoints --older-than 7d --schema my_ext --yes "crate://localhost/""#;
    assert_shown!(place.line(custom).await.shown(0));
    assert_eq!(place.left("my_ext"), ["killed 0", "my-stream 0", "my-stream 1"]);
    let killed = r#"ctk prune --namespace killed --include-active --yes "crate://localhost/""#;
    assert_shown!(place.line(killed).await.shown(0));
    assert_eq!(place.left("ext"), ["my-stream 0", "my-stream 1"]);
    let again =
        r#"ctk kinesis prune-checkpoints --namespace old-pipeline --yes "crate://localhost/""#;
    assert_shown!(place.line(again).await.shown(0));
}

#[tokio::test]
async fn a_row_that_a_run_claims_meanwhile_stays() {
    let place = Place::new(Options::default()).await;
    let claim = r#"UPDATE "ext"."kinesis_checkpoints" SET "active" = TRUE, "updated_at" = CURRENT_TIMESTAMP
                   WHERE "namespace" = 'old-pipeline' AND "shard_id" = 'shardId-000000000001'"#;
    place.server.script().before_next_bulk(claim);
    let yes = r#"ctk kinesis prune-checkpoints --older-than 30d --yes "crate://localhost/""#;
    assert_shown!(place.line(yes).await.shown(0));
    assert_eq!(place.left("ext"), ["killed 0", "my-stream 0", "my-stream 1", "old-pipeline 1"]);
}

#[tokio::test]
async fn wrong_use() {
    let place = Place::new(Options { user: Some(("crate", "secret")), ..Options::default() }).await;
    let host = place.server.address();
    let (address, known) = (format!("crate://{host}/"), format!("crate://crate:secret@{host}/"));
    let mut all = String::new();
    for (code, arguments) in [
        (1, &["ls", &address][..]),
        (1, &["ls", &format!("crate://crate:wrong@{host}/")]),
        (1, &["ls", "--schema", "a \"b\".c", &known]),
        (1, &["prune", "--namespace", "n", "--yes", "--schema", "none", &known]),
        (2, &["ls", &format!("{known}a/b/c")]),
        (2, &["ls", &format!("{known}?shard=1")]),
        (2, &["ls", &format!("{known}?ssl=perhaps")]),
        (2, &["prune", "--yes", &known]),
    ] {
        let ended = place.world.run(arguments).await;
        all = [&all, "$ ctk ", &arguments.join(" "), "\n", &ended.shown(code)].concat();
    }
    assert_shown!(all);
    assert_eq!(place.left("ext"), ALL);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_not_ready_is_told_at_once() {
    let place = Place::new(Options::default()).await;
    let list = r#"ctk kinesis list-checkpoints "crate://localhost/""#;
    place.server.script().top_level_fail_for(Duration::from_hours(1), 4032);
    let ended = place.line(list).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("(code 4032)"), "{ended:?}");

    let address = place.server.url();
    drop(place.server);
    let ended = place.world.run(&["ls", &address]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("cannot reach CrateDB at 127.0.0.1:"), "{ended:?}");
    assert!(ended.stderr.contains("hint: check host and port"), "{ended:?}");
}
