//! How the table grows: created with its first columns, and columns added as they are needed, in transactions of their own.
//!
//! Runs, and the writers of a run, take turns by an advisory lock, look again, and add what is still missing: so two that need
//! one column at the same moment make it once. The transactions with rows never change the table, so nobody waits for a lock
//! that another holds while waiting for ours.

use ctk_db::{
    DbError,
    postgres::{self, Connection, Trouble, is_unique},
    quote, text_of,
};

use super::{Settings, kinds::Kind, known::Known};
use crate::{
    SinkError,
    columns::Place,
    envelope::Envelope,
    names::{ENVELOPE, MESSAGE_ID},
};

/// The message id: compared byte by byte, which costs less than by the rules of a language.
const ID_TYPE: &str = "TEXT COLLATE \"C\"";

/// How long to wait for the table, in seconds, before others are let through.
const LOCK: u32 = 5;

/// Makes what a group needs: the table, the envelope, these columns.
///
/// Columns that PostgreSQL does not let us make are noted in `barred`, so that nobody asks for them again.
pub(super) async fn grow(
    connection: &mut Connection,
    settings: &Settings,
    known: &mut Known,
    missing: &[(String, Kind)],
) -> Result<(), SinkError> {
    let added = add(connection, settings, missing).await;
    let Err(SinkError::Db(error)) = added else { return added };
    if !is_about_columns(&error) || missing.is_empty() {
        return Err(error.into());
    }
    // One at a time, to see which.
    for column in missing {
        if let Err(error) = add(connection, settings, std::slice::from_ref(column)).await {
            match error {
                SinkError::Db(error) if is_about_columns(&error) => {
                    let why = std::error::Error::source(&error)
                        .map_or_else(|| error.to_string(), text_of);
                    known.barred.insert(column.0.clone(), why);
                }
                error => return Err(error),
            }
        }
    }
    Ok(())
}

/// Too many columns, a row of them would be too wide, or a name that the database cannot hold.
fn is_about_columns(error: &DbError) -> bool {
    let code = match error {
        DbError::Statement { source, .. } => postgres::sqlstate(source),
        _ => None,
    };
    code.is_some_and(|code| matches!(code.as_str(), "54011" | "54000") || code.starts_with("22"))
}

async fn add(
    connection: &mut Connection,
    settings: &Settings,
    missing: &[(String, Kind)],
) -> Result<(), SinkError> {
    // Whoever waits for the table's lock holds up all others that come after.
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '{LOCK}s'");
    run(connection, begin, || "begin a transaction".into()).await?;
    let mut added = add_within(connection, settings, missing).await;
    let end = if added.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = run(connection, end.into(), || format!("change table {}", settings.shown())).await;
    if added.is_ok() {
        added = ended.map_err(SinkError::from);
    }
    added
}

async fn add_within(
    connection: &mut Connection,
    settings: &Settings,
    missing: &[(String, Kind)],
) -> Result<(), SinkError> {
    let table = settings.quoted();
    let lock =
        sqlx::query("SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))")
            .persistent(false)
            .bind(format!("ctk {table}"))
            .execute(&mut *connection);
    lock.await.map_err(DbError::statement(format!("lock table {}", settings.shown())))?;
    let known = Known::read(connection, settings, 0).await?;
    let declared = |(name, kind): &(String, Kind)| format!("{} {}", quote(name), kind.declare());
    let columns =
        missing.iter().filter(|(name, _)| known.columns.place(name) == Place::Free).map(declared);
    if !known.exists {
        if !settings.create_table {
            return Err(SinkError::NoTable { table: settings.shown() });
        }
        create_schema(connection, &settings.schema).await?;
        let mut all: Vec<String> = match settings.envelope {
            Envelope::Full => vec![
                format!("{} {ID_TYPE} PRIMARY KEY", quote(MESSAGE_ID)),
                format!("{} JSONB", quote(ENVELOPE)),
            ],
            Envelope::Id => vec![format!("{} {ID_TYPE} PRIMARY KEY", quote(MESSAGE_ID))],
            Envelope::None => Vec::new(),
        };
        all.extend(columns);
        let sql = format!("CREATE TABLE {table} ({})", all.join(", "));
        return Ok(run(connection, sql, || format!("create table {}", settings.shown())).await?);
    }
    let mut all: Vec<String> = Vec::new();
    let envelope: &[(&str, &str)] = match settings.envelope {
        Envelope::Full => &[(MESSAGE_ID, ID_TYPE), (ENVELOPE, "JSONB")],
        Envelope::Id => &[(MESSAGE_ID, ID_TYPE)],
        Envelope::None => &[],
    };
    for (name, declared) in envelope {
        if known.columns.place(name) == Place::Free {
            if !settings.evolve {
                let (table, column) = (settings.shown(), (*name).to_owned());
                return Err(SinkError::NoEnvelope { table, column });
            }
            all.push(format!("{} {declared}", quote(name)));
        }
    }
    all.extend(columns);
    if !all.is_empty() {
        let all: Vec<_> =
            all.iter().map(|column| format!("ADD COLUMN IF NOT EXISTS {column}")).collect();
        let sql = format!("ALTER TABLE {table} {}", all.join(", "));
        run(connection, sql, || format!("add columns to table {}", settings.shown())).await?;
    }
    if settings.envelope != Envelope::None {
        make_unique(connection, settings).await?;
    }
    Ok(())
}

/// Sees to it that the message id is a key, also in a table of somebody else.
async fn make_unique(connection: &mut Connection, settings: &Settings) -> Result<(), SinkError> {
    if is_unique(connection, &settings.schema, &settings.table, MESSAGE_ID).await? {
        return Ok(());
    }
    let sql = format!("CREATE UNIQUE INDEX ON {} ({})", settings.quoted(), quote(MESSAGE_ID));
    let what = || format!("create the key of table {}", settings.shown());
    run(connection, sql, what).await.map_err(|error| match error.trouble() {
        // There are equal values, or the key of a partitioned table must have a part of its own.
        Trouble::Rows => SinkError::NoKey {
            table: settings.shown(),
            column: MESSAGE_ID.to_owned(),
            source: Box::new(error),
        },
        _ => error.into(),
    })
}

/// Creates the schema if it is missing: asking needs no rights, `IF NOT EXISTS` would.
pub(crate) async fn create_schema(
    connection: &mut Connection,
    schema: &str,
) -> Result<(), SinkError> {
    let there: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1)",
    )
    .persistent(false)
    .bind(schema)
    .fetch_one(&mut *connection)
    .await
    .map_err(DbError::statement(format!("look for schema {schema}")))?;
    if !there {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", quote(schema));
        run(connection, sql, || format!("create schema {schema}")).await?;
    }
    Ok(())
}

async fn run(
    connection: &mut Connection,
    sql: String,
    what: impl FnOnce() -> String,
) -> Result<(), DbError> {
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await;
    done.map(drop).map_err(|source| DbError::Statement { what: what(), source })
}
