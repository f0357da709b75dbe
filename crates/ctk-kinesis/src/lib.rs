//! The source: Amazon Kinesis Data Streams, shard by shard, without losing a record.
//!
//! ```text
//! SourceUrl ─► KinesisConfig ─► KinesisSource::open ─► readers() ─► ShardReader::read() ─► Answer
//! ```
//!
//! [`config`] knows the options of an address, [`identity`] who we are to AWS, [`api`] the calls (it alone names the SDK),
//! [`lineage`] which shard may be read when, [`pacer`] how fast, [`reader`] how one shard is read to its end without a gap or
//! a repetition, [`source`] puts them together behind the traits of `ctk-flow`; [`dump`] reads a file in place of a stream.
//! What records mean and where they go is unknown here.
//!
//! Four rules hold throughout. A position moves only with the records before it. Whatever is temporary (throttles, expired
//! iterators, broken connections) is waited out behind the traits and ends no run. What a server claims about its distance to
//! the tip is believed in empty answers only. And where the stream may have lost what was not read yet ([`OnDataLoss`]), that
//! is said before anything else is read.
//!
//! # Types to begin with
//!
//! - [`KinesisConfig`]: what an address says; [`KinesisConfig::plan`] has the limits of a run over it;
//! - [`DumpSource`]: the same for a file ([`Dump`]) of lines, compressed or not;
//! - [`KinesisSource`]: an open stream, the [`ctk_flow::Source`] of a run; it hands out [`ShardReader`]s;
//! - [`Saved`]: how far an earlier run came in a shard, as a store of checkpoints remembers it;
//! - [`KinesisError`], [`ConfigError`]: what ends a run, each with a `hint()` for the user. Neither repeats a secret.
//!
//! Opening and reading need a tokio runtime with I/O and time. Time is handed in (milliseconds since 1970), and the environment
//! is read by the AWS SDK alone, for what the address does not say (credentials, region, endpoint).
//!
//! # Example
//!
//! ```
//! use ctk_kinesis::{KinesisConfig, KinesisSource, StartAt};
//! use ctk_url::SourceUrl;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let now = 1_795_199_400_000;
//! let url = SourceUrl::parse("kinesis:?table=orders&region=eu-central-1&start=-2h&max_records=1000")?;
//! let config = KinesisConfig::from_url(&url, now)?;
//! assert_eq!(config.start, StartAt::Time(now - 7_200_000));
//! assert!(config.once, "it ends when what is there now is read");
//! assert_eq!(config.plan().max_records, Some(1000));
//!
//! // An option that nobody knows is an error, which names it and those that are known.
//! let url = SourceUrl::parse("kinesis:?table=orders&regoin=eu-central-1")?;
//! assert!(KinesisConfig::from_url(&url, now).is_err());
//! # Ok(()) }
//!
//! /// Asks AWS for the stream, and says what it is.
//! async fn look(config: &KinesisConfig, now: i64) -> Result<(), ctk_kinesis::KinesisError> {
//!     // No position of an earlier run is known, so each shard begins where `start` says.
//!     let source = KinesisSource::open(config, Default::default(), now).await?;
//!     println!("{}: {} shards", source.stream().arn, source.shards().len());
//!     Ok(())
//! }
//! ```

pub mod api;
pub mod config;
pub mod dump;
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
pub use dump::{Dump, DumpError, DumpReader, DumpSource};
pub use error::KinesisError;
pub use lineage::Saved;
pub use reader::ShardReader;
pub use source::KinesisSource;
