//! Tables of somebody else: with more columns than the source, constraints, triggers, rules, partitions.

use super::*;

fn table(name: &str) -> TargetTable {
    TargetTable { schema: "public".into(), table: name.into() }
}

/// Returns what a query prints, within the transaction.
async fn shown(store: &mut PgStore<'_>, query: &str) -> String {
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT ({query})::text")));
    let shown: Option<String> =
        query.persistent(false).fetch_one(store.connection()).await.unwrap();
    shown.unwrap_or_default()
}

#[tokio::test]
async fn a_patch_needs_no_columns_that_the_row_has() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE TABLE t (id int PRIMARY KEY, a text NOT NULL, b text, c int CHECK (c > 0))",
    )
    .await;
    sql(&mut connection, "INSERT INTO t VALUES (1, 'there', 'old', 1), (2, 'there', 'old', 2)")
        .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let open = open(&mut store, &table("t"), Layout::Direct, &["id"]).await;
    let rows = vec![
        vec![int(1), text("new"), int(5)],
        vec![int(3), text("new"), int(5)],
        vec![int(2), text("new"), int(-5)],
    ];
    let fates = tried(&mut store, &open, Op::Patch, &["id", "b", "c"], rows, Vec::new()).await;
    assert_eq!(fates[0], None);
    let why = |at: usize| fates[at].clone().unwrap_or_default();
    assert!(why(1).contains("null value in column \"a\""), "{fates:?}");
    assert!(why(2).contains("t_c_check"), "{fates:?}");
    let all = "SELECT string_agg(concat_ws(' ', id, a, b, c), ', ' ORDER BY id) FROM t";
    assert_eq!(shown(&mut store, all).await, "1 there new 5, 2 there old 2");
}

#[tokio::test]
async fn what_the_server_fills_is_respected() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE TABLE t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, n bigint GENERATED ALWAYS AS (id * 2) STORED,
           at text DEFAULT 'now')",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let open = open(&mut store, &table("t"), Layout::Direct, &["id"]).await;
    let holds = |name: &str| {
        let slot = contract::slots(&open, &[name])[0];
        open.columns[slot].holds.takes(Value::Integer(1))
    };
    assert!(holds("id") && !holds("n"));
    for op in [Op::Put, Op::Patch] {
        let rows = vec![vec![int(70), text("x")], vec![int(80), text("y")]];
        done(&mut store, &open, op, &["id", "a"], rows).await;
    }
    let (rows, from) = (vec![vec![int(71), text("z")]], vec![vec![int(70)]]);
    let fates = tried(&mut store, &open, Op::Move, &["id", "a"], rows, from).await;
    assert!(fates[0].is_some(), "a number of the server is not changed");
    let all = "SELECT string_agg(concat_ws(' ', id, a, n, at), ', ' ORDER BY id) FROM t";
    assert_eq!(shown(&mut store, all).await, "70 x 140 now, 80 y 160 now");
}

#[tokio::test]
async fn tables_that_take_no_on_conflict_are_written() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE TABLE a (id int PRIMARY KEY DEFERRABLE, v text);
         CREATE TABLE b (id int PRIMARY KEY, v text); CREATE TABLE log (id int);
         CREATE RULE r AS ON UPDATE TO b DO ALSO INSERT INTO log VALUES (NEW.id);
         CREATE TABLE c (id int, v text); CREATE TABLE d (id int NOT NULL, v text) PARTITION BY RANGE (id);
         CREATE TABLE d1 PARTITION OF d FOR VALUES FROM (0) TO (10)",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    for name in ["a", "b", "c", "d"] {
        let open = open(&mut store, &table(name), Layout::Direct, &["id"]).await;
        for _ in 0..2 {
            let rows =
                vec![vec![int(1), text("x")], vec![int(2), text("y")], vec![int(3), text("z")]];
            done(&mut store, &open, Op::Put, &["id", "v"], rows).await;
        }
        done(&mut store, &open, Op::Patch, &["id", "v"], vec![vec![int(2), text("Y")]]).await;
        done(&mut store, &open, Op::Delete, &["id"], vec![vec![int(3)]]).await;
        let (rows, from) = (vec![vec![int(4)]], vec![vec![int(1)]]);
        assert_eq!(tried(&mut store, &open, Op::Move, &["id"], rows, from).await, [None]);
        let all = format!("SELECT string_agg(concat_ws(' ', id, v), ', ' ORDER BY id) FROM {name}");
        assert_eq!(shown(&mut store, &all).await, "2 Y, 4 x", "{name}");
    }
    let open = open(&mut store, &table("d"), Layout::Direct, &["id"]).await;
    let rows = vec![vec![int(5), text("x")], vec![int(50), text("nowhere")]];
    let fates = tried(&mut store, &open, Op::Put, &["id", "v"], rows, Vec::new()).await;
    assert!(fates[0].is_none() && fates[1].is_some(), "{fates:?}");
}

