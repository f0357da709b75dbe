//! Connections to databases: opening them, quoting names, reading what tables look like.
//!
//! What stands here is what sinks and checkpoints share. It knows nothing of Kinesis, of rows or of positions.
//!
//! [`sqlite::open`] returns a connection, [`cratedb::Client`] speaks to the HTTP endpoint of CrateDB. A [`DbError`] says what
//! could not be done, and has a `hint()`; neither it nor `Debug` shows a password. Reading is cancel safe; of a
//! statement that changes something and is dropped, nobody knows whether it did. All of it needs a tokio runtime with I/O and
//! time.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("my.db");
//! use ctk_db::{quote, sqlite};
//! let mut connection = sqlite::open(&path, sqlite::Mode::Create).await?;
//! assert!(sqlite::columns(&mut connection, "no such table").await?.is_empty());
//! assert_eq!(quote("a \"b\""), "\"a \"\"b\"\"\"");
//! # Ok::<(), ctk_db::DbError>(()) }).unwrap();
//! ```

pub mod cratedb;
mod error;
pub mod postgres;
pub mod sqlite;

pub use error::{DbError, primary_code, text_of};

/// Returns a name as SQL wants it: between double quotes, those inside doubled.
///
/// The names of SQLite, PostgreSQL and CrateDB are quoted alike
/// (<https://www.sqlite.org/lang_keywords.html>, <https://cratedb.com/docs/crate/reference/en/latest/sql/general/lexical-structure.html>).
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
