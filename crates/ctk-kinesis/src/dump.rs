//! A dump file in place of a stream: one shard, a record for each line, compressed or not.
//!
//! ```text
//! Dump::find(config) ─► DumpSource::new(dump, config, saved) ─► DumpReader::read() ─► Answer
//! ```
//!
//! [`compression`] expands the file, [`lines`] cuts it into blocks of lines, [`reader`] hands them out. The position is the
//! number of the line, counted from 1 in the expanded text; a run that goes on reads up to there again, and skips it. The end
//! of the file is no end of the shard: a file that has grown is gone on with.
//!
//! A file is known by its path and a digest of its first line, which both are in the name of its shard. So the lines of two
//! files never pass for each other, neither in message ids nor in positions, and a file that was put in the place of
//! another is noticed, as long as it begins otherwise. Lines that were changed behind the position are not noticed: nobody
//! reads them twice.

mod compression;
mod error;
mod lines;
mod reader;
mod zstd;

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use ctk_flow::{Failure, ShardId, Source};
use shake::{
    Shake128,
    digest::{ExtendableOutput, Update, XofReader},
};
use tokio::task::spawn_blocking;
use tracing::warn;

pub use compression::FileCompression;
pub use error::{Damage, DumpError};
pub use reader::DumpReader;

use crate::{
    api::{Status, StreamSummary},
    config::{Compression, KinesisConfig, OnDataLoss},
    lineage::Saved,
};
use compression::{HEAD, Input, read_line, strip_line_end};
use lines::{Beginning, Limits};

/// How much of the first line tells a file from others.
const FIRST_LINE: usize = 64 << 10;

/// Returns true for the ending of a compressed file.
pub(crate) fn is_compressed(ending: &OsStr) -> bool {
    FileCompression::of_ending(ending) != FileCompression::None
}

/// A file that is there, and can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// As the address has it.
    pub path: PathBuf,
    /// How it is compressed.
    pub compression: FileCompression,
    /// Its size on disk, in bytes.
    pub size: u64,
    /// Whole, and without links.
    real: String,
    shard: ShardId,
    is_empty: bool,
}

impl Dump {
    /// Looks at the file that a configuration names; `None` when it names a stream. Reads no more than the first line.
    pub async fn find(config: &KinesisConfig) -> Result<Option<Self>, DumpError> {
        let Some(path) = config.file.clone() else { return Ok(None) };
        let compression = config.decode.compression;
        let looked = spawn_blocking({
            let path = path.clone();
            move || Self::look(path, compression)
        });
        let looked = looked.await.map_err(io::Error::other);
        looked.map_err(|source| DumpError::Closed { path, source })?.map(Some)
    }

    fn look(path: PathBuf, wanted: Compression) -> Result<Self, DumpError> {
        let metadata = match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => {
                return Err(DumpError::NoFile { path, what: "a folder" });
            }
            Ok(metadata) if !metadata.is_file() => {
                return Err(DumpError::NoFile { path, what: "a pipe or a device" });
            }
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DumpError::Missing { path });
            }
            Err(source) => return Err(DumpError::Closed { path, source }),
        };
        let mut dump = Self {
            compression: FileCompression::None,
            size: metadata.len(),
            real: path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
            shard: ShardId::new(""),
            is_empty: true,
            path,
        };
        if wanted == Compression::Auto {
            dump.compression = dump.recognise()?;
        }
        let mut line = Vec::new();
        let read = read_line(&mut dump.input()?, FIRST_LINE, &mut line)
            .map_err(|source| dump.broken(0, source))?;
        dump.is_empty = read == 0;
        strip_line_end(&mut line);
        dump.shard = ShardId::new(&format!("{}#{}", dump.real, digest(&line)));
        Ok(dump)
    }

    /// Finds out how the file is compressed.
    fn recognise(&self) -> Result<FileCompression, DumpError> {
        let mut head = Vec::new();
        let file = self.file()?;
        file.take(HEAD as u64).read_to_end(&mut head).map_err(|source| self.closed(source))?;
        let found = FileCompression::of_bytes(&head);
        let wanted = FileCompression::of_ending(self.path.extension().unwrap_or_default());
        if found == FileCompression::None && wanted != found && !head.is_empty() {
            return Err(DumpError::NotCompressed { path: self.path.clone(), wanted });
        }
        Ok(found)
    }

    fn file(&self) -> Result<File, DumpError> {
        File::open(&self.path).map_err(|source| self.closed(source))
    }

    /// Opens the file at its first line.
    fn input(&self) -> Result<Input, DumpError> {
        let file = self.file()?;
        self.compression.expand(file).map_err(|source| self.broken(0, source))
    }

    fn closed(&self, source: io::Error) -> DumpError {
        DumpError::Closed { path: self.path.clone(), source }
    }

    fn broken(&self, line: u64, source: io::Error) -> DumpError {
        if self.compression == FileCompression::None {
            return self.closed(source);
        }
        let source = Damage::new(self.compression, &source);
        DumpError::Broken { path: self.path.clone(), line, source }
    }

    /// Returns true for the shard of a file that had the same path.
    fn was_at_same_path(&self, shard: &ShardId) -> bool {
        shard.as_str().rsplit_once('#').is_some_and(|(path, _)| path == self.real)
    }
}

