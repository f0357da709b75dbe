//! Tables of our own, and tables that were there before.

use super::*;

#[tokio::test]
async fn a_new_table_has_the_shards_that_were_asked_for() {
    let mut world = World::new().await;
    let settings = Settings {
        shards: Some(3),
        replicas: Some("0-1".into()),
        partitioned_by: Some("day".into()),
        ..world.settings()
    };
    let records =
        [r#"{"id": 1, "day": "2026-11-20"}"#, r#"{"id": 2, "day": "2026-11-21"}"#, r#"{"id": 3}"#];
    let committed = world.load(settings, &records).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (2, 1));
    assert_eq!(world.letters().await, ["the key column day has no value"]);
    let sql = "SELECT number_of_shards, number_of_replicas, partitioned_by, column_policy \
               FROM information_schema.tables WHERE table_schema = ? AND table_name = ?";
    let answer = world.target.sql(sql, &[world.target.schema().into(), "t".into()]).await;
    assert_eq!(answer["rows"][0], serde_json::json!([3, "0-1", ["day"], "dynamic"]));

    let settings = Settings {
        table: "tother".into(),
        partitioned_by: Some("month".into()),
        ..world.settings()
    };
    let error = world.load(settings, &records).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the first records have no member month, so the table cannot be partitioned by it"
    );
    world.end().await;
}

#[tokio::test]
async fn the_types_of_an_existing_table_are_respected() {
    let mut world = World::new().await;
    world
        .sql(
            "CREATE TABLE \"t\" (\"kinesis_msg_id\" TEXT PRIMARY KEY, \"i\" INTEGER, \"d\" DOUBLE PRECISION, \
             \"at\" TIMESTAMP WITH TIME ZONE, \"ip\" IP, \"n\" NUMERIC(10, 2), \"name\" TEXT NOT NULL, \
             \"strict\" OBJECT(STRICT) AS (\"k\" BIGINT), \"free\" OBJECT(IGNORED) AS (\"number\" BIGINT)) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')",
        )
        .await;
    world
        .loads(
            &[
                r#"{"name": "a", "i": 1, "d": 3, "at": "2025-06-01T10:00:00Z", "ip": "127.0.0.1", "n": 12.34}"#,
                r#"{"name": "b", "i": 2147483648, "d": "x", "at": 1748772000.5, "ip": "here", "n": 12.345}"#,
                r#"{"name": "c", "free": {"k": 1}, "strict": {"k": 1}}"#,
                r#"{"name": "d", "free": {"k": "x", "l": [1, 2], "number": 2.5}, "at": 1748772000123}"#,
                r#"{"i": 1}"#,
                r#"{"name": "e", "strict": {"other": 1}}"#,
            ],
            4,
            2,
        )
        .await;
    let rows = world.rows("t").await;
    let expected = [
        r#"at=1748772000000 d=3.0 i=1 ip="127.0.0.1" n=12.34 name="a""#,
        r#"at__double=1748772000.5 d__text="x" i__bigint=2147483648 ip__text="here" n__double=12.345 name="b""#,
        r#"free={"k":1} name="c" strict={"k":1}"#,
        r#"at=1748772000123 free={"k":"x","l":[1,2],"number__double":2.5} name="d""#,
    ];
    // A NUMERIC may come back as text.
    assert_eq!(rows.join("\n").replace("n=\"12.34\"", "n=12.34"), expected.join("\n"));
    let letters = world.letters().await;
    assert!(letters.iter().all(|letter| letter.contains("(code 4")), "{letters:?}");
    world.end().await;
}

/// A member that is not there leaves a column to its default, whatever other records of the request have; a null does not.
#[tokio::test]
async fn defaults_of_an_existing_table_hold() {
    let mut world = World::new().await;
    world
        .sql(
            "CREATE TABLE \"t\" (\"kinesis_msg_id\" TEXT PRIMARY KEY, \"id\" BIGINT, \"state\" TEXT DEFAULT 'new' NOT NULL, \
             \"level\" BIGINT DEFAULT 7) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0', column_policy = 'dynamic')",
        )
        .await;
    let records = [
        r#"{"id": 1}"#,
        r#"{"id": 2, "state": "old"}"#,
        r#"{"id": 3, "level": 1}"#,
        r#"{"id": 4, "level": null}"#,
        r#"{"id": 5, "state": "x", "late": true}"#,
        r#"{"id": 6, "level": 2.5}"#,
    ];
    world.loads(&records, 6, 0).await;
    assert_eq!(
        world.rows("t").await,
        [
            r#"id=1 level=7 state="new""#,
            r#"id=2 level=7 state="old""#,
            r#"id=3 level=1 state="new""#,
            r#"id=4 state="new""#,
            r#"id=5 late=true level=7 state="x""#,
            r#"id=6 level__double=2.5 state="new""#,
        ]
    );
    world.end().await;
}

