//! Notices a shard that stands still: it is behind, and neither records come nor does the place in it move on.
//!
//! An empty answer that is behind says nothing by itself, and thousands of them may follow each other in a shard with long
//! gaps (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>). But each of them is further in time
//! than the one before: the distance to the tip shrinks, or grows more slowly than the clock. Pure: it only computes.

use std::time::Duration;

use ctk_flow::Millis;
use tokio::time::Instant;

/// What counts as a step forward.
const STEP: Millis = 1000;

/// Watches one shard.
#[derive(Debug)]
pub(crate) struct Watchdog {
    patience: Duration,
    /// The furthest place in time, and since when it is that.
    place: Option<(Millis, Instant)>,
}

impl Watchdog {
    /// Returns a watchdog that gives a shard this long to move.
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience, place: None }
    }

    /// Notes that the shard moves, or has nowhere to go.
    pub(crate) fn is_fine(&mut self) {
        self.place = None;
    }

    /// Notes an empty answer `behind` the tip; true when the shard has stood still for too long. It is given the same time
    /// again then.
    pub(crate) fn is_stuck(&mut self, now: Millis, behind: Duration) -> bool {
        let behind = Millis::try_from(behind.as_millis()).unwrap_or(Millis::MAX);
        let place = now.saturating_sub(behind);
        let (furthest, since) = self.place.unwrap_or((place, Instant::now()));
        let moved = place >= furthest.saturating_add(STEP);
        let is_stuck = !moved && since.elapsed() >= self.patience;
        let since = if moved || is_stuck { Instant::now() } else { since };
        self.place = Some((if moved { place } else { furthest }, since));
        is_stuck
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(5);

    /// Asks once a second for so long, with a distance for each second; returns when it barked.
    async fn watch(seconds: u64, behind: impl Fn(u64) -> u64) -> Vec<u64> {
        let mut watchdog = Watchdog::new(PATIENCE);
        let mut barked = Vec::new();
        for second in 0..seconds {
            let now = Millis::try_from(second * 1000).expect("small") + 1_700_000_000_000;
            if watchdog.is_stuck(now, Duration::from_secs(behind(second))) {
                barked.push(second);
            }
            advance(Duration::from_secs(1)).await;
        }
        barked
    }

    #[tokio::test(start_paused = true)]
    async fn it_barks_at_what_stands_still() {
        assert_eq!(watch(1000, |second| 100_000 + second).await, [300, 600, 900]);
        // A long gap: far behind, and nearer with every answer, or at least not left behind by the clock.
        assert!(watch(1000, |second| 100_000 - second).await.is_empty());
        assert!(watch(1000, |second| 100_000 + second / 2).await.is_empty());
        assert!(watch(1000, |_| 100_000).await.is_empty());
        // It moves for a while and stops.
        assert_eq!(watch(1000, |second| 100_000 + second.saturating_sub(500)).await, [800]);
    }

    #[tokio::test(start_paused = true)]
    async fn records_calm_it() {
        let mut watchdog = Watchdog::new(PATIENCE);
        let behind = Duration::from_hours(1);
        assert!(!watchdog.is_stuck(7_200_000, behind));
        advance(PATIENCE).await;
        watchdog.is_fine();
        assert!(!watchdog.is_stuck(7_200_000, behind));
    }
}
