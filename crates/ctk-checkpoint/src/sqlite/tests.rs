//! The contract on a real file, tables of other tools, and pruning of what was shown.

use std::{path::Path, time::Duration};

use ctk_db::sqlite::Mode;
use ctk_flow::{Millis, Position};
use tempfile::TempDir;

use super::*;
use crate::{
    Holder, Saved,
    holder::contract::{Place, Run, fences},
    prune::Active,
    store::contract,
};

/// The functions, for the contracts.
struct File(TempDir);

impl File {
    async fn with_table() -> Self {
        let folder = tempfile::tempdir().unwrap();
        create_table(&mut connect(folder.path()).await).await.unwrap();
        Self(folder)
    }
}

impl Place for File {
    type Connection = SqliteConnection;
    const BEGIN: &str = "BEGIN IMMEDIATE";

    async fn connect(&self) -> SqliteConnection {
        connect(self.0.path()).await
    }

    async fn until_one_waits(&self) {}

    async fn run(connection: &mut SqliteConnection, sql: String) {
        let sql = sql.replace("{table}", TABLE);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
    }

    async fn number(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }

    async fn open(
        connection: &mut SqliteConnection,
        namespace: &str,
    ) -> Result<(Holder, Vec<Checkpoint>), CheckpointError> {
        open(connection, namespace, StreamIdentity::default()).await
    }

    async fn load(
        connection: &mut SqliteConnection,
        namespace: &str,
    ) -> Result<Vec<Checkpoint>, CheckpointError> {
        load(connection, namespace).await
    }

