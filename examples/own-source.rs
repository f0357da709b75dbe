//! A source of one's own: the lines of stdin as the records of a stream with one shard, written as JSON lines.
//!
//!     echo '{"sensor": 7}' | cargo run --example own-source
//!
//! The loop asks a [`Source`] which shards may be read now, and each of their [`Reader`]s for one answer after the other. A
//! stream with more shards hands out more readers; one whose shards have children waits for [`Source::finished`] with them.

#![expect(clippy::print_stderr, reason = "an example is a program, and this is its account")]

use std::{io, sync::Arc};

use anyhow::Result;
use ctk_decode::{DecodeOptions, Decoder};
use ctk_flow::{
    Answer, Budget, Failure, Ledger, Next, NoClaims, Plan, Reader, Record, Run, Sequence, ShardId,
    Source,
};
use ctk_sink::{dead_letters::DeadLetters, envelope::Envelope, jsonl::Jsonl};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio_util::sync::CancellationToken;

/// Lines in one answer, at most.
const ANSWER: usize = 1000;

/// The stream: one shard, until it is handed out.
struct LineSource(Option<LineReader>);

impl Source for LineSource {
    type Reader = LineReader;

    async fn readers(&mut self) -> Result<Vec<LineReader>, Failure> {
        Ok(self.0.take().into_iter().collect())
    }

    fn finished(&mut self, _shard: &ShardId) {}
}

/// The shard. The sequence number of a record is that of its line.
struct LineReader {
    shard: ShardId,
    lines: Lines<BufReader<Stdin>>,
    /// How many lines were read.
    count: u64,
    /// What was read and not handed out: a call that is dropped in the middle loses nothing.
    records: Vec<Record>,
}

impl Reader for LineReader {
    fn shard(&self) -> &ShardId {
        &self.shard
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        let mut next = Next::AT_ONCE;
        while self.records.len() < ANSWER {
            let Some(line) = self.lines.next_line().await? else {
                next = Next::Closed;
                break;
            };
            self.count += 1;
            self.records.push(Record {
                data: line.into_bytes(),
                sequence: Sequence::new(self.count.to_string()),
                partition_key: None,
                arrived_at: None,
                done: 0,
            });
        }
        Ok(Answer { records: std::mem::take(&mut self.records), ..Answer::nothing(next) })
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let reader = LineReader {
        shard: ShardId::new("stdin"),
        lines: BufReader::new(tokio::io::stdin()).lines(),
        count: 0,
        records: Vec::new(),
    };
    let decoder = Decoder::new(DecodeOptions::default());
    let target = Jsonl::new("stdout", io::stdout(), "stdin", Envelope::Id, DeadLetters::Fail);
    let plan = Plan {
        budget: Budget::new(64 << 20),
        read_bytes: 16 << 20,
        until: None,
        max_records: None,
        relist: None,
    };
    let (stop, ledger) = (CancellationToken::new(), Arc::new(Ledger::default()));
    let run = Run::new(decoder, target, Arc::new(NoClaims), plan, &stop, Arc::clone(&ledger));
    run.run(LineSource(Some(reader))).await?;
    let totals = ledger.totals();
    eprintln!("{} read = {} written", totals.read, totals.written);
    Ok(())
}
