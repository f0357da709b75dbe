//! A file as the loop sees it: one shard, whose records are lines. Reading blocks, so it is done beside the loop.

use std::sync::Arc;

use ctk_flow::{Answer, Failure, Next, Reader, ShardId};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{
    Dump, DumpError,
    lines::{After, Beginning, Block, Limits, Lines},
};

/// What an answer may have, as long as no line needs more: enough to write many rows at once, little beside the budget.
const BLOCK: usize = 4 << 20;

/// Reads a file from a line on.
#[derive(Debug)]
pub struct DumpReader {
    shard: ShardId,
    state: State,
    /// What the next answer may have.
    room: usize,
    /// Lines may be lost before the next ones, which is not told yet.
    gap: bool,
}

enum State {
    New(Arc<Dump>, Beginning, Limits),
    Idle(Box<Lines>),
    /// Kept here, so that what comes of a dropped call is there for the next.
    Busy(JoinHandle<Done>),
    Failed,
}

type Done = (Option<Box<Lines>>, Result<Block, DumpError>);

impl DumpReader {
    pub(super) fn new(dump: Arc<Dump>, begin: Beginning, limits: Limits, gap: bool) -> Self {
        let shard = dump.shard.clone();
        Self { shard, state: State::New(dump, begin, limits), room: BLOCK, gap }
    }

    #[cfg(test)]
    pub(super) fn with_room(mut self, room: usize) -> Self {
        self.room = room;
        self
    }

    fn answer(&mut self, block: Block) -> Answer {
        let next = match block.after {
            After::More | After::Longer => Next::AT_ONCE,
            // Not closed: the file may grow, and the next run goes on with it.
            After::End => Next::CaughtUp,
        };
        self.room = match block.after {
            After::Longer => self.room.saturating_mul(2),
            After::More | After::End => BLOCK.min(self.room),
        };
        let gap = std::mem::take(&mut self.gap) || block.gap;
        Answer { records: block.records, gap, ..Answer::nothing(next) }
    }
}

impl Reader for DumpReader {
    fn shard(&self) -> &ShardId {
        &self.shard
    }

    fn room(&self, most: usize) -> usize {
        self.room.min(most)
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        loop {
            let room = self.room;
            let task = match std::mem::replace(&mut self.state, State::Failed) {
                State::New(dump, begin, limits) => {
                    spawn_blocking(move || match Lines::open(dump, begin, limits) {
                        Ok(lines) => block(Box::new(lines), room),
                        Err(error) => (None, Err(error)),
                    })
                }
                State::Idle(lines) => spawn_blocking(move || block(lines, room)),
                State::Busy(task) => task,
                State::Failed => return Err("the file is not read any more".into()),
            };
            self.state = State::Busy(task);
            let State::Busy(task) = &mut self.state else { continue };
            let done = task.await;
            self.state = State::Failed;
            let (lines, block) = done?;
            if let Some(lines) = lines {
                self.state = State::Idle(lines);
            }
            return Ok(self.answer(block?));
        }
    }
}

fn block(mut lines: Box<Lines>, room: usize) -> Done {
    let block = lines.block(room);
    (Some(lines), block)
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New(..) => "New",
            Self::Idle(_) => "Idle",
            Self::Busy(_) => "Busy",
            Self::Failed => "Failed",
        })
    }
}
