//! The statements. Values are parameters, names are quoted; `_seq_no` and `_primary_term` are written as they stand.

use ctk_db::{
    DbError,
    cratedb::{Blame, Client, CrateDbError},
    quote,
};
use ctk_flow::{Millis, ShardId};
use serde_json::{Value, json};

use super::row::{COLUMNS, OWN_COLUMNS, Row};
use crate::{CheckpointError, TABLE};

/// The table, which is there.
#[derive(Clone, Debug)]
pub(super) struct Table {
    client: Client,
    /// Quoted, with its schema.
    name: String,
    /// Those of ours that it has, after those that it must have.
    columns: Vec<&'static str>,
}

/// Why a row was not written.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) shard: ShardId,
    /// The row is not to blame, nor another writer.
    pub(super) is_temporary: bool,
    pub(super) reason: String,
}

impl Table {
    /// Looks for the table, and refuses one of that name which is no checkpoint table.
    pub(super) async fn find(client: &Client, schema: &str) -> Result<Self, CheckpointError> {
        let name = format!("{}.{}", quote(schema), quote(TABLE));
        let sql = "SELECT column_name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?";
        let answer = client
            .execute(sql, &[json!(schema), json!(TABLE)])
            .await
            .map_err(DbError::cratedb(format!("look for table {name}")))?;
        let present: Vec<&str> =
            answer.rows.iter().filter_map(|row| row.first()?.as_str()).collect();
        if present.is_empty() {
            return Err(CheckpointError::NoTable { table: name });
        }
        if let Some((column, _)) = COLUMNS.into_iter().find(|(name, _)| !present.contains(name)) {
            return Err(CheckpointError::MissingColumn { table: name, column });
        }
        let known = COLUMNS.into_iter().chain(OWN_COLUMNS).map(|(name, _)| name);
        let columns = known.filter(|name| present.contains(name)).collect();
        Ok(Self { client: client.clone(), name, columns })
    }

    /// Creates the table, or adds what it lacks. Asks for no privilege to do so when there is nothing to do.
    pub(super) async fn create(client: &Client, schema: &str) -> Result<Self, CheckpointError> {
        let table = match Self::find(client, schema).await {
            Err(CheckpointError::NoTable { table }) => {
                let columns = COLUMNS.iter().chain(&OWN_COLUMNS);
                let columns: Vec<_> =
                    columns.map(|(name, declared)| format!("{} {declared}", quote(name))).collect();
                let sql = format!(
                    r#"CREATE TABLE IF NOT EXISTS {table} ({}, PRIMARY KEY ("namespace", "shard_id"))"#,
                    columns.join(", ")
                );
                let created = client.execute(&sql, &[]).await;
                // Another run may have created it in between.
                match (Self::find(client, schema).await, created) {
                    (Err(CheckpointError::NoTable { .. }), Err(error)) => {
                        return Err(DbError::cratedb(format!("create table {table}"))(error).into());
                    }
                    (found, _) => found?,
                }
            }
            found => found?,
        };
        table.complete(schema).await
    }

    /// Adds those of our columns that are missing: there is no `ADD COLUMN IF NOT EXISTS`.
    async fn complete(mut self, schema: &str) -> Result<Self, CheckpointError> {
        for (column, declared) in OWN_COLUMNS {
            if self.columns.contains(&column) {
                continue;
            }
            let sql = format!("ALTER TABLE {} ADD COLUMN {} {declared}", self.name, quote(column));
            let added = self.client.execute(&sql, &[]).await;
            self = Self::find(&self.client, schema).await?;
            // Another run may have added it in between.
            if let Err(error) = added
                && !self.columns.contains(&column)
            {
                let what = format!("add column {column} to table {}", self.name);
                return Err(DbError::cratedb(what)(error).into());
            }
        }
        Ok(self)
    }

