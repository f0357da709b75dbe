//! The SQLite sink on real files: what lands, what is refused, and that nothing changes on the way.

use std::path::PathBuf;

use ctk_checkpoint::StreamIdentity;
use ctk_db::sqlite;
use ctk_decode::{DecodeOptions, Decoder};
use ctk_flow::{Allowance, Decode, Record, Sequence};
use sqlx::Row;
use tempfile::TempDir;

use ctk_flow::{Committed, Failure, Position, ShardId, Target};

use super::*;

mod letters;
mod rules;
mod values;

/// A database in a folder of its own, and how to load into it.
struct World {
    folder: TempDir,
    options: DecodeOptions,
    read: u64,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), options: DecodeOptions::default(), read: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    fn settings() -> Settings {
        Settings {
            table: "t".into(),
            stream: "stream".into(),
            envelope: Envelope::Full,
            create_table: true,
            evolve: true,
            batch_rows: 10_000,
            batch_bytes: 8 << 20,
            linger: Duration::ZERO,
            dead_letters: DeadLetters::Table,
            checkpoints: None,
        }
    }

    /// As a run that opens the namespace.
    async fn with_checkpoints(&self) -> Settings {
        let mut connection = self.connection().await;
        ctk_checkpoint::sqlite::create_table(&mut connection).await.unwrap();
        let opened =
            ctk_checkpoint::sqlite::open(&mut connection, "test", StreamIdentity::default());
        Settings { checkpoints: Some(opened.await.unwrap().0), ..Self::settings() }
    }

    async fn connection(&self) -> SqliteConnection {
        sqlite::open(&self.path(), sqlite::Mode::Create).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connection().await).await.unwrap();
    }

    /// Loads records as one batch, each with the next sequence number.
    async fn load(&mut self, settings: Settings, records: &[&str]) -> Result<Committed, Failure> {
        let from = self.read + 1;
        self.read += records.len() as u64;
        self.load_from(settings, from, records).await
    }

    async fn load_from(
        &self,
        settings: Settings,
        from: u64,
        records: &[&str],
    ) -> Result<Committed, Failure> {
        let target = start(self.connection().await, settings);
        let shard = ShardId::new("shard-1");
        let mut records = as_records(from, records).into();
        let decoded = Decoder::new(self.options).decode(&shard, &mut records, Allowance::ALL);
        let changes = decoded.changes;
        let upto = from + records.len() as u64 - 1;
        let upto =
            Position { sequence: Some(Sequence::new(upto.to_string())), ..Position::new(shard) };
        let committed = target.commit(changes, upto).await;
        target.close().await.unwrap();
        committed
    }

    /// Returns the rows of a query, each as `name=literal`, without NULLs and without the envelope.
    async fn rows(&self, sql: &'static str) -> Vec<String> {
        let mut connection = self.connection().await;
        let columns: Vec<String> = {
            let table = sql.split_whitespace().nth(3).unwrap();
            sqlite::columns(&mut connection, table)
                .await
                .unwrap()
                .into_iter()
                .map(|column| column.name)
                .collect()
        };
        let quoted: Vec<_> =
            columns.iter().map(|name| format!("quote({})", ctk_db::quote(name))).collect();
        let sql = sql.replacen('*', &quoted.join(", "), 1);
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await.unwrap();
        let show = |row: &sqlx::sqlite::SqliteRow| {
            let cells =
                columns.iter().enumerate().map(|(index, name)| (name, row.get::<String, _>(index)));
            let cells =
                cells.filter(|(name, value)| !name.starts_with("_kinesis") && value != "NULL");
            cells.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        rows.iter().map(show).collect()
    }

    async fn schema(&self, table: &str) -> Vec<String> {
        let columns = sqlite::columns(&mut self.connection().await, table).await.unwrap();
        columns.into_iter().map(|column| format!("{} {}", column.name, column.declared)).collect()
    }
}

fn as_records(from: u64, records: &[&str]) -> Vec<Record> {
    let record = |(number, data): (u64, &&str)| Record {
        data: data.as_bytes().to_vec(),
        sequence: Sequence::new(number.to_string()),
        partition_key: Some("key".into()),
        arrived_at: Some(1_700_000_000_000),
        done: 0,
    };
    (from..).zip(records).map(record).collect()
}

fn written(written: u64) -> Committed {
    Committed { written, ..Committed::default() }
}

/// Loads batch after batch and compares the rows.
async fn check(batches: &[&[&str]], expected: &[&str]) {
    let mut world = World::new();
    for batch in batches {
        let committed = world.load(World::settings(), batch).await.unwrap();
        assert_eq!(committed, written(batch.len() as u64), "{batch:?}");
    }
    assert_eq!(world.rows("SELECT * FROM t ORDER BY rowid").await, expected);
}

