//! The statements that read, make and widen the table.
//!
//! Columns are added by statements of our own, with the type that the first values ask for, and are read back before
//! anything is put into them: whoever was faster decides. The keys of objects come with the rows that have them.

use std::{collections::HashMap, time::Duration};

use backon::BackoffBuilder;
use ctk_db::{
    DbError,
    cratedb::{Blame, Client, CrateDbError, patience},
    quote,
};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{
    Settings,
    known::{Barred, Known, MOST_BARRED},
    names,
    schema::Schema,
    send::DOUBTS,
    types::Type,
};
use crate::SinkError;

/// How long a table that was there may be missing: a node that starts knows none until it has read its state.
pub(crate) const STARTING: Duration = Duration::from_secs(30);

/// Reads the table; none when there is none. One that `was_there` may be unknown while a node starts, which is no reason to
/// create it again at once.
pub(super) async fn read(
    client: &Client,
    settings: &Settings,
    was_there: bool,
) -> Result<Option<Known>, SinkError> {
    let start = Instant::now();
    loop {
        match Schema::read(client, &settings.schema, &settings.table).await? {
            Some(schema) => return Known::new(schema, settings).map(Some),
            None if was_there && start.elapsed() < STARTING => {
                info!(table = settings.table, "the table is gone; is the server starting?");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            None => return Ok(None),
        }
    }
}

/// Creates the table as planned, unless somebody else was faster. When CrateDB does not take all of the columns, returns false;
/// or, when it `must` be, creates it with as few as it can do with: the others can then be asked for one by one.
pub(super) async fn create(
    client: &Client,
    settings: &Settings,
    planned: &Schema,
    must: bool,
) -> Result<bool, SinkError> {
    let failed = || DbError::cratedb(format!("create table {}", settings.table));
    let all = create_statement(settings, planned, |_| true)?;
    match define(client, &all).await {
        Err(error) if error.is_refused() && !must => {
            debug!(%error, "the table cannot be created with all columns");
            Ok(false)
        }
        Err(error) if error.is_refused() => {
            let partition = settings.partitioned_by.as_deref().map(names::of_member);
            let needed: Vec<&str> = [names::MESSAGE_ID, names::ENVELOPE]
                .into_iter()
                .filter(|name| planned.slot(name).is_some())
                .chain(partition.as_deref())
                .collect();
            // A table has at least one column.
            let first = planned.columns.first().map(|column| column.name.as_str());
            let needed = if needed.is_empty() { first.into_iter().collect() } else { needed };
            if needed.len() == planned.columns.len() {
                return Err(failed()(error).into());
            }
            warn!(%error, "the table cannot be created with all columns; they are added one by one");
            let few = create_statement(settings, planned, |name| needed.contains(&name))?;
            define(client, &few).await.map_err(failed())?;
            Ok(true)
        }
        created => {
            created.map_err(failed())?;
            Ok(true)
        }
    }
}

fn create_statement(
    settings: &Settings,
    planned: &Schema,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<String, SinkError> {
    let mut parts: Vec<String> = planned
        .columns
        .iter()
        .filter(|column| is_wanted(&column.name))
        .map(|column| format!("{} {}", quote(&column.name), column.of.declare()))
        .collect();
    let mut key: Vec<&str> = planned.key.iter().map(String::as_str).collect();
    let mut clauses = String::new();
    if let Some(partition) = &settings.partitioned_by {
        let column = names::of_member(partition);
        let Some(slot) = planned.slot(&column) else {
            return Err(SinkError::NoPartitionColumn { column: partition.clone() });
        };
        // CrateDB wants it to be part of the key.
        if !key.is_empty() {
            key.push(&planned.columns[slot].name);
        }
        clauses.push_str(" PARTITIONED BY (");
        clauses.push_str(&quote(&column));
        clauses.push(')');
    }
    if !key.is_empty() {
        let key: Vec<_> = key.into_iter().map(quote).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    if let Some(shards) = settings.shards {
        clauses = format!("{clauses} CLUSTERED INTO {shards} SHARDS");
    }
    let replicas = settings.replicas.as_ref().map_or_else(String::new, |replicas| {
        format!(", number_of_replicas = '{}'", replicas.replace('\'', "''"))
    });
    clauses = format!("{clauses} WITH (column_policy = 'dynamic'{replicas})");
    let (table, columns) = (settings.quoted(), parts.join(", "));
    Ok(format!("CREATE TABLE IF NOT EXISTS {table} ({columns}){clauses}"))
}

/// Adds columns. When CrateDB does not take all of them, returns false; or, when it `must` be, adds them one by one, and notes
/// those that are refused, with the reason. One that is there already is no failure.
pub(super) async fn add(
    client: &Client,
    settings: &Settings,
    columns: &[(String, Type)],
    barred: &mut Barred,
    must: bool,
) -> Result<bool, SinkError> {
    match alter(client, settings, columns).await {
        Ok(()) => return Ok(true),
        Err(error) if !error.is_refused() => return Err(failed(settings, error)),
        Err(error) if !must => {
            debug!(%error, "the columns cannot be added together");
            return Ok(false);
        }
        Err(_) => {}
    }
    // One of them is refused, or somebody else has added it: each alone, and objects without their keys, which may be too
    // many for the table, but not in other records.
    let mut refused = HashMap::new();
    for (name, of) in columns {
        let column = (name.clone(), of.without_keys());
        match alter(client, settings, &[column]).await {
            Err(error) if error.is_refused() => refused.insert(name, error.to_string()),
            Err(error) => return Err(failed(settings, error)),
            Ok(()) => None,
        };
        if refused.len() >= MOST_BARRED {
            break;
        }
    }
    let present =
        Schema::read(client, &settings.schema, &settings.table).await?.unwrap_or_default();
    for (name, why) in refused.into_iter().filter(|(name, _)| present.slot(name).is_none()) {
        warn!(
            column = name,
            why, "a column cannot be added; records that need it become dead letters"
        );
        barred.add(name.clone(), why);
    }
    Ok(true)
}

async fn alter(
    client: &Client,
    settings: &Settings,
    columns: &[(String, Type)],
) -> Result<(), CrateDbError> {
    let columns: Vec<_> = columns
        .iter()
        .map(|(name, of)| format!("ADD COLUMN {} {}", quote(name), of.declare()))
        .collect();
    let sql = format!("ALTER TABLE {} {}", settings.quoted(), columns.join(", "));
    define(client, &sql).await
}

/// Runs a statement that defines something. What may be the fault of a node is waited out for about a minute.
pub(crate) async fn define(client: &Client, sql: &str) -> Result<(), CrateDbError> {
    let mut pauses = patience().build();
    for _ in 0..DOUBTS {
        match client.execute(sql, &[]).await {
            Err(error) if error.blame() == Some(Blame::Doubtful) => {
                let pause = pauses.next().unwrap_or_default();
                warn!(%error, ?pause, "CrateDB does not take a statement now; trying again");
                tokio::time::sleep(pause).await;
            }
            done => return done.map(drop),
        }
    }
    client.execute(sql, &[]).await.map(drop)
}

fn failed(settings: &Settings, error: CrateDbError) -> SinkError {
    DbError::cratedb(format!("add columns to table {}", settings.table))(error).into()
}
