//! What the source fails with, by what a user can do about it.

use ctk_flow::ShardId;

use crate::api::{ApiError, ApiErrorKind};

/// The stream cannot be opened or read.
#[derive(Debug, thiserror::Error)]
pub enum KinesisError {
    /// No region was named anywhere.
    #[error("no AWS region is known for stream {stream}")]
    NoRegion {
        /// The stream.
        stream: String,
    },
    /// The credentials that were asked for are not there, or cannot be used.
    #[error("no AWS credentials for stream {stream}")]
    NoCredentials {
        /// The stream.
        stream: String,
        /// What the providers said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The role cannot be assumed.
    #[error("cannot assume the role {role} for stream {stream}")]
    Role {
        /// The stream.
        stream: String,
        /// The ARN of the role.
        role: String,
        /// What the token service or the providers said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing answers there, or nothing that speaks Kinesis.
    #[error("cannot reach Kinesis at {endpoint}")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// Why.
        source: ApiError,
    },
    /// The endpoint does not speak the protocol that was asked for.
    #[error("{endpoint} does not speak CBOR as Kinesis does")]
    NotCbor {
        /// Where.
        endpoint: String,
        /// How it came out.
        source: ApiError,
    },
    /// The service does not know the stream.
    #[error("stream {stream} does not exist at {endpoint} (region {region})")]
    UnknownStream {
        /// The stream.
        stream: String,
        /// Where.
        endpoint: String,
        /// The region that was asked.
        region: String,
    },
    /// The stream exists, but cannot be read.
    #[error("stream {stream} is {status} and did not become ACTIVE within {seconds} s")]
    NotActive {
        /// The stream.
        stream: String,
        /// Its state.
        status: &'static str,
        /// How long was waited.
        seconds: u64,
    },
    /// The service does not say which shards there are.
    #[error("the shards of stream {stream} could not be listed within {seconds} s")]
    NotListed {
        /// The stream.
        stream: String,
        /// How long was waited.
        seconds: u64,
    },
    /// The identity may not do it.
    #[error("access to stream {stream} is denied (region {region})")]
    Denied {
        /// The stream.
        stream: String,
        /// The region that was asked.
        region: String,
        /// What exactly.
        source: ApiError,
    },
    /// A start position names a shard that is not there.
    #[error("stream {stream} has no shard {shard}")]
    UnknownShard {
        /// The stream.
        stream: String,
        /// The shard.
        shard: ShardId,
    },
    /// The service refuses a position: it belongs to another shard, or to an earlier stream of this name.
    #[error("stream {stream} does not take the position {position} in shard {shard}")]
    BadPosition {
        /// The stream.
        stream: String,
        /// The shard.
        shard: ShardId,
        /// The sequence number or time.
        position: String,
        /// What the service said.
        source: ApiError,
    },
    /// The service deleted a shard, as the retention of the stream wants it, while there was more to read in it.
    #[error("shard {shard} of stream {stream} expired before it was read to its end")]
    Expired {
        /// The stream.
        stream: String,
        /// The shard.
        shard: ShardId,
        /// What the service said.
        source: ApiError,
    },
    /// Records that were not read may be gone from the stream.
    #[error("records of shard {shard} of stream {stream} may be lost: {how}")]
    DataLoss {
        /// The stream.
        stream: String,
        /// The shard.
        shard: ShardId,
        /// Where the gap is.
        how: String,
    },
    /// Any other refusal.
    #[error("stream {stream} cannot be read")]
    Api {
        /// The stream.
        stream: String,
        /// What the service said.
        source: ApiError,
    },
}

impl KinesisError {
    /// Returns what the user may try.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::NoRegion { .. } => {
                "add region=… to the source address, name the stream by its ARN, or set AWS_REGION"
            }
            Self::NoCredentials { .. } => {
                "add aws_access_key_id=… and aws_secret_access_key=… or profile=… to the source address, or set up the AWS environment"
            }
            Self::Role { .. } => {
                "check the role, its trust in this identity, external_id, and the network; AWS_ENDPOINT_URL_STS names another token service"
            }
            Self::Unreachable { endpoint, .. } if endpoint.starts_with("http://") => {
                "check the endpoint in the source address, AWS_ENDPOINT_URL, and the network; ssl=true speaks https"
            }
            Self::Unreachable { .. } => {
                "check the endpoint in the source address, AWS_ENDPOINT_URL, and the network; SSL_CERT_FILE names other certificate authorities"
            }
            Self::NotCbor { .. } => {
                "protocol=json reads from it; protocol=auto, the default, finds that out by itself"
            }
            Self::UnknownStream { .. } => {
                "check the name and the region; create=true creates the stream"
            }
            Self::NotActive { .. } | Self::NotListed { .. } => {
                "wait for the stream, or raise describe_timeout"
            }
            Self::Denied { source, .. } => match source.kind {
                ApiErrorKind::Key => {
                    "the stream is encrypted: its key must be enabled, and its policy and yours must allow kms:Decrypt"
                }
                ApiErrorKind::Expired => {
                    "the session token has expired: get new keys, or name a profile or role, whose keys are renewed as needed"
                }
                _ => {
                    "reading needs kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords, fan_out also SubscribeToShard, DescribeStreamConsumer and RegisterStreamConsumer"
                }
            },
            Self::Api { .. } => return None,
            Self::Expired { .. } => {
                "what was left in it is lost; on_data_loss=continue goes on with the shards that are left"
            }
            Self::DataLoss { .. } => {
                "on_data_loss=continue goes on with the oldest records that are left; run more often, or let the stream keep records for longer"
            }
            Self::UnknownShard { .. } => {
                "shards that expired are no longer listed; start=earliest reads all that is left"
            }
            Self::BadPosition { .. } => {
                "it belongs to another shard, or to an earlier stream of this name; a new checkpointer_name starts afresh, on_data_loss=continue goes on with the oldest record"
            }
        })
    }
}
