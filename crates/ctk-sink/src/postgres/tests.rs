//! The PostgreSQL sink on a real server: what lands, what is refused, and that nothing changes on the way.

use ctk_checkpoint::StreamIdentity;
use ctk_decode::{DecodeOptions, Decoder};
use ctk_flow::{Allowance, Decode, Record, Sequence};
use ctk_test_support::postgres::{Options, Postgres};
use ctk_url::TargetUrl;

use super::*;

mod changes;
mod doubt;
mod faults;
mod groups;
mod poison;
mod server;
mod tables;
mod types;
mod values;

/// A server, and how to load into it.
struct World {
    server: Postgres,
    options: DecodeOptions,
    read: u64,
}

impl World {
    async fn new() -> Self {
        let server = Postgres::start().await.unwrap();
        Self { server, options: DecodeOptions::default(), read: 0 }
    }

    fn settings() -> Settings {
        Settings {
            schema: "public".into(),
            table: "t".into(),
            stream: "stream".into(),
            envelope: Envelope::Full,
            create_table: true,
            evolve: true,
            batch_rows: 10_000,
            batch_bytes: 8 << 20,
            linger: Duration::ZERO,
            connections: 2,
            dead_letters: DeadLetters::Table,
            holder: None,
        }
    }

    fn config(&self) -> PgConfig {
        let url = TargetUrl::parse(&self.server.url()).unwrap();
        PgConfig::take(&url, &mut url.options.clone()).unwrap()
    }

    /// As a run that opens the namespace.
    async fn with_checkpoints(&self) -> Settings {
        let mut connection = self.config().connect().await.unwrap();
        ctk_checkpoint::postgres::create_table(&mut connection, "ext").await.unwrap();
        let identity = StreamIdentity::default();
        let opened = ctk_checkpoint::postgres::open(&mut connection, "ext", "test", identity).await;
        Settings { holder: Some(opened.unwrap().0), ..Self::settings() }
    }

    async fn target(&self, settings: Settings) -> PostgresTarget {
        let config = self.config();
        let connection = config.connect().await.unwrap();
        PostgresTarget::start(&config, connection, settings).await.unwrap()
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
        let target = self.target(settings).await;
        let (changes, upto) = self.batch("shard-1", from, records);
        let committed = target.commit(changes, upto).await;
        target.close().await.unwrap();
        committed
    }

    /// Returns records of a shard as what a target is given.
    fn batch(&self, shard: &str, from: u64, records: &[&str]) -> (Changes, Position) {
        let shard = ShardId::new(shard);
        let record = |(number, data): (u64, &&str)| Record {
            data: data.as_bytes().to_vec(),
            sequence: Sequence::new(number.to_string()),
            partition_key: Some("key".into()),
            arrived_at: Some(1_700_000_000_000),
            done: 0,
        };
        let mut all = (from..).zip(records).map(record).collect();
        let decoded = Decoder::new(self.options).decode(&shard, &mut all, Allowance::ALL);
        let upto = Sequence::new((from + records.len() as u64 - 1).to_string());
        (decoded.changes, Position { sequence: Some(upto), ..Position::new(shard) })
    }

    /// Returns the rows of the table, each as `name=value`, without NULLs and without the envelope, in the order of its records.
    fn rows(&self, table: &str) -> Vec<String> {
        let columns = self.server.sql(&format!(
            "SELECT string_agg(format('%L || %I::text', attname || '=', attname), ', ' ORDER BY attnum) FROM pg_attribute \
             WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped AND attname NOT LIKE '\\_kinesis%'"
        ));
        let columns = if columns.is_empty() { "''" } else { &columns };
        let order = "lpad(_kinesis ->> 'seq_no', 9)";
        let rows = self
            .server
            .sql(&format!("SELECT concat_ws(' ', {columns}) FROM {table} AS t ORDER BY {order}"));
        rows.split('\n').map(str::to_owned).collect()
    }

    fn schema(&self, table: &str) -> Vec<String> {
        let sql = format!(
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        );
        self.server.sql(&sql).lines().map(str::to_owned).collect()
    }

    /// Returns the dead letters as `sequence reason error payload`.
    fn letters(&self) -> Vec<String> {
        let sql = "SELECT sequence, reason, error, convert_from(payload, 'UTF8') FROM t_dead_letters ORDER BY lpad(sequence, 9)";
        self.server.sql(sql).lines().map(str::to_owned).collect()
    }
}

fn written(written: u64) -> Committed {
    Committed { written, ..Committed::default() }
}

