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
    let cases = [(Some(now() - 2 * DAY), "it was read up to 20"), (None, "nobody noted")];
    for (begins_at, upto) in cases {
        let error = refused(&kinesis, saved(Some(&sequences[4]), begins_at)).await;
        let expected = format!("records of shard {SHARD} of stream s may be lost: {upto}");
        assert!(error.starts_with(&expected), "{error}");
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

/// The retention was raised, as the hint advises: what expired before that is gone all the same.
#[tokio::test]
async fn a_longer_retention_brings_nothing_back() {
    let (kinesis, sequences) = stream().await;
    let longer = serde_json::json!({ "StreamName": "s", "RetentionPeriodHours": 168 });
    kinesis.call("IncreaseStreamRetentionPeriod", longer).await.expect("it is raised");
    kinesis.script().trim("s", SHARD, &sequences[10]);
    refused(&kinesis, saved(Some(&sequences[4]), Some(now() - 3 * DAY))).await;
}

/// Runs a day apart, on shards that were caught up: nothing is gone as long as the stream keeps it.
#[tokio::test]
async fn daily_runs_raise_no_alarm() {
    let (kinesis, sequences) = stream().await;
    kinesis.script().trim("s", SHARD, &sequences[10]);
    for minutes in [60, 10, 1] {
        let reached = Some(now() - DAY + minutes * 60_000);
        let reading = load(&kinesis.endpoint(), "s", "", saved(Some(&sequences[4]), reached)).await;
        assert_eq!((reading.payloads().len(), reading.gaps), (10, 0), "{minutes} min");
    }
}

/// The first answers of a first run are often empty, and a whole retention behind: that is no loss.
#[tokio::test]
async fn a_first_run_over_an_old_stream_raises_no_alarm() {
    for seconds in [86_400, 86_000, 70_000] {
        let (kinesis, _) = stream().await;
        kinesis.script().empty_answers(seconds);
        let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
        let mut reader = source.readers().await.expect("listed").remove(0);
        let mut reading = Reading::default();
        super::reading::step(&mut reader, &mut reading).await;
        kinesis.script().heal();
        let answer = read_on(&mut reader).await.expect("no alarm");
        assert_eq!((answer.records.len(), answer.gap), (20, false), "{seconds} s behind");
    }
}

/// A first run that begins at a position: the parents of other shards expired long ago, and nobody missed them.
#[tokio::test]
async fn a_given_position_is_no_earlier_run() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 2).await.expect("the stream is created");
    for shard in [SHARD, "shardId-000000000001"] {
        kinesis.split_shard("s", shard).await.expect("split");
        kinesis.script().forget_shard(shard);
    }
    let (shard, sequence) = kinesis.put("s", "k", b"x").await.expect("taken");
    let start = format!("&start=after:{shard}:{sequence}");
    let mut source = open(&kinesis.endpoint(), "s", &start, HashMap::new()).await.expect("opens");
    assert_eq!(source.readers().await.expect("no alarm").len(), 4);
}

/// An emulator that was started anew counts from lower numbers on: nothing new ever comes behind the position.
#[tokio::test]
async fn a_service_that_only_repeats_ends_the_run() {
    let (kinesis, sequences) = stream().await;
    kinesis.script().records_per_answer(5);
    let saved = saved(Some(&sequences[4]), Some(now()));
    let mut source = open(&kinesis.endpoint(), "s", "", saved).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    assert_eq!(read_on(&mut reader).await.expect("reads").records.len(), 5);
    kinesis.script().fault_always("GetRecords", ctk_test_support::script::Fault::Repeat);
    let error = read_on(&mut reader).await.expect_err("it ends");
    let error = error.downcast::<KinesisError>().expect("an error of ours");
    assert!(matches!(*error, KinesisError::BadPosition { .. }), "{error:?}");
}

/// A laptop that is closed for days: its clock stands still, its iterators expire, and so do records.
#[tokio::test]
async fn a_run_that_slept_for_too_long_notices() {
    let (kinesis, sequences) = stream().await;
    kinesis.script().records_per_answer(5);
    let options = "&follow=true";
    let mut source = open(&kinesis.endpoint(), "s", options, HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    assert_eq!(read_on(&mut reader).await.expect("reads").records.len(), 5);
    kinesis.script().trim("s", SHARD, &sequences[10]);
    kinesis.script().date("Fri, 01 Jan 2100 00:00:00 GMT");
    kinesis.script().fault("GetRecords", 1, ctk_test_support::script::Fault::EXPIRED_ITERATOR);
    let error = read_on(&mut reader).await.expect_err("it ends").to_string();
    assert!(error.contains("may be lost"), "{error}");
}

/// The look itself fails: then nobody knows whether there is a gap, and the run must not go on as if there were none.
#[tokio::test]
async fn a_look_that_is_refused_ends_the_run() {
    for operation in ["GetShardIterator", "GetRecords"] {
        let (kinesis, sequences) = stream().await;
        kinesis.script().trim("s", SHARD, &sequences[10]);
        let saved = saved(Some(&sequences[4]), Some(now() - 2 * DAY));
        let mut source = open(&kinesis.endpoint(), "s", "", saved).await.expect("opens");
        let mut reader = source.readers().await.expect("listed").remove(0);
        // The first iterator is that of the reading, the second that of the look, which makes the first read.
        let nth = if operation == "GetShardIterator" { 2 } else { 1 };
        kinesis.script().fault(operation, nth, ctk_test_support::script::Fault::ACCESS_DENIED);
        let error = read_on(&mut reader).await.expect_err("it ends");
        let error = error.downcast::<KinesisError>().expect("an error of ours");
        assert!(matches!(*error, KinesisError::Denied { .. }), "{operation}: {error:?}");
    }
}
