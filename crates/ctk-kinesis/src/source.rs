//! A stream as the loop sees it: lists shards, and hands out readers in the order that [`crate::lineage`] allows.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_flow::{Failure, Millis, ShardId, Source};
use tokio::time::{Instant, sleep};
use tracing::{debug, info};

use crate::{
    api::{Api, ApiErrorKind, ShardListing, Start, Status, StreamSummary},
    config::{KinesisConfig, OnDataLoss, StartAt},
    error::KinesisError,
    fan_out,
    lineage::{From, Lineage, Ready, Saved, Scope},
    listing::list_all,
    pacer::Backoff,
    reader::{Beginning, Pace, ShardReader, Until},
    service::{Service, Slept},
};

/// A listing is good for this long, unless a shard ended and the service did not say what became of it.
const FRESH: Duration = Duration::from_secs(5);
/// How often the state of a stream is asked for while it is not ACTIVE.
const ASK_AGAIN: Duration = Duration::from_millis(250);

/// How often an endpoint that must speak CBOR is asked again before it counts as one that does not.
const CBOR_ATTEMPTS: u32 = 5;

/// An open stream.
#[derive(Debug)]
pub struct KinesisSource {
    service: Arc<Service>,
    stream: StreamSummary,
    shards: Vec<ShardListing>,
    lineage: Lineage,
    start: StartAt,
    /// The shard that begins *at* the position given for it, not behind it.
    at: Option<ShardId>,
    scope: Scope,
    until: Until,
    pace: Pace,
    /// Who records are sent to.
    consumer: Option<Arc<str>>,
    /// When the shards were listed; nothing when something happened since that only a listing tells.
    listed: Option<Instant>,
    /// For each shard that is being read: whether it was seen closed.
    closed: HashMap<ShardId, Arc<AtomicBool>>,
}

impl KinesisSource {
    /// Finds the stream, creates it when the user wants that, waits until it can be read, and lists its shards.
    ///
    /// `saved` says how far earlier runs came; `now` is the time at which the run starts. Whether the stream is still the one
    /// that `saved` speaks of is for the caller to judge, by [`StreamSummary::created_at`].
    ///
    /// Cancel safe, but that the stream or the consumer which the configuration asks for may have been made. An error says what
    /// is missing: the stream, its shards in time, credentials, permissions, the endpoint.
    pub async fn open(
        config: &KinesisConfig,
        saved: HashMap<ShardId, Saved>,
        now: Millis,
    ) -> Result<Self, KinesisError> {
        // Boxed: the credential chain makes a future of many kilobytes.
        let sdk = Box::pin(config.identity.load(&config.stream.to_string())).await?;
        let region = sdk.region().map(ToString::to_string).unwrap_or_default();
        let endpoint = config.identity.endpoint.as_deref();
        let mut service = Service {
            api: Api::new(&sdk, endpoint, config.stream.clone(), config.protocol),
            endpoint: endpoint
                .or(sdk.endpoint_url())
                .map_or_else(|| format!("the AWS endpoint of {region}"), str::to_owned),
            region,
            started: (now, Instant::now()),
            slept: Slept::default(),
            retention: Duration::ZERO,
            on_data_loss: config.on_data_loss,
            children: Mutex::default(),
        };
        if let Some(shards) = config.create {
            create(&service, shards).await?;
        }
        let (stream, clock) = wait_until_active(&service, config.describe_timeout).await?;
        service.set_clock(clock, stream.created_at);
        service.retention = stream.retention;
        choose_protocol(&service).await?;
        let consumer = match &config.fan_out {
            Some(name) => fan_out::consumer(&service, &stream.arn, name).await?,
            None => None,
        };
        let listed = tokio::time::timeout(config.describe_timeout, list_all(&service)).await;
        let shards = listed.map_err(|_| KinesisError::NotListed {
            stream: stream.name.clone(),
            seconds: config.describe_timeout.as_secs(),
        })??;
        debug!(stream = %stream.arn, shards = shards.len(), "stream opened");
        let (saved, at) = with_start(saved, &config.start, &shards, &stream)?;
        let scope = if config.once { Scope::UntilCaughtUp } else { Scope::Following };
        let mut lineage = Lineage::new(saved, scope);
        lineage.list(shards.clone());
        let instant = if config.once { Some(service.started.0) } else { config.until };
        Ok(Self {
            service: Arc::new(service),
            stream,
            shards,
            lineage,
            start: config.start.clone(),
            at,
            scope,
            until: Until { instant, tolerance: config.milliseconds_behind_latest },
            pace: Pace {
                limit: config.chunk_size,
                poll_interval: config.poll_interval,
                patience: config.patience,
            },
            consumer,
            listed: Some(Instant::now()),
            closed: HashMap::new(),
        })
    }

