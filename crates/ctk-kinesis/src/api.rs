//! The calls of Kinesis that reading needs. This module, with its files, is the only one that names the AWS SDK of Kinesis.
//!
//! It turns answers into the words of `ctk-flow` without copying a payload, and errors into one [`ApiErrorKind`] by what a
//! caller can do about them: by type, code and HTTP status, never by text. It waits for nothing: who calls, paces.

mod answers;
pub mod cbor;
mod error;
mod push;
mod words;

use std::{
    error::Error as _,
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
    error::BoxError,
    primitives::{DateTime, DateTimeFormat},
    types::ShardIteratorType,
};
use ctk_flow::{Millis, ShardId};
use ctk_url::StreamRef;
use tracing::{debug, warn};

pub use error::{ApiError, ApiErrorKind};
pub use push::Subscription;
pub use words::{
    Consumer, Event, Page, Records, ShardListing, ShardPage, Start, Status, StreamSummary,
};

use crate::config::Protocol;
use answers::{failed, listing, records, summary};
use cbor::Cbor;

/// The service, seen from one stream.
#[derive(Clone, Debug)]
pub struct Api {
    /// For calls about the stream: the SDK tries them again by itself.
    control: Client,
    /// For calls about records: each attempt counts against the limits of the shard, so the reader alone tries again.
    reads: Client,
    /// For subscriptions: with connections of their own, so that what is sent and not taken holds up nothing else.
    pushes: Client,
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
            pushes: Client::from_conf(builder(RetryConfig::disabled()).build()),
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
        let missing = || ApiError::missing("ListShards", "Shards");
        let shards = answer.shards.ok_or_else(missing)?.into_iter().map(listing).collect();
        Ok(ShardPage { shards, next: answer.next_token.filter(|next| !next.is_empty()) })
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
