//! Renewals, pauses and silence against a script, with a paused clock; real sockets in `wire`.

mod wire;

use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
};

use ctk_flow::{Record, Sequence};
use tokio::time::{advance, sleep};

use super::*;
use crate::api::{ApiErrorKind, ShardListing};

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// What happens in a subscription, one after the other; behind the last step, nothing ever.
#[derive(Debug)]
enum Step {
    Wait(Duration),
    Event(Event),
    Fail(ApiErrorKind),
    /// The server ends the subscription.
    End,
    Panic,
}
use Step::{End, Fail, Wait};

/// What a call meets.
type Subscription = Result<Vec<Step>, ApiErrorKind>;

/// The subscriptions to come, and when each was made from where.
#[derive(Clone, Debug)]
struct Script(Arc<Mutex<Told>>);

#[derive(Debug)]
struct Told {
    to_come: VecDeque<Subscription>,
    calls: Vec<(Duration, Start)>,
    began: Instant,
}

struct Play(VecDeque<Step>);

fn error(kind: ApiErrorKind) -> ApiError {
    ApiError::said(kind, "SubscribeToShard", "by the script".to_owned(), None)
}

impl Subscribe for Script {
    type Events = Play;

    fn shard(&self) -> &ShardId {
        static SHARD: std::sync::LazyLock<ShardId> =
            std::sync::LazyLock::new(|| ShardId::new("shardId-0"));
        &SHARD
    }

    async fn subscribe(&self, start: &Start) -> Result<Play, ApiError> {
        let next = {
            let mut told = self.0.lock().unwrap();
            let elapsed = told.began.elapsed();
            told.calls.push((elapsed, start.clone()));
            told.to_come.pop_front()
        };
        // A call takes a while, in which a test may drop it.
        sleep(Duration::from_millis(3)).await;
        next.unwrap_or(Ok(Vec::new())).map(|steps| Play(steps.into())).map_err(error)
    }
}

impl Events for Play {
    async fn next(&mut self) -> Result<Option<Event>, ApiError> {
        loop {
            match self.0.front() {
                None => pending().await,
                Some(Wait(time)) => sleep(*time).await,
                Some(_) => {}
            }
            match self.0.pop_front() {
                Some(Step::Event(event)) => return Ok(Some(event)),
                Some(Fail(kind)) => return Err(error(kind)),
                Some(End) => return Ok(None),
                Some(Step::Panic) => panic!("by the script"),
                Some(Wait(_)) | None => {}
            }
        }
    }
}

fn sequence(number: u64) -> Sequence {
    Sequence::new(number.to_string())
}

fn after(number: u64) -> Start {
    Start::After(sequence(number))
}

/// An event with these records, and a continuation behind the last one as servers give it.
fn event(records: &[u64], continuation: u64) -> Step {
    ended(records, Some(continuation), &[])
}

fn ended(records: &[u64], continuation: Option<u64>, children: &[&str]) -> Step {
    let record = |number: &u64| Record {
        data: Vec::new(),
        sequence: sequence(*number),
        partition_key: None,
        arrived_at: None,
        done: 0,
    };
    let child =
        |id: &&str| ShardListing { id: ShardId::new(id), parents: Vec::new(), closed: false };
    Step::Event(Event {
        records: records.iter().map(record).collect(),
        behind: Some(Duration::ZERO),
        continuation: continuation.map(sequence),
        children: children.iter().map(child).collect(),
    })
}

fn fan_out(to_come: Vec<Subscription>) -> (FanOut<Script>, Script) {
    let told = Told { to_come: to_come.into(), calls: Vec::new(), began: Instant::now() };
    let script = Script(Arc::new(Mutex::new(told)));
    (FanOut::from(script.clone()), script)
}

impl Script {
    /// Returns the seconds at which subscriptions were made, and from where.
    fn calls(&self) -> Vec<(u64, Start)> {
        let told = self.0.lock().unwrap();
        told.calls.iter().map(|(at, start)| (at.as_secs(), start.clone())).collect()
    }
}

