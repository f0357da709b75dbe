//! The ledger: producers write numbered records by key through splits, merges, faults, kills and restarts; at the end every
//! record is there exactly once, and those of a key in their order.
//!
//! Rows have no key of their own (`envelope=none`), so that nothing absorbs what is read twice. Each seed is a plan of its own:
//! how many shards, what is written when, in aggregates or not, which shards are split and merged, how the runs end, and which
//! calls fail. Time is real, so the same seed does not meet the same moment twice; what must hold is the same.
//!
//! A plan takes some seconds. `CTK_TEST_LEDGER_STEPS=180` makes it a minute, and the whole test ten.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ctk_test_support::{embedded::Options, kpl::aggregate, script::Claim};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::world::World;

const SEEDS: u64 = 50;
/// So many at the same time.
const AT_ONCE: usize = 6;
const STEPS: u32 = 12;
/// More steps, for a longer look.
const STEPS_VARIABLE: &str = "CTK_TEST_LEDGER_STEPS";
const KEYS: u64 = 8;

/// Numbers that depend on the seed alone (`SplitMix64`).
pub(crate) struct Plan(pub(crate) u64);

impl Plan {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// What was written: for each key, how many records.
#[derive(Default)]
struct Written(HashMap<u64, u64>);

impl Written {
    /// Returns the next record of a key.
    fn next(&mut self, key: u64) -> Vec<u8> {
        let number = self.0.entry(key).or_default();
        *number += 1;
        format!(r#"{{"key":{key},"number":{number}}}"#).into_bytes()
    }
}

/// Writes some records, some of them packed.
async fn produce(world: &World, plan: &mut Plan, written: &mut Written) {
    for _ in 0..=plan.below(3) {
        let key = plan.below(KEYS);
        let name = format!("key-{key}");
        let records: Vec<_> = (0..=plan.below(12)).map(|_| written.next(key)).collect();
        if plan.one_in(3) {
            let entries: Vec<_> =
                records.iter().map(|record| (name.as_str(), None, record.as_slice())).collect();
            world.kinesis.put("demo", &name, &aggregate(&entries)).await.unwrap();
        } else {
            let records = records.iter().map(|record| (name.as_str(), record.as_slice()));
            world.kinesis.put_all("demo", records).await.unwrap();
        }
    }
}

/// Splits a shard, or merges two neighbours.
async fn reshard(world: &World, plan: &mut Plan) {
    let listed = world.kinesis.shards("demo").await.unwrap();
    let mut open: Vec<(u128, u128, String)> = listed
        .iter()
        .filter(|shard| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null())
        .map(|shard| {
            let key = |name: &str| shard["HashKeyRange"][name].as_str().unwrap().parse().unwrap();
            let id = shard["ShardId"].as_str().unwrap().to_owned();
            (key("StartingHashKey"), key("EndingHashKey"), id)
        })
        .collect();
    open.sort();
    let at = usize::try_from(plan.below(open.len() as u64)).unwrap();
    if plan.one_in(2) && at + 1 < open.len() {
        world.kinesis.merge_shards("demo", &open[at].2, &open[at + 1].2).await.unwrap();
    } else {
        world.kinesis.split_shard("demo", &open[at].2).await.unwrap();
    }
}

/// Runs the program until it ends, is told to, or is killed.
async fn consume(world: &World, plan: &mut Plan) {
    let mut options = String::from("&checkpointer=target&envelope=none&poll_interval=0.05");
    if plan.one_in(3) {
        options.push_str("&follow=true");
    }
    if plan.one_in(4) {
        options.push_str("&max_records=17");
    }
    if plan.one_in(4) {
        options.push_str("&fan_out=ledger");
    }
    let source = world.source(&options);
    let mut child = world.command(&["load", "--quiet", &source, "sqlite:demo.db"]).spawn().unwrap();
    let patience = Duration::from_millis(100 + plan.below(700));
    if tokio::time::timeout(patience, child.wait()).await.is_ok() {
        return;
    }
    if plan.one_in(3) {
        let id = child.id().unwrap().to_string();
        let told = tokio::process::Command::new("kill").args(["-TERM", &id]).status().await;
        assert!(told.unwrap().success());
        // It ends in order, unless a fault makes it wait; then it is killed all the same.
        drop(tokio::time::timeout(Duration::from_secs(2), child.wait()).await);
    }
    child.kill().await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "how long to look is for whoever runs the tests")]
fn steps() -> u32 {
    std::env::var(STEPS_VARIABLE).map_or(STEPS, |steps| steps.parse().unwrap())
}

async fn check(seed: u64) {
    let mut plan = Plan(seed);
    let options = Options { subscription_millis: 1500, ..Options::default() };
    let world = World::with(options, 1 + u32::try_from(plan.below(4)).unwrap()).await;
    let script = world.kinesis.script();
    script.records_per_answer(3 + usize::try_from(plan.below(20)).unwrap());
    script.shards_per_page(2 + usize::try_from(plan.below(4)).unwrap());
    script.list_pages_in_disorder(plan.one_in(2));
    script.child_shards(plan.one_in(2));
    script.null_at_the_end(plan.one_in(2));
    if plan.one_in(2) {
        script.claim(Claim::Honest);
    }
    script.chaos(seed, 12);
    let mut written = Written::default();
    for _ in 0..steps() {
        produce(&world, &mut plan, &mut written).await;
        if plan.one_in(3) {
            reshard(&world, &mut plan).await;
            produce(&world, &mut plan, &mut written).await;
        }
        if plan.one_in(2) {
            consume(&world, &mut plan).await;
        }
    }
    // What is left; then nothing is.
    let options = "&checkpointer=target&envelope=none&poll_interval=0.05";
    world.load(options, "sqlite:demo.db").await;
    script.heal();
    let said = world.load(options, "sqlite:demo.db").await;
    assert!(said.contains("0 records read"), "seed {seed}: {said}");

    let rows = world.query("demo.db", "SELECT key || ' ' || number FROM demo ORDER BY rowid").await;
    let mut read: HashMap<u64, Vec<u64>> = HashMap::new();
    for row in &rows {
        let (key, number) = row.split_once(' ').unwrap();
        read.entry(key.parse().unwrap()).or_default().push(number.parse().unwrap());
    }
    let expected: HashMap<u64, Vec<u64>> =
        written.0.into_iter().map(|(key, count)| (key, (1..=count).collect())).collect();
    assert_eq!(read, expected, "seed {seed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_once_and_in_order_whatever_happens() {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut seeds = JoinSet::new();
    for seed in 1..=SEEDS {
        let turns = Arc::clone(&turns);
        seeds.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            check(seed).await;
        });
    }
    seeds.join_all().await;
}
