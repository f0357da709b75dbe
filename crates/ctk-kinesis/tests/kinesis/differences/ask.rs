//! The questions: calls by hand, and what a server made of them, in a few words.

use std::time::{Duration, UNIX_EPOCH};

use ctk_test_support::{client::Client, records::hash_key};
use serde_json::{Value, json};

const SHARDS: [&str; 3] = ["shardId-000000000000", "shardId-000000000001", "shardId-000000000002"];
const MERGED: &str = "shardId-000000000005";
/// Of the first shard of a stream of some years ago.
const FOREIGN: &str = "49590338271490256608559692538361571095921575989136588898";

/// Asks about every point.
pub(super) async fn ask(client: &Client) -> Vec<(&'static str, String)> {
    client.create_stream("s", 3).await.expect("the stream is created");
    for place in 0..6 {
        put(client, place % 3, "before").await;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let at = |time: f64| {
        at(SHARDS[0], json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": time }))
    };
    let now = UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64();
    let earliest = earliest(client, SHARDS[0]).await;
    let behind = read(client, &earliest, 1).await["MillisBehindLatest"].as_u64();
    let later = iterator(client, at(now - 0.001)).await;
    let later = read(client, &later, 10).await;
    let foreign =
        json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": FOREIGN });
    let summary = json!({ "StreamName": "s" });
    let summary = client.call("DescribeStreamSummary", summary).await.expect("described");
    let arn = &summary["StreamDescriptionSummary"]["StreamARN"];
    let limit = json!({ "ShardIterator": earliest, "Limit": 10_001 });
    let mut seen = vec![
        ("the next page of shards, by its token alone", next_page(client).await),
        ("ListShards by StreamARN", said(client, "ListShards", json!({ "StreamARN": arn })).await),
        (
            "an iterator that is none",
            said(client, "GetRecords", json!({ "ShardIterator": "none" })).await,
        ),
        ("a Limit of 10,001", said(client, "GetRecords", limit).await),
        ("MillisBehindLatest before the last record", word(behind > Some(0), "above 0", "0")),
        (
            "AT_TIMESTAMP behind the last record",
            word(keys(&later).is_empty(), "the tip", "the first record"),
        ),
        ("AT_TIMESTAMP in the future", said(client, "GetShardIterator", at(now + 600.0)).await),
        (
            "a sequence number of an earlier stream",
            said(client, "GetShardIterator", self::at(SHARDS[0], foreign)).await,
        ),
    ];
    client.split_shard("s", SHARDS[0]).await.expect("split");
    client.merge_shards("s", SHARDS[1], SHARDS[2]).await.expect("merge");
    put(client, 1, "later").await;
    let merged = self::earliest(client, MERGED).await;
    let merged = keys(&read(client, &merged, 10).await);
    seen.extend([
        ("ShardFilter AT_LATEST", open_shards(client).await),
        (
            "the child of a merge holds",
            word(merged == ["later"], "what was put later", "what was put before"),
        ),
        ("the end of a closed shard", end(client).await),
    ]);
    seen
}

fn word(is: bool, yes: &str, no: &str) -> String {
    if is { yes } else { no }.to_owned()
}

async fn put(client: &Client, shard: u32, key: &str) {
    let body = json!({ "StreamName": "s", "PartitionKey": key, "ExplicitHashKey": hash_key(shard, 3), "Data": "YQ==" });
    client.call("PutRecord", body).await.expect("the record is taken");
}

async fn next_page(client: &Client) -> String {
    let first = json!({ "StreamName": "s", "MaxResults": 2 });
    let first = client.call("ListShards", first).await.expect("listed");
    match client.call("ListShards", json!({ "NextToken": first["NextToken"] })).await {
        Ok(page) => word(page["Shards"][0]["ShardId"] == SHARDS[2], "the page", "another page"),
        Err(refused) => code(&refused.0),
    }
}

async fn open_shards(client: &Client) -> String {
    let body = json!({ "StreamName": "s", "ShardFilter": { "Type": "AT_LATEST" } });
    let listed = client.call("ListShards", body).await.expect("listed");
    let count = listed["Shards"].as_array().map_or(0, Vec::len);
    word(count == 3, "open shards", "all shards")
}

/// Reads a closed shard to its end.
async fn end(client: &Client) -> String {
    let mut next = earliest(client, SHARDS[0]).await;
    for answers in 1..5 {
        let answer = read(client, &next, 10).await;
        if let Some(iterator) = answer["NextShardIterator"].as_str() {
            iterator.clone_into(&mut next);
            continue;
        }
        let mut end = word(answer.get("NextShardIterator").is_some(), "null", "missing");
        if answer.get("ChildShards").is_some() {
            end += ", ChildShards";
        }
        if answers == 2 && keys(&answer).is_empty() {
            end += ", one empty answer later";
        }
        return end;
    }
    "never".to_owned()
}

fn at(shard: &str, mut place: Value) -> Value {
    place["StreamName"] = "s".into();
    place["ShardId"] = shard.into();
    place
}

async fn iterator(client: &Client, place: Value) -> String {
    let answer = client.call("GetShardIterator", place).await.expect("an iterator");
    answer["ShardIterator"].as_str().expect("an iterator").to_owned()
}

async fn earliest(client: &Client, shard: &str) -> String {
    iterator(client, at(shard, json!({ "ShardIteratorType": "TRIM_HORIZON" }))).await
}

async fn read(client: &Client, iterator: &str, limit: u32) -> Value {
    let body = json!({ "ShardIterator": iterator, "Limit": limit });
    client.call("GetRecords", body).await.expect("an answer")
}

fn keys(answer: &Value) -> Vec<String> {
    let records = answer["Records"].as_array().expect("records");
    records
        .iter()
        .map(|record| record["PartitionKey"].as_str().expect("a key").to_owned())
        .collect()
}

/// Returns whether a call is taken, or the code of its error.
async fn said(client: &Client, operation: &str, body: Value) -> String {
    match client.call(operation, body).await {
        Ok(_) => "taken".to_owned(),
        Err(refused) => code(&refused.0),
    }
}

/// Returns the code of an error; a server that breaks sends none.
fn code(refused: &str) -> String {
    let (_, body) = refused.split_once(": ").unwrap_or_default();
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let code = body["__type"].as_str().unwrap_or("an error without a code");
    code.rsplit('#').next().unwrap_or_default().to_owned()
}
