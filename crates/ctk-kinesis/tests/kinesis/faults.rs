//! Throttles, expired iterators, broken connections and dropped futures: no record twice, none missing.

use std::{collections::HashMap, time::Duration};

use ctk_flow::{Next, Reader, Source};
use ctk_test_support::{
    embedded::{Kinesis, Options},
    script::Fault,
};

use super::reading::{Reading, drain, load, next_millisecond, numbered, open, put, step};

async fn kinesis(payloads: &[String]) -> Kinesis {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", payloads).await;
    kinesis.script().records_per_answer(4);
    kinesis
}

#[tokio::test]
async fn faults_neither_replay_nor_skip() {
    let payloads = numbered("a", 60);
    let check = async |operation: &str, every: u64, fault: Fault| {
        let kinesis = kinesis(&payloads).await;
        kinesis.script().fault_every(operation, every, fault.clone());
        let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
        assert_eq!(reading.payloads(), payloads, "{operation} {every} {fault:?}");
    };
    check("GetRecords", 2, Fault::EXPIRED_ITERATOR).await;
    check("GetRecords", 3, Fault::INTERNAL).await;
    check("GetRecords", 2, Fault::Drop).await;
    check("GetRecords", 9, Fault::THROTTLED).await;
    // An iterator that the server does not know, as after its restart.
    check("GetRecords", 5, Fault::Error { status: 400, code: "InvalidArgumentException" }).await;
}

#[tokio::test]
async fn faults_of_iterators_and_listings_are_waited_out() {
    let payloads = numbered("a", 10);
    let kinesis = kinesis(&payloads).await;
    let script = kinesis.script();
    script.fault("GetRecords", 2, Fault::EXPIRED_ITERATOR);
    script.fault("GetShardIterator", 1, Fault::INTERNAL);
    script.fault("GetShardIterator", 3, Fault::Drop);
    script.fault("ListShards", 1, Fault::Drop);
    script.fault("ListShards", 3, Fault::THROTTLED);
    let reading = load(&kinesis.endpoint(), "s", "", HashMap::new()).await;
    assert_eq!(reading.payloads(), payloads);
    assert_eq!(script.calls("GetShardIterator"), 4);
}

#[tokio::test]
async fn an_expired_token_begins_the_listing_again() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 5).await.expect("the stream is created");
    kinesis.script().shards_per_page(2);
    kinesis.script().fault("ListShards", 3, Fault::EXPIRED_TOKEN);
    let source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    assert_eq!(source.shards().len(), 5, "none missing, none twice");
    assert_eq!(kinesis.script().calls("ListShards"), 6);
}

#[tokio::test]
async fn an_iterator_that_expires_before_the_first_record_leaves_no_gap() {
    let kinesis = kinesis(&numbered("a", 10)).await;
    next_millisecond().await;
    let mut source = open(&kinesis.endpoint(), "s", "&follow=true&start=latest", HashMap::new())
        .await
        .expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    step(&mut reader, &mut reading).await;
    next_millisecond().await;
    put(&kinesis, "s", &numbered("b", 3)).await;
    kinesis.script().fault("GetRecords", 1, Fault::EXPIRED_ITERATOR);
    while reading.records.is_empty() {
        step(&mut reader, &mut reading).await;
    }
    assert_eq!(reading.payloads(), numbered("b", 3));
}

#[tokio::test]
async fn a_dropped_read_loses_nothing() {
    let payloads = numbered("a", 100);
    let kinesis = kinesis(&payloads).await;
    kinesis.script().fault_every("GetRecords", 4, Fault::EXPIRED_ITERATOR);
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let (mut read, mut dropped, mut patience) = (Vec::new(), 0, Duration::ZERO);
    loop {
        // At first it is dropped before it could send anything, then ever later, until it comes through.
        let Ok(answer) = tokio::time::timeout(patience, reader.read()).await else {
            dropped += 1;
            patience += Duration::from_micros(500);
            continue;
        };
        let answer = answer.expect("the shard is read");
        let payloads =
            answer.records.iter().map(|record| String::from_utf8_lossy(&record.data).into_owned());
        read.extend(payloads);
        patience = Duration::ZERO;
        if answer.next == Next::CaughtUp {
            break;
        }
    }
    assert_eq!(read, payloads);
    assert!(dropped > 25, "it was dropped {dropped} times");
}

#[tokio::test]
async fn a_server_that_comes_back_is_read_on() {
    let payloads = numbered("a", 12);
    let kinesis = kinesis(&payloads).await;
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    kinesis.script().fault_always("GetRecords", Fault::INTERNAL);
    let script = kinesis.script().clone();
    let heals = tokio::spawn(async move {
        while script.calls("GetRecords") < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        script.heal();
    });
    let mut reading = Reading::default();
    drain(&mut source, &mut reading).await;
    assert_eq!(reading.payloads(), payloads);
    heals.await.expect("it healed");
}
