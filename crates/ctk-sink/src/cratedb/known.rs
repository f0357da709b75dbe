//! What is known of the table: its columns, its key, and what it does not take.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

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

/// A table as it was read.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) schema: Schema,
    /// It is in the database, not only planned.
    pub(super) exists: bool,
    pub(super) conflict: Conflict,
    /// How the envelope tells times.
    pub(super) time: Time,
    pub(super) barred: Barred,
    read_at: Instant,
}

impl Known {
    /// Looks whether the table can take our rows.
    pub(super) fn new(schema: Schema, settings: &Settings) -> Result<Self, SinkError> {
        let table = || settings.table.clone();
        let has_envelope = settings.envelope != Envelope::None;
        if has_envelope && schema.key.is_empty() {
            return Err(SinkError::NoPrimaryKey { table: table() });
        }
        let is_ours = has_envelope && schema.key.iter().any(|name| name == names::MESSAGE_ID);
        // It would be another key each time that the record is read.
        let is_unstable =
            |column: &&Column| column.has_default && schema.key.contains(&column.name);
        if is_ours && let Some(column) = schema.columns.iter().find(is_unstable) {
            return Err(SinkError::UnstableKey { table: table(), column: column.name.clone() });
        }
        let column = |name: &str| Some(&schema.columns[schema.slot(name)?].of);
        let of = column(names::ENVELOPE);
        if settings.envelope == Envelope::Full && !of.is_none_or(takes_envelope) {
            let wanted = "an object that takes the envelope";
            return Err(SinkError::OtherColumn { table: table(), column: names::ENVELOPE, wanted });
        }
        if has_envelope && !matches!(column(names::MESSAGE_ID), None | Some(Type::Text { .. })) {
            let wanted = "text";
            return Err(SinkError::OtherColumn {
                table: table(),
                column: names::MESSAGE_ID,
                wanted,
            });
        }
        let time = match of.and_then(Type::keys).and_then(|keys| keys.get("ts")) {
            Some(Type::Timestamp { .. } | Type::Integer { .. }) => Time::Millis,
            _ => Time::Text,
        };
        Ok(Self {
            schema,
            exists: true,
            conflict: if is_ours { Conflict::Ignore } else { Conflict::Report },
            time,
            barred: Barred::default(),
            read_at: Instant::now(),
        })
    }

    /// Returns what a table of our own begins with.
    pub(super) fn to_be_created(settings: &Settings) -> Result<Self, SinkError> {
        let mut schema = Schema::default();
        for (name, of) in envelope(settings.envelope) {
            schema.insert(&[name.to_owned()], of);
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

/// Columns that CrateDB refuses, and why.
#[derive(Clone, Debug, Default)]
pub(super) struct Barred(HashMap<String, String>);

/// After so many, no other is asked for: the table is full, or takes none.
pub(super) const MOST_BARRED: usize = 20;

impl Barred {
    /// Returns true when this column is not to be asked for.
    pub(super) fn contains(&self, column: &str) -> bool {
        self.0.contains_key(column) || self.0.len() >= MOST_BARRED
    }

    /// Returns why the column at this path cannot be had. Keys of objects are never asked for, and never barred.
    pub(super) fn why(&self, path: &[String]) -> Option<&str> {
        let [column] = path else { return None };
        match self.0.get(column) {
            Some(why) => Some(why),
            None if self.contains(column) => Some("CrateDB has refused too many others"),
            None => None,
        }
    }

    pub(super) fn add(&mut self, column: String, why: String) {
        self.0.insert(column, why);
    }
}

/// Returns true when all parts of the envelope fit, as far as the keys are known.
fn takes_envelope(of: &Type) -> bool {
    let (Type::Object(keys) | Type::Ignored(keys)) = of else { return false };
    keys.iter().all(|(key, of)| match key.as_str() {
        "shard_id" | "seq_no" | "partition" | "stream_name" => matches!(of, Type::Text { .. }),
        "sub_seq" => holds(of, i64::from(i32::MAX)),
        "ts" => {
            // The year 9999, in milliseconds.
            let is_time = matches!(of, Type::Timestamp { .. } | Type::Text { .. });
            is_time || holds(of, 253_402_300_799_999)
        }
        _ => true,
    })
}

fn holds(of: &Type, value: i64) -> bool {
    matches!(of, Type::Integer { max, .. } if *max >= value)
}

/// Returns the columns of the envelope.
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
