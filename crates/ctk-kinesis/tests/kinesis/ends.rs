//! When a run that ends by itself ends: neither before everything is read, nor never.

use std::{collections::HashMap, time::Duration};

use ctk_flow::{Next, Source};
use ctk_test_support::{
    embedded::{Kinesis, Options},
    script::Claim,
};

use super::reading::{
    Reading, drain, drain_shard, load, next_millisecond, numbered, open, put, step,
};

async fn stream_of(shards: u32, payloads: &[String]) -> Kinesis {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", shards).await.expect("the stream is created");
    put(&kinesis, "s", payloads).await;
    kinesis
}

#[tokio::test]
async fn full_answers_that_claim_the_tip_decide_nothing() {
    let payloads = numbered("a", 200);
    for claim in [Claim::Zero, Claim::Honest] {
        let kinesis = stream_of(2, &payloads).await;
        kinesis.script().records_per_answer(3);
        kinesis.script().claim(claim);
        let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
        assert_eq!(reading.sorted(), payloads, "{claim:?}");
    }
}

#[tokio::test]
async fn an_empty_stream_ends_at_once() {
    let kinesis = stream_of(2, &[]).await;
    assert!(load(&kinesis.endpoint(), "s", "", HashMap::new()).await.records.is_empty());
    assert_eq!(kinesis.script().calls("GetRecords"), 2);
}

#[tokio::test]
async fn an_empty_answer_behind_the_tip_does_not_end() {
    let kinesis = stream_of(1, &numbered("a", 2)).await;
    kinesis.script().claim(Claim::EmptyAnswers(5000));
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    assert_eq!(step(&mut reader, &mut reading).await, Next::Read { wait: Duration::ZERO });
    for _ in 0..3 {
        let next = step(&mut reader, &mut reading).await;
        assert!(
            matches!(next, Next::Read { wait } if wait <= Duration::from_millis(200)),
            "{next:?}"
        );
    }
    put(&kinesis, "s", &numbered("b", 1)).await;
    assert_eq!(step(&mut reader, &mut reading).await, Next::Read { wait: Duration::ZERO });
    assert_eq!(reading.payloads(), ["a-000", "a-001", "b-000"]);
    kinesis.script().claim(Claim::Zero);
    assert_eq!(step(&mut reader, &mut reading).await, Next::CaughtUp);
}

#[tokio::test]
async fn near_enough_is_near_enough() {
    let kinesis = stream_of(1, &numbered("a", 2)).await;
    kinesis.script().claim(Claim::EmptyAnswers(5000));
    let options = "&milliseconds_behind_latest=5000";
    assert_eq!(load(&kinesis.endpoint(), "s", options, HashMap::new()).await.records.len(), 2);
}

#[tokio::test]
async fn a_server_that_claims_nothing_is_believed_after_some_empty_answers() {
    let kinesis = stream_of(1, &numbered("a", 9)).await;
    kinesis.script().claim(Claim::Absent);
    kinesis.script().records_per_answer(3);
    assert_eq!(load(&kinesis.endpoint(), "s", "", HashMap::new()).await.records.len(), 9);
    assert_eq!(kinesis.script().calls("GetRecords"), 3 + 5);
}

#[tokio::test]
async fn records_of_later_than_the_start_end_a_shard() {
    let kinesis = stream_of(1, &numbered("a", 3)).await;
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    // The margin for arrival times out of order is one second, by the server's clock.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    put(&kinesis, "s", &numbered("b", 1)).await;
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    assert_eq!(step(&mut reader, &mut reading).await, Next::CaughtUp);
    assert_eq!(reading.records.len(), 4, "what came with it counts");
}

#[tokio::test]
async fn a_shard_that_closes_meanwhile_is_read_with_its_children() {
    let kinesis = stream_of(1, &numbered("a", 20)).await;
    kinesis.script().records_per_answer(6);
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    step(&mut reader, &mut reading).await;
    put(&kinesis, "s", &numbered("b", 5)).await;
    kinesis.split_shard("s", "shardId-000000000000").await.expect("split");
    put(&kinesis, "s", &numbered("c", 10)).await;
    drain_shard(&mut source, reader, &mut reading).await;
    assert_eq!(reading.records.len(), 25, "the parent is read to its end");
    drain(&mut source, &mut reading).await;
    let expected = [numbered("a", 20), numbered("b", 5), numbered("c", 10)].concat();
    assert_eq!(reading.sorted(), expected);
}

