//! The limits of AWS on reading a shard.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{SHARD, Stream, next};

const THROTTLED: &str = "ProvisionedThroughputExceededException";

#[tokio::test]
async fn the_sixth_call_of_a_second_is_refused() {
    let stream = Stream::of(&["a"]).await;
    stream.kinesis.script().limits(true);
    let start = Instant::now();
    let iterator = stream.earliest().await;
    for _ in 0..5 {
        stream.read(&iterator).await;
    }
    for _ in 0..4 {
        stream.earliest().await;
    }
    let refused = stream.try_read(&iterator).await.unwrap_err();
    let place = json!({ "StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON" });
    let refused_iterator = stream.socket.call("GetShardIterator", place).await.unwrap_err().0;
    assert!(start.elapsed() < Duration::from_secs(1), "too slow to show anything");
    assert!(refused.contains(THROTTLED), "{refused}");
    assert!(refused_iterator.contains(THROTTLED), "{refused_iterator}");
    sleep(Duration::from_millis(1050)).await;
    stream.read(&iterator).await;
    stream.earliest().await;
}

/// Fills a shard with this many MiB, in records of 1 MiB.
async fn mebibytes(count: usize) -> Stream {
    let stream = Stream::of(&[]).await;
    let data = vec![b'x'; (1 << 20) - 1];
    for _ in 0..count {
        stream.kinesis.put("s", "k", &data).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn an_answer_ends_at_ten_mebibytes() {
    let stream = mebibytes(13).await;
    let script = stream.kinesis.script();
    script.cap_answers(true);
    let first = stream.read(&stream.earliest().await).await;
    assert_eq!(first["Records"].as_array().unwrap().len(), 10);
    let second = stream.read(next(&first)).await;
    assert_eq!(second["Records"].as_array().unwrap().len(), 3, "the rest, and no refusal");
    script.limits(true);
    let first = stream.read(&stream.earliest().await).await;
    let refused = stream.try_read(next(&first)).await.unwrap_err();
    assert!(refused.contains(THROTTLED), "{refused}");
    sleep(Duration::from_secs(4)).await;
    assert!(stream.try_read(next(&first)).await.is_err(), "for five seconds");
    sleep(Duration::from_millis(1050)).await;
    assert_eq!(stream.read(next(&first)).await["Records"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn two_mebibytes_fill_a_second() {
    let stream = mebibytes(3).await;
    let script = stream.kinesis.script();
    script.limits(true);
    script.records_per_answer(1);
    let mut iterator = stream.earliest().await;
    let start = Instant::now();
    for _ in 0..3 {
        // A record is one byte short of 1 MiB, its key is that byte.
        if let Ok(answer) = stream.try_read(&iterator).await {
            next(&answer).clone_into(&mut iterator);
        }
    }
    let refused = stream.try_read(&iterator).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(1), "too slow to show anything");
    assert!(refused.contains(THROTTLED), "{refused}");
    sleep(Duration::from_millis(1050)).await;
    assert_eq!(stream.read(&iterator).await["Records"].as_array().unwrap().len(), 1);
}
