//! What becomes of records that are no rows: kept in a table, kept in a file, only counted, or the end of the run.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ctk_checkpoint::time::iso;
use ctk_flow::{DeadLetter, ShardId};
use serde_json::json;

use crate::{SinkError, jsonl::open_lines};

/// What the user wants.
#[derive(Debug)]
pub enum DeadLetters {
    /// A table beside the target table, in the transaction of the batch. For targets with tables.
    Table,
    /// Lines of JSON in a file.
    File(LetterFile),
    /// Stop at the first.
    Fail,
    /// Count only.
    Drop,
}

/// A file of dead letters, one JSON object a line, the payload as base64. It is appended to, never replaced.
#[derive(Debug)]
pub struct LetterFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl LetterFile {
    /// Opens the file, and creates it when missing. Blocks.
    pub fn open(path: &Path) -> Result<Self, SinkError> {
        let file = open_lines(path)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    /// Appends letters, a line each, and returns when they are on the disk. `table` is where their rows would have gone.
    ///
    /// Blocks while it writes. Lines are never cut off by others that write at the same time.
    pub fn write(
        &self,
        letters: &[DeadLetter],
        stream: &str,
        shard: &ShardId,
        table: &str,
    ) -> Result<(), SinkError> {
        if letters.is_empty() {
            return Ok(());
        }
        let lines: String =
            letters.iter().map(|letter| line(letter, stream, shard, table)).collect();
        self.append(&lines)
    }

    fn append(&self, lines: &str) -> Result<(), SinkError> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        written.map_err(|source| SinkError::File { path: self.path.display().to_string(), source })
    }
}

impl DeadLetters {
    /// Keeps the letters where that is not a table, and says whether they are still to be put into one.
    ///
    /// A file is written before the batch is committed: after a crash in between, a letter may stand there twice, but
    /// none is missing.
    pub(crate) fn keep(
        &self,
        letters: &[DeadLetter],
        stream: &str,
        shard: &ShardId,
        table: &str,
    ) -> Result<Keep, SinkError> {
        let Some(first) = letters.first() else { return Ok(Keep::Done) };
        match self {
            Self::Table => return Ok(Keep::InTable),
            Self::Drop => {}
            Self::Fail => {
                return Err(SinkError::DeadLetter {
                    shard: shard.to_string(),
                    sequence: first.origin.sequence.to_string(),
                    reason: first.reason.code(),
                    error: first.error.clone(),
                });
            }
            Self::File(file) => file.write(letters, stream, shard, table)?,
        }
        Ok(Keep::Done)
    }
}

/// What is left to do with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Done,
    InTable,
}

fn line(letter: &DeadLetter, stream: &str, shard: &ShardId, table: &str) -> String {
    let value = json!({
        "stream": stream,
        "shard_id": shard.as_str(),
        "sequence": letter.origin.sequence.as_str(),
        "sub_sequence": letter.sub_sequence,
        "partition_key": letter.origin.partition_key,
        "arrived_at": letter.origin.arrived_at.map(iso),
        "reason": letter.reason.code(),
        "error": letter.error,
        "table_name": table,
        "payload": STANDARD.encode(&letter.payload),
    });
    format!("{value}\n")
}
