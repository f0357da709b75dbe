//! The engine on SQLite, from changes written as text.
//!
//! ```text
//! create shop.orders id:int64* total:numeric(10,2)     * is the key
//! put shop.orders id=1 total=2.5                       values as JSON
//! patch shop.orders id=2 total=3 before id=1
//! delete shop.orders id=2
//! ```

mod edges;
mod keys;
mod rows;
mod tables;
mod waiting;

use ctk_flow::{
    Action, Changes, ColumnDef, Committed, Origin, Parts, Position, Sequence, ShardId, SourceTable,
    TableChange, TableDef, Target, Value,
};
use sqlx::{Column as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _};
use tempfile::TempDir;

use super::{
    definition::kind_of, settings::ChangeSettings, sqlite, store::Layout, target::ChangeTarget,
};
use crate::{Grouped, config::TableConfig, dead_letters::DeadLetters};

struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    async fn connection(&self) -> SqliteConnection {
        let path = self.folder.path().join("a.db");
        ctk_db::sqlite::open(&path, ctk_db::sqlite::Mode::Create).await.unwrap()
    }

    async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&mut self.connection().await).await.unwrap();
    }

    /// Runs over each text as a batch, one after the other, and returns what became of them.
    async fn run(&self, settings: ChangeSettings, batches: &[&str]) -> Committed {
        let target = self.target(settings).await;
        let mut all = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            all.push(commit(&target, "shard", number, batch).await);
        }
        target.close().await.unwrap();
        all.into_iter().sum()
    }

    async fn target(&self, settings: ChangeSettings) -> ChangeTarget<Grouped> {
        let config = TableConfig::from_options(ctk_url::Options::default()).unwrap();
        let namespace = ("stream".to_owned(), None);
        sqlite::start(self.connection().await, settings, &config, namespace).await.unwrap()
    }

    /// Returns the rows of a table, a line each: the columns that are not NULL, by the order of the key.
    async fn rows(&self, table: &str) -> String {
        let sql = format!("SELECT * FROM {} ORDER BY 1, rowid", ctk_db::quote(table));
        let mut connection = self.connection().await;
        let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_all(&mut connection).await;
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let cells = row.columns().iter().filter_map(|column| {
                let value = row.try_get_raw(column.ordinal()).unwrap();
                let text = match (value.is_null(), value.type_info().name()) {
                    (true, _) => return None,
                    (_, "INTEGER") => row.get_unchecked::<i64, _>(column.ordinal()).to_string(),
                    (_, "REAL") => row.get_unchecked::<f64, _>(column.ordinal()).to_string(),
                    (_, "BLOB") => {
                        format!("{:?}", row.get_unchecked::<Vec<u8>, _>(column.ordinal()))
                    }
                    _ => format!("{:?}", row.get_unchecked::<String, _>(column.ordinal())),
                };
                Some(format!("{}={text}", column.name()))
            });
            cells.collect::<Vec<_>>().join(" ")
        };
        match rows {
            Ok(rows) => rows.iter().map(line).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        }
    }

    /// Returns the dead letters, a line each.
    async fn letters(&self) -> String {
        let sql = "SELECT sequence, reason, table_name, error, payload FROM ctk_dead_letters ORDER BY length(sequence), sequence";
        let rows: Vec<(String, String, String, String, Vec<u8>)> =
            sqlx::query_as(sql).fetch_all(&mut self.connection().await).await.unwrap_or_default();
        let line =
            |(sequence, reason, table, error, payload): (String, _, String, String, Vec<u8>)| {
                let payload = String::from_utf8(payload).unwrap();
                let reason: String = reason;
                format!("{sequence} {reason} {table}: {error} <- {payload}")
            };
        rows.into_iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn settings() -> ChangeSettings {
    ChangeSettings {
        stream: "stream".into(),
        schema: None,
        table: None,
        layout: Layout::Direct,
        rules: super::Rules::default(),
        create_table: true,
        evolve: true,
        dead_letters: DeadLetters::Table,
    }
}

fn universal() -> ChangeSettings {
    ChangeSettings { layout: Layout::Universal, ..settings() }
}

/// Hands in one batch of a shard; the records of batch 2 have the sequence numbers 200, 201, …
async fn commit(
    target: &ChangeTarget<Grouped>,
    shard: &str,
    number: usize,
    batch: &str,
) -> Committed {
    let shard = ShardId::new(shard);
    let changes = changes(&shard, number, batch);
    let (units, letters) = (changes.units(), changes.dead_letters().len());
    let upto = Position::new(shard);
    let committed = target.commit(changes, upto).await.unwrap();
    assert_eq!(committed.written + committed.dead_lettered, units, "{letters} {batch}");
    committed
}

pub(super) fn changes(shard: &ShardId, number: usize, batch: &str) -> Changes {
    let mut changes = Changes::new(shard.clone(), 10, 100);
    let lines = batch.lines().map(str::trim).filter(|line| !line.is_empty());
    for (index, line) in lines.enumerate() {
        let sequence = Sequence::new((number * 100 + index).to_string());
        changes.push_origin(Origin { sequence, partition_key: None, arrived_at: None });
        changes.unit();
        add(&mut changes, line);
    }
    changes
}

fn add(changes: &mut Changes, line: &str) {
    let mut words = line.split(' ');
    let (verb, table) = (words.next().unwrap(), words.next().unwrap());
    let (schema, name) = table.split_once('.').unwrap_or(("", table));
    let table = changes.table(schema, name);
    let rest: Vec<&str> = words.collect();
    let mut parts = Parts::default();
    let cell = |changes: &mut Changes, word: &str| {
        let (name, json) = word.split_once('=').unwrap();
        let column = changes.column(name);
        let text: String;
        let value = match json.as_bytes()[0] {
            b'n' => Value::Null,
            b't' | b'f' => Value::Bool(json == "true"),
            b'"' => {
                text = serde_json::from_str(json).unwrap();
                Value::Text(&text)
            }
            b'{' | b'[' => Value::Json(json),
            _ => super::adapt::number(json).unwrap(),
        };
        changes.cell(column, value);
    };
    let action = match verb {
        "put" | "delete" | "patch" | "item" => {
            let before = rest.iter().position(|word| *word == "before").unwrap_or(rest.len());
            for word in rest.iter().skip(before + 1) {
                cell(changes, word);
                parts.before += 1;
            }
            rest[..before].iter().for_each(|word| cell(changes, word));
            if verb == "item" {
                parts.key = 1;
            }
            match verb {
                "put" | "item" => Action::Put,
                "patch" => Action::Patch,
                _ => Action::Delete,
            }
        }
        _ => Action::Table(table_change(verb, &rest)),
    };
    changes.end_change(0, table, action, parts, line.as_bytes());
}

fn column(word: &str) -> ColumnDef {
    let (name, kind) = word.trim_end_matches('*').split_once(':').unwrap();
    ColumnDef { name: name.into(), kind: kind_of(kind) }
}

fn table_change(verb: &str, rest: &[&str]) -> TableChange {
    let def = || TableDef {
        columns: rest.iter().map(|word| column(word)).collect(),
        key: rest.iter().filter(|word| word.ends_with('*')).map(|word| column(word).name).collect(),
    };
    match verb {
        "create" => TableChange::Create(def()),
        "become" => TableChange::Become(def()),
        "drop" => TableChange::Drop,
        "truncate" => TableChange::Truncate,
        "rename" => {
            let (schema, table) = rest[0].split_once('.').unwrap_or(("", rest[0]));
            TableChange::Rename(SourceTable { schema: schema.into(), table: table.into() })
        }
        "add" => TableChange::AddColumn(column(rest[0])),
        "remove" => TableChange::DropColumn(rest[0].into()),
        "call" => TableChange::RenameColumn { from: rest[0].into(), to: rest[1].into() },
        "change" => TableChange::ChangeColumn(column(rest[0])),
        verb => panic!("{verb}"),
    }
}
