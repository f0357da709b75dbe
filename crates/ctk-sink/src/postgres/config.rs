//! What an address says of PostgreSQL as a target: `postgresql://…/database?table=[schema.]name`.

use ctk_db::postgres::PgConfig;
use ctk_url::{OptionError, OptionSpec, TargetUrl};

use crate::config::{self, TableConfig};

const SCHEMA: OptionSpec =
    OptionSpec::new(&["schema"], "`public`", "schema of the table, where `table` names none");
const CONNECTIONS: OptionSpec = OptionSpec::new(
    &["connections"],
    "2",
    "connections that write at the same time, each a transaction of its own",
);

/// The options that only PostgreSQL has, in the order of the documentation.
pub const OPTIONS: &[&OptionSpec] = &[&SCHEMA, &CONNECTIONS];

/// An address, checked.
#[derive(Clone, Debug)]
pub struct PostgresAddress {
    /// How to connect.
    pub connection: PgConfig,
    /// What all sinks share; its table is the name alone.
    pub table: TableConfig,
    /// The schema, where one is named.
    pub schema: Option<String>,
    /// Connections that write.
    pub connections: usize,
}

impl PostgresAddress {
    /// Takes an address apart, all of whose options must be known.
    pub fn from_url(url: &TargetUrl) -> Result<Self, OptionError> {
        let mut options = url.options.clone();
        let connection = PgConfig::take(url, &mut options)?;
        let mut table = TableConfig::take(&mut options)?;
        let mut schema = options.take(&SCHEMA)?.filter(|schema| !schema.is_empty());
        if let Some((before, name)) = table.table.as_deref().and_then(split) {
            if schema.as_ref().is_some_and(|schema| *schema != before) {
                return Err(OptionError::Invalid {
                    name: "schema",
                    expected: format!("`{before}`, as `table` has it, or nothing"),
                });
            }
            (schema, table.table) = (Some(before), Some(name));
        }
        let connections = options.take_integer(&CONNECTIONS, 1..=64_u32)?.unwrap_or(2) as usize;
        let known: Vec<_> = [ctk_db::postgres::OPTIONS, OPTIONS, config::OPTIONS]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        options.finish(&known)?;
        Ok(Self { connection, table, schema, connections })
    }
}

/// Returns the schema and the name of `schema.name`; a quoted part, as `"my.table"`, may hold a dot.
pub fn split(table: &str) -> Option<(String, String)> {
    let mut is_quoted = false;
    let dot = table.char_indices().find_map(|(at, c)| {
        is_quoted ^= c == '"';
        (c == '.' && !is_quoted).then_some(at)
    })?;
    let (schema, name) = table.split_at_checked(dot)?;
    Some((unquoted(schema), unquoted(name.strip_prefix('.')?)))
}

/// Returns a name without its quotes, if it has any.
pub fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<PostgresAddress, OptionError> {
        PostgresAddress::from_url(&TargetUrl::parse(text).unwrap())
    }

    #[test]
    fn the_table_may_name_its_schema() {
        let check = |options: &str, schema: Option<&str>, table: Option<&str>| {
            let address = address(&format!("postgresql://localhost/db{options}")).unwrap();
            assert_eq!(
                (address.schema.as_deref(), address.table.table.as_deref()),
                (schema, table),
                "{options}"
            );
        };
        check("", None, None);
        check("?table=t", None, Some("t"));
        check("?table=s.t", Some("s"), Some("t"));
        check("?table=s.t&schema=s", Some("s"), Some("t"));
        check("?schema=My%20Schema&table=a", Some("My Schema"), Some("a"));
        check("?table=%22a.b%22.%22c.%22%22d%22", Some("a.b"), Some("c.\"d"));
        assert!(address("postgresql://localhost/db?table=s.t&schema=r").is_err());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for option in ["shards=1", "connections=0", "connections=65", "tabel=x"] {
            assert!(address(&format!("postgresql://localhost/db?{option}")).is_err(), "{option}");
        }
        let address =
            address("postgresql://localhost/db?connections=5&batch_rows=7&sslmode=disable")
                .unwrap();
        assert_eq!((address.connections, address.table.batch_rows), (5, 7));
    }
}
