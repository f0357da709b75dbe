//! The whole listing of a stream's shards, over all pages.

use std::collections::HashSet;

use tokio::time::sleep;
use tracing::{debug, warn};

use crate::{
    api::{ApiErrorKind, Page, ShardListing},
    error::KinesisError,
    pacer::Backoff,
    service::Service,
};

/// Returns every shard that the stream still keeps.
///
/// Temporary faults are waited out; a token that expires begins the listing again. A shard that two pages show is taken once.
pub(crate) async fn list_all(service: &Service) -> Result<Vec<ShardListing>, KinesisError> {
    let (mut throttles, mut faults, mut restarts) =
        (Backoff::throttled(), Backoff::broken(), Backoff::broken());
    let mut shards = Vec::new();
    let mut seen = HashSet::new();
    let mut token: Option<String> = None;
    loop {
        let page = token.as_deref().map_or(Page::First, Page::After);
        let error = match service.api.list_shards(page).await {
            Ok(page) => {
                shards
                    .extend(page.shards.into_iter().filter(|shard| seen.insert(shard.id.clone())));
                match page.next {
                    Some(next) if token.as_ref() != Some(&next) => token = Some(next),
                    Some(_) | None => return Ok(shards),
                }
                continue;
            }
            Err(error) => error,
        };
        let pause = match error.kind {
            ApiErrorKind::ExpiredNextToken => {
                token = None;
                restarts.pause()
            }
            ApiErrorKind::Throttled => throttles.pause(),
            ApiErrorKind::Unreachable | ApiErrorKind::Internal => faults.pause(),
            _ => return Err(service.refused(error)),
        };
        if (throttles.failures + faults.failures + restarts.failures).is_multiple_of(4) {
            warn!(%error, "still trying to list the shards");
        } else {
            debug!(?pause, %error, "listing the shards again");
        }
        sleep(pause).await;
    }
}
