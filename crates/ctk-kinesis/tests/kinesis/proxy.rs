//! What the proxy before the embedded Kinesis does to answers: no record twice, none missing.

use std::{collections::HashMap, time::Duration};

use ctk_flow::{Next, Source};
use ctk_test_support::{
    embedded::{Kinesis, Options},
    script::{Claim, Fault, Script},
};
use tokio::task::JoinSet;

use super::{
    reading::{Reading, drain, load, numbered, open, put, step},
    through_the_loop::{Kept, check_over_reshards, run},
};

const SHARD: &str = "shardId-000000000000";

/// Reads a stream of one shard, splits it, and reads the children, under a script.
async fn check(name: &str, write: impl Fn(&Script)) {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    let (first, second) = (numbered("a", 30), numbered("b", 30));
    put(&kinesis, "s", &first).await;
    kinesis.script().records_per_answer(4);
    write(kinesis.script());
    let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
    assert_eq!(reading.payloads(), first, "{name}");
    kinesis.split_shard("s", SHARD).await.expect("split");
    put(&kinesis, "s", &second).await;
    let reading = load(&kinesis.endpoint(), "s", "", reading.positions).await;
    reading.assert_in_order();
    assert_eq!(reading.sorted(), second, "{name}");
}

#[tokio::test]
async fn answers_that_end_in_the_middle() {
    for fault in [Fault::Cut, Fault::Drop, Fault::Refuse] {
        for operation in ["GetRecords", "GetShardIterator", "ListShards"] {
            check(&format!("{operation} {fault:?}"), |script| {
                script.fault_every(operation, 3, fault.clone());
                script.fault(operation, 1, fault.clone());
            })
            .await;
        }
    }
    for fault in [Fault::Drop, Fault::Refuse] {
        check("summary", |script| script.fault("DescribeStreamSummary", 1, fault.clone())).await;
    }
}

#[tokio::test]
async fn answers_that_are_late_or_empty_or_throttled() {
    let late = Fault::Delay(Duration::from_millis(20));
    check("late", |script| script.fault_every("GetRecords", 2, late.clone())).await;
    check("four empty answers", |script| script.empty_answers(4)).await;
    check("empty", |script| script.fault_every("GetRecords", 2, Fault::Empty)).await;
    check("throttled", |script| script.fault("GetRecords", 2, Fault::KMS_THROTTLED)).await;
    check("without keys", |script| script.no_partition_keys(true)).await;
}

/// An open shard that is taken for finished would never be read again.
#[tokio::test]
async fn an_answer_without_an_iterator_finishes_no_open_shard() {
    check("no iterator", |script| script.fault_every("GetRecords", 3, Fault::NoIterator)).await;
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    kinesis.script().fault("GetRecords", 1, Fault::NoIterator);
    let nothing = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
    assert!(nothing.positions.values().all(|saved| !saved.finished), "{:?}", nothing.positions);
}

/// Nor does it end a closed shard that has more.
#[tokio::test]
async fn an_answer_without_an_iterator_cuts_no_closed_shard_off() {
    for every in [2, 3] {
        let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
        kinesis.create_stream("s", 1).await.expect("the stream is created");
        put(&kinesis, "s", &numbered("a", 30)).await;
        kinesis.split_shard("s", SHARD).await.expect("split");
        kinesis.script().records_per_answer(4);
        kinesis.script().fault_every("GetRecords", every, Fault::NoIterator);
        let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
        assert_eq!(reading.payloads(), numbered("a", 30), "every {every}");
    }
}

#[tokio::test]
async fn ends_of_shards_in_every_form() {
    for claim in [Claim::Zero, Claim::Honest] {
        for null in [false, true] {
            check(&format!("{claim:?}, null: {null}"), |script| {
                script.claim(claim);
                script.null_at_the_end(null);
                script.child_shards(true);
            })
            .await;
        }
    }
}

#[tokio::test]
async fn the_limits_of_aws_only_cost_time() {
    check("limits", |script| script.limits(true)).await;
}

