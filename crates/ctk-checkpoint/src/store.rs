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

    /// Moves shards on, but never back, and returns what became of each, in their order; each shard at most once.
    ///
    /// It also tells others that the run lives, where the place is shared with others: so it is to be called from time to
    /// time, without positions if there are none. On an error, some of the positions may be saved.
    fn save(
        &self,
        positions: &[Position],
    ) -> impl Future<Output = Result<Vec<Saved>, CheckpointError>> + Send;

    /// Notes that no run reads the shard; what is known of it is kept.
    fn release(&self, shard: &ShardId) -> impl Future<Output = Result<(), CheckpointError>> + Send;
}

#[cfg(test)]
pub(crate) mod contract;
