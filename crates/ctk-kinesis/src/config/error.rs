//! What can be wrong with the address of a source beyond its grammar.

use ctk_url::{OptionError, StreamError, time::TimeError};

/// The address does not describe a source that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// An option is missing, unknown, repeated, or has a value that means nothing.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The stream is none.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The address names no stream.
    #[error("the address names no stream")]
    NoStream,
    /// A time that is none.
    #[error("option `{name}` is not a point in time")]
    Time {
        /// The option.
        name: &'static str,
        /// Why.
        source: TimeError,
    },
    /// Two parts of the address say different things.
    #[error("{first} and {second} contradict each other")]
    Contradiction {
        /// The one.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// One half of a pair of credentials.
    #[error("the address has `{given}` and no `{missing}`")]
    HalfCredentials {
        /// What is there.
        given: &'static str,
        /// What is not.
        missing: &'static str,
    },
    /// An option of streams, and the address is that of a dump file.
    #[error("option `{name}` is for streams, and this address names a dump file")]
    OnlyForStreams {
        /// The option.
        name: &'static str,
    },
    /// An option of records that are rows, and the scheme says that they are changes.
    #[error("option `{name}` has no effect on change data")]
    NotForChanges {
        /// The option.
        name: &'static str,
    },
}

impl ConfigError {
    pub(super) fn contradiction(first: &'static str, second: &'static str) -> Self {
        Self::Contradiction { first, second }
    }

    /// Returns what to write instead, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Option(error) => error.hint(),
            Self::Stream(error) => error.hint(),
            Self::NoStream => Some(
                "add `table=NAME`, or write the name behind the host: `kinesis:///NAME`".into(),
            ),
            Self::Time { source, .. } => source.hint(),
            Self::Contradiction { .. } => Some("leave one of them out".into()),
            Self::HalfCredentials { .. } => {
                Some("give both, or leave both to the AWS configuration".into())
            }
            Self::OnlyForStreams { .. } => {
                Some("leave it out; `file=false` makes a stream of the path".into())
            }
            Self::NotForChanges { .. } => {
                Some("leave it out; the scheme says what the records are".into())
            }
        }
    }
}
