//! The calls of Kinesis that reading needs, and the only file that names the AWS SDK of Kinesis.
//!
//! It turns answers into the words of `ctk-flow` without copying a payload, and errors into one [`ApiErrorKind`] by what a
//! caller can do about them: by type, code and HTTP status, never by text. It waits for nothing: who calls, paces.

pub mod cbor;
mod error;
mod words;

use std::{
    error::Error,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use aws_config::SdkConfig;
use aws_sdk_kinesis::{
    Client,
    config::{
        Builder, ConfigBag, Intercept, RuntimeComponents,
        interceptors::BeforeDeserializationInterceptorContextRef, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{BoxError, ProvideErrorMetadata, SdkError},
    operation::get_records::GetRecordsOutput,
    primitives::{DateTime, DateTimeFormat},
    types::{ChildShard, Shard, ShardIteratorType, StreamDescriptionSummary, StreamStatus},
};
use ctk_flow::{Millis, Record, Sequence, ShardId};
use ctk_url::StreamRef;
use tracing::{debug, warn};

pub use error::{ApiError, ApiErrorKind};
pub use words::{Page, Records, ShardListing, ShardPage, Start, Status, StreamSummary};

use crate::config::Protocol;
use cbor::Cbor;

/// The service, seen from one stream.
#[derive(Clone, Debug)]
pub struct Api {
    /// For calls about the stream: the SDK tries them again by itself.
    control: Client,
    /// For calls about records: each attempt counts against the limits of the shard, so the reader alone tries again.
    reads: Client,
    /// For records, where the endpoint speaks it.
    cbor: Option<CborReads>,
    stream: StreamRef,
}

/// The calls that bring records, in CBOR. All others stay in JSON: they cost nothing, and what they say is the same in every
/// run, whatever its protocol.
#[derive(Clone, Debug)]
struct CborReads {
    client: Client,
    /// JSON is as good, if this does not work.
    optional: bool,
    /// Decided by [`Api::choose_protocol`], and taken back for good by an answer that cannot be understood.
    in_use: Arc<AtomicBool>,
}

impl Api {
    /// Returns the service as `config` reaches it, at `endpoint` if there is one. No call is made.
    pub fn new(
        config: &SdkConfig,
        endpoint: Option<&str>,
        stream: StreamRef,
        protocol: Protocol,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(30))
            .operation_attempt_timeout(Duration::from_mins(2))
            .build();
        let builder = |retry: RetryConfig| {
            let mut builder =
                Builder::from(config).timeout_config(timeouts.clone()).retry_config(retry);
            // Given here, it wins over all variables of the environment.
            if let Some(endpoint) = endpoint {
                builder.set_endpoint_url(Some(endpoint.to_owned()));
            }
            builder
        };
        let reads = builder(RetryConfig::disabled());
        let cbor = (protocol != Protocol::Json).then(|| CborReads {
            client: Client::from_conf(reads.clone().protocol(Cbor::default()).build()),
            optional: protocol == Protocol::Auto,
            in_use: Arc::default(),
        });
        Self {
            control: Client::from_conf(builder(RetryConfig::standard()).build()),
            reads: Client::from_conf(reads.build()),
            cbor,
            stream,
        }
    }

    /// Finds out by one call whether the endpoint speaks CBOR, where that is wanted; makes none where it is not.
    ///
    /// Fails only where CBOR was asked for: with [`ApiErrorKind::NotCbor`], or with what else went wrong.
    pub async fn choose_protocol(&self) -> Result<(), ApiError> {
        let Some(cbor) = &self.cbor else { return Ok(()) };
        match self.describe(&cbor.client, Clock::default()).await {
            Ok(_) => {
                cbor.in_use.store(true, Relaxed);
                Ok(())
            }
            Err(error) if cbor.optional => {
                debug!(%error, "the endpoint does not speak CBOR; reading in JSON");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the stream as the user named it.
    pub fn stream(&self) -> &StreamRef {
        &self.stream
    }

    /// Creates the stream. Fails with [`ApiErrorKind::InUse`] when it exists.
    pub async fn create_stream(&self, shards: i32) -> Result<(), ApiError> {
        let name = self.stream.name();
        let answer =
            self.control.create_stream().stream_name(name).shard_count(shards).send().await;
        answer.map(drop).map_err(|error| failed("CreateStream", &self.control, error))
    }

    /// Returns what the service says about the stream, and the time of its clock, to the second, where it tells.
    pub async fn summary(&self) -> Result<(StreamSummary, Option<Millis>), ApiError> {
        let clock = Clock::default();
        let summary = self.describe(&self.control, clock.clone()).await?;
        Ok((summary, clock.0.get().copied()))
    }

    async fn describe(&self, client: &Client, clock: Clock) -> Result<StreamSummary, ApiError> {
        let call = client.describe_stream_summary();
        let call = match &self.stream {
            StreamRef::Name(name) => call.stream_name(name),
            StreamRef::Arn { arn, .. } => call.stream_arn(arn),
        };
        let answer = call.customize().interceptor(clock).send().await;
        let answer = answer.map_err(|error| failed("DescribeStreamSummary", client, error))?;
        let missing = || ApiError::missing("DescribeStreamSummary", "StreamDescriptionSummary");
        answer.stream_description_summary.map(summary).ok_or_else(missing)
    }

    /// Returns one page of the shards that the stream still keeps.
    pub async fn list_shards(&self, page: Page<'_>) -> Result<ShardPage, ApiError> {
        let call = self.control.list_shards();
        let call = match (page, &self.stream) {
            // The token names the stream; both together are refused.
            (Page::After(token), _) => call.next_token(token),
            (_, StreamRef::Name(name)) => call.stream_name(name),
            (_, StreamRef::Arn { arn, .. }) => call.stream_arn(arn),
        };
        let call = match page {
            Page::OneAfter(before) => {
                call.max_results(1).set_exclusive_start_shard_id(before.map(ToString::to_string))
            }
            Page::First | Page::After(_) => call,
        };
        let answer =
            call.send().await.map_err(|error| failed("ListShards", &self.control, error))?;
        let shards = answer.shards.unwrap_or_default().into_iter().map(listing).collect();
        Ok(ShardPage { shards, next: answer.next_token })
    }

    /// Returns an iterator, good for five minutes.
    pub async fn shard_iterator(&self, shard: &ShardId, start: &Start) -> Result<String, ApiError> {
        let call = self.reads.get_shard_iterator().shard_id(shard.as_str());
        let call = match &self.stream {
            StreamRef::Name(name) => call.stream_name(name),
            StreamRef::Arn { arn, .. } => call.stream_arn(arn),
        };
        let call = match start {
            Start::Earliest => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Start::AtTime(millis) => call
                .shard_iterator_type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(*millis)),
            Start::At(sequence) => call
                .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
                .starting_sequence_number(sequence.as_str()),
            Start::After(sequence) => call
                .shard_iterator_type(ShardIteratorType::AfterSequenceNumber)
                .starting_sequence_number(sequence.as_str()),
        };
        let answer =
            call.send().await.map_err(|error| failed("GetShardIterator", &self.reads, error))?;
        answer.shard_iterator.ok_or_else(|| ApiError::missing("GetShardIterator", "ShardIterator"))
    }

    /// Returns up to `limit` records (1 to 10,000) from an iterator on. Reading does not use the iterator up.
    pub async fn get_records(&self, iterator: &str, limit: i32) -> Result<Records, ApiError> {
        if let Some(cbor) = self.cbor.as_ref().filter(|cbor| cbor.in_use.load(Relaxed)) {
            match self.fetch(&cbor.client, iterator, limit).await {
                // Some emulators speak it until there are records, and then spoil the payloads.
                Err(error) if error.kind == ApiErrorKind::NotCbor && cbor.optional => {
                    if cbor.in_use.swap(false, Relaxed) {
                        let cause = error.source().map(ToString::to_string);
                        warn!(cause, "the endpoint speaks another CBOR; reading on in JSON");
                    }
                }
                answer => return answer,
            }
        }
        self.fetch(&self.reads, iterator, limit).await
    }

    async fn fetch(
        &self,
        client: &Client,
        iterator: &str,
        limit: i32,
    ) -> Result<Records, ApiError> {
        let call = client.get_records().shard_iterator(iterator).limit(limit);
        let call = match &self.stream {
            StreamRef::Name(_) => call,
            // Needed where the stream belongs to another account.
            StreamRef::Arn { arn, .. } => call.stream_arn(arn),
        };
        let answer = call.send().await.map_err(|error| failed("GetRecords", client, error))?;
        Ok(records(answer))
    }
}

/// Catches the `Date` of an answer: the clock that arrival times are made of.
#[derive(Clone, Debug, Default)]
struct Clock(Arc<OnceLock<Millis>>);

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "clock of the service"
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let date = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok());
        if let Some(millis) = date.and_then(|date| date.to_millis().ok()) {
            // Of several attempts the first is as good as the last.
            self.0.get_or_init(|| millis);
        }
        Ok(())
    }
}

