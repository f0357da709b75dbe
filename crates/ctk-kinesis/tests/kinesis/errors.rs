//! What a user is told: one line that names what is wrong, and a hint.

use std::collections::HashMap;

use ctk_flow::{Reader, Sequence, ShardId, Source};
use ctk_kinesis::{KinesisError, Saved};
use ctk_test_support::{
    embedded::{Kinesis, Options},
    script::Fault,
};

use super::reading::{numbered, open, put, read_on};

async fn kinesis() -> Kinesis {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    kinesis
}

async fn refused(endpoint: &str, stream: &str, options: &str) -> KinesisError {
    open(endpoint, stream, options, HashMap::new()).await.expect_err("it is refused")
}

#[tokio::test]
async fn an_unknown_stream() {
    let kinesis = kinesis().await;
    let error = refused(&kinesis.endpoint(), "nowhere", "").await;
    assert!(matches!(error, KinesisError::UnknownStream { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("stream nowhere does not exist at {} (region us-east-1)", kinesis.endpoint())
    );
    assert_eq!(error.hint(), Some("check the name and the region; create=true creates the stream"));
}

#[tokio::test]
async fn nobody_there() {
    let endpoint = kinesis().await.endpoint();
    let error = refused(&endpoint, "s", "").await;
    assert!(matches!(error, KinesisError::Unreachable { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot reach Kinesis at {endpoint}"));
}

#[tokio::test]
async fn access_denied() {
    let kinesis = kinesis().await;
    let denied = Fault::Error { status: 400, code: "AccessDeniedException" };
    kinesis.script().fault_always("DescribeStreamSummary", denied.clone());
    let error = refused(&kinesis.endpoint(), "s", "").await;
    assert!(matches!(error, KinesisError::Denied { .. }), "{error:?}");
    kinesis.script().heal();
    kinesis.script().fault_always("GetRecords", denied);
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let error = reader.read().await.expect_err("refused");
    assert_eq!(error.to_string(), "access to stream s is denied (region us-east-1)");
    let cause = error.source().expect("a cause").to_string();
    assert_eq!(cause, "GetRecords failed: AccessDeniedException: by the script of the test");
}

#[tokio::test]
async fn a_stream_that_does_not_become_active() {
    let slow = Options { transition_millis: 60_000, ..Options::default() };
    let kinesis = Kinesis::start(slow).await.expect("it starts");
    let error = refused(&kinesis.endpoint(), "s", "&create=true&describe_timeout=0.3").await;
    assert!(matches!(error, KinesisError::NotActive { status: "CREATING", .. }), "{error:?}");
}

#[tokio::test]
async fn positions_of_another_stream() {
    let kinesis = kinesis().await;
    put(&kinesis, "s", &numbered("a", 3)).await;
    kinesis.create_stream("other", 1).await.expect("the stream is created");
    let foreign = "49590338271490256608559692538361571095921575989136588898";
    let shard = ShardId::new("shardId-000000000000");
    let saved = Saved { sequence: Some(Sequence::new(foreign)), ..Saved::default() };
    let saved = HashMap::from([(shard, saved)]);
    let mut source = open(&kinesis.endpoint(), "s", "", saved).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    let error = read_on(&mut reader).await.expect_err("refused");
    let error = error.downcast::<KinesisError>().expect("an error of ours");
    assert!(matches!(*error, KinesisError::BadPosition { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("stream s does not take the position {foreign} in shard shardId-000000000000")
    );
}

#[tokio::test]
async fn a_start_in_a_shard_that_is_not_there() {
    let kinesis = kinesis().await;
    let error = refused(&kinesis.endpoint(), "s", "&start=after:shardId-000000000077:1").await;
    assert_eq!(error.to_string(), "stream s has no shard shardId-000000000077");
}

#[tokio::test]
async fn a_stream_that_is_deleted_meanwhile() {
    let kinesis = kinesis().await;
    let mut source =
        open(&kinesis.endpoint(), "s", "&follow=true", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(0);
    reader.read().await.expect("it is read");
    kinesis.delete_stream("s").await.expect("deleted");
    let error = reader.read().await.expect_err("refused");
    let error = error.downcast::<KinesisError>().expect("an error of ours");
    assert!(matches!(*error, KinesisError::UnknownStream { .. }), "{error:?}");
}

#[tokio::test]
async fn a_shard_that_expires_before_its_end_is_an_error() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 2).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 20)).await;
    kinesis.script().records_per_answer(3);
    let mut source = open(&kinesis.endpoint(), "s", "", HashMap::new()).await.expect("opens");
    let mut reader = source.readers().await.expect("listed").remove(1);
    reader.read().await.expect("it is read");
    // The listing does not have it any more, and there were more records in it.
    kinesis.delete_stream("s").await.expect("deleted");
    kinesis.create_stream("s", 1).await.expect("created");
    let gone = Fault::Error { status: 400, code: "ResourceNotFoundException" };
    kinesis.script().fault_always("GetRecords", gone);
    let error = reader.read().await.expect_err("records are missing");
    let error = error.downcast::<KinesisError>().expect("an error of ours");
    assert_eq!(
        error.to_string(),
        "shard shardId-000000000001 of stream s expired before it was read to its end"
    );
}

#[tokio::test]
async fn a_profile_that_is_not_there() {
    let kinesis = kinesis().await;
    let url = format!(
        "kinesis:?table=s&endpoint={}&region=us-east-1&profile=nobody-is-called-so",
        kinesis.endpoint()
    );
    let url = ctk_url::SourceUrl::parse(&url).expect("an address");
    let config = ctk_kinesis::KinesisConfig::from_url(&url, 0).expect("a configuration");
    let error =
        ctk_kinesis::KinesisSource::open(&config, HashMap::new(), 0).await.expect_err("refused");
    assert!(matches!(error, KinesisError::NoCredentials { .. }), "{error:?}");
    assert_eq!(error.to_string(), "no AWS credentials for stream s");
}
