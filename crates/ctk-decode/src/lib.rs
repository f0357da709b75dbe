//! Payloads: from the bytes of a record to changes. Pure: no I/O, no clock, no failure.
//!
//! ```text
//! record ─► compression (by magic bytes, limited) ─► json | ndjson | raw ─► Changes
//! ```
//!
//! A record holds one unit or several (lines). Every unit ends as exactly one row, one dead letter, or one filtered unit;
//! nothing is dropped, nothing panics, whatever the bytes are. Numbers keep their text and nested values stay JSON text, so
//! nothing is rounded before a sink knows its column.
//!
//! ```
//! use ctk_decode::{DecodeOptions, Decoder};
//! use ctk_flow::{Decode, Record, Sequence, ShardId, Value};
//!
//! let record = Record {
//!     data: br#"{"sensor": 7, "place": {"room": 1}}"#.to_vec(),
//!     sequence: Sequence::new("1"),
//!     partition_key: None,
//!     arrived_at: None,
//! };
//! let changes = Decoder::new(DecodeOptions::default()).decode(&ShardId::new("shardId-000000000000"), vec![record]);
//! let values: Vec<_> = changes.row(0).cells().map(|(_, value)| value).collect();
//! assert_eq!(values, [Value::Integer(7), Value::Json(r#"{"room": 1}"#)]);
//! ```

#[cfg_attr(not(test), expect(dead_code, reason = "the decoder does not call it yet"))]
mod cloudwatch;
mod columns;
mod compression;
mod decoder;
mod json;
#[cfg_attr(not(test), expect(dead_code, reason = "the decoder does not call it yet"))]
mod kpl;

pub use decoder::{Aggregation, Compression, DecodeOptions, Decoder, Format, Layout};
