//! What a call may meet, and what answers may claim.

use std::time::Duration;

/// What the n-th call of an operation meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An answer with this status and this error code. The call had no effect.
    Error {
        /// The HTTP status.
        status: u16,
        /// The code, as `ExpiredIteratorException`.
        code: &'static str,
    },
    /// The connection breaks within the body of the answer. The call took effect.
    Drop,
    /// The connection is closed before the first byte of an answer, as by a server that goes down. The call had no effect.
    Refuse,
    /// 200 OK, whole by its Content-Length, but the JSON ends in the middle. The call took effect.
    Cut,
    /// The answer comes late by this time.
    Delay(Duration),
    /// `GetRecords` answers, byte for byte, the last page with records of the same shard: records that were delivered
    /// already, and that page's next iterator. Only to an iterator that is not older than the page; else, and where there is
    /// no such page, the answer is the usual one. Readers of two runs at once would get each other's pages.
    ///
    /// AWS says that a consumer must be ready to see a record more than once
    /// (<https://docs.aws.amazon.com/streams/latest/dev/kinesis-record-processor-duplicates.html>).
    Repeat,
    /// `GetRecords` answers without records although there are some, with an iterator at the same place and a distance
    /// above 0, as AWS does at will
    /// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
    Empty,
    /// `GetRecords` answers without `NextShardIterator`, which is the end of a closed shard, though the shard may be open. Seen
    /// in the wild: <https://github.com/etspaceman/kinesis-mock/pull/413>.
    NoIterator,
}

/// The codes of <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>,
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html> and
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html>.
impl Fault {
    /// Too many calls for this shard.
    pub const THROTTLED: Self = Self::refused("ProvisionedThroughputExceededException");
    /// Too many calls of this account.
    pub const LIMIT_EXCEEDED: Self = Self::refused("LimitExceededException");
    /// The iterator is older than five minutes.
    pub const EXPIRED_ITERATOR: Self = Self::refused("ExpiredIteratorException");
    /// The token of a listing is older than five minutes.
    pub const EXPIRED_TOKEN: Self = Self::refused("ExpiredNextTokenException");
    /// The stream or the shard is not there.
    pub const NOT_FOUND: Self = Self::refused("ResourceNotFoundException");
    /// The identity may not do this.
    pub const ACCESS_DENIED: Self = Self::refused("AccessDeniedException");
    /// Too many calls of the key of an encrypted stream; passes.
    pub const KMS_THROTTLED: Self = Self::refused("KMSThrottlingException");
    /// The identity may not use the key of an encrypted stream.
    pub const KMS_ACCESS_DENIED: Self = Self::refused("KMSAccessDeniedException");
    /// The key of an encrypted stream is switched off.
    pub const KMS_DISABLED: Self = Self::refused("KMSDisabledException");
    /// Something broke in the service.
    pub const INTERNAL: Self = Self::Error { status: 500, code: "InternalFailure" };

    const fn refused(code: &'static str) -> Self {
        Self::Error { status: 400, code }
    }
}

/// What answers claim about the distance to the tip of the shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// 0 ms in every answer, as the emulator says.
    #[default]
    Zero,
    /// The age of the next unread record, 0 when there is none; and a closed shard ends with its last records, where the
    /// emulator sends one more answer without any. Costs a second read.
    Honest,
    /// This many milliseconds in empty answers, 0 in others.
    EmptyAnswers(u64),
    /// No claim at all.
    Absent,
}
