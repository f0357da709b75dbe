//! A recipe: what the user wants of single tables of a change stream (`--transformation FILE`).
//!
//! ```yaml
//! meta:
//!   type: tikray-project
//!   version: 1
//! collections:
//! - address: {container: shop, name: orders}
//!   settings: {mapping_strategy: direct, ignore_ddl: false}
//!   pk:
//!     rules:
//!     - {pointer: /id, type: bigint}
//!   map:
//!     rules:
//!     - {pointer: /details, type: map}
//!   bucket:
//!     names:
//!       rules:
//!       - {old: ts, new: created_at}
//!   treatment:
//!     ignore_field: [secret]
//!     convert_list: [tags]
//!     convert_string: [zip]
//! ```
//!
//! The form is that of tikray's projects, <https://pypi.org/project/tikray/>. What asks for something that is not done is
//! an error that names it and its line, never passed over: expressions (`pre`, `post`, `bucket.values`, `bucket.transon`,
//! unless each rule is `disabled`) and `convert_dict`, `ignore_complex_lists`, `normalize_complex_lists`,
//! `prune_invalid_date` of the treatment. `schema` and `bucket.schema` are accepted and not looked at, since there they are
//! documented as information and change nothing. Treatments apply to the columns of a table, or the attributes of an item,
//! and not to what lies deeper.

mod error;
mod fields;
mod read;
mod settle;
mod yaml;

use std::collections::HashMap;

pub use error::RecipeError;

/// What is wanted of tables. The default wants nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// By container (a schema) and table.
    tables: HashMap<String, HashMap<String, TableRules>>,
    /// The schema that all tables go to, when the user wants one: a container may be that one as well.
    target_schema: Option<String>,
}

/// What is wanted of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableRules {
    /// How its rows are laid out; `None` leaves that to the kind of stream.
    pub layout: Option<ChangeLayout>,
    /// Changes of the table itself are left out.
    pub ignore_ddl: bool,
    /// The columns of its key. All columns are named as the source names them.
    pub key: Vec<String>,
    /// Columns whose texts are JSON.
    pub json: Vec<String>,
    /// Columns that get another name: the old and the new one.
    pub renamed: Vec<(String, String)>,
    /// Members that are left out.
    pub ignored: Vec<String>,
    /// Members that become lists, if they are none.
    pub to_list: Vec<String>,
    /// Members that become text.
    pub to_text: Vec<String>,
}

/// How the rows of a table are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChangeLayout {
    /// A column for each column of the source.
    #[default]
    Direct,
    /// The columns `pk`, `data` and `aux`, each an object.
    Universal,
}

impl Recipe {
    /// Reads a recipe from YAML. Strict: whatever is not known, or contradicts itself, is an error.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        let root = yaml::parse(text)?;
        Ok(Self { tables: read::tables(&root)?, target_schema: None })
    }

    /// Returns what is wanted of a table of the source; `None` where the recipe does not name it.
    pub fn rules(&self, schema: &str, table: &str) -> Option<&TableRules> {
        let of = |schema: &str| self.tables.get(schema).and_then(|tables| tables.get(table));
        of(schema).or_else(|| self.target_schema.as_deref().and_then(of))
    }

    /// Returns all tables that it names: container, table, and what is wanted.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &str, &TableRules)> {
        self.tables.iter().flat_map(|(schema, tables)| {
            tables.iter().map(move |(table, rules)| (schema.as_str(), table.as_str(), rules))
        })
    }

    /// Takes containers for the schema of the target, too.
    pub fn with_target_schema(self, target_schema: Option<String>) -> Self {
        Self { target_schema, ..self }
    }

    /// Returns a recipe of one table.
    #[cfg(test)]
    pub(crate) fn of(schema: &str, table: &str, rules: TableRules) -> Self {
        let tables = HashMap::from([(table.to_owned(), rules)]);
        Self { tables: HashMap::from([(schema.to_owned(), tables)]), target_schema: None }
    }
}

#[cfg(test)]
mod tests;
