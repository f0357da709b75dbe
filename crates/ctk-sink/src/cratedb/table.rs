//! The table: what is known of it, and the statements that make and widen it.
//!
//! Columns are added by statements of our own, with the type that the first values ask for, and are read back before
//! anything is put into them: whoever was faster decides. The keys of objects come with the rows that have them.

use std::{collections::HashMap, time::Duration};

use ctk_db::{
    DbError,
    cratedb::{Client, CrateDbError},
    quote,
};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{
    Settings, names,
    rows::Conflict,
    schema::{Column, Schema},
    types::{Kind, Scalar, Type},
};
use crate::{
    SinkError,
    envelope::{Envelope, Time},
};

/// What is known is read again after this time: others may change the table, too.
const FRESH: Duration = Duration::from_secs(30);

/// How long a table that was there may be missing: a node that starts knows none until it has read its state.
const STARTING: Duration = Duration::from_secs(30);

/// A table as it was read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) schema: Schema,
    /// It is in the database, not only planned.
    pub(super) exists: bool,
    pub(super) conflict: Conflict,
    /// How the envelope tells times.
    pub(super) time: Time,
    /// Columns and keys that CrateDB refuses, and why.
    pub(super) barred: HashMap<Vec<String>, String>,
    read_at: Instant,
}

impl Known {
    fn new(schema: Schema, settings: &Settings) -> Result<Self, SinkError> {
        let has_envelope = settings.envelope != Envelope::None;
        if has_envelope && schema.key.is_empty() {
            return Err(SinkError::NoPrimaryKey { table: settings.table.clone() });
        }
        let is_ours = has_envelope && schema.key.iter().any(|name| name == names::MESSAGE_ID);
        let conflict = if is_ours { Conflict::Ignore } else { Conflict::Report };
        let column = |name: &str| Some(&schema.columns[schema.slot(name)?].of);
        let time = match column(names::ENVELOPE) {
            Some(Type::Object(keys)) => match keys.get("ts") {
                Some(Type::Timestamp { .. } | Type::Integer { .. }) => Time::Millis,
                _ => Time::Text,
            },
            Some(Type::Ignored(_)) | None => Time::Text,
            Some(_) if settings.envelope == Envelope::Full => {
                return Err(SinkError::OtherColumn {
                    table: settings.table.clone(),
                    column: names::ENVELOPE,
                    wanted: "an object",
                });
            }
            Some(_) => Time::Text,
        };
        if has_envelope && !matches!(column(names::MESSAGE_ID), None | Some(Type::Text { .. })) {
            return Err(SinkError::OtherColumn {
                table: settings.table.clone(),
                column: names::MESSAGE_ID,
                wanted: "text",
            });
        }
        Ok(Self {
            schema,
            exists: true,
            conflict,
            time,
            barred: HashMap::new(),
            read_at: Instant::now(),
        })
    }

    /// Returns what a table of our own begins with.
    pub(super) fn to_be_created(settings: &Settings) -> Result<Self, SinkError> {
        let mut schema = Schema::default();
        for (name, of) in envelope(settings.envelope) {
            schema.push(Column { name: name.into(), of, is_generated: false, is_key: false });
        }
        if settings.envelope != Envelope::None {
            schema.key.push(names::MESSAGE_ID.into());
        }
        Ok(Self { exists: false, ..Self::new(schema, settings)? })
    }

    /// Returns true until it is time to look again.
    pub(super) fn is_fresh(&self) -> bool {
        self.read_at.elapsed() < FRESH
    }

    /// Returns the columns of the envelope that the table lacks.
    pub(super) fn lacks(&self, settings: &Settings) -> Vec<(String, Type)> {
        let envelope = envelope(settings.envelope).into_iter();
        envelope
            .filter(|(name, _)| self.schema.slot(name).is_none())
            .map(|(name, of)| (name.to_owned(), of))
            .collect()
    }
}

fn envelope(envelope: Envelope) -> Vec<(&'static str, Type)> {
    let text = || Type::Text { is_long: false };
    let keys = [
        ("shard_id", text()),
        ("seq_no", text()),
        ("sub_seq", Kind::One(Scalar::Bigint).column()),
        ("ts", Type::Timestamp { has_zone: true }),
        ("partition", text()),
        ("stream_name", text()),
    ];
    let object = Type::Object(keys.into_iter().map(|(key, of)| (key.to_owned(), of)).collect());
    match envelope {
        Envelope::Full => vec![(names::MESSAGE_ID, text()), (names::ENVELOPE, object)],
        Envelope::Id => vec![(names::MESSAGE_ID, text())],
        Envelope::None => Vec::new(),
    }
}

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

/// Creates the table as planned, unless somebody else was faster.
pub(super) async fn create(
    client: &Client,
    settings: &Settings,
    planned: &Schema,
) -> Result<(), SinkError> {
    let mut parts: Vec<String> = planned
        .columns
        .iter()
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
    let sql =
        format!("CREATE TABLE IF NOT EXISTS {} ({}){clauses}", settings.quoted(), parts.join(", "));
    let created = client.execute(&sql, &[]).await;
    created.map_err(DbError::cratedb(format!("create table {}", settings.table)))?;
    Ok(())
}

/// Adds columns, and returns those that CrateDB refuses, with its reason. One that is there already is no failure.
pub(super) async fn add(
    client: &Client,
    settings: &Settings,
    columns: &[(String, Type)],
) -> Result<HashMap<Vec<String>, String>, SinkError> {
    let mut barred = HashMap::new();
    match alter(client, settings, columns).await {
        Ok(()) => return Ok(barred),
        Err(error) if !error.is_refused() => return Err(failed(settings, error)),
        Err(_) => {}
    }
    // One of them is refused, or somebody else has added it: each alone.
    for column in columns {
        let Err(error) = alter(client, settings, std::slice::from_ref(column)).await else {
            continue;
        };
        if !error.is_refused() {
            return Err(failed(settings, error));
        }
        let present = Schema::read(client, &settings.schema, &settings.table).await?;
        if present.is_some_and(|schema| schema.slot(&column.0).is_none()) {
            warn!(column = column.0, %error, "a column cannot be added; records that need it become dead letters");
            barred.insert(vec![column.0.clone()], error.to_string());
        }
    }
    Ok(barred)
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
    client.execute(&sql, &[]).await.map(drop)
}

fn failed(settings: &Settings, error: CrateDbError) -> SinkError {
    DbError::cratedb(format!("add columns to table {}", settings.table))(error).into()
}
