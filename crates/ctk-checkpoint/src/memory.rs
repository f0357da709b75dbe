//! Checkpoints that end with the process: what the contract of stores is tried on first, and what tests start from.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ctk_flow::{Millis, Position, ShardId};

use crate::{Checkpoint, CheckpointError, CheckpointStore, Saved};

type Rows = BTreeMap<(String, ShardId), Checkpoint>;

/// Checkpoints in memory. Knows no time, so `updated_at` stays empty.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    namespace: String,
    rows: Arc<Mutex<Rows>>,
}

impl MemoryStore {
    /// Returns an empty store.
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), rows: Arc::default() }
    }

    /// Returns the store of another namespace in the same memory.
    pub fn with_namespace(&self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), rows: Arc::clone(&self.rows) }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        // No call panics while it holds the lock, so what it guards is whole.
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_row<T>(&self, shard: &ShardId, change: impl FnOnce(&mut Checkpoint) -> T) -> T {
        let mut rows = self.rows();
        let key = (self.namespace.clone(), shard.clone());
        change(rows.entry(key).or_insert_with(|| Checkpoint::new(&self.namespace, shard.clone())))
    }
}

impl CheckpointStore for MemoryStore {
    async fn load(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        Ok(self.rows().values().filter(|row| row.namespace == self.namespace).cloned().collect())
    }

    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), CheckpointError> {
        self.with_row(shard, |row| {
            row.active = Some(true);
            row.begins_at = row.begins_at.or(begins);
        });
        Ok(())
    }

    async fn save(&self, positions: &[Position]) -> Result<Vec<Saved>, CheckpointError> {
        let save =
            |position: &Position| self.with_row(&position.shard, |row| row.advance(position));
        Ok(positions.iter().map(save).collect())
    }

    async fn release(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        if let Some(row) = self.rows().get_mut(&(self.namespace.clone(), shard.clone())) {
            row.active = Some(false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let store = MemoryStore::new("first");
        contract::keeps_its_promises(async |namespace: &str| store.with_namespace(namespace)).await;
    }
}
