//! The limits of AWS on reading a shard.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{SHARD, Stream, next};

const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// Makes calls until they fit into half a second, which a busy machine may not do at once; then returns what they returned.
async fn within_a_second<T>(calls: impl AsyncFn() -> T) -> T {
    for _ in 0..60 {
        let start = Instant::now();
        let came = calls().await;
        if start.elapsed() < Duration::from_millis(500) {
            return came;
        }
        sleep(Duration::from_millis(1050)).await;
    }
    panic!("this machine is too slow to exceed a limit");
}

#[tokio::test]
async fn the_sixth_call_of_a_second_is_refused() {
    let stream = Stream::of(&["a"]).await;
    let iterator = stream.earliest().await;
    stream.kinesis.script().limits(true);
    let place = json!({ "StreamName": "s", "ShardId": SHARD, "ShardIteratorType": "TRIM_HORIZON" });
    let (reads, iterators) = within_a_second(async || {
        let (mut reads, mut iterators) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            reads.push(stream.try_read(&iterator).await);
            let place = place.clone();
            iterators.push(stream.socket.call("GetShardIterator", place).await);
        }
        (reads, iterators)
    })
    .await;
    assert!(reads[..5].iter().all(Result::is_ok), "{reads:?}");
    assert!(iterators[..5].iter().all(Result::is_ok), "{iterators:?}");
    let refused = reads[5].as_ref().unwrap_err();
    assert!(refused.contains(THROTTLED), "{refused}");
    let refused = &iterators[5].as_ref().unwrap_err().0;
    assert!(refused.contains(THROTTLED), "{refused}");
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
    let iterator = stream.earliest().await;
    let asked = Instant::now();
    let first = stream.read(&iterator).await;
    let mut refusals = 0;
    let second = loop {
        match stream.try_read(next(&first)).await {
            Ok(answer) => break answer,
            Err(refused) => assert!(refused.contains(THROTTLED), "{refused}"),
        }
        refusals += 1;
        sleep(Duration::from_millis(100)).await;
    };
    assert!(refusals > 0 && asked.elapsed() >= Duration::from_secs(5), "{:?}", asked.elapsed());
    assert_eq!(second["Records"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn two_mebibytes_fill_a_second() {
    let stream = mebibytes(3).await;
    let script = stream.kinesis.script();
    script.records_per_answer(1);
    let iterator = stream.earliest().await;
    script.limits(true);
    // A record is one byte short of 1 MiB, its key is that byte.
    let came = within_a_second(async || {
        let mut came = Vec::new();
        for _ in 0..3 {
            came.push(stream.try_read(&iterator).await.map(|answer| answer["Records"].is_array()));
        }
        came
    })
    .await;
    assert_eq!(came[..2], [Ok(true), Ok(true)]);
    let refused = came[2].as_ref().unwrap_err();
    assert!(refused.contains(THROTTLED), "{refused}");
    sleep(Duration::from_millis(1050)).await;
    assert_eq!(stream.read(&iterator).await["Records"].as_array().unwrap().len(), 1);
}
