//! The lines of a file, in blocks of bounded size. Blocking; [`super::reader`] runs it beside the loop.

use std::{io::BufRead, sync::Arc};

use ctk_flow::{Record, Sequence};
use tracing::warn;

use super::{
    Dump, DumpError,
    compression::{Input, read_line, strip_line_end},
};
use crate::config::OnDataLoss;

/// What is skipped before the loop is asked whether to stop.
const SKIPPED_AT_ONCE: usize = 64 << 20;
/// Lines up to here are copied, so that records hold no more than their bytes.
const SHORT: usize = 64 << 10;
/// A call always gets so far.
const LEAST: usize = 4096;

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beginning {
    /// So many lines are done.
    pub(super) lines: u64,
    /// And so many units of the line behind them.
    pub(super) units: u32,
}

/// What a file may ask of us.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// What a line may have, without its end.
    pub(super) line: usize,
    /// What becomes of a file that ends too early to go on in.
    pub(super) on_data_loss: OnDataLoss,
}

/// Some lines, as records.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) records: Vec<Record>,
    pub(super) after: After,
    /// The file was shorter than it was, and is read from its beginning.
    pub(super) gap: bool,
}

/// What comes after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// There may be more.
    More,
    /// The next line needs more room than was given.
    Longer,
    /// The file ended.
    End,
}

enum Step {
    Line(Vec<u8>),
    Full,
    End,
}

/// A file that is being read.
pub(super) struct Lines {
    dump: Arc<Dump>,
    limits: Limits,
    input: Input,
    begin: Beginning,
    /// The lines that are behind us.
    line: u64,
    /// What is read of the next one.
    partial: Vec<u8>,
    /// Why there is nothing behind the lines that were handed out.
    failed: Option<DumpError>,
}

impl Lines {
    pub(super) fn open(
        dump: Arc<Dump>,
        begin: Beginning,
        limits: Limits,
    ) -> Result<Self, DumpError> {
        let input = dump.input()?;
        Ok(Self { dump, limits, input, begin, line: 0, partial: Vec::new(), failed: None })
    }

    /// Returns the next lines, in memory not much more than `room`. After an error, everything before it was handed out.
    pub(super) fn block(&mut self, room: usize) -> Result<Block, DumpError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let mut block = Block { records: Vec::new(), after: After::More, gap: false };
        if self.line < self.begin.lines && !self.skip(&mut block.gap)? {
            return Ok(block);
        }
        let mut size = 0;
        loop {
            let least = if block.records.is_empty() { LEAST } else { 0 };
            let allowed = room.saturating_sub(size + self.partial.len()).max(least);
            match self.step(allowed) {
                Ok(Step::Line(data)) => {
                    let record = self.record(data);
                    size += record.size();
                    block.records.push(record);
                }
                Ok(Step::Full) => {
                    if block.records.is_empty() {
                        block.after = After::Longer;
                    }
                    return Ok(block);
                }
                Ok(Step::End) => {
                    block.after = After::End;
                    return Ok(block);
                }
                Err(error) if block.records.is_empty() => return Err(error),
                Err(error) => {
                    self.failed = Some(error);
                    return Ok(block);
                }
            }
        }
    }

    /// Passes over the lines that are done; false when that was enough for one call.
    fn skip(&mut self, gap: &mut bool) -> Result<bool, DumpError> {
        let mut skipped = 0;
        while self.line < self.begin.lines {
            if skipped >= SKIPPED_AT_ONCE {
                return Ok(false);
            }
            match self.input.skip_until(b'\n') {
                Ok(0) => {
                    self.begin_anew()?;
                    *gap = true;
                }
                Ok(bytes) => {
                    skipped += bytes;
                    self.line += 1;
                }
                Err(source) => return Err(self.dump.broken(self.line, source)),
            }
        }
        Ok(true)
    }

    /// Goes back to the first line of a file that has fewer than it had, if the user wants that.
    fn begin_anew(&mut self) -> Result<(), DumpError> {
        let path = self.dump.path.clone();
        let error = DumpError::Shorter { path, has: self.line, line: self.begin.lines };
        if self.limits.on_data_loss == OnDataLoss::Fail {
            return Err(error);
        }
        warn!("{error}; going on with its first line");
        (self.begin, self.line) = (Beginning::default(), 0);
        self.input = self.dump.input()?;
        Ok(())
    }

    /// Reads on in the next line.
    fn step(&mut self, allowed: usize) -> Result<Step, DumpError> {
        let read = read_line(&mut self.input, allowed, &mut self.partial)
            .map_err(|source| self.dump.broken(self.line, source))?;
        let is_ended = self.partial.last() == Some(&b'\n');
        let is_last = !is_ended && read < allowed;
        if is_ended || is_last && !self.partial.is_empty() {
            strip_line_end(&mut self.partial);
        } else if is_last {
            return Ok(Step::End);
        }
        // A line that goes on may have its end to come, which does not count.
        let end = usize::from(!is_ended && !is_last);
        if self.partial.len() > self.limits.line.saturating_add(end) {
            let (path, line) = (self.dump.path.clone(), self.line + 1);
            return Err(DumpError::LongLine { path, line, limit: self.limits.line });
        }
        if !is_ended && !is_last {
            return Ok(Step::Full);
        }
        self.line += 1;
        if self.partial.len() > SHORT {
            let mut line = std::mem::take(&mut self.partial);
            line.shrink_to_fit();
            return Ok(Step::Line(line));
        }
        let line = self.partial.as_slice().to_vec();
        self.partial.clear();
        Ok(Step::Line(line))
    }

    fn record(&self, data: Vec<u8>) -> Record {
        let is_begun = self.line == self.begin.lines + 1;
        Record {
            data,
            sequence: Sequence::new(self.line.to_string()),
            partition_key: None,
            arrived_at: None,
            done: if is_begun { self.begin.units } else { 0 },
        }
    }
}
