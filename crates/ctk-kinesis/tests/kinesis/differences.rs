//! Where the emulators differ from what AWS documents, and from each other: seen by asking them, so that `docs/emulators.md`
//! stays true and a new version of one of them is noticed.

use ctk_test_support::{
    client::Client,
    embedded::{Kinesis, Options},
    kinesis_local, moto,
};

mod ask;

use ask::ask;

/// In which a server may differ, as [`ask`] finds it out.
const POINTS: [(&str, [&str; 5]); 11] = [
    // https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html
    (
        "the next page of shards, by its token alone",
        ["the page", "ResourceNotFoundException", "the page", "the page", "InvalidToken"],
    ),
    (
        "ShardFilter AT_LATEST",
        ["open shards", "all shards", "all shards", "open shards", "all shards"],
    ),
    ("ListShards by StreamARN", ["taken", "InvalidArgumentException", "taken", "taken", "taken"]),
    // https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html
    (
        "an iterator that is none",
        [
            "InvalidArgumentException",
            "InvalidArgumentException",
            "InvalidArgumentException",
            "an error without a code",
            "an error without a code",
        ],
    ),
    (
        "a Limit of 10,001",
        [
            "InvalidArgumentException",
            "ValidationException",
            "ValidationException",
            "InvalidArgumentException",
            "taken",
        ],
    ),
    ("MillisBehindLatest before the last record", ["above 0", "0", "0", "above 0", "above 0"]),
    (
        "the end of a closed shard",
        [
            "null, ChildShards",
            "missing, one empty answer later",
            "missing, one empty answer later",
            "null, ChildShards",
            "never",
        ],
    ),
    // https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html
    (
        "AT_TIMESTAMP behind the last record",
        ["the tip", "the first record", "the tip", "the tip", "the tip"],
    ),
    (
        "AT_TIMESTAMP in the future",
        [
            "InvalidArgumentException",
            "InvalidArgumentException",
            "InvalidArgumentException",
            "InvalidArgumentException",
            "taken",
        ],
    ),
    (
        "a sequence number of an earlier stream",
        [
            "InvalidArgumentException",
            "InvalidArgumentException",
            "InvalidArgumentException",
            "ResourceNotFoundException",
            "taken",
        ],
    ),
    // https://docs.aws.amazon.com/streams/latest/dev/kinesis-using-sdk-java-after-resharding.html
    (
        "the child of a merge holds",
        [
            "what was put later",
            "what was put later",
            "what was put later",
            "what was put later",
            "what was put before",
        ],
    ),
];

/// The columns of [`POINTS`]; the first is AWS, as it documents itself or, where it does not, as it is seen.
const EMULATOR: usize = 1;
const EMULATOR_BEHIND_THE_LAYER: usize = 2;
const KINESIS_LOCAL: usize = 3;
const MOTO: usize = 4;

async fn check(client: &Client, server: usize) {
    let expected: Vec<_> =
        POINTS.iter().map(|(point, servers)| (*point, servers[server].to_owned())).collect();
    let mut seen = ask(client).await;
    // In the order of the table, whatever the order of the questions.
    seen.sort_by_key(|(point, _)| POINTS.iter().position(|(known, _)| known == point));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn ferrokinesis_with_and_without_the_layer() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    // What fills streams goes past the layer.
    check(&kinesis, EMULATOR).await;
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    check(&Client::new(kinesis.address()), EMULATOR_BEHIND_THE_LAYER).await;
}

#[tokio::test]
async fn kinesis_local() {
    check(&kinesis_local::start().await.expect("kinesis-local starts"), KINESIS_LOCAL).await;
}

#[tokio::test]
async fn moto() {
    check(&moto::start().await.expect("moto starts"), MOTO).await;
}
