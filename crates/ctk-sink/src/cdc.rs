//! Change data: tables of the target that equal those of the source.
//!
//! ```text
//! Changes ─► queued per table ─► fitted to columns ─► merged per key ─► bulk statements of a Store
//! ```
//!
//! What is the same for all databases stands here once, in the [`engine`]; a [`store::Store`] is what differs. Changes of a
//! batch to one key become its last state, so a key is written once however often it changed; a change of a table ends the
//! run of changes that are merged. What is refused becomes a dead letter, all else goes on.

mod adapt;
mod cell;
pub mod cratedb;
mod ddl;
mod definition;
mod engine;
mod exact;
mod fit;
mod merge;
mod open;
pub mod postgres;
mod settings;
pub mod sqlite;
mod store;
mod tables;
mod target;
mod write;

pub use self::{
    settings::{ChangeSettings, Rules, TableRules},
    store::Layout,
    target::{ChangeTarget, Knowledge},
};

#[cfg(test)]
mod tests;
