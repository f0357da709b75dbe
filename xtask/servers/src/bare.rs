//! `bare`: the least that reading a stream with the AWS SDK costs: `GetRecords` in a loop, one task per shard, counting.
//!
//! It is what the benchmark compares `ctk` with. It decodes nothing and remembers nothing. With `--cbor` it asks in CBOR, by the
//! protocol that `ctk` has for the SDK.

use anyhow::{Context as _, Result, anyhow};
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_kinesis::types::ShardIteratorType;
use ctk_kinesis::api::cbor::Cbor;

use crate::arguments::Arguments;

/// Reads all shards to their tips and prints how many records there were.
pub(crate) fn run(mut arguments: Arguments) -> Result<()> {
    let endpoint: String = arguments.require("--endpoint")?;
    let stream: String = arguments.require("--stream")?;
    let cbor = arguments.take_flag("--cbor");
    arguments.finish()?;
    let runtime = tokio::runtime::Runtime::new()?;
    println!("{}", runtime.block_on(read(&endpoint, &stream, cbor))?);
    Ok(())
}

async fn read(endpoint: &str, stream: &str, cbor: bool) -> Result<usize> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "bare"))
        .endpoint_url(endpoint);
    let config = if cbor { config.protocol(Cbor::default()) } else { config };
    let client = Client::from_conf(config.build());
    let listed =
        client.list_shards().stream_name(stream).send().await.context("cannot list the shards")?;
    let mut tasks = tokio::task::JoinSet::new();
    for shard in listed.shards() {
        tasks.spawn(read_shard(client.clone(), stream.to_owned(), shard.shard_id().to_owned()));
    }
    let mut count = 0;
    while let Some(shard) = tasks.join_next().await {
        count += shard??;
    }
    Ok(count)
}

async fn read_shard(client: Client, stream: String, shard: String) -> Result<usize> {
    let begin = client
        .get_shard_iterator()
        .stream_name(stream)
        .shard_id(shard)
        .shard_iterator_type(ShardIteratorType::TrimHorizon)
        .send()
        .await
        .context("cannot get an iterator")?;
    let mut iterator = begin.shard_iterator;
    let mut count = 0;
    loop {
        let next = iterator
            .take()
            .ok_or_else(|| anyhow!("the shard ended, which this stream's do not"))?;
        let answer = client
            .get_records()
            .shard_iterator(next)
            .limit(10_000)
            .send()
            .await
            .context("cannot read")?;
        count += answer.records().len();
        if answer.records().is_empty() && answer.millis_behind_latest() == Some(0) {
            return Ok(count);
        }
        iterator = answer.next_shard_iterator;
    }
}
