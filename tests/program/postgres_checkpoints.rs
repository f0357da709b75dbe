//! `ctk list-checkpoints` and `ctk prune-checkpoints` on PostgreSQL, and what goes wrong.

use ctk_test_support::postgres::{Options, Postgres, Stop};
use serde_json::json;

use crate::world::{Ended, World, assert_shown, ended};

/// A PostgreSQL with the checkpoints of two schemas.
struct Place {
    world: World,
    server: Postgres,
}

/// As other tools make it.
const TABLE: &str = "CREATE SCHEMA NAME; CREATE TABLE NAME.kinesis_checkpoints (namespace TEXT NOT NULL, \
    shard_id TEXT NOT NULL, sequence TEXT, active BOOLEAN DEFAULT TRUE, \
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (namespace, shard_id)); \
    INSERT INTO NAME.kinesis_checkpoints VALUES \
    ('killed', 'shardId-000000000000', '49650000000000000000000000000000000000000000000000000002', TRUE, '2020-01-01Z'), \
    ('my-stream', 'shardId-000000000000', '49650000000000000000000000000000000000000000000000000003', FALSE, '2096-10-02T07:06:40Z'), \
    ('my-stream', 'shardId-000000000001', NULL, TRUE, '2096-10-02T07:06:40Z'), \
    ('old-pipeline', 'shardId-000000000000', '7', FALSE, '2020-01-01Z'), \
    ('old-pipeline', 'shardId-000000000001', NULL, FALSE, '2020-01-01Z')";

impl Place {
    async fn new(options: Options) -> Self {
        let place =
            Self { world: World::new(1).await, server: Postgres::with(options).await.unwrap() };
        for schema in ["ext", "my_ext"] {
            place.server.sql(&TABLE.replace("NAME", schema));
        }
        place
    }

    /// Runs the program on the database.
    async fn run(&self, arguments: &[&str]) -> Ended {
        self.world.run(&[arguments, &[&self.server.url()]].concat()).await
    }

    /// Returns the namespaces and shards that are left.
    fn left(&self, schema: &str) -> Vec<String> {
        let sql = format!(
            "SELECT namespace || ' ' || right(shard_id, 1) FROM {schema}.kinesis_checkpoints ORDER BY 1"
        );
        self.server.sql(&sql).lines().map(str::to_owned).collect()
    }
}

const ALL: [&str; 5] =
    ["killed 0", "my-stream 0", "my-stream 1", "old-pipeline 0", "old-pipeline 1"];

#[tokio::test]
async fn list() {
    let place = Place::new(Options::default()).await;
    let all = place.run(&["list-checkpoints"]).await;
    assert_shown!(all.shown(0));
    let listed: serde_json::Value = serde_json::from_str(&all.stdout).unwrap();
    assert_eq!(listed[1]["updated_at"], json!(4_000_000_000_000_u64));
    let old = ["ls", "--namespace", "old-pipeline", "--schema", "my_ext", "--format"];
    assert_shown!(place.run(&[&old[..], &["csv"]].concat()).await.shown(0));
    let new = ["ls", "--namespace", "my-stream", "--format", "table"];
    assert_shown!(place.run(&new).await.shown(0));
    let none = place.run(&["ls", "--namespace", "none", "--format", "table"]).await;
    assert_eq!(none.stdout, "No checkpoints found.\n");
    assert_eq!(place.run(&["ls", "--namespace", "none"]).await.stdout, "[]\n");

    // Other ways to say the same: where a load would go to does not matter.
    let address = place.server.url().replace("postgresql:", "postgres:");
    let socket = format!(
        "postgresql:///ctk?host={}&port={}&user=ctk",
        place.server.socket_folder().display(),
        place.server.port()
    );
    for address in [
        address.clone(),
        format!("{address}?table=other.orders&batch-rows=5&sslmode=disable"),
        socket,
    ] {
        let same = place.world.run(&["kinesis", "list-checkpoints", &address]).await;
        assert_eq!((same.code, &same.stdout), (Some(0), &all.stdout), "{address} {same:?}");
    }
    for (variable, schema) in [("CRATEDB_URI", "ext"), ("CRATEDB_CLUSTER_URL", "")] {
        let mut command = place.world.command(&["ls"]);
        command.env(variable, &address).env("CRATEDB_EXT_SCHEMA", schema);
        let same = ended(command).await;
        assert_eq!((same.code, &same.stdout), (Some(0), &all.stdout), "{variable} {same:?}");
    }
    // A server that only reads can be listed, but not pruned.
    place.server.sql("ALTER DATABASE ctk SET default_transaction_read_only = on");
    assert_eq!(place.run(&["ls"]).await.stdout, all.stdout);
    assert_shown!(place.run(&["prune", "--namespace", "killed", "--yes"]).await.shown(1));
}

