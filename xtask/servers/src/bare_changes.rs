//! `bare-changes`: change data written as a plain program would do it: a prepared statement for each record.
//!
//! It reads the same file as `ctk`, parses each record, and inserts (`ON CONFLICT DO UPDATE`), updates or deletes one row,
//! committed one by one, or so many in a transaction. It keeps no position and no definitions, and checks nothing.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use sonic_rs::LazyValue;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use crate::arguments::Arguments;
use crate::bare_inserts;
use crate::changes::{COLUMNS, Column};

/// Applies all records of the file, and prints how many changes there were.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let file: String = arguments.require("--file")?;
    let target: String = arguments.require("--target")?;
    let each: u64 = arguments.require("--each")?;
    arguments.finish()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!("{}", runtime.block_on(apply(Path::new(&file), &target, each))?);
    Ok(())
}

#[derive(Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    data: Option<Data<'a>>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Metadata<'a> {
    operation: &'a str,
    schema_name: &'a str,
    table_name: &'a str,
}

#[derive(Deserialize)]
struct Data<'a> {
    id: i64,
    customer: Option<&'a str>,
    quantity: Option<i32>,
    /// Its digits.
    #[serde(borrow)]
    total: Option<LazyValue<'a>>,
    weight: Option<f64>,
    paid: Option<bool>,
    changed: Option<&'a str>,
    note: Option<&'a str>,
}

/// The statements of a table, each prepared when it is used first.
struct Statements {
    insert: Arc<str>,
    update: Arc<str>,
    update_without_note: Arc<str>,
    delete: Arc<str>,
}

enum Target {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// Runs a prepared statement, over a connection of either kind.
macro_rules! execute {
    ($connection:expr, $sql:expr, $operation:expr, $data:expr) => {{
        let query = sqlx::query(AssertSqlSafe(Arc::clone($sql))).bind($data.id);
        let query = if $operation == "delete" {
            query
        } else {
            let query = query
                .bind($data.customer)
                .bind($data.quantity)
                .bind($data.total.as_ref().map(LazyValue::as_raw_str))
                .bind($data.weight)
                .bind($data.paid)
                .bind($data.changed);
            if $operation == "update" && $data.note.is_none() {
                query
            } else {
                query.bind($data.note)
            }
        };
        query.execute($connection).await?;
    }};
}

impl Target {
    async fn connect(target: &str) -> Result<Self> {
        Ok(if target.starts_with("postgresql:") {
            Self::Postgres(PgConnection::connect(target).await?)
        } else {
            let options = bare_inserts::options(Path::new(target));
            Self::Sqlite(SqliteConnection::connect_with(&options).await?)
        })
    }

    /// Returns the name of a table as this database wants it.
    fn name(&self, metadata: &Metadata<'_>) -> String {
        match self {
            Self::Sqlite(_) => format!("\"{}\"", metadata.table_name),
            Self::Postgres(_) => {
                format!("\"{}\".\"{}\"", metadata.schema_name, metadata.table_name)
            }
        }
    }

    /// Creates a table as `ctk` does.
    async fn create(&mut self, metadata: &Metadata<'_>) -> Result<()> {
        let name = self.name(metadata);
        let columns = |type_of: fn(&Column) -> &'static str| {
            let columns =
                COLUMNS.each_ref().map(|column| format!("\"{}\" {}", column.name, type_of(column)));
            columns.join(", ")
        };
        match self {
            Self::Sqlite(_) => {
                let columns = columns(|column| column.sqlite);
                self.raw(format!("CREATE TABLE {name} ({columns}, PRIMARY KEY (\"id\"))")).await
            }
            Self::Postgres(_) => {
                let (schema, columns) = (metadata.schema_name, columns(|column| column.postgres));
                self.raw(format!(
                    "CREATE SCHEMA IF NOT EXISTS \"{schema}\"; \
                     CREATE TABLE {name} ({columns}, PRIMARY KEY (\"id\"))"
                ))
                .await
            }
        }
    }

    fn statements(&self, metadata: &Metadata<'_>) -> Statements {
        let name = self.name(metadata);
        // Decimals and times are sent as text, as they stand in the record.
        let value = |(number, column): (usize, &Column)| match (self, column.name) {
            (Self::Postgres(_), "total" | "changed") => {
                format!("${}::text::{}", number + 1, column.postgres)
            }
            _ => format!("${}", number + 1),
        };
        let names = COLUMNS.each_ref().map(|column| format!("\"{}\"", column.name));
        let values: Vec<String> = COLUMNS.iter().enumerate().map(value).collect();
        let pairs = names.iter().zip(&values).skip(1);
        let set: Vec<String> = pairs.map(|(name, value)| format!("{name} = {value}")).collect();
        let without_note: Vec<String> = set.iter().take(set.len() - 1).cloned().collect();
        let excluded = names.iter().skip(1).map(|name| format!("{name} = excluded.{name}"));
        Statements {
            insert: format!(
                "INSERT INTO {name} ({}) VALUES ({}) ON CONFLICT (\"id\") DO UPDATE SET {}",
                names.join(", "),
                values.join(", "),
                excluded.collect::<Vec<_>>().join(", ")
            )
            .into(),
            update: format!("UPDATE {name} SET {} WHERE \"id\" = $1", set.join(", ")).into(),
            update_without_note: format!(
                "UPDATE {name} SET {} WHERE \"id\" = $1",
                without_note.join(", ")
            )
            .into(),
            delete: format!("DELETE FROM {name} WHERE \"id\" = $1").into(),
        }
    }

