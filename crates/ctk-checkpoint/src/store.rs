//! What a place for checkpoints can do. One suite of tests holds all of them to it.

use ctk_flow::{Millis, Position, ShardId};

use crate::{Checkpoint, CheckpointError, Saved};

/// The checkpoints of one namespace.
///
/// Not cancel safe: after a dropped future, the change may have been made or not.
pub trait CheckpointStore: Send + Sync + 'static {
    /// Returns all checkpoints, by shard.
    fn load(&self) -> impl Future<Output = Result<Vec<Checkpoint>, CheckpointError>> + Send;

    /// Notes that a run reads the shard, and, if it is not known where that begins, from which instant on; what is known
    /// of it is kept.
    fn claim(
        &self,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> impl Future<Output = Result<(), CheckpointError>> + Send;

    /// Moves a shard on, but never back.
    fn save(
        &self,
        position: &Position,
    ) -> impl Future<Output = Result<Saved, CheckpointError>> + Send;

    /// Notes that no run reads the shard; what is known of it is kept.
    fn release(&self, shard: &ShardId) -> impl Future<Output = Result<(), CheckpointError>> + Send;
}

#[cfg(test)]
pub(crate) mod contract;
