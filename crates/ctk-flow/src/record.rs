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

/// How far a shard is durable in the target: everything up to and including `sequence`.
///
/// It stands only between records of Kinesis, never inside one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The shard.
    pub shard: ShardId,
    /// The last record that is done; `None` when this run read none, which leaves a saved one as it is.
    pub sequence: Option<Sequence>,
    /// The shard is closed and everything in it is done.
    pub finished: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

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
