//! The calls of Kinesis that reading needs, and the only file that names the AWS SDK of Kinesis.
//!
//! It turns answers into the words of `ctk-flow` without copying a payload, and errors into one [`ApiErrorKind`] by what a
//! caller can do about them: by type, code and HTTP status, never by text. It waits for nothing: who calls, paces.

mod error;

use std::{
    error::Error,
    sync::{Arc, OnceLock},
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
    operation::{get_records::GetRecordsOutput, subscribe_to_shard::SubscribeToShardOutput},
    primitives::{DateTime, DateTimeFormat},
    types::{
        ChildShard, ConsumerStatus, Shard, ShardIteratorType, StartingPosition,
        StreamDescriptionSummary, StreamStatus, SubscribeToShardEvent, SubscribeToShardEventStream,
        error::SubscribeToShardEventStreamError,
    },
};
use ctk_flow::{Millis, Record, Sequence, ShardId};
use ctk_url::StreamRef;

pub use error::{ApiError, ApiErrorKind};

/// The service, seen from one stream.
#[derive(Clone, Debug)]
pub struct Api {
    /// For calls about the stream: the SDK tries them again by itself.
    control: Client,
    /// For calls about records: each attempt counts against the limits of the shard, so the reader alone tries again.
    reads: Client,
    stream: StreamRef,
}

/// What the service says about a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// The plain name.
    pub name: String,
    /// The ARN.
    pub arn: String,
    /// When it was created: tells it from an earlier stream of the same name.
    pub created_at: Millis,
    /// How long it keeps records.
    pub retention: Duration,
    /// Whether it can be read.
    pub status: Status,
}

/// The state of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It can be read.
    Active,
    /// It cannot be read yet.
    Creating,
    /// It is being changed, which reading does not notice.
    Updating,
    /// It is going away.
    Deleting,
}

/// A shard as listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardListing {
    /// The shard.
    pub id: ShardId,
    /// One after a split, two after a merge, none for the first shards of a stream.
    pub parents: Vec<ShardId>,
    /// It takes no more records.
    pub closed: bool,
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct ShardPage {
    /// The shards of the page.
    pub shards: Vec<ShardListing>,
    /// What to ask for the next page with.
    pub next: Option<String>,
}

/// Which page of a listing.
#[derive(Clone, Copy, Debug)]
pub enum Page<'a> {
    /// From the first shard on.
    First,
    /// What comes after the page that brought this token.
    After(&'a str),
    /// One shard: the first whose id follows this one.
    OneAfter(Option<&'a ShardId>),
}

/// Where in a shard to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record that the stream still keeps.
    Earliest,
    /// At the first record that arrived at this time or later.
    AtTime(Millis),
    /// At this record.
    At(Sequence),
    /// Behind this record.
    After(Sequence),
}

/// An answer of `GetRecords`.
#[derive(Debug)]
pub struct Records {
    /// In the order of the shard; may be empty, which means nothing by itself.
    pub records: Vec<Record>,
    /// The iterator to go on with; `None` behind the last record of a closed shard.
    pub next: Option<String>,
    /// The distance to the tip; AWS always says it.
    pub behind: Option<Duration>,
    /// At the end of a closed shard: what it was split or merged into, where the service says so.
    pub children: Vec<ShardListing>,
}

/// Who records are sent to, in place of asking for them (enhanced fan-out).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumer {
    /// The ARN.
    pub arn: String,
    /// Whether it can subscribe.
    pub status: Status,
}

/// One event of a subscription.
#[derive(Debug)]
pub struct Event {
    /// In the order of the shard; often empty: the service sends events while nothing is put, too.
    pub records: Vec<Record>,
    /// The distance to the tip.
    pub behind: Option<Duration>,
    /// How far the shard is with this event, records or not; absent in the last event of a closed shard.
    pub continuation: Option<Sequence>,
    /// At the end of a closed shard: what it was split or merged into.
    pub children: Vec<ShardListing>,
}

/// A shard that is being sent to us. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(SubscribeToShardOutput);