    async fn claim(
        connection: &mut SqliteConnection,
        holder: &Holder,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> Result<(), CheckpointError> {
        claim(connection, holder, shard, begins).await
    }

    async fn save(
        connection: &mut SqliteConnection,
        holder: &Holder,
        positions: &[Position],
    ) -> Result<Vec<Saved>, CheckpointError> {
        save(connection, holder, positions).await
    }

    async fn is_saved(
        connection: &mut SqliteConnection,
        holder: &Holder,
        positions: &[Position],
    ) -> Result<bool, CheckpointError> {
        is_saved(connection, holder, positions).await
    }

    async fn release(
        connection: &mut SqliteConnection,
        holder: &Holder,
        shard: &ShardId,
    ) -> Result<(), CheckpointError> {
        release(connection, holder, shard).await
    }
}

/// Opens a namespace and claims shards, as a run of an unknown stream.
async fn claimed(connection: &mut SqliteConnection, shards: &[&str]) -> Holder {
    let (holder, _) = open(connection, "n", StreamIdentity::default()).await.unwrap();
    for shard in shards {
        claim(connection, &holder, &ShardId::new(shard), None).await.unwrap();
    }
    holder
}

async fn database() -> (TempDir, SqliteConnection) {
    let folder = tempfile::tempdir().unwrap();
    let connection = connect(folder.path()).await;
    (folder, connection)
}

async fn connect(folder: &Path) -> SqliteConnection {
    ctk_db::sqlite::open(&folder.join("a.db"), Mode::Create).await.unwrap()
}

async fn run(connection: &mut SqliteConnection, sql: &'static str) {
    sqlx::raw_sql(sql).execute(connection).await.unwrap();
}

/// The table as a tool makes it that knows the five columns only.
const FOREIGN: &str = "CREATE TABLE kinesis_checkpoints (namespace VARCHAR NOT NULL, shard_id VARCHAR NOT NULL, \
     sequence VARCHAR, active BOOLEAN DEFAULT 1, updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, \
     PRIMARY KEY (namespace, shard_id)); \
     INSERT INTO kinesis_checkpoints VALUES ('n', 's1', '9', 0, '2026-11-20 18:30:00'), \
     ('n', 's2', NULL, NULL, 1795199400123), ('n', 's3', '4', 1, 'soon'), ('other', 's1', '1', 0, NULL);";

#[tokio::test]
async fn sqlite_keeps_the_promises_of_a_store() {
    let file = File::with_table().await;
    contract::keeps_its_promises(async |namespace: &str| Run::open(&file, namespace).await).await;
}

#[tokio::test]
async fn sqlite_fences_runs() {
    fences(File::with_table().await).await;
}

#[tokio::test]
async fn a_table_of_an_earlier_version_gets_its_owner() {
    let (_folder, mut connection) = database().await;
    let sql = "CREATE TABLE kinesis_checkpoints (namespace TEXT NOT NULL, shard_id TEXT NOT NULL, sequence TEXT, \
               active BOOLEAN DEFAULT TRUE, updated_at TEXT, finished BOOLEAN, stream_arn TEXT, \
               stream_created_at INTEGER, begins_at INTEGER, part TEXT, PRIMARY KEY (namespace, shard_id)); \
               INSERT INTO kinesis_checkpoints (namespace, shard_id, sequence, finished) VALUES ('n', 's1', '9', TRUE)";
    run(&mut connection, sql).await;
    assert_eq!(load(&mut connection, "n").await.unwrap().len(), 1);
    create_table(&mut connection).await.unwrap();
    let holder = claimed(&mut connection, &["s1"]).await;
    let position =
        Position { sequence: Some(Sequence::new("10")), ..Position::new(ShardId::new("s1")) };
    assert_eq!(save(&mut connection, &holder, &[position]).await.unwrap(), [Saved::Written]);
    let rows = load(&mut connection, "n").await.unwrap();
    assert_eq!(
        (rows[0].sequence.as_ref().map(Sequence::as_str), rows[0].finished),
        (Some("10"), true)
    );
}

#[tokio::test]
async fn a_change_that_a_trigger_ignores_is_told() {
    let (_folder, mut connection) = database().await;
    create_table(&mut connection).await.unwrap();
    let holder = claimed(&mut connection, &["s"]).await;
    run(&mut connection, "CREATE TRIGGER ignore BEFORE UPDATE ON kinesis_checkpoints BEGIN SELECT RAISE(IGNORE); END").await;
    let position =
        Position { sequence: Some(Sequence::new("10")), ..Position::new(ShardId::new("s")) };
    let error = save(&mut connection, &holder, &[position]).await.unwrap_err();
    let expected = "cannot change the checkpoint of shard s: a trigger, a rule or a policy of the table ignores it";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn without_a_table_nothing_is_known_and_nothing_is_listed() {
    let (_folder, mut connection) = database().await;
    assert!(load(&mut connection, "n").await.unwrap().is_empty());
    let error = list(&mut connection, None).await.unwrap_err();
    assert_eq!(error.to_string(), "checkpoint table \"kinesis_checkpoints\" does not exist");
    assert!(columns(&mut connection, TABLE).await.unwrap().is_empty(), "reading creates nothing");
    create_table(&mut connection).await.unwrap();
    create_table(&mut connection).await.unwrap();
    assert!(list(&mut connection, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_table_of_that_name_is_refused() {
    let (_folder, mut connection) = database().await;
    run(
        &mut connection,
        "CREATE TABLE kinesis_checkpoints (namespace TEXT, shard_id TEXT, seq TEXT)",
    )
    .await;
    let errors = [
        list(&mut connection, None).await.unwrap_err(),
        load(&mut connection, "n").await.unwrap_err(),
        create_table(&mut connection).await.unwrap_err(),
    ];
    for error in errors {
        let expected =
            "table \"kinesis_checkpoints\" is no checkpoint table: it has no column \"sequence\"";
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some());
    }
    assert_eq!(columns(&mut connection, TABLE).await.unwrap().len(), 3, "it stays as it was");
}

#[tokio::test]
async fn the_table_of_another_tool_is_read_and_taken_over() {
    let (_folder, mut connection) = database().await;
    run(&mut connection, FOREIGN).await;
    let row = |shard: &str,
               sequence: Option<&str>,
               active: Option<bool>,
               updated_at: Option<i64>| Checkpoint {
        sequence: sequence.map(Sequence::new),
        active,
        updated_at,
        ..Checkpoint::new("n", ShardId::new(shard))
    };
    let expected = [
        row("s1", Some("9"), Some(false), Some(1_795_199_400_000)),
        row("s2", None, None, Some(1_795_199_400_123)),
        row("s3", Some("4"), Some(true), None),
    ];
    assert_eq!(load(&mut connection, "n").await.unwrap(), expected);
    assert_eq!(columns(&mut connection, TABLE).await.unwrap().len(), 5, "reading changes nothing");

    create_table(&mut connection).await.unwrap();
    assert_eq!(load(&mut connection, "n").await.unwrap(), expected);
    let (shard, stream) = (
        ShardId::new("s1"),
        StreamIdentity { arn: Some("arn:1".into()), created_at: Some(1_700_000_000_000) },
    );
    let (holder, found) = open(&mut connection, "n", stream.clone()).await.unwrap();
    assert_eq!(found, expected);
    claim(&mut connection, &holder, &shard, None).await.unwrap();
    let position = Position {
        sequence: Some(Sequence::new("10")),
        finished: true,
        ..Position::new(shard.clone())
    };
    let saved = save(&mut connection, &holder, std::slice::from_ref(&position)).await.unwrap();
    assert_eq!(saved, [Saved::Written]);
    // A run that does not know the stream leaves it as it was.
    claimed(&mut connection, &["s1"]).await;
    let taken = &load(&mut connection, "n").await.unwrap()[0];
    assert_eq!((taken.position(), taken.active, &taken.stream), (position, Some(true), &stream));

    // The other tool goes on: it knows nothing of our columns.
    let sql = "INSERT INTO kinesis_checkpoints (namespace, shard_id, sequence, active) VALUES ('n', 's4', NULL, TRUE); \
               UPDATE kinesis_checkpoints SET sequence = '11', updated_at = CURRENT_TIMESTAMP WHERE shard_id = 's1'";
    run(&mut connection, sql).await;
    let rows = load(&mut connection, "n").await.unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0].sequence, Some(Sequence::new("11")));
    assert!(rows[0].updated_at.is_some());
}

#[tokio::test]
async fn a_table_without_a_key_is_served_as_well() {
    let (_folder, mut connection) = database().await;
    let sql = "CREATE TABLE kinesis_checkpoints (NAMESPACE TEXT, shard_id TEXT, sequence TEXT, active INT, updated_at TEXT)";
    run(&mut connection, sql).await;
    create_table(&mut connection).await.unwrap();
    for _ in 0..2 {
        claimed(&mut connection, &["s"]).await;
    }
    assert_eq!(list(&mut connection, None).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_position_is_part_of_the_transaction() {
    let (folder, mut connection) = database().await;
    create_table(&mut connection).await.unwrap();
    let position =
        Position { sequence: Some(Sequence::new("1")), ..Position::new(ShardId::new("s")) };
    let holder = claimed(&mut connection, &[]).await;
    let mut transaction = connection.begin().await.unwrap();
    assert_eq!(save(&mut transaction, &holder, &[position]).await.unwrap(), [Saved::Written]);
    transaction.rollback().await.unwrap();
    assert!(load(&mut connection, "n").await.unwrap().is_empty());
    assert!(load(&mut connect(folder.path()).await, "n").await.unwrap().is_empty());
}

#[tokio::test]
async fn times_are_text_that_sorts() {
    let (_folder, mut connection) = database().await;
    create_table(&mut connection).await.unwrap();
    claimed(&mut connection, &["s"]).await;
    let stored: String = sqlx::query_scalar("SELECT updated_at FROM kinesis_checkpoints")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let read = load(&mut connection, "n").await.unwrap()[0].updated_at.unwrap();
    assert_eq!(time::iso(read), stored);
}

#[tokio::test]
async fn what_was_shown_is_deleted_and_nothing_else() {
    let (_folder, mut connection) = database().await;
    run(&mut connection, FOREIGN).await;
    let now = 1_795_199_400_000 + 86_400_000;
    let filter = |older_than: Option<u64>, namespace: Option<&str>, active: Active| {
        Filter::new(older_than.map(Duration::from_secs), now, namespace, active).unwrap()
    };
    let shards = |rows: &[Checkpoint]| -> Vec<String> {
        rows.iter().map(|row| format!("{} {}", row.namespace, row.shard_id)).collect()
    };
    let check = async |connection: &mut SqliteConnection, filter: Filter, expected: &[&str]| {
        let rows = prunable(connection, &filter).await.unwrap();
        assert_eq!(shards(&rows), expected, "{filter:?}");
        rows
    };
    check(&mut connection, filter(Some(3600), None, Active::Keep), &["n s1"]).await;
    check(&mut connection, filter(Some(86_400 * 2), None, Active::Include), &[]).await;
    check(&mut connection, filter(None, Some("other"), Active::Keep), &["other s1"]).await;
    check(&mut connection, filter(None, Some("n"), Active::Keep), &["n s1"]).await;
    check(&mut connection, filter(Some(3600), Some("other"), Active::Include), &[]).await;
    let shown =
        check(&mut connection, filter(None, Some("n"), Active::Include), &["n s1", "n s2", "n s3"])
            .await;

    // While it was asked, a run claimed a shard, and another row came.
    create_table(&mut connection).await.unwrap();
    claimed(&mut connection, &["s1", "s9"]).await;
    assert_eq!(delete(&mut connection, &shown).await.unwrap(), 2);
    assert_eq!(shards(&list(&mut connection, None).await.unwrap()), ["n s1", "n s9", "other s1"]);
    assert_eq!(delete(&mut connection, &shown).await.unwrap(), 0);
    assert_eq!(delete(&mut connection, &[]).await.unwrap(), 0);
}