/// A first load: nobody was promised what expired before it.
#[tokio::test]
async fn expired_records_are_passed_over() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    let payloads = numbered("a", 20);
    put(&kinesis, "s", &payloads[..10]).await;
    let (_, first_kept) = kinesis.put("s", "k", payloads[10].as_bytes()).await.expect("taken");
    put(&kinesis, "s", &payloads[11..]).await;
    kinesis.script().trim("s", SHARD, &first_kept);
    let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
    assert_eq!(reading.payloads(), payloads[10..]);
}

/// A parent that expired is as good as read.
#[tokio::test]
async fn children_of_an_expired_shard_are_read() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 5)).await;
    kinesis.split_shard("s", SHARD).await.expect("split");
    put(&kinesis, "s", &numbered("b", 20)).await;
    kinesis.script().forget_shard(SHARD);
    let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
    assert_eq!(reading.sorted(), numbered("b", 20));
}

#[tokio::test]
async fn nothing_is_missing_or_twice_after_chaos() {
    let mut seeds = JoinSet::new();
    for seed in 1..=6 {
        seeds.spawn(chaos(seed));
    }
    seeds.join_all().await;
}

async fn chaos(seed: u64) {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 4).await.expect("the stream is created");
    let script = kinesis.script();
    script.records_per_answer(9);
    script.shards_per_page(3);
    script.claim(Claim::Honest);
    script.chaos(seed, 8);
    check_over_reshards(&kinesis, &format!("seed {seed}")).await;
}

#[tokio::test]
async fn pages_that_come_again_are_handed_out_once() {
    check("repeat", |script| script.fault_every("GetRecords", 3, Fault::Repeat)).await;
}

#[tokio::test]
async fn a_stuck_shard_gets_a_new_iterator() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 30)).await;
    let script = kinesis.script();
    script.records_per_answer(4);
    let kept = Kept::default();
    let sticks = async {
        while script.calls("GetRecords") < 3 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        script.stuck(SHARD);
    };
    tokio::join!(run(&kinesis, &kept, None), sticks);
    assert_eq!(kept.rows(), numbered("a", 30));
    assert_eq!(script.unstuck(SHARD), 1);
}

#[tokio::test]
async fn a_summary_that_ends_in_the_middle_is_asked_for_again() {
    check("summary", |script| script.fault("DescribeStreamSummary", 1, Fault::Cut)).await;
}

/// A long gap in a shard: empty answers, each a little nearer to the tip, and no reason to begin anew.
#[tokio::test]
async fn thousands_of_empty_answers_are_read_through() {
    const ANSWERS: u64 = 3000;
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 5)).await;
    let script = kinesis.script();
    script.empty_answers(ANSWERS);
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    while reading.records.is_empty() {
        // The waits are left out: they are those of the API for one reader.
        assert!(matches!(step(&mut reader, &mut reading).await, Next::Read { .. }));
    }
    assert_eq!(reading.payloads(), numbered("a", 5));
    assert_eq!((script.calls("GetRecords"), script.calls("GetShardIterator")), (ANSWERS + 1, 1));
}

/// What a shard became stands in its last answer, so its children begin without another listing.
#[tokio::test]
async fn children_that_are_told_are_not_listed_again() {
    // One at the start, and one for each child at its end, which may have been closed meanwhile. Where nobody tells, the
    // parent is looked up at its end, too, and the children are listed.
    for (told, listings) in [(true, 3), (false, 5)] {
        let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
        kinesis.create_stream("s", 1).await.expect("the stream is created");
        put(&kinesis, "s", &numbered("a", 5)).await;
        let script = kinesis.script();
        script.child_shards(told);
        if told {
            // It may take a moment until the service shows them.
            script.fault("GetShardIterator", 2, Fault::NOT_FOUND);
        }
        let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
        // After the listing, so that nobody knows of them yet.
        kinesis.split_shard("s", SHARD).await.expect("split");
        put(&kinesis, "s", &numbered("b", 10)).await;
        let mut reading = Reading::default();
        drain(&mut source, &mut reading).await;
        assert_eq!(reading.sorted(), [numbered("a", 5), numbered("b", 10)].concat());
        assert_eq!(script.calls("ListShards"), listings, "told: {told}");
    }
}
