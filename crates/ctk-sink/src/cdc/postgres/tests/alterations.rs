//! Changes of tables that PostgreSQL has rules of its own for.

use super::*;

fn table(name: &str) -> TargetTable {
    TargetTable { schema: "public".into(), table: name.into() }
}

/// Changes the type of a column that holds one value; returns its value then, or the text of the refusal.
async fn change(
    world: &World,
    declared: &str,
    value: &str,
    kind: ColumnKind,
) -> Result<String, String> {
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        &format!("CREATE TABLE t (v {declared}); INSERT INTO t VALUES ({value}), (NULL)"),
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let alteration = Alteration::ChangeColumn(NewColumn { name: "v".into(), kind });
    for _ in 0..2 {
        if let Some(why) = store.alter(&table("t"), Layout::Direct, &alteration).await.unwrap() {
            return Err(why);
        }
    }
    let value = "SELECT concat_ws(' ', format_type(atttypid, atttypmod), (SELECT v::text FROM t WHERE v IS NOT NULL)) \
                 FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'v'";
    Ok(sqlx::query_scalar(value).persistent(false).fetch_one(&mut *store.connection).await.unwrap())
}

#[tokio::test]
async fn types_change_without_loss() {
    let world = World::new().await;
    let integer = |bits| ColumnKind::Integer { bits, signed: true };
    let numeric = |precision, scale| ColumnKind::Numeric { precision: Some(precision), scale };
    for (declared, value, kind, expected) in [
        ("smallint", "7", integer(64), Some("bigint 7")),
        ("bigint", "7", integer(16), Some("smallint 7")),
        ("bigint", "70000", integer(16), None),
        ("numeric(10, 2)", "7.50", numeric(12, 1), Some("numeric(12,1) 7.5")),
        ("numeric(10, 2)", "7.55", numeric(12, 1), None),
        ("numeric(10, 2)", "7.5", integer(32), None),
        ("text", "'1.5'", numeric(10, 2), Some("numeric(10,2) 1.50")),
        ("text", "'1.555'", numeric(10, 2), None),
        ("text", "'x'", integer(32), None),
        ("double precision", "0.1", ColumnKind::Real, Some("real 0.1")),
        ("double precision", "0.123456789", ColumnKind::Real, None),
        ("double precision", "0.1", numeric(5, 1), Some("numeric(5,1) 0.1")),
        ("integer", "1", ColumnKind::Bool, Some("boolean true")),
        ("integer", "5", ColumnKind::Bool, None),
        ("boolean", "true", integer(64), Some("bigint 1")),
        ("boolean", "true", ColumnKind::Text, Some("text true")),
        ("text", "'é'", ColumnKind::Bytes, Some("bytea \\xc3a9")),
        ("bytea", "'\\x01'", ColumnKind::Text, Some("text \\x01")),
        ("text", "'{\"a\": 1}'", ColumnKind::Json, Some("jsonb {\"a\": 1}")),
        ("text", "'no json'", ColumnKind::Json, None),
        ("jsonb", "'[1]'", ColumnKind::Text, Some("text [1]")),
        ("varchar(3)", "'abc'", ColumnKind::Text, Some("text abc")),
        ("text", "'2026-01-02'", ColumnKind::Date, Some("date 2026-01-02")),
        ("text", "'2026-01-02 03:04'", ColumnKind::Date, None),
        ("text", "'03:04'", ColumnKind::Time, Some("time without time zone 03:04:00")),
        ("text", "'2026-01-02 03:04'", ColumnKind::Time, None),
        (
            "text",
            "'2026-01-02T03:04:05.123456Z'",
            ColumnKind::Timestamp,
            Some("timestamp with time zone 2026-01-02 03:04:05.123456+00"),
        ),
        ("text", "'2026-01-02T03:04:05.1234567Z'", ColumnKind::Timestamp, None),
        (
            "date",
            "'2026-01-02'",
            ColumnKind::Timestamp,
            Some("timestamp with time zone 2026-01-02 00:00:00+00"),
        ),
        ("timestamptz", "'2026-01-02 03:04Z'", ColumnKind::Date, None),
        ("date", "'2026-01-02'", integer(64), None),
    ] {
        let changed = change(&world, declared, value, kind).await;
        match expected {
            Some(expected) => assert_eq!(changed.as_deref(), Ok(expected), "{declared} {value}"),
            None => assert!(changed.is_err(), "{declared} {value}: {changed:?}"),
        }
    }
}

