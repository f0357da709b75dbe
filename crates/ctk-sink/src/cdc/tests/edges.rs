//! Where a table once did not equal its source: keys, names, values and tables at the edge of what is usual.

mod postgres;

use std::time::Duration;

use ctk_flow::Claims as _;

use super::*;

async fn check(
    settings: ChangeSettings,
    world: &World,
    batches: &[&str],
    (table, rows): (&str, &str),
) {
    world.run(settings, batches).await;
    let expected: Vec<_> = rows.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let letters = world.letters().await;
    assert_eq!(world.rows(table).await, expected.join("\n"), "{batches:?}\nletters: {letters}");
    assert_eq!(letters, "", "{batches:?}");
}

fn with_key(key: &str) -> ChangeSettings {
    let source = SourceTable { schema: String::new(), table: "t".into() };
    let rules = crate::cdc::TableRules { layout: None, key: vec![key.into()] };
    ChangeSettings { rules: crate::cdc::Rules([(source, rules)].into()), ..settings() }
}

// Rows that are lost.

/// `1` and `"1"` are one key once they are in the column; the row is moved onto itself, and then deleted.
#[tokio::test]
async fn a_key_that_was_written_otherwise_before_is_the_same_key() {
    let history = [
        "create t id:int64* a:int64 b:int64\nput t id=1 a=1 b=1",
        "patch t id=1 a=2 before id=\"1\"",
    ];
    check(settings(), &World::new(), &history, ("t", "id=1 a=2 b=1")).await;
}

#[tokio::test]
async fn a_key_of_the_same_value_is_the_same_key() {
    let history = [
        "create t id:int64* a:int64 b:int64\nput t id=1 a=1 b=1",
        "patch t id=1 a=2 before id=1.0",
    ];
    check(settings(), &World::new(), &history, ("t", "id=1 a=2 b=1")).await;
}

/// Of a table that was loaded otherwise, the definition knows only the columns that were met: they are no whole row.
#[tokio::test]
async fn a_row_that_was_there_keeps_what_a_new_key_does_not_tell() {
    let world = World::new();
    world
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER); INSERT INTO t VALUES (1, 1, 7)")
        .await;
    let history = ["patch t id=2 a=5 before id=1"];
    check(settings(), &world, &history, ("t", "id=2 a=5 b=7")).await;
}

#[tokio::test]
async fn an_object_that_was_there_keeps_what_a_new_key_does_not_tell() {
    let world = World::new();
    world
        .execute(
            "CREATE TABLE t (pk JSON PRIMARY KEY, data JSON, aux JSON);
             INSERT INTO t VALUES ('{\"id\":1}', '{\"a\":1,\"b\":7}', '{}')",
        )
        .await;
    let history = ["create t id:int64*", "patch t id=2 a=5 before id=1"];
    let rows = r#"pk="{\"id\":2}" data="{\"a\":5,\"b\":7}" aux="{}""#;
    check(universal(), &world, &history, ("t", rows)).await;
}

/// `UPDATE t SET id = id + 1`, in the order of the rows.
#[tokio::test]
async fn keys_that_all_move_on_stay_as_many() {
    let history = [
        "create t id:int64* a:int64\nput t id=1 a=1\nput t id=2 a=2\nput t id=3 a=3",
        "patch t id=2 a=1 before id=1 a=1
         patch t id=3 a=2 before id=2 a=2
         patch t id=4 a=3 before id=3 a=3",
    ];
    let rows = "id=2 a=1\nid=3 a=2\nid=4 a=3";
    check(settings(), &World::new(), &history, ("t", rows)).await;
}

#[tokio::test]
async fn keys_that_change_places_stay_as_many() {
    let create = "create t id:int64* a:int64 b:int64\nput t id=1 a=1 b=1\nput t id=2 a=2 b=2";
    let history = [
        create,
        "patch t id=2 a=1 b=1 before id=1
         patch t id=1 a=2 b=2 before id=2",
    ];
    check(settings(), &World::new(), &history, ("t", "id=1 a=2 b=2\nid=2 a=1 b=1")).await;
    // Where the records do not tell the rows, nothing is done, and that is told.
    let world = World::new();
    let history = [create, "patch t id=2 before id=1\npatch t id=1 before id=2"];
    let committed = world.run(settings(), &history).await;
    assert_eq!(committed.dead_lettered, 2, "{}", world.letters().await);
    assert_eq!(world.rows("t").await, "id=1 a=1 b=1\nid=2 a=2 b=2");
}

