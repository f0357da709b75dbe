//! The name of a stream, as users give it: a plain name or an ARN.

use std::fmt;

use thiserror::Error;

const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];

/// A stream by its name or its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StreamRef {
    /// A name; account and region come from the configuration.
    Name(String),
    /// An ARN, which says all.
    Arn {
        /// The whole text.
        arn: String,
        /// `aws`, `aws-cn` or `aws-us-gov`.
        partition: String,
        /// Such as `eu-central-1`.
        region: String,
        /// Twelve digits; emulators use `000000000000`.
        account: String,
        /// The name of the stream.
        name: String,
    },
}

impl StreamRef {
    /// Parses a name or, if it begins with `arn:`, an ARN.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        if text.is_empty() {
            return Err(StreamError::Empty);
        }
        if text.starts_with("arn:") {
            return parse_arn(text);
        }
        if is_stream_name(text) {
            Ok(Self::Name(text.to_owned()))
        } else {
            Err(StreamError::BadName)
        }
    }

    /// Returns the name of the stream.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Arn { name, .. } => name,
        }
    }

    /// Returns the region, which only an ARN knows.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Arn { region, .. } => Some(region),
        }
    }

    /// Returns the ARN, if it is one.
    pub fn arn(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Arn { arn, .. } => Some(arn),
        }
    }
}

fn parse_arn(text: &str) -> Result<StreamRef, StreamError> {
    if text.contains("/consumer/") {
        return Err(StreamError::ConsumerArn);
    }
    let parts: Vec<&str> = text.split(':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else {
        return Err(StreamError::BadArn { part: "number of parts" });
    };
    if !PARTITIONS.contains(&partition) {
        return Err(StreamError::BadArn { part: "partition" });
    }
    if service != "kinesis" {
        return Err(StreamError::BadArn { part: "service" });
    }
    let in_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if region.is_empty() || !region.bytes().all(in_region) {
        return Err(StreamError::BadArn { part: "region" });
    }
    if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(StreamError::BadArn { part: "account" });
    }
    let Some(name) = resource.strip_prefix("stream/").filter(|name| is_stream_name(name)) else {
        return Err(StreamError::BadArn { part: "stream name" });
    };
    Ok(StreamRef::Arn {
        arn: text.to_owned(),
        partition: partition.to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
        name: name.to_owned(),
    })
}

/// `[a-zA-Z0-9_.-]{1,128}`, <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_CreateStream.html>
fn is_stream_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

impl fmt::Display for StreamRef {
    /// Writes the stream as the user gave it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Arn { arn, .. } => f.write_str(arn),
        }
    }
}

/// A text that names no stream. It is not repeated: a stream stands where a mistyped secret may end up.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// No text.
    #[error("the name of the stream is empty")]
    Empty,
    /// A name with other characters, or too long.
    #[error("the name of the stream is not valid")]
    BadName,
    /// An ARN that is none of a stream.
    #[error("the ARN of the stream is not valid: its {part}")]
    BadArn {
        /// What is wrong with it.
        part: &'static str,
    },
    /// The ARN of a registered consumer.
    #[error("this is the ARN of a consumer, not of a stream")]
    ConsumerArn,
}

impl StreamError {
    /// Returns what to write instead.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Empty => "write `table=NAME`, or the name after the slash",
            Self::BadName => {
                "a name has 1 to 128 of the characters a-z A-Z 0-9 _ . -; for a file add `file=true` to the address"
            }
            Self::BadArn { .. } => {
                "the form is `arn:aws:kinesis:REGION:ACCOUNT:stream/NAME`, ACCOUNT has 12 digits, \
                 and `aws` may be `aws-cn` or `aws-us-gov`"
            }
            Self::ConsumerArn => {
                "give the ARN up to the name of the stream, and the consumer as `fan_out=NAME`"
            }
        };
        Some(hint.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_recognised() {
        fn check(text: &str, name: &str, region: Option<&str>) {
            let stream = StreamRef::parse(text).unwrap();
            assert_eq!((stream.name(), stream.region()), (name, region), "{text}");
            assert_eq!(stream.to_string(), text);
            assert_eq!(stream.arn(), region.map(|_| text));
        }
        check("demo", "demo", None);
        check("a.B-c_9", "a.B-c_9", None);
        check(&"x".repeat(128), &"x".repeat(128), None);
        check("arn:aws:kinesis:us-east-1:000000000000:stream/demo", "demo", Some("us-east-1"));
        check("arn:aws-cn:kinesis:cn-north-1:123456789012:stream/a.b", "a.b", Some("cn-north-1"));
        check(
            "arn:aws-us-gov:kinesis:us-gov-west-1:123456789012:stream/x",
            "x",
            Some("us-gov-west-1"),
        );
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        fn check(text: &str, expected: &StreamError) {
            assert_eq!(&StreamRef::parse(text).unwrap_err(), expected, "{text}");
        }
        check("", &StreamError::Empty);
        check("a/b", &StreamError::BadName);
        check("ä", &StreamError::BadName);
        check("a b", &StreamError::BadName);
        check(&"x".repeat(129), &StreamError::BadName);
        check("arn:aws:kinesis", &StreamError::BadArn { part: "number of parts" });
        check(
            "arn:aws:kinesis:r:000000000000:stream/a:b",
            &StreamError::BadArn { part: "number of parts" },
        );
        check(
            "arn:gcp:kinesis:r:000000000000:stream/a",
            &StreamError::BadArn { part: "partition" },
        );
        check("arn:aws:s3:r:000000000000:stream/a", &StreamError::BadArn { part: "service" });
        check("arn:aws:kinesis::000000000000:stream/a", &StreamError::BadArn { part: "region" });
        check("arn:aws:kinesis:US:000000000000:stream/a", &StreamError::BadArn { part: "region" });
        check("arn:aws:kinesis:r:00000000000:stream/a", &StreamError::BadArn { part: "account" });
        check("arn:aws:kinesis:r:${ACCOUNT}:stream/a", &StreamError::BadArn { part: "account" });
        check(
            "arn:aws:kinesis:r:000000000000:stream/",
            &StreamError::BadArn { part: "stream name" },
        );
        check(
            "arn:aws:kinesis:r:000000000000:table/a",
            &StreamError::BadArn { part: "stream name" },
        );
        check(
            "arn:aws:kinesis:r:000000000000:stream/a/consumer/c:1609459200",
            &StreamError::ConsumerArn,
        );
    }
}