#[tokio::test]
async fn what_others_depend_on_is_refused_with_the_reason() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE TABLE t (id int PRIMARY KEY, a int); CREATE VIEW v AS SELECT a FROM t; CREATE TABLE r (t int REFERENCES t)",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let column = |kind| NewColumn { name: "a".into(), kind };
    for alteration in [
        Alteration::Drop,
        Alteration::DropColumn("a".into()),
        Alteration::ChangeColumn(column(ColumnKind::Text)),
        Alteration::RenameColumn { from: "a".into(), to: "id".into() },
        Alteration::Rename(table("r")),
        Alteration::AddColumns(
            (0..2000)
                .map(|n| NewColumn { name: format!("c{n}"), kind: ColumnKind::Text })
                .collect(),
        ),
        Alteration::Rename(TargetTable { schema: "pg_mine".into(), table: "t".into() }),
    ] {
        let why = store.alter(&table("t"), Layout::Direct, &alteration).await.unwrap();
        assert!(why.is_some_and(|why| !why.is_empty()), "{alteration:?}");
    }
    let why = store.alter(&table("v"), Layout::Direct, &Alteration::Drop).await.unwrap();
    assert!(why.is_some(), "a view is not dropped");
    // Referred to, though not by a row.
    let open = open(&mut store, &table("t"), Layout::Direct, &["id"]).await;
    done(&mut store, &open, Op::Put, &["id"], vec![vec![int(1)]]).await;
    altered(&mut store, &table("t"), Layout::Direct, Alteration::Truncate).await;
    contract::check(&mut store, &table("t"), json!([])).await;
}

#[tokio::test]
async fn checks_at_the_end_do_not_forbid_changes() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE TABLE p (id int PRIMARY KEY);
         CREATE TABLE t (id int PRIMARY KEY, p int REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO p VALUES (1)",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let open = open(&mut store, &table("t"), Layout::Direct, &["id"]).await;
    done(&mut store, &open, Op::Put, &["id", "p"], vec![vec![int(1), int(1)]]).await;
    let add = Alteration::AddColumns(vec![column("a", ColumnKind::Text)]);
    altered(&mut store, &table("t"), Layout::Direct, add).await;
    contract::check(&mut store, &table("t"), json!([{"id": 1, "p": 1}])).await;
}

#[tokio::test]
async fn tables_move_to_other_schemas_past_equal_names() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE SCHEMA s; CREATE TABLE s.a (x int); CREATE TABLE a (y int PRIMARY KEY); CREATE TABLE b (z int)",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let to = TargetTable { schema: "s".into(), table: "b".into() };
    altered(&mut store, &table("a"), Layout::Direct, Alteration::Rename(to.clone())).await;
    assert_eq!(store.look(&to).await.unwrap().unwrap().key, ["y"]);
    assert!(store.look(&table("a")).await.unwrap().is_none());
}

#[tokio::test]
async fn members_of_the_key_are_renamed_and_stay() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let made = make(&mut store, "u_key", Layout::Universal, &["id"], &[]).await;
    let open = open(&mut store, &made, Layout::Universal, &["id"]).await;
    let row = vec![contract::json(r#"{"id": 1}"#), contract::json(r#"{"a": 1, "b": 2}"#)];
    done(&mut store, &open, Op::Put, &["pk", "data"], vec![row]).await;
    let refused = [
        Alteration::DropColumn("id".into()),
        Alteration::RenameColumn { from: "a".into(), to: "b".into() },
    ];
    for alteration in refused {
        let why = store.alter(&made, Layout::Universal, &alteration).await.unwrap();
        assert!(why.is_some(), "{alteration:?}");
    }
    let rename = Alteration::RenameColumn { from: "id".into(), to: "key \"x\"".into() };
    altered(&mut store, &made, Layout::Universal, rename).await;
    altered(&mut store, &made, Layout::Universal, Alteration::MakeUnique(vec!["key \"x\"".into()]))
        .await;
    let expected = json!([{"pk": {"key \"x\"": 1}, "data": {"a": 1, "b": 2}, "aux": {}}]);
    contract::check(&mut store, &made, expected).await;
}

#[tokio::test]
async fn a_key_takes_the_place_of_the_message_id() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        r#"CREATE TABLE t (_kinesis_msg_id text PRIMARY KEY, id bigint, "a b" text);
           INSERT INTO t VALUES ('m1', 1, 'x'), ('m2', NULL, 'x')"#,
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let key = Alteration::MakeUnique(vec!["id".into(), "a b".into()]);
    let why = store.alter(&table("t"), Layout::Direct, &key).await.unwrap();
    assert!(why.as_ref().is_some_and(|why| why.contains("contains null values")), "{why:?}");
    assert_eq!(store.look(&table("t")).await.unwrap().unwrap().key, ["_kinesis_msg_id"]);
    sql(store.connection, "SAVEPOINT a; UPDATE t SET id = 2 WHERE id IS NULL").await;
    altered(&mut store, &table("t"), Layout::Direct, key.clone()).await;
    assert_eq!(store.look(&table("t")).await.unwrap().unwrap().key, ["id", "a b"]);
    // Also when there is an index already, which takes NULLs.
    let index = r#"CREATE UNIQUE INDEX ON t ("a b", id)"#;
    sql(store.connection, &format!("ROLLBACK TO a; {index}; DELETE FROM t WHERE id IS NULL")).await;
    altered(&mut store, &table("t"), Layout::Direct, key.clone()).await;
    assert_eq!(store.look(&table("t")).await.unwrap().unwrap().key, ["id", "a b"]);
    // Others refer to it.
    let other = "CREATE TABLE r (m text REFERENCES t)";
    sql(store.connection, &format!("ROLLBACK TO a; DELETE FROM t WHERE id IS NULL; {other}")).await;
    let why = store.alter(&table("t"), Layout::Direct, &key).await.unwrap();
    assert!(why.as_ref().is_some_and(|why| why.contains("depend on it")), "{why:?}");
}
