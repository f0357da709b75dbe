//! The options of a target address that all sinks share.

use std::time::Duration;

use ctk_url::{OptionError, OptionSpec, Options};

const TABLE: OptionSpec =
    OptionSpec::new(&["table"], "the stream's name", "table to load into; created when missing");
const BATCH_ROWS: OptionSpec = OptionSpec::new(
    &["batch_rows"],
    "10000",
    "rows that make a batch full: it is written without lingering",
);
const BATCH_BYTES: OptionSpec = OptionSpec::new(
    &["batch_bytes"],
    "8 MiB",
    "bytes that make a batch full, as `4MiB` or `500000`",
);
const LINGER: OptionSpec = OptionSpec::new(
    &["linger"],
    "0",
    "seconds to wait for a batch to fill; 0 writes at once what is there, all shards that wait together",
);
const ON_CONFLICT: OptionSpec = OptionSpec::new(
    &["on_conflict"],
    "ignore",
    "what to do with a row whose key is there: `ignore` leaves that one",
);
const CREATE_TABLE: OptionSpec = OptionSpec::new(
    &["create_table"],
    "auto",
    "`auto` creates the table when missing; `never` makes that an error",
);
const EVOLVE: OptionSpec = OptionSpec::new(
    &["evolve"],
    "columns",
    "`columns` adds columns as members appear; `none` dead-letters records that need one",
);

/// All of them, in the order of the documentation.
pub const OPTIONS: &[&OptionSpec] =
    &[&TABLE, &BATCH_ROWS, &BATCH_BYTES, &LINGER, &ON_CONFLICT, &CREATE_TABLE, &EVOLVE];

/// How to write into tables.
#[derive(Clone, Debug)]
pub struct TableConfig {
    /// The table, where the address names one.
    pub table: Option<String>,
    /// What makes a batch full.
    pub batch_rows: usize,
    /// The same in bytes.
    pub batch_bytes: usize,
    /// How long to wait for that.
    pub linger: Duration,
    /// Whether to create the table when it is missing.
    pub create_table: bool,
    /// Whether to add columns.
    pub evolve: bool,
}

impl TableConfig {
    /// Takes the options of an address, all of which must be known.
    pub fn from_options(mut options: Options) -> Result<Self, OptionError> {
        let config = Self::take(&mut options)?;
        options.finish(OPTIONS)?;
        Ok(config)
    }

    /// Takes what all sinks share, and leaves the rest.
    pub(crate) fn take(options: &mut Options) -> Result<Self, OptionError> {
        let table = options.take(&TABLE)?;
        options.take_choice(&ON_CONFLICT, &[("ignore", ())])?;
        let whole = |number: Option<i64>, default: usize| {
            number.and_then(|number| usize::try_from(number).ok()).unwrap_or(default)
        };
        Ok(Self {
            table,
            batch_rows: whole(options.take_integer(&BATCH_ROWS, 1..=1_000_000)?, 10_000),
            batch_bytes: options
                .take_bytes(&BATCH_BYTES)?
                .and_then(|bytes| usize::try_from(bytes).ok())
                .unwrap_or(8 << 20),
            linger: options.take_seconds(&LINGER)?.unwrap_or_default(),
            create_table: options
                .take_choice(&CREATE_TABLE, &[("auto", true), ("never", false)])?
                .unwrap_or(true),
            evolve: options
                .take_choice(&EVOLVE, &[("columns", true), ("none", false)])?
                .unwrap_or(true),
        })
    }
}
