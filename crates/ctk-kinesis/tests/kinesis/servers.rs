//! The same suite on every server: what passes here on one and fails on the other is a bug of ours or of a double.
//!
//! Where a server does other than AWS documents, the suite says what it does instead ([`Server`]), so that it is seen when
//! that changes; `docs/emulators.md` has the whole list.

use std::collections::HashMap;

use ctk_test_support::{client::Client, embedded::Kinesis, kinesis_local, moto};

use super::reading::{Positions, Reading, load, numbered, put};

/// What a server does other than AWS, as far as the suite comes across it.
#[derive(Clone, Copy)]
struct Server {
    name: &'static str,
    /// Records that are put after a reshard still go to the closed parents. AWS routes them to the children
    /// (<https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html>).
    closed_shards_take_records: bool,
    /// The child of a merge begins with copies of all records of its parents, under sequence numbers of its own. On AWS the
    /// records of the parents stay in them alone (the same page).
    merges_copy_records: bool,
}

impl Server {
    const fn like_aws(name: &'static str) -> Self {
        Self { name, closed_shards_take_records: false, merges_copy_records: false }
    }
}

const EMBEDDED: Server = Server::like_aws("the embedded Kinesis");
const KINESIS_LOCAL: Server = Server::like_aws("kinesis-local");
const MOTO: Server =
    Server { name: "moto", closed_shards_take_records: true, merges_copy_records: true };

/// Loads, reshards, loads again: everything comes once, parents before children.
async fn suite(server: Server, client: &Client, endpoint: &str) {
    client.create_stream("suite", 3).await.expect("the stream is created");
    let first = numbered("a", 90);
    put(client, "suite", &first).await;
    let reading = load(endpoint, "suite", "&chunk_size=7", HashMap::new()).await;
    assert_eq!(reading.sorted(), first, "{}", server.name);
    assert_eq!(reading.shards().len(), 3);
    reading.assert_in_order();
    let merged_first = reading_of(&reading, &[1, 2]);

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
    reading.assert_in_order();
    let mut expected = [second.as_slice(), third.as_slice()].concat();
    let merged_second = reading_of(&reading, &[1, 2]).into_iter().filter(|it| second.contains(it));
    let copies: Vec<String> = merged_first.into_iter().chain(merged_second).collect();
    if server.merges_copy_records {
        // Under another shard and another number each is another record; nothing tells that it is a copy.
        assert_eq!(sorted(reading_of(&reading, &[5])), sorted(copies.clone()), "{}", server.name);
        expected.extend(copies);
    }
    assert_eq!(reading.sorted(), sorted(expected), "{}", server.name);
    check_order(server, &reading, &third);

    let ended = finished(&reading.positions);
    assert_eq!(ended, [0, 1, 2], "closed shards are finished, open ones are not");
    let nothing = load(endpoint, "suite", "", reading.positions).await;
    assert_eq!(nothing.payloads(), Vec::<String>::new(), "finished parents are not read again");
}

/// Checks that parents came before their children, and where the records lie that were put after the reshard.
fn check_order(server: Server, reading: &Reading, third: &[String]) {
    let shards = reading.shards();
    let place = |number: u32| {
        shards
            .iter()
            .position(|listed| *listed == id(number))
            .unwrap_or_else(|| panic!("{}: {} brought nothing", server.name, id(number)))
    };
    assert!(place(1) < place(5) && place(2) < place(5), "a merge: both parents first: {shards:?}");
    let holds_new = |shard: &u32| {
        let payloads = reading_of(reading, &[*shard]);
        payloads.iter().any(|payload| third.contains(payload))
    };
    let with_new: Vec<u32> = (0..6).filter(holds_new).collect();
    if server.closed_shards_take_records {
        assert_eq!(with_new, [0, 1, 2], "{}", server.name);
    } else {
        assert_eq!(with_new, [3, 4, 5], "{}", server.name);
        assert!(
            place(0) < place(3) && place(0) < place(4),
            "a split: the parent first: {shards:?}"
        );
    }
}

fn id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// Returns what some shards brought.
fn reading_of(reading: &Reading, shards: &[u32]) -> Vec<String> {
    let names: Vec<String> = shards.iter().map(|number| id(*number)).collect();
    let records = reading.records.iter().filter(|(shard, _)| names.contains(&shard.to_string()));
    records.map(|(_, record)| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

fn sorted(mut payloads: Vec<String>) -> Vec<String> {
    payloads.sort();
    payloads
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
    suite(EMBEDDED, &kinesis, &kinesis.endpoint()).await;
}

#[tokio::test]
async fn the_embedded_kinesis_in_small_pages_by_arn() {
    let kinesis =
        Kinesis::start(ctk_test_support::embedded::Options::default()).await.expect("it starts");
    kinesis.script().shards_per_page(2);
    kinesis.script().records_per_answer(5);
    suite(EMBEDDED, &kinesis, &kinesis.endpoint()).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/suite";
    assert_eq!(load(&kinesis.endpoint(), arn, "", HashMap::new()).await.records.len(), 150);
}

#[tokio::test]
async fn kinesis_local() {
    let kinesis = kinesis_local::start().await.expect("kinesis-local starts");
    suite(KINESIS_LOCAL, &kinesis, &kinesis.endpoint()).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/suite";
    assert_eq!(load(&kinesis.endpoint(), arn, "", HashMap::new()).await.records.len(), 150);
}

#[tokio::test]
async fn moto() {
    let kinesis = moto::start().await.expect("moto starts");
    suite(MOTO, &kinesis, &kinesis.endpoint()).await;
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/suite";
    let by_arn = load(&kinesis.endpoint(), arn, "", HashMap::new()).await;
    let by_name = load(&kinesis.endpoint(), "suite", "", HashMap::new()).await;
    assert_eq!(by_arn.sorted(), by_name.sorted());
}
