//! What the stream does not keep any more.

use serde_json::json;

use super::{SHARD, Stream, ids, keys};

#[tokio::test]
async fn expired_records_are_passed_over() {
    let stream = Stream::of(&["a", "b", "c", "d"]).await;
    let before = stream.earliest().await;
    stream.kinesis.script().trim("s", SHARD, &stream.sequences[2]);
    assert_eq!(keys(&stream.read(&before).await), ["c", "d"], "an iterator jumps");
    let check = async |place: serde_json::Value, expected: &[&str]| {
        let answer = stream.read(&stream.iterator(place.clone()).await).await;
        assert_eq!(keys(&answer), expected, "{place}");
    };
    let at = |place: usize| json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": stream.sequences[place] });
    let after = |place: usize| json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": stream.sequences[place] });
    check(json!({ "ShardIteratorType": "TRIM_HORIZON" }), &["c", "d"]).await;
    check(json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 1 }), &["c", "d"]).await;
    check(at(0), &["c", "d"]).await;
    check(after(0), &["c", "d"]).await;
    // What is there is not touched.
    check(after(1), &["c", "d"]).await;
    check(at(2), &["c", "d"]).await;
    check(after(2), &["d"]).await;
    check(json!({ "ShardIteratorType": "LATEST" }), &[]).await;
}

#[tokio::test]
async fn a_forgotten_shard_is_nowhere() {
    let stream = Stream::of(&["a"]).await;
    stream.kinesis.split_shard("s", SHARD).await.unwrap();
    let iterator = stream.earliest().await;
    stream.kinesis.script().forget_shard(SHARD);
    let listed = stream.socket.call("ListShards", json!({ "StreamName": "s" })).await.unwrap();
    assert_eq!(ids(&listed), ["shardId-000000000001", "shardId-000000000002"]);
    assert_eq!(listed["Shards"][0]["ParentShardId"], SHARD, "its children still name it");
    let refused = stream.try_read(&iterator).await.unwrap_err();
    assert!(refused.contains("ResourceNotFoundException"), "{refused}");
    let place = json!({ "StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON" });
    let refused = stream.socket.call("GetShardIterator", place).await.unwrap_err().0;
    assert!(refused.contains("ResourceNotFoundException"), "{refused}");
}
