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

use super::{Place, Raw, sqlite::settings};
use crate::change_model::Source;

pub(crate) struct PostgreSql {
    server: Arc<Postgres>,
}

impl PostgreSql {
    pub(crate) fn new(server: &Arc<Postgres>) -> Self {
        server.sql(
            "SET client_min_messages = error; DROP SCHEMA IF EXISTS shop, \"Back Office\", ext CASCADE; \
             DROP TABLE IF EXISTS ctk_dead_letters",
        );
        Self { server: Arc::clone(server) }
    }
}

impl Place for PostgreSql {
    type Target = ChangeTarget<Grouped>;

    async fn open(&self) -> Self::Target {
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
        start(config, connection, settings(), table, (places, None)).await.unwrap()
    }

    async fn read(&self, _: &Source) -> (Raw, String) {
        (tables(&self.server), letters(&self.server))
    }
}

/// Returns all tables.
pub(crate) fn tables(server: &Postgres) -> Raw {
    let columns = "SELECT json_build_array(table_schema, table_name, json_agg(column_name ORDER BY ordinal_position)) \
                   FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema', 'ext') \
                   AND table_schema !~ '^pg_temp' AND table_name <> 'ctk_dead_letters' GROUP BY table_schema, table_name";
    let mut raw = Raw::new();
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
        names.push((schema, table));
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

/// Returns the dead letters, a line each.
pub(crate) fn letters(server: &Postgres) -> String {
    let sql = "SELECT concat_ws(' ', sequence, table_name, reason, error) FROM ctk_dead_letters";
    server.try_sql(sql).unwrap_or_default()
}
