//! Checkpoints: how far each shard was loaded, where that is kept, and looking after it.
//!
//! The table is `kinesis_checkpoints`, as the Python `ctk` writes it, so that both can go on from each other's rows; columns
//! that are only ours may be null. A position never moves backwards, whoever asks for it, and is compared as a number.
//! What the table does in a target with transactions stands in [`sqlite`] and [`postgres`], as functions on a connection: a
//! position is saved *inside* the transaction that writes the rows, and a [`Holder`] says whose rows they are. Without
//! transactions it stands in [`cratedb`], as a [`CheckpointStore`] of its own. [`prune`] and [`age`] are pure; the time is
//! always handed in.
//!
//! [`Checkpoint`] is one row, [`Checkpoint::position`] where to go on and [`Checkpoint::advance`] the rule by which it moves,
//! [`CheckpointStore`] what a place for them can do, [`MemoryStore`] the simplest one. Times are milliseconds since 1970. A
//! call that changes rows is not cancel safe: dropped, it may have changed them or not. A [`CheckpointError`] has a `hint()`.
//!
//! ```
//! use ctk_checkpoint::{Checkpoint, age, prune::{Active, Filter}};
//! use ctk_flow::ShardId;
//! use std::time::Duration;
//!
//! let now = 1_795_199_400_000;
//! let filter = Filter::new(Some(Duration::from_secs(3600)), now, None, Active::Keep)?;
//! let mut checkpoint = Checkpoint::new("orders", ShardId::new("shardId-000000000000"));
//! checkpoint.updated_at = Some(now - 7_200_000);
//! assert!(!filter.is_prunable(&checkpoint), "a run may hold it");
//! checkpoint.active = Some(false);
//! assert!(filter.is_prunable(&checkpoint));
//! assert_eq!(age::age(now - 7_200_000, now), "2 h ago");
//! # Ok::<(), ctk_checkpoint::prune::FilterError>(())
//! ```

pub mod age;
mod checkpoint;
pub mod cratedb;
mod error;
mod holder;
mod memory;
pub mod postgres;
pub mod prune;
pub mod sqlite;
mod store;
pub mod time;

pub use checkpoint::{Checkpoint, CheckpointRow, Saved, StreamIdentity, TABLE};
pub use error::CheckpointError;
pub use holder::{Holder, Owner};
pub use memory::MemoryStore;
pub use store::CheckpointStore;
