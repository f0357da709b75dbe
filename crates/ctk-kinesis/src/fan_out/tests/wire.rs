//! Subscriptions over real sockets: two emulators, and a double for what they do not do.

use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use ctk_flow::Millis;
use ctk_test_support::{
    client::Client,
    embedded::{Kinesis, Options},
    kinesis_local,
    pushes::{Pushes, record},
    script::Fault,
};
use ctk_url::StreamRef;
use serde_json::json;

use super::*;
use crate::api::Api;

const SHARD: &str = "shardId-000000000000";

/// Returns the service as the source would have it.
async fn service(endpoint: &str) -> Arc<Service> {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .load()
        .await;
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("a clock behind 1970 is none");
    Arc::new(Service {
        api: Api::new(
            &config,
            Some(endpoint),
            StreamRef::Name("s".to_owned()),
            crate::Protocol::Json,
        ),
        endpoint: endpoint.to_owned(),
        region: "us-east-1".to_owned(),
        started: (Millis::try_from(since.as_millis()).unwrap(), Instant::now()),
        slept: crate::service::Slept::default(),
        retention: Duration::ZERO,
        on_data_loss: crate::OnDataLoss::Fail,
        children: Mutex::default(),
    })
}

async fn subscribed(endpoint: &str, shard: &str, name: &str) -> FanOut {
    let service = service(endpoint).await;
    let (summary, _) = service.api.summary().await.expect("the stream is there");
    let arn = consumer(&service, &summary.arn, name).await.expect("it answers");
    FanOut::new(service, arn.expect("it knows consumers"), ShardId::new(shard))
}

/// Takes what comes until `done` says so of all payloads so far and the last answer; real time is short here.
async fn collect(
    fan_out: &mut FanOut,
    from: &Start,
    done: impl Fn(&[String], &Records) -> bool,
) -> (Vec<String>, Records) {
    let mut payloads = Vec::new();
    let all = async {
        loop {
            fan_out.ready(from).await;
            let Some(taken) = fan_out.take() else { continue };
            let mut taken = taken.expect("nothing that waiting does not mend");
            let data =
                taken.records.drain(..).map(|record| String::from_utf8(record.data).unwrap());
            payloads.extend(data);
            if done(&payloads, &taken) {
                return taken;
            }
        }
    };
    let last = timeout(SECONDS(60), all).await.expect("it comes");
    (payloads, last)
}

async fn put(client: &Client, payloads: std::ops::Range<u32>) -> Vec<String> {
    let payloads: Vec<String> = payloads.map(|number| format!("{number:03}")).collect();
    let records = payloads.iter().map(|payload| (payload.as_str(), payload.as_bytes()));
    client.put_all("s", records).await.expect("the records are taken");
    payloads
}

/// Records from before and during a subscription, and from a closed shard; the first subscription makes way for the next.
async fn suite(client: &Client, endpoint: &str) -> Vec<String> {
    client.create_stream("s", 1).await.expect("the stream is created");
    let first = put(client, 0..20).await;
    let mut fan_out = subscribed(endpoint, SHARD, "ctk").await;
    let (came, _) = collect(&mut fan_out, &Start::Earliest, |came, _| came.len() >= 20).await;
    assert_eq!(came, first);
    let second = put(client, 20..40).await;
    let (came, _) = collect(&mut fan_out, &Start::Earliest, |came, _| came.len() >= 20).await;
    assert_eq!(came, second);
    drop(fan_out);

    client.split_shard("s", SHARD).await.expect("split");
    let mut fan_out = subscribed(endpoint, SHARD, "ctk").await;
    let (came, _) = collect(&mut fan_out, &Start::Earliest, |came, _| came.len() >= 40).await;
    let all = [first, second].concat();
    assert_eq!(came, all);
    all
}

