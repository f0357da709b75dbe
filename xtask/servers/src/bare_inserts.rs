//! `bare-inserts`: the least that writing rows into SQLite costs through the same library: prepared statements, one
//! connection, settings as `ctk` has them.
//!
//! It reads no stream. Rows are made from the records transaction by transaction, and that is not measured; measured are
//! their statements and the commit. A statement has 200 rows: with one, the library alone takes several times as long.

use std::path::Path;

use anyhow::{Context as _, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};

use crate::arguments::Arguments;
use crate::meter::{Meter, Spent};
use crate::rows::{self, COLUMNS, Row, TABLE, TRANSACTION};

/// Rows in a statement, as `ctk` has it.
const STATEMENT: usize = 200;

/// Creates the file and the table, writes all rows into it, and prints what that took.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let (file, records) =
        (arguments.require::<String>("--file")?, arguments.require::<u64>("--records")?);
    arguments.finish()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(write(Path::new(&file), records))?.print()
}

async fn write(file: &Path, records: u64) -> Result<Spent> {
    let mut connection =
        SqliteConnection::connect_with(&options(file)).await.context("cannot create the file")?;
    let sql = rows::create_table(|column| column.sqlite);
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
    let (mut spent, mut begin) = (Spent::default(), 0);
    while begin < records {
        let end = (begin + TRANSACTION).min(records);
        let rows = rows::rows(begin..end)?;
        let meter = Meter::start()?;
        insert(&mut connection, &rows).await.context("cannot insert")?;
        meter.add_to(&mut spent)?;
        begin = end;
    }
    connection.close().await?;
    Ok(spent)
}

/// Returns the settings of `ctk` (`crates/ctk-db/src/sqlite.rs`, which says why).
pub(crate) fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .page_size(8192)
        .pragma("cache_size", "-131072")
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", "32768")
}

/// Writes these rows in a transaction of their own.
async fn insert(connection: &mut SqliteConnection, rows: &[Row]) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    for some in rows.chunks(STATEMENT) {
        // The library keeps what it prepared for a text.
        let mut query = sqlx::query(AssertSqlSafe(statement(some.len())));
        for row in some {
            query = query
                .bind(row.message_id.as_str())
                .bind(row.envelope.as_str())
                .bind(row.id)
                .bind(row.device.as_str())
                .bind(row.ts.as_str())
                .bind(row.temperature)
                .bind(row.humidity)
                .bind(row.reading)
                .bind(row.status.as_str())
                .bind(row.location.as_str())
                .bind(row.firmware.as_str())
                .bind(row.note.as_str());
        }
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

fn statement(rows: usize) -> String {
    let row = format!("({})", ["?"; COLUMNS.len()].join(", "));
    format!("INSERT INTO \"{TABLE}\" ({}) VALUES {}", rows::names(), vec![row; rows].join(", "))
}

#[cfg(test)]
mod tests {
    use ctk_test_support::records;

    use super::*;
    use crate::landed;

    #[tokio::test]
    async fn rows_land_as_they_are() {
        let folder = std::env::temp_dir().join(format!("ctk-inserts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("bench.db");
        let spent = write(&file, 10_123).await.unwrap();
        assert!(spent.wall > 0.0 && spent.cpu > 0.0, "{spent:?}");
        let expected = records::expected(10_123);
        let sql =
            "SELECT count(*), sum(id), sum(reading), count(DISTINCT _kinesis_msg_id) FROM bench";
        assert_eq!(
            landed::numbers(&file, sql).await.unwrap(),
            [expected.count, expected.id, expected.reading, 10_123]
        );
        let sql = "SELECT device, temperature, location ->> 'lat', note FROM bench WHERE id = 7";
        assert_eq!(
            landed::query(&file, sql).await.unwrap(),
            [["dev-01143", "-18.857", "47.4562", "routine sample 7 within limits"]]
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
