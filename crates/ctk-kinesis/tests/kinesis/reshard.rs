//! Splits and merges, in every order with the runs.

use std::collections::HashMap;

use ctk_test_support::embedded::{Kinesis, Options};

use super::reading::{Positions, load, numbered, put};

/// Three generations: a split, then a merge of the children, then a split of what they became; a run in every gap or in none.
#[tokio::test]
async fn generations_come_in_order() {
    for runs_between in [true, false] {
        let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
        kinesis.create_stream("s", 1).await.expect("the stream is created");
        kinesis.script().records_per_answer(4);
        let mut positions: Positions = HashMap::new();
        let mut read = Vec::new();
        let mut expected = Vec::new();
        for generation in 0..4 {
            match generation {
                0 => {}
                1 => kinesis.split_shard("s", "shardId-000000000000").await.expect("split"),
                2 => kinesis
                    .merge_shards("s", "shardId-000000000001", "shardId-000000000002")
                    .await
                    .expect("merge"),
                _ => kinesis.split_shard("s", "shardId-000000000003").await.expect("split"),
            }
            let payloads = numbered(&format!("generation-{generation}"), 20);
            put(&kinesis, "s", &payloads).await;
            expected.extend(payloads);
            if runs_between || generation == 3 {
                let reading = load(&kinesis.endpoint(), "s", "", positions).await;
                reading.assert_in_order();
                read.extend(reading.payloads());
                positions = reading.positions;
            }
        }
        let generations: Vec<&str> = read
            .iter()
            .filter_map(|payload| payload.rsplit_once('-'))
            .map(|(name, _)| name)
            .collect();
        assert!(generations.is_sorted(), "no child before its parents: {generations:?}");
        read.sort();
        assert_eq!(read, expected, "runs between: {runs_between}");
    }
}

/// A start in the past: children begin with what came since, none of it twice, nothing of it missing.
#[tokio::test]
async fn a_start_time_before_a_split_covers_both_generations() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 10)).await;
    super::reading::next_millisecond().await;
    let at = super::reading::now();
    super::reading::next_millisecond().await;
    put(&kinesis, "s", &numbered("b", 10)).await;
    kinesis.split_shard("s", "shardId-000000000000").await.expect("split");
    put(&kinesis, "s", &numbered("c", 10)).await;
    let start = format!("&start={}.{:03}", at / 1000, at % 1000);
    let reading = load(&kinesis.endpoint(), "s", &start, HashMap::new()).await;
    assert_eq!(reading.sorted(), [numbered("b", 10), numbered("c", 10)].concat());
}
