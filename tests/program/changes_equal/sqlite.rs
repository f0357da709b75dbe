//! SQLite under test: a file.

use std::collections::BTreeMap;

use ctk_db::sqlite::{Mode, open};
use ctk_flow::SourceTable;
use ctk_sink::{
    Grouped,
    cdc::{ChangeSettings, ChangeTarget, Layout, Rules, TableRules, sqlite::start},
    config::TableConfig,
    dead_letters::DeadLetters,
};
use ctk_url::Options;
use sqlx::{
    AssertSqlSafe, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _, sqlite::SqliteRow,
};
use tempfile::TempDir;

use super::{Place, Raw};
use crate::change_model::{Settings, Source, hex};

/// What the tables of the program itself are called.
const OWN: [&str; 3] = ["kinesis_tables", "kinesis_checkpoints", "ctk_dead_letters"];

pub(crate) struct Sqlite {
    folder: TempDir,
    rules: Rules,
}

/// Returns rules by which the tables of one schema have the universal layout. A table does not get a name that has other rules.
pub(crate) fn mixed() -> Rules {
    let rules = TableRules { layout: Some(Layout::Universal), ..TableRules::default() };
    let source = |table: &&str| SourceTable { schema: "shop".into(), table: (*table).into() };
    let tables = Settings::USUAL.tables.iter().map(source);
    Rules(tables.map(|table| (table, rules.clone())).collect())
}

pub(crate) fn settings() -> ChangeSettings {
    ChangeSettings {
        stream: "demo".into(),
        schema: None,
        table: None,
        layout: Layout::Direct,
        rules: Rules::default(),
        create_table: true,
        evolve: true,
        dead_letters: DeadLetters::Table,
    }
}

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self::with(Rules::default())
    }

    pub(crate) fn with(rules: Rules) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), rules }
    }

    async fn connection(&self) -> SqliteConnection {
        open(&self.folder.path().join("demo.db"), Mode::Create).await.unwrap()
    }
}

impl Place for Sqlite {
    type Target = ChangeTarget<Grouped>;

    async fn open(&self) -> Self::Target {
        let config = TableConfig::from_options(Options::default()).unwrap();
        let settings = ChangeSettings { rules: self.rules.clone(), ..settings() };
        start(self.connection().await, settings, &config, ("demo".into(), None)).await.unwrap()
    }

    async fn read(&self, _: &Source) -> (Raw, String) {
        let mut connection = self.connection().await;
        (tables(&mut connection).await, letters(&mut connection).await)
    }
}

/// Returns all tables. SQLite has no schemas: of two tables with one name the second has another one.
pub(crate) async fn tables(connection: &mut SqliteConnection) -> Raw {
    let definitions =
        "SELECT source_schema, source_table, definition ->> 'table' FROM kinesis_tables";
    let definitions: Vec<(String, String, String)> =
        sqlx::query_as(definitions).fetch_all(&mut *connection).await.unwrap();
    let names = "SELECT name FROM sqlite_master WHERE type = 'table'";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *connection).await.unwrap();
    let mut raw = Raw::new();
    for table in names.into_iter().filter(|name| !OWN.contains(&name.as_str())) {
        let columns = "SELECT name FROM pragma_table_info(?)";
        let columns: Vec<String> =
            sqlx::query_scalar(columns).bind(&table).fetch_all(&mut *connection).await.unwrap();
        let sql = format!("SELECT * FROM {}", ctk_db::quote(&table));
        let found = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.unwrap();
        let row = |row: &SqliteRow| -> BTreeMap<String, String> {
            let cells = columns.iter().enumerate();
            cells.filter_map(|(at, name)| Some((name.clone(), text(row, at)?))).collect()
        };
        let rows = found.iter().map(row).collect();
        let of = definitions.iter().find(|(_, _, target)| *target == table);
        let name = of.map(|(schema, name, _)| (schema.clone(), name.clone()));
        raw.insert(name.unwrap_or_else(|| (String::new(), table)), (columns, rows));
    }
    raw
}

/// Returns a value; none for NULL.
fn text(row: &SqliteRow, at: usize) -> Option<String> {
    let value = row.try_get_raw(at).unwrap();
    Some(match (value.is_null(), value.type_info().name()) {
        (true, _) => return None,
        (_, "INTEGER") => row.get_unchecked::<i64, _>(at).to_string(),
        (_, "REAL") => format!("{:?}", row.get_unchecked::<f64, _>(at)),
        (_, "BLOB") => hex(&row.get_unchecked::<Vec<u8>, _>(at)),
        _ => row.get_unchecked(at),
    })
}

/// Returns the dead letters, a line each.
pub(crate) async fn letters(connection: &mut SqliteConnection) -> String {
    let sql = "SELECT sequence, table_name, reason, error FROM ctk_dead_letters";
    let rows: Vec<(String, String, String, String)> =
        sqlx::query_as(sql).fetch_all(connection).await.unwrap_or_default();
    let line = |(sequence, table, reason, error): &(String, _, String, _)| {
        let table: &String = table;
        let error: &String = error;
        format!("{sequence} {table} {reason}: {error}")
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
