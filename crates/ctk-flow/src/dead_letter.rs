//! Records that did not become rows, and where records come from.

use crate::record::{Millis, Sequence};

/// Where a row came from: what the envelope columns are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The place of the record in its shard.
    pub sequence: Sequence,
    /// The partition key, where there was one.
    pub partition_key: Option<String>,
    /// When the service took the record.
    pub arrived_at: Option<Millis>,
}

impl Origin {
    /// Returns the bytes that it holds beside its own size.
    pub(crate) fn beside(&self) -> usize {
        self.sequence.as_str().len() + self.partition_key.as_ref().map_or(0, String::len)
    }
}

/// Why a record is not in the table. The codes are stable: users query them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The payload is not JSON.
    NotJson,
    /// The payload is no message of a CloudWatch Logs subscription.
    NotCloudWatchLogs,
    /// The payload cannot be decompressed.
    BadCompression,
    /// The payload grows beyond `max_record_bytes`.
    TooLarge,
    /// The record is no change of AWS DMS.
    NotDms,
    /// The record is no change of DynamoDB.
    NotDynamoDb,
    /// Which row is to be changed is not known: the table has no key, or the record lacks a part of it.
    NoKey,
    /// The target refused the row, or the change of the table.
    Refused,
}

impl Reason {
    /// Returns the stable code, as stored.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotCloudWatchLogs => "not_cloudwatch_logs",
            Self::BadCompression => "bad_compression",
            Self::TooLarge => "too_large",
            Self::NotDms => "not_dms",
            Self::NotDynamoDb => "not_dynamodb",
            Self::NoKey => "no_key",
            Self::Refused => "refused",
        }
    }
}

/// A record, or a part of one, that did not become a row, with everything needed to look at it and to replay it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Where it came from.
    pub origin: Origin,
    /// The part within the record.
    pub sub_sequence: u32,
    /// Why.
    pub reason: Reason,
    /// The same for a human.
    pub error: String,
    /// The bytes as they arrived.
    pub payload: Vec<u8>,
}
