//! Records that are no rows: where they go.

use super::*;

#[tokio::test]
async fn records_that_are_not_json_are_kept_beside_the_table() {
    let mut world = World::new();
    let records = [r#"{"a": 1}"#, "not json", r#"{"a": 2}"#];
    let committed = world.load(World::settings(), &records).await.unwrap();
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 1 });
    let letters = world.rows("SELECT * FROM t_dead_letters").await;
    let [letter] = &letters[..] else { panic!("{letters:?}") };
    for part in [
        "stream='stream' shard_id='shard-1' sequence='2' sub_sequence=0 partition_key='key'",
        "reason='not_json'",
    ] {
        assert!(letter.contains(part), "{letter}");
    }
    assert!(letter.contains(&format!("payload=X'{}'", hex("not json"))), "{letter}");
    // Read again: the same letter, not another one.
    world.load_from(World::settings(), 1, &records).await.unwrap();
    assert_eq!(world.rows("SELECT * FROM t_dead_letters").await.len(), 1);
}

#[tokio::test]
async fn dead_letters_go_where_the_user_wants_them() {
    let records = ["not json", r#"{"a": 1}"#];
    let with = |dead_letters| Settings { dead_letters, ..World::settings() };

    let mut world = World::new();
    let error = world.load(with(DeadLetters::Fail), &records).await.unwrap_err();
    assert!(
        error.to_string().starts_with("record 1 of shard shard-1 is refused (not_json)"),
        "{error}"
    );
    assert!(world.schema("t").await.is_empty(), "nothing of the batch is written");

    let mut world = World::new();
    let committed = world.load(with(DeadLetters::Drop), &records).await.unwrap();
    assert_eq!(committed, Committed { written: 1, present: 0, dead_lettered: 1 });
    assert!(world.schema("t_dead_letters").await.is_empty());

    let mut world = World::new();
    let path = world.folder.path().join("letters.jsonl");
    let file = crate::dead_letters::LetterFile::open(&path).unwrap();
    world.load(with(DeadLetters::File(file)), &records).await.unwrap();
    let letter: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!((&letter["sequence"], &letter["payload"]), (&"1".into(), &"bm90IGpzb24=".into()));
}
