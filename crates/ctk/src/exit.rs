//! How a command ends: the exit codes, and an error with everything that is shown of it.
//!
//! The codes are an interface: 0 done, 1 failed, 2 wrong usage (a bad address included), 130 after SIGINT, 143 after SIGTERM.

use std::{error::Error, io};

use ctk_checkpoint::{CheckpointError, prune::FilterError};
use ctk_db::DbError;
use ctk_flow::RunError;
use ctk_kinesis::{ConfigError, DumpError, KinesisError};
use ctk_sink::{Shared, SinkError};
use ctk_url::{OptionError, UrlError, duration::DurationError};

/// What went wrong was in the outside world.
pub const FAILED: u8 = 1;
/// What went wrong was typed.
pub const USAGE: u8 = 2;

/// Why a command failed: the exit code, the error with its causes, and what can be done about it.
#[derive(Debug)]
pub struct CommandError {
    /// The exit code.
    pub code: u8,
    /// The error; its causes are its sources.
    pub error: Box<dyn Error + Send + Sync>,
    /// What the user can do.
    pub hint: Option<String>,
}

impl CommandError {
    /// Returns a failure of the outside world.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { code: FAILED, error: error.into(), hint: None }
    }

    /// Returns a wrong usage.
    pub fn usage(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { code: USAGE, error: error.into(), hint: None }
    }

    /// Adds what can be done about it.
    pub fn hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Returns true when somebody closed the pipe that stdout is, as `ctk … | head` does: no error at all. Other broken
    /// connections are.
    pub fn is_closed_stdout(&self) -> bool {
        let is_broken = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        let mut cause: Option<&(dyn Error + 'static)> = Some(self.error.as_ref());
        if cause.and_then(|error| error.downcast_ref::<io::Error>()).is_some_and(is_broken) {
            return true;
        }
        while let Some(error) = cause {
            if let Some(SinkError::File { path, source }) = error.downcast_ref() {
                return path == "stdout" && is_broken(source);
            }
            cause = error.source();
        }
        false
    }
}

impl From<UrlError> for CommandError {
    fn from(error: UrlError) -> Self {
        let hint = error.hint();
        Self::usage(error).hint(hint)
    }
}

impl From<OptionError> for CommandError {
    fn from(error: OptionError) -> Self {
        let hint = error.hint();
        Self::usage(error).hint(hint)
    }
}

impl From<DurationError> for CommandError {
    fn from(error: DurationError) -> Self {
        Self::usage(error)
    }
}

impl From<FilterError> for CommandError {
    fn from(error: FilterError) -> Self {
        Self::usage(error)
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        Self::usage(error).hint(hint)
    }
}

impl From<KinesisError> for CommandError {
    fn from(error: KinesisError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::failed(error).hint(hint)
    }
}

impl From<DumpError> for CommandError {
    fn from(error: DumpError) -> Self {
        let hint = error.hint().map(str::to_owned);
        Self::failed(error).hint(hint)
    }
}

impl From<DbError> for CommandError {
    fn from(error: DbError) -> Self {
        let hint = error.hint();
        Self::failed(error).hint(hint)
    }
}

impl From<CheckpointError> for CommandError {
    fn from(error: CheckpointError) -> Self {
        let hint = error.hint();
        Self::failed(error).hint(hint)
    }
}

impl From<SinkError> for CommandError {
    fn from(error: SinkError) -> Self {
        let hint = error.hint();
        let code = if matches!(error, SinkError::Option(_)) { USAGE } else { FAILED };
        Self { code, error: error.into(), hint }
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        Self::failed(error)
    }
}

impl From<RunError> for CommandError {
    /// The hint is that of the cause, which crossed the loop as a boxed error.
    fn from(error: RunError) -> Self {
        let mut hint = None;
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let (None, Some(error)) = (&hint, cause) {
            hint = error
                .downcast_ref::<Shared>()
                .and_then(|error| error.0.hint())
                .or_else(|| error.downcast_ref::<SinkError>().and_then(SinkError::hint))
                .or_else(|| Some(error.downcast_ref::<KinesisError>()?.hint()?.to_owned()))
                .or_else(|| Some(error.downcast_ref::<DumpError>()?.hint()?.to_owned()));
            cause = error.source();
        }
        Self::failed(error).hint(hint)
    }
}