    /// Returns the rows of a namespace, or all, by namespace and shard, and with them the time of the database.
    ///
    /// What was written before is seen: the table is refreshed.
    pub(super) async fn read(
        &self,
        namespace: Option<&str>,
    ) -> Result<(Vec<Row>, Option<Millis>), CheckpointError> {
        let refresh = format!("REFRESH TABLE {}", self.name);
        self.client
            .execute(&refresh, &[])
            .await
            .map_err(DbError::cratedb(format!("refresh table {}", self.name)))?;
        match namespace {
            Some(namespace) => {
                self.select(r#"WHERE "namespace" = ? ORDER BY "shard_id""#, &[json!(namespace)])
                    .await
            }
            None => self.select(r#"ORDER BY "namespace", "shard_id""#, &[]).await,
        }
    }

    /// Returns the row of a shard, with the time of the database. A read by primary key sees all that was written.
    pub(super) async fn read_one(
        &self,
        namespace: &str,
        shard: &ShardId,
    ) -> Result<Option<(Row, Millis)>, CheckpointError> {
        let (rows, now) = self
            .select(
                r#"WHERE "namespace" = ? AND "shard_id" = ?"#,
                &[json!(namespace), json!(shard.as_str())],
            )
            .await?;
        Ok(rows.into_iter().next().zip(now))
    }

    async fn select(
        &self,
        which: &str,
        args: &[Value],
    ) -> Result<(Vec<Row>, Option<Millis>), CheckpointError> {
        let columns: Vec<_> = self.columns.iter().map(|column| quote(column)).collect();
        let sql = format!(
            "SELECT {}, _seq_no, _primary_term, CURRENT_TIMESTAMP FROM {} {which}",
            columns.join(", "),
            self.name
        );
        let answer = self
            .client
            .execute(&sql, args)
            .await
            .map_err(DbError::cratedb(format!("read table {}", self.name)))?;
        let now = answer.rows.first().and_then(|row| row.last()).and_then(Value::as_i64);
        Ok((answer.rows.iter().map(|row| Row::read(&self.columns, row)).collect(), now))
    }

    /// Returns the time of the database.
    pub(super) async fn now(&self) -> Result<Millis, CheckpointError> {
        let answer = self.client.execute("SELECT CURRENT_TIMESTAMP", &[]).await;
        let now = answer.map(|answer| answer.rows.first()?.first()?.as_i64());
        let now =
            now.and_then(|now| now.ok_or(CrateDbError::MissingResults { expected: 1, found: 0 }));
        Ok(now.map_err(DbError::cratedb("read the time of the database"))?)
    }

    /// Writes rows: those without a version are inserted, the others changed if they are still what was read. Returns
    /// those that were not written; another writer, or this one if an answer was lost, may have been there before.
    pub(super) async fn write(&self, rows: &[Row]) -> Result<Vec<Failure>, CheckpointError> {
        let (changed, new): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.version.is_some());
        let mut failures = Vec::new();
        if !changed.is_empty() {
            let set: Vec<_> =
                Row::CHANGE.iter().map(|column| format!("{} = ?", quote(column))).collect();
            let sql = format!(
                r#"UPDATE {} SET {}, "updated_at" = CURRENT_TIMESTAMP WHERE {KEY_AND_VERSION}"#,
                self.name,
                set.join(", ")
            );
            let args = |row: &&Row| [row.values(), row.key_and_version()].concat();
            failures.extend(self.bulk(&sql, &changed, args).await?);
        }
        if !new.is_empty() {
            let columns: Vec<_> = Row::CHANGE.iter().map(|column| quote(column)).collect();
            let sql = format!(
                r#"INSERT INTO {} ("namespace", "shard_id", {}, "updated_at") VALUES (?, ?{}, CURRENT_TIMESTAMP)"#,
                self.name,
                columns.join(", "),
                ", ?".repeat(columns.len())
            );
            let args = |row: &&Row| [row.key(), row.values()].concat();
            failures.extend(self.bulk(&sql, &new, args).await?);
        }
        Ok(failures)
    }

    async fn bulk(
        &self,
        sql: &str,
        rows: &[&Row],
        args: impl Fn(&&Row) -> Vec<Value>,
    ) -> Result<Vec<Failure>, CheckpointError> {
        let shard = |row: &&Row| row.checkpoint.shard_id.clone();
        let args: Vec<_> = rows.iter().map(args).collect();
        let results = match self.client.execute_bulk(sql, &args).await {
            // Some versions tell it of the request as a whole.
            Err(CrateDbError::Sql { code: 4091 | 4092, message }) => {
                let failure = |row| Failure {
                    shard: shard(row),
                    is_temporary: false,
                    reason: message.clone(),
                };
                return Ok(rows.iter().map(failure).collect());
            }
            results => results.map_err(DbError::cratedb(format!("write table {}", self.name)))?,
        };
        // Only the first ten failures say why, so that one of them speaks for the others.
        let is_temporary = results
            .iter()
            .any(|row| row.error.as_ref().is_some_and(|error| error.blame() == Blame::Nobody));
        let failed = rows.iter().zip(results).filter(|(_, result)| result.rowcount != 1);
        Ok(failed
            .map(|(row, result)| Failure {
                shard: shard(row),
                is_temporary,
                reason: match result.error {
                    Some(error) => format!("{} (code {})", error.message, error.code),
                    None => "it changes each time it is read".to_owned(),
                },
            })
            .collect())
    }

    /// Deletes rows that are still what was read, and returns those that were not deleted.
    pub(super) async fn delete(&self, rows: &[Row]) -> Result<Vec<Failure>, CheckpointError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("DELETE FROM {} WHERE {KEY_AND_VERSION}", self.name);
        let rows: Vec<_> = rows.iter().collect();
        self.bulk(&sql, &rows, |row| row.key_and_version()).await
    }
}

const KEY_AND_VERSION: &str =
    r#""namespace" = ? AND "shard_id" = ? AND _seq_no = ? AND _primary_term = ?"#;
