//! The options of a Kinesis address, each with its names, its default and what it means. The reference page is made of these.

use ctk_url::{FILE, OptionSpec};

pub(super) const TABLE: OptionSpec =
    OptionSpec::new(&["table"], "required, or the path", "name or ARN of the stream");
pub(super) const ACCESS_KEY_ID: OptionSpec = OptionSpec::new(
    &["aws_access_key_id", "access_key_id"],
    "the AWS configuration",
    "access key; also as `KEY:SECRET@` before the host",
);
pub(super) const SECRET_ACCESS_KEY: OptionSpec = OptionSpec::new(
    &["aws_secret_access_key", "secret_access_key"],
    "the AWS configuration",
    "secret of the access key; both or none",
);
pub(super) const SESSION_TOKEN: OptionSpec =
    OptionSpec::new(&["aws_session_token", "session_token"], "–", "token of temporary credentials");
pub(super) const PROFILE: OptionSpec =
    OptionSpec::new(&["profile"], "–", "profile of the AWS configuration files");
pub(super) const ROLE_ARN: OptionSpec =
    OptionSpec::new(&["role_arn"], "–", "role to assume, refreshed as needed");
pub(super) const EXTERNAL_ID: OptionSpec =
    OptionSpec::new(&["external_id"], "–", "external id that the owner of the role asks for");
pub(super) const REGION: OptionSpec = OptionSpec::new(
    &["region_name", "region", "aws_region"],
    "of the ARN, then the AWS configuration",
    "AWS region; an ARN of another region is an error",
);
pub(super) const ENDPOINT_URL: OptionSpec = OptionSpec::new(
    &["endpoint_url", "endpoint"],
    "the AWS configuration",
    "URL of the service, in place of a host in the address",
);
pub(super) const SSL: OptionSpec = OptionSpec::new(
    &["ssl"],
    "`false` for this machine and private addresses, else `true`",
    "whether a host in the address is spoken to by https",
);
pub(super) const START: OptionSpec = OptionSpec::new(
    &["start"],
    "`earliest`",
    "where to begin without a checkpoint: `earliest`, `trim_horizon`, `latest`, an ISO time, `-2h`, \
     `at:SHARD:SEQUENCE` or `after:SHARD:SEQUENCE` (other shards: `earliest`)",
);
pub(super) const START_DATE: OptionSpec = OptionSpec::new(
    &["start_date", "initial_at_timestamp"],
    "–",
    "time to begin at, ISO or seconds since 1970; `0` is `latest`",
);
pub(super) const ONCE: OptionSpec = OptionSpec::new(
    &["once"],
    "`true`; change data: `false`",
    "end when everything that was there at the start is read, as a dump file always does",
);
pub(super) const FOLLOW: OptionSpec =
    OptionSpec::new(&["follow"], "`false`; change data: `true`", "the opposite of `once`");
pub(super) const UNTIL: OptionSpec = OptionSpec::new(
    &["until"],
    "–",
    "ISO time or `+5m`: leave out records that arrived later, and end",
);
pub(super) const MAX_RECORDS: OptionSpec = OptionSpec::new(
    &["max_records", "max_number_of_messages"],
    "–",
    "end after exactly so many records, all shards together",
);
pub(super) const MILLISECONDS_BEHIND_LATEST: OptionSpec = OptionSpec::new(
    &["milliseconds_behind_latest"],
    "0",
    "with `once`: how near to the tip of a shard is near enough",
);
pub(super) const CHUNK_SIZE: OptionSpec = OptionSpec::new(
    &["chunk_size", "batch_size", "max_records_to_fetch"],
    "10000",
    "records per call, 1 to 10000",
);
pub(super) const POLL_INTERVAL: OptionSpec = OptionSpec::new(
    &["poll_interval", "idle_sleep"],
    "1",
    "seconds between calls when a shard is caught up",
);
pub(super) const FAN_OUT: OptionSpec = OptionSpec::new(
    &["fan_out"],
    "–",
    "name of a consumer with enhanced fan-out: records are sent to it (SubscribeToShard) instead of polled for; \
     registered when missing",
);
pub(super) const FORMAT: OptionSpec = OptionSpec::new(
    &["format"],
    "`json`",
    "`json`, `ndjson` (lines in a record), `raw`, `cloudwatch-logs` (a row for each log event)",
);
pub(super) const PARSE_JSON: OptionSpec =
    OptionSpec::new(&["parse_json"], "`true`", "`false` is the same as `format=raw`");