#[tokio::test]
async fn the_embedded_kinesis() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    let endpoint = kinesis.endpoint();
    let all = suite(&kinesis, &endpoint).await;
    assert_eq!(kinesis.script().calls("RegisterStreamConsumer"), 1, "then it is found");

    // Closed: to its end, and to that of a child that was merged.
    let mut fan_out = subscribed(&endpoint, SHARD, "ctk").await;
    let (came, last) = collect(&mut fan_out, &Start::Earliest, |_, last| last.next.is_none()).await;
    assert_eq!(came, all);
    let children: Vec<&str> = last.children.iter().map(|child| child.id.as_str()).collect();
    assert_eq!(children, ["shardId-000000000001", "shardId-000000000002"]);
    assert!(last.children.iter().all(|child| child.parents == [ShardId::new(SHARD)]));

    kinesis.merge_shards("s", children[0], children[1]).await.expect("merge");
    let mut fan_out = subscribed(&endpoint, children[0], "ctk").await;
    let (came, last) = collect(&mut fan_out, &Start::Earliest, |_, last| last.next.is_none()).await;
    assert_eq!(came, Vec::<String>::new());
    let [merged] = last.children.as_slice() else { panic!("one child: {:?}", last.children) };
    assert_eq!(merged.parents.len(), 2);
}

/// It honours what the other ignores, the start, and refuses a subscription beside another. It never says that a
/// shard has ended, and that must not be made up.
#[tokio::test]
async fn kinesis_local() {
    let kinesis = kinesis_local::start().await.expect("kinesis-local starts");
    let endpoint = kinesis.endpoint();
    suite(&kinesis, &endpoint).await;
    let mut closed = subscribed(&endpoint, SHARD, "closed").await;
    let (_, last) = collect(&mut closed, &Start::Earliest, |came, _| came.len() >= 40).await;
    assert!(last.next.is_some());

    let shard = "shardId-000000000001";
    let upper = (0..100).map(|number| (number.to_string(), format!("{number:03}")));
    let mut own = Vec::new();
    for (key, payload) in upper {
        let put = kinesis.put("s", &key, payload.as_bytes()).await.expect("it is taken");
        if put.0 == shard {
            own.push((put.1, payload));
        }
    }
    let check = async |name: &str, start: Start, first: usize| {
        let expected: Vec<String> =
            own.iter().skip(first).map(|(_, payload)| payload.clone()).collect();
        let mut fan_out = subscribed(&endpoint, shard, name).await;
        let (came, _) = collect(&mut fan_out, &start, |came, _| came.len() >= expected.len()).await;
        assert_eq!(came, expected, "{start:?}");
    };
    let third = Sequence::new(own[3].0.as_str());
    tokio::join!(
        check("a", Start::Earliest, 0),
        check("b", Start::AtTime(0), 0),
        check("c", Start::At(third.clone()), 3),
        check("d", Start::After(third.clone()), 4),
    );
}

#[tokio::test]
async fn short_subscriptions_and_faults_neither_repeat_nor_skip() {
    let options = Options { subscription_millis: 300, ..Options::default() };
    let kinesis = Kinesis::start(options).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    kinesis.script().fault("SubscribeToShard", 2, Fault::Drop);
    kinesis.script().fault("SubscribeToShard", 4, Fault::INTERNAL);
    let mut fan_out = subscribed(&kinesis.endpoint(), SHARD, "ctk").await;
    let (mut came, mut expected) = (Vec::new(), Vec::new());
    for round in 0..6 {
        expected.extend(put(&kinesis, round * 10..round * 10 + 10).await);
        let (more, _) = collect(&mut fan_out, &Start::Earliest, |more, _| more.len() >= 10).await;
        came.extend(more);
        // Nothing is taken while the subscription ends.
        sleep(Duration::from_millis(400)).await;
    }
    assert_eq!(came, expected);
    assert!(kinesis.script().calls("SubscribeToShard") >= 4, "it was renewed");
}

