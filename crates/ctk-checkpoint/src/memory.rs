//! Checkpoints that end with the process, and none at all: for runs without a table.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ctk_flow::{Claims, Failure, Position, ShardId};

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

    async fn claim(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        self.with_row(shard, |row| row.active = Some(true));
        Ok(())
    }

    async fn save(&self, position: &Position) -> Result<Saved, CheckpointError> {
        Ok(self.with_row(&position.shard, |row| row.advance(position)))
    }

    async fn release(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        if let Some(row) = self.rows().get_mut(&(self.namespace.clone(), shard.clone())) {
            row.active = Some(false);
        }
        Ok(())
    }
}

impl Claims for MemoryStore {
    async fn claim(&self, shard: &ShardId) -> Result<(), Failure> {
        Ok(CheckpointStore::claim(self, shard).await?)
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        Ok(CheckpointStore::release(self, shard).await?)
    }
}

/// Keeps nothing: for a run that was asked to, or that has nowhere to.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoStore;

impl CheckpointStore for NoStore {
    async fn load(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        Ok(Vec::new())
    }

    async fn claim(&self, _: &ShardId) -> Result<(), CheckpointError> {
        Ok(())
    }

    async fn save(&self, _: &Position) -> Result<Saved, CheckpointError> {
        Ok(Saved::Written)
    }

    async fn release(&self, _: &ShardId) -> Result<(), CheckpointError> {
        Ok(())
    }
}

impl Claims for NoStore {
    async fn claim(&self, _: &ShardId) -> Result<(), Failure> {
        Ok(())
    }

    async fn release(&self, _: &ShardId) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract;

    #[tokio::test]
    async fn memory_keeps_the_promises_of_a_store() {
        let store = MemoryStore::new("any");
        contract::keeps_its_promises(async |namespace: &str| store.with_namespace(namespace)).await;
    }

    #[tokio::test]
    async fn claims_are_those_of_the_store() {
        let (store, shard) = (MemoryStore::new("n"), ShardId::new("s"));
        Claims::claim(&store, &shard).await.unwrap();
        assert_eq!(store.load().await.unwrap(), [Checkpoint::new("n", shard.clone())]);
        Claims::release(&store, &shard).await.unwrap();
        assert_eq!(store.load().await.unwrap()[0].active, Some(false));
    }

    #[tokio::test]
    async fn no_store_keeps_nothing() {
        let shard = ShardId::new("s");
        Claims::claim(&NoStore, &shard).await.unwrap();
        let position = Position { shard: shard.clone(), sequence: None, finished: true };
        assert_eq!(NoStore.save(&position).await.unwrap(), Saved::Written);
        assert!(NoStore.load().await.unwrap().is_empty());
    }
}
