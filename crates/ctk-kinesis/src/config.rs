//! What an address says about a Kinesis source: every option taken, checked, and turned into values.
//!
//! Also the options that other rooms obey (`format`, `layout`, `checkpointer` …) stand here, since they are part of the
//! address of the source; the program hands them on. What is not built yet is refused by name, never ignored.

mod decode;
mod error;
mod file;
mod options;
mod parts;

use std::{path::PathBuf, time::Duration};

use ctk_flow::{Budget, Millis, Plan, Sequence, ShardId};
use ctk_url::{FILE, OptionError, Options, SourceScheme, SourceUrl, StreamRef};

pub use error::ConfigError;
pub use options::OPTIONS;

use crate::identity::Identity;
use options as option;

/// How often shards are looked for while following.
const RELIST: Duration = Duration::from_secs(10);

/// What one answer of Kinesis may take until its records are made: it holds 10 MiB of data
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>), which are a third more on the wire in JSON.
const ANSWER_BYTES: usize = 26 << 20;
/// What a record of a dump file takes beyond its line.
const BESIDE_A_LINE: usize = 1024;

/// Where shards begin that no checkpoint knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With the oldest record that the stream keeps.
    Earliest,
    /// With the first record that arrives after the start of the run, by the clock of the service.
    Latest,
    /// With the first record of this time or later.
    Time(Millis),
    /// One shard at this record, the others with their oldest.
    At {
        /// The shard.
        shard: ShardId,
        /// The first record to read.
        sequence: Sequence,
    },
    /// One shard behind this record, the others with their oldest.
    After {
        /// The shard.
        shard: ShardId,
        /// The last record not to read.
        sequence: Sequence,
    },
}

/// A Kinesis source, as its address describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KinesisConfig {
    /// The stream; of a dump file, what stands for its name: that of the file, without its endings.
    pub stream: StreamRef,
    /// The dump file that is read in place of a stream.
    pub file: Option<PathBuf>,
    /// Region, endpoint, credentials.
    pub identity: Identity,
    /// Where to begin.
    pub start: StartAt,
    /// End when everything that was there at the start is read; else go on until stopped.
    pub once: bool,
    /// Stop after the records that arrived up to here.
    pub until: Option<Millis>,
    /// Stop after so many records.
    pub max_records: Option<u64>,
    /// How near to the tip is near enough, in a run that ends by itself.
    pub milliseconds_behind_latest: Duration,
    /// Records per call.
    pub chunk_size: i32,
    /// The pause between calls at the tip.
    pub poll_interval: Duration,
    /// Create the stream first, with so many shards.
    pub create: Option<i32>,
    /// How long a shard may be behind without moving, before it is begun anew. No option of an address.
    pub patience: Duration,
    /// How long to wait for the stream to become ACTIVE.
    pub describe_timeout: Duration,
    /// A consumer to be sent records through, in place of polling.
    pub fan_out: Option<String>,
    /// What becomes of a run that cannot go on where the last one ended.
    pub on_data_loss: OnDataLoss,
    /// How answers are written on the wire.
    pub protocol: Protocol,
    /// The byte budget of the run.
    pub buffer: u64,
    /// What the records are, for the decoder.
    pub decode: DecodeOptions,
    /// Whether and where positions are kept, for the target.
    pub checkpoint: CheckpointOptions,
}

/// What becomes of a run when records that it has not read are gone from the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDataLoss {
    /// It ends with an error that names the gap.
    #[default]
    Fail,
    /// It goes on behind the gap, warns, and counts it.
    Continue,
}

/// How answers are written on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// CBOR where the endpoint speaks it, found out once at the start; else JSON.
    #[default]
    Auto,
    /// JSON 1.1.
    Json,
    /// CBOR 1.1, which costs less to read.
    Cbor,
}

