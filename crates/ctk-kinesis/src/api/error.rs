//! Errors of calls, sorted by what a caller can do about them. Knows codes and HTTP statuses, and nothing of the SDK.

use std::{error::Error, fmt};

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// Call less often.
    Throttled,
    /// Get a new iterator.
    ExpiredIterator,
    /// Begin the listing again.
    ExpiredNextToken,
    /// The stream or the shard does not exist.
    NotFound,
    /// A position, an iterator or a name that this stream does not take.
    InvalidArgument,
    /// It exists already, or changes at the moment.
    InUse,
    /// Permissions do not allow it, or nobody knows these credentials.
    Denied,
    /// The credentials were good once.
    Expired,
    /// The key that the stream is encrypted with cannot be used.
    Key,
    /// No answer came: the endpoint cannot be reached, or the connection broke.
    Unreachable,
    /// It was asked in CBOR, and the answer is something else.
    NotCbor,
    /// The service has trouble of its own.
    Internal,
    /// Anything else; trying again would give the same.
    Other,
}

/// A call that failed.
#[derive(Debug)]
pub struct ApiError {
    /// What can be done about it.
    pub kind: ApiErrorKind,
    // Boxed, since errors travel in results that mostly hold none.
    said: Box<Said>,
}

#[derive(Debug)]
struct Said {
    operation: &'static str,
    detail: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ApiError {
    /// An answer that cannot be right.
    pub(crate) fn odd(operation: &'static str, problem: &str) -> Self {
        Self::said(ApiErrorKind::Other, operation, problem.to_owned(), None)
    }

    pub(super) fn missing(operation: &'static str, member: &str) -> Self {
        Self::said(ApiErrorKind::Other, operation, format!("the answer lacks {member}"), None)
    }

    pub(crate) fn said(
        kind: ApiErrorKind,
        operation: &'static str,
        detail: String,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, said: Box::new(Said { operation, detail, source }) }
    }
}

/// Sorts the codes of <https://docs.aws.amazon.com/kinesis/latest/APIReference/CommonErrors.html> and of the four operations.
pub(super) fn kind(code: Option<&str>, status: Option<u16>) -> ApiErrorKind {
    match code.unwrap_or_default() {
        "ProvisionedThroughputExceededException"
        | "LimitExceededException"
        | "KMSThrottlingException"
        | "ThrottlingException"
        | "Throttling"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "SlowDown" => ApiErrorKind::Throttled,
        "ExpiredIteratorException" => ApiErrorKind::ExpiredIterator,
        "ExpiredNextTokenException" => ApiErrorKind::ExpiredNextToken,
        "ResourceNotFoundException" => ApiErrorKind::NotFound,
        "InvalidArgumentException" | "ValidationException" | "SerializationException" => {
            ApiErrorKind::InvalidArgument
        }
        "ResourceInUseException" => ApiErrorKind::InUse,
        "AccessDeniedException"
        | "AccessDenied"
        | "UnrecognizedClientException"
        | "UnrecognizedClient"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired" => ApiErrorKind::Denied,
        "ExpiredToken" | "ExpiredTokenException" => ApiErrorKind::Expired,
        "KMSAccessDeniedException"
        | "KMSDisabledException"
        | "KMSInvalidStateException"
        | "KMSNotFoundException"
        | "KMSOptInRequired" => ApiErrorKind::Key,
        "RequestTimeout" | "RequestExpired" => ApiErrorKind::Internal,
        _ => match status {
            Some(429) => ApiErrorKind::Throttled,
            Some(500..) => ApiErrorKind::Internal,
            Some(401 | 403) => ApiErrorKind::Denied,
            _ => ApiErrorKind::Other,
        },
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed: {}", self.said.operation, self.said.detail)
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_code_then_status() {
        let check = |code: Option<&str>, status: u16, expected: ApiErrorKind| {
            assert_eq!(kind(code, Some(status)), expected, "{code:?} {status}");
        };
        check(Some("ProvisionedThroughputExceededException"), 400, ApiErrorKind::Throttled);
        check(Some("KMSThrottlingException"), 400, ApiErrorKind::Throttled);
        check(Some("ExpiredIteratorException"), 400, ApiErrorKind::ExpiredIterator);
        check(Some("ExpiredNextTokenException"), 400, ApiErrorKind::ExpiredNextToken);
        check(Some("ResourceNotFoundException"), 400, ApiErrorKind::NotFound);
        check(Some("KMSDisabledException"), 400, ApiErrorKind::Key);
        check(Some("ExpiredTokenException"), 400, ApiErrorKind::Expired);
        check(Some("InternalFailure"), 500, ApiErrorKind::Internal);
        check(None, 503, ApiErrorKind::Internal);
        check(None, 429, ApiErrorKind::Throttled);
        check(None, 403, ApiErrorKind::Denied);
        check(Some("SomethingNew"), 400, ApiErrorKind::Other);
    }
}
