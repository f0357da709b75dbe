//! Tables that come, change and go.

use super::*;

async fn check(settings: fn() -> ChangeSettings, history: &str, table: &str, expected: &str) {
    let expected: Vec<_> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let lines: Vec<&str> = history.lines().collect();
    // In one batch, and each in one of its own.
    for batches in [vec![history], lines] {
        let world = World::new();
        world.run(settings(), &batches).await;
        assert_eq!(world.letters().await, "", "{batches:?}");
        assert_eq!(world.rows(table).await, expected.join("\n"), "{batches:?}");
    }
}

#[tokio::test]
async fn changes_come_before_and_after_a_change_of_the_table() {
    let history = "create t id:int64* a:int64
                   put t id=1 a=1
                   truncate t
                   put t id=2 a=2
                   add t b:text
                   put t id=3 b=\"x\"
                   call t a c
                   patch t id=2 c=5
                   remove t b
                   put t id=4 c=4";
    check(settings, history, "t", "id=2 c=5\nid=3\nid=4 c=4").await;
    let expected = r#"pk="{\"id\":2}" data="{\"c\":5}" aux="{}"
        pk="{\"id\":3}" data="{}" aux="{}"
        pk="{\"id\":4}" data="{\"c\":4}" aux="{}""#;
    check(universal, history, "t", expected).await;
}

#[tokio::test]
async fn a_table_may_go_and_come_again_with_another_key() {
    let history = "create t id:int64* a:int64
                   put t id=1 a=1
                   drop t
                   create t code:text* a:int64
                   put t code=\"x\" a=2
                   put t code=\"x\" a=3";
    check(settings, history, "t", "code=\"x\" a=3").await;
    check(
        settings,
        "create t id:int64*\ndrop t\ndrop t",
        "t",
        "error returned from database: (code: 1) no such table: t",
    )
    .await;
}

#[tokio::test]
async fn a_table_may_get_another_name() {
    let history = "create s.t id:int64* a:int64
                   put s.t id=1 a=1
                   rename s.t s.u
                   patch s.u id=1 a=2
                   create s.t id:int64*
                   put s.t id=9";
    check(settings, history, "u", "id=1 a=2").await;
    check(settings, history, "t", "id=9").await;
}

#[tokio::test]
async fn a_renaming_that_comes_once_more_changes_nothing() {
    let world = World::new();
    world.run(settings(), &["create t id:int64*\nput t id=1 v=1\nrename t u"]).await;
    world.run(settings(), &["rename t u\npatch u id=1 v=2"]).await;
    assert_eq!(world.letters().await, "");
    assert_eq!(world.rows("u").await, "id=1 v=2");
}

#[tokio::test]
async fn a_column_may_get_another_type() {
    let history = "create t id:int64* a:int32 b:int64
                   put t id=1 a=1 b=2
                   change t a:text
                   put t id=2 a=\"x\" b=3
                   become t id:int64* a:text b:double c:text
                   put t id=3 b=1.5 c=\"c\"";
    check(settings, history, "t", "id=1 a=\"1\" b=2\nid=2 a=\"x\" b=3\nid=3 b=1.5 c=\"c\"").await;
    let world = World::new();
    let batch = "create t id:int64* a:text\nput t id=1 a=\"x\"\nchange t a:int64\nput t id=2 a=5";
    world.run(settings(), &[batch]).await;
    // SQLite keeps what is no number, also in a column of numbers.
    assert_eq!(world.rows("t").await, "id=1 a=\"x\"\nid=2 a=5");
}

#[tokio::test]
async fn tables_of_one_name_do_not_meet() {
    let world = World::new();
    world.run(settings(), &["put a.t id=1 v=1\nput b.t id=1 v=2"]).await;
    // The names stay as they were given, whatever comes first.
    world.run(settings(), &["put b.t id=2 v=2\nput a.t id=2 v=1"]).await;
    for (table, value) in [("t", 1), ("b__t", 2)] {
        let rows = world.rows(table).await;
        assert!(
            rows.lines().count() == 2
                && rows.lines().all(|row| row.ends_with(&format!("v={value}"))),
            "{rows}"
        );
    }
}

#[tokio::test]
async fn what_is_not_told_is_made_out_from_the_rows() {
    // Without control details, AWS DMS tells neither columns nor keys.
    let history = "create t
                   put t id=1 v=\"x\" w=1.5";
    let world = World::new();
    world.run(settings(), &[history]).await;
    let rows = world.rows("t").await;
    assert!(rows.ends_with("id=1 v=\"x\" w=1.5"), "{rows}");
}

#[tokio::test]
async fn a_refused_table_is_a_dead_letter() {
    let world = World::new();
    world.execute("CREATE VIEW v AS SELECT 1 AS id").await;
    let committed = world.run(settings(), &["put v id=1\nput t id=1"]).await;
    assert_eq!((committed.written, committed.dead_lettered), (1, 1), "{}", world.letters().await);
}

#[tokio::test]
async fn a_table_may_get_the_name_of_one_that_was_dropped() {
    let history = "create a no:int64*\ncreate b Key:int64*\ndrop b\nrename a b\nput b no=1";
    check(settings, history, "b", "no=1").await;
}

#[tokio::test]
async fn columns_may_get_other_names_again_and_again() {
    let history =
        "create t id:int64* a:int64\nput t id=1 a=5\ncall t a b\npatch t id=1 b=6\ncall t b c";
    let world = World::new();
    world.run(settings(), &[history, history]).await;
    assert_eq!((world.rows("t").await, world.letters().await), ("id=1 c=6".into(), String::new()));
    // And another type, told by the old name.
    let history = "create t id:int64* a:int16\nput t id=1 a=5\nbecome t id:int64* a:text\nput t id=2 a=\"x\"\nbecome t id:int64* z:text";
    let world = World::new();
    world.run(settings(), &[history, history]).await;
    assert_eq!(
        (world.rows("t").await, world.letters().await),
        ("id=1 z=\"5\"\nid=2 z=\"x\"".into(), String::new())
    );
}
