//! Tables of somebody else, with rules of their own: keys, defaults, checks, triggers, policies, partitions.

use super::*;

#[tokio::test]
async fn a_table_of_somebody_else_is_respected() {
    let mut world = World::new().await;
    world.server.sql(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, name VARCHAR(10) NOT NULL, n NUMERIC(5, 2)); INSERT INTO t VALUES (7, 'seven')",
    );
    let records = [
        r#"{"id": 1, "name": "one", "n": 1.25, "new": 1}"#,
        r#"{"id": 2, "name": null}"#,
        r#"{"id": 7, "name": "again"}"#,
        r#"{"id": 3, "name": "three", "n": "x"}"#,
        r#"{"id": 2.5, "name": "no key can hold this"}"#,
    ];
    let committed = world.load(World::settings(), &records).await.unwrap();
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 3 });
    assert_eq!(
        world.rows("t"),
        ["id=1 name=one n=1.25 new=1", "id=3 name=three n__text=x", "id=7 name=seven"]
    );
    let letters = world.letters();
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert!(
        letters[0].starts_with("2|refused|")
            && letters[0].contains("null value in column \"name\""),
        "{letters:?}"
    );
    assert!(
        letters[1].contains("duplicate key value violates unique constraint \"t_pkey\""),
        "{letters:?}"
    );
    assert!(letters[1].ends_with(r#"|{"id":7,"name":"again"}"#), "{letters:?}");
    assert!(letters[2].contains("the key column id cannot hold the value"), "{letters:?}");
    // It has a key now, so reading again adds nothing.
    let again = world.load_from(World::settings(), 1, &records[..1]).await.unwrap();
    assert_eq!(again, Committed { written: 1, present: 1, dead_lettered: 0 });
}

#[tokio::test]
async fn what_a_record_has_not_gets_the_default() {
    let mut world = World::new().await;
    world.server.sql(
        "CREATE TABLE t (id BIGSERIAL, a BIGINT, at TIMESTAMPTZ NOT NULL DEFAULT '2000-01-01Z', v TEXT DEFAULT 'none', \
         twice BIGINT GENERATED ALWAYS AS (a * 2) STORED)",
    );
    let records = [
        r#"{"a": 1}"#,
        r#"{"a": 2, "at": "2026-01-01"}"#,
        r#"{"a": 3, "v": "x"}"#,
        r#"{"a": 4, "v": null}"#,
        r#"{"a": 5, "twice": 7}"#,
    ];
    assert_eq!(world.load(World::settings(), &records).await.unwrap(), written(5));
    let expected = [
        "1|2000-01-01|none|2",
        "2|2026-01-01|none|4",
        "3|2000-01-01|x|6",
        "4|2000-01-01||8",
        "5|2000-01-01|none|10",
    ];
    let sql = "SELECT a, at::date, v, twice FROM t ORDER BY a";
    assert_eq!(world.server.sql(sql).lines().collect::<Vec<_>>(), expected);
    assert_eq!(world.server.sql("SELECT count(DISTINCT id) FROM t"), "5");
    assert_eq!(world.server.sql("SELECT twice__bigint FROM t WHERE a = 5"), "7");
}

#[tokio::test]
async fn what_a_constraint_refuses_is_found_among_many() {
    let mut world = World::new().await;
    world.server.sql(
        "CREATE DOMAIN odd AS BIGINT CHECK (VALUE % 2 = 1); CREATE TABLE parent (id BIGINT PRIMARY KEY); \
         INSERT INTO parent SELECT generate_series(1, 900); \
         CREATE TABLE t (id BIGINT REFERENCES parent DEFERRABLE INITIALLY DEFERRED, o odd, n BIGINT CHECK (n <> 500))",
    );
    let records: Vec<_> = (1..=1000)
        .map(|n| format!(r#"{{"id": {n}, "n": {n}, "o": {}}}"#, if n == 77 { 2 } else { 1 }))
        .collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    let committed = world.load(World::settings(), &records).await.unwrap();
    assert_eq!(committed, Committed { written: 898, present: 0, dead_lettered: 102 });
    let letters = world.letters();
    assert!(
        letters[0].starts_with("77|refused|") && letters[0].contains("odd_check"),
        "{}",
        letters[0]
    );
    assert!(letters[1].starts_with("500|") && letters[1].contains("t_n_check"), "{}", letters[1]);
    assert!(letters[2].starts_with("901|") && letters[2].contains("foreign key"), "{}", letters[2]);
    assert_eq!(world.server.sql("SELECT count(*), count(DISTINCT id) FROM t"), "898|898");
}

#[tokio::test]
async fn what_a_trigger_ignores_is_a_dead_letter() {
    let mut world = World::new().await;
    world.server.sql(
        "CREATE TABLE t (a BIGINT); CREATE TABLE elsewhere () INHERITS (t); \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.a = 2 THEN RETURN NULL; END IF; \
         IF NEW.a = 3 THEN INSERT INTO elsewhere SELECT NEW.*; RETURN NULL; END IF; \
         IF NEW.a = 4 THEN RAISE 'not four'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    );
    // The columns of the envelope are there before the trigger is met.
    world.load(World::settings(), &[r#"{"a": 1}"#]).await.unwrap();
    let records = [r#"{"a": 2}"#, r#"{"a": 3}"#, r#"{"a": 4}"#, r#"{"a": 5}"#];
    let committed = world.load(World::settings(), &records).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (2, 2));
    assert_eq!(world.rows("t"), ["a=1", "a=3", "a=5"]);
    assert_eq!(world.server.sql("SELECT a FROM elsewhere"), "3");
    let letters = world.letters();
    assert!(letters[0].contains("the table ignored the row"), "{letters:?}");
    assert!(letters[1].contains("not four"), "{letters:?}");
}

#[tokio::test]
async fn rules_that_come_during_a_run_are_noticed() {
    let world = World::new().await;
    let target = world.target(World::settings()).await;
    let commit = async |from: u64, records: &[&str]| {
        let (changes, upto) = world.batch("shard-1", from, records);
        target.commit(changes, upto).await.unwrap()
    };
    commit(1, &[r#"{"a": 1}"#]).await;
    let sql = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.a > 1 THEN RETURN NULL; END IF; RETURN NEW; END $$; \
               CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()";
    world.server.sql(sql);
    let both = [r#"{"a": 2}"#, r#"{"a": 0}"#];
    for from in [2, 4] {
        assert_eq!(
            commit(from, &both).await,
            Committed { written: 1, present: 0, dead_lettered: 1 }
        );
    }
    // What is there is no loss, whatever the trigger does.
    assert_eq!(
        commit(1, &[r#"{"a": 1}"#]).await,
        Committed { written: 1, present: 1, dead_lettered: 0 }
    );
    target.close().await.unwrap();
    assert_eq!(world.letters().len(), 2);
}

#[tokio::test]
async fn a_table_without_its_key_gets_it_back() {
    let mut world = World::new().await;
    world.load(World::settings(), &[r#"{"a": 1}"#]).await.unwrap();
    world.server.sql("ALTER TABLE t DROP CONSTRAINT t_pkey");
    let again = world.load_from(World::settings(), 1, &[r#"{"a": 1}"#]).await.unwrap();
    assert_eq!(again, Committed { written: 1, present: 1, dead_lettered: 0 });
}

#[tokio::test]
async fn policies_and_partitions_are_no_obstacle() {
    let mut world = World::new().await;
    world.server.sql(
        "CREATE TABLE t (_kinesis_msg_id TEXT, _kinesis JSONB, a BIGINT, PRIMARY KEY (_kinesis_msg_id)) PARTITION BY HASH (_kinesis_msg_id); \
         CREATE TABLE t0 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 0); \
         CREATE TABLE t1 PARTITION OF t FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    );
    let records: Vec<_> = (1..=100).map(|n| format!(r#"{{"a": {n}}}"#)).collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    assert_eq!(world.load(World::settings(), &records).await.unwrap(), written(100));
    assert_eq!(world.load_from(World::settings(), 1, &records).await.unwrap().present, 100);
    assert_eq!(world.server.sql("SELECT count(*), sum(a) FROM t"), "100|5050");

    world.server.sql(
        "DROP TABLE t; CREATE TABLE t (_kinesis_msg_id TEXT PRIMARY KEY, _kinesis JSONB, a BIGINT); \
         ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t FORCE ROW LEVEL SECURITY; \
         CREATE POLICY p ON t USING (true) WITH CHECK (a <> 3); CREATE ROLE plain LOGIN; \
         GRANT ALL ON t TO plain; GRANT CREATE ON SCHEMA public TO plain",
    );
    let url = world.server.url().replace("//ctk@", "//plain@");
    let url = TargetUrl::parse(&url).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let target = PostgresTarget::start(&config, config.connect().await.unwrap(), World::settings())
        .await
        .unwrap();
    let (changes, upto) = world.batch("shard-1", 1, &records[..5]);
    let committed = target.commit(changes, upto).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (4, 1));
    target.close().await.unwrap();
    assert!(world.letters()[0].contains("row-level security"), "{:?}", world.letters());
}

#[tokio::test]
async fn what_is_no_table_is_said() {
    let mut world = World::new().await;
    let fails = async |world: &mut World, sql: &str, settings: Settings, expected: &str| {
        world.server.sql(sql);
        let error = world.load(settings, &[r#"{"a": 1, "b": 2}"#]).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        world.server.sql("DROP VIEW IF EXISTS t; DROP TABLE IF EXISTS x");
    };
    fails(
        &mut world,
        "CREATE VIEW t AS SELECT 1 AS a",
        World::settings(),
        "public.t is no table: rows cannot be copied into it",
    )
    .await;
    let never = Settings { create_table: false, ..World::settings() };
    fails(
        &mut world,
        "",
        never,
        "the table public.t does not exist, and create_table=never forbids to create it",
    )
    .await;
    let of = |table: &str| Settings { table: table.into(), ..World::settings() };
    fails(
        &mut world,
        "CREATE TABLE x (_kinesis_msg_id BIGINT)",
        of("x"),
        "the column _kinesis_msg_id of table public.x is not text",
    )
    .await;
    let none = Settings { evolve: false, ..of("x") };
    fails(
        &mut world,
        "CREATE TABLE x (a BIGINT)",
        none,
        "the table public.x has no column _kinesis_msg_id, and evolve=none forbids to add it",
    )
    .await;
    fails(
        &mut world,
        "CREATE TABLE x (_kinesis_msg_id TEXT); INSERT INTO x VALUES ('a'), ('a')",
        of("x"),
        "the table public.x cannot get its key: the column _kinesis_msg_id holds equal values",
    )
    .await;
}

#[tokio::test]
async fn options_forbid_to_grow() {
    let mut world = World::new().await;
    let settings = || Settings { evolve: false, ..World::settings() };
    // The first batch makes the table, whatever comes later.
    assert_eq!(world.load(settings(), &[r#"{"a": 1}"#]).await.unwrap(), written(1));
    let records = [r#"{"a": 2}"#, r#"{"a": 3, "b": 1}"#, r#"{"a": 2.5}"#];
    let committed = world.load(settings(), &records).await.unwrap();
    assert_eq!(committed, Committed { written: 1, present: 0, dead_lettered: 2 });
    let letters = world.letters();
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
async fn more_columns_than_postgresql_has_room_for() {
    let mut world = World::new().await;
    let wide = |from: u32, to: u32| {
        let members: Vec<_> = (from..to).map(|n| format!(r#""c{n}": true"#)).collect();
        format!("{{{}}}", members.join(", "))
    };
    assert_eq!(world.load(World::settings(), &[&wide(0, 1590)]).await.unwrap(), written(1));
    let records = [wide(0, 1), wide(1590, 1620), wide(1, 2)];
    let committed =
        world.load(World::settings(), &[&records[0], &records[1], &records[2]]).await.unwrap();
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 1 });
    let letters = world.letters();
    assert!(
        letters[0].contains("cannot be added: ") && letters[0].contains("1600 columns"),
        "{letters:?}"
    );
}

#[tokio::test]
async fn the_table_may_be_in_another_schema() {
    let mut world = World::new().await;
    let settings =
        || Settings { schema: "My \"schema\"".into(), table: "a.b".into(), ..World::settings() };
    for _ in 0..2 {
        assert_eq!(world.load(settings(), &[r#"{"a": 1}"#]).await.unwrap(), written(1));
    }
    assert_eq!(world.server.sql(r#"SELECT count(*) FROM "My ""schema"""."a.b""#), "2");
}

#[tokio::test]
async fn dead_letters_hold_what_text_cannot() {
    let mut world = World::new().await;
    let committed = world.load(World::settings(), &["{\"a\": \0", r#"{"a": 1}"#]).await.unwrap();
    assert_eq!(committed, Committed { written: 1, present: 0, dead_lettered: 1 });
    let sql = "SELECT sequence, sub_sequence, partition_key, arrived_at, reason, table_name, encode(payload, 'hex') FROM t_dead_letters";
    assert_eq!(world.server.sql(sql), "1|0|key|2023-11-14 22:13:20+00|not_json|t|7b2261223a2000");
    // Read again: the letter is there once.
    world.load_from(World::settings(), 1, &["{\"a\": \0"]).await.unwrap();
    assert_eq!(world.server.sql("SELECT count(*) FROM t_dead_letters"), "1");
}
