//! Answers and errors of the SDK in our words, without copying a payload.

use std::{error::Error, time::Duration};

use aws_sdk_kinesis::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_records::GetRecordsOutput,
    primitives::DateTime,
    types::{ChildShard, Shard, StreamDescriptionSummary, StreamStatus},
};
use ctk_flow::{Millis, Record, Sequence, ShardId};

use super::{
    cbor,
    error::{self, ApiError, ApiErrorKind},
    words::{Records, ShardListing, Status, StreamSummary},
};

pub(super) fn summary(summary: StreamDescriptionSummary) -> StreamSummary {
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

pub(super) fn listing(shard: Shard) -> ShardListing {
    // What is absent may come as an empty text.
    let is_there = |text: &String| !text.is_empty();
    let parents = [shard.parent_shard_id, shard.adjacent_parent_shard_id];
    ShardListing {
        id: ShardId::new(&shard.shard_id),
        parents: parents
            .into_iter()
            .flatten()
            .filter(is_there)
            .map(|parent| ShardId::new(&parent))
            .collect(),
        closed: shard
            .sequence_number_range
            .and_then(|range| range.ending_sequence_number)
            .is_some_and(|ending| is_there(&ending)),
    }
}

pub(super) fn records(answer: GetRecordsOutput) -> Records {
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

/// Returns the nearest millisecond: a time that was read from a decimal fraction of seconds falls short of its own by a little.
fn nearest_millis(time: &DateTime) -> Option<Millis> {
    let millis = (i64::from(time.subsec_nanos()) + 500_000) / 1_000_000;
    time.secs().checked_mul(1000)?.checked_add(millis)
}

pub(super) fn record(record: aws_sdk_kinesis::types::Record) -> Record {
    Record {
        data: record.data.into_inner(),
        sequence: Sequence::new(record.sequence_number),
        partition_key: record.partition_key,
        arrived_at: record.approximate_arrival_timestamp.as_ref().and_then(nearest_millis),
        done: 0,
    }
}

/// Returns a child as it is listed while it is open: what closed meanwhile, the next listing tells.
pub(super) fn child(shard: &ChildShard) -> ShardListing {
    ShardListing {
        id: ShardId::new(&shard.shard_id),
        parents: shard.parent_shards.iter().map(|parent| ShardId::new(parent)).collect(),
        closed: false,
    }
}

/// Turns an error of the SDK into one of ours.
pub(super) fn failed<E>(operation: &'static str, client: &Client, failure: SdkError<E>) -> ApiError
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
