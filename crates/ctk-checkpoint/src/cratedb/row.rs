//! One row as it was read: the checkpoint, whose it is, and the version by which it is changed.

use ctk_flow::{Millis, Sequence, ShardId};
use serde_json::{Value, json};

use crate::{
    Checkpoint, StreamIdentity,
    checkpoint::{parse_part, part_text},
};

/// What the table has in every tool.
pub(super) const COLUMNS: [(&str, &str); 5] = [
    ("namespace", "TEXT NOT NULL"),
    ("shard_id", "TEXT NOT NULL"),
    ("sequence", "TEXT"),
    ("active", "BOOLEAN DEFAULT TRUE"),
    ("updated_at", "TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP"),
];

/// What only we write; null where another tool wrote.
pub(super) const OWN_COLUMNS: [(&str, &str); 7] = [
    ("finished", "BOOLEAN"),
    ("stream_arn", "TEXT"),
    ("stream_created_at", "BIGINT"),
    ("begins_at", "BIGINT"),
    ("part", "TEXT"),
    ("owner", "TEXT"),
    ("lease_until", "TIMESTAMP WITH TIME ZONE"),
];

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) checkpoint: Checkpoint,
    /// The run that claimed the shard.
    pub(super) owner: Option<String>,
    /// Until when that one is presumed to live.
    pub(super) lease_until: Option<Millis>,
    /// Nothing for a row that is not there yet.
    pub(super) version: Option<Version>,
}

/// Which state of a row it is: it may be changed only if it is still this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version {
    sequence: i64,
    term: i64,
}

impl Row {
    /// Returns a row that is not there yet.
    pub(super) fn new(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, owner: None, lease_until: None, version: None }
    }

    /// Reads the values of `columns`, whatever their order; what is not among them is null. Then `_seq_no`, `_primary_term`.
    pub(super) fn read(columns: &[&str], values: &[Value]) -> Self {
        let value = |name: &str| {
            let index = columns.iter().position(|column| *column == name);
            index.and_then(|index| values.get(index)).unwrap_or(&Value::Null)
        };
        let text = |name: &str| value(name).as_str().map(str::to_owned);
        let integer = |name: &str| value(name).as_i64();
        let checkpoint = Checkpoint {
            namespace: text("namespace").unwrap_or_default(),
            shard_id: ShardId::new(value("shard_id").as_str().unwrap_or_default()),
            sequence: text("sequence").map(Sequence::new),
            part: value("part").as_str().and_then(parse_part),
            active: value("active").as_bool(),
            updated_at: integer("updated_at"),
            finished: value("finished").as_bool().unwrap_or_default(),
            begins_at: integer("begins_at"),
            stream: StreamIdentity {
                arn: text("stream_arn"),
                created_at: integer("stream_created_at"),
            },
        };
        let system = |index: usize| values.get(columns.len() + index).and_then(Value::as_i64);
        let version = system(0).zip(system(1)).map(|(sequence, term)| Version { sequence, term });
        Self { checkpoint, owner: text("owner"), lease_until: integer("lease_until"), version }
    }

    /// Returns what [`Self::CHANGE`] sets.
    pub(super) fn values(&self) -> Vec<Value> {
        let Checkpoint { sequence, part, active, finished, begins_at, stream, .. } =
            &self.checkpoint;
        vec![
            json!(sequence.as_ref().map(Sequence::as_str)),
            json!(active),
            json!(finished),
            json!(stream.arn),
            json!(stream.created_at),
            json!(begins_at),
            json!(part.as_ref().map(part_text)),
            json!(self.owner),
            // An integer is milliseconds; a fraction would be seconds.
            json!(self.lease_until),
        ]
    }

    /// What changes in the life of a row, but for `updated_at`, which is always the present.
    pub(super) const CHANGE: [&str; 9] = [
        "sequence",
        "active",
        "finished",
        "stream_arn",
        "stream_created_at",
        "begins_at",
        "part",
        "owner",
        "lease_until",
    ];

    /// Returns the primary key.
    pub(super) fn key(&self) -> Vec<Value> {
        vec![json!(self.checkpoint.namespace), json!(self.checkpoint.shard_id.as_str())]
    }

    /// Returns the primary key and the version.
    pub(super) fn key_and_version(&self) -> Vec<Value> {
        let version = self.version.map(|version| [json!(version.sequence), json!(version.term)]);
        [self.key(), version.map(Vec::from).unwrap_or_default()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_tool_are_read() {
        let row = Row::read(
            &["updated_at", "namespace", "shard_id", "sequence", "active"],
            &[json!(7), json!("n"), json!("s"), Value::Null, json!(false), json!(3), json!(1)],
        );
        let mut expected = Row::new(Checkpoint::new("n", ShardId::new("s")));
        expected.checkpoint.active = Some(false);
        expected.checkpoint.updated_at = Some(7);
        expected.version = Some(Version { sequence: 3, term: 1 });
        assert_eq!(row, expected);
        assert_eq!(row.key_and_version(), [json!("n"), json!("s"), json!(3), json!(1)]);
        assert_eq!(row.values().len(), Row::CHANGE.len());
    }

    #[test]
    fn what_is_written_is_read() {
        let mut row = Row::new(Checkpoint::new("n", ShardId::new("s")));
        row.checkpoint.sequence = Some(Sequence::new("10"));
        row.checkpoint.finished = true;
        row.checkpoint.begins_at = Some(0);
        row.checkpoint.part = parse_part("11/3/0");
        row.checkpoint.stream = StreamIdentity { arn: Some("arn".into()), created_at: Some(5) };
        row.owner = Some("me".into());
        row.lease_until = Some(99);
        let columns = [&["namespace", "shard_id"], &Row::CHANGE[..]].concat();
        assert_eq!(Row::read(&columns, &[row.key(), row.values()].concat()), row);
    }
}