    /// Returns the source as it goes on from other positions than those it was opened with, and begins elsewhere without any.
    /// Only before the first reader is asked for. An error: `start` names a shard that the stream does not have.
    pub fn going_on_from(
        mut self,
        saved: HashMap<ShardId, Saved>,
        start: &StartAt,
    ) -> Result<Self, KinesisError> {
        let (saved, at) = with_start(saved, start, &self.shards, &self.stream)?;
        self.lineage = Lineage::new(saved, self.scope);
        self.lineage.list(self.shards.clone());
        (self.start, self.at) = (start.clone(), at);
        Ok(self)
    }

    /// Returns what the service said about the stream when it was opened.
    pub fn stream(&self) -> &StreamSummary {
        &self.stream
    }

    /// Returns the shards that were listed when the stream was opened.
    pub fn shards(&self) -> &[ShardListing] {
        &self.shards
    }

    /// Returns the region in use.
    pub fn region(&self) -> &str {
        &self.service.region
    }

    fn reader(&mut self, ready: Ready) -> ShardReader {
        let is_at = self.at.as_ref() == Some(&ready.id);
        let (start, last, part) = match (ready.from, &self.start) {
            (From::Saved(sequence), _) if is_at => (Start::At(sequence), None, None),
            (From::Saved(sequence), _) => (Start::After(sequence.clone()), Some(sequence), None),
            (From::Part { part, behind }, _) => {
                let record = part.sequence.clone();
                let start = behind.map_or(Start::At(record.clone()), Start::After);
                (start, Some(record), Some(part))
            }
            (From::RunStart, StartAt::Latest) => {
                (Start::AtTime(self.service.started.0), None, None)
            }
            (From::RunStart, StartAt::Time(instant)) => (Start::AtTime(*instant), None, None),
            (From::Time(instant), _) if instant > 0 => (Start::AtTime(instant), None, None),
            (From::Time(_) | From::Beginning | From::RunStart, _) => (Start::Earliest, None, None),
        };
        debug!(shard = %ready.id, ?start, "shard handed out");
        let closed = Arc::new(AtomicBool::new(ready.closed));
        self.closed.insert(ready.id.clone(), Arc::clone(&closed));
        let shard = (ready.id, ready.before);
        let Ready { reached, lost, is_new, .. } = ready;
        let beginning = Beginning { start, part, last, reached, lost, is_new };
        let (service, consumer) = (Arc::clone(&self.service), self.consumer.clone());
        ShardReader::new(service, shard, beginning, closed, self.until, self.pace, consumer)
    }
}

impl Source for KinesisSource {
    type Reader = ShardReader;

    async fn readers(&mut self) -> Result<Vec<ShardReader>, Failure> {
        // A run that ends takes no shard up but the children of what it finished, so time alone makes it not look again.
        let is_good = |at: Instant| self.scope == Scope::UntilCaughtUp || at.elapsed() < FRESH;
        if !self.listed.is_some_and(is_good) {
            self.lineage.list(list_all(&self.service).await?);
            self.listed = Some(Instant::now());
        }
        for shard in self.lineage.closed() {
            if let Some(closed) = self.closed.get(shard) {
                closed.store(true, Relaxed);
            }
        }
        let ready = self.lineage.hand_out();
        // Before any of them is claimed, since a claim is what tells the next run that this was dealt with.
        if self.service.on_data_loss == OnDataLoss::Fail
            && let Some((shard, parent)) =
                ready.iter().find_map(|ready| Some((&ready.id, ready.lost.as_ref()?)))
        {
            let (stream, shard) = (self.stream.name.clone(), shard.clone());
            return Err(KinesisError::DataLoss { stream, shard, how: lost(parent) }.into());
        }
        Ok(ready.into_iter().map(|ready| self.reader(ready)).collect())
    }