impl Api {
    /// Returns the service as `config` reaches it, at `endpoint` if there is one. No call is made.
    pub fn new(config: &SdkConfig, endpoint: Option<&str>, stream: StreamRef) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(30))
            .operation_attempt_timeout(Duration::from_mins(2))
            .build();
        let client = |retry: RetryConfig| {
            let mut builder =
                Builder::from(config).timeout_config(timeouts.clone()).retry_config(retry);
            // Given here, it wins over all variables of the environment.
            if let Some(endpoint) = endpoint {
                builder.set_endpoint_url(Some(endpoint.to_owned()));
            }
            Client::from_conf(builder.build())
        };
        Self {
            control: client(RetryConfig::standard()),
            reads: client(RetryConfig::disabled()),
            stream,
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
        answer.map(drop).map_err(|error| failed("CreateStream", error))
    }

    /// Returns what the service says about the stream, and the time of its clock, to the second, where it tells.
    pub async fn summary(&self) -> Result<(StreamSummary, Option<Millis>), ApiError> {
        let call = self.control.describe_stream_summary();
        let call = match &self.stream {
            StreamRef::Name(name) => call.stream_name(name),
            StreamRef::Arn { arn, .. } => call.stream_arn(arn),
        };
        let clock = Clock::default();
        let answer = call.customize().interceptor(clock.clone()).send().await;
        let answer = answer.map_err(|error| failed("DescribeStreamSummary", error))?;
        let missing = || ApiError::missing("DescribeStreamSummary", "StreamDescriptionSummary");
        let description = answer.stream_description_summary.ok_or_else(missing)?;
        Ok((summary(description), clock.0.get().copied()))
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
        let answer = call.send().await.map_err(|error| failed("ListShards", error))?;
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
        let answer = call.send().await.map_err(|error| failed("GetShardIterator", error))?;
        answer.shard_iterator.ok_or_else(|| ApiError::missing("GetShardIterator", "ShardIterator"))
    }

    /// Returns up to `limit` records (1 to 10,000) from an iterator on. Reading does not use the iterator up.
    pub async fn get_records(&self, iterator: &str, limit: i32) -> Result<Records, ApiError> {
        let call = self.reads.get_records().shard_iterator(iterator).limit(limit);
        let call = match &self.stream {
            StreamRef::Name(_) => call,
            // Needed where the stream belongs to another account.
            StreamRef::Arn { arn, .. } => call.stream_arn(arn),
        };
        let answer = call.send().await.map_err(|error| failed("GetRecords", error))?;
        Ok(records(answer))
    }

    /// Registers a consumer. Fails with [`ApiErrorKind::InUse`] when it exists, and with [`ApiErrorKind::Throttled`] also
    /// when the stream has as many as it may have.
    pub async fn register_consumer(
        &self,
        stream_arn: &str,
        name: &str,
    ) -> Result<Consumer, ApiError> {
        let call = self.control.register_stream_consumer();
        let answer = call.stream_arn(stream_arn).consumer_name(name).send().await;
        let answer = answer.map_err(|error| failed("RegisterStreamConsumer", error))?;
        let missing = || ApiError::missing("RegisterStreamConsumer", "Consumer");
        let registered = answer.consumer.ok_or_else(missing)?;
        Ok(consumer(registered.consumer_arn, &registered.consumer_status))
    }

    /// Returns the consumer of this name, or fails with [`ApiErrorKind::NotFound`].
    pub async fn consumer(&self, stream_arn: &str, name: &str) -> Result<Consumer, ApiError> {
        let call = self.control.describe_stream_consumer();
        let answer = call.stream_arn(stream_arn).consumer_name(name).send().await;
        let answer = answer.map_err(|error| failed("DescribeStreamConsumer", error))?;
        let missing = || ApiError::missing("DescribeStreamConsumer", "ConsumerDescription");
        let described = answer.consumer_description.ok_or_else(missing)?;
        Ok(consumer(described.consumer_arn, &described.consumer_status))
    }

    /// Subscribes the consumer to a shard, for five minutes at most. The timeouts end with the first bytes of the answer, so
    /// no attempt timeout cuts the events off.
    pub async fn subscribe(
        &self,
        consumer_arn: &str,
        shard: &ShardId,
        start: &Start,
    ) -> Result<Subscription, ApiError> {
        let position = StartingPosition::builder();
        let position = match start {
            Start::Earliest => position.r#type(ShardIteratorType::TrimHorizon),
            Start::AtTime(millis) => position
                .r#type(ShardIteratorType::AtTimestamp)
                .timestamp(DateTime::from_millis(*millis)),
            Start::At(sequence) => position
                .r#type(ShardIteratorType::AtSequenceNumber)
                .sequence_number(sequence.as_str()),
            Start::After(sequence) => position
                .r#type(ShardIteratorType::AfterSequenceNumber)
                .sequence_number(sequence.as_str()),
        };
        let position =
            position.build().map_err(|_| ApiError::missing("SubscribeToShard", "a position"))?;
        let call = self.control.subscribe_to_shard().consumer_arn(consumer_arn);
        let call = call.shard_id(shard.as_str()).starting_position(position);
        // One call a second is allowed, so that of the loop that renews must be the only one that tries again.
        let alone = Builder::new().retry_config(RetryConfig::disabled());
        let answer = call.customize().config_override(alone).send().await;
        answer.map(Subscription).map_err(|error| failed("SubscribeToShard", error))
    }
}