#[tokio::test]
async fn prune() {
    let place = Place::new(Options::default()).await;
    let dry = ["prune-checkpoints", "--older-than", "30d", "--dry-run"];
    assert_shown!(place.run(&dry).await.shown(0));
    // There is no terminal to ask on.
    assert_shown!(place.run(&["prune", "--older-than", "30d"]).await.shown(2));
    assert_eq!(place.left("ext"), ALL);
    let yes = ["kinesis", "prune", "--older-than", "30d", "--yes"];
    assert_shown!(place.run(&yes).await.shown(0));
    assert_eq!(place.left("ext"), ["killed 0", "my-stream 0", "my-stream 1"]);
    let custom =
        ["prune", "--older-than", "7d", "--schema", "my_ext", "--yes", "--format", "table"];
    assert_eq!(place.run(&custom).await.shown(0), "--- stdout\n2 rows deleted\n--- stderr\n");
    assert_eq!(place.left("my_ext"), ["killed 0", "my-stream 0", "my-stream 1"]);
    let killed = ["prune", "--namespace", "killed", "--include-active", "--yes"];
    assert_shown!(place.run(&killed).await.shown(0));
    assert_eq!(place.left("ext"), ["my-stream 0", "my-stream 1"]);
}

#[tokio::test]
async fn wrong_use() {
    let mut place =
        Place::new(Options { password: Some("s3cret".into()), ..Options::default() }).await;
    let port = place.server.port();
    let known = place.server.url();
    let mut all = String::new();
    for (code, arguments) in [
        (1, &["ls", &format!("postgresql://ctk@127.0.0.1:{port}/ctk")][..]),
        (1, &["ls", &format!("postgresql://ctk:guess@127.0.0.1:{port}/ctk")]),
        (1, &["ls", &format!("postgresql://ctk:s3cret@127.0.0.1:{port}/none")]),
        (1, &["ls", "--schema", "a \"b\".c", &known]),
        (1, &["prune", "--namespace", "n", "--yes", "--schema", "public", &known]),
        (1, &["ls", "--schema", "wrong", &known]),
        (2, &["ls", &format!("{known}/orders")]),
        (2, &["ls", &format!("{known}?shard=1")]),
        (2, &["ls", &format!("{known}?sslmode=perhaps")]),
        (2, &["prune", "--yes", &known]),
    ] {
        if arguments.contains(&"wrong") {
            place
                .server
                .sql("CREATE SCHEMA wrong; CREATE TABLE wrong.kinesis_checkpoints (namespace int)");
        }
        let ended = place.world.run(arguments).await;
        let said = ended.shown(code);
        assert!(!said.contains("s3cret") && !said.contains("guess"), "{said}");
        let typed = arguments.join(" ").replace("s3cret", "PASSWORD").replace("guess", "WRONG");
        all = [&all, "$ ctk ", &typed, "\n", &said].concat();
    }
    assert_eq!(place.left("ext"), ALL);
    place.server.stop(Stop::Fast).await.unwrap();
    all += &place.run(&["ls"]).await.shown(1);
    assert_shown!(all);
}
