//! Answers of `GetRecords` that are right, and still not what a simple reader expects.

use super::{SHARD, Stream, keys, next};
use crate::script::{Claim, Fault};

#[tokio::test]
async fn a_page_comes_again() {
    let stream = Stream::of(&["a", "b", "c", "d"]).await;
    let script = stream.kinesis.script();
    script.records_per_answer(2);
    let iterator = stream.earliest().await;
    script.fault("GetRecords", 1, Fault::Repeat);
    let first = stream.read(&iterator).await;
    assert_eq!(keys(&first), ["a", "b"], "there is no page before it");
    script.fault("GetRecords", 1, Fault::Repeat);
    let again = stream.read(next(&first)).await;
    assert_eq!(again, first, "the records, and the iterator");
    let second = stream.read(next(&again)).await;
    assert_eq!(keys(&second), ["c", "d"]);
    // An iterator before that page gets what it asks for: else records would be missing.
    script.fault("GetRecords", 1, Fault::Repeat);
    assert_eq!(keys(&stream.read(&iterator).await), ["a", "b"]);
}

#[tokio::test]
async fn answers_are_empty_although_records_are_there() {
    let stream = Stream::of(&["a"]).await;
    stream.kinesis.script().empty_answers(3);
    let mut iterator = stream.earliest().await;
    let mut behind = Vec::new();
    let answer = loop {
        let answer = stream.read(&iterator).await;
        if !keys(&answer).is_empty() {
            break answer;
        }
        behind.push(answer["MillisBehindLatest"].as_u64().unwrap());
        next(&answer).clone_into(&mut iterator);
    };
    assert_eq!(behind, [3000, 2000, 1000]);
    assert_eq!(keys(&answer), ["a"]);
    stream.kinesis.script().empty_answers(1);
    let tip = stream.read(next(&answer)).await;
    assert_eq!(tip["MillisBehindLatest"], 0, "nothing is there, so nothing is held back");
}

#[tokio::test]
async fn one_empty_answer() {
    let stream = Stream::of(&["a"]).await;
    let iterator = stream.earliest().await;
    stream.kinesis.script().fault("GetRecords", 1, Fault::Empty);
    let answer = stream.read(&iterator).await;
    assert!(keys(&answer).is_empty() && answer["MillisBehindLatest"].as_u64() > Some(0));
    assert_eq!(keys(&stream.read(next(&answer)).await), ["a"]);
}

#[tokio::test]
async fn a_stuck_shard_wants_a_new_iterator() {
    let stream = Stream::of(&["a"]).await;
    let script = stream.kinesis.script();
    let mut iterator = stream.earliest().await;
    script.stuck(SHARD);
    let mut before = 0;
    for _ in 0..5 {
        let answer = stream.read(&iterator).await;
        assert!(keys(&answer).is_empty());
        let behind = answer["MillisBehindLatest"].as_u64().unwrap();
        assert!(behind > before, "{behind} after {before}");
        before = behind;
        next(&answer).clone_into(&mut iterator);
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    assert_eq!(script.unstuck(SHARD), 0);
    assert_eq!(keys(&stream.read(&stream.earliest().await).await), ["a"]);
    assert_eq!(keys(&stream.read(&iterator).await), ["a"], "healed is healed");
    assert_eq!(script.unstuck(SHARD), 1);
    stream.earliest().await;
    assert_eq!(script.unstuck(SHARD), 1, "it was not stuck again");
}

#[tokio::test]
async fn a_shard_ends_as_the_script_says() {
    let stream = Stream::of(&["a"]).await;
    let (script, kinesis) = (stream.kinesis.script(), &stream.kinesis);
    kinesis.split_shard("s", SHARD).await.unwrap();
    script.claim(Claim::Honest);
    let iterator = stream.earliest().await;
    let answer = stream.read(&iterator).await;
    assert_eq!(keys(&answer), ["a"], "the last records come with the end");
    assert!(answer.get("NextShardIterator").is_none() && answer.get("ChildShards").is_none());
    script.null_at_the_end(true);
    script.child_shards(true);
    let answer = stream.read(&iterator).await;
    assert_eq!(answer.get("NextShardIterator"), Some(&serde_json::Value::Null));
    let children = answer["ChildShards"].as_array().unwrap();
    let listed = kinesis.shards("s").await.unwrap();
    assert_eq!(children.len(), 2);
    for (child, listed) in children.iter().zip(&listed[1..]) {
        assert_eq!(child["ShardId"], listed["ShardId"]);
        assert_eq!(child["HashKeyRange"], listed["HashKeyRange"]);
        assert_eq!(child["ParentShards"], serde_json::json!([SHARD]));
    }
}

#[tokio::test]
async fn the_child_of_a_merge_has_two_parents() {
    let stream = Stream::of(&[]).await;
    let kinesis = &stream.kinesis;
    kinesis.split_shard("s", SHARD).await.unwrap();
    let parents = ["shardId-000000000001", "shardId-000000000002"];
    kinesis.merge_shards("s", parents[0], parents[1]).await.unwrap();
    kinesis.script().child_shards(true);
    let place = serde_json::json!({ "ShardId": parents[1], "ShardIteratorType": "LATEST" });
    let answer = stream.read(&stream.iterator(place).await).await;
    let expected = serde_json::json!([{
        "ShardId": "shardId-000000000003",
        "ParentShards": parents,
        "HashKeyRange": kinesis.shards("s").await.unwrap()[3]["HashKeyRange"],
    }]);
    assert_eq!(answer["ChildShards"], expected);
}

#[tokio::test]
async fn records_come_without_their_keys() {
    let stream = Stream::of(&["a"]).await;
    stream.kinesis.script().no_partition_keys(true);
    let answer = stream.read(&stream.earliest().await).await;
    let record = answer["Records"][0].as_object().unwrap();
    assert!(!record.contains_key("PartitionKey"), "{record:?}");
    assert_eq!(record["SequenceNumber"], stream.sequences[0].as_str());
}
