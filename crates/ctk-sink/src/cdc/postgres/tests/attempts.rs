//! Groups of changes in transactions, with their positions and dead letters, also when it takes several attempts.

use ctk_checkpoint::StreamIdentity;
use ctk_flow::{Committed, Position, Sequence, Target as _};

use super::*;
use crate::{
    cdc::{
        ChangeSettings,
        tests::{changes, settings},
    },
    config::TableConfig,
    dead_letters::{DeadLetters, LetterFile},
};

/// Commits one batch of these changes, and returns what became of them, and the dead letters: their sequence numbers.
async fn commit(world: &World, batch: &str) -> (Committed, Vec<String>) {
    let url = TargetUrl::parse(&world.server.url()).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let mut connection = config.connect_for_writing().await.unwrap();
    let schema = &world.places.checkpoints;
    ctk_checkpoint::postgres::create_table(&mut connection, schema).await.unwrap();
    let identity = StreamIdentity::default();
    let opened = ctk_checkpoint::postgres::open(&mut connection, schema, "test", identity).await;
    let holder = opened.unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.jsonl");
    let dead_letters = DeadLetters::File(LetterFile::open(&path).unwrap());
    let settings = ChangeSettings { dead_letters, ..settings() };
    let table = TableConfig::from_options(ctk_url::Options::default()).unwrap();
    let places = (world.places.clone(), Some(holder));
    let target = start(&config, connection, settings, &table, places).await.unwrap();
    let shard = ShardId::new("shard-1");
    let changes = changes(&shard, 1, batch);
    let upto = Position { sequence: Some(Sequence::new("199")), ..Position::new(shard) };
    let committed = target.commit(changes, upto).await.unwrap();
    target.close().await.unwrap();
    let stored = world.server.sql("SELECT * FROM \"ext \"\"x\"\"\".kinesis_checkpoints");
    assert!(stored.contains("shard-1") && stored.contains("199"), "{stored}");
    let letters = std::fs::read_to_string(&path).unwrap();
    let sequence = |line: &str| {
        let letter: Json = serde_json::from_str(line).unwrap();
        letter["sequence"].as_str().unwrap().to_owned()
    };
    (committed, letters.lines().map(sequence).collect())
}

fn committed(written: u64, dead_lettered: u64) -> Committed {
    Committed { written, present: 0, dead_lettered }
}

/// What `child` refers to is checked at the end of the transaction.
const FAMILY: &str = "CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)";

#[tokio::test]
async fn what_is_valid_in_the_end_is_written() {
    let world = World::new().await;
    world.server.sql(FAMILY);
    let batch = "put child id=1 parent=5\nput child id=2 parent=5\nput parent id=5";
    assert_eq!(commit(&world, batch).await, (committed(3, 0), Vec::new()));
    assert_eq!(world.server.sql("SELECT count(*) FROM child"), "2");
}

#[tokio::test]
async fn what_is_not_valid_in_the_end_is_found_at_once() {
    let world = World::new().await;
    world.server.sql(FAMILY);
    world.server.sql("INSERT INTO parent VALUES (5)");
    // The last is refused in both attempts.
    let batch = "put child id=1 parent=5\nput child id=2 parent=404\nput child id=3 parent=5\n\
                 put child id=\"?\" parent=5";
    let (became, mut letters) = commit(&world, batch).await;
    letters.sort();
    assert_eq!((became, letters), (committed(2, 2), vec!["101".into(), "103".into()]));
    assert_eq!(world.server.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM child"), "1,3");
}

#[tokio::test]
async fn letters_are_in_the_file_once_after_many_attempts() {
    let world = World::new().await;
    // Both when the dead letters stand in the file already: a transaction that meets another one, a connection that breaks.
    world.server.sql(
        "CREATE TABLE t (id int PRIMARY KEY); CREATE SEQUENCE n;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE i bigint = nextval('n'); BEGIN
           IF i = 1 THEN RAISE 'met' USING ERRCODE = '40001'; END IF;
           IF i = 2 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; RETURN NULL; END $$;
         CREATE CONSTRAINT TRIGGER g AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION f()",
    );
    let (became, letters) = commit(&world, "put t id=\"?\"\nput t id=1\nput t id=\"!\"").await;
    assert_eq!((became, letters), (committed(1, 2), vec!["100".into(), "102".into()]));
    assert_eq!(world.server.sql("SELECT last_value FROM n"), "3");
    assert_eq!(world.server.sql("SELECT id FROM t"), "1");
}
