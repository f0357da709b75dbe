//! Change data before the run: which tables it goes to is told by its records, so there is less to look at.

use ctk_decode::{ChangeLayout, Recipe};
use ctk_flow::SourceTable;
use ctk_kinesis::{Format, KinesisConfig};
use ctk_sink::{
    cdc::{ChangeSettings, Layout, Rules, TableRules},
    config::TableConfig,
    dead_letters::DeadLetters,
};

use crate::{exit::CommandError, registry::Kind};

/// What is wanted of change data.
#[derive(Clone, Debug)]
pub(super) struct Changes {
    /// The schema that all tables go to.
    pub(super) schema: Option<String>,
    /// The table that the first table of the source goes to.
    table: Option<String>,
    layout: Layout,
    rules: Rules,
    /// What tables are known by: the namespace of the positions, also where none are kept.
    pub(super) namespace: String,
}

impl Changes {
    /// Checks what the user typed against what change data needs.
    pub(super) fn new(
        kind: &Kind,
        (schema, table): (Option<String>, Option<String>),
        source: &KinesisConfig,
        recipe: &Recipe,
    ) -> Result<Self, CommandError> {
        if !kind.has_tables() {
            return Err(CommandError::usage("change data goes into databases only").hint(
                "crate://HOST/SCHEMA, postgresql://HOST/DATABASE, or sqlite:FILE".to_owned(),
            ));
        }
        let is_dms = source.decode.format == Format::Dms;
        let (schema, table) = (schema.or_else(|| kind.schema()), table.or_else(|| kind.table()));
        if is_dms && let Some(table) = &table {
            return Err(CommandError::usage(format!(
                "the target names the table {table}, but the tables are those of the records"
            ))
            .hint("leave the table out: the address names the database, and the schema if all tables are to go to one".to_owned()));
        }
        let mut rules = Rules::default();
        for (container, table, wanted) in recipe.tables() {
            if !is_dms && (wanted.layout == Some(ChangeLayout::Direct) || !wanted.key.is_empty()) {
                return Err(CommandError::usage(format!(
                    "the recipe gives {container}.{table} a layout or a key; those of DynamoDB's tables are fixed"
                ))
                .hint("leave `mapping_strategy: direct` and `pk` out of the recipe".to_owned()));
            }
            let layout = wanted.layout.map(|layout| match layout {
                ChangeLayout::Direct => Layout::Direct,
                ChangeLayout::Universal => Layout::Universal,
            });
            rules.0.insert(
                SourceTable { schema: container.to_owned(), table: table.to_owned() },
                TableRules { layout, key: wanted.key.clone() },
            );
        }
        Ok(Self {
            schema,
            table,
            layout: if is_dms { Layout::Direct } else { Layout::Universal },
            rules,
            namespace: source.checkpoint.name.clone(),
        })
    }

    /// Returns the schema of the table of dead letters.
    pub(super) fn letters_schema(&self, default: &str) -> String {
        self.schema.clone().unwrap_or_else(|| default.to_owned())
    }

    /// Returns where the tables are, in a few words.
    pub(super) fn describe(&self) -> String {
        match (&self.schema, &self.table) {
            (_, Some(table)) => format!("table {table}"),
            (Some(schema), None) => {
                format!("tables of the schema {schema}, named as in the source")
            }
            (None, None) => "tables named as in the source".to_owned(),
        }
    }

    /// Returns what the sink goes by.
    pub(super) fn settings(
        self,
        stream: &str,
        config: &TableConfig,
        dead_letters: DeadLetters,
    ) -> ChangeSettings {
        ChangeSettings {
            stream: stream.to_owned(),
            schema: self.schema,
            table: self.table,
            layout: self.layout,
            rules: self.rules,
            create_table: config.create_table,
            evolve: config.evolve,
            dead_letters,
        }
    }
}
