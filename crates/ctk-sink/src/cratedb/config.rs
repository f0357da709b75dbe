//! The options of a CrateDB address: those of the connection, of all tables, and its own.

use ctk_db::cratedb::CrateDbConfig;
use ctk_url::{OptionError, OptionSpec, TargetUrl};

use crate::config::{self, TableConfig};

const SCHEMA: OptionSpec =
    OptionSpec::new(&["schema"], "`doc`", "schema of the table, instead of the one in the path");
const SHARDS: OptionSpec = OptionSpec::new(
    &["shards"],
    "CrateDB's",
    "shards of a table that is created: `CLUSTERED INTO n SHARDS`",
);
const REPLICAS: OptionSpec = OptionSpec::new(
    &["replicas"],
    "CrateDB's",
    "replicas of a table that is created, as `1` or `0-1`: `number_of_replicas`",
);
const PARTITIONED_BY: OptionSpec = OptionSpec::new(
    &["partitioned_by"],
    "",
    "member whose values partition a table that is created; it becomes part of the key, so every record must have it",
);
const CONNECTIONS: OptionSpec =
    OptionSpec::new(&["connections"], "4", "bulk requests that are on their way at the same time");

/// What only CrateDB has, in the order of the documentation; those of the connection stand in [`ctk_db::cratedb::OPTIONS`].
pub const OPTIONS: &[&OptionSpec] = &[&SCHEMA, &SHARDS, &REPLICAS, &PARTITIONED_BY, &CONNECTIONS];

/// What an address says of CrateDB.
#[derive(Clone, Debug)]
pub struct CrateDbAddress {
    /// How to reach it.
    pub connection: CrateDbConfig,
    /// The schema, where one is named.
    pub schema: Option<String>,
    /// The table, and how to write into it.
    pub table: TableConfig,
    /// Shards of a new table.
    pub shards: Option<u32>,
    /// Replicas of a new table.
    pub replicas: Option<String>,
    /// What partitions a new table.
    pub partitioned_by: Option<String>,
    /// Requests on their way at the same time.
    pub connections: usize,
}

impl CrateDbAddress {
    /// Takes an address apart; all of its options must be known.
    pub fn from_url(url: &TargetUrl) -> Result<Self, OptionError> {
        let mut options = url.options.clone();
        let connection = CrateDbConfig::take(url, &mut options)?;
        let mut table = TableConfig::take(&mut options)?;
        let schema = either("schema", url.schema(), options.take(&SCHEMA)?)?;
        table.table = either("table", url.table(), table.table)?;
        let address = Self {
            connection,
            schema,
            table,
            shards: options.take_integer(&SHARDS, 1..=1024)?,
            replicas: options.take(&REPLICAS)?,
            partitioned_by: options.take(&PARTITIONED_BY)?,
            connections: options
                .take_integer(&CONNECTIONS, 1..=64_u32)?
                .map_or(4, |connections| connections as usize),
        };
        let known: Vec<_> = [ctk_db::cratedb::OPTIONS, OPTIONS, config::OPTIONS]
            .into_iter()
            .flatten()
            .copied()
            .collect();
        options.finish(&known)?;
        Ok(address)
    }
}

/// The path and the option may both name it, but not two.
fn either(
    name: &'static str,
    path: Option<&str>,
    option: Option<String>,
) -> Result<Option<String>, OptionError> {
    match (path, option) {
        (Some(path), Some(option)) if path != option => Err(OptionError::Invalid {
            name,
            expected: format!("`{path}`, as the path has it, or nothing"),
        }),
        (path, option) => Ok(option.or_else(|| path.map(str::to_owned))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<CrateDbAddress, OptionError> {
        CrateDbAddress::from_url(&TargetUrl::parse(text).unwrap())
    }

    #[test]
    fn schema_and_table_are_in_the_path_or_in_options() {
        let check = |text: &str, schema: Option<&str>, table: Option<&str>| {
            let address = address(text).unwrap();
            assert_eq!(
                (address.schema.as_deref(), address.table.table.as_deref()),
                (schema, table),
                "{text}"
            );
        };
        check("crate://localhost:4200/", None, None);
        check("crate://localhost/testdrive", Some("testdrive"), None);
        check("crate://localhost/testdrive/kinesis", Some("testdrive"), Some("kinesis"));
        check("crate://localhost/?schema=s&table=t", Some("s"), Some("t"));
        check("crate://localhost/s/t?table=t", Some("s"), Some("t"));
        check("crate://localhost/My%20Schema/a%2Fb", Some("My Schema"), Some("a/b"));
        assert!(address("crate://localhost/s/t?table=u").is_err());
        assert!(address("crate://localhost/s?schema=r").is_err());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for text in
            ["?shard=1", "?shards=0", "?connections=65", "?on_conflict=upsert", "?database=x"]
        {
            assert!(address(&format!("crate://localhost/{text}")).is_err(), "{text}");
        }
        let address = address("crate://localhost/?shards=6&replicas=0-1&partitioned-by=day&connections=2&batch_rows=5000").unwrap();
        assert_eq!(
            (
                address.shards,
                address.replicas.as_deref(),
                address.partitioned_by.as_deref(),
                address.connections,
                address.table.batch_rows
            ),
            (Some(6), Some("0-1"), Some("day"), 2, 5000)
        );
    }
}
