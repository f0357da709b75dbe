//! The sink that writes nothing: `null:`. It shows what reading and decoding cost.

use ctk_flow::{Changes, Committed, Failure, Position, Target};

/// Counts, and lets go.
#[derive(Clone, Copy, Debug)]
pub struct Discard;

impl Target for Discard {
    async fn commit(&self, changes: Changes, _: Position) -> Result<Committed, Failure> {
        let dead_lettered = changes.dead_letters().len() as u64;
        Ok(Committed { written: changes.len() as u64, present: 0, dead_lettered })
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}
