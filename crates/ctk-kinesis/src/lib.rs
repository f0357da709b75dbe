//! The source: Amazon Kinesis Data Streams, shard by shard, without losing a record.
//!
//! ```text
//! SourceUrl ─► KinesisConfig ─► KinesisSource::open ─► readers() ─► ShardReader::read() ─► Answer
//! ```
//!
//! [`config`] knows the options of an address, [`identity`] who we are to AWS, [`api`] the calls (it alone names the SDK),
//! [`lineage`] which shard may be read when, [`pacer`] how fast, [`reader`] how one shard is read to its end without a gap or
//! a repetition, [`source`] puts them together behind the traits of `ctk-flow`. What records mean and where they go is
//! unknown here.
//!
//! Three rules hold throughout. A position moves only with the records before it. Whatever is temporary (throttles, expired
//! iterators, broken connections) is waited out behind the traits and ends no run. And what a server claims about its
//! distance to the tip is believed in empty answers only.

pub mod api;
pub mod config;
pub mod error;
pub mod identity;
pub mod lineage;
pub mod pacer;
pub mod reader;
pub mod source;

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the reader does not call it yet")
)]
mod fan_out;
mod listing;
mod service;

pub use api::{Status, StreamSummary};
pub use config::{
    Checkpointer, Compression, ConfigError, Envelope, Format, KinesisConfig, Layout, OPTIONS,
    StartAt,
};
pub use error::KinesisError;
pub use lineage::Saved;
pub use reader::ShardReader;
pub use source::KinesisSource;
