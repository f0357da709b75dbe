//! Where an iterator of the emulator points to, and iterators that point elsewhere.

use ferrokinesis::{
    shard_iterator::{create_shard_iterator, decode_shard_iterator},
    util::current_time_ms,
};
use serde_json::Value;

use crate::script::Script;

/// What an iterator says.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) stream: String,
    pub(super) shard: String,
    pub(super) sequence: String,
    made: u64,
}

impl Place {
    /// Returns the place of an iterator; nothing when the emulator would not take it.
    pub(super) fn of(iterator: &Value) -> Option<Self> {
        let (made, stream, shard, sequence) = decode_shard_iterator(iterator.as_str()?).ok()?;
        Some(Self { stream, shard, sequence, made })
    }

    /// Returns the iterator.
    pub(super) fn iterator(&self) -> String {
        create_shard_iterator(&self.stream, &self.shard, &self.sequence, self.made)
    }

    /// Returns a place in the same shard, of an iterator that is made now.
    pub(super) fn at(&self, sequence: &str) -> Self {
        Self { sequence: sequence.to_owned(), made: current_time_ms(), ..self.clone() }
    }

    /// Jumps over what the stream does not keep any more. The iterator does not become younger by it.
    pub(super) fn jump(&mut self, script: &Script) {
        if let Some(first) = script.first_kept(&self.stream, &self.shard)
            && number(&self.sequence) < number(&first)
        {
            self.sequence = first;
        }
    }

    pub(super) fn key(&self) -> (String, String) {
        (self.stream.clone(), self.shard.clone())
    }
}

/// Orders sequence numbers, which have too many digits for any integer here.
pub(super) fn number(sequence: &str) -> (usize, &str) {
    (sequence.len(), sequence)
}
