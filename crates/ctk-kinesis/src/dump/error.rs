//! What can be wrong with a dump file, by what a user can do about it.

use std::{error::Error, io, path::PathBuf};

use super::FileCompression;

/// The file cannot be read, or not on from where the last run ended.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// There is none.
    #[error("there is no file {}", path.display())]
    Missing {
        /// The path, as the address has it.
        path: PathBuf,
    },
    /// A folder, a pipe, a device: nothing that can be read a second time.
    #[error("{} is {what}, not a file", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The file cannot be opened.
    #[error("cannot read the file {}", path.display())]
    Closed {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its name says that it is compressed, and its first bytes say that it is not.
    #[error("the file {} is not compressed with {wanted}, though its name says so", path.display())]
    NotCompressed {
        /// The path.
        path: PathBuf,
        /// What its name says.
        wanted: FileCompression,
    },
    /// What follows cannot be read: the file is damaged, or ends early.
    #[error("the file {} is broken behind line {line}", path.display())]
    Broken {
        /// The path.
        path: PathBuf,
        /// The last line that could be read.
        line: u64,
        /// What is wrong.
        source: Damage,
    },
    /// A line that is more than a record may be.
    #[error("line {line} of {} is longer than {limit} bytes", path.display())]
    LongLine {
        /// The path.
        path: PathBuf,
        /// The line.
        line: u64,
        /// What is allowed.
        limit: usize,
    },
    /// It begins otherwise than the file that an earlier run read.
    #[error("{} is another file than the one of which the last run read {lines}", path.display())]
    Replaced {
        /// The path.
        path: PathBuf,
        /// How far it came, in words.
        lines: String,
    },
    /// It ends before the line up to which an earlier run read it.
    #[error("{} has only {has} lines, and the last run read {line}", path.display())]
    Shorter {
        /// The path.
        path: PathBuf,
        /// The lines it has.
        has: u64,
        /// The last line that was read.
        line: u64,
    },
}

impl DumpError {
    /// Returns what the user may try.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some(
                "behind `///` a path begins at the root, `kinesis:folder/dump.ndjson` is relative; `file=false` makes a stream of it",
            ),
            Self::NotCompressed { .. } => Some("compression=none reads it as it is"),
            Self::Broken { .. } => Some(
                "the lines before it are loaded; with a checkpointer, a run over the repaired file goes on behind them",
            ),
            Self::LongLine { .. } => Some("raise max_record_bytes"),
            Self::Replaced { .. } | Self::Shorter { .. } => Some(
                "to load it from its beginning, add checkpointer_name=ANOTHER to the source address, or on_data_loss=continue",
            ),
            Self::NoFile { .. } | Self::Closed { .. } => None,
        }
    }
}

/// What is wrong with compressed bytes.
#[derive(Debug, thiserror::Error)]
#[error("as {kind}, {problem}")]
pub struct Damage {
    kind: FileCompression,
    problem: String,
}

impl Damage {
    /// Takes what the decoder said, unless that is only that there is nothing more.
    pub(super) fn new(kind: FileCompression, error: &io::Error) -> Self {
        let problem = if is_early_end(error) { "it ends early".into() } else { error.to_string() };
        Self { kind, problem }
    }
}

/// The decoders wrap it, each in its way.
fn is_early_end(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                return true;
            }
            // Its own source would leave the wrapped error out.
            cause = error.get_ref().map(|inner| inner as &(dyn Error + 'static));
        } else {
            cause = error.source();
        }
    }
    false
}
