//! Changes of tables: those of their own, and what CrateDB refuses.

use ctk_flow::ColumnKind;

use super::*;

const BIGINT: ColumnKind = ColumnKind::Integer { bits: 64, signed: true };

impl World {
    /// Changes the table `t`, twice, and returns what came of it.
    async fn alter(&mut self, layout: Layout, alteration: Alteration) -> Fate {
        let table = self.named("t");
        let first = self.store.alter(&table, layout, &alteration).await.unwrap();
        let again = self.store.alter(&table, layout, &alteration).await.unwrap();
        assert_eq!(first, again, "{alteration:?}");
        first
    }
}

fn renamed(from: &str, to: &str) -> Alteration {
    Alteration::RenameColumn { from: from.into(), to: to.into() }
}

#[tokio::test]
async fn tables_are_renamed_emptied_and_dropped() {
    let mut world = World::new().await;
    let open =
        world.table(Layout::Direct, &[("id", BIGINT), ("v", ColumnKind::Text)], &["id"]).await;
    world.done(&open, Op::Put, &["id", "v"], vec![vec![int(1), text("x")]]).await;
    // What was not refreshed is emptied as well.
    assert_eq!(world.alter(Layout::Direct, Alteration::Truncate).await, None);
    assert_eq!(world.rows().await, json!([]));
    world.done(&open, Op::Put, &["id", "v"], vec![vec![int(2), text("y")]]).await;
    let away = TargetTable { schema: "elsewhere".into(), table: "t".into() };
    let refused = world.alter(Layout::Direct, Alteration::Rename(away)).await.unwrap();
    assert!(refused.contains("another schema"), "{refused}");
    let new = world.named("New name".replace(' ', "_").as_str());
    assert_eq!(world.alter(Layout::Direct, Alteration::Rename(new.clone())).await, None);
    assert_eq!(rows(&world.target, &new).await, [json!({ "id": 2, "v": "y" })]);
    let tables = world.store.tables().await.unwrap();
    assert!(tables.contains(&new) && !tables.contains(&world.named("t")));
    assert_eq!(world.store.alter(&new, Layout::Direct, &Alteration::Drop).await.unwrap(), None);
    assert!(world.store.look(&new).await.unwrap().is_none());
    world.end().await;
}

#[tokio::test]
async fn what_crate_db_refuses_is_told_and_changes_nothing() {
    let mut world = World::new().await;
    let columns = [("id", BIGINT), ("v", ColumnKind::Text), ("n", BIGINT)];
    world.table(Layout::Direct, &columns, &["id"]).await;
    let before = world.columns().await;
    let change = |name: &str, kind| Alteration::ChangeColumn(column(name, kind));
    let unique = |names: &[&str]| {
        Alteration::MakeUnique(names.iter().map(|name| (*name).to_owned()).collect())
    };
    for alteration in [
        Alteration::DropColumn("id".into()),
        renamed("v", "n"),
        change("v", BIGINT),
        change("n", ColumnKind::Text),
        unique(&["v"]),
        unique(&["id", "v"]),
    ] {
        let fate = world.alter(Layout::Direct, alteration.clone()).await;
        assert!(fate.is_some_and(|why| !why.is_empty()), "{alteration:?}");
    }
    for alteration in [
        change("n", ColumnKind::Integer { bits: 32, signed: true }),
        change("none", BIGINT),
        unique(&["id"]),
        renamed("none", "other"),
        Alteration::DropColumn("none".into()),
        Alteration::AddColumns(vec![column("v", BIGINT)]),
    ] {
        assert_eq!(world.alter(Layout::Direct, alteration).await, None);
    }
    assert_eq!(world.columns().await, before);
    let table = TargetTable { schema: "sys".into(), table: "t".into() };
    let new = NewTable {
        layout: Layout::Direct,
        columns: vec![column("id", BIGINT)],
        key: vec!["id".into()],
    };
    assert!(world.store.create(&table, &new).await.unwrap().is_some());
    world.end().await;
}

/// Names that CrateDB cannot hold are those of [`Store::NAMING`] everywhere.
#[tokio::test]
async fn names_are_fitted() {
    let mut world = World::new().await;
    let naming = CrateStore::NAMING;
    let fit = |name: &str| (naming.fit)(name.to_owned());
    let columns = [
        ("Id", BIGINT),
        ("_id", ColumnKind::Text),
        ("a.b", ColumnKind::Text),
        ("q\"'", ColumnKind::Text),
    ];
    let open = world.table(Layout::Direct, &columns, &["Id"]).await;
    let names = ["Id".to_owned(), fit("_id"), fit("a.b"), "q\"'".to_owned()];
    assert_eq!(names[1], "payload__id");
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let row = vec![int(1), text("1"), text("2"), text("3")];
    world.done(&open, Op::Put, &names, vec![row.clone()]).await;
    world.done(&open, Op::Patch, &names, vec![row]).await;
    world.moves(&open, &["Id"], vec![vec![int(2)]], vec![vec![int(1)]]).await;
    assert_eq!(
        world.rows().await,
        json!([{ "Id": 2, names[1]: "1", names[2]: "2", names[3]: "3" }])
    );
    assert_eq!(world.alter(Layout::Direct, renamed("a.b", "c[d]")).await, None);
    assert_eq!(world.alter(Layout::Direct, Alteration::DropColumn("_id".into())).await, None);
    let added = column(&fit("e.f"), ColumnKind::Text);
    assert_eq!(world.alter(Layout::Direct, Alteration::AddColumns(vec![added])).await, None);
    assert_eq!(world.rows().await, json!([{ "Id": 2, fit("c[d]"): "2", "q\"'": "3" }]));
    let found = world.store.look(&world.named("t")).await.unwrap().unwrap();
    assert!(found.columns.find("e.f".into()).is_ok());
    world.end().await;
}

/// Columns are added each alone when they cannot be added together.
#[tokio::test]
async fn a_column_that_is_refused_keeps_no_other_away() {
    let mut world = World::with_double().await;
    world
        .sql("CREATE TABLE t (id BIGINT PRIMARY KEY) WITH (\"mapping.total_fields.limit\" = 2)")
        .await;
    let add = vec![column("a", BIGINT), column("b", BIGINT)];
    let fate = world.alter(Layout::Direct, Alteration::AddColumns(add)).await;
    assert!(fate.is_some_and(|why| why.contains("Limit of total columns")));
    assert_eq!(world.columns().await, ["a bigint", "id bigint"]);
}

#[tokio::test]
async fn members_of_data_go_and_get_other_names_with_what_stands_beside() {
    let mut world = World::new().await;
    let open = world.table(Layout::Universal, &[("id", BIGINT)], &["id"]).await;
    let row = |id: i64, data: Json| vec![object(json!({ "id": id })), object(data)];
    world.done(&open, Op::Put, &["pk", "data"], vec![row(1, json!({ "a": 1, "b": "x" }))]).await;
    world.done(&open, Op::Put, &["pk", "data"], vec![row(2, json!({ "a": "y", "b": "z" }))]).await;
    assert_eq!(world.alter(Layout::Universal, renamed("a", "it's")).await, None);
    assert_eq!(world.alter(Layout::Universal, Alteration::DropColumn("b".into())).await, None);
    assert_eq!(
        world.rows().await,
        json!([
            { "pk": { "id": 1 }, "data": { "it's": 1 }, "aux": {} },
            { "pk": { "id": 2 }, "data": { "it's__text": "y" }, "aux": {} },
        ])
    );
    assert_eq!(world.alter(Layout::Universal, Alteration::Truncate).await, None);
    assert_eq!(world.rows().await, json!([]));
    world.end().await;
}
