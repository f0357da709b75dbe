//! What a source hands out: shards, sequence numbers, records, positions.
//!
//! These are the names of Amazon Kinesis. A sequence number has a meaning within one shard only, and is compared as a
//! number, never as text: `9` comes before `10`
//! (<https://docs.aws.amazon.com/streams/latest/dev/key-concepts.html#sequence-number>).

use std::{cmp::Ordering, fmt, sync::Arc};

/// The name of a shard, as `shardId-000000000000`. Cheap to copy.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(Arc<str>);

impl ShardId {
    /// Takes the text as it is.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A sequence number: decimal digits, today 56 of them, ordered as numbers.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sequence(String);

impl Sequence {
    /// Takes the digits as the service wrote them.
    pub fn new(digits: impl Into<String>) -> Self {
        Self(digits.into())
    }

    /// Returns the digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Sequence {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b) = (self.0.trim_start_matches('0'), other.0.trim_start_matches('0'));
        a.len().cmp(&b.len()).then_with(|| a.cmp(b)).then_with(|| self.0.len().cmp(&other.0.len()))
    }
}

impl PartialOrd for Sequence {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z, the precision of Kinesis' arrival times.
pub type Millis = i64;

/// One record as the service gave it: nothing decoded, nothing dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The payload.
    pub data: Vec<u8>,
    /// Its place in the shard.
    pub sequence: Sequence,
    /// `None` on streams that distribute records themselves.
    pub partition_key: Option<String>,
    /// When the service took it; may go backwards within a shard.
    pub arrived_at: Option<Millis>,
    /// How many of its units are done already: of an aggregate, or of lines, a run may have ended in the middle.
    pub done: u32,
}

impl Record {
    /// Returns what the record holds in memory, in bytes, for the budget.
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.data.len()
            + self.sequence.0.len()
            + self.partition_key.as_ref().map_or(0, String::len)
    }
}

/// How far a shard is durable in the target: everything up to and including `sequence`, and of the record behind it `part`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The shard.
    pub shard: ShardId,
    /// The last record that is done as a whole; `None` leaves a saved one as it is.
    pub sequence: Option<Sequence>,
    /// The record that follows, when some of its units are done and others are not.
    pub part: Option<Part>,
    /// What arrived before this instant is done; `None` leaves a saved one as it is.
    pub reached: Option<Millis>,
    /// The shard is closed and everything in it is done.
    pub finished: bool,
    /// What was known of the shard before is given up: this takes its place, even where it is not further.
    pub anew: bool,
}

/// A record of which only the first units are done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// The record.
    pub sequence: Sequence,
    /// How many of its units are done.
    pub units: u32,
    /// How the record is taken apart ([`crate::Decode::form`]): units of one form say nothing about those of another.
    pub form: u8,
}

impl Position {
    /// Returns the position of a shard of which nothing is known.
    pub fn new(shard: ShardId) -> Self {
        Self { shard, sequence: None, part: None, reached: None, finished: false, anew: false }
    }

    /// Returns what decides which of two positions in a shard is further.
    pub fn furthest(&self) -> Option<(&Sequence, u32)> {
        let part = self.part.as_ref().map(|part| (&part.sequence, part.units));
        // A tool that knows no parts may have moved the sequence past one.
        part.max(self.sequence.as_ref().map(|sequence| (sequence, u32::MAX)))
    }

    /// Moves on to what `other` says, but never back, unless it says so.
    pub fn advance(&mut self, other: &Self) {
        if other.anew {
            self.clone_from(other);
            return;
        }
        if other.furthest() > self.furthest() {
            if other.sequence.is_some() {
                self.sequence.clone_from(&other.sequence);
            }
            self.part.clone_from(&other.part);
        }
        self.reached = self.reached.max(other.reached);
        self.finished |= other.finished;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_move_on_and_never_back() {
        let at = |sequence: Option<&str>, part: Option<(&str, u32)>| Position {
            sequence: sequence.map(Sequence::new),
            part: part.map(|(sequence, units)| {
                let sequence = Sequence::new(sequence);
                Part { sequence, units, form: 0 }
            }),
            ..Position::new(ShardId::new("s"))
        };
        let check = |from: Position, to: Position, expected: Position| {
            let mut position = from.clone();
            position.advance(&to);
            assert_eq!(position, expected, "{from:?} to {to:?}");
        };
        let (none, nine, ten) = (at(None, None), at(Some("9"), None), at(Some("10"), None));
        check(none.clone(), nine.clone(), nine.clone());
        check(nine.clone(), ten.clone(), ten.clone());
        check(ten.clone(), nine.clone(), ten.clone());
        check(ten.clone(), none.clone(), ten.clone());
        // Within a record, and on to its end.
        let within = at(Some("9"), Some(("10", 3)));
        check(nine, at(None, Some(("10", 3))), within.clone());
        check(within.clone(), at(None, Some(("10", 7))), at(Some("9"), Some(("10", 7))));
        check(within.clone(), at(None, Some(("10", 2))), within.clone());
        check(within.clone(), ten.clone(), ten.clone());
        check(ten.clone(), within, ten.clone());
        check(at(Some("12"), Some(("10", 3))), ten, at(Some("12"), Some(("10", 3))));
        check(none.clone(), at(None, Some(("1", 1))), at(None, Some(("1", 1))));
        // What was given up is no measure any more, until it is replaced.
        let anew = Position { anew: true, ..at(Some("9"), None) };
        check(at(Some("10"), None), anew.clone(), anew);
        // The rest goes forward by itself.
        let later = Position { reached: Some(5), finished: true, ..none.clone() };
        check(later.clone(), none.clone(), later.clone());
        check(none, later.clone(), later);
    }

    #[test]
    fn sequences_are_numbers() {
        let check = |a: &str, b: &str, expected: Ordering| {
            assert_eq!(Sequence::new(a).cmp(&Sequence::new(b)), expected, "{a} {b}");
            assert_eq!(Sequence::new(b).cmp(&Sequence::new(a)), expected.reverse(), "{b} {a}");
        };
        check("9", "10", Ordering::Less);
        check("10", "10", Ordering::Equal);
        check("0", "1", Ordering::Less);
        check("49650000000000000000000000000000000000000000000000000002", "9", Ordering::Greater);
        // Not equal, though the same number: `Eq` compares the text, and both must agree.
        check("007", "7", Ordering::Greater);
    }
}
