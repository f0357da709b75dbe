//! Enhanced fan-out: the service sends the records of a shard to a registered consumer, in place of being asked for them.
//!
//! [`consumer()`] finds or registers the consumer; [`FanOut`] is one shard of it, and hands out what came in the order in
//! which it came, nothing twice. A subscription lives five minutes at most; `renewal` makes a new one behind the last
//! event, in a task of its own, so that pauses and silence are measured while nobody asks. That task reads one event ahead
//! and no further: the connection holds the rest back.
//!
//! An event says where the shard stood when the service sent it, which may be long ago. What it says about the tip is good
//! for a lag, and proves no end: where a run ends, and whether a shard without children is closed, only a poll can tell.

mod consumer;
mod renewal;
#[cfg(test)]
mod tests;

use std::{panic::resume_unwind, sync::Arc, time::Duration};

use ctk_flow::ShardId;
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
    time::{Instant, timeout},
};

use crate::{
    api::{ApiError, Event, Records, Start, Subscription},
    service::Service,
};
pub(crate) use consumer::consumer;
use renewal::Renewal;

/// After so long without an event, the caller may look at the clock. AWS sends an event every few seconds, records or not.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// One call per second, consumer and shard
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html>).
const SPACING: Duration = Duration::from_secs(1);

/// Who can be subscribed with: the service, or a script in tests.
pub(crate) trait Subscribe: Clone + Send + Sync + 'static {
    /// A subscription. Dropping it ends it.
    type Events: Events;

    /// Returns the shard, for reports.
    fn shard(&self) -> &ShardId;

    /// Subscribes. Not cancel safe: a dropped call may have taken effect, and stands in the way of the next one.
    fn subscribe(
        &self,
        start: &Start,
    ) -> impl Future<Output = Result<Self::Events, ApiError>> + Send;
}

/// What a subscription brings.
pub(crate) trait Events: Send {
    /// Returns the next event, or nothing at the end of the subscription.
    fn next(&mut self) -> impl Future<Output = Result<Option<Event>, ApiError>> + Send;
}

/// A shard of the real service.
#[derive(Clone, Debug)]
pub(crate) struct Wire {
    service: Arc<Service>,
    consumer_arn: Arc<str>,
    shard: ShardId,
}

/// What comes of one shard. Dropping it ends the subscription.
#[derive(Debug)]
pub(crate) struct FanOut<S = Wire> {
    source: S,
    /// One task at most: it subscribes, and subscribes again.
    task: JoinSet<()>,
    /// From that task.
    events: Option<mpsc::Receiver<Result<Records, ApiError>>>,
    /// Came, and was not taken yet.
    arrived: Option<Result<Records, ApiError>>,
    /// No call before.
    earliest: Instant,
}

impl FanOut {
    /// Returns a shard that nobody subscribed to yet. No call is made.
    pub(crate) fn new(service: Arc<Service>, consumer_arn: Arc<str>, shard: ShardId) -> Self {
        Self::from(Wire { service, consumer_arn, shard })
    }
}

impl<S: Subscribe> FanOut<S> {
    fn from(source: S) -> Self {
        Self { source, task: JoinSet::new(), events: None, arrived: None, earliest: Instant::now() }
    }

    /// Waits until there is something to take, or some seconds have passed.
    ///
    /// Without a subscription one is begun at `from`; later ones go on by themselves, and `from` says nothing. Cancel safe:
    /// what arrived is kept, and a call on its way goes on.
    pub(crate) async fn ready(&mut self, from: &Start) {
        if self.arrived.is_some() {
            return;
        }
        let events = match self.events.take() {
            Some(events) => events,
            None => self.begin(from),
        };
        let events = self.events.insert(events);
        match timeout(LONGEST_WAIT, events.recv()).await {
            Ok(Some(arrived)) => self.arrived = Some(arrived),
            Err(_) => {}
            // The task ends by itself only with something that is taken first, so this is a defect, and the reader's own.
            Ok(None) => {
                self.events = None;
                while let Some(ended) = self.task.join_next().await {
                    if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
                        resume_unwind(panic);
                    }
                }
            }
        }
    }

    /// Returns what is there now: records (often none) or an error that waiting does not mend. Never waits.
    ///
    /// `next` is `None` behind the last record of a closed shard, and only there. After that, and after an error, there is
    /// no subscription any more.
    pub(crate) fn take(&mut self) -> Option<Result<Records, ApiError>> {
        let arrived = self.arrived.take().or_else(|| self.events.as_mut()?.try_recv().ok())?;
        if !matches!(&arrived, Ok(records) if records.next.is_some()) {
            self.reset();
        }
        Some(arrived)
    }

    /// Forgets the subscription and what it brought: the next one begins at what [`Self::ready`] is given.
    pub(crate) fn reset(&mut self) {
        self.task.abort_all();
        self.arrived = None;
        if self.events.take().is_some() {
            // Its last call may have been made just now.
            self.earliest = Instant::now() + SPACING;
        }
    }

    fn begin(&mut self, from: &Start) -> mpsc::Receiver<Result<Records, ApiError>> {
        let (sender, events) = mpsc::channel(1);
        let renewal = Renewal::new(self.source.clone(), from.clone());
        while self.task.try_join_next().is_some() {}
        self.task.spawn(renewal.run(sender, self.earliest));
        events
    }
}

impl Subscribe for Wire {
    type Events = Subscription;

    fn shard(&self) -> &ShardId {
        &self.shard
    }

    async fn subscribe(&self, start: &Start) -> Result<Subscription, ApiError> {
        // Boxed: a call of the SDK is a future of many kilobytes, and this one lies in the task of every shard.
        Box::pin(self.service.api.subscribe(&self.consumer_arn, &self.shard, start)).await
    }
}

impl Events for Subscription {
    async fn next(&mut self) -> Result<Option<Event>, ApiError> {
        Self::next(self).await
    }
}