// Values in the wrong place.

#[tokio::test]
async fn a_variant_never_is_a_column_of_the_source() {
    let history = [
        "create t id:int64* v:int64 v__double:double\nput t id=1 v=1 v__double=9.5",
        "patch t id=1 v=2.5",
    ];
    let rows = "id=1 v__double=9.5 v__double__double=2.5";
    check(settings(), &World::new(), &history, ("t", rows)).await;
}

#[tokio::test]
async fn a_column_that_comes_under_the_name_of_a_variant_begins_empty() {
    let history = [
        "create t id:int64* v:int64\nput t id=1 v=2.5\nadd t v__double:double",
        "patch t id=1 v=3",
    ];
    let world = World::new();
    world.run(settings(), &history).await;
    let rows = world.rows("t").await;
    assert!(!rows.contains("v__double=2.5"), "{rows}");
}

/// SQLite does not tell `T` from `t`.
#[tokio::test]
async fn tables_whose_names_differ_in_case_do_not_meet() {
    let world = World::new();
    world.run(settings(), &["create t id:int64* v:int64\ncreate T id:int64* v:int64\nput t id=1 v=1\nput T id=1 v=2"]).await;
    assert_eq!(world.rows("t").await, "id=1 v=1", "{}", world.letters().await);
}

#[tokio::test]
async fn columns_whose_names_differ_in_case_stay_apart_when_one_is_renamed() {
    let history =
        ["create t id:int64* v:int64 V:int64\nput t id=1 v=1 V=2", "call t V w\npatch t id=1 w=3"];
    check(settings(), &World::new(), &history, ("t", "id=1 v=1 w=3")).await;
}

#[tokio::test]
async fn columns_whose_names_differ_in_case_stay_apart_when_one_goes() {
    let history =
        ["create t id:int64* v:int64 V:int64\nput t id=1 v=1 V=2", "remove t v\npatch t id=1 V=3"];
    let world = World::new();
    world.run(settings(), &history).await;
    let rows = world.rows("t").await;
    assert!(!rows.contains("=2"), "{rows}");
}

/// The user asks for another table in the second run.
#[tokio::test]
async fn the_table_that_the_user_names_is_written_to() {
    let world = World::new();
    let into = |table: &str| ChangeSettings { table: Some(table.into()), ..universal() };
    world.run(into("a"), &["item music id=1"]).await;
    world.run(into("b"), &["item music id=2"]).await;
    assert_eq!(world.rows("b").await, r#"pk="{\"id\":2}" data="{}" aux="{}""#);
}

#[tokio::test]
async fn a_table_of_ours_is_not_written_to() {
    let world = World::new();
    let settings = ChangeSettings { table: Some("kinesis_tables".into()), ..universal() };
    let committed = world.run(settings, &["item music id=1"]).await;
    assert_eq!((committed.written, committed.dead_lettered), (1, 0), "{}", world.letters().await);
}

// Rows that come twice.

#[tokio::test]
async fn the_order_in_which_the_key_is_told_does_not_matter() {
    let history = [
        "create t a:int64* b:int64*\nput t a=1 b=2 v=1",
        "create t b:int64* a:int64*\npatch t a=1 b=2 v=2",
    ];
    let rows = r#"pk="{\"a\":1,\"b\":2}" data="{\"v\":2}" aux="{}""#;
    check(universal(), &World::new(), &history, ("t", rows)).await;
}

#[tokio::test]
async fn decimal_keys_of_one_value_are_one_key() {
    let history = [
        "create t k:numeric(38,10)* v:int64\nput t k=1.50 v=1",
        "put t k=1.5 v=2\nput t k=7 v=7",
        "delete t k=7.0",
    ];
    check(settings(), &World::new(), &history, ("t", "k=\"1.5\" v=2")).await;
}

// Changes of tables.

#[tokio::test]
async fn a_table_may_come_again_without_a_key() {
    let world = World::new();
    let history = "create t id:int64* a:int64\nput t id=1 a=1\ndrop t\ncreate t code:text a:int64\nput t code=\"x\" a=1";
    let committed = world.run(settings(), &[history]).await;
    assert_eq!(committed.dead_lettered, 0, "{}", world.letters().await);
}

/// The key is known from the table, not from the source, so the definition of the table seems to bring it.
#[tokio::test]
async fn a_column_that_goes_is_not_renamed_to_the_key() {
    let world = World::new();
    world.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER)").await;
    let history = ["put t id=1 a=1 b=2", "become t id:int64* b:int64"];
    check(settings(), &world, &history, ("t", "id=1 b=2")).await;
}

