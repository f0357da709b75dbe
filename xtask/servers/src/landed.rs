//! What landed: a SQLite database that `ctk` wrote, read with a client of our own.

use std::path::Path;

use anyhow::{Context as _, Result};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection};

/// Returns the rows of a query, every value as text; NULL is empty.
pub(crate) async fn query(database: &Path, sql: &str) -> Result<Vec<Vec<String>>> {
    // Not read-only: such a connection would leave the files of the write-ahead log behind.
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options)
        .await
        .with_context(|| format!("cannot open {}", database.display()))?;
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut connection).await;
    connection.close().await?;
    rows.with_context(|| format!("cannot query: {sql}"))?.iter().map(texts).collect()
}

/// Returns the only row of a query as numbers.
pub(crate) async fn numbers(database: &Path, sql: &str) -> Result<Vec<u64>> {
    let rows = query(database, sql).await?;
    let row = rows.first().with_context(|| format!("nothing came: {sql}"))?;
    row.iter()
        .map(|value| value.parse().with_context(|| format!("no number: {value:?} ({sql})")))
        .collect()
}

fn texts(row: &SqliteRow) -> Result<Vec<String>> {
    (0..row.len())
        .map(|index| {
            let text = row.try_get_unchecked::<Option<String>, _>(index);
            Ok(text.with_context(|| format!("column {index} is no text"))?.unwrap_or_default())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_every_kind_are_text() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let rows =
            runtime.block_on(query(Path::new(":memory:"), "SELECT 1, 2.5, 'three', NULL")).unwrap();
        assert_eq!(rows, [["1", "2.5", "three", ""]]);
        let error = runtime.block_on(numbers(Path::new(":memory:"), "SELECT 'x'")).unwrap_err();
        assert_eq!(error.to_string(), "no number: \"x\" (SELECT 'x')");
    }
}
