//! Records that are sent, in place of being asked for, as the reader hands them out.

use std::{collections::HashMap, time::Duration};

use ctk_flow::{Next, Source};
use ctk_test_support::{
    client::Client,
    embedded::{Kinesis, Options},
    kinesis_local,
    script::Fault,
};

use super::reading::{Reading, load, numbered, open, put, step};

const FAN_OUT: &str = "&fan_out=ctk-test";
const SHARD: &str = "shardId-000000000000";

/// Loads, reshards, loads again: everything comes once, parents before children.
async fn suite(client: &Client, endpoint: &str) {
    client.create_stream("s", 2).await.expect("the stream is created");
    let first = numbered("a", 60);
    put(client, "s", &first).await;
    let reading = load(endpoint, "s", FAN_OUT, HashMap::new()).await;
    assert_eq!(reading.sorted(), first);
    reading.assert_in_order();
    let second = numbered("b", 30);
    put(client, "s", &second).await;
    client.split_shard("s", SHARD).await.expect("split");
    let third = numbered("c", 30);
    put(client, "s", &third).await;
    let reading = load(endpoint, "s", FAN_OUT, reading.positions).await;
    assert_eq!(reading.sorted(), [second, third].concat());
    reading.assert_in_order();
    let nothing = load(endpoint, "s", FAN_OUT, reading.positions).await;
    assert_eq!(nothing.payloads(), Vec::<String>::new());
}

#[tokio::test]
async fn the_embedded_kinesis() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    suite(&kinesis, &kinesis.endpoint()).await;
    assert!(kinesis.script().calls("SubscribeToShard") > 0, "it was polled");
}

#[tokio::test]
async fn kinesis_local() {
    let kinesis = kinesis_local::start().await.expect("kinesis-local starts");
    suite(&kinesis, &kinesis.endpoint()).await;
}

/// Nobody asks for records while they come.
#[tokio::test]
async fn a_run_that_follows_is_sent_what_is_put() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    let options = "&fan_out=ctk-test&follow=true";
    let mut source = open(&kinesis.endpoint(), "s", options, HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    for round in 1..=3 {
        put(&kinesis, "s", &numbered(&format!("round-{round}"), 10)).await;
        while reading.records.len() < round * 10 {
            assert!(matches!(step(&mut reader, &mut reading).await, Next::Read { .. }));
        }
    }
    assert_eq!(reading.payloads().len(), 30);
    reading.assert_in_order();
    assert_eq!(kinesis.script().calls("GetRecords"), 0);
}

/// Subscriptions that end soon, and are refused now and then.
#[tokio::test]
async fn renewals_neither_repeat_nor_skip() {
    let options = Options { subscription_millis: 700, ..Options::default() };
    let kinesis = Kinesis::start(options).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    kinesis.script().fault_every("SubscribeToShard", 3, Fault::INTERNAL);
    let options = "&fan_out=ctk-test&follow=true";
    let mut source = open(&kinesis.endpoint(), "s", options, HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let mut reading = Reading::default();
    let payloads = numbered("a", 40);
    let write = async {
        for some in payloads.chunks(4) {
            put(&kinesis, "s", some).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let read = async {
        while reading.records.len() < 40 {
            step(&mut reader, &mut reading).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), async { tokio::join!(write, read) })
        .await
        .expect("all of them come");
    assert_eq!(reading.payloads(), payloads);
    assert!(kinesis.script().calls("SubscribeToShard") > 2);
}

/// The service may refuse consumers at the start, or a subscription later on: polling brings the same.
#[tokio::test]
async fn a_service_that_refuses_is_polled() {
    for operation in ["DescribeStreamConsumer", "SubscribeToShard"] {
        let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
        kinesis.create_stream("s", 1).await.expect("the stream is created");
        put(&kinesis, "s", &numbered("a", 10)).await;
        let unknown = Fault::Error { status: 400, code: "UnknownOperationException" };
        kinesis.script().fault_always(operation, unknown);
        let reading = load(&kinesis.endpoint(), "s", FAN_OUT, HashMap::new()).await;
        assert_eq!(reading.payloads(), numbered("a", 10), "{operation}");
    }
}
