//! The store over real sockets: on the double, and on the server that `CTK_TEST_CRATEDB_URL` names. What needs faults by script
//! runs on the double alone.

use ctk_db::cratedb::CrateDbConfig;
use ctk_test_support::cratedb::{CrateDb, Options, Target};
use ctk_url::TargetUrl;
use serde_json::{Map, Value as Json, json};

use super::*;
use crate::cdc::{
    cell::Cell,
    store::{
        Op,
        contract::{self, column, int, text},
    },
};

mod alterations;
mod contracts;
mod faults;
mod universal;
mod values;

/// A schema of its own on a server, and a store for it.
struct World {
    target: Target,
    store: CrateStore,
}

impl World {
    async fn new() -> Self {
        Self::on(ctk_test_support::cratedb::target().await)
    }

    async fn with_double() -> Self {
        Self::on(Target::of(CrateDb::start_with(Options::default()).await.unwrap()))
    }

    fn on(target: Target) -> Self {
        let store = CrateStore::new(client(&target), settings(target.schema()));
        Self { target, store }
    }

    fn with(mut self, settings: Settings) -> Self {
        self.store = CrateStore::new(client(&self.target), settings);
        self
    }

    fn settings(&self) -> Settings {
        settings(self.target.schema())
    }

    fn double(&self) -> &CrateDb {
        self.target.double().unwrap()
    }

    fn named(&self, table: &str) -> TargetTable {
        TargetTable { schema: self.target.schema().to_owned(), table: table.to_owned() }
    }

    /// Makes a table `t`, and opens it.
    async fn table(
        &mut self,
        layout: Layout,
        columns: &[(&str, ctk_flow::ColumnKind)],
        key: &[&str],
    ) -> Open<Holding> {
        let columns = columns.iter().map(|(name, kind)| column(name, *kind)).collect();
        let key = key.iter().map(|name| (*name).to_owned()).collect();
        let table = self.named("t");
        let new = NewTable { layout, columns, key };
        assert_eq!(self.store.create(&table, &new).await.unwrap(), None);
        self.open(layout).await
    }

    async fn open(&mut self, layout: Layout) -> Open<Holding> {
        let table = self.named("t");
        let found = self.store.look(&table).await.unwrap().unwrap();
        let names: Vec<&str> = found.key.iter().map(String::as_str).collect();
        contract::open(&mut self.store, &table, layout, &names).await
    }

    /// Does something with rows twice, which must come to the same, and returns what became of them.
    async fn twice(
        &mut self,
        open: &Open<Holding>,
        op: Op,
        names: &[&str],
        rows: Vec<Vec<Cell<'_>>>,
    ) -> Vec<Fate> {
        let first =
            contract::tried(&mut self.store, open, op, names, rows.clone(), Vec::new()).await;
        let again = contract::tried(&mut self.store, open, op, names, rows, Vec::new()).await;
        assert_eq!(first, again);
        first
    }

    /// The same, and all must be written.
    async fn done(
        &mut self,
        open: &Open<Holding>,
        op: Op,
        names: &[&str],
        rows: Vec<Vec<Cell<'_>>>,
    ) {
        let fates = self.twice(open, op, names, rows).await;
        assert!(fates.iter().all(Option::is_none), "{fates:?}");
    }

    async fn moves(
        &mut self,
        open: &Open<Holding>,
        names: &[&str],
        rows: Vec<Vec<Cell<'_>>>,
        from: Vec<Vec<Cell<'_>>>,
    ) {
        for _ in 0..2 {
            let (rows, from) = (rows.clone(), from.clone());
            let fates = contract::tried(&mut self.store, open, Op::Move, names, rows, from).await;
            assert!(fates.iter().all(Option::is_none), "{fates:?}");
        }
    }

    /// Runs a statement.
    async fn sql(&self, statement: &str) -> Json {
        let answer = self.target.sql(statement, &[]).await;
        assert!(answer.get("error").is_none(), "{statement}: {answer}");
        answer
    }

    /// Returns the rows of the table `t` in the order of their texts.
    async fn rows(&self) -> Json {
        Json::Array(rows(&self.target, &self.named("t")).await)
    }

    /// Returns the columns of the table `t`, and the keys in them, as `name type`.
    async fn columns(&self) -> Vec<String> {
        let sql = "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = 't'";
        let answer = self.target.sql(sql, &[self.target.schema().into()]).await;
        let shown =
            |row: &Json| format!("{} {}", row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let mut columns: Vec<_> = answer["rows"].as_array().unwrap().iter().map(shown).collect();
        columns.sort();
        columns
    }

    async fn end(self) {
        self.target.clean().await;
    }
}

fn client(target: &Target) -> Client {
    let url = TargetUrl::parse(&target.url("")).unwrap();
    Client::new(&CrateDbConfig::take(&url, &mut url.options.clone()).unwrap()).unwrap()
}

fn settings(schema: &str) -> Settings {
    Settings {
        stream: "stream".into(),
        namespace: "namespace".into(),
        letters_schema: schema.into(),
        checkpoint_schema: schema.into(),
        shards: None,
        replicas: Some("0".into()),
        batch_rows: 1000,
        batch_bytes: 8 << 20,
        connections: 4,
    }
}

/// Returns the rows of a table as objects without NULLs.
async fn rows(target: &Target, table: &TargetTable) -> Vec<Json> {
    target.sql(&format!("REFRESH TABLE {}", quoted(table)), &[]).await;
    let answer = target.sql(&format!("SELECT * FROM {}", quoted(table)), &[]).await;
    assert!(answer.get("error").is_none(), "{table:?}: {answer}");
    let names: Vec<&str> =
        answer["cols"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let object = |row: &Json| {
        let cells = names.iter().zip(row.as_array().unwrap());
        let cells = cells.filter(|(_, value)| !value.is_null());
        Json::Object(
            cells.map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<Map<_, _>>(),
        )
    };
    let mut rows: Vec<_> = answer["rows"].as_array().unwrap().iter().map(object).collect();
    rows.sort_by_key(Json::to_string);
    rows
}

#[expect(clippy::needless_pass_by_value, reason = "values are written in their place")]
fn object(value: Json) -> Cell<'static> {
    Cell::Json(value.to_string())
}

#[test]
fn names_of_tables_are_fitted() {
    let check = |name: &str, expected: &str| {
        let fitted = fit_name(name.to_owned());
        match expected.strip_suffix('*') {
            Some(start) => {
                assert!(fitted.starts_with(&format!("{start}__")), "{fitted}");
                assert_eq!(fitted.len(), start.len() + 10, "{fitted}");
            }
            None => assert_eq!(fitted, expected),
        }
    };
    check("orders", "orders");
    check("Order Lines", "Order_Lines*");
    check("Größe'\u{1}", "Größe'_*");
    check("a.b", "a_b*");
    check("_x", "x*");
    check(".x", "x*");
    check("", "t*");
    check("sys", "sys*");
    check("a_b__0123abcd", "a_b__0123abcd*");
    let long = fit_name("ü".repeat(300));
    assert!(long.len() <= 220, "{}", long.len());
    assert_ne!(fit_name("ü".repeat(300)), fit_name("ü".repeat(301)));
}
