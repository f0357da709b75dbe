//! Where reading begins.

use std::collections::HashMap;

use ctk_flow::{Part, Sequence, ShardId, Source};
use ctk_kinesis::Saved;
use ctk_test_support::embedded::{Kinesis, Options};

use super::reading::{
    Reading, config, drain, load, next_millisecond, now, numbered, open, put, step,
};

async fn stream_of(shards: u32) -> Kinesis {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", shards).await.expect("the stream is created");
    kinesis
}

#[tokio::test]
async fn latest_is_the_instant_of_the_start() {
    let kinesis = stream_of(2).await;
    put(&kinesis, "s", &numbered("a", 20)).await;
    next_millisecond().await;
    let config = config(&kinesis.endpoint(), "s", "&start=latest");
    let at = now();
    // What comes between the start and the first read belongs to the run.
    next_millisecond().await;
    put(&kinesis, "s", &numbered("b", 20)).await;
    let mut source =
        ctk_kinesis::KinesisSource::open(&config, HashMap::new(), at).await.expect("opens");
    let mut reading = Reading::default();
    drain(&mut source, &mut reading).await;
    assert_eq!(reading.sorted(), numbered("b", 20));
}

#[tokio::test]
async fn a_time_divides_the_records() {
    let kinesis = stream_of(2).await;
    put(&kinesis, "s", &numbered("a", 20)).await;
    next_millisecond().await;
    let at = now();
    next_millisecond().await;
    put(&kinesis, "s", &numbered("b", 20)).await;
    let start = format!("&start_date={}.{:03}", at / 1000, at % 1000);
    assert_eq!(
        load(&kinesis.endpoint(), "s", &start, HashMap::new()).await.sorted(),
        numbered("b", 20)
    );
}

#[tokio::test]
async fn a_position_for_one_shard() {
    let kinesis = stream_of(1).await;
    let mut sequences = Vec::new();
    for payload in numbered("a", 5) {
        sequences.push(kinesis.put("s", "k", payload.as_bytes()).await.expect("taken").1);
    }
    let check = async |start: &str, saved: Option<usize>, expected: &[&str]| {
        let position = |place: usize| Saved {
            sequence: Some(Sequence::new(&sequences[place])),
            ..Saved::default()
        };
        let saved = saved.map(|place| (ShardId::new("shardId-000000000000"), position(place)));
        let start = format!("&start={start}:shardId-000000000000:{}", sequences[2]);
        let reading = load(&kinesis.endpoint(), "s", &start, saved.into_iter().collect()).await;
        assert_eq!(reading.payloads(), expected, "{start}");
    };
    check("at", None, &["a-002", "a-003", "a-004"]).await;
    check("after", None, &["a-003", "a-004"]).await;
    // A checkpoint wins, also when it is the same record.
    check("at", Some(2), &["a-003", "a-004"]).await;
    check("after", Some(0), &["a-001", "a-002", "a-003", "a-004"]).await;
}

#[tokio::test]
async fn a_claimed_shard_without_a_position_begins_at_the_start() {
    let kinesis = stream_of(1).await;
    put(&kinesis, "s", &numbered("a", 3)).await;
    let saved = HashMap::from([(ShardId::new("shardId-000000000000"), Saved::default())]);
    assert_eq!(load(&kinesis.endpoint(), "s", "", saved).await.payloads(), numbered("a", 3));
}

#[tokio::test]
async fn a_stream_is_created_and_waited_for() {
    let slow = Options { transition_millis: 300, ..Options::default() };
    let kinesis = Kinesis::start(slow).await.expect("it starts");
    let options = "&create=true&create_shards=2";
    let mut source = open(&kinesis.endpoint(), "s", options, HashMap::new()).await.expect("opens");
    assert_eq!(source.shards().len(), 2);
    assert_eq!(source.stream().name, "s");
    assert_eq!(source.stream().arn, "arn:aws:kinesis:us-east-1:000000000000:stream/s");
    assert!((now() - source.stream().created_at).abs() < 60_000);
    put(&kinesis, "s", &numbered("a", 1)).await;
    let mut reading = Reading::default();
    for mut reader in source.readers().await.expect("listed") {
        step(&mut reader, &mut reading).await;
    }
    assert_eq!(reading.payloads(), ["a-000"]);
    // A second time: it is there already.
    open(&kinesis.endpoint(), "s", options, HashMap::new()).await.expect("opens again");
}

/// A run ended within a record: the next one is told how many of its units are done, however many empty answers come first.
#[tokio::test]
async fn a_record_that_is_done_in_part_says_so() {
    let kinesis = stream_of(1).await;
    let mut sequences = Vec::new();
    for payload in numbered("a", 5) {
        let (_, sequence) = kinesis.put("s", "k", payload.as_bytes()).await.expect("taken");
        sequences.push(Sequence::new(sequence));
    }
    for (behind, first) in [(None, 0), (Some(1), 2)] {
        kinesis.script().empty_answers(2);
        let saved = Saved {
            sequence: behind.map(|behind: usize| sequences[behind].clone()),
            part: Some(Part { sequence: sequences[first].clone(), units: 3, form: 0 }),
            ..Saved::default()
        };
        let saved = HashMap::from([(ShardId::new("shardId-000000000000"), saved)]);
        let reading = load(&kinesis.endpoint(), "s", "", saved).await;
        let done: Vec<_> = reading.records.iter().map(|(_, record)| record.done).collect();
        assert_eq!(done, [&[3][..], &vec![0; 4 - first]].concat());
    }
}