    async fn execute(&mut self, sql: &Arc<str>, operation: &str, data: &Data<'_>) -> Result<()> {
        match self {
            Self::Sqlite(connection) => execute!(connection, sql, operation, data),
            Self::Postgres(connection) => execute!(connection, sql, operation, data),
        }
        Ok(())
    }

    async fn raw(&mut self, sql: String) -> Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => {
                sql.execute(connection).await?;
            }
            Self::Postgres(connection) => {
                sql.execute(connection).await?;
            }
        }
        Ok(())
    }

    async fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await?,
            Self::Postgres(connection) => connection.close().await?,
        }
        Ok(())
    }
}

/// Applies a file to a file of SQLite or to the address of a PostgreSQL, `each` changes in a transaction.
pub(crate) async fn apply(file: &Path, target: &str, each: u64) -> Result<u64> {
    ensure!(each > 0, "a transaction must have changes");
    let mut target = Target::connect(target).await.context("cannot open the database")?;
    let mut lines = BufReader::new(
        File::open(file).with_context(|| format!("cannot open {}", file.display()))?,
    );
    let mut tables: HashMap<String, Statements> = HashMap::new();
    let (mut line, mut changes, mut open) = (String::new(), 0, 0);
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            break;
        }
        let record: Record<'_> =
            sonic_rs::from_str(&line).with_context(|| format!("not a record: {line}"))?;
        let metadata = &record.metadata;
        let Some(data) = &record.data else {
            target.create(metadata).await.context("cannot create a table")?;
            tables.insert(metadata.table_name.to_owned(), target.statements(metadata));
            continue;
        };
        let statements = tables.get(metadata.table_name).context("an unknown table")?;
        let sql = match metadata.operation {
            "insert" => &statements.insert,
            "update" if data.note.is_none() => &statements.update_without_note,
            "update" => &statements.update,
            "delete" => &statements.delete,
            other => bail!("an unknown operation: {other}"),
        };
        if each > 1 && open == 0 {
            target.raw("BEGIN".to_owned()).await?;
        }
        target.execute(sql, metadata.operation, data).await.context("cannot write a change")?;
        (changes, open) = (changes + 1, open + 1);
        if open == each {
            if each > 1 {
                target.raw("COMMIT".to_owned()).await?;
            }
            open = 0;
        }
    }
    if each > 1 && open > 0 {
        target.raw("COMMIT".to_owned()).await?;
    }
    target.close().await?;
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use ctk_test_support::postgres::Postgres;

    use super::*;
    use crate::changes::{self, Written};
    use crate::landed;

    /// Writes a file, and returns its folder with it.
    fn file(name: &str, number: u64) -> (std::path::PathBuf, Written) {
        let folder = std::env::temp_dir().join(format!("ctk-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let written = changes::write(&folder.join("changes.ndjson"), number).unwrap();
        (folder, written)
    }

    #[test]
    fn sqlite_holds_what_the_records_come_to() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (folder, written) = file("changes-sqlite", 9_100);
        let check = |database: &str| {
            let database = folder.join(database);
            changes::ensure_equal(
                &written.tables,
                changes::sqlite_sql,
                |column| column.sqlite,
                |sql| runtime.block_on(landed::query(&database, sql)),
            )
        };
        for (database, each) in [("1.db", 1), ("1000.db", 1000)] {
            let (file, target) = (folder.join("changes.ndjson"), folder.join(database));
            let applied = runtime.block_on(apply(&file, &target.to_string_lossy(), each));
            assert_eq!(applied.unwrap(), 9_100);
            check(database).unwrap();
        }
        let spoil = |sql: &str, expected: &str| {
            runtime.block_on(landed::query(&folder.join("1.db"), sql)).unwrap();
            let error = check("1.db").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        assert!(check("none.db").unwrap_err().to_string().starts_with("cannot"));
        let one = "WHERE id = (SELECT max(id) FROM orders_9)";
        let not_equal = "orders_9 is not what the records come to";
        spoil(&format!("UPDATE orders_9 SET total = total + 0.01 {one}"), not_equal);
        spoil(
            &format!("UPDATE orders_9 SET total = total - 0.01, paid = 1 - paid {one}"),
            not_equal,
        );
        spoil(&format!("DELETE FROM orders_9 {one}"), not_equal);
        spoil("ALTER TABLE orders_3 ADD COLUMN more TEXT", "orders_3 has other columns");
        spoil("DROP TABLE orders_0", "there is no table orders_0");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn postgresql_holds_what_the_records_come_to() {
        let (folder, written) = file("changes-postgres", 6_050);
        for each in [1, 1000] {
            let server = Postgres::start().await.unwrap();
            let changes = apply(&folder.join("changes.ndjson"), &server.url(), each).await.unwrap();
            assert_eq!(changes, 6_050);
            let check = || {
                changes::ensure_equal(
                    &written.tables,
                    changes::postgres_sql,
                    |column| column.postgres,
                    |sql| {
                        let printed = server.try_sql(sql)?;
                        // Of rows as text there is one column, which has the separator in it.
                        let width = if sql.contains("pg_attribute") { 2 } else { 1 };
                        let split =
                            |line: &str| line.splitn(width, '|').map(str::to_owned).collect();
                        Ok(printed.lines().map(split).collect())
                    },
                )
            };
            check().unwrap();
            server.sql("UPDATE shop.orders_4 SET note = 'other' WHERE id = 1");
            server.sql("INSERT INTO shop.orders_4 (id) VALUES (0)");
            let error = check().unwrap_err().to_string();
            assert!(error.starts_with("orders_4 is not what the records come to"), "{error}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
