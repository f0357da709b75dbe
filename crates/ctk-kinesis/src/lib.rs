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
//! Four rules hold throughout. A position moves only with the records before it. Whatever is temporary (throttles, expired
//! iterators, broken connections) is waited out behind the traits and ends no run. What a server claims about its distance to
//! the tip is believed in empty answers only. And where the stream may have lost what was not read yet ([`OnDataLoss`]), that
//! is said before anything else is read.

pub mod api;
pub mod config;
pub mod error;
pub mod identity;
pub mod lineage;
pub mod pacer;
pub mod reader;
pub mod source;

mod fan_out;
mod horizon;
mod listing;
mod service;
mod watchdog;

pub use api::{Status, StreamSummary};
pub use config::{
    Checkpointer, Compression, ConfigError, Envelope, Format, KinesisConfig, Layout, OPTIONS,
    OnDataLoss, Protocol, StartAt,
};
pub use error::KinesisError;
pub use lineage::Saved;
pub use reader::ShardReader;
pub use source::KinesisSource;