impl Subscription {
    /// Returns the next event, or nothing at the end of the subscription, which need not be that of the shard.
    ///
    /// Cancel safe: a dropped call loses no event. After an error there are no more.
    pub async fn next(&mut self) -> Result<Option<Event>, ApiError> {
        loop {
            match self.0.event_stream.recv().await.map_err(broken)? {
                Some(SubscribeToShardEventStream::SubscribeToShardEvent(sent)) => {
                    return Ok(Some(event(sent)));
                }
                // The greeting of a server that sends one late, or something that does not exist yet.
                Some(_) => {}
                None => return Ok(None),
            }
        }
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
    Records {
        records: answer.records.into_iter().map(record).collect(),
        // Some emulators send an empty text for "no more".
        next: answer.next_shard_iterator.filter(|next| !next.is_empty()),
        behind: answer
            .millis_behind_latest
            .map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default())),
        children: answer.child_shards.unwrap_or_default().iter().map(child).collect(),
    }
}

fn record(record: aws_sdk_kinesis::types::Record) -> Record {
    Record {
        data: record.data.into_inner(),
        sequence: Sequence::new(record.sequence_number),
        partition_key: record.partition_key,
        arrived_at: record.approximate_arrival_timestamp.and_then(|at| at.to_millis().ok()),
    }
}

fn consumer(arn: String, status: &ConsumerStatus) -> Consumer {
    let status = match status {
        ConsumerStatus::Creating => Status::Creating,
        ConsumerStatus::Deleting => Status::Deleting,
        // As with streams: the first call tells.
        _ => Status::Active,
    };
    Consumer { arn, status }
}

fn event(sent: SubscribeToShardEvent) -> Event {
    let continuation = sent.continuation_sequence_number;
    Event {
        records: sent.records.into_iter().map(record).collect(),
        behind: u64::try_from(sent.millis_behind_latest).ok().map(Duration::from_millis),
        // What is absent comes as an empty text.
        continuation: (!continuation.is_empty()).then(|| Sequence::new(continuation)),
        children: sent.child_shards.unwrap_or_default().iter().map(child).collect(),
    }
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
fn failed<E>(operation: &'static str, failure: SdkError<E>) -> ApiError
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
        // A connection that breaks in the middle looks like this, so it is worth another try.
        SdkError::ResponseError(_) => {
            (ApiErrorKind::Unreachable, "the answer cannot be understood")
        }
        _ => (ApiErrorKind::Unreachable, "no answer"),
    };
    ApiError::said(sort, operation, detail.to_owned(), failure.into_source().ok())
}

/// Turns an error within a subscription into one of ours.
fn broken<R>(failure: SdkError<SubscribeToShardEventStreamError, R>) -> ApiError
where
    R: std::fmt::Debug + Send + Sync + 'static,
{
    use SubscribeToShardEventStreamError as Sent;
    let operation = "SubscribeToShard";
    let SdkError::ServiceError(service) = &failure else {
        let detail = "the subscription broke".to_owned();
        let source = failure.into_source().ok();
        return ApiError::said(ApiErrorKind::Unreachable, operation, detail, source);
    };
    // Here the code is the name of the frame, which the SDK turns into a type and forgets.
    let code = match service.err() {
        Sent::ResourceNotFoundException(_) => Some("ResourceNotFoundException"),
        Sent::ResourceInUseException(_) => Some("ResourceInUseException"),
        Sent::KmsDisabledException(_) => Some("KMSDisabledException"),
        Sent::KmsInvalidStateException(_) => Some("KMSInvalidStateException"),
        Sent::KmsAccessDeniedException(_) => Some("KMSAccessDeniedException"),
        Sent::KmsNotFoundException(_) => Some("KMSNotFoundException"),
        Sent::KmsOptInRequired(_) => Some("KMSOptInRequired"),
        Sent::KmsThrottlingException(_) => Some("KMSThrottlingException"),
        Sent::InternalFailureException(_) => Some("InternalFailureException"),
        other => other.code(),
    };
    let detail = match (code, service.err().message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, message) => message.unwrap_or("an error without a code").to_owned(),
    };
    // The subscription was granted, so what has no name here is trouble of the service, as with a status of 500.
    ApiError::said(error::kind(code, Some(500)), operation, detail, None)
}