/// What records are, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The form of a payload.
    pub format: Format,
    /// Whether payloads are looked at for compression.
    pub compression: Compression,
    /// Whether aggregates of the Kinesis Producer Library are looked for.
    pub aggregation: Aggregation,
    /// What a payload may grow to.
    pub max_record_bytes: u64,
    /// How a record becomes columns.
    pub layout: Layout,
    /// Which columns say where a record came from; change data has none.
    pub envelope: Envelope,
    /// Change data: an update brings the whole row, so that what it lacks is NULL.
    pub whole_updates: bool,
}

/// The form of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON value.
    Json,
    /// Lines of JSON.
    Ndjson,
    /// Bytes that mean nothing.
    Raw,
    /// Messages of a CloudWatch Logs subscription, a row for each log event.
    CloudWatchLogs,
    /// Change events of AWS DMS.
    Dms,
    /// Change events of DynamoDB.
    DynamoDb,
}

impl Format {
    /// Returns true when records are changes of tables, and not rows.
    pub fn is_change_data(self) -> bool {
        matches!(self, Self::Dms | Self::DynamoDb)
    }
}

/// Whether payloads are looked at for compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// By their first bytes.
    Auto,
    /// Never.
    None,
}

/// Whether aggregates of the Kinesis Producer Library are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregation {
    /// By their first bytes, and unpacked.
    Auto,
    /// Never.
    None,
}

/// How a record becomes columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A column for each member.
    Columns,
    /// One column with the whole record.
    Document,
}

/// Which columns say where a record came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Message id and origin.
    Full,
    /// Message id only.
    Id,
    /// None, so what is read again is written again.
    None,
}

/// Whether and where positions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointOptions {
    /// Where.
    pub checkpointer: Checkpointer,
    /// The namespace; the name of the stream unless given.
    pub name: String,
    /// The schema of the table.
    pub schema: String,
    /// Between two flushes, where positions are not part of a transaction.
    pub interval: Duration,
}

/// Where positions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpointer {
    /// Nowhere: every run starts anew.
    None,
    /// In the process, knowingly.
    Memory,
    /// In the target, whatever it is.
    Target,
    /// In the target, which must be CrateDB.
    CrateDb,
    /// In the target, which must be PostgreSQL.
    PostgreSql,
    /// In the target, which must be SQLite.
    Sqlite,
}

impl KinesisConfig {
    /// Takes the configuration from an address; `now` is the time at which the run starts, in milliseconds since 1970, which
    /// relative times in the address count from.
    ///
    /// An option that is unknown, contradicts another one, or is not built yet is an error that names it.
    pub fn from_url(url: &SourceUrl, now: Millis) -> Result<Self, ConfigError> {
        if let Some(path) = url.file()? {
            return file::config(url, path);
        }
        let mut options = url.options.clone();
        options.take(&FILE)?;
        let stream = parts::stream(url, &mut options)?;
        let config = Self {
            file: None,
            identity: parts::identity(url, &stream, &mut options)?,
            start: parts::start(&mut options, now)?,
            once: once(&mut options)?.unwrap_or(url.scheme == SourceScheme::Kinesis),
            until: parts::time(&mut options, &option::UNTIL, now)?,
            max_records: options.take_integer(&option::MAX_RECORDS, 1..=u64::MAX)?,
            milliseconds_behind_latest: Duration::from_millis(
                options
                    .take_integer(&option::MILLISECONDS_BEHIND_LATEST, 0..=86_400_000)?
                    .unwrap_or(0),
            ),
            chunk_size: options.take_integer(&option::CHUNK_SIZE, 1..=10_000)?.unwrap_or(10_000),
            poll_interval: parts::positive_seconds(&mut options, &option::POLL_INTERVAL)?
                .unwrap_or(Duration::from_secs(1)),
            create: parts::create(&mut options)?,
            patience: Duration::from_mins(5),
            describe_timeout: options
                .take_seconds(&option::DESCRIBE_TIMEOUT)?
                .unwrap_or(Duration::from_mins(1)),
            fan_out: parts::consumer(&mut options)?,
            on_data_loss: on_data_loss(&mut options)?,
            protocol: options
                .take_choice(
                    &option::PROTOCOL,
                    &[("auto", Protocol::Auto), ("json", Protocol::Json), ("cbor", Protocol::Cbor)],
                )?
                .unwrap_or_default(),
            buffer: parts::bytes(&mut options, &option::BUFFER, 256 << 20)?,
            decode: decode::options(url.scheme, &mut options)?,
            checkpoint: checkpoint(&mut options, stream.name())?,
            stream,
        };
        options.finish(OPTIONS)?;
        Ok(config)
    }