#[tokio::test]
async fn domains_and_triggers_refuse_single_rows() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE DOMAIN odd AS int NOT NULL CHECK (VALUE % 2 = 1); CREATE TABLE t (id int PRIMARY KEY, o odd);
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF NEW.id = 4 THEN RAISE 'not four'; END IF; IF NEW.id = 5 THEN RETURN NULL; END IF; RETURN NEW; END $$;
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let open = open(&mut store, &table("t"), Layout::Direct, &["id"]).await;
    let rows = (1..=9).map(|id| match id {
        2 => vec![int(id), int(2)],
        8 => vec![int(id), Cell::NULL],
        _ => vec![int(id), int(1)],
    });
    let fates = tried(&mut store, &open, Op::Put, &["id", "o"], rows.collect(), Vec::new()).await;
    let refused: Vec<_> = (1..).zip(&fates).filter(|(_, fate)| fate.is_some()).collect();
    let whys: Vec<_> = refused
        .iter()
        .map(|(id, fate)| format!("{id}: {}", fate.as_deref().unwrap_or_default()))
        .collect();
    assert_eq!(whys.len(), 4, "{whys:?}");
    assert!(whys[0].starts_with("2: ") && whys[0].contains("odd_check"), "{whys:?}");
    assert_eq!(whys[1..3], ["4: not four", "5: the table ignored the row"]);
    assert!(whys[3].starts_with("8: ") && whys[3].contains("null"), "{whys:?}");
    assert_eq!(shown(&mut store, "SELECT array_agg(id ORDER BY id) FROM t").await, "{1,3,6,7,9}");
}

#[tokio::test]
async fn names_in_two_letter_cases_are_two_tables() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    sql(
        &mut connection,
        "CREATE TABLE \"T\" (\"ID\" int PRIMARY KEY, id int); CREATE TABLE t (x int, a int NOT NULL, b int NOT NULL, UNIQUE (b, a));
         CREATE VIEW v AS SELECT 1",
    )
    .await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let upper = store.look(&table("T")).await.unwrap().unwrap();
    assert_eq!(upper.key, ["ID"]);
    let lower = store.look(&table("t")).await.unwrap().unwrap();
    assert_eq!(lower.key, ["b", "a"]);
    let keys: Vec<_> = (0..3).map(|slot| lower.columns[slot].is_key).collect();
    assert_eq!(keys, [false, true, true]);
    assert!(matches!(store.look(&table("v")).await, Err(SinkError::NoTableAtAll { .. })));
    let tables = store.tables().await.unwrap();
    assert_eq!(tables, [table("T"), table("t")]);
    assert_eq!(store.fit_name("a".repeat(63)), "a".repeat(63));
    assert_ne!(store.fit_name("a\0b".into()), store.fit_name("ab".into()));
}

#[tokio::test]
async fn thousands_of_rows_go_in_few_statements() {
    let world = World::new().await;
    let mut connection = world.connect().await;
    let mut store = PgStore::new(&mut connection, &world.places);
    let made = make(&mut store, "many", Layout::Direct, &["id"], &["a", "b", "c"]).await;
    let open = open(&mut store, &made, Layout::Direct, &["id"]).await;
    let names = ["id", "a", "b", "c"];
    for op in [Op::Put, Op::Put, Op::Patch] {
        let rows =
            (0..10_000).map(|id| vec![int(id), text("first"), text("second"), text("third")]);
        let start = tokio::time::Instant::now();
        done(&mut store, &open, op, &names, rows.collect()).await;
        println!("{op:?} of 10,000: {:?}", start.elapsed());
    }
    let start = tokio::time::Instant::now();
    for id in 0..100 {
        done(
            &mut store,
            &open,
            Op::Put,
            &names,
            vec![vec![int(id), text("x"), text("y"), text("z")]],
        )
        .await;
    }
    println!("one row: {:?}", start.elapsed() / 100);
    assert_eq!(shown(&mut store, "SELECT count(*) FROM many").await, "10000");
}
