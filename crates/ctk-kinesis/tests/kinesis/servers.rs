//! The same suite on every server: what passes here on one and fails on the other is a bug of ours or of a double.

use std::collections::HashMap;

use ctk_test_support::{client::Client, embedded::Kinesis, kinesis_local::KinesisLocal};

use super::reading::{Positions, load, numbered, put};

/// Loads, reshards, loads again: everything comes once, parents before children.
async fn suite(client: &Client, endpoint: &str) {
    client.create_stream("suite", 3).await.expect("the stream is created");
    let first = numbered("a", 90);
    put(client, "suite", &first).await;
    let reading = load(endpoint, "suite", "&chunk_size=7", HashMap::new()).await;
    assert_eq!(reading.sorted(), first);
    assert_eq!(reading.shards().len(), 3);
    reading.assert_in_order();

    let nothing = load(endpoint, "suite", "", reading.positions.clone()).await;
    assert_eq!(nothing.payloads(), Vec::<String>::new(), "a second run finds nothing new");

    // While nobody reads: more records, a split, a merge of two others, and records for the children.
    let second = numbered("b", 30);
    put(client, "suite", &second).await;
    client.split_shard("suite", "shardId-000000000000").await.expect("split");
    client
        .merge_shards("suite", "shardId-000000000001", "shardId-000000000002")
        .await
        .expect("merge");
    let third = numbered("c", 30);
    put(client, "suite", &third).await;
    let reading = load(endpoint, "suite", "&chunk_size=7", nothing.positions).await;
    assert_eq!(reading.sorted(), [second.as_slice(), third.as_slice()].concat());
    reading.assert_in_order();
    let shards = reading.shards();
    let place = |number: u32| {
        let shard = format!("shardId-{number:012}");
        shards
            .iter()
            .position(|listed| *listed == shard)
            .unwrap_or_else(|| panic!("{shard} brought nothing"))
    };
    assert!(place(0) < place(3) && place(0) < place(4), "a split: the parent first: {shards:?}");
    assert!(place(1) < place(5) && place(2) < place(5), "a merge: both parents first: {shards:?}");

    let ended = finished(&reading.positions);
    assert_eq!(ended, [0, 1, 2], "closed shards are finished, open ones are not");
    let nothing = load(endpoint, "suite", "", reading.positions).await;
    assert_eq!(nothing.payloads(), Vec::<String>::new(), "finished parents are not read again");
}

fn finished(positions: &Positions) -> Vec<u32> {
    let number = |id: &str| {
        id.rsplit('-').next().and_then(|digits| digits.parse().ok()).expect("a shard id")
    };
    let mut numbers: Vec<u32> = positions
        .iter()
        .filter(|(_, saved)| saved.finished)
        .map(|(id, _)| number(id.as_str()))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn the_embedded_kinesis() {
    let kinesis =
        Kinesis::start(ctk_test_support::embedded::Options::default()).await.expect("it starts");
    suite(&kinesis, &kinesis.endpoint()).await;
}

#[tokio::test]
async fn the_embedded_kinesis_in_small_pages_by_arn() {
    let kinesis =
        Kinesis::start(ctk_test_support::embedded::Options::default()).await.expect("it starts");
    kinesis.script().shards_per_page(2);
    kinesis.script().records_per_answer(5);
    suite(&kinesis, &kinesis.endpoint()).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/suite";
    assert_eq!(load(&kinesis.endpoint(), arn, "", HashMap::new()).await.records.len(), 150);
}

#[tokio::test]
async fn kinesis_local() {
    let kinesis = KinesisLocal::start().await.expect("kinesis-local starts");
    suite(&kinesis, &kinesis.endpoint()).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/suite";
    assert_eq!(load(&kinesis.endpoint(), arn, "", HashMap::new()).await.records.len(), 150);
}
