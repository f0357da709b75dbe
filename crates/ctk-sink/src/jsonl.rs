//! Lines of JSON: `-`, `stdout:`, `jsonl:path`. For pipes and for looking.
//!
//! A line is the envelope and the members of the record. Lines are flushed batch by batch; what is read again (after a
//! crash, or without a checkpoint) is written again, with the same message id.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use ctk_flow::{Changes, Committed, Failure, Position, Target};

use crate::{
    SinkError,
    dead_letters::DeadLetters,
    envelope::{Envelope, EnvelopeWriter, MessageId},
    names, row_json,
};

/// Writes lines.
#[derive(Debug)]
pub struct Jsonl<W> {
    name: String,
    stream: String,
    envelope: Envelope,
    dead_letters: DeadLetters,
    out: Arc<Mutex<W>>,
}

impl Jsonl<BufWriter<File>> {
    /// Opens a file for appending, and creates it when missing. Blocks.
    pub fn file(
        path: &Path,
        stream: &str,
        envelope: Envelope,
        dead_letters: DeadLetters,
    ) -> Result<Self, SinkError> {
        let file = BufWriter::new(open_lines(path)?);
        Ok(Self::new(&path.display().to_string(), file, stream, envelope, dead_letters))
    }
}

/// Opens a file of lines for appending, and creates it when missing. When its last line was cut off, by a full disk or a
/// crash, that line is ended, so that the next one stands on its own.
pub(crate) fn open_lines(path: &Path) -> Result<File, SinkError> {
    let open = || {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        // Pipes and devices have no last line.
        if file.metadata()?.is_file() && file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            let mut last = [0];
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    };
    open().map_err(|source| SinkError::File { path: path.display().to_string(), source })
}

impl<W: Write + Send + 'static> Jsonl<W> {
    /// Returns a target that writes to `out`, which errors call `name`. Writing may block: it is done where tokio lets it.
    pub fn new(
        name: &str,
        out: W,
        stream: &str,
        envelope: Envelope,
        dead_letters: DeadLetters,
    ) -> Self {
        Self {
            name: name.to_owned(),
            stream: stream.to_owned(),
            envelope,
            dead_letters,
            out: Arc::new(Mutex::new(out)),
        }
    }

    fn lines(&self, changes: &Changes) -> String {
        let mut writer = EnvelopeWriter::new(&self.stream, changes.shard());
        let mut lines = String::with_capacity(changes.size() * 2 + changes.len() * 300);
        let mut row_text = String::new();
        for row in changes.rows() {
            row_text.clear();
            if self.envelope != Envelope::None {
                row_text.push_str(",\"_kinesis_msg_id\":\"");
                MessageId::new(changes.shard(), row.origin(), row.sub_sequence())
                    .write(&mut row_text);
                row_text.push('"');
            }
            if self.envelope == Envelope::Full {
                row_text.push_str(",\"_kinesis\":");
                writer.write(row.origin(), row.sub_sequence(), &mut row_text);
            }
            row_json::members(changes, row, names::of_member, &mut row_text);
            lines.push('{');
            lines.push_str(row_text.strip_prefix(',').unwrap_or_default());
            lines.push_str("}\n");
        }
        lines
    }
}

impl<W: Write + Send + std::fmt::Debug + 'static> Target for Jsonl<W> {
    async fn commit(&self, changes: Changes, _: Position) -> Result<Committed, Failure> {
        self.dead_letters.keep(
            changes.dead_letters(),
            &self.stream,
            changes.shard(),
            &self.name,
        )?;
        let lines = self.lines(&changes);
        let out = Arc::clone(&self.out);
        // A pipe may block for as long as its reader likes.
        let written = tokio::task::spawn_blocking(move || {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write_all(lines.as_bytes()).and_then(|()| out.flush())
        });
        written.await?.map_err(|source| SinkError::File { path: self.name.clone(), source })?;
        let dead_lettered = changes.dead_letters().len() as u64;
        Ok(Committed { written: changes.len() as u64, present: 0, dead_lettered })
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_does_not_spoil_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        for (before, expected) in
            [("", "{}\n"), ("{\"a\":1}\n", "{\"a\":1}\n{}\n"), ("{\"a\":", "{\"a\":\n{}\n")]
        {
            std::fs::write(&path, before).unwrap();
            open_lines(&path).unwrap().write_all(b"{}\n").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        }
    }
}