#[tokio::test]
async fn the_last_answer_of_a_closed_shard_brings_records() {
    for told in [true, false] {
        let kinesis = stream_of(1, &numbered("a", 10)).await;
        kinesis.script().claim(Claim::Honest);
        kinesis.script().child_shards(told);
        kinesis.script().records_per_answer(6);
        kinesis.split_shard("s", "shardId-000000000000").await.expect("split");
        let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
        let mut reader = source.readers().await.expect("listed").remove(0);
        let mut reading = Reading::default();
        assert_eq!(step(&mut reader, &mut reading).await, Next::AT_ONCE);
        if !told {
            // Without the names of its children, the end must be met twice.
            assert_eq!(step(&mut reader, &mut reading).await, Next::AT_ONCE);
        }
        assert_eq!(step(&mut reader, &mut reading).await, Next::Closed);
        assert_eq!(reading.payloads(), numbered("a", 10));
    }
}

#[tokio::test]
async fn a_run_that_follows_takes_new_shards_up() {
    let kinesis = stream_of(1, &numbered("a", 3)).await;
    next_millisecond().await;
    let mut source = open(&kinesis.endpoint(), "s", "&follow=true&start=latest", HashMap::new())
        .await
        .expect("opens");
    let mut parent = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    assert!(matches!(step(&mut parent, &mut reading).await, Next::Read { .. }), "nothing ends it");
    next_millisecond().await;
    put(&kinesis, "s", &numbered("b", 3)).await;
    kinesis.split_shard("s", "shardId-000000000000").await.expect("split");
    put(&kinesis, "s", &numbered("c", 8)).await;
    assert!(
        source.readers().await.expect("listed").is_empty(),
        "the children wait for their parent"
    );
    drain_shard(&mut source, parent, &mut reading).await;
    assert_eq!(reading.sorted(), numbered("b", 3));
    let children = source.readers().await.expect("listed");
    assert_eq!(children.len(), 2);
    for mut child in children {
        while reading.records.len() < 11 {
            if matches!(step(&mut child, &mut reading).await, Next::Read { wait } if !wait.is_zero())
            {
                break;
            }
        }
    }
    assert_eq!(
        reading.sorted(),
        [numbered("b", 3), numbered("c", 8)].concat(),
        "children from their beginning"
    );
}

#[tokio::test]
async fn the_clock_of_the_service_decides_what_is_later() {
    let kinesis = stream_of(1, &numbered("a", 3)).await;
    kinesis.script().date("Fri, 01 Jan 2100 00:00:00 GMT");
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    put(&kinesis, "s", &numbered("b", 1)).await;
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    // By that clock these records are old, so that what the stream keeps is looked at as well.
    while reading.records.is_empty() {
        assert_eq!(step(&mut reader, &mut reading).await, Next::AT_ONCE);
    }
    let mut next = Next::AT_ONCE;
    while next == Next::AT_ONCE {
        next = step(&mut reader, &mut reading).await;
    }
    assert_eq!((next, reading.records.len()), (Next::CaughtUp, 4));
}

#[tokio::test]
async fn a_closed_shard_ends_where_its_iterators_never_do() {
    let kinesis = stream_of(1, &numbered("a", 10)).await;
    kinesis.script().closed_shards_never_end();
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    kinesis.split_shard("s", "shardId-000000000000").await.expect("split");
    put(&kinesis, "s", &numbered("b", 10)).await;
    // It was open when it was listed.
    let mut reading = Reading::default();
    drain(&mut source, &mut reading).await;
    assert_eq!(reading.sorted(), [numbered("a", 10), numbered("b", 10)].concat());
    // It is listed as closed.
    let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
    assert_eq!(reading.sorted(), [numbered("a", 10), numbered("b", 10)].concat());
}

#[tokio::test]
async fn a_run_that_follows_ends_at_a_time() {
    let kinesis = stream_of(1, &numbered("a", 3)).await;
    let until = super::reading::now() + 400;
    let options = format!("&follow=true&until={}.{:03}", until / 1000, until % 1000);
    let mut source = open(&kinesis.endpoint(), "s", &options, HashMap::new()).await.expect("opens");
    let reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    drain_shard(&mut source, reader, &mut reading).await;
    assert_eq!(reading.records.len(), 3);
    assert!(super::reading::now() >= until);
}
