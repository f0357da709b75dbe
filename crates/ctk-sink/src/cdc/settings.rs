//! What is wanted of a run of change data.

use std::collections::HashMap;

use ctk_flow::SourceTable;

use super::store::Layout;
use crate::dead_letters::DeadLetters;

/// What to write, and where.
#[derive(Debug)]
pub struct ChangeSettings {
    /// The stream, for dead letters.
    pub stream: String,
    /// The schema that all tables go to, in place of those of the source.
    pub schema: Option<String>,
    /// The table that the first table of the source goes to.
    pub table: Option<String>,
    /// How the rows of tables are laid out of which no rule says it.
    pub layout: Layout,
    /// What is wanted of single tables.
    pub rules: Rules,
    /// Whether to create tables that are missing.
    pub create_table: bool,
    /// Whether to add columns.
    pub evolve: bool,
    /// What becomes of records that are no changes, or refused ones.
    pub dead_letters: DeadLetters,
}

/// What is wanted of single tables: by their names in the source, or by the schema that they go to and their name.
#[derive(Clone, Debug, Default)]
pub struct Rules(pub HashMap<SourceTable, TableRules>);

/// What is wanted of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRules {
    /// How its rows are laid out.
    pub layout: Option<Layout>,
    /// Its key, by the names of the source; empty leaves that to the source.
    pub key: Vec<String>,
}

impl ChangeSettings {
    /// Returns what is wanted of a table of the source.
    pub(crate) fn rules(&self, source: &SourceTable) -> TableRules {
        let in_target = || {
            let schema = self.schema.clone()?;
            self.rules.0.get(&SourceTable { schema, table: source.table.clone() })
        };
        self.rules.0.get(source).or_else(in_target).cloned().unwrap_or_default()
    }
}
