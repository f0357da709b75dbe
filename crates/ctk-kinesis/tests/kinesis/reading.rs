//! What the tests share: opening a stream by an address that a user could have typed, and reading it to its end.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ctk_flow::{Answer, Failure, Millis, Next, Reader, Record, ShardId, Source};
use ctk_kinesis::{KinesisConfig, KinesisError, KinesisSource, Saved, ShardReader};
use ctk_url::SourceUrl;

/// Long enough for any test here, short enough to notice a run that never ends.
const PATIENCE: Duration = Duration::from_mins(1);

/// The positions of a run, as a checkpoint store would keep them.
pub(crate) type Positions = HashMap<ShardId, Saved>;

/// What one run read.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Every record, with its shard, in the order in which they came.
    pub(crate) records: Vec<(ShardId, Record)>,
    /// Where the next run goes on.
    pub(crate) positions: Positions,
    /// How often the source said that records may be lost.
    pub(crate) gaps: usize,
}

impl Reading {
    /// Returns the payloads as text, in the order in which they came.
    pub(crate) fn payloads(&self) -> Vec<String> {
        self.records
            .iter()
            .map(|(_, record)| String::from_utf8_lossy(&record.data).into_owned())
            .collect()
    }

    /// Returns the payloads sorted: what came, whatever the order of the shards.
    pub(crate) fn sorted(&self) -> Vec<String> {
        let mut payloads = self.payloads();
        payloads.sort();
        payloads
    }

    /// Returns the shards in the order in which their first record came.
    pub(crate) fn shards(&self) -> Vec<&str> {
        let mut shards: Vec<&str> = Vec::new();
        for (shard, _) in &self.records {
            if !shards.contains(&shard.as_str()) {
                shards.push(shard.as_str());
            }
        }
        shards
    }

    /// Checks that each shard's records came in the order of their sequence numbers, none twice.
    pub(crate) fn assert_in_order(&self) {
        let mut last: HashMap<&ShardId, &Record> = HashMap::new();
        for (shard, record) in &self.records {
            if let Some(before) = last.insert(shard, record) {
                assert!(
                    before.sequence < record.sequence,
                    "{shard}: {} after {}",
                    record.sequence,
                    before.sequence
                );
            }
        }
    }
}

pub(crate) fn now() -> Millis {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("a clock behind 1970 is none");
    Millis::try_from(since.as_millis()).expect("not in this geological era")
}

/// Returns the shortest time after which the wall clock shows another millisecond.
pub(crate) async fn next_millisecond() {
    let before = UNIX_EPOCH.elapsed().expect("a clock").as_millis();
    while UNIX_EPOCH.elapsed().expect("a clock").as_millis() <= before + 1 {
        tokio::task::yield_now().await;
    }
}

/// Returns the configuration of an address; `{}` stands for nothing, the endpoint and identity are added.
pub(crate) fn config(endpoint: &str, stream: &str, options: &str) -> KinesisConfig {
    let url = format!(
        "kinesis:?table={stream}&endpoint_url={endpoint}&aws_access_key_id=test&aws_secret_access_key=test\
         &region=us-east-1&poll_interval=0.01{options}"
    );
    let url = SourceUrl::parse(&url).expect("an address");
    let config = KinesisConfig::from_url(&url, now()).expect("a configuration");
    // In five minutes, as it is for users, no test would see that a shard stands still.
    KinesisConfig { patience: Duration::from_millis(200), ..config }
}

pub(crate) async fn open(
    endpoint: &str,
    stream: &str,
    options: &str,
    saved: Positions,
) -> Result<KinesisSource, KinesisError> {
    KinesisSource::open(&config(endpoint, stream, options), saved, now()).await
}

/// Runs once over the stream, one shard after the other, as far as the source hands them out.
pub(crate) async fn load(endpoint: &str, stream: &str, options: &str, saved: Positions) -> Reading {
    let mut source =
        open(endpoint, stream, options, saved.clone()).await.expect("the stream opens");
    let mut reading = Reading { positions: saved, ..Reading::default() };
    drain(&mut source, &mut reading).await;
    reading
}

/// Reads what the source hands out until it hands out nothing more.
pub(crate) async fn drain(source: &mut KinesisSource, reading: &mut Reading) {
    loop {
        let readers = source.readers().await.expect("the shards are listed");
        if readers.is_empty() {
            return;
        }
        for reader in readers {
            drain_shard(source, reader, reading).await;
        }
    }
}

/// Reads one shard until it is caught up or closed.
pub(crate) async fn drain_shard(
    source: &mut KinesisSource,
    mut reader: ShardReader,
    reading: &mut Reading,
) {
    let end = async {
        loop {
            match step(&mut reader, reading).await {
                Next::Read { wait } => tokio::time::sleep(wait).await,
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, end).await.expect("the shard comes to an end");
    if end == Next::Closed {
        let shard = reader.shard().clone();
        reading.positions.entry(shard.clone()).or_default().finished = true;
        source.finished(&shard);
    }
}

/// Reads one answer.
pub(crate) async fn step(reader: &mut ShardReader, reading: &mut Reading) -> Next {
    reader.ready().await;
    let answer = reader.read().await.expect("the shard is read");
    let shard = reader.shard().clone();
    if let Some(last) = answer.records.last() {
        reading.positions.entry(shard.clone()).or_default().sequence = Some(last.sequence.clone());
    }
    reading.gaps += usize::from(answer.gap);
    reading.records.extend(answer.records.into_iter().map(|record| (shard.clone(), record)));
    answer.next
}

/// Reads until an answer brings records or an end, or fails; what passes is waited out.
pub(crate) async fn read_on(reader: &mut ShardReader) -> Result<Answer, Failure> {
    loop {
        reader.ready().await;
        let answer = reader.read().await?;
        match answer.next {
            Next::Read { wait } if answer.records.is_empty() => tokio::time::sleep(wait).await,
            _ => return Ok(answer),
        }
    }
}

/// Returns `prefix-000` and so on.
pub(crate) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{prefix}-{number:03}")).collect()
}

/// Puts payloads under keys of their own, so that they spread over the shards.
pub(crate) async fn put(
    client: &ctk_test_support::client::Client,
    stream: &str,
    payloads: &[String],
) {
    let records = payloads.iter().map(|payload| (payload.as_str(), payload.as_bytes()));
    client.put_all(stream, records).await.expect("the records are taken");
}
