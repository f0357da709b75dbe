//! The store on a real server: what every store must do, and what PostgreSQL has of its own.

use ctk_db::postgres::PgConfig;
use ctk_flow::{ColumnKind, Value};
use ctk_test_support::postgres::Postgres;
use ctk_url::TargetUrl;
use serde_json::{Value as Json, json};

use super::*;
use crate::cdc::{
    cell::Cell,
    store::{
        Holds as _, NewColumn, Op,
        contract::{self, Probe, altered, column, done, int, make, open, text, tried},
    },
};

mod alterations;
mod attempts;
mod types;
mod users;

/// A server, and where a run keeps what are no rows.
struct World {
    server: Postgres,
    places: Places,
}

impl World {
    async fn new() -> Self {
        let places = Places {
            letters: "letters".into(),
            checkpoints: "ext \"x\"".into(),
            namespace: "run".into(),
            stream: "stream".into(),
        };
        Self { server: Postgres::start().await.unwrap(), places }
    }

    async fn connect(&self) -> Connection {
        let url = TargetUrl::parse(&self.server.url()).unwrap();
        let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
        let mut connection = config.connect_for_writing().await.unwrap();
        sql(&mut connection, "BEGIN").await;
        connection
    }
}

async fn sql(connection: &mut Connection, sql: &str) {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(connection).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

impl Probe for PgStore<'_> {
    const HAS_UNIQUE: bool = true;
    const CHANGES_SCHEMAS: bool = true;

    fn letters(&self) -> TargetTable {
        TargetTable { schema: self.places.letters.clone(), table: LETTERS.into() }
    }

    async fn rows(&mut self, table: &TargetTable) -> Vec<Json> {
        let members = if table.table.starts_with("u_") {
            "to_jsonb(t)"
        } else {
            "jsonb_strip_nulls(to_jsonb(t))"
        };
        let sql = format!("SELECT ({members})::text FROM {} AS t", quoted(table));
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .persistent(false)
            .fetch_all(&mut *self.connection)
            .await
            .unwrap();
        rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect()
    }
}

/// Puts a new store, each in a new transaction, to tests of all stores.
macro_rules! contract {
    ($($test:ident)*) => {$(
        #[tokio::test]
        async fn $test() {
            let world = World::new().await;
            let mut connection = world.connect().await;
            contract::$test(&mut PgStore::new(&mut connection, &world.places)).await;
            sql(&mut connection, "COMMIT").await;
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
