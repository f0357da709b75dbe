//! One row of the table, as a value, and as JSON for whoever reads our output.

use ctk_flow::{Millis, Part, Position, Sequence, ShardId};
use serde::Serialize;

/// The name of the table, wherever it is.
pub const TABLE: &str = "kinesis_checkpoints";

/// How far one shard was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Who loads: the `checkpointer_name`.
    pub namespace: String,
    /// The shard.
    pub shard_id: ShardId,
    /// The last record that is done as a whole; `None` while there was none.
    pub sequence: Option<Sequence>,
    /// The record that follows, when only some of its units are done. Only we note it.
    pub part: Option<Part>,
    /// Whether a run holds the shard; `None` where another tool left it open.
    pub active: Option<bool>,
    /// When the row was written last; `None` where that is not known, or cannot be read.
    pub updated_at: Option<Millis>,
    /// Whether the shard is closed and everything in it is done.
    pub finished: bool,
    /// What arrived before this instant is done, or was not to be read: where a shard without a sequence begins. Zero is its
    /// beginning. Only we note it.
    pub begins_at: Option<Millis>,
    /// The stream, if the run that claimed the shard knew it.
    pub stream: StreamIdentity,
}

/// Which stream it was: one that is created again has the same name, but not the same time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamIdentity {
    /// Its ARN.
    pub arn: Option<String>,
    /// When it was created.
    pub created_at: Option<Millis>,
}

/// What became of a position that was to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Saved {
    /// It is stored.
    Written,
    /// It was left alone: a later one is stored already.
    Behind {
        /// What is stored.
        stored: Sequence,
    },
}

impl Checkpoint {
    /// Returns the checkpoint of a shard that a run holds and has read nothing of.
    pub fn new(namespace: &str, shard_id: ShardId) -> Self {
        Self {
            namespace: namespace.to_owned(),
            shard_id,
            sequence: None,
            part: None,
            active: Some(true),
            updated_at: None,
            finished: false,
            begins_at: None,
            stream: StreamIdentity::default(),
        }
    }

    /// Returns from where the shard is to be read on.
    pub fn position(&self) -> Position {
        Position {
            shard: self.shard_id.clone(),
            sequence: self.sequence.clone(),
            part: self.part.clone(),
            reached: self.begins_at,
            finished: self.finished,
            anew: false,
        }
    }

    /// Moves on to `position`, but never back. A shard that is finished stays finished.
    pub fn advance(&mut self, position: &Position) -> Saved {
        let mut stored = self.position();
        if let (Some(stored), Some(new)) = (stored.furthest(), position.furthest())
            && new < stored
            && !position.anew
        {
            return Saved::Behind { stored: stored.0.clone() };
        }
        stored.advance(position);
        let Position { sequence, part, reached, finished, .. } = stored;
        self.sequence = sequence;
        self.part = part;
        self.begins_at = reached;
        self.finished = finished;
        Saved::Written
    }
}

/// Returns a part as text: the record, how many of its units are done, and the form in which they were counted.
pub(crate) fn part_text(part: &Part) -> String {
    format!("{}/{}/{}", part.sequence, part.units, part.form)
}

/// Reads what [`part_text`] wrote; nothing else is ever written.
pub(crate) fn parse_part(text: &str) -> Option<Part> {
    let (sequence, rest) = text.split_once('/')?;
    let (units, form) = rest.split_once('/')?;
    let (units, form) = (units.parse().ok()?, form.parse().ok()?);
    Some(Part { sequence: Sequence::new(sequence), units, form })
}

/// A checkpoint as JSON output: names and order are those of the Python `ctk`, and stay as they are.
#[derive(Debug, Serialize)]
pub struct CheckpointRow<'a> {
    namespace: &'a str,
    shard_id: &'a str,
    sequence: Option<&'a str>,
    active: Option<bool>,
    /// Milliseconds since 1970.
    updated_at: Option<Millis>,
}

impl<'a> From<&'a Checkpoint> for CheckpointRow<'a> {
    fn from(checkpoint: &'a Checkpoint) -> Self {
        Self {
            namespace: &checkpoint.namespace,
            shard_id: checkpoint.shard_id.as_str(),
            sequence: checkpoint.sequence.as_ref().map(Sequence::as_str),
            active: checkpoint.active,
            updated_at: checkpoint.updated_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_are_written() {
        let part = Part { sequence: Sequence::new("4965"), units: 17, form: 3 };
        assert_eq!(part_text(&part), "4965/17/3");
        assert_eq!(parse_part("4965/17/3"), Some(part));
        for other in ["", "4965", "4965/", "4965/x", "4965/17", "4965/17/300", "//"] {
            assert_eq!(parse_part(other), None, "{other}");
        }
    }

    #[test]
    fn json_has_the_names_and_the_order_of_the_reference() {
        let mut checkpoint = Checkpoint::new("orders", ShardId::new("shardId-000000000000"));
        checkpoint.sequence = Some(Sequence::new("4965"));
        checkpoint.updated_at = Some(1_795_199_400_123);
        checkpoint.finished = true;
        assert_eq!(
            serde_json::to_string(&CheckpointRow::from(&checkpoint)).unwrap(),
            r#"{"namespace":"orders","shard_id":"shardId-000000000000","sequence":"4965","active":true,"updated_at":1795199400123}"#
        );
        checkpoint = Checkpoint { sequence: None, active: None, updated_at: None, ..checkpoint };
        assert_eq!(
            serde_json::to_string(&CheckpointRow::from(&checkpoint)).unwrap(),
            r#"{"namespace":"orders","shard_id":"shardId-000000000000","sequence":null,"active":null,"updated_at":null}"#
        );
    }
}
