//! Payloads: from the bytes of a record to changes. Pure: no I/O, no clock, no failure.
//!
//! ```text
//! record ─► aggregate (KPL) ─► compression (by magic bytes, limited) ─► json | ndjson | raw | cloudwatch-logs ─► Changes
//!                                                                    ─► dms | dynamodb, by a recipe
//! ```
//!
//! A record holds one unit or several (of an aggregate, lines, log events). Every unit ends as exactly one row, one dead letter, or one filtered unit;
//! nothing is dropped, nothing panics, whatever the bytes are. Numbers keep their text and nested values stay JSON text, so
//! nothing is rounded before a sink knows its column.
//!
//! Change data is one change a record, of a row or of a table:
//!
//! - [`Format::Dms`]: what AWS DMS writes to a stream, plain or wrapped as AWS Lambda gets it; all its operations, its DDL included;
//! - [`Format::DynamoDb`]: what DynamoDB writes to a stream.
//!
//! [`Recipe`] says what is wanted of single tables; it is read as strictly as an address, and names the line of what it
//! refuses. Columns keep the names of the source, unless the recipe gives them others.
//!
//! [`Decoder`] is the [`ctk_flow::Decode`] of a run, [`DecodeOptions`] what it goes by. It waits
//! for nothing, and keeps no state between two calls, so one serves all shards. Sizes are bytes.
//!
//! ```
//! use ctk_decode::{DecodeOptions, Decoder};
//! use ctk_flow::{Allowance, Decode, Record, Sequence, ShardId, Value};
//!
//! let record = Record {
//!     data: br#"{"sensor": 7, "place": {"room": 1}}"#.to_vec(),
//!     sequence: Sequence::new("1"),
//!     partition_key: None,
//!     arrived_at: None,
//!     done: 0,
//! };
//! let (decoder, shard) = (Decoder::new(DecodeOptions::default()), ShardId::new("shardId-000000000000"));
//! let decoded = decoder.decode(&shard, &mut [record].into(), Allowance::ALL);
//! let values: Vec<_> = decoded.changes.row(0).cells().map(|(_, value)| value).collect();
//! assert_eq!(values, [Value::Integer(7), Value::Json(r#"{"room": 1}"#)]);
//! ```

mod change;
mod cloudwatch;
mod columns;
mod compression;
mod decoder;
mod dms;
mod dynamodb;
mod json;
mod kpl;
mod recipe;

pub use decoder::{Aggregation, Compression, DecodeOptions, Decoder, Format, Layout};
pub use recipe::{ChangeLayout, Recipe, RecipeError, TableRules};