/// Takes the next thing that comes.
async fn next(fan_out: &mut FanOut<Script>) -> Result<Records, ApiError> {
    loop {
        fan_out.ready(&Start::Earliest).await;
        if let Some(taken) = fan_out.take() {
            return taken;
        }
    }
}

fn numbers(records: &Records) -> Vec<u64> {
    records.records.iter().map(|record| record.sequence.as_str().parse().unwrap()).collect()
}

async fn expect(fan_out: &mut FanOut<Script>, records: &[u64]) -> Records {
    let taken = next(fan_out).await.unwrap();
    assert_eq!(numbers(&taken), records);
    taken
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_ends_is_renewed_behind_its_last_event() {
    let (mut fan_out, script) = fan_out(vec![
        Ok(vec![event(&[1, 2], 2), Wait(SECONDS(300)), event(&[], 9), End]),
        // Ends at once: the next call has to wait.
        Ok(vec![End]),
        Ok(vec![event(&[12], 13)]),
    ]);
    // Without heartbeats for 300 s it would be silent, so the wait is cut into pieces.
    {
        let mut told = script.0.lock().unwrap();
        let Some(Ok(steps)) = told.to_come.front_mut() else { panic!("a subscription") };
        let beats = (0..10).flat_map(|_| [Wait(SECONDS(30)), event(&[], 5)]);
        steps.splice(1..2, beats.collect::<Vec<_>>());
    }
    assert_eq!(expect(&mut fan_out, &[1, 2]).await.next.as_deref(), Some("2"));
    for _ in 0..10 {
        expect(&mut fan_out, &[]).await;
    }
    assert_eq!(expect(&mut fan_out, &[]).await.next.as_deref(), Some("9"));
    expect(&mut fan_out, &[12]).await;
    let expected = [(0, Start::Earliest), (300, after(9)), (301, after(9))];
    assert_eq!(script.calls(), expected, "at once, then a second later");
}

#[tokio::test(start_paused = true)]
async fn silence_is_the_end_of_a_subscription() {
    let (mut fan_out, script) = fan_out(vec![
        Ok(vec![Wait(SECONDS(34)), event(&[1], 1), Wait(SECONDS(34)), event(&[], 2)]),
        Ok(vec![Wait(SECONDS(36)), event(&[7], 7)]),
        Ok(vec![event(&[3], 3)]),
    ]);
    expect(&mut fan_out, &[1]).await;
    expect(&mut fan_out, &[]).await;
    expect(&mut fan_out, &[3]).await;
    assert_eq!(script.calls(), [(0, Start::Earliest), (103, after(2)), (138, after(2))]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_takes_is_no_silence() {
    let (mut fan_out, script) =
        fan_out(vec![Ok(vec![event(&[1], 1), event(&[2], 2), event(&[3], 3), event(&[4], 4)])]);
    fan_out.ready(&Start::Earliest).await;
    advance(SECONDS(1000)).await;
    for number in 1..5 {
        expect(&mut fan_out, &[number]).await;
        sleep(SECONDS(100)).await;
    }
    // The silence behind the last event did count.
    assert_eq!(script.calls().get(1).map(|(_, start)| start.clone()), Some(after(4)));
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_somebody_holds_is_taken_over_after_five_seconds() {
    let (mut fan_out, script) = fan_out(vec![
        Err(ApiErrorKind::InUse),
        Ok(vec![Fail(ApiErrorKind::InUse)]),
        Ok(vec![event(&[1], 1), Fail(ApiErrorKind::InUse)]),
        Ok(vec![event(&[2], 2)]),
    ]);
    expect(&mut fan_out, &[1]).await;
    expect(&mut fan_out, &[2]).await;
    let expected =
        [(0, Start::Earliest), (5, Start::Earliest), (10, Start::Earliest), (15, after(1))];
    assert_eq!(script.calls(), expected);
}

#[tokio::test(start_paused = true)]
async fn temporary_errors_are_waited_out_with_growing_pauses() {
    use ApiErrorKind::{Internal, Throttled, Unreachable};
    let (mut fan_out, script) = fan_out(vec![
        Err(Throttled),
        Err(Throttled),
        Ok(vec![Fail(Throttled)]),
        Err(Throttled),
        Ok(vec![event(&[1], 1), Fail(Unreachable)]),
        Err(Internal),
        Ok(vec![event(&[2], 2), Fail(Throttled)]),
        Ok(vec![event(&[3], 3)]),
    ]);
    for number in 1..4 {
        expect(&mut fan_out, &[number]).await;
    }
    let told = script.0.lock().unwrap();
    let pauses: Vec<f64> = told
        .calls
        .windows(2)
        .map(|calls| calls[1].0.as_secs_f64() - calls[0].0.as_secs_f64())
        .collect();
    // A second at least, since more calls are not allowed; then what each kind of trouble asks for, from anew after an event.
    for (pause, least) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 1.0, 1.0, 1.0]) {
        assert!((least..least * 1.26).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn errors_that_waiting_does_not_mend_come_out() {
    use ApiErrorKind::{Denied, ExpiredIterator, InvalidArgument, NotFound, Other};
    for kind in [NotFound, InvalidArgument, Denied, Other, ExpiredIterator] {
        let (mut fan_out, script) = fan_out(vec![
            Ok(vec![event(&[1], 4), event(&[5], 6), Fail(kind)]),
            Err(kind),
            Ok(vec![event(&[2], 2)]),
        ]);
        expect(&mut fan_out, &[1]).await;
        expect(&mut fan_out, &[5]).await;
        assert_eq!(next(&mut fan_out).await.unwrap_err().kind, kind);
        assert_eq!(next(&mut fan_out).await.unwrap_err().kind, kind);
        // Whoever goes on says from where.
        fan_out.ready(&after(1)).await;
        assert_eq!(numbers(&fan_out.take().unwrap().unwrap()), [2]);
        assert_eq!(script.calls(), [(0, Start::Earliest), (1, Start::Earliest), (2, after(1))]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_in_the_future_of_the_service_is_waited_for() {
    let early = || Err(ApiErrorKind::InvalidArgument);
    let (mut fan_out, script) = fan_out(vec![early(), early(), Ok(vec![event(&[1], 1)])]);
    while fan_out.arrived.is_none() {
        fan_out.ready(&Start::AtTime(7)).await;
    }
    assert_eq!(numbers(&fan_out.take().unwrap().unwrap()), [1]);
    assert_eq!(script.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn records_that_come_again_are_dropped() {
    let (mut fan_out, _) = fan_out(vec![
        Ok(vec![event(&[8, 9], 9), event(&[10, 11], 3), End]),
        // Its start was wrong, and it sends what came before: all of an event, then a part of one.
        Ok(vec![event(&[9, 10], 10), event(&[11, 12], 12), event(&[13], 13)]),
    ]);
    expect(&mut fan_out, &[8, 9]).await;
    expect(&mut fan_out, &[10, 11]).await;
    expect(&mut fan_out, &[]).await;
    expect(&mut fan_out, &[12]).await;
    expect(&mut fan_out, &[13]).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_up_to_the_given_position_comes_again() {
    let (mut fan_out, _) = fan_out(vec![Ok(vec![event(&[9, 10, 11], 11)])]);
    fan_out.ready(&after(10)).await;
    assert_eq!(numbers(&fan_out.take().unwrap().unwrap()), [11]);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_shard_is_told_in_two_ways() {
    // As on AWS: children, no continuation, whether records come with them or not.
    for records in [&[2, 3][..], &[]] {
        let (mut fan_out, script) =
            fan_out(vec![Ok(vec![event(&[1], 1), ended(records, None, &["a", "b"]), End])]);
        assert!(expect(&mut fan_out, &[1]).await.next.is_some());
        let last = expect(&mut fan_out, records).await;
        assert_eq!((last.next, last.children.len()), (None, 2));
        sleep(SECONDS(100)).await;
        assert_eq!(script.calls().len(), 1, "nobody subscribes to what has ended");
    }
    // Children and a continuation in each event since the shard was closed: done with the empty one.
    let (mut fan_out, _) = fan_out(vec![
        Ok(vec![ended(&[1, 2], Some(2), &["a"]), End]),
        Ok(vec![ended(&[3], Some(3), &["a"]), ended(&[], Some(3), &["a"])]),
    ]);
    assert!(expect(&mut fan_out, &[1, 2]).await.next.is_some());
    assert!(expect(&mut fan_out, &[3]).await.next.is_some());
    assert!(expect(&mut fan_out, &[]).await.next.is_none());
}

#[tokio::test(start_paused = true)]
async fn without_children_nothing_is_an_end() {
    let (mut fan_out, script) = fan_out(vec![
        Ok(vec![ended(&[], None, &[]), End]),
        Ok(vec![ended(&[4], None, &[]), ended(&[], None, &[]), End]),
    ]);
    for records in [&[][..], &[4], &[]] {
        assert!(expect(&mut fan_out, records).await.next.is_some());
    }
    sleep(SECONDS(2)).await;
    assert_eq!(
        script.calls(),
        [(0, Start::Earliest), (1, Start::Earliest), (2, after(4))],
        "what was handed out is as good as a continuation"
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_wait_loses_nothing() {
    for patience in 0..12 {
        let (mut fan_out, script) = fan_out(vec![
            Ok(vec![event(&[1], 1), Wait(Duration::from_millis(8)), event(&[2], 2), End]),
            Err(ApiErrorKind::InUse),
            Ok(vec![event(&[3], 3), Fail(ApiErrorKind::Unreachable)]),
            Ok(vec![event(&[4], 4), ended(&[5], None, &["a"])]),
        ]);
        let (mut came, mut dropped, mut round, mut going) = (Vec::new(), 0, 0_u32, true);
        while going {
            round += 1;
            let wait = timeout(Duration::from_millis(patience), fan_out.ready(&Start::Earliest));
            dropped += u32::from(wait.await.is_err());
            // Every second time it is not even taken when it is there.
            if round.is_multiple_of(2)
                && let Some(taken) = fan_out.take()
            {
                let taken = taken.unwrap();
                came.extend(numbers(&taken));
                going = taken.next.is_some();
            }
            advance(Duration::from_millis(1)).await;
        }
        assert_eq!(came, [1, 2, 3, 4, 5]);
        assert_eq!(script.calls().len(), 4, "no call was lost by a drop");
        assert!(dropped > 100, "it was dropped {dropped} times");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_begins_where_it_is_told_to() {
    let (mut fan_out, script) = fan_out(vec![
        Ok(vec![event(&[1], 1), event(&[2], 2), event(&[3], 3)]),
        Ok(vec![event(&[2], 2)]),
    ]);
    expect(&mut fan_out, &[1]).await;
    fan_out.ready(&after(1)).await;
    fan_out.reset();
    assert!(fan_out.take().is_none(), "what came before is forgotten");
    fan_out.ready(&after(1)).await;
    assert_eq!(numbers(&fan_out.take().unwrap().unwrap()), [2]);
    assert_eq!(script.calls(), [(0, Start::Earliest), (1, after(1))], "one call a second");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_without_an_event_too() {
    let (mut fan_out, _) = fan_out(vec![]);
    let began = Instant::now();
    fan_out.ready(&Start::Earliest).await;
    assert_eq!(began.elapsed(), LONGEST_WAIT);
    assert!(fan_out.take().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_broken_task_is_not_waited_for() {
    let (mut fan_out, _) = fan_out(vec![Ok(vec![event(&[1], 1), Step::Panic])]);
    expect(&mut fan_out, &[1]).await;
    let waits = tokio::spawn(async move { fan_out.ready(&Start::Earliest).await });
    assert!(waits.await.unwrap_err().is_panic());
}

/// The reader lends itself to futures that other threads may take over.
#[test]
fn it_may_be_shared_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<FanOut>();
}
