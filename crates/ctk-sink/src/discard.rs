//! The sink that writes nothing: `null:`. It shows what reading and decoding cost.

use ctk_flow::{Changes, Committed, Failure, Position, Target};

use crate::dead_letters::DeadLetters;

/// Counts, and lets go.
#[derive(Debug)]
pub struct Discard {
    /// The stream, for dead letters.
    pub stream: String,
    /// What becomes of records that are no rows.
    pub dead_letters: DeadLetters,
}

impl Target for Discard {
    async fn commit(&self, changes: Changes, _: Position) -> Result<Committed, Failure> {
        self.dead_letters.keep(changes.dead_letters(), &self.stream, changes.shard(), "null")?;
        let dead_lettered = changes.dead_letters().len() as u64;
        Ok(Committed { written: changes.len() as u64, present: 0, dead_lettered })
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}