#[tokio::test]
async fn a_refused_subscription_is_not_tried_again_by_the_sdk() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.script().fault_always("SubscribeToShard", Fault::INTERNAL);
    let service = service(&kinesis.endpoint()).await;
    let refused = service.api.subscribe("arn", &ShardId::new(SHARD), &Start::Earliest).await;
    assert_eq!(refused.expect_err("refused").kind, ApiErrorKind::Internal);
    assert_eq!(kinesis.script().calls("SubscribeToShard"), 1);
}

#[tokio::test]
async fn a_server_without_consumers_is_polled() {
    let pushes = Pushes::start().await.expect("it starts");
    let service = service(&pushes.endpoint()).await;
    let none = consumer(&service, "arn:aws:kinesis:us-east-1:000000000000:stream/s", "ctk").await;
    assert_eq!(none.expect("that is no failure"), None);
}

#[tokio::test]
async fn a_consumer_that_may_not_be_registered_is_no_failure() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    let service = service(&kinesis.endpoint()).await;
    let (summary, _) = service.api.summary().await.expect("the stream is there");
    let denied = Fault::Error { status: 400, code: "AccessDeniedException" };
    kinesis.script().fault_always("RegisterStreamConsumer", denied);
    assert_eq!(consumer(&service, &summary.arn, "ctk").await.expect("no failure"), None);
    // Registered by somebody else between our two calls.
    kinesis.script().heal();
    kinesis.script().fault(
        "DescribeStreamConsumer",
        1,
        Fault::Error { status: 400, code: "ResourceNotFoundException" },
    );
    service.api.register_consumer(&summary.arn, "ctk").await.expect("registered");
    assert!(consumer(&service, &summary.arn, "ctk").await.expect("no failure").is_some());
    let gone = consumer(&service, &summary.arn.replace("/s", "/t"), "ctk").await;
    assert!(matches!(gone, Err(crate::KinesisError::UnknownStream { .. })), "{gone:?}");
}

#[tokio::test]
async fn a_consumer_is_registered_as_soon_as_there_is_room() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    // All attempts of the SDK at one call.
    for call in 1..4 {
        let full = Fault::Error { status: 400, code: "LimitExceededException" };
        kinesis.script().fault("RegisterStreamConsumer", call, full);
    }
    subscribed(&kinesis.endpoint(), SHARD, "ctk").await;
    assert_eq!(kinesis.script().calls("RegisterStreamConsumer"), 4);
}

/// Subscribes at the double, which grants it.
async fn granted(
    pushes: &mut Pushes,
) -> (crate::api::Subscription, ctk_test_support::pushes::Pusher) {
    let service = service(&pushes.endpoint()).await;
    let shard = ShardId::new(SHARD);
    let (subscription, pusher) =
        tokio::join!(service.api.subscribe("arn", &shard, &Start::Earliest), async {
            pushes.subscriber().await.expect("somebody subscribes").accept()
        });
    (subscription.expect("it was granted"), pusher)
}

#[tokio::test]
async fn positions_are_asked_for_as_aws_names_them() {
    let mut pushes = Pushes::start().await.expect("it starts");
    let service = service(&pushes.endpoint()).await;
    let shard = ShardId::new(SHARD);
    let mut check = async |start: Start, expected: serde_json::Value| {
        let (refused, ()) = tokio::join!(service.api.subscribe("arn", &shard, &start), async {
            let subscriber = pushes.subscriber().await.expect("somebody subscribes");
            let body =
                json!({ "ConsumerARN": "arn", "ShardId": SHARD, "StartingPosition": expected });
            assert_eq!(subscriber.body, body);
            subscriber.refuse(400, "ResourceInUseException");
        });
        assert_eq!(refused.unwrap_err().kind, ApiErrorKind::InUse);
    };
    check(Start::Earliest, json!({ "Type": "TRIM_HORIZON" })).await;
    let time = json!({ "Type": "AT_TIMESTAMP", "Timestamp": 1.5 });
    check(Start::AtTime(1500), time).await;
    let at = json!({ "Type": "AT_SEQUENCE_NUMBER", "SequenceNumber": "7" });
    check(Start::At(sequence(7)), at).await;
    let after = json!({ "Type": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "7" });
    check(Start::After(sequence(7)), after).await;
}