fn summary(summary: StreamDescriptionSummary) -> StreamSummary {
    let hours = u64::try_from(summary.retention_period_hours).unwrap_or_default();
    StreamSummary {
        name: summary.stream_name,
        arn: summary.stream_arn,
        created_at: summary.stream_creation_timestamp.to_millis().unwrap_or_default(),
        retention: Duration::from_secs(hours * 3600),
        status: match summary.stream_status {
            // An unknown state is no reason to wait: the first read tells.
            StreamStatus::Creating => Status::Creating,
            StreamStatus::Updating => Status::Updating,
            StreamStatus::Deleting => Status::Deleting,
            _ => Status::Active,
        },
    }
}

fn listing(shard: Shard) -> ShardListing {
    let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
    ShardListing {
        id: ShardId::new(&shard.shard_id),
        parents: parents.into_iter().flatten().map(|parent| ShardId::new(&parent)).collect(),
        closed: shard
            .sequence_number_range
            .is_some_and(|range| range.ending_sequence_number.is_some()),
    }
}

fn records(answer: GetRecordsOutput) -> Records {
    let records = answer.records.into_iter().map(|record| Record {
        data: record.data.into_inner(),
        sequence: Sequence::new(record.sequence_number),
        partition_key: record.partition_key,
        arrived_at: record.approximate_arrival_timestamp.as_ref().and_then(nearest_millis),
        done: 0,
    });
    Records {
        records: records.collect(),
        // Some emulators send an empty text for "no more".
        next: answer.next_shard_iterator.filter(|next| !next.is_empty()),
        behind: answer
            .millis_behind_latest
            .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default())),
        children: answer.child_shards.unwrap_or_default().iter().map(child).collect(),
    }
}

