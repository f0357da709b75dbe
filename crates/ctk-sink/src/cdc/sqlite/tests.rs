//! The store of SQLite: what every store must do.

use serde_json::{Map, Value as Json};
use sqlx::{Column as _, Row as _, TypeInfo as _, ValueRef as _, sqlite::SqliteRow};

use super::*;
use crate::cdc::store::contract::{self, Probe};

impl Probe for SqliteStore<'_> {
    const HAS_UNIQUE: bool = true;

    fn letters(&self) -> TargetTable {
        TargetTable { schema: String::new(), table: LETTERS.into() }
    }

    async fn rows(&mut self, table: &TargetTable) -> Vec<Json> {
        let sql = format!("SELECT * FROM {}", quote(&table.table));
        let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *self.connection).await.unwrap();
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
    keys_have_several_columns
    refused_rows_are_found_among_many
    unique_values_are_handed_over
    objects_are_written
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
}