    /// Returns the limits of a run over this source. Each call makes a new budget, full and shared with nobody.
    pub fn plan(&self) -> Plan {
        Plan {
            budget: Budget::new(usize::try_from(self.buffer).unwrap_or(usize::MAX)),
            read_bytes: match &self.file {
                None => ANSWER_BYTES,
                Some(_) => usize::try_from(self.decode.max_record_bytes)
                    .unwrap_or(usize::MAX)
                    .saturating_add(BESIDE_A_LINE)
                    .max(ANSWER_BYTES),
            },
            until: self.until,
            max_records: self.max_records,
            // A run that ends by itself needs only the children of what it finished, which are looked for in any case.
            relist: (!self.once && self.until.is_none()).then_some(RELIST),
        }
    }
}

/// Takes whether the run ends by itself, if the address says so.
fn once(options: &mut Options) -> Result<Option<bool>, ConfigError> {
    match (options.take_bool(&option::ONCE)?, options.take_bool(&option::FOLLOW)?) {
        (Some(once), Some(follow)) if once == follow => {
            Err(ConfigError::contradiction("`once`", "`follow`"))
        }
        (Some(once), _) => Ok(Some(once)),
        (None, follow) => Ok(follow.map(|follow| !follow)),
    }
}

fn on_data_loss(options: &mut Options) -> Result<OnDataLoss, ConfigError> {
    let choices = &[("fail", OnDataLoss::Fail), ("continue", OnDataLoss::Continue)];
    Ok(options.take_choice(&option::ON_DATA_LOSS, choices)?.unwrap_or_default())
}

fn checkpoint(options: &mut Options, stream: &str) -> Result<CheckpointOptions, ConfigError> {
    let kinds = &[
        ("none", Checkpointer::None),
        ("memory", Checkpointer::Memory),
        ("target", Checkpointer::Target),
        ("cratedb", Checkpointer::CrateDb),
        ("postgresql", Checkpointer::PostgreSql),
        ("sqlite", Checkpointer::Sqlite),
    ];
    let schema = options.take(&option::CHECKPOINTER_SCHEMA)?.unwrap_or_else(|| "ext".to_owned());
    if !is_identifier(&schema) {
        let expected = "a name of letters, digits, `_` and `-` that begins with a letter or `_`";
        return Err(OptionError::invalid(&option::CHECKPOINTER_SCHEMA, expected).into());
    }
    Ok(CheckpointOptions {
        checkpointer: options
            .take_choice(&option::CHECKPOINTER, kinds)?
            .unwrap_or(Checkpointer::None),
        name: options.take(&option::CHECKPOINTER_NAME)?.unwrap_or_else(|| stream.to_owned()),
        schema,
        interval: parts::positive_seconds(options, &option::CHECKPOINTER_INTERVAL)?
            .unwrap_or(Duration::from_secs(5)),
    })
}

/// `^[a-zA-Z_][a-zA-Z0-9_-]*$`, as the Python `ctk` has it.
fn is_identifier(text: &str) -> bool {
    let first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    text.starts_with(first)
        && text.chars().all(|letter| first(letter) || letter.is_ascii_digit() || letter == '-')
}

#[cfg(test)]
mod tests;
