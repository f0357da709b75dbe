//! SQLite: opening a file, and reading the columns of a table.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection as _, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use crate::DbError;

/// A connection, for crates that hand it on and ask nothing of it.
pub type Connection = SqliteConnection;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// For writing, created when missing, with a write-ahead log: readers and the writer do not wait for each other.
    Create,
    /// For writing, but it must be there.
    Write,
    /// For reading only.
    Read,
}

/// Bytes of a page, in databases that we create: a large transaction changes most pages of the key's index, and half as many
/// writes cost half as much.
const PAGE_SIZE: u32 = 8192;

/// Pages of the log before it is copied into the database: 256 MiB rather than 4, since a page that many transactions
/// change (the index of the key) is then copied once.
const LOG_PAGES: &str = "32768";

/// Memory for pages, in KiB: holds the index of a few million keys, so that a transaction does not spill.
const CACHE_KIB: &str = "-131072";

/// Opens a file. What can be said about the path is checked first, so that the error names it.
///
/// `synchronous` is NORMAL: a crash of the machine may undo the last transactions as a whole, never a part of one
/// (<https://www.sqlite.org/pragma.html#pragma_synchronous>). As positions are written with their rows, nothing is lost.
///
/// A program that was killed may have left half a change, with a journal that says how to undo it. Whoever opens the file
/// next has to do that, for reading too.
pub async fn open(path: &Path, mode: Mode) -> Result<SqliteConnection, DbError> {
    match connect(path, mode).await {
        Err(DbError::Open { source, .. }) if mode == Mode::Read && is_to_be_mended(&source) => {
            drop(connect(path, Mode::Write).await?.close().await);
            connect(path, mode).await
        }
        opened => opened,
    }
}

/// Returns true when only a writer can read the file: `SQLITE_READONLY_RECOVERY`, `SQLITE_READONLY_ROLLBACK`
/// (<https://www.sqlite.org/rescode.html#readonly_rollback>).
fn is_to_be_mended(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    matches!(code.as_deref(), Some("264" | "776"))
}

async fn connect(path: &Path, mode: Mode) -> Result<SqliteConnection, DbError> {
    check(path, mode)?;
    let mut options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(mode == Mode::Create)
        .read_only(mode == Mode::Read)
        .busy_timeout(Duration::from_secs(30))
        .disable_statement_logging();
    if mode != Mode::Read {
        options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .page_size(PAGE_SIZE)
            .pragma("cache_size", CACHE_KIB)
            // A statement with many rows keeps the pages as they were, in case it fails: in memory, not in files.
            .pragma("temp_store", "MEMORY")
            .pragma("wal_autocheckpoint", LOG_PAGES);
    }
    let error = |source| DbError::Open { path: path.to_owned(), source };
    let mut connection = options.connect().await.map_err(error)?;
    // Opening reads nothing, so a file that is no database is found out by the first statement.
    sqlx::query("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut connection)
        .await
        .map_err(error)?;
    Ok(connection)
}

/// Says what is wrong with a path without touching the file, as far as that can be seen.
pub fn check(path: &Path, mode: Mode) -> Result<(), DbError> {
    if path.is_dir() {
        return Err(DbError::Folder { path: path.to_owned() });
    }
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if mode == Mode::Create && !folder.is_dir() {
        return Err(DbError::NoFolder { path: path.to_owned() });
    }
    if mode != Mode::Create && !path.exists() {
        return Err(DbError::Missing { path: path.to_owned() });
    }
    Ok(())
}

/// A column as the schema declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The declared type, as written; empty when there is none.
    pub declared: String,
    /// Its place in the primary key, from 1 on; 0 when it is no part of it.
    pub key: i64,
    /// Its value is computed from others: nothing can be put into it.
    pub is_generated: bool,
}

/// Returns the columns of a table in their order; none when there is no such table.
pub async fn columns(
    connection: &mut SqliteConnection,
    table: &str,
) -> Result<Vec<Column>, DbError> {
    let rows = sqlx::query("SELECT name, type, pk, hidden > 0 FROM pragma_table_xinfo(?)")
        .bind(table)
        .fetch_all(connection)
        .await
        .map_err(DbError::statement(format!("read the columns of table {table}")))?;
    let column = |row: sqlx::sqlite::SqliteRow| Column {
        name: row.get(0),
        declared: row.get(1),
        key: row.get(2),
        is_generated: row.get(3),
    };
    Ok(rows.into_iter().map(column).collect())
}

