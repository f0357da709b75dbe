//! Bounded memory: one budget of bytes for all shards together.
//!
//! Bytes are reserved before a read, shrunk to what came, and given back after the commit. A shard that waits for its
//! next read holds nothing. Who asks first is served first, so a large shard cannot starve the others.
//!
//! What came may need more than was reserved, when it is decompressed. If everybody then waited for bytes that others hold,
//! nobody would go on: so one at a time may overdraw the budget, and the others wait for that one or for free bytes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The unit of account; small enough to be exact, large enough for a 32 bit count.
const UNIT: usize = 1024;

/// A budget of bytes. Clones share it.
#[derive(Clone, Debug)]
pub struct Budget {
    free: Arc<Semaphore>,
    /// The turn to overdraw.
    turn: Arc<Semaphore>,
    units: u32,
}

/// Bytes that are in use; dropping gives them back.
#[derive(Debug)]
pub struct Reserved {
    permit: Option<OwnedSemaphorePermit>,
    /// Held by the one that overdraws.
    turn: Option<OwnedSemaphorePermit>,
    budget: Budget,
}

impl Budget {
    /// Returns a budget of `bytes`, at least one unit.
    pub fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 4);
        Self {
            free: Arc::new(Semaphore::new(units as usize)),
            turn: Arc::new(Semaphore::new(1)),
            units,
        }
    }

    /// Waits until `bytes` are free and reserves them; more than the whole budget means all of it.
    ///
    /// Cancel safe: when dropped, nothing is reserved, and the place in the queue is lost.
    pub async fn reserve(&self, bytes: usize) -> Reserved {
        // The semaphore is never closed, so the error cannot come.
        let permit = Arc::clone(&self.free).acquire_many_owned(self.units(bytes)).await.ok();
        Reserved { permit, turn: None, budget: self.clone() }
    }

    fn units(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).min(self.units)
    }

    /// Returns the bytes that nobody holds.
    pub fn free(&self) -> usize {
        self.free.available_permits() * UNIT
    }
}

impl Reserved {
    /// Gives back what is not needed. More than was reserved is not taken.
    pub fn shrink(&mut self, bytes: usize) {
        let Some(permit) = &mut self.permit else { return };
        let surplus = permit.num_permits().saturating_sub(bytes.div_ceil(UNIT));
        drop(permit.split(surplus));
    }

    /// Waits until it holds `bytes`, or may overdraw the budget until it is dropped.
    ///
    /// Cancel safe: when dropped, what was held before is still held.
    pub async fn grow(&mut self, bytes: usize) {
        let held = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = bytes.div_ceil(UNIT).saturating_sub(held);
        if wanted == 0 || self.turn.is_some() {
            return;
        }
        let free = Arc::clone(&self.budget.free);
        let turn = Arc::clone(&self.budget.turn);
        tokio::select! {
            biased;
            more = free.acquire_many_owned(self.budget.units(wanted * UNIT)) => {
                match (&mut self.permit, more) {
                    (Some(permit), Ok(more)) => permit.merge(more),
                    (permit, more) => *permit = more.ok(),
                }
            }
            turn = turn.acquire_owned() => self.turn = turn.ok(),
        }
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

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_overdraws() {
        let budget = Budget::new(10 * UNIT);
        let mut first = budget.reserve(4 * UNIT).await;
        let mut second = budget.reserve(4 * UNIT).await;
        first.grow(6 * UNIT).await;
        assert_eq!(budget.free(), 0, "what is free is taken first");
        // Both hold something and want more: one goes on, the other waits for it.
        first.grow(100 * UNIT).await;
        let moment = std::time::Duration::from_millis(1);
        assert!(tokio::time::timeout(moment, second.grow(100 * UNIT)).await.is_err());
        drop(first);
        second.grow(100 * UNIT).await;
        drop(second);
        assert_eq!(budget.free(), 10 * UNIT);
    }
}