#[tokio::test]
async fn errors_within_a_subscription_are_sorted_like_others() {
    let mut pushes = Pushes::start().await.expect("it starts");
    for (code, kind) in [
        ("ResourceInUseException", ApiErrorKind::InUse),
        ("ResourceNotFoundException", ApiErrorKind::NotFound),
        ("KMSThrottlingException", ApiErrorKind::Throttled),
        ("KMSDisabledException", ApiErrorKind::Key),
        ("KMSInvalidStateException", ApiErrorKind::Key),
        ("KMSAccessDeniedException", ApiErrorKind::Key),
        ("KMSNotFoundException", ApiErrorKind::Key),
        ("KMSOptInRequired", ApiErrorKind::Key),
        ("InternalFailureException", ApiErrorKind::Internal),
        ("SomethingNew", ApiErrorKind::Internal),
    ] {
        let (mut subscription, pusher) = granted(&mut pushes).await;
        pusher.event(&json!({ "Records": [], "ContinuationSequenceNumber": "5" })).await;
        pusher.exception(code).await;
        assert!(subscription.next().await.expect("an event").is_some());
        let error = subscription.next().await.expect_err("an error");
        assert_eq!(error.kind, kind, "{error}");
        assert!(subscription.next().await.expect("no further one").is_none());
    }
    let (mut subscription, pusher) = granted(&mut pushes).await;
    pusher.break_off().await;
    assert_eq!(subscription.next().await.expect_err("broken").kind, ApiErrorKind::Unreachable);
}

#[tokio::test]
async fn the_last_event_of_a_shard_has_children_and_no_continuation() {
    let mut pushes = Pushes::start().await.expect("it starts");
    for continuation in [json!({}), json!({ "ContinuationSequenceNumber": null })] {
        let (mut subscription, pusher) = granted(&mut pushes).await;
        let mut last = continuation;
        last["Records"] = json!([record("6", "x")]);
        last["MillisBehindLatest"] = 0.into();
        last["ChildShards"] = json!([
            { "ShardId": "b", "ParentShards": [SHARD], "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": "1" } }
        ]);
        pusher.event(&last).await;
        let event = subscription.next().await.expect("an event").expect("not the end");
        assert_eq!((event.continuation, event.behind), (None, Some(Duration::ZERO)));
        assert_eq!(event.children[0].id.as_str(), "b");
        assert_eq!(event.records[0].sequence, sequence(6));
        assert_eq!(event.records[0].arrived_at, Some(1_760_000_000_250));
        drop(pusher);
        assert!(subscription.next().await.expect("the end").is_none());
    }
}

#[tokio::test]
async fn no_timeout_cuts_a_subscription_off() {
    let mut pushes = Pushes::start().await.expect("it starts");
    let (mut subscription, pusher) = granted(&mut pushes).await;
    tokio::time::pause();
    advance(SECONDS(290)).await;
    tokio::time::resume();
    pusher
        .event(&json!({ "Records": [record("6", "x")], "ContinuationSequenceNumber": "6" }))
        .await;
    assert_eq!(subscription.next().await.expect("an event").expect("not the end").records.len(), 1);
}

#[tokio::test]
async fn dropping_it_ends_the_subscription() {
    let mut pushes = Pushes::start().await.expect("it starts");
    let service = service(&pushes.endpoint()).await;
    let mut fan_out = FanOut::new(service, "arn".into(), ShardId::new(SHARD));
    let ((), pusher) = tokio::join!(fan_out.ready(&Start::Earliest), async {
        let pusher = pushes.subscriber().await.expect("somebody subscribes").accept();
        pusher.event(&json!({ "Records": [], "ContinuationSequenceNumber": "5" })).await;
        pusher
    });
    assert!(fan_out.take().is_some());
    drop(fan_out);
    timeout(SECONDS(10), pusher.gone()).await.expect("the connection is closed");
}
