//! PostgreSQL under test: a database of a server, emptied for each history.

use std::{collections::BTreeMap, sync::Arc};

use ctk_db::quote;
use ctk_sink::{
    Grouped,
    cdc::{
        ChangeTarget,
        postgres::{Places, start},
    },
    postgres::config::PostgresAddress,
};
use ctk_test_support::postgres::Postgres;
use ctk_url::TargetUrl;
use serde_json::from_str;

use super::{
    Place, Raw,
    sqlite::{mixed, settings},
};
use crate::change_model::{Name, Source};

pub(crate) struct PostgreSql {
    server: Arc<Postgres>,
    schema: Option<String>,
}

impl PostgreSql {
    pub(crate) fn new(server: &Arc<Postgres>) -> Self {
        server.sql(
            "SET client_min_messages = error; DROP SCHEMA IF EXISTS shop, \"Back Office\", ext, target CASCADE; \
             DROP TABLE IF EXISTS ctk_dead_letters",
        );
        Self { server: Arc::clone(server), schema: None }
    }

    /// With a schema in the address of the target, and some tables in the universal layout.
    pub(crate) fn in_schema(server: &Arc<Postgres>) -> Self {
        Self { schema: Some("target".to_owned()), ..Self::new(server) }
    }
}

impl Place for PostgreSql {
    type Target = ChangeTarget<Grouped>;

    async fn open(&self) -> Self::Target {
        let mut settings = settings();
        if self.schema.is_some() {
            settings.schema.clone_from(&self.schema);
            settings.rules = mixed();
        }
        let address =
            PostgresAddress::from_url(&TargetUrl::parse(&self.server.url()).unwrap()).unwrap();
        let connection = address.connection.connect_for_writing().await.unwrap();
        let places = Places {
            letters: "public".into(),
            checkpoints: "ext".into(),
            namespace: "demo".into(),
            stream: "demo".into(),
        };
        let (config, table) = (&address.connection, &address.table);
        start(config, connection, settings, table, (places, None)).await.unwrap()
    }

    async fn read(&self, _: &Source) -> (Raw, String) {
        (tables(&self.server), letters(&self.server))
    }
}

/// Returns all tables, those with another name in the target by that of the source.
pub(crate) fn tables(server: &Postgres) -> Raw {
    let columns = "SELECT json_build_array(table_schema, table_name, json_agg(column_name ORDER BY ordinal_position)) \
                   FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'ext') \
                   AND table_schema !~ '^pg_temp' AND table_name <> 'ctk_dead_letters' GROUP BY table_schema, table_name";
    let mut raw = Raw::new();
    let sources = sources(server);
    let (mut names, mut selects) = (Vec::new(), Vec::new());
    for line in server.sql(columns).lines() {
        let (schema, table, columns): (String, String, Vec<String>) = from_str(line).unwrap();
        let texts: Vec<_> = columns.iter().map(|name| format!("{}::text", quote(name))).collect();
        selects.push(format!(
            "SELECT json_build_array({}, ARRAY[{}]::text[])::text FROM {}.{}",
            names.len(),
            texts.join(", "),
            quote(&schema),
            quote(&table)
        ));
        let target = (schema, table);
        names.push(sources.get(&target).cloned().unwrap_or(target));
        raw.insert(names[names.len() - 1].clone(), (columns, Vec::new()));
    }
    if selects.is_empty() {
        return raw;
    }
    let sql = format!("SET TIME ZONE 'UTC'; {}", selects.join(" UNION ALL "));
    for line in server.sql(&sql).lines() {
        let (place, texts): (usize, Vec<Option<String>>) = from_str(line).unwrap();
        let (columns, rows) = raw.get_mut(&names[place]).unwrap();
        let cells = columns.iter().cloned().zip(texts);
        let row: BTreeMap<_, _> = cells.filter_map(|(name, text)| Some((name, text?))).collect();
        rows.push(row);
    }
    raw
}

/// Returns the tables of the source, by where they go.
fn sources(server: &Postgres) -> BTreeMap<Name, Name> {
    let sql = "SELECT json_build_array(definition::json ->> 'schema', definition::json ->> 'table', source_schema, source_table) \
               FROM ext.kinesis_tables";
    let pair = |line: &str| {
        let (schema, table, source_schema, source_table) = from_str(line).unwrap();
        ((schema, table), (source_schema, source_table))
    };
    server.sql(sql).lines().map(pair).collect()
}

/// Returns the dead letters, a line each.
pub(crate) fn letters(server: &Postgres) -> String {
    let sql = "SELECT concat_ws(' ', sequence, table_name, reason, error) FROM ctk_dead_letters";
    server.try_sql(sql).unwrap_or_default()
}