/// Returns true when the table has a unique index, or primary key, over exactly this column.
pub async fn is_unique(
    connection: &mut SqliteConnection,
    table: &str,
    column: &str,
) -> Result<bool, DbError> {
    let sql = "SELECT count(*) FROM pragma_index_list(?1) AS list \
               WHERE list.\"unique\" = 1 AND list.partial = 0 \
               AND (SELECT group_concat(name, char(0)) FROM pragma_index_info(list.name)) = ?2 COLLATE NOCASE";
    let count: i64 = sqlx::query_scalar(sql)
        .bind(table)
        .bind(column)
        .fetch_one(connection)
        .await
        .map_err(DbError::statement(format!("read the indexes of table {table}")))?;
    Ok(count > 0)
}

/// What a table of somebody else may do to a row besides taking or refusing it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// It has triggers, or says itself what becomes of a row in conflict: rows may be ignored, and transactions ended.
    pub are_its_own: bool,
    /// Its columns have types in SQLite's strict sense.
    pub are_strict: bool,
}

/// Returns the rules of a table; the ordinary ones when there is no such table.
pub async fn rules(connection: &mut SqliteConnection, table: &str) -> Result<Rules, DbError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE tbl_name = ?1 COLLATE NOCASE \
               AND (type = 'trigger' OR sql LIKE '%ON CONFLICT%')), \
               EXISTS (SELECT 1 FROM pragma_table_list WHERE name = ?1 COLLATE NOCASE AND strict)";
    let row = sqlx::query(sql).bind(table).fetch_one(connection).await;
    let row = row.map_err(DbError::statement(format!("read the rules of table {table}")))?;
    Ok(Rules { are_its_own: row.get(0), are_strict: row.get(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn says_what_is_wrong_with_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.db");
        std::fs::write(&text, "this is no database, however one looks at it").unwrap();
        let check = async |path: &str, mode: Mode, expected: &str| {
            let error = open(&folder.path().join(path), mode).await.unwrap_err();
            let shown = error.to_string().replace(folder.path().to_str().unwrap(), "F");
            assert_eq!(shown, expected);
            assert!(error.hint().is_some(), "{expected}");
        };
        check("none.db", Mode::Write, "the database F/none.db does not exist").await;
        check("none.db", Mode::Read, "the database F/none.db does not exist").await;
        check("a/b.db", Mode::Create, "the folder of the database F/a/b.db does not exist").await;
        check("", Mode::Create, "F/ is a folder, not a database").await;
        check("text.db", Mode::Create, "cannot open the database F/text.db").await;
        assert!(!folder.path().join("none.db").exists());
    }

    #[tokio::test]
    async fn what_a_killed_program_left_is_undone_for_reading_too() {
        let folder = tempfile::tempdir().unwrap();
        let (path, left) = (folder.path().join("a.db"), folder.path().join("left.db"));
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut connection =
            options.journal_mode(SqliteJournalMode::Delete).connect().await.unwrap();
        // With a cache of one page, changed pages go into the file before the commit, and how they were into the journal.
        let sql = "PRAGMA cache_size = 1; CREATE TABLE t AS SELECT 1 AS n; \
                   BEGIN; UPDATE t SET n = 2; CREATE TABLE u AS SELECT zeroblob(100000) AS z; \
                   INSERT INTO u SELECT z FROM u";
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        // What a copy holds is what a killed program leaves: no lock, and a journal.
        std::fs::copy(&path, &left).unwrap();
        std::fs::copy(folder.path().join("a.db-journal"), folder.path().join("left.db-journal"))
            .unwrap();
        let mut reader = open(&left, Mode::Read).await.unwrap();
        let n: i64 = sqlx::query_scalar("SELECT n FROM t").fetch_one(&mut reader).await.unwrap();
        assert_eq!(n, 1);
        assert!(columns(&mut reader, "u").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn reads_columns_and_unique_indexes() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("a.db"), Mode::Create).await.unwrap();
        let sql = "CREATE TABLE t (\"k\" TEXT PRIMARY KEY, g AS (k || 'x'), \"n\" DECIMAL(10, 2), x, u TEXT, UNIQUE (n, u))";
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        let column = |name: &str, declared: &str| Column {
            name: name.into(),
            declared: declared.into(),
            key: i64::from(name == "k"),
            is_generated: name == "g",
        };
        let expected = [
            column("k", "TEXT"),
            column("g", ""),
            column("n", "DECIMAL(10, 2)"),
            column("x", ""),
            column("u", "TEXT"),
        ];
        assert_eq!(columns(&mut connection, "t").await.unwrap(), expected);
        assert_eq!(columns(&mut connection, "other").await.unwrap(), []);
        assert!(is_unique(&mut connection, "t", "k").await.unwrap());
        assert!(!is_unique(&mut connection, "t", "n").await.unwrap());
        assert!(!is_unique(&mut connection, "t", "u").await.unwrap());
    }
}