/// The key of somebody else decides which rows may be there; a record that is read again is no other row.
#[tokio::test]
async fn a_table_with_a_key_of_its_own_keeps_it() {
    let mut world = World::new().await;
    world.sql("CREATE TABLE \"t\" (\"id\" BIGINT PRIMARY KEY, \"v\" TEXT) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')").await;
    let records = [
        r#"{"id": 1, "v": "a"}"#,
        r#"{"id": 2, "v": "b"}"#,
        r#"{"id": 1, "v": "c"}"#,
        r#"{"v": "d"}"#,
        r#"{"id": 1.5}"#,
    ];
    world.loads(&records, 2, 3).await;
    let again = world.load_from(world.settings(), 1, &records).await.unwrap();
    assert_eq!((again.written, again.present, again.dead_lettered), (2, 2, 3));
    assert_eq!(world.rows("t").await, [r#"id=1 v="a""#, r#"id=2 v="b""#]);
    assert_eq!(
        world.letters().await,
        [
            "another row has the same key",
            "the key column id has no value",
            "the key column id cannot hold the value"
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn tables_that_cannot_be_used_are_refused() {
    let world = World::new().await;
    world.sql("CREATE TABLE \"t\" (\"id\" BIGINT) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')").await;
    world.sql("CREATE TABLE \"tkey\" (\"id\" BIGINT PRIMARY KEY) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')").await;
    world.sql("CREATE TABLE \"tkind\" (\"kinesis_msg_id\" BIGINT PRIMARY KEY) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')").await;
    let settings = |table: &str| Settings { table: table.into(), ..world.settings() };
    let check = async |settings: Settings, expected: &str| {
        let error = world.load_from(settings, 1, &[r#"{"id": 1}"#]).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    check(
        settings("t"),
        "the table t has no primary key, so records that are read again would be doubled",
    )
    .await;
    check(
        Settings { evolve: false, ..settings("tkey") },
        "the table tkey has no column kinesis_msg_id, and evolve=none forbids to add it",
    )
    .await;
    world.sql("CREATE TABLE \"tdefault\" (\"kinesis_msg_id\" TEXT, \"at\" TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (\"kinesis_msg_id\", \"at\")) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')").await;
    world.sql("CREATE TABLE \"tenvelope\" (\"kinesis_msg_id\" TEXT PRIMARY KEY, \"kinesis\" OBJECT(DYNAMIC) AS (\"seq_no\" BIGINT)) CLUSTERED INTO 1 SHARDS WITH (number_of_replicas = '0')").await;
    check(settings("tdefault"), "the key of table tdefault has the column at with a default, so records that are read again would be doubled").await;
    check(
        settings("tenvelope"),
        "the column kinesis of table tenvelope is not an object that takes the envelope",
    )
    .await;
    check(settings("tkind"), "the column kinesis_msg_id of table tkind is not text").await;
    check(
        Settings { create_table: false, ..settings("tmissing") },
        "the table tmissing does not exist, and create_table=never forbids to create it",
    )
    .await;
    let none = Settings { envelope: Envelope::None, ..settings("t") };
    assert_eq!(world.load_from(none, 1, &[r#"{"id": 1}"#]).await.unwrap().written, 1);
    world.end().await;
}

#[tokio::test]
async fn a_table_that_must_not_grow_does_not() {
    let mut world = World::new().await;
    world.loads(&[r#"{"id": 1, "o": {"k": 1}}"#], 1, 0).await;
    let before = world.columns("t").await;
    let settings = Settings { evolve: false, ..world.settings() };
    let records = [
        r#"{"id": 2, "o": {"k": 2}}"#,
        r#"{"id": 3, "new": 1}"#,
        r#"{"id": 4, "o": {"new": 1}}"#,
        r#"{"id": 2.5}"#,
    ];
    let committed = world.load(settings, &records).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (1, 3));
    assert_eq!(world.columns("t").await, before);
    assert_eq!(
        world.letters().await,
        [
            "the table has no column new, and evolve=none forbids to add it",
            "the table has no column o.new, and evolve=none forbids to add it",
            "the table has no column id__double, and evolve=none forbids to add it",
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn records_that_are_no_rows_are_kept_once() {
    let mut world = World::new().await;
    let records = ["not json \u{fffd}", r#"{"id": 1}"#];
    world.loads(&records, 1, 1).await;
    let again = world.load_from(world.settings(), 1, &records).await.unwrap();
    assert_eq!((again.written, again.dead_lettered), (1, 1));
    world.sql("REFRESH TABLE \"t_dead_letters\"").await;
    let sql = "SELECT \"stream\", \"shard_id\", \"sequence\", \"sub_sequence\", \"partition_key\", \"arrived_at\", \"reason\", \
               table_name, \"payload\" FROM \"t_dead_letters\"";
    let answer = world.sql(sql).await;
    assert_eq!(
        answer["rows"],
        serde_json::json!([[
            "stream",
            "shard-1",
            "1",
            0,
            "key",
            1_748_772_000_123_i64,
            "not_json",
            "t",
            "bm90IGpzb24g77+9"
        ]])
    );
    let settings = Settings { dead_letters: DeadLetters::Fail, ..world.settings() };
    let error = world.load(settings, &["not json", r#"{"id": 4}"#]).await.unwrap_err();
    assert_eq!(world.count("t").await, 1, "nothing of that batch is written");
    assert!(
        error.to_string().starts_with("record 3 of shard shard-1 is refused (not_json)"),
        "{error}"
    );
    world.end().await;
}

#[tokio::test]
async fn names_that_crate_db_does_not_take_are_mapped() {
    let mut world = World::new().await;
    world
        .loads(&[r#"{"a.b": 1, "x[0]": 2, "": 3, "tab\t": 4, "Größe \"q\"": 5, "ID": 6, "id": 7, "o": {"_id": 1, "": 2}}"#], 1, 0)
        .await;
    let digest = |name: &str| names::of_member(name);
    let mut expected = [
        format!("{}=1", digest("a.b")),
        format!("{}=2", digest("x[0]")),
        format!("{}=3", digest("")),
        format!("{}=4", digest("tab\t")),
        "Größe \"q\"=5".to_owned(),
        "ID=6".to_owned(),
        "id=7".to_owned(),
        format!(r#"o={{"{}":2,"_id":1}}"#, digest("")),
    ];
    expected.sort();
    assert_eq!(world.rows("t").await, [expected.join(" ")]);
    world.end().await;
}
