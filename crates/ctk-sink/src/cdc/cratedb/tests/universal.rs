//! Rows as objects: members that are changed one by one, and values that their keys do not hold.

use ctk_flow::ColumnKind;

use super::*;

const BIGINT: ColumnKind = ColumnKind::Integer { bits: 64, signed: true };
const NAMES: [&str; 2] = ["pk", "data"];

fn row(id: i64, data: Json) -> Vec<Cell<'static>> {
    vec![object(json!({ "id": id })), object(data)]
}

impl World {
    async fn universal(&mut self) -> Open<Holding> {
        self.table(Layout::Universal, &[("id", BIGINT)], &["id"]).await
    }

    /// Returns the `data` of all rows by their key.
    async fn data(&self) -> Vec<String> {
        let rows = self.rows().await;
        let mut all: Vec<_> = rows
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{} {}", row["pk"]["id"], row["data"]))
            .collect();
        all.sort();
        all
    }
}

#[tokio::test]
async fn members_are_changed_one_by_one() {
    let mut world = World::new().await;
    let open = world.universal().await;
    let rows = vec![row(1, json!({ "a": 1, "b": "x" })), row(2, json!({ "a": 2 }))];
    world.done(&open, Op::Patch, &NAMES, rows).await;
    let rows = vec![
        row(1, json!({ "b": "y", "new": { "k": [1, 2] } })),
        row(2, json!({ "a": null, "never": null })),
        row(3, json!({})),
    ];
    world.done(&open, Op::Patch, &NAMES, rows).await;
    assert_eq!(
        world.data().await,
        [r#"1 {"a":1,"b":"y","new":{"k":[1,2]}}"#, r#"2 {"a":null}"#, "3 {}",]
    );
    // A put replaces all of it.
    world.done(&open, Op::Put, &NAMES, vec![row(1, json!({ "b": "z" }))]).await;
    world.done(&open, Op::Put, &["pk"], vec![vec![object(json!({ "id": 3 }))]]).await;
    world.done(&open, Op::Delete, &["pk"], vec![vec![object(json!({ "id": 2 }))]]).await;
    assert_eq!(world.data().await, [r#"1 {"b":"z"}"#, "3 {}"]);
    world.end().await;
}

#[tokio::test]
async fn a_value_that_its_key_does_not_hold_goes_beside_and_comes_back() {
    let mut world = World::new().await;
    let open = world.universal().await;
    let big = "18446744073709551616";
    let put = |id: i64, json: &str| vec![object(json!({ "id": id })), Cell::Json(json.to_owned())];
    world
        .done(&open, Op::Put, &NAMES, vec![row(1, json!({ "v": 1, "l": [1], "o": { "k": 1 } }))])
        .await;
    let mixed = r#"{"v": "text", "l": [1, "mixed"], "o": {"k": "other"}}"#;
    let rows = vec![
        put(2, r#"{"v": 1.7}"#),
        put(3, &format!(r#"{{"v": {big}}}"#)),
        put(4, mixed),
        put(5, r#"{"v": 0.12345678901234567890}"#),
        put(6, r#"{"v": 9223372036854775807}"#),
        put(7, r#"{"v": true, "v__bool": "own"}"#),
    ];
    world.done(&open, Op::Put, &NAMES, rows).await;
    assert_eq!(
        world.data().await,
        [
            r#"1 {"l":[1],"o":{"k":1},"v":1}"#.to_owned(),
            r#"2 {"v__double":1.7}"#.to_owned(),
            format!(r#"3 {{"v__text":"{big}"}}"#),
            r#"4 {"l__json":"[1, \"mixed\"]","o":{"k__text":"other"},"v__text":"text"}"#.to_owned(),
            r#"5 {"v__text":"0.12345678901234567890"}"#.to_owned(),
            r#"6 {"v__text":"9223372036854775807"}"#.to_owned(),
            r#"7 {"v__bool":"own","v__bool__bool":true}"#.to_owned(),
        ]
    );
    // What is left of the old value would contradict the new one.
    let rows = vec![put(1, r#"{"v": 1.5}"#), put(2, r#"{"v": 3}"#), put(4, r#"{"l": [2]}"#)];
    world.done(&open, Op::Patch, &NAMES, rows).await;
    let data = world.data().await;
    assert_eq!(
        data[0],
        r#"1 {"l":[1],"o":{"k":1},"v":null,"v__bool":null,"v__bool__bool":null,"v__double":1.5,"v__text":null}"#
    );
    assert_eq!(
        data[1],
        r#"2 {"v":3,"v__bool":null,"v__bool__bool":null,"v__double":null,"v__text":null}"#
    );
    assert_eq!(data[3], r#"4 {"l":[2],"l__json":null,"o":{"k__text":"other"},"v__text":"text"}"#);
    world.end().await;
}

/// The rows that wait decide together about the type of a key, and CrateDB is told before it could decide by itself.
#[tokio::test]
async fn new_keys_have_a_type_that_suits_all() {
    let mut world = World::new().await;
    let open = world.universal().await;
    let rows = vec![
        row(1, json!({ "n": 1, "o": { "m": 1 }, "l": [{ "x": 1 }] })),
        row(2, json!({ "n": 2.5, "o": { "m": 2 }, "l": [{ "y": "2" }, { "x": 3 }] })),
        row(3, json!({ "n": null, "e": [] })),
    ];
    world.done(&open, Op::Patch, &NAMES, rows).await;
    world.done(&open, Op::Patch, &NAMES, vec![row(3, json!({ "l": [{ "z": true }] }))]).await;
    let columns = world.columns().await;
    for column in [
        "data['n'] double precision",
        "data['o']['m'] bigint",
        "data['l']['x'] bigint",
        "data['l']['y'] text",
        "data['l']['z'] boolean",
    ] {
        assert!(
            columns.iter().any(|one| one == column || *one == format!("{column}_array")),
            "{column}: {columns:?}"
        );
    }
    let statements =
        |world: &World| world.target.double().map(|double| double.script().statements());
    if let Some(statements) = statements(&world) {
        let added = statements.iter().filter(|sql| sql.starts_with("ALTER TABLE"));
        assert_eq!(added.count(), 2, "{statements:?}");
    }
    world.end().await;
}

/// Another writer makes the key with another type, after we have looked and before we write.
#[tokio::test]
async fn who_was_faster_decides_about_a_type() {
    for array in [false, true] {
        let mut world = World::with_double().await;
        let open = world.universal().await;
        let schema = world.target.schema();
        let (by, ours) = if array {
            ("{\"l\": [{\"v\": \"text\"}]}", json!({ "l": [{ "v": 1 }] }))
        } else {
            ("{\"v\": \"text\"}", json!({ "v": 1 }))
        };
        let other =
            format!("INSERT INTO \"{schema}\".\"t\" (pk, data) VALUES ('{{\"id\": 9}}', '{by}')");
        // Nobody looks between this and the statement that adds the key: it is refused, and the table read again.
        world.store.look(&world.named("t")).await.unwrap();
        world.double().sql(&other, &[]);
        world.done(&open, Op::Put, &NAMES, vec![row(1, ours)]).await;
        let data = world.data().await;
        assert!(data[0].contains("v__bigint"), "{data:?}");
    }
}

#[tokio::test]
async fn keys_are_fitted_to_their_types() {
    let mut world = World::new().await;
    let columns = [("tenant's", ColumnKind::Text), ("n.x", BIGINT), ("day", ColumnKind::Date)];
    let open = world.table(Layout::Universal, &columns, &["tenant's", "n.x", "day"]).await;
    assert_eq!(open.key_names.len(), 3);
    let key = |tenant: Json, n: Json| {
        object(json!({ "n.x": n, "tenant's": tenant, "day": "2025-01-01" }))
    };
    let rows = vec![
        vec![key(json!("a"), json!(1)), object(json!({ "v": 1 }))],
        vec![key(json!(7), json!("2")), object(json!({ "v": 2 }))],
        vec![key(json!("a"), json!(1.5)), object(json!({ "v": 3 }))],
        vec![key(json!("a"), Json::Null), object(json!({ "v": 4 }))],
        vec![object(json!({ "tenant's": "a" })), object(json!({ "v": 5 }))],
        vec![Cell::NULL, object(json!({ "v": 6 }))],
    ];
    let fates = world.twice(&open, Op::Put, &NAMES, rows).await;
    let refused: Vec<bool> = fates.iter().map(Option::is_some).collect();
    assert_eq!(refused, [false, false, true, true, true, true], "{fates:?}");
    let patch = vec![vec![key(json!("7"), json!(2)), object(json!({ "v": 7 }))]];
    world.done(&open, Op::Patch, &NAMES, patch).await;
    let n = &open.key_names[1];
    assert_eq!(
        world.rows().await,
        json!([
            { "aux": {}, "data": { "v": 1 }, "pk": { "tenant's": "a", n.as_str(): 1, "day": "2025-01-01" } },
            { "aux": {}, "data": { "v": 7 }, "pk": { "tenant's": "7", n.as_str(): 2, "day": "2025-01-01" } },
        ])
    );
    world.end().await;
}

#[tokio::test]
async fn rows_are_moved_with_all_that_they_have() {
    let mut world = World::new().await;
    let open = world.universal().await;
    let names = ["pk", "data", "aux"];
    let aux = || object(json!({ "l": [1, "a", { "k": null }] }));
    let first =
        vec![object(json!({ "id": 1 })), object(json!({ "a": 0.1, "b": { "c": "x" } })), aux()];
    world.done(&open, Op::Put, &names, vec![first]).await;
    let from = vec![vec![object(json!({ "id": 1 }))], vec![object(json!({ "id": 8 }))]];
    let to = vec![row(2, json!({ "a": "text", "d": 1 })), row(9, json!({ "a": 9 }))];
    world.moves(&open, &NAMES, to, from).await;
    assert_eq!(
        world.rows().await,
        json!([
            { "pk": { "id": 2 }, "data": { "a": null, "a__text": "text", "b": { "c": "x" }, "d": 1 }, "aux": { "l": [1, "a", { "k": null }] } },
            { "pk": { "id": 9 }, "data": { "a": 9.0, "a__text": null }, "aux": {} },
        ])
    );
    world.end().await;
}
