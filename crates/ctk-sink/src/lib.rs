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
//!
//! # A sink of one's own
//!
//! A target with transactions implements [`ctk_flow::Target`], and saves the position with the rows. One without them
//! implements [`write_then_save::Sink`] and becomes a target with a store of checkpoints beside it: see `examples/` at the root
//! of the project. [`envelope::MessageId`] is the key by which it knows what it has already, and
//! [`dead_letters::LetterFile`] keeps what it refuses.
//!
//! # What is promised
//!
//! - When `commit` returns, rows, dead letters and position are as durable as the target makes anything; an error means that
//!   the position is not further than the rows. All of it is not cancel safe: a dropped call tells nothing.
//! - No value is changed without a trace: what does not fit its column goes into another one, or becomes a dead letter.
//! - A row that is refused is a dead letter, and no [`SinkError`]: that is for what ends the run, and has a `hint()`.
//! - The sinks that write by a task of their own must be made within a tokio runtime, and [`ctk_flow::Target::close`] ends
//!   that task.
//!
//! # Example
//!
//! ```
//! use ctk_flow::{Changes, Origin, Position, Sequence, ShardId, Target, Value};
//! use ctk_sink::{dead_letters::DeadLetters, envelope::Envelope, jsonl::Jsonl};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("orders.jsonl");
//! let lines = Jsonl::file(&path, "orders", Envelope::Id, DeadLetters::Fail)?;
//!
//! // What the loop brings: one record, decoded, and the position behind it.
//! let (shard, sequence) = (ShardId::new("shardId-000000000000"), Sequence::new("1"));
//! let mut changes = Changes::new(shard.clone(), 1, 64);
//! changes.unit();
//! changes.push_origin(Origin { sequence: sequence.clone(), partition_key: None, arrived_at: None });
//! let amount = changes.column("amount");
//! changes.cell(amount, Value::Decimal("19.90"));
//! changes.end_row(0);
//! let upto = Position { sequence: Some(sequence), ..Position::new(shard) };
//!
//! let committed = lines.commit(changes, upto).await?;
//! assert_eq!(committed.written, 1);
//! let expected = "{\"_kinesis_msg_id\":\"ID\",\"amount\":19.90}\n";
//! # let line = std::fs::read_to_string(&path)?;
//! # let id = line.split('"').nth(3).unwrap();
//! # assert_eq!(id.len(), 20);
//! # assert_eq!(line.replace(id, "ID"), expected);
//! # Ok(()) }
//! ```

pub mod cdc;
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
pub use group::Grouped;