pub(super) const COMPRESSION: OptionSpec = OptionSpec::new(
    &["compression"],
    "`auto`",
    "`auto`: gzip, zlib and zstd are recognised by their first bytes, of a dump file gzip, bzip2, xz and zstd; `none`",
);
pub(super) const MAX_RECORD_BYTES: OptionSpec = OptionSpec::new(
    &["max_record_bytes"],
    "64MiB",
    "what a compressed record may grow to, and how long a line of a dump file may be",
);
pub(super) const AGGREGATION: OptionSpec = OptionSpec::new(
    &["aggregation"],
    "`auto`",
    "`auto`: aggregates of the Kinesis Producer Library are unpacked; `none`: they are records like others",
);
pub(super) const LAYOUT: OptionSpec = OptionSpec::new(
    &["layout"],
    "`columns`",
    "`columns`: one for each member; `document`: the record as one JSON value",
);
pub(super) const ENVELOPE: OptionSpec = OptionSpec::new(
    &["envelope"],
    "`full`",
    "columns about the origin: `full`, `id` (message id only), `none` (duplicates are possible)",
);
pub(super) const UPDATES: OptionSpec = OptionSpec::new(
    &["updates"],
    "`changed`",
    "change data: what an update leaves out stays as it is (`changed`), or is NULL, since updates bring the `whole` row",
);
pub(super) const CREATE: OptionSpec =
    OptionSpec::new(&["create"], "`false`", "create the stream first, if it is not there");
pub(super) const CREATE_SHARDS: OptionSpec =
    OptionSpec::new(&["create_shards"], "1", "shards of the stream that `create` creates");
pub(super) const ON_DATA_LOSS: OptionSpec = OptionSpec::new(
    &["on_data_loss"],
    "`fail`",
    "when records that were not read are gone from the stream, or the dump file is another one than the last time: `fail`, or \
     `continue` behind the gap, which is warned of and counted",
);
pub(super) const BUFFER: OptionSpec =
    OptionSpec::new(&["buffer"], "256MiB", "memory for records, all shards together");
pub(super) const PROTOCOL: OptionSpec = OptionSpec::new(
    &["protocol"],
    "`auto`",
    "on the wire: `json`, `cbor` (costs less), or `auto`, which asks the endpoint once at the start",
);
pub(super) const CHECKPOINTER: OptionSpec = OptionSpec::new(
    &["checkpointer"],
    "`none`",
    "where positions are kept: `target` (or its name: `cratedb`, `postgresql`, `sqlite`), `memory`, `none`",
);
pub(super) const CHECKPOINTER_NAME: OptionSpec = OptionSpec::new(
    &["checkpointer_name"],
    "the name of the stream, or the path of the dump file",
    "namespace of the checkpoints",
);
pub(super) const CHECKPOINTER_SCHEMA: OptionSpec = OptionSpec::new(
    &["checkpointer_schema"],
    "`ext`",
    "schema of the checkpoint table; SQLite has no schemas",
);
pub(super) const CHECKPOINTER_INTERVAL: OptionSpec = OptionSpec::new(
    &["checkpointer_interval"],
    "5",
    "seconds between flushes, for targets without transactions",
);
pub(super) const DESCRIBE_TIMEOUT: OptionSpec =
    OptionSpec::new(&["describe_timeout"], "60", "seconds to wait for the stream to become ACTIVE");

/// Every option of a Kinesis address, in the order of the reference page.
pub const OPTIONS: &[&OptionSpec] = &[
    &TABLE,
    &ACCESS_KEY_ID,
    &SECRET_ACCESS_KEY,
    &SESSION_TOKEN,
    &PROFILE,
    &ROLE_ARN,
    &EXTERNAL_ID,
    &REGION,
    &ENDPOINT_URL,
    &SSL,
    &START,
    &START_DATE,
    &ONCE,
    &FOLLOW,
    &UNTIL,
    &MAX_RECORDS,
    &MILLISECONDS_BEHIND_LATEST,
    &CHUNK_SIZE,
    &POLL_INTERVAL,
    &FAN_OUT,
    &FORMAT,
    &PARSE_JSON,
    &COMPRESSION,
    &MAX_RECORD_BYTES,
    &AGGREGATION,
    &LAYOUT,
    &ENVELOPE,
    &UPDATES,
    &CREATE,
    &CREATE_SHARDS,
    &ON_DATA_LOSS,
    &BUFFER,
    &PROTOCOL,
    &CHECKPOINTER,
    &CHECKPOINTER_NAME,
    &CHECKPOINTER_SCHEMA,
    &CHECKPOINTER_INTERVAL,
    &DESCRIBE_TIMEOUT,
    &FILE,
];
