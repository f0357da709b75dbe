//! Whether the stream still has what comes next. Pure: what is known goes in, a judgement comes out.
//!
//! A stream keeps records for its retention, 24 hours unless it was told otherwise
//! (<https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html>). Who asks for an older position is given
//! the oldest record without a word. So when everything up to an instant is done, and the stream may have let go of what
//! arrived since, the oldest record is looked at:
//!
//! - it is not behind the last one that is done, or arrived before that instant: nothing is missing;
//! - else, or when there is none: what came in between may be lost. Nobody can tell how much, or whether there was anything.

use std::time::Duration;

use ctk_flow::{Millis, Sequence};
use tokio::time::Instant;

/// Records go a little before or after their time.
const SLACK: Millis = 60_000;
/// A shard that is read near the end of the retention is not looked at more often than this.
const AGAIN: Duration = Duration::from_mins(1);

/// What is done of a shard, and what the stream promises to keep.
#[derive(Debug)]
pub(crate) struct Horizon {
    /// Zero: nothing is known about it.
    retention: Millis,
    /// The last record that is done, whole or in part.
    last: Option<Sequence>,
    /// What arrived before this instant is done.
    reached: Option<Millis>,
    looked: Option<Instant>,
}

impl Horizon {
    /// Returns the horizon of a shard of which `last` and `reached` are known from earlier runs.
    pub(crate) fn new(
        retention: Duration,
        last: Option<Sequence>,
        reached: Option<Millis>,
    ) -> Self {
        let retention = Millis::try_from(retention.as_millis()).unwrap_or(Millis::MAX);
        // The beginning of a shard is no instant that could expire.
        Self { retention, last, reached: reached.filter(|reached| *reached > 0), looked: None }
    }

    /// Notes that records were handed out, `last` being the last of them, and that all before `reached` were.
    pub(crate) fn moved(&mut self, last: Option<&Sequence>, reached: Option<Millis>) {
        if let Some(last) = last {
            self.last = Some(last.clone());
        }
        self.reached = self.reached.max(reached);
    }

    /// Returns true when the oldest record is to be looked at.
    pub(crate) fn is_due(&self, now: Millis) -> bool {
        let may_be_gone = match (self.reached, &self.last) {
            (Some(reached), _) => reached.saturating_add(self.retention) < now + SLACK,
            // Another tool left a position without a time.
            (None, Some(_)) => self.looked.is_none(),
            (None, None) => false,
        };
        may_be_gone && self.retention > 0 && self.looked.is_none_or(|at| at.elapsed() >= AGAIN)
    }

    /// Returns true when records may be missing before `oldest`, the oldest record of the shard and when it arrived.
    pub(crate) fn judge(&mut self, oldest: Option<(&Sequence, Option<Millis>)>) -> bool {
        self.looked = Some(Instant::now());
        let Some((sequence, arrived)) = oldest else { return true };
        let is_done = self.last.as_ref().is_some_and(|last| sequence <= last);
        let is_earlier =
            arrived.zip(self.reached).is_some_and(|(arrived, reached)| arrived < reached);
        !is_done && !is_earlier
    }

    /// Forgets what is done: the user wants to go on behind the gap.
    pub(crate) fn forget(&mut self) {
        (self.last, self.reached) = (None, None);
    }

    /// Returns the instant before which all is done.
    pub(crate) fn reached(&self) -> Option<Millis> {
        self.reached
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const DAY: Millis = 86_400_000;
    const RETENTION: Duration = Duration::from_hours(24);

    fn horizon(last: Option<&str>, reached: Option<Millis>) -> Horizon {
        Horizon::new(RETENTION, last.map(Sequence::new), reached)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_looked_at_when_something_may_be_gone() {
        let check = |last: Option<&str>, reached: Option<Millis>, expected: bool| {
            assert_eq!(horizon(last, reached).is_due(10 * DAY), expected, "{last:?} {reached:?}");
        };
        check(None, None, false);
        check(None, Some(0), false);
        check(Some("5"), None, true);
        check(Some("5"), Some(10 * DAY), false);
        check(Some("5"), Some(9 * DAY + 2 * SLACK), false);
        check(Some("5"), Some(9 * DAY), true);
        check(None, Some(8 * DAY), true);
        assert!(!Horizon::new(Duration::ZERO, None, Some(1)).is_due(10 * DAY));

        // Not again and again; and not any more, once reading has caught up.
        let mut horizon = horizon(Some("5"), Some(9 * DAY));
        assert!(!horizon.judge(Some((&Sequence::new("5"), None))));
        assert!(!horizon.is_due(10 * DAY));
        advance(AGAIN).await;
        assert!(horizon.is_due(10 * DAY));
        horizon.moved(Some(&Sequence::new("9")), Some(9 * DAY + DAY / 2));
        assert!(!horizon.is_due(10 * DAY));
        horizon.forget();
        assert!(!horizon.is_due(100 * DAY));
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_record_tells() {
        let check = |last: Option<&str>, oldest: Option<(&str, Option<Millis>)>, expected: bool| {
            let sequence = oldest.map(|(sequence, _)| Sequence::new(sequence));
            let oldest = sequence.as_ref().zip(oldest.map(|(_, arrived)| arrived));
            assert_eq!(horizon(last, Some(DAY)).judge(oldest), expected, "{last:?} {oldest:?}");
        };
        check(Some("50"), Some(("9", Some(2 * DAY))), false);
        check(Some("50"), Some(("50", Some(2 * DAY))), false);
        check(Some("50"), Some(("51", Some(2 * DAY))), true);
        check(Some("50"), Some(("51", Some(DAY - 1))), false);
        check(Some("50"), Some(("51", None)), true);
        check(Some("50"), None, true);
        check(None, Some(("51", Some(2 * DAY))), true);
        check(None, Some(("51", Some(DAY - 1))), false);
        check(None, None, true);
    }
}
