//! Rows that come, change and go.

use super::*;

async fn check(settings: ChangeSettings, batches: &[&str], table: &str, expected: &str) {
    let world = World::new();
    world.run(settings, batches).await;
    let expected: Vec<_> =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    assert_eq!(world.rows(table).await, expected.join("\n"), "{batches:?}");
    assert_eq!(world.letters().await, "", "{batches:?}");
}

#[tokio::test]
async fn the_last_state_of_each_key_stands() {
    let history = [
        "create shop.orders id:int64* total:numeric(10,2) note:text",
        "put shop.orders id=1 total=2.5 note=\"a\"
         put shop.orders id=2 total=\"3.10\"
         patch shop.orders id=1 total=4
         put shop.orders id=3 note=\"c\"
         delete shop.orders id=2",
        "patch shop.orders id=1 note=null
         put shop.orders id=3 total=7
         patch shop.orders id=4 note=\"new\"",
    ];
    let expected = "id=1 total=4
         id=3 total=7
         id=4 note=\"new\"";
    check(settings(), &history, "orders", expected).await;
    let all = history.join("\n");
    check(settings(), &[&all], "orders", expected).await;
    // And once more.
    let again = [history[0], history[1], history[2], history[1], history[2]];
    check(settings(), &again, "orders", expected).await;
}

#[tokio::test]
async fn rows_of_the_universal_layout_have_three_columns() {
    let history = [
        "create shop.orders id:int64* total:numeric(10,2) note:text",
        "put shop.orders id=1 total=2.50 note=\"a\"
         put shop.orders id=2 total=9007199254740993.125
         put shop.orders id=3 deep={\"a\":{\"b\":null}}",
        "patch shop.orders id=1 note=null
         patch shop.orders id=3 deep={\"c\":1} it\"s=[1]
         patch shop.orders id=4 total=1
         delete shop.orders id=5",
    ];
    let expected = r#"pk="{\"id\":1}" data="{\"total\":2.50,\"note\":null}" aux="{}"
         pk="{\"id\":2}" data="{\"total\":9007199254740993.125}" aux="{}"
         pk="{\"id\":3}" data="{\"deep\":{\"c\":1},\"it\\\"s\":[1]}" aux="{}"
         pk="{\"id\":4}" data="{\"total\":1}" aux="{}""#;
    check(universal(), &history, "orders", expected).await;
    check(universal(), &[&history.join("\n")], "orders", expected).await;
}

#[tokio::test]
async fn a_row_may_get_another_key() {
    let history = [
        "create t id:int64* a:int32 b:int32",
        "put t id=1 a=1 b=1
         put t id=2 a=2 b=2",
        "patch t id=10 a=5 before id=1
         patch t id=20 a=6 b=6 before id=2",
        "patch t id=11 before id=10
         put t id=1 a=0 b=0
         patch t id=2 before id=1",
    ];
    let expected = "id=2 a=0 b=0
         id=11 a=5 b=1
         id=20 a=6 b=6";
    check(settings(), &history, "t", expected).await;
    check(settings(), &[&history.join("\n")], "t", expected).await;
    // The last batch again, as after a crash without transactions.
    check(settings(), &[history[0], history[1], history[2], history[3], history[3]], "t", expected)
        .await;
    let expected = r#"pk="{\"id\":11}" data="{\"a\":5,\"b\":1}" aux="{}"
         pk="{\"id\":20}" data="{\"a\":6,\"b\":6}" aux="{}"
         pk="{\"id\":2}" data="{\"a\":0,\"b\":0}" aux="{}""#;
    check(universal(), &history, "t", expected).await;
}

#[tokio::test]
async fn values_that_do_not_fit_stand_beside_and_leave_again() {
    let history = [
        "create t id:int64* v:int64",
        "put t id=1 v=5
         put t id=2 v=2.5
         put t id=3 v=\"x\"",
        "patch t id=1 v=1.25
         patch t id=2 v=7
         patch t id=3 v=null",
    ];
    check(
        settings(),
        &history,
        "t",
        "id=1 v__double=1.25
         id=2 v=7
         id=3",
    )
    .await;
}

#[tokio::test]
async fn types_are_those_of_the_source() {
    let history = [
        "create t id:int64* n:numeric(38,10) d:numeric(12,2) u:uint64 b:bool y:bytes j:json ts:timestamp day:date",
        "put t id=1 n=12345678901234567890.0123456789 d=\"99.90\" u=18446744073709551615 b=1 y=\"0x00ff\" j={\"a\":1} ts=\"2020-01-01T00:00:00.123456Z\" day=\"2020-01-01\"
         put t id=\"2\" n=\"1.50\" u=7 b=\"f\" y=\"cafe\" j=\"[1]\"",
    ];
    check(
        settings(),
        &history,
        "t",
        r#"id=1 n="12345678901234567890.0123456789" d=99.9 u="18446744073709551615" b=1 y=[0, 255] j="{\"a\":1}" ts="2020-01-01T00:00:00.123456Z" day="2020-01-01"
         id=2 n="1.50" u="7" b=0 y=[202, 254] j="[1]""#,
    )
    .await;
}

#[tokio::test]
async fn what_the_database_refuses_is_a_dead_letter_and_the_rest_goes_on() {
    let world = World::new();
    world
        .execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER NOT NULL CHECK (v < 100))")
        .await;
    let committed = world
        .run(
            settings(),
            &["put t id=1 v=1
                 put t id=2 v=200
                 put t id=3 v=3
                 patch t id=3 v=300
                 put t id=4 v=400
                 patch t id=4 v=4
                 patch t id=5 w=1
                 patch t id=1 w=1
                 delete t id=9"],
        )
        .await;
    assert_eq!((committed.written, committed.dead_lettered), (6, 3));
    assert_eq!(world.rows("t").await, "id=1 v=1 w=1\nid=3 v=3\nid=4 v=4");
    let letters = world.letters().await;
    let lines: Vec<_> =
        letters.lines().map(|line| line.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        ["1 refused t:", "3 refused t:", "6 refused t:"].map(str::to_owned),
        "{letters}"
    );
}
