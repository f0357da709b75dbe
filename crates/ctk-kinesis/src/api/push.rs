//! The calls of enhanced fan-out: a consumer, and a subscription to a shard.

use std::time::Duration;

use aws_sdk_kinesis::{
    error::{ProvideErrorMetadata, SdkError},
    operation::subscribe_to_shard::SubscribeToShardOutput,
    primitives::DateTime,
    types::{
        ConsumerStatus, ShardIteratorType, StartingPosition, SubscribeToShardEvent,
        SubscribeToShardEventStream, error::SubscribeToShardEventStreamError,
    },
};
use ctk_flow::{Sequence, ShardId};

use super::{
    Api,
    answers::{child, failed, record},
    error::{self, ApiError, ApiErrorKind},
    words::{Consumer, Event, Start, Status},
};

/// A shard that is being sent to us. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(SubscribeToShardOutput);

impl Api {
    /// Registers a consumer. Fails with [`ApiErrorKind::InUse`] when it exists, and with [`ApiErrorKind::Throttled`] also
    /// when the stream has as many as it may have.
    pub async fn register_consumer(
        &self,
        stream_arn: &str,
        name: &str,
    ) -> Result<Consumer, ApiError> {
        let call = self.control.register_stream_consumer();
        let answer = call.stream_arn(stream_arn).consumer_name(name).send().await;
        let answer =
            answer.map_err(|error| failed("RegisterStreamConsumer", &self.control, error))?;
        let missing = || ApiError::missing("RegisterStreamConsumer", "Consumer");
        let registered = answer.consumer.ok_or_else(missing)?;
        Ok(consumer(registered.consumer_arn, &registered.consumer_status))
    }

    /// Returns the consumer of this name, or fails with [`ApiErrorKind::NotFound`].
    pub async fn consumer(&self, stream_arn: &str, name: &str) -> Result<Consumer, ApiError> {
        let call = self.control.describe_stream_consumer();
        let answer = call.stream_arn(stream_arn).consumer_name(name).send().await;
        let answer =
            answer.map_err(|error| failed("DescribeStreamConsumer", &self.control, error))?;
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
        // One call a second is allowed, so that of the loop that renews must be the only one that tries again.
        let call = self.pushes.subscribe_to_shard().consumer_arn(consumer_arn);
        let answer = call.shard_id(shard.as_str()).starting_position(position).send().await;
        answer.map(Subscription).map_err(|error| failed("SubscribeToShard", &self.pushes, error))
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
