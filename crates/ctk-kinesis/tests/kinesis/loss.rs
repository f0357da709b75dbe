//! What the stream no longer has: noticed, told with the gap, and gone over only when the user wants that.

use std::collections::HashMap;

use ctk_flow::{Millis, Sequence, ShardId, Source};
use ctk_kinesis::{KinesisError, Saved};
use ctk_test_support::embedded::{Kinesis, Options};

use super::reading::{Positions, Reading, drain, load, now, numbered, open, put, read_on};

const SHARD: &str = "shardId-000000000000";
const DAY: Millis = 86_400_000;
const CONTINUE: &str = "&on_data_loss=continue";

/// A stream of one shard with twenty records; returns their sequence numbers.
async fn stream() -> (Kinesis, Vec<String>) {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    let mut sequences = Vec::new();
    for payload in numbered("a", 20) {
        sequences.push(kinesis.put("s", "k", payload.as_bytes()).await.expect("taken").1);
    }
    (kinesis, sequences)
}

/// What an earlier run left: it came up to a record, and to an instant.
fn saved(sequence: Option<&str>, begins_at: Option<Millis>) -> Positions {
    let sequence = sequence.map(Sequence::new);
    HashMap::from([(ShardId::new(SHARD), Saved { sequence, begins_at, ..Saved::default() })])
}

async fn refused(kinesis: &Kinesis, saved: Positions) -> String {
    let mut source = open(&kinesis.endpoint(), "s", "", saved).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let error = read_on(&mut reader).await.expect_err("refused");
    let error = error.downcast::<KinesisError>().expect("an error of ours");
    assert!(matches!(*error, KinesisError::DataLoss { .. }), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.starts_with("on_data_loss=continue")));
    error.to_string()
}

#[tokio::test]
async fn a_position_that_has_expired_is_told() {
    let (kinesis, sequences) = stream().await;
    kinesis.script().trim("s", SHARD, &sequences[10]);
    for begins_at in [Some(now() - 2 * DAY), None] {
        let error = refused(&kinesis, saved(Some(&sequences[4]), begins_at)).await;
        assert!(
            error.starts_with(&format!(
                "records of shard {SHARD} of stream s may be lost: it was read"
            )),
            "{error}"
        );
        assert!(error.contains("and the oldest record that is kept is of 20"), "{error}");
    }
    // It is gone over, once, when the user wants that.
    let saved = saved(Some(&sequences[4]), Some(now() - 2 * DAY));
    let reading = load(&kinesis.endpoint(), "s", CONTINUE, saved).await;
    assert_eq!(reading.payloads(), numbered("a", 20)[10..]);
    assert_eq!(reading.gaps, 1);
}

#[tokio::test]
async fn a_position_that_is_old_and_still_there_is_gone_on_from() {
    let (kinesis, sequences) = stream().await;
    kinesis.script().trim("s", SHARD, &sequences[4]);
    // The record itself, one before it that is the oldest, and one that arrived before the instant that was reached.
    let old = now() - 2 * DAY;
    let cases = [(4, Some(old), 5), (9, Some(old), 10), (9, None, 10), (1, Some(now() + 1), 4)];
    for (done, begins_at, first) in cases {
        let saved = saved(Some(&sequences[done]), begins_at);
        let reading = load(&kinesis.endpoint(), "s", "", saved).await;
        assert_eq!(reading.payloads(), numbered("a", 20)[first..], "{done} {begins_at:?}");
        assert_eq!(reading.gaps, 0);
    }
}

#[tokio::test]
async fn a_shard_that_was_awaited_and_let_its_records_go_is_told() {
    let (kinesis, sequences) = stream().await;
    kinesis.script().trim("s", SHARD, &sequences[10]);
    let error = refused(&kinesis, saved(None, Some(now() - 2 * DAY))).await;
    assert!(error.contains("it was read up to 20"), "{error}");
    // From its beginning on: that promises nothing that expired before.
    let reading = load(&kinesis.endpoint(), "s", "", saved(None, Some(0))).await;
    assert_eq!(reading.payloads(), numbered("a", 20)[10..]);
}

#[tokio::test]
async fn an_empty_shard_may_have_had_records() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    let error = refused(&kinesis, saved(None, Some(now() - 2 * DAY))).await;
    assert!(error.ends_with("and nothing of that time is kept"), "{error}");
    let recent = saved(None, Some(now() - DAY / 2));
    let reading = load(&kinesis.endpoint(), "s", "", recent).await;
    assert_eq!((reading.payloads().len(), reading.gaps), (0, 0));
}

/// The parent was begun, and expired with what was left in it: the error comes before the children are claimed.
#[tokio::test]
async fn a_parent_that_expired_is_told_with_its_children() {
    let (kinesis, sequences) = stream().await;
    kinesis.split_shard("s", SHARD).await.expect("split");
    put(&kinesis, "s", &numbered("b", 10)).await;
    kinesis.script().forget_shard(SHARD);
    let saved = saved(Some(&sequences[4]), Some(now()));
    let mut source = open(&kinesis.endpoint(), "s", "", saved.clone()).await.expect("opens");
    let error = source.readers().await.expect_err("refused").to_string();
    assert!(error.contains(&format!("shard {SHARD}, from which it comes, is gone")), "{error}");

    let mut source = open(&kinesis.endpoint(), "s", CONTINUE, saved).await.expect("opens");
    let mut reading = Reading::default();
    drain(&mut source, &mut reading).await;
    assert_eq!(reading.sorted(), numbered("b", 10));
    assert_eq!(reading.gaps, 2, "one for each child");
}

#[tokio::test]
async fn a_shard_that_expires_while_it_is_read_can_be_gone_over() {
    let (kinesis, _) = stream().await;
    kinesis.script().records_per_answer(4);
    kinesis.split_shard("s", SHARD).await.expect("split");
    put(&kinesis, "s", &numbered("b", 10)).await;
    let mut source = open(&kinesis.endpoint(), "s", CONTINUE, HashMap::new()).await.expect("opens");
    let mut reading = Reading::default();
    let parent = source.readers().await.expect("listed").remove(0);
    let mut parent = parent;
    super::reading::step(&mut parent, &mut reading).await;
    kinesis.script().forget_shard(SHARD);
    super::reading::drain_shard(&mut source, parent, &mut reading).await;
    drain(&mut source, &mut reading).await;
    let expected = [&numbered("a", 20)[..4], &numbered("b", 10)].concat();
    assert_eq!(reading.sorted(), expected);
    assert_eq!(reading.gaps, 1);
}

/// Sequence numbers of an earlier stream, in rows that do not say so.
#[tokio::test]
async fn a_position_of_another_stream_can_be_given_up() {
    let (kinesis, _) = stream().await;
    let foreign = "49590338271490256608559692538361571095921575989136588898";
    let reading = load(&kinesis.endpoint(), "s", CONTINUE, saved(Some(foreign), None)).await;
    assert_eq!(reading.payloads(), numbered("a", 20));
    assert_eq!(reading.gaps, 1);
}