    fn finished(&mut self, shard: &ShardId) {
        self.lineage.finish(shard);
        self.closed.remove(shard);
        let children = self.service.take_children(shard);
        if children.is_empty() {
            self.listed = None;
        }
        self.lineage.add(children);
    }
}

/// Says that a parent is gone.
pub(crate) fn lost(parent: &ShardId) -> String {
    format!("shard {parent}, from which it comes, is gone, and was not read to its end")
}

/// Puts the position that the user gave for one shard among the saved ones, which win; returns the shard that begins at it.
///
/// The other shards are read from the oldest record on, and the ancestors of that shard not at all.
fn with_start(
    mut saved: HashMap<ShardId, Saved>,
    start: &StartAt,
    shards: &[ShardListing],
    stream: &StreamSummary,
) -> Result<(HashMap<ShardId, Saved>, Option<ShardId>), KinesisError> {
    let (StartAt::At { shard, sequence } | StartAt::After { shard, sequence }) = start else {
        return Ok((saved, None));
    };
    let given = Saved { is_given: true, ..Saved::default() };
    let row = saved.entry(shard.clone()).or_insert(given);
    if row.sequence.is_some() || row.part.is_some() || row.finished {
        return Ok((saved, None));
    }
    if !shards.iter().any(|listed| listed.id == *shard) {
        return Err(KinesisError::UnknownShard {
            stream: stream.name.clone(),
            shard: shard.clone(),
        });
    }
    row.sequence = Some(sequence.clone());
    Ok((saved, matches!(start, StartAt::At { .. }).then(|| shard.clone())))
}

async fn create(service: &Service, shards: i32) -> Result<(), KinesisError> {
    match service.api.create_stream(shards).await {
        Ok(()) => {
            info!(stream = %service.api.stream(), shards, "stream created");
            Ok(())
        }
        Err(error) if error.kind == ApiErrorKind::InUse => Ok(()),
        Err(error) => Err(service.refused(error)),
    }
}

/// Settles in which protocol records are read. The same question was answered in JSON a moment ago, so what is refused now is
/// refused for the protocol.
async fn choose_protocol(service: &Service) -> Result<(), KinesisError> {
    let mut faults = Backoff::broken();
    loop {
        let Err(error) = service.api.choose_protocol().await else { return Ok(()) };
        match error.kind {
            ApiErrorKind::Throttled | ApiErrorKind::Unreachable | ApiErrorKind::Internal
                if faults.failures < CBOR_ATTEMPTS =>
            {
                sleep(faults.pause()).await;
            }
            ApiErrorKind::Throttled
            | ApiErrorKind::Denied
            | ApiErrorKind::Expired
            | ApiErrorKind::Key => return Err(service.refused(error)),
            _ => return Err(service.not_cbor(error)),
        }
    }
}

async fn wait_until_active(
    service: &Service,
    timeout: Duration,
) -> Result<(StreamSummary, Option<Millis>), KinesisError> {
    let deadline = Instant::now() + timeout;
    let mut broken = 0;
    loop {
        let over = Instant::now() >= deadline;
        let status = match service.api.summary().await {
            Ok((summary, clock)) => match summary.status {
                // While shards are split and merged, all of them can be read.
                Status::Active | Status::Updating => return Ok((summary, clock)),
                Status::Creating => "CREATING",
                Status::Deleting => "DELETING",
            },
            Err(error) if error.kind == ApiErrorKind::Throttled && !over => {
                sleep(ASK_AGAIN * 4).await;
                continue;
            }
            // The SDK repeats what got no answer, but not what got half of one.
            Err(error)
                if matches!(error.kind, ApiErrorKind::Unreachable | ApiErrorKind::Internal)
                    && broken < 2 =>
            {
                broken += 1;
                sleep(ASK_AGAIN).await;
                continue;
            }
            Err(error) => return Err(service.refused(error)),
        };
        // What is going away does not come back.
        if over || status == "DELETING" {
            let stream = service.api.stream().to_string();
            return Err(KinesisError::NotActive { stream, status, seconds: timeout.as_secs() });
        }
        sleep(ASK_AGAIN).await;
    }
}
