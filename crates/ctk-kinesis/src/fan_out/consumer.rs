//! Finds the consumer of a name, or registers it. It stays registered: the next run goes on with it.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use crate::{
    api::{ApiError, ApiErrorKind, Consumer, Status},
    error::KinesisError,
    pacer::Backoff,
    service::Service,
};

/// How often the state of a consumer is asked for; 20 calls a second are allowed
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_DescribeStreamConsumer.html>).
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// How long a consumer may stay CREATING.
const PATIENCE: Duration = Duration::from_mins(2);
/// How often a refusal is tried again that may pass: there may be no more than five consumers in CREATING, and five calls
/// a second; but a stream that has all consumers it may have is refused by the same code
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_RegisterStreamConsumer.html>).
const ATTEMPTS: u32 = 4;

/// Returns the ARN of the consumer, once it is ACTIVE.
///
/// `None` where the service refuses: it may not know consumers, have no room for one more, or not allow it. Then the run
/// polls, which brings the same records, and the user is told. Not cancel safe in that a consumer may stay registered.
pub(crate) async fn consumer(
    service: &Service,
    stream_arn: &str,
    name: &str,
) -> Result<Option<Arc<str>>, KinesisError> {
    let deadline = Instant::now() + PATIENCE;
    let mut refusals = Backoff::throttled();
    while Instant::now() < deadline {
        let error = match find(service, stream_arn, name).await {
            Ok(Consumer { arn, status: Status::Active }) => return Ok(Some(arn.into())),
            Ok(Consumer { status, .. }) => {
                debug!(consumer = name, ?status, "waiting for the consumer");
                sleep(ASK_AGAIN).await;
                continue;
            }
            Err(error) => error,
        };
        match error.kind {
            // Somebody else registers it at this moment.
            ApiErrorKind::InUse => sleep(ASK_AGAIN).await,
            ApiErrorKind::Throttled | ApiErrorKind::Internal if refusals.failures < ATTEMPTS => {
                let pause = refusals.pause();
                debug!(consumer = name, ?pause, %error, "looking for the consumer again");
                sleep(pause).await;
            }
            // Neither polling would do.
            ApiErrorKind::NotFound | ApiErrorKind::Unreachable => {
                return Err(service.refused(error));
            }
            _ => {
                warn!(consumer = name, %error, "no enhanced fan-out; the stream is polled instead");
                return Ok(None);
            }
        }
    }
    warn!(consumer = name, "the consumer does not become ACTIVE; the stream is polled instead");
    Ok(None)
}

async fn find(service: &Service, stream_arn: &str, name: &str) -> Result<Consumer, ApiError> {
    match service.api.consumer(stream_arn, name).await {
        Err(error) if error.kind == ApiErrorKind::NotFound => {}
        found => return found,
    }
    let registered = service.api.register_consumer(stream_arn, name).await?;
    info!(consumer = name, arn = registered.arn, "consumer registered");
    Ok(registered)
}
