//! The sinks: rows, dead letters and positions into a target.
//!
//! Each sink implements [`ctk_flow::Target`]; which one an address means is decided by the program's registry.
//!
//! - [`sqlite`]: rows, dead letters and position in one transaction, so each record is there exactly once;
//! - [`postgres`]: the same, by COPY over several connections;
//! - [`cratedb`]: rows in bulk requests, made idempotent by their key; positions apart, by [`write_then_save`];
//! - [`jsonl`]: lines, for pipes and for looking; nothing is remembered in it;
//! - [`discard`]: reads, decodes, counts, and writes nothing, for measuring.
//!
//! What they share: the envelope columns ([`envelope`]), the kinds of values ([`kinds`]), the rule for names ([`names`]), and
//! what to do with records that are no rows ([`dead_letters`]).

mod columns;
pub mod config;
pub mod cratedb;
pub mod dead_letters;
pub mod discard;
pub mod envelope;
mod error;
mod group;
pub mod jsonl;
pub mod kinds;
pub mod names;
pub mod postgres;
mod row_json;
pub mod sqlite;
pub mod write_then_save;

pub use error::{Shared, SinkError};