/// Returns the nearest millisecond: a time that was read from a decimal fraction of seconds falls short of its own by a little.
fn nearest_millis(time: &DateTime) -> Option<Millis> {
    let millis = (i64::from(time.subsec_nanos()) + 500_000) / 1_000_000;
    time.secs().checked_mul(1000)?.checked_add(millis)
}

/// Returns a child as it is listed while it is open: what closed meanwhile, the next listing tells.
fn child(shard: &ChildShard) -> ShardListing {
    ShardListing {
        id: ShardId::new(&shard.shard_id),
        parents: shard.parent_shards.iter().map(|parent| ShardId::new(parent)).collect(),
        closed: false,
    }
}

/// Turns an error of the SDK into one of ours.
fn failed<E>(operation: &'static str, client: &Client, failure: SdkError<E>) -> ApiError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = failure.raw_response().map(|response| response.status().as_u16());
    let (sort, detail) = match &failure {
        SdkError::ServiceError(service) => {
            let code = service.err().code();
            let detail = match (code, service.err().message()) {
                (Some(code), Some(message)) => format!("{code}: {message}"),
                (Some(code), None) => code.to_owned(),
                (None, _) => format!("HTTP status {}", status.unwrap_or_default()),
            };
            // The message is all that the error itself would say again.
            return ApiError::said(error::kind(code, status), operation, detail, None);
        }
        SdkError::ConstructionFailure(_) => (ApiErrorKind::Other, "the request cannot be made"),
        SdkError::ResponseError(_) if spoils_cbor(client, &failure) => {
            (ApiErrorKind::NotCbor, "the answer is not CBOR as Kinesis speaks it")
        }
        // A connection that breaks in the middle looks like this, so it is worth another try.
        SdkError::ResponseError(_) => {
            (ApiErrorKind::Unreachable, "the answer cannot be understood")
        }
        _ => (ApiErrorKind::Unreachable, "no answer"),
    };
    ApiError::said(sort, operation, detail.to_owned(), failure.into_source().ok())
}

/// Returns whether an answer came whole to a client that asked in CBOR, and makes no sense in it.
fn spoils_cbor(client: &Client, failure: &(dyn Error + 'static)) -> bool {
    let protocol = client.config().protocol().map(|protocol| protocol.protocol_id().as_str());
    protocol == Some(cbor::ID) && cbor::is_not_cbor(failure)
}
