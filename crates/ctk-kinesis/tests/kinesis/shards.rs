//! Many shards: over pages, in any order, beside one that never ends.

use std::{collections::HashMap, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use ctk_flow::Source;
use ctk_test_support::{
    embedded::{Kinesis, Options},
    records::hash_key,
    script::Fault,
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    reading::{Positions, load, numbered, open, put, read_on},
    through_the_loop::{Kept, run},
};

/// A stream with one record in each shard; returns the payloads.
async fn one_record_each(shards: u32) -> (Kinesis, Vec<String>) {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", shards).await.expect("the stream is created");
    let payloads: Vec<String> = (0..shards).map(|shard| format!("shard-{shard:04}")).collect();
    let records: Vec<_> = (0..shards)
        .zip(&payloads)
        .map(|(shard, payload)| {
            json!({
                "PartitionKey": payload,
                "ExplicitHashKey": hash_key(shard, shards),
                "Data": BASE64_STANDARD.encode(payload),
            })
        })
        .collect();
    for records in records.chunks(500) {
        let body = json!({ "StreamName": "s", "Records": records });
        let answer = kinesis.call("PutRecords", body).await.expect("the records are taken");
        assert_eq!(answer["FailedRecordCount"], 0);
    }
    (kinesis, payloads)
}

/// The first answer of each shard is enough here: the emulator takes milliseconds for every call about so large a stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_shards_are_read_once_each() {
    let (kinesis, payloads) = one_record_each(2500).await;
    let script = kinesis.script();
    let list = async |disorder| {
        script.list_pages_in_disorder(disorder);
        // The third page of 1,000: its token has expired.
        script.fault("ListShards", 3, Fault::EXPIRED_TOKEN);
        let calls = script.calls("ListShards");
        let source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
        assert_eq!(script.calls("ListShards") - calls, 6, "two pages for nothing, and three");
        assert_eq!(source.shards().len(), 2500, "disorder: {disorder}");
        source
    };
    list(false).await;
    let mut reads = JoinSet::new();
    for mut reader in list(true).await.readers().await.expect("listed") {
        reads.spawn(async move { read_on(&mut reader).await.expect("the shard is read").records });
    }
    let records = reads.join_all().await.into_iter().flatten();
    let mut read: Vec<String> =
        records.map(|record| String::from_utf8_lossy(&record.data).into_owned()).collect();
    read.sort();
    assert_eq!(read, payloads);
}

/// Splits and merges while nobody reads, listed with children before their parents, in pages that overlap.
#[tokio::test]
async fn generations_listed_in_disorder_come_in_order() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 2).await.expect("the stream is created");
    kinesis.script().list_pages_in_disorder(true);
    kinesis.script().shards_per_page(2);
    kinesis.script().records_per_answer(4);
    let id = |number: u32| format!("shardId-{number:012}");
    let mut positions: Positions = HashMap::new();
    let (mut read, mut expected) = (Vec::new(), Vec::new());
    for generation in 0..5 {
        match generation {
            0 => {}
            1 => kinesis.split_shard("s", &id(0)).await.expect("split"),
            2 => kinesis.split_shard("s", &id(1)).await.expect("split"),
            3 => kinesis.merge_shards("s", &id(3), &id(4)).await.expect("merge"),
            _ => kinesis.merge_shards("s", &id(2), &id(6)).await.expect("merge"),
        }
        let payloads = numbered(&format!("generation-{generation}"), 40);
        put(&kinesis, "s", &payloads).await;
        expected.extend(payloads);
        // One run in the middle, one at the end.
        if generation == 2 || generation == 4 {
            let reading = load(&kinesis.endpoint(), "s", "", positions).await;
            reading.assert_in_order();
            let shards = reading.shards();
            let place = |number: u32| shards.iter().position(|shard| *shard == id(number));
            for (parent, child) in [(0, 2), (0, 3), (1, 4), (1, 5), (3, 6), (4, 6), (2, 7), (6, 7)]
            {
                if let (Some(parent), Some(child)) = (place(parent), place(child)) {
                    assert!(parent < child, "{shards:?}");
                }
            }
            read.extend(reading.payloads());
            positions = reading.positions;
        }
    }
    read.sort();
    assert_eq!(read, expected);
}

/// A shard that claims more and never gives it, as many others as there are: what holds a place for the life of a shard
/// would keep some of them from ever being read.
#[tokio::test]
async fn a_shard_that_never_ends_starves_nobody() {
    let (kinesis, payloads) = one_record_each(21).await;
    let script = kinesis.script();
    script.never_ends("shardId-000000000000");
    let kept = Kept::default();
    let others = &payloads[1..];
    let watch = async {
        while kept.rows() != others {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Long enough for it to be asked a few more times.
        let calls = script.calls("GetRecords");
        while script.calls("GetRecords") < calls + 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(kept.rows(), others, "it gives nothing yet");
        script.heal();
    };
    tokio::join!(run(&kinesis, &kept, None), watch);
    assert_eq!(kept.rows(), payloads, "and then it is read too");
}
