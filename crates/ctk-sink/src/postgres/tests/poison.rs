//! Records that are hard to store, and dead letters that are hard to keep.

use tokio::time::{Instant as Clock, timeout};

use super::*;

/// Every second row is refused, in a server with room for few locks.
async fn every_second(settings: &[(&'static str, &str)], rows: u64) {
    let world = world_with(settings).await;
    world.server.sql("CREATE TABLE t (a BIGINT CHECK (a % 2 = 0))");
    let records: Vec<_> = (0..rows).map(|n| format!(r#"{{"a": {n}}}"#)).collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    let start = Clock::now();
    let target = by_socket(&world, World::settings()).await;
    let (changes, upto) = world.batch("shard-1", 1, &records);
    let log = world.server.socket_folder().join("log");
    let committed = timeout(Duration::from_secs(100), target.commit(changes, upto)).await;
    let log = std::fs::read_to_string(log).unwrap();
    let full = log.matches("ERROR:  out of shared memory").count();
    println!("{rows} rows took {:?}; out of shared memory: {full} times", start.elapsed());
    assert_eq!(full, 0, "the table of locks is full");
    let committed = committed.expect("100 s");
    let committed = committed.map_err(|error| chain(&error)).unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (rows / 2, rows / 2));
}

#[tokio::test]
async fn many_refused_rows_and_few_locks() {
    every_second(&[("max_connections", "20"), ("max_locks_per_transaction", "10")], 4000).await;
}

#[tokio::test]
async fn many_refused_rows_with_the_defaults() {
    every_second(&[], 20_000).await;
}

#[tokio::test]
async fn many_defaults_and_sparse_rows() {
    let world = world_with(&[("max_connections", "20"), ("max_locks_per_transaction", "10")]).await;
    let columns: Vec<_> = (0..12).map(|n| format!("c{n} BIGINT DEFAULT 0")).collect();
    world.server.sql(&format!("CREATE TABLE t ({})", columns.join(", ")));
    let record = |n: u32| {
        let members: Vec<_> = (0..12)
            .filter(|bit| n & (1 << bit) != 0)
            .map(|bit| format!(r#""c{bit}": {n}"#))
            .collect();
        format!("{{{}}}", members.join(", "))
    };
    let records: Vec<_> = (0..4096).map(record).collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    let start = Clock::now();
    let target = by_socket(&world, World::settings()).await;
    let (changes, upto) = world.batch("shard-1", 1, &records);
    let log = world.server.socket_folder().join("log");
    let committed = timeout(Duration::from_secs(100), target.commit(changes, upto)).await;
    let log = std::fs::read_to_string(log).unwrap();
    let full = log.matches("ERROR:  out of shared memory").count();
    println!("4096 rows took {:?}; out of shared memory: {full} times", start.elapsed());
    assert_eq!(full, 0, "the table of locks is full");
    assert_eq!(committed.expect("100 s").map_err(|error| chain(&error)).unwrap(), written(4096));
}

#[tokio::test]
async fn no_two_members_share_a_column() {
    for record in [r#"{"": 1, "__7f9c2ba4": 2}"#, r#"{"ctid": 1, "ctid__bc8d79a2": 2}"#] {
        let mut world = World::new().await;
        assert_eq!(world.load(World::settings(), &[record]).await.unwrap(), written(1));
        assert_eq!(world.schema("t").len(), 4, "{record}: {:?}", world.rows("t"));
    }
}

#[tokio::test]
async fn null_is_null() {
    let mut world = World::new().await;
    world.server.sql("CREATE TABLE t (v TEXT DEFAULT 'none')");
    world.load(World::settings(), &[r#"{"v": null}"#]).await.unwrap();
    assert_eq!(world.rows("t"), [""]);
}

#[tokio::test]
async fn the_longest_number() {
    let mut world = World::new().await;
    let number = format!("{}.{}", "1".repeat(131_072), "1".repeat(16_383));
    world.server.sql("CREATE TABLE t (v NUMERIC)");
    let committed = world.load(World::settings(), &[&format!(r#"{{"v": {number}}}"#)]).await;
    assert_eq!(
        committed.unwrap(),
        written(1),
        "{:?}",
        world.server.sql("SELECT error FROM t_dead_letters")
    );
    assert_eq!(world.rows("t"), [format!("v={number}")]);
}

#[tokio::test]
async fn the_least_exponents() {
    let mut world = World::new().await;
    for number in ["1e-9223372036854775808", "10e9223372036854775807"] {
        world.server.sql("DROP TABLE IF EXISTS t; CREATE TABLE t (v NUMERIC)");
        let committed = world.load(World::settings(), &[&format!(r#"{{"v": {number}}}"#)]).await;
        let committed = committed.map_err(|error| chain(&error));
        assert_eq!(committed, Ok(written(1)), "{number}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let world = World::new().await;
    world.server.sql("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    let url = world.server.url().replacen("/ctk", "/latin", 2).replacen("//latin", "//ctk", 1);
    let url = TargetUrl::parse(&url).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let connection = config.connect().await.unwrap();
    let error = PostgresTarget::start(&config, connection, World::settings()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the database has the encoding LATIN1, which cannot hold every text"
    );
}

#[tokio::test]
async fn only_dead_letters_and_no_schema() {
    let mut world = World::new().await;
    let settings = Settings { schema: "s".into(), ..World::settings() };
    let committed = world.load(settings, &["{"]).await.map_err(|error| chain(&error));
    assert_eq!(committed.map(|committed| committed.dead_lettered), Ok(1));
}

#[tokio::test]
async fn dead_letters_without_the_right_to_create() {
    let world = World::new().await;
    // As an administrator who lets a first run make the tables, and then gives a user no more than it needs.
    world.load_from(World::settings(), 1, &[r#"{"a": 1}"#, "{"]).await.unwrap();
    world.server.sql("CREATE ROLE plain LOGIN; GRANT SELECT, INSERT ON t, t_dead_letters TO plain; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let url = TargetUrl::parse(&world.server.url().replace("//ctk@", "//plain@")).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let target = PostgresTarget::start(&config, config.connect().await.unwrap(), World::settings())
        .await
        .unwrap();
    let (changes, upto) = world.batch("shard-1", 3, &[r#"{"a": 2}"#, "{"]);
    let committed = target.commit(changes, upto).await.map_err(|error| chain(&error));
    assert_eq!(committed.map(|committed| committed.dead_lettered), Ok(1));
}

#[tokio::test]
async fn a_second_attempt_refuses_another_row() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters");
    let letters = crate::dead_letters::LetterFile::open(&path).unwrap();
    let settings = world.with_checkpoints().await;
    // The first transaction meets another one when it saves its position, and by then a row is no longer welcome.
    world.server.sql(
        "CREATE SEQUENCE n; CREATE TABLE t (a BIGINT); \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.a = 1 OR NEW.a = 2 AND (SELECT is_called FROM n) THEN RAISE 'not %', NEW.a; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f(); \
         CREATE FUNCTION h() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF nextval('n') = 1 THEN RAISE 'met' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$; \
         CREATE TRIGGER i BEFORE INSERT ON ext.kinesis_checkpoints FOR EACH ROW EXECUTE FUNCTION h()",
    );
    let settings = Settings { dead_letters: DeadLetters::File(letters), ..settings };
    let target = world.target(settings).await;
    let committed = put(&world, &target, 1, &[r#"{"a": 1}"#, r#"{"a": 2}"#, r#"{"a": 3}"#]).await;
    target.close().await.unwrap();
    let kept = std::fs::read_to_string(&path).unwrap();
    let in_table = world.server.sql("SELECT count(*) FROM t");
    assert_eq!((committed.written, committed.dead_lettered, in_table.as_str()), (1, 2, "1"));
    assert!(kept.contains(r#""sequence":"2""#), "the second record is nowhere: {kept}");
}

#[tokio::test]
async fn what_is_sent_takes_about_as_much_memory_as_what_is_held() {
    let mut world = World::new().await;
    world.options.format = ctk_decode::Format::Ndjson;
    let columns: Vec<_> = (0..200).map(|n| format!(r#""c{n}": 1"#)).collect();
    world.load(World::settings(), &[&format!("{{{}}}", columns.join(", "))]).await.unwrap();
    let settings = World::settings();
    let mut connection = world.config().connect().await.unwrap();
    let known = known::Known::read(&mut connection, &settings, 1).await.unwrap();
    let sparse: Vec<_> = (0..20_000).map(|n| format!(r#"{{"c{}":1}}"#, n % 200)).collect();
    for lines in ["{}\n".repeat(20_000), sparse.join("\n")] {
        let (changes, upto) = world.batch("shard-1", 2, &[&lines]);
        let held = changes.held();
        let id = |row: ctk_flow::Row<'_>| {
            crate::envelope::MessageId::new(changes.shard(), row.origin(), row.sub_sequence())
        };
        let ids = changes.rows().map(id).collect();
        let group = [crate::group::Delivery { changes, ids, upto }];
        let encoded = encode::encode(&known, &group, &settings).unwrap();
        let sent: usize =
            encoded.parts.iter().map(|part| part.data(&(0..part.entries.len())).len()).sum();
        // The envelope, and four bytes for each column that a row has not.
        let rows = group[0].changes.len();
        let most = held + rows * (300 + 4 * group[0].changes.columns().len());
        assert!(sent <= most, "payload {} held {held} sent {sent}, at most {most}", lines.len());
    }
}

#[tokio::test]
async fn many_refused_rows_by_way_of_the_temporary_table() {
    for rows in [500, 1000, 2000] {
        let world = World::new().await;
        world.server.sql("CREATE TABLE t (_kinesis_msg_id TEXT PRIMARY KEY, _kinesis JSONB, a BIGINT CHECK (a < 0))");
        let records: Vec<_> = (0..rows).map(|n| format!(r#"{{"a": {n}}}"#)).collect();
        let records: Vec<_> = records.iter().map(String::as_str).collect();
        let target = by_socket(&world, World::settings()).await;
        let start = Clock::now();
        put(&world, &target, 1, &records).await;
        let straight = start.elapsed();
        put(&world, &target, 9000, &["{}"]).await;
        put(&world, &target, 9000, &["{}"]).await;
        let start = Clock::now();
        put(&world, &target, 10_000, &records).await;
        println!("{rows} refused rows: straight {straight:?}, staged {:?}", start.elapsed());
        target.close().await.unwrap();
    }
}