#[tokio::test]
async fn members_become_columns() {
    check(
        &[&[r#"{"sensor_id": 1, "ts": "2025-06-01 10:00", "temperature": 42.42, "ok": true, "none": null}"#]],
        &["sensor_id=1 ts='2025-06-01 10:00' temperature=42.42 ok=1"],
    )
    .await;
    check(
        &[&[r#"{"a": {"b": [1, 2.50]}, "c": []}"#, "{}"]],
        &[r#"a='{"b": [1, 2.50]}' c='[]'"#, ""],
    )
    .await;
    check(&[&["5", "\"x\"", "[1]"]], &["data=5", "data__text='x'", "data__json='[1]'"]).await;
}

#[tokio::test]
async fn a_document_is_one_column_and_its_numbers_stay_exact() {
    let mut world = World::new();
    world.options.layout = ctk_decode::Layout::Document;
    let records = [r#"{"a":1}"#, "5", "12345678901234567890123", "1e400", "\"x\"", "2.5"];
    assert_eq!(world.load(World::settings(), &records).await.unwrap(), written(6));
    assert_eq!(
        world.rows("SELECT * FROM t ORDER BY rowid").await,
        [
            r#"data='{"a":1}'"#,
            "data__bigint=5",
            "data__text='12345678901234567890123'",
            "data__text='1e400'",
            r#"data='"x"'"#,
            "data__double=2.5",
        ]
    );
}

#[tokio::test]
async fn a_value_that_does_not_fit_goes_beside() {
    check(&[&[r#"{"v": 1}"#], &[r#"{"v": 2.5}"#]], &["v=1", "v__double=2.5"]).await;
    // Within the batch that makes the column, integers and decimals share one.
    check(&[&[r#"{"v": 1}"#, r#"{"v": 2.5}"#], &[r#"{"v": 3}"#]], &["v=1.0", "v=2.5", "v=3.0"])
        .await;
    check(&[&[r#"{"v": 1}"#], &[r#"{"v": 2.0}"#, r#"{"v": 2e3}"#]], &["v=1", "v=2", "v=2000"])
        .await;
    check(
        &[
            &[r#"{"v": "x"}"#],
            &[r#"{"v": 5}"#, r#"{"v": true}"#, r#"{"v": {}}"#, r#"{"v": "007"}"#],
        ],
        &["v='x'", "v__bigint=5", "v__bool=1", "v__json='{}'", "v='007'"],
    )
    .await;
    check(
        &[&[r#"{"v": 18446744073709551615}"#, r#"{"v": -9223372036854775808}"#, r#"{"v": 1e999}"#]],
        &["v='18446744073709551615'", "v__bigint=-9223372036854775808", "v='1e999'"],
    )
    .await;
    // The variant's name is a member, too: both values are kept.
    check(
        &[&[r#"{"v": 1}"#], &[r#"{"v": 2.5, "v__double": 3.5}"#]],
        &["v=1", "v__double=2.5 v__double__double=3.5"],
    )
    .await;
}

#[tokio::test]
async fn of_members_that_come_twice_the_last_counts() {
    check(&[&[r#"{"v": 1, "v": 2}"#]], &["v=2"]).await;
    check(
        &[&[r#"{"v": 1}"#], &[r#"{"v": 1, "v": 2.5}"#, r#"{"v": 2.5, "v": 3}"#]],
        &["v=1", "v__double=2.5", "v=3"],
    )
    .await;
    let taken = r#"{"v": 2.5, "v": null, "v__double": 1.5, "v": null}"#;
    let first = r#"{"v": 1, "v__double": 1.5}"#;
    check(&[&[first], &[taken]], &["v=1 v__double=1.5", "v__double=1.5"]).await;
    check(&[&[r#"{"v": 1, "v": null}"#]], &[""]).await;
    // A table needs a column, even for records that have none.
    let mut world = World::new();
    let settings = Settings { envelope: Envelope::None, ..World::settings() };
    assert_eq!(world.load(settings, &["{}", r#"{"a": null}"#]).await.unwrap(), written(2));
}

#[tokio::test]
async fn names_are_kept() {
    check(
        &[&[r#"{"a b": 1, "q\"q": 2, "größe": 3, "select": 4, "": 5}"#]],
        &["a b=1 q\"q=2 größe=3 select=4 =5"],
    )
    .await;
    // SQLite does not tell these apart, so the second gets a name of its own.
    check(
        &[&[r#"{"id": 1, "ID": 2}"#], &[r#"{"ID": 3, "id": 4}"#]],
        &["id=1 ID__87564766=2", "id=4 ID__87564766=3"],
    )
    .await;
    check(
        &[&[r#"{"_kinesis": 1, "_kinesis_msg_id": "x"}"#]],
        &["payload__kinesis=1 payload__kinesis_msg_id='x'"],
    )
    .await;
}

#[tokio::test]
async fn the_envelope_says_where_a_row_came_from() {
    let mut world = World::new();
    world.load(World::settings(), &["{}"]).await.unwrap();
    assert_eq!(world.schema("t").await, ["_kinesis_msg_id TEXT", "_kinesis JSON"]);
    let mut connection = world.connection().await;
    let row = sqlx::query("SELECT _kinesis_msg_id, _kinesis FROM t")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0).len(), 20);
    let expected = r#"{"shard_id":"shard-1","seq_no":"1","sub_seq":0,"ts":"2023-11-14T22:13:20.000Z","partition":"key","stream_name":"stream"}"#;
    assert_eq!(row.get::<String, _>(1), expected);

    for (envelope, expected) in [
        (Envelope::Id, &["_kinesis_msg_id TEXT", "a BIGINT"][..]),
        (Envelope::None, &["a BIGINT"][..]),
    ] {
        let mut world = World::new();
        let settings = Settings { envelope, ..World::settings() };
        world.load(settings, &[r#"{"a": 1}"#, r#"{"a": null}"#]).await.unwrap();
        assert_eq!(world.schema("t").await, expected);
        assert_eq!(world.rows("SELECT * FROM t ORDER BY rowid").await, ["a=1", ""]);
    }
}

#[tokio::test]
async fn what_is_read_again_adds_no_row() {
    let world = World::new();
    let records = [r#"{"a": 1}"#, r#"{"a": 2}"#];
    assert_eq!(world.load_from(World::settings(), 1, &records).await.unwrap(), written(2));
    let again = world
        .load_from(World::settings(), 1, &[records[0], records[1], r#"{"a": 3}"#])
        .await
        .unwrap();
    assert_eq!(again, Committed { written: 3, present: 2, dead_lettered: 0 });
    assert_eq!(world.rows("SELECT * FROM t ORDER BY a").await, ["a=1", "a=2", "a=3"]);
}

#[tokio::test]
async fn a_table_of_somebody_else_is_respected() {
    let mut world = World::new();
    world.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(10) NOT NULL, day DATE, n DECIMAL(5,2))").await;
    world.execute("INSERT INTO t VALUES (7, 'seven', NULL, NULL)").await;
    let records = [
        r#"{"id": 1, "name": "one", "day": "2026-01-01", "n": 1.25, "new": 1}"#,
        r#"{"id": 2, "name": null}"#,
        r#"{"id": 7, "name": "again"}"#,
        r#"{"id": 3, "name": "three", "n": "007"}"#,
        r#"{"id": 2.5, "name": "no key can hold this"}"#,
    ];
    let committed = world.load(World::settings(), &records).await.unwrap();
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 3 });
    assert_eq!(
        world.rows("SELECT * FROM t ORDER BY id").await,
        [
            "id=1 name='one' day='2026-01-01' n=1.25 new=1",
            "id=3 name='three' n__text='007'",
            "id=7 name='seven'",
        ]
    );
    let letters = world.rows("SELECT * FROM t_dead_letters ORDER BY sequence").await;
    assert!(
        letters[0].contains("sequence='2'") && letters[0].contains("reason='refused'"),
        "{letters:?}"
    );
    assert!(letters[0].contains("NOT NULL constraint failed: t.name"), "{letters:?}");
    assert!(letters[1].contains("UNIQUE constraint failed: t.id"), "{letters:?}");
    assert!(letters[2].contains("the key column id cannot hold the value"), "{letters:?}");
    let payload = format!("payload=X'{}'", hex(r#"{"id":7,"name":"again"}"#));
    assert!(letters[1].contains(&payload), "{letters:?}");
    // It has a key now, so reading again adds nothing.
    let again = world.load_from(World::settings(), 1, &records[..1]).await.unwrap();
    assert_eq!(again, Committed { written: 1, present: 1, dead_lettered: 0 });
}

fn hex(text: &str) -> String {
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
    text.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[tokio::test]
async fn options_forbid_to_create_and_to_grow() {
    let mut world = World::new();
    // The first batch makes the table, whatever comes later.
    let settings = Settings { evolve: false, ..World::settings() };
    assert_eq!(world.load(settings, &[r#"{"a": 1}"#]).await.unwrap(), written(1));

    let mut world = World::new();
    let settings = Settings { create_table: false, ..World::settings() };
    let error = world.load(settings, &["{}"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table t does not exist, and create_table=never forbids to create it"
    );

    world.execute("CREATE TABLE t (a BIGINT)").await;
    let settings = Settings { evolve: false, ..World::settings() };
    let committed = world
        .load(settings, &[r#"{"a": 1}"#, r#"{"a": 2, "b": 1}"#, r#"{"a": 2.5}"#])
        .await
        .unwrap();
    assert_eq!(committed, Committed { written: 1, present: 0, dead_lettered: 2 });
    assert_eq!(world.rows("SELECT * FROM t").await, ["a=1"]);
    let letters = world.rows("SELECT * FROM t_dead_letters ORDER BY sequence").await;
    assert!(
        letters[0].contains("the table has no column b, and evolve=none forbids to add it"),
        "{letters:?}"
    );
    assert!(
        letters[1].contains("a value needs the column a__double, which cannot be added"),
        "{letters:?}"
    );
}

#[tokio::test]
async fn a_table_with_as_many_columns_as_there_can_be_takes_what_it_can() {
    let mut world = World::new();
    let wide: Vec<_> = (0..2100).map(|number| format!("\"c{number}\": {number}")).collect();
    let wide = format!("{{{}}}", wide.join(", "));
    let committed =
        world.load(World::settings(), &[r#"{"c1": 1}"#, &wide, r#"{"c2": 2}"#]).await.unwrap();
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 1 });
    assert_eq!(world.schema("t").await.len(), 2000);
}

#[tokio::test]
async fn equal_ids_in_a_table_without_a_key_are_an_error() {
    let mut world = World::new();
    world.execute("CREATE TABLE t (_kinesis_msg_id TEXT, a BIGINT)").await;
    world.execute("INSERT INTO t VALUES ('x', 1), ('x', 2)").await;
    let error = world.load(World::settings(), &["{}"]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table t cannot get its key: the column _kinesis_msg_id holds equal values"
    );
}

#[tokio::test]
async fn shards_that_wait_together_are_written_together() {
    let world = World::new();
    let target = start(world.connection().await, World::settings());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50_u64 {
        let target = target.clone();
        tasks.spawn(async move {
            let shard = ShardId::new(&format!("shard-{number}"));
            let data = format!(r#"{{"shard": {number}, "only_{number}": {number}}}"#);
            let records = as_records(1, &[&data, "not json", &data]);
            let decoder = Decoder::new(DecodeOptions::default());
            let changes = decoder.decode(&shard, &mut records.into(), Allowance::ALL).changes;
            let upto = Position {
                sequence: Some(Sequence::new("3")),
                finished: true,
                ..Position::new(shard)
            };
            target.commit(changes, upto).await.unwrap()
        });
    }
    while let Some(committed) = tasks.join_next().await {
        assert_eq!(committed.unwrap(), Committed { written: 2, present: 0, dead_lettered: 1 });
    }
    target.close().await.unwrap();
    let rows = world.rows("SELECT * FROM t ORDER BY shard, rowid").await;
    let expected: Vec<_> = (0..50)
        .flat_map(|number| vec![format!("shard={number} only_{number}={number}"); 2])
        .collect();
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn large_batches_are_complete() {
    let mut world = World::new();
    let data: Vec<_> =
        (0..5000).map(|number| format!(r#"{{"id": {number}, "name": "n{number}"}}"#)).collect();
    let records: Vec<&str> = data.iter().map(String::as_str).collect();
    assert_eq!(world.load(World::settings(), &records).await.unwrap(), written(5000));
    let expected: Vec<_> =
        (0..5000).map(|number| format!("id={number} name='n{number}'")).collect();
    assert_eq!(world.rows("SELECT * FROM t ORDER BY id").await, expected);
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_nothing() {
    let mut world = World::new();
    let settings = world.with_checkpoints().await;
    world.load(settings, &[]).await.unwrap();
    // Saving the position fails after the rows were inserted.
    world.execute("CREATE TRIGGER refuse BEFORE INSERT ON kinesis_checkpoints BEGIN SELECT RAISE(ABORT, 'no'); END").await;
    world.execute("DELETE FROM kinesis_checkpoints").await;
    let settings = world.with_checkpoints().await;
    world.load(settings, &[r#"{"a": 1}"#, "not json"]).await.unwrap_err();
    assert!(world.schema("t").await.is_empty());
    assert!(world.schema("t_dead_letters").await.is_empty());
    world.execute("DROP TRIGGER refuse").await;
    let settings = world.with_checkpoints().await;
    world.load(settings, &[r#"{"a": 1}"#]).await.unwrap();
    assert_eq!(world.rows("SELECT * FROM t").await, ["a=1"]);
}