/// Loads batch after batch into a new table and compares the rows.
async fn check(world: &mut World, batches: &[&[&str]], expected: &[&str]) {
    world.server.sql("DROP TABLE IF EXISTS t");
    for batch in batches {
        let committed = world.load(World::settings(), batch).await.unwrap();
        assert_eq!(committed, written(batch.len() as u64), "{batch:?}");
    }
    assert_eq!(world.rows("t"), expected);
}

#[tokio::test]
async fn members_become_columns() {
    let mut world = World::new().await;
    check(
        &mut world,
        &[&[r#"{"sensor_id": 1, "ts": "2025-06-01 10:00", "temperature": 42.42, "ok": true, "none": null}"#]],
        &["sensor_id=1 ts=2025-06-01 10:00 temperature=42.42 ok=true"],
    )
    .await;
    check(
        &mut world,
        &[&[r#"{"a": {"b": [1, 2.50]}, "c": []}"#, "{}"]],
        &[r#"a={"b": [1, 2.50]} c=[]"#, ""],
    )
    .await;
    check(&mut world, &[&["5", "\"x\"", "[1]"]], &["data=5", "data__text=x", "data__jsonb=[1]"])
        .await;
}

#[tokio::test]
async fn a_document_is_one_column_and_its_numbers_stay_exact() {
    let mut world = World::new().await;
    world.options.layout = ctk_decode::Layout::Document;
    let records = [r#"{"a":1}"#, "5", "12345678901234567890123", "1e400", "\"x\"", "2.50"];
    assert_eq!(world.load(World::settings(), &records).await.unwrap(), written(6));
    let sql = "SELECT data FROM t ORDER BY _kinesis ->> 'seq_no'";
    let expected = [
        r#"{"a": 1}"#,
        "5",
        "12345678901234567890123",
        &format!("1{}", "0".repeat(400)),
        "\"x\"",
        "2.50",
    ];
    assert_eq!(world.server.sql(sql).lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_value_that_does_not_fit_goes_beside() {
    let mut world = World::new().await;
    check(&mut world, &[&[r#"{"v": 1}"#], &[r#"{"v": 2.5}"#]], &["v=1", "v__double=2.5"]).await;
    // Within the batch that makes the column, integers and decimals share one.
    check(
        &mut world,
        &[&[r#"{"v": 1}"#, r#"{"v": 2.5}"#], &[r#"{"v": 3}"#]],
        &["v=1", "v=2.5", "v=3"],
    )
    .await;
    check(
        &mut world,
        &[
            &[r#"{"v": "x"}"#],
            &[
                r#"{"v": 5}"#,
                r#"{"v": true}"#,
                r#"{"v": {}}"#,
                r#"{"v": "007"}"#,
                r#"{"v": "a\u0000b"}"#,
            ],
        ],
        &["v=x", "v__bigint=5", "v__bool=true", "v__jsonb={}", "v=007", "v__binary=\\x610062"],
    )
    .await;
    check(
        &mut world,
        &[&[r#"{"v": 18446744073709551615}"#, r#"{"v": -9223372036854775808}"#, r#"{"v": 1e308}"#]],
        &["v=18446744073709551615", "v=-9223372036854775808", &format!("v=1{}", "0".repeat(308))],
    )
    .await;
    check(
        &mut world,
        &[&[r#"{"v": {"a": 1}}"#], &[r#"{"v": ["\u0000"]}"#, r#"{"v": [1e200000]}"#]],
        &[r#"v={"a": 1}"#, r#"v__json=["\u0000"]"#, "v__json=[1e200000]"],
    )
    .await;
    // The variant's name is a member, too: both values are kept.
    check(
        &mut world,
        &[&[r#"{"v": 1}"#], &[r#"{"v": 2.5, "v__double": 3.5}"#]],
        &["v=1", "v__double=3.5 v__double__double=2.5"],
    )
    .await;
}

#[tokio::test]
async fn of_members_that_come_twice_the_last_counts() {
    let mut world = World::new().await;
    check(&mut world, &[&[r#"{"v": 1, "v": 2}"#]], &["v=2"]).await;
    check(
        &mut world,
        &[&[r#"{"v": 1}"#], &[r#"{"v": 1, "v": 2.5}"#, r#"{"v": 2.5, "v": 3}"#]],
        &["v=1", "v__double=2.5", "v=3"],
    )
    .await;
    check(&mut world, &[&[r#"{"v": 1, "v": null}"#]], &[""]).await;
}

#[tokio::test]
async fn records_without_a_member_are_rows() {
    let mut world = World::new().await;
    let settings = || Settings { envelope: Envelope::None, ..World::settings() };
    assert_eq!(world.load(settings(), &["{}", r#"{"a": null}"#]).await.unwrap(), written(2));
    assert_eq!(world.server.sql("SELECT count(*) FROM t"), "2");
    assert_eq!(world.load(settings(), &["{}", r#"{"a": 1}"#]).await.unwrap(), written(2));
    assert_eq!(world.server.sql("SELECT count(*), count(a) FROM t"), "4|1");
}

#[tokio::test]
async fn names_are_kept() {
    let mut world = World::new().await;
    check(
        &mut world,
        &[&[r#"{"a b": 1, "q\"q": 2, "größe": 3, "select": 4, "id": 5, "ID": 6}"#]],
        &["a b=1 q\"q=2 größe=3 select=4 id=5 ID=6"],
    )
    .await;
    check(
        &mut world,
        &[&[r#"{"_kinesis": 1, "_kinesis_msg_id": "x", "": 2, "ctid": 3}"#]],
        &["payload__kinesis=1 payload__kinesis_msg_id=x __7f9c2ba4=2 ctid__bc8d79a2=3"],
    )
    .await;
    world.server.sql("DROP TABLE t");
    let (long, longer) = ("l".repeat(63), "l".repeat(64));
    let record = format!(r#"{{"{long}": 1, "{longer}": 2}}"#);
    for _ in 0..2 {
        assert_eq!(world.load(World::settings(), &[&record]).await.unwrap(), written(1));
    }
    let schema = world.schema("t");
    assert_eq!(schema.len(), 4, "{schema:?}");
    assert_eq!(schema[2], format!("{long} bigint"));
    assert!(schema[3].starts_with(&"l".repeat(53)) && schema[3].contains("__"), "{schema:?}");
}

#[tokio::test]
async fn the_envelope_says_where_a_row_came_from() {
    let mut world = World::new().await;
    world.load(World::settings(), &["{}"]).await.unwrap();
    assert_eq!(world.schema("t"), ["_kinesis_msg_id text", "_kinesis jsonb"]);
    let sql = "SELECT length(_kinesis_msg_id), _kinesis ->> 'shard_id', _kinesis ->> 'seq_no', _kinesis -> 'sub_seq', \
               _kinesis ->> 'ts', _kinesis ->> 'partition', _kinesis ->> 'stream_name' FROM t";
    assert_eq!(world.server.sql(sql), "20|shard-1|1|0|2023-11-14T22:13:20.000Z|key|stream");
    let sql = "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey) WHERE indisprimary AND indrelid = 't'::regclass";
    assert_eq!(world.server.sql(sql), "_kinesis_msg_id");
    for (envelope, expected) in [
        (Envelope::Id, &["_kinesis_msg_id text", "a bigint"][..]),
        (Envelope::None, &["a bigint"][..]),
    ] {
        world.server.sql("DROP TABLE t");
        let settings = Settings { envelope, ..World::settings() };
        world.load(settings, &[r#"{"a": 1}"#, r#"{"a": null}"#]).await.unwrap();
        assert_eq!(world.schema("t"), expected);
        assert_eq!(world.server.sql("SELECT count(*), sum(a) FROM t"), "2|1");
    }
}

#[tokio::test]
async fn what_is_read_again_adds_no_row() {
    let world = World::new().await;
    let records = [r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 3}"#];
    assert_eq!(world.load_from(World::settings(), 1, &records[..2]).await.unwrap(), written(2));
    let again = world.load_from(World::settings(), 1, &records).await.unwrap();
    assert_eq!(again, Committed { written: 3, present: 2, dead_lettered: 0 });
    assert_eq!(world.rows("t"), ["a=1", "a=2", "a=3"]);
}

#[tokio::test]
async fn bytes_are_kept() {
    let mut world = World::new().await;
    world.options.format = ctk_decode::Format::Raw;
    world.load(World::settings(), &["a\0b"]).await.unwrap();
    assert_eq!(world.schema("t")[2], "data bytea");
    assert_eq!(world.rows("t"), ["data=\\x610062"]);
}

async fn world_with(settings: &[(&'static str, &str)]) -> World {
    let settings = settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let server = Postgres::with(Options { settings, ..Options::default() }).await.unwrap();
    World { server, options: DecodeOptions::default(), read: 0 }
}

async fn put(world: &World, target: &PostgresTarget, from: u64, records: &[&str]) -> Committed {
    let (changes, upto) = world.batch("shard-1", from, records);
    target.commit(changes, upto).await.unwrap()
}

/// As over TCP, but without its delays.
async fn by_socket(world: &World, settings: Settings) -> PostgresTarget {
    let folder = world.server.socket_folder().display().to_string().replace('/', "%2F");
    let url = format!("postgresql:///ctk?user=ctk&host={folder}&port={}", world.server.port());
    let url = TargetUrl::parse(&url).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    PostgresTarget::start(&config, config.connect().await.unwrap(), settings).await.unwrap()
}

fn chain(error: &Failure) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