/// Returns what tells a first line from others, as 16 digits.
fn digest(line: &[u8]) -> String {
    let mut hasher = Shake128::default();
    hasher.update(line);
    let mut digest = [0; 8];
    hasher.finalize_xof().read(&mut digest);
    format!("{:016x}", u64::from_be_bytes(digest))
}

/// A file to be read.
#[derive(Debug)]
pub struct DumpSource {
    dump: Arc<Dump>,
    limits: Limits,
    stream: StreamSummary,
    saved: HashMap<ShardId, Saved>,
    is_handed_out: bool,
}

impl DumpSource {
    /// Returns a source of the lines behind those that `saved` says are done.
    pub fn new(dump: Dump, config: &KinesisConfig, saved: HashMap<ShardId, Saved>) -> Self {
        let line = usize::try_from(config.decode.max_record_bytes).unwrap_or(usize::MAX);
        let stream = StreamSummary {
            name: config.stream.name().to_owned(),
            // There is none; positions are kept for this file alone all the same.
            arn: format!("file:{}", dump.real),
            created_at: 0,
            retention: Duration::ZERO,
            status: Status::Active,
        };
        Self {
            dump: Arc::new(dump),
            limits: Limits { line, on_data_loss: config.on_data_loss },
            stream,
            saved,
            is_handed_out: false,
        }
    }

    /// Returns the source with other positions to go on from.
    pub fn going_on_from(self, saved: HashMap<ShardId, Saved>) -> Self {
        Self { saved, ..self }
    }

    /// Returns the file.
    pub fn dump(&self) -> &Dump {
        &self.dump
    }

    /// Returns what stands for a stream: a name, and where the file is.
    pub fn stream(&self) -> &StreamSummary {
        &self.stream
    }

    /// Returns how many lines earlier runs are done with.
    pub fn lines_done(&self) -> u64 {
        self.beginning().lines
    }

    /// Says that this is another file than the one that the positions belong to, unless the user wants to go on.
    pub fn check(&self) -> Result<(), DumpError> {
        match self.replaced() {
            Some(error) if self.limits.on_data_loss == OnDataLoss::Fail => Err(error),
            _ => Ok(()),
        }
    }

    fn beginning(&self) -> Beginning {
        let Some(Saved { sequence, part, .. }) = self.saved.get(&self.dump.shard) else {
            return Beginning::default();
        };
        let number = |digits: &str| digits.parse::<u64>().unwrap_or(u64::MAX);
        let lines = sequence.as_ref().map_or(0, |sequence| number(sequence.as_str()));
        match part {
            Some(part) if number(part.sequence.as_str()) > lines => {
                Beginning { lines: number(part.sequence.as_str()) - 1, units: part.units }
            }
            _ => Beginning { lines, units: 0 },
        }
    }

    /// Returns how far an earlier run came in another file of this path, if it never came across this one.
    fn replaced(&self) -> Option<DumpError> {
        let position = |saved: &Saved| {
            let part = saved.part.as_ref().map(|part| &part.sequence);
            part.max(saved.sequence.as_ref()).map(|line| format!("{line} lines"))
        };
        if self.saved.get(&self.dump.shard).is_some_and(|saved| position(saved).is_some()) {
            return None;
        }
        let mut others = self.saved.iter().filter(|(shard, _)| self.dump.was_at_same_path(shard));
        let lines = others.find_map(|(_, saved)| position(saved))?;
        Some(DumpError::Replaced { path: self.dump.path.clone(), lines })
    }
}

impl Source for DumpSource {
    type Reader = DumpReader;

    async fn readers(&mut self) -> Result<Vec<DumpReader>, Failure> {
        if self.is_handed_out {
            return Ok(Vec::new());
        }
        self.is_handed_out = true;
        self.check()?;
        let replaced = self.replaced();
        if let Some(replaced) = &replaced {
            warn!("{replaced}; going on with its first line");
        }
        if self.dump.is_empty {
            // Nothing to claim: its first line, which it is known by, is still to come.
            return Ok(Vec::new());
        }
        let (dump, begin) = (Arc::clone(&self.dump), self.beginning());
        Ok(vec![DumpReader::new(dump, begin, self.limits, replaced.is_some())])
    }

    fn finished(&mut self, _: &ShardId) {}
}

#[cfg(test)]
mod tests;
