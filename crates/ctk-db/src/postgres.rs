//! PostgreSQL: connecting as `psql` does, and reading what a table looks like.
//!
//! Nothing here waits and tries again: [`trouble()`] says what an error asks for, and whoever has the rows decides.

mod catalog;
mod config;
mod connect;
mod hint;
mod relay;
mod trouble;
mod types;

pub use catalog::{Column, Kind, Table, is_unique, key, table, tables};
pub use config::{OPTIONS, PgConfig};
pub(crate) use trouble::text;
pub use trouble::{Trouble, sqlstate, trouble};
pub use types::Type;

pub(crate) use hint::{connect_hint, statement_hint};

/// A connection, for crates that hand it on and ask nothing of it.
pub type Connection = sqlx::PgConnection;

/// The oldest version that is taken, which is the oldest that its makers lately cared for.
const OLDEST: u32 = 13;