/// The same with objects: the member `id` would become what `a` was.
#[tokio::test]
async fn a_member_that_goes_is_not_renamed_to_the_key() {
    let mut settings = with_key("id");
    settings.layout = Layout::Universal;
    let history = ["put t id=1 a=1 b=2", "become t id:int64* b:int64"];
    let rows = r#"pk="{\"id\":1}" data="{\"b\":2}" aux="{}""#;
    check(settings, &World::new(), &history, ("t", rows)).await;
}

#[tokio::test]
async fn a_column_that_was_learned_from_rows_keeps_its_values_under_another_name() {
    let world = World::new();
    world.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, c INTEGER, a INTEGER, b INTEGER)").await;
    let history = ["put t id=1 c=1 a=2 b=3", "become t id:int64* c:int64 z:int64 b:int64"];
    check(settings(), &world, &history, ("t", "id=1 c=1 z=2 b=3")).await;
}

/// The run ends with an error, and so does each that comes after it.
#[tokio::test]
async fn names_of_indexes_do_not_meet() {
    let world = World::new();
    world
        .execute("CREATE TABLE a (b_c INTEGER, v INTEGER); CREATE TABLE a_b (c INTEGER, v INTEGER)")
        .await;
    let target = world.target(settings()).await;
    commit(
        &target,
        "s",
        0,
        "create a b_c:int64* v:int64\ncreate a_b c:int64* v:int64\nput a b_c=1 v=1",
    )
    .await;
    let shard = ShardId::new("s");
    let rows = changes(&shard, 1, "put a_b c=1 v=1");
    let committed = target.commit(rows, Position::new(shard)).await;
    assert!(committed.is_ok(), "{committed:?}");
    target.close().await.unwrap();
}

#[tokio::test]
async fn an_index_does_not_take_the_name_of_a_table() {
    let world = World::new();
    world.execute("CREATE TABLE t (id INTEGER, v INTEGER)").await;
    let history =
        ["create t id:int64* v:int64\nput t id=1 v=1\ncreate t_id id:int64*\nput t_id id=5"];
    check(settings(), &world, &history, ("t_id", "id=5")).await;
}

/// Without a checkpointer, each run reads the stream from its beginning.
#[tokio::test]
async fn a_column_keeps_its_new_name_when_everything_comes_again() {
    let history = "create t id:int64* a:int64\nput t id=1 a=1\ncall t a b\nput t id=2 b=2";
    check(settings(), &World::new(), &[history, history], ("t", "id=1 b=1\nid=2 b=2")).await;
}

#[tokio::test]
async fn a_table_keeps_its_new_name_when_everything_comes_again() {
    let history = "create t id:int64* a:int64\nput t id=1 a=1\nrename t u\npatch u id=1 a=2";
    let world = World::new();
    check(settings(), &world, &[history, history], ("u", "id=1 a=2")).await;
    assert!(world.rows("t").await.contains("no such table"));
}

#[tokio::test]
async fn nothing_is_added_where_that_is_forbidden() {
    let world = World::new();
    world.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER)").await;
    let settings = ChangeSettings { evolve: false, ..settings() };
    world
        .run(settings, &["create t id:int64* a:int64 b:int64\nadd t c:int64\nput t id=1 b=1 c=1"])
        .await;
    assert_eq!(world.rows("t").await, "", "{}", world.letters().await);
}

