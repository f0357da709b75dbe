//! The source under the loop of `ctk-flow`: many shards at once, a reshard in between, faults everywhere.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use ctk_flow::{
    Allowance, Budget, Changes, Claims, Committed, Decode, Decoded, Failure, Ledger, Origin, Plan,
    Position, Record, Run, ShardId, Target, Value,
};
use ctk_kinesis::Saved;
use ctk_test_support::{
    embedded::{Kinesis, Options},
    script::Fault,
};
use tokio_util::sync::CancellationToken;

use super::reading::{Positions, numbered, open, put};

struct Text;

impl Decode for Text {
    fn decode(
        &self,
        shard: &ShardId,
        records: &mut VecDeque<Record>,
        allowance: Allowance,
    ) -> Decoded {
        let mut changes = Changes::new(shard.clone(), records.len(), 0);
        let mut upto = None;
        while changes.units() < allowance.units
            && let Some(record) = records.pop_front()
        {
            changes.unit();
            let Record { data, sequence, partition_key, arrived_at, .. } = record;
            upto = Some(sequence.clone());
            changes.push_origin(Origin { sequence, partition_key, arrived_at });
            let column = changes.column("data");
            changes.cell(column, Value::Text(&String::from_utf8_lossy(&data)));
            changes.end_row(0);
        }
        Decoded { changes, upto, part: None }
    }
}

/// Keeps rows and positions, together, as a transaction would.
#[derive(Clone, Default)]
pub(super) struct Kept(Arc<Mutex<(Vec<String>, Positions)>>);

impl Kept {
    /// Returns the rows, sorted.
    pub(super) fn rows(&self) -> Vec<String> {
        let mut rows = self.0.lock().expect("nobody panicked").0.clone();
        rows.sort();
        rows
    }
}

impl Target for Kept {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        let mut kept = self.0.lock().expect("nobody panicked");
        for row in changes.rows() {
            for (_, value) in row.cells() {
                let Value::Text(text) = value else { panic!("not a text: {value:?}") };
                kept.0.push(text.to_owned());
            }
        }
        let saved = kept.1.entry(upto.shard).or_default();
        saved.finished = upto.finished;
        saved.sequence = upto.sequence.or(saved.sequence.take());
        Ok(Committed { written: changes.units(), ..Committed::default() })
    }

    async fn close(&self) -> Result<(), Failure> {
        Ok(())
    }
}

struct Nobody;

impl Claims for Nobody {
    async fn claim(&self, _: &ShardId, _: Option<ctk_flow::Millis>) -> Result<(), Failure> {
        Ok(())
    }

    async fn release(&self, _: &ShardId) -> Result<(), Failure> {
        Ok(())
    }
}

pub(super) async fn run(kinesis: &Kinesis, kept: &Kept, max_records: Option<u64>) {
    let saved: HashMap<ShardId, Saved> = kept.0.lock().expect("nobody panicked").1.clone();
    let source = open(&kinesis.endpoint(), "s", "", saved).await.expect("opens");
    let plan = Plan {
        budget: Budget::new(1 << 20),
        read_bytes: 1 << 16,
        until: None,
        max_records,
        relist: None,
    };
    let ledger = Arc::new(Ledger::default());
    let stop = CancellationToken::new();
    let run = Run::new(Text, kept.clone(), Arc::new(Nobody), plan, &stop, Arc::clone(&ledger));
    tokio::time::timeout(Duration::from_mins(1), run.run(source))
        .await
        .expect("it ends")
        .expect("it succeeds");
    assert!(ledger.totals().balance());
}

#[tokio::test]
async fn every_record_once_over_runs_reshards_and_faults() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 4).await.expect("the stream is created");
    kinesis.script().records_per_answer(9);
    kinesis.script().shards_per_page(3);
    kinesis.script().fault_every("GetRecords", 5, Fault::EXPIRED_ITERATOR);
    kinesis.script().fault_every("GetShardIterator", 4, Fault::Drop);
    check_over_reshards(&kinesis, "faults").await;
}

/// Loads the four shards of a stream, over a run that ends in the middle, a split, and a merge: every record comes once.
pub(super) async fn check_over_reshards(kinesis: &Kinesis, what: &str) {
    let kept = Kept::default();
    let first = numbered("a", 300);
    put(kinesis, "s", &first).await;
    // It stops in the middle, exactly where it was told to.
    run(kinesis, &kept, Some(77)).await;
    assert_eq!(kept.rows().len(), 77, "{what}");
    kinesis.split_shard("s", "shardId-000000000001").await.expect("split");
    kinesis.merge_shards("s", "shardId-000000000002", "shardId-000000000003").await.expect("merge");
    let second = numbered("b", 100);
    put(kinesis, "s", &second).await;
    run(kinesis, &kept, None).await;
    run(kinesis, &kept, None).await;
    assert_eq!(kept.rows(), [first, second].concat(), "{what}");
}
