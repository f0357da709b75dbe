//! What the source and its readers share: the API, the names for errors, and the clock of the run.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_flow::{Millis, ShardId};
use ctk_url::time::format_instant;
use tokio::time::Instant;
use tracing::warn;

use crate::{
    api::{Api, ApiError, ApiErrorKind, ShardListing, Start},
    config::OnDataLoss,
    error::KinesisError,
};

/// An iterator lives for five minutes, so a shorter sleep makes none expire.
const SLEEP: Millis = 240_000;

/// The stream, as it was opened.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) api: Api,
    /// For errors: the endpoint in use.
    pub(crate) endpoint: String,
    /// For errors: the region in use.
    pub(crate) region: String,
    /// The time at which the run started, and the instant at which that was.
    pub(crate) started: (Millis, Instant),
    /// What the clock lost since, while the machine slept.
    pub(crate) slept: Slept,
    /// How long the stream keeps records; zero when that is not known.
    pub(crate) retention: Duration,
    pub(crate) on_data_loss: OnDataLoss,
    /// What ended shards became, until the source asks for it.
    pub(crate) children: Mutex<Vec<ShardListing>>,
}

/// What a clock lost that stands still while the machine sleeps.
#[derive(Debug, Default)]
pub(crate) struct Slept {
    millis: AtomicI64,
    /// When that was looked at; locked while somebody looks.
    looked: tokio::sync::Mutex<Option<Instant>>,
}

impl Service {
    /// Looks at the clock of the service after something expired that should not have: the machine may have slept, and its
    /// own clock with it. Once a minute at most.
    pub(crate) async fn look_at_the_clock(&self) {
        // Who does not get it finds it looked at by somebody else.
        let Ok(mut looked) = self.slept.looked.try_lock() else { return };
        if looked.is_some_and(|at| at.elapsed() < Duration::from_mins(1)) {
            return;
        }
        let Ok((_, Some(date))) = self.api.summary().await else { return };
        *looked = Some(Instant::now());
        let lost = date.saturating_sub(self.now());
        if lost > SLEEP {
            warn!(seconds = lost / 1000, "the machine seems to have slept");
            self.slept.millis.fetch_add(lost, Relaxed);
        }
    }

    /// Takes over the clock of the service when ours differs: what is newer than the start of the run is judged by arrival
    /// times, which the service makes. A clock that is minutes slow would else end a run before its backlog is read, and one
    /// that is fast would let `latest` skip what comes next. The SDK corrects its signatures in the same way.
    pub(crate) fn set_clock(&mut self, date: Option<Millis>, stream_created_at: Millis) {
        // A date from before the stream was there is none: something on the way made it up.
        let Some(date) = date.filter(|date| *date >= stream_created_at) else { return };
        let ours = self.now();
        // A date is cut to the second and travels a while.
        if (date - 1500..date + 3000).contains(&ours) {
            return;
        }
        let ahead = ours - (date + 500);
        warn!(
            millis = ahead,
            "the clocks of this machine and of the service differ; going by the service"
        );
        self.started.0 -= ahead;
    }

    /// Returns the time of the run's clock.
    pub(crate) fn now(&self) -> Millis {
        let (millis, instant) = self.started;
        let elapsed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(i64::MAX);
        millis.saturating_add(elapsed).saturating_add(self.slept.millis.load(Relaxed))
    }

    /// Returns true when the stream still keeps what arrived at `instant`, as far as that is known.
    pub(crate) fn keeps(&self, instant: Millis) -> bool {
        let retention = Millis::try_from(self.retention.as_millis()).unwrap_or(Millis::MAX);
        retention == 0 || instant.saturating_add(retention) > self.now()
    }

    /// Notes what a shard became that was read to its end.
    pub(crate) fn note_children(&self, children: Vec<ShardListing>) {
        self.children.lock().unwrap_or_else(PoisonError::into_inner).extend(children);
    }

    /// Returns what a shard became, as far as the service told at its end.
    pub(crate) fn take_children(&self, parent: &ShardId) -> Vec<ShardListing> {
        let mut noted = self.children.lock().unwrap_or_else(PoisonError::into_inner);
        noted.extract_if(.., |child| child.parents.contains(parent)).collect()
    }

    /// Names an error that waiting does not mend.
    pub(crate) fn refused(&self, source: ApiError) -> KinesisError {
        let stream = self.api.stream().to_string();
        let region = self.region.clone();
        match source.kind {
            ApiErrorKind::NotFound => {
                KinesisError::UnknownStream { stream, endpoint: self.endpoint.clone(), region }
            }
            ApiErrorKind::NotCbor => self.not_cbor(source),
            ApiErrorKind::Denied | ApiErrorKind::Expired | ApiErrorKind::Key => {
                KinesisError::Denied { stream, region, source }
            }
            ApiErrorKind::Unreachable | ApiErrorKind::Internal => {
                KinesisError::Unreachable { endpoint: self.endpoint.clone(), source }
            }
            _ => KinesisError::Api { stream, source },
        }
    }

    /// Names an endpoint that does not answer in CBOR, but does in JSON.
    pub(crate) fn not_cbor(&self, source: ApiError) -> KinesisError {
        KinesisError::NotCbor { endpoint: self.endpoint.clone(), source }
    }

    /// Names a position that the service refuses.
    pub(crate) fn bad_position(
        &self,
        shard: &ShardId,
        start: &Start,
        source: ApiError,
    ) -> KinesisError {
        let position = match start {
            Start::Earliest => "earliest".to_owned(),
            Start::AtTime(millis) => format_instant(*millis),
            Start::At(sequence) | Start::After(sequence) => sequence.to_string(),
        };
        KinesisError::BadPosition {
            stream: self.api.stream().to_string(),
            shard: shard.clone(),
            position,
            source,
        }
    }
}
