//! CrateDB under test: a double of its own for each history.

use std::{collections::BTreeMap, time::Duration};

use ctk_checkpoint::MemoryStore;
use ctk_db::{cratedb::Client, quote};
use ctk_sink::{
    cdc::{
        ChangeTarget,
        cratedb::{CrateDbChanges, Settings, start},
    },
    cratedb::config::CrateDbAddress,
    write_then_save::WriteThenSave,
};
use ctk_test_support::cratedb::CrateDb;
use ctk_url::TargetUrl;
use serde_json::Value;

use super::{Place, Raw, sqlite::settings};
use crate::change_model::Source;

pub(crate) struct Crate {
    server: CrateDb,
}

impl Crate {
    pub(crate) async fn new() -> Self {
        Self { server: CrateDb::start().await.unwrap() }
    }
}

impl Place for Crate {
    type Target = ChangeTarget<WriteThenSave<CrateDbChanges, MemoryStore>>;

    async fn open(&self) -> Self::Target {
        let address =
            CrateDbAddress::from_url(&TargetUrl::parse(&self.server.url()).unwrap()).unwrap();
        let client = Client::new(&address.connection).unwrap();
        let store = Settings {
            stream: "demo".into(),
            namespace: "demo".into(),
            letters_schema: "doc".into(),
            checkpoint_schema: "ext".into(),
            shards: address.shards,
            replicas: address.replicas,
            batch_rows: address.table.batch_rows,
            batch_bytes: address.table.batch_bytes,
            connections: address.connections,
        };
        let (sink, knowledge) = start(client, store, settings(), &address.table).await.unwrap();
        let store = MemoryStore::new("demo");
        ChangeTarget::new(WriteThenSave::start(sink, store, Duration::from_secs(5)), knowledge)
    }

    async fn read(&self, _: &Source) -> (Raw, String) {
        (tables(&self.server), letters(&self.server))
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns all tables, those with another name in the target by that of the source.
pub(crate) fn tables(server: &CrateDb) -> Raw {
    let sql = "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns ORDER BY ordinal_position";
    let mut columns: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for row in server.rows(sql) {
        let [schema, table, column, kind] = [0, 1, 2, 3].map(|at| text(&row[at]));
        let is_own = ["ext", "information_schema", "pg_catalog", "sys", "blob"].contains(&&*schema)
            || table == "ctk_dead_letters";
        if !is_own && !column.contains('[') {
            columns.entry((schema, table)).or_default().push((column, kind));
        }
    }
    server.sql("REFRESH TABLE ext.kinesis_tables", &[]);
    let sql = "SELECT source_schema, source_table, definition FROM ext.kinesis_tables";
    let mut sources = BTreeMap::new();
    for row in server.rows(sql) {
        let definition: Value = serde_json::from_str(row[2].as_str().unwrap()).unwrap();
        let target = (text(&definition["schema"]), text(&definition["table"]));
        sources.insert(target, (text(&row[0]), text(&row[1])));
    }
    let mut raw = Raw::new();
    for (target, columns) in columns {
        let name = format!("{}.{}", quote(&target.0), quote(&target.1));
        server.sql(&format!("REFRESH TABLE {name}"), &[]);
        // A NUMERIC would come as a double, and these are not read to the last bit.
        let are_digits =
            |kind: &str| ["numeric", "double", "real"].iter().any(|name| kind.starts_with(name));
        let items = columns.iter().map(|(column, kind)| {
            let cast = if are_digits(kind) { "::TEXT" } else { "" };
            format!("{}{cast}", quote(column))
        });
        let sql = format!("SELECT {} FROM {name}", items.collect::<Vec<_>>().join(", "));
        let names: Vec<_> = columns.into_iter().map(|(column, _)| column).collect();
        let row = |row: Vec<Value>| -> BTreeMap<String, String> {
            let cells = names.iter().cloned().zip(row);
            let set = cells.filter(|(_, value)| !value.is_null());
            set.map(|(name, value)| (name, text(&value))).collect()
        };
        let rows = server.rows(&sql).into_iter().map(row).collect();
        raw.insert(sources.get(&target).cloned().unwrap_or(target), (names, rows));
    }
    raw
}

/// Returns the dead letters, a line each: without what CrateDB does not do, which changes no value.
pub(crate) fn letters(server: &CrateDb) -> String {
    server.sql("REFRESH TABLE doc.ctk_dead_letters", &[]);
    let sql = "SELECT sequence, table_name, reason, error FROM doc.ctk_dead_letters";
    let answer = server.sql(sql, &[]);
    let rows = answer["rows"].as_array().into_iter().flatten().map(|row| {
        let cells = row.as_array().into_iter().flatten().map(text);
        cells.collect::<Vec<_>>().join(" ")
    });
    let is_kept = |line: &String| !line.contains("values that do not fit go beside");
    rows.filter(is_kept).collect::<Vec<_>>().join("\n")
}
