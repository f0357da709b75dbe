//! Bounded memory: one budget of bytes for all shards together.
//!
//! Bytes are reserved before a read, shrunk to what came, and given back after the commit. A shard that waits for its
//! next read holds nothing. Who asks first is served first, so a large shard cannot starve the others.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of account; small enough to be exact, large enough for a 32 bit count.
const UNIT: usize = 1024;

/// A budget of bytes. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    units: u32,
}

/// Bytes that are in use; dropping gives them back.
#[derive(Debug)]
pub struct Reserved(Option<OwnedSemaphorePermit>);

impl Budget {
    /// Returns a budget of `bytes`, at least one unit.
    pub fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        Self { free: Arc::new(Semaphore::new(units as usize)), units }
    }

    /// Waits until `bytes` are free and reserves them; more than the whole budget means all of it.
    ///
    /// Cancel safe: when dropped, nothing is reserved, and the place in the queue is lost.
    pub async fn reserve(&self, bytes: usize) -> Reserved {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units);
        // The semaphore is never closed, so the error cannot come.
        Reserved(Arc::clone(&self.free).acquire_many_owned(units).await.ok())
    }

    /// Returns the bytes that nobody holds.
    pub fn free(&self) -> usize {
        self.free.available_permits() * UNIT
    }
}

impl Reserved {
    /// Gives back what is not needed. More than was reserved is not taken: an answer larger than expected is let through.
    pub fn shrink(&mut self, bytes: usize) {
        let Some(permit) = &mut self.0 else { return };
        let surplus = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
        drop(permit.split(surplus));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_reserved_comes_back() {
        let budget = Budget::new(10 * UNIT);
        let mut first = budget.reserve(8 * UNIT).await;
        assert_eq!(budget.free(), 2 * UNIT);
        first.shrink(UNIT + 1);
        assert_eq!(budget.free(), 8 * UNIT);
        let all = budget.reserve(8 * UNIT).await;
        assert_eq!(budget.free(), 0);
        drop(first);
        drop(all);
        assert_eq!(budget.free(), 10 * UNIT);
        // More than there is: all of it, rather than never.
        drop(budget.reserve(1000 * UNIT).await);
        assert_eq!(budget.free(), 10 * UNIT);
    }
}