/// DynamoDB: a table of the name is made again, with another key. The records tell it.
#[tokio::test]
async fn items_may_get_another_key() {
    let world = World::new();
    let committed =
        world.run(universal(), &["item music id=1 v=1", "item music code=\"x\" v=1"]).await;
    assert_eq!(committed.dead_lettered, 0, "{}", world.letters().await);
}

// Dead letters.

/// The file cannot be written, so the group is undone, and its members are tried one by one: the letters do not stand in it.
#[tokio::test]
async fn letters_that_could_not_be_kept_are_not_forgotten() {
    let world = World::new();
    let file = crate::dead_letters::LetterFile::open(std::path::Path::new("/dev/full")).unwrap();
    let settings = ChangeSettings { dead_letters: DeadLetters::File(file), ..settings() };
    let target = world.target(settings).await;
    for shard in ["a", "b"] {
        target.claim(&ShardId::new(shard), None).await.unwrap();
    }
    let one = async |shard: &str| {
        let shard = ShardId::new(shard);
        let changes = changes(&shard, 0, "create t id:int64*\nput t v=1");
        target.commit(changes, Position::new(shard)).await
    };
    let (a, b) = tokio::join!(one("a"), one("b"));
    assert!(a.is_err() && b.is_err(), "{a:?} {b:?}");
}

// Waiting.

/// A task that goes on (no table is created any more) writes to many tables, beside a shard that stands still.
#[tokio::test]
async fn not_each_table_is_waited_for() {
    let world = World::new();
    let target = world.target(settings()).await;
    for shard in ["a", "b"] {
        target.claim(&ShardId::new(shard), None).await.unwrap();
    }
    commit(&target, "b", 0, "create x id:int64*").await;
    let all = async {
        commit(&target, "a", 1, "put t id=1").await;
        commit(&target, "a", 2, "put u id=1").await;
    };
    let limit = Duration::from_secs(15);
    assert!(tokio::time::timeout(limit, all).await.is_ok(), "waited for the second table as well");
}

/// Rows, updates of each set of columns, and what comes of them.
fn updates_of_all_sets() -> (String, String) {
    let columns = ["a", "b", "c", "d", "e", "f"];
    let all = |value: u32| columns.map(|name| format!("{name}={value}")).join(" ");
    let mut history =
        vec!["create s.t id:int64* a:int64 b:int64 c:int64 d:int64 e:int64 f:int64".to_owned()];
    for id in 0..64 {
        history.push(format!("put s.t id={id} {}", all(1)));
    }
    history.push("put s.t id=64 a=1".to_owned());
    // One that is missing becomes a row, too.
    history.push("patch s.t id=65 c=2".to_owned());
    let mut rows = Vec::new();
    for id in 0_u32..64 {
        let is_set = |place: usize| id >> place & 1 == 1;
        let set = columns.iter().enumerate().filter(|(place, _)| is_set(*place));
        let set: Vec<_> = set.map(|(_, name)| format!("{name}=2")).collect();
        history.push(format!("patch s.t id={id} {}", set.join(" ")).trim_end().to_owned());
        let values = (0..columns.len()).map(|place| if is_set(place) { " 2" } else { " 1" });
        rows.push(format!("{id}{}", values.collect::<String>()));
    }
    rows.extend(["64 1".to_owned(), "65 2".to_owned()]);
    (history.join("\n"), rows.join("\n"))
}

#[tokio::test]
async fn updates_may_set_other_columns_each() {
    let (history, rows) = updates_of_all_sets();
    let (first, second) = history.split_once("patch").unwrap();
    let second = format!("patch{second}");
    let world = World::new();
    world.run(settings(), &[first, &second]).await;
    let names = ["id", "a", "b", "c", "d", "e", "f"];
    let bare = names
        .iter()
        .fold(world.rows("t").await, |rows, name| rows.replace(&format!("{name}="), ""));
    assert_eq!(bare, rows, "{}", world.letters().await);
}
