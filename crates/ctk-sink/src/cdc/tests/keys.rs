//! Where keys come from, and what becomes of changes that lack one.

use super::*;

#[tokio::test]
async fn keys_survive_a_restart() {
    let world = World::new();
    for settings in [settings, universal] {
        let table = if settings().layout == Layout::Direct { "a" } else { "b" };
        let lines = |text: &str| text.replace('T', table);
        world
            .run(settings(), &[&lines("create T id:int64*\nput T id=1 v=1\nput T id=2 v=2")])
            .await;
        world.run(settings(), &[&lines("patch T id=1 v=10\ndelete T id=2\nput T id=3 v=3")]).await;
        assert_eq!(world.letters().await, "");
    }
    assert_eq!(world.rows("a").await, "id=1 v=10\nid=3 v=3");
    let expected = r#"pk="{\"id\":1}" data="{\"v\":10}" aux="{}"
pk="{\"id\":3}" data="{\"v\":3}" aux="{}""#;
    assert_eq!(world.rows("b").await, expected);
}

#[tokio::test]
async fn the_key_of_a_table_that_is_there_counts() {
    let world = World::new();
    world.execute("CREATE TABLE t (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (b, a))").await;
    world
        .run(
            settings(),
            &["put t a=\"x\" b=1 v=\"1\"\nput t a=\"x\" b=2 v=\"2\"\npatch t a=\"x\" b=1 v=\"3\""],
        )
        .await;
    assert_eq!(world.rows("t").await, "a=\"x\" b=1 v=\"3\"\na=\"x\" b=2 v=\"2\"");
}

#[tokio::test]
async fn a_recipe_says_the_key() {
    let world = World::new();
    let source = SourceTable { schema: "shop".into(), table: "t".into() };
    let rules = |key: &str| {
        let rules = super::super::TableRules { layout: None, key: vec![key.into()] };
        super::super::Rules([(source.clone(), rules)].into())
    };
    let settings = ChangeSettings { rules: rules("code"), ..settings() };
    // Also over what the source says.
    let batch =
        "create shop.t id:int64* code:text\nput shop.t id=1 code=\"a\"\nput shop.t id=2 code=\"a\"";
    world.run(settings, &[batch]).await;
    assert_eq!(world.rows("t").await, "id=2 code=\"a\"");
}

#[tokio::test]
async fn a_table_without_a_key_keeps_what_comes() {
    let world = World::new();
    let batch = "put t v=1
                 put t v=1
                 patch t v=2
                 delete t v=1";
    let committed = world.run(settings(), &[batch, batch]).await;
    // The second batch is one of other records.
    assert_eq!((committed.written, committed.dead_lettered), (4, 4));
    world.run(settings(), &[batch]).await;
    assert_eq!(world.rows("t").await.lines().count(), 4, "the same records again add nothing");
    assert!(
        world.letters().await.starts_with("2 no_key t: the table has no key"),
        "{}",
        world.letters().await
    );
}

#[tokio::test]
async fn a_key_without_a_value_is_a_dead_letter() {
    let world = World::new();
    let batches = [
        "create t a:int64* b:int64* v:int64",
        "put t a=1 b=1 v=1
         put t a=1 b=2 v=2",
        "patch t a=1 v=9
         delete t a=1 b=null
         patch t a=1 b=1",
    ];
    let committed = world.run(settings(), &batches).await;
    assert_eq!(committed.dead_lettered, 2);
    assert_eq!(world.rows("t").await, "a=1 b=1 v=1\na=1 b=2 v=2");
    let letters = world.letters().await;
    assert_eq!(
        letters,
        "200 no_key t: the record has no value for the key column b <- patch t a=1 v=9\n\
         201 no_key t: the record has no value for the key column b <- delete t a=1 b=null"
    );
}

#[tokio::test]
async fn records_may_tell_the_key_themselves() {
    let world = World::new();
    world.run(universal(), &["item music id=1 v=1\nitem music id=2\ndelete music id=1"]).await;
    world.run(universal(), &["item music id=3 v=[1]"]).await;
    let expected = r#"pk="{\"id\":2}" data="{}" aux="{}"
pk="{\"id\":3}" data="{\"v\":[1]}" aux="{}""#;
    assert_eq!(world.rows("music").await, expected);
}

#[tokio::test]
async fn the_bookkeeping_of_dms_is_kept_too() {
    let world = World::new();
    let batch = "create awsdms_status server_name:text task_name:text task_status:text
                 put awsdms_status server_name=\"s\" task_name=\"t\" task_status=\"RUNNING\"
                 patch awsdms_status server_name=\"s\" task_name=\"t\" task_status=\"DONE\"
                 put awsdms_apply_exceptions TASK_NAME=\"t\" ERROR=\"x\"";
    let committed = world.run(settings(), &[batch]).await;
    assert_eq!(committed.dead_lettered, 0, "{}", world.letters().await);
    assert_eq!(
        world.rows("awsdms_status").await,
        "server_name=\"s\" task_name=\"t\" task_status=\"DONE\""
    );
    assert_eq!(world.rows("awsdms_apply_exceptions").await.lines().count(), 1);
}
