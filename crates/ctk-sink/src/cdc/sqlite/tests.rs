//! The store of SQLite: what every store must do.

use serde_json::{Map, Value as Json};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use super::*;
use crate::cdc::store::{
    Op,
    contract::{self, Probe},
};

impl Probe for SqliteStore<'_> {
    const HAS_UNIQUE: bool = true;
    const CHANGES_SCHEMAS: bool = false;

    fn letters(&self) -> TargetTable {
        TargetTable { schema: String::new(), table: LETTERS.into() }
    }

    async fn rows(&mut self, table: &TargetTable) -> Vec<Json> {
        let sql = format!("SELECT * FROM {}", quote(&table.table));
        // One that is kept would not see that columns have changed.
        let rows =
            sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *self.connection).await.unwrap();
        let object = |row: &SqliteRow| {
            let members = row.columns().iter().filter_map(|column| {
                let (name, at) = (column.name(), column.ordinal());
                let value = row.try_get_raw(at).unwrap();
                let json = match (value.is_null(), value.type_info().name()) {
                    (true, _) => return None,
                    (_, "INTEGER") => row.get_unchecked::<i64, _>(at).into(),
                    (_, "REAL") => row.get_unchecked::<f64, _>(at).into(),
                    (_, "BLOB") => format!("{:?}", row.get_unchecked::<Vec<u8>, _>(at)).into(),
                    _ => {
                        let text: String = row.get_unchecked(at);
                        if [PK, DATA, AUX].contains(&name) {
                            serde_json::from_str(&text).unwrap()
                        } else {
                            text.into()
                        }
                    }
                };
                Some((name.to_owned(), json))
            });
            Json::Object(members.collect::<Map<_, _>>())
        };
        rows.iter().map(object).collect()
    }
}

macro_rules! contract {
    ($($test:ident)*) => {$(
        #[tokio::test]
        async fn $test() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.db");
            let mut connection = sqlite::open(&path, sqlite::Mode::Create).await.unwrap();
            let mut store =
                SqliteStore { connection: &mut connection, stream: "stream", namespace: "run" };
            contract::$test(&mut store).await;
        }
    )*};
}

contract! {
    rows_are_put
    rows_are_patched
    rows_are_deleted
    rows_are_moved
    rows_are_found
    keys_have_several_columns
    refused_rows_are_found_among_many
    unique_values_are_handed_over
    objects_are_written
    objects_are_moved
    objects_are_found
    objects_have_keys_of_several_members
    members_are_altered
    tables_are_made
    columns_of_all_kinds_are_made
    names_are_kept
    letters_are_kept
    definitions_are_stored
    columns_are_altered
    key_columns_stay
    types_are_changed
    tables_are_altered
    columns_are_made_unique
    keys_are_told_late
}

#[tokio::test]
async fn thousands_of_rows_go_in_few_statements() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut connection = sqlite::open(&path, sqlite::Mode::Create).await.unwrap();
    let mut store = SqliteStore { connection: &mut connection, stream: "stream", namespace: "run" };
    let made = contract::make(&mut store, "many", Layout::Direct, &["id"], &["a", "b", "c"]).await;
    let open = contract::open(&mut store, &made, Layout::Direct, &["id"]).await;
    for (op, count) in [
        (Op::Put, 10_000),
        (Op::Put, 10_000),
        (Op::Patch, 10_000),
        (Op::Patch, 1),
        (Op::Put, 9_999),
    ] {
        let rows = (0..count).map(|id| {
            vec![
                contract::int(id),
                contract::text("first"),
                contract::text("second"),
                contract::text("third"),
            ]
        });
        let rows = rows.collect();
        let start = tokio::time::Instant::now();
        crate::sqlite::run(store.connection, "BEGIN").await.unwrap();
        contract::done(&mut store, &open, op, &["id", "a", "b", "c"], rows).await;
        crate::sqlite::run(store.connection, "COMMIT").await.unwrap();
        println!("{op:?} of {count}: {:?}", start.elapsed());
    }
    let rows = (0..10_000).map(|id| vec![contract::int(id)]).collect();
    let start = tokio::time::Instant::now();
    crate::sqlite::run(store.connection, "BEGIN").await.unwrap();
    contract::done(&mut store, &open, Op::Delete, &["id"], rows).await;
    crate::sqlite::run(store.connection, "COMMIT").await.unwrap();
    println!("Delete: {:?}", start.elapsed());
    assert_eq!(store.rows(&made).await.len(), 0);
}

#[test]
fn statements_have_few_sizes() {
    let check = |rows, width, sizes: &[usize]| {
        let parts = rows::parts(rows, width);
        assert_eq!(parts.iter().map(ExactSizeIterator::len).collect::<Vec<_>>(), sizes);
        for (part, next) in parts.iter().zip(parts.iter().skip(1)) {
            assert_eq!(part.end, next.start);
        }
    };
    check(1, 5, &[1]);
    check(1000, 5, &[500, 500]);
    check(1450, 5, &[500, 500, 256, 128, 64, 2]);
    check(40, 2000, &[16, 16, 8]);
    check(3, 40_000, &[1, 1, 1]);
    check(0, 5, &[]);
}

/// The index of a table that got another name keeps its own, and so does that of a column.
#[tokio::test]
async fn indexes_do_not_meet_when_names_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let mut connection = sqlite::open(&path, sqlite::Mode::Create).await.unwrap();
    let mut store = SqliteStore { connection: &mut connection, stream: "stream", namespace: "run" };
    let unique = || Alteration::MakeUnique(vec!["a".into()]);
    for name in ["b", "c", "d"] {
        let made = contract::make(&mut store, "t", Layout::Direct, &["id"], &["a"]).await;
        contract::altered(&mut store, &made, Layout::Direct, unique()).await;
        let rename = Alteration::RenameColumn { from: "a".into(), to: "b".into() };
        contract::altered(&mut store, &made, Layout::Direct, rename).await;
        let add = Alteration::AddColumns(vec![contract::column("a", ColumnKind::Text)]);
        contract::altered(&mut store, &made, Layout::Direct, add).await;
        contract::altered(&mut store, &made, Layout::Direct, unique()).await;
        let rename = Alteration::Rename(contract::named(&store, name));
        contract::altered(&mut store, &made, Layout::Direct, rename).await;
    }
    let sql =
        "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name LIKE 'ctk_unique_t_a__%'";
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *store.connection).await.unwrap();
    assert_eq!(count, 6);
}
