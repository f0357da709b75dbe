//! What was learned of the tables of a source, in a table beside the checkpoints.

use ctk_db::{DbError, quote};
use ctk_flow::SourceTable;
use serde_json::{Value, json};

use super::CrateStore;
use crate::{SinkError, cratedb::table::define};

/// The table.
const TABLE: &str = "kinesis_tables";

impl CrateStore {
    pub(super) async fn read_definitions(&mut self) -> Result<Vec<String>, SinkError> {
        self.make_definitions().await?;
        let failed = || DbError::cratedb(format!("read table {TABLE}"));
        let table = self.definitions_table();
        // Only a read by the whole key would see what was stored last.
        let refresh = format!("REFRESH TABLE {table}");
        self.client.execute(&refresh, &[]).await.map_err(failed())?;
        let sql = format!(
            "SELECT \"definition\" FROM {table} WHERE \"namespace\" = ? \
             ORDER BY \"source_schema\", \"source_table\""
        );
        let found = self.client.execute(&sql, &[json!(self.settings.namespace)]).await;
        let rows = found.map_err(failed())?.rows;
        let text = |row: &Vec<Value>| row.first()?.as_str().map(str::to_owned);
        Ok(rows.iter().filter_map(text).collect())
    }

    pub(super) async fn store_definition(
        &mut self,
        source: &SourceTable,
        definition: Option<&str>,
    ) -> Result<(), SinkError> {
        self.make_definitions().await?;
        let table = self.definitions_table();
        let mut args =
            vec![json!(self.settings.namespace), json!(source.schema), json!(source.table)];
        let sql = if let Some(definition) = definition {
            args.push(json!(definition));
            format!(
                "INSERT INTO {table} (\"namespace\", \"source_schema\", \"source_table\", \"definition\", \"updated_at\") \
                 VALUES (?, ?, ?, ?, CURRENT_TIMESTAMP) \
                 ON CONFLICT (\"namespace\", \"source_schema\", \"source_table\") DO UPDATE SET \
                 \"definition\" = excluded.\"definition\", \"updated_at\" = excluded.\"updated_at\""
            )
        } else {
            format!(
                "DELETE FROM {table} WHERE \"namespace\" = ? AND \"source_schema\" = ? AND \"source_table\" = ?"
            )
        };
        let done = self.client.execute(&sql, &args).await;
        done.map_err(DbError::cratedb(format!("write into table {TABLE}")))?;
        Ok(())
    }

    async fn make_definitions(&mut self) -> Result<(), SinkError> {
        if self.has_definitions {
            return Ok(());
        }
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} (\"namespace\" TEXT, \"source_schema\" TEXT, \"source_table\" TEXT, \
             \"definition\" TEXT INDEX OFF STORAGE WITH (columnstore = false), \
             \"updated_at\" TIMESTAMP WITH TIME ZONE, \
             PRIMARY KEY (\"namespace\", \"source_schema\", \"source_table\"))",
            self.definitions_table()
        );
        let created = define(&self.client, &sql).await;
        created.map_err(DbError::cratedb(format!("create table {TABLE}")))?;
        self.has_definitions = true;
        Ok(())
    }

    fn definitions_table(&self) -> String {
        format!("{}.{}", quote(&self.settings.checkpoint_schema), quote(TABLE))
    }
}
