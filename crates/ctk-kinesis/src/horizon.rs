//! Whether the stream still has what comes next. Pure: what is known goes in, a judgement comes out.
//!
//! A stream keeps records for its retention, 24 hours unless it was told otherwise
//! (<https://docs.aws.amazon.com/streams/latest/dev/kinesis-extended-retention.html>). Who asks for an older position is given
//! the oldest record without a word. So when everything up to an instant is done, and the stream may have let go of what
//! arrived since, the oldest record is looked at:
//!
//! - it is not behind the last one that is done, or arrived before that instant: nothing is missing;
//! - else, or when there is none: what came in between may be lost. Nobody can tell how much, or whether there was anything.
//!
//! It is looked at once where an earlier run left off, and before every read of a shard that was well within the retention
//! and fell out of it. A shard that begins with the oldest record is not judged until it is well within: what expires in the
//! moment in which it begins was promised to nobody.

use std::time::Duration;

use ctk_flow::{Millis, Sequence};

/// A stream keeps its records for this long at least. How long it kept them before its retention was raised, nobody says.
const LEAST: Millis = 86_400_000;
/// Well within.
const WITHIN: Millis = 600_000;

/// What is done of a shard, and what the stream promises to keep.
#[derive(Debug)]
pub(crate) struct Horizon {
    /// Zero: nothing is known about it.
    retention: Millis,
    /// The last record that is done, whole or in part.
    last: Option<Sequence>,
    /// What arrived before this instant is done.
    reached: Option<Millis>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// An earlier run left off here, and nothing was read since.
    Resumed,
    /// Near the oldest record.
    Near,
    Within,
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
        let reached = reached.filter(|reached| *reached > 0);
        Self { retention, last, reached, state: State::Resumed }
    }

    /// Notes that records were handed out, `last` being the last of them, and that all before `reached` were.
    pub(crate) fn moved(&mut self, last: Option<&Sequence>, reached: Option<Millis>, now: Millis) {
        if let Some(last) = last {
            self.last = Some(last.clone());
        }
        self.reached = self.reached.max(reached);
        let is_within = self.reached.is_some_and(|reached| {
            reached.saturating_add(self.retention) > now.saturating_add(WITHIN)
        });
        self.state = match self.state {
            _ if is_within => State::Within,
            State::Resumed => State::Near,
            state => state,
        };
    }

    /// Returns true when the oldest record is to be looked at before the next read.
    pub(crate) fn is_due(&self, now: Millis) -> bool {
        let kept = match self.state {
            State::Resumed => self.retention.min(LEAST),
            State::Near => return false,
            State::Within => self.retention,
        };
        match (self.reached, &self.last) {
            _ if self.retention == 0 => false,
            (Some(reached), _) => reached.saturating_add(kept) < now,
            // Left by another tool, which notes no time.
            (None, Some(_)) => true,
            (None, None) => false,
        }
    }

    /// Returns true when records may be missing before `oldest`, the oldest record of the shard and when it arrived.
    pub(crate) fn judge(&mut self, oldest: Option<(&Sequence, Option<Millis>)>) -> bool {
        if self.state == State::Resumed {
            self.state = State::Near;
        }
        let Some((sequence, arrived)) = oldest else { return true };
        let is_done = self.last.as_ref().is_some_and(|last| sequence <= last);
        let is_earlier =
            arrived.zip(self.reached).is_some_and(|(arrived, reached)| arrived < reached);
        !is_done && !is_earlier
    }

    /// Returns true when everything at `place` and before it in time is known to be done or gone.
    pub(crate) fn is_passed(&self, place: Millis) -> bool {
        self.reached.is_some_and(|reached| place > reached)
    }

    /// Forgets what is done: the user wants to go on behind the gap.
    pub(crate) fn forget(&mut self) {
        (self.last, self.reached, self.state) = (None, None, State::Near);
    }

    /// Returns the instant before which all is done.
    pub(crate) fn reached(&self) -> Option<Millis> {
        self.reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Millis = 86_400_000;
    const NOW: Millis = 100 * DAY;

    fn horizon(days: u64, last: Option<&str>, reached: Option<Millis>) -> Horizon {
        Horizon::new(Duration::from_hours(24 * days), last.map(Sequence::new), reached)
    }

    #[test]
    fn where_an_earlier_run_left_off_is_looked_at_when_something_may_be_gone() {
        let check = |days: u64, last: Option<&str>, reached: Option<Millis>, expected: bool| {
            let due = horizon(days, last, reached).is_due(NOW);
            assert_eq!(due, expected, "{days} {last:?} {reached:?}");
        };
        check(1, None, None, false);
        check(1, None, Some(0), false);
        check(1, Some("5"), None, true);
        check(1, Some("5"), Some(NOW), false);
        // Daily runs: as long as they are no further apart than the retention.
        check(1, Some("5"), Some(NOW - DAY), false);
        check(1, Some("5"), Some(NOW - DAY - 1), true);
        check(1, None, Some(NOW - 2 * DAY), true);
        // The retention may have been raised since, for what is left.
        check(7, Some("5"), Some(NOW - 2 * DAY), true);
        check(7, Some("5"), Some(NOW - DAY / 2), false);
        check(0, Some("5"), Some(1), false);
    }

    #[test]
    fn a_shard_is_judged_once_at_its_start_and_when_it_falls_behind() {
        let mut horizon = horizon(1, Some("5"), Some(NOW - 2 * DAY));
        assert!(!horizon.judge(Some((&Sequence::new("5"), None))));
        assert!(!horizon.is_due(NOW), "once");
        // Near the horizon, it may lose the race against it; then well within.
        horizon.moved(Some(&Sequence::new("6")), Some(NOW - DAY - 1), NOW);
        assert!(!horizon.is_due(NOW));
        horizon.moved(Some(&Sequence::new("7")), Some(NOW - DAY / 2), NOW);
        assert!(!horizon.is_due(NOW));
        // Too slow for half a day: before every read, until it is within again.
        for _ in 0..2 {
            assert!(horizon.is_due(NOW + DAY));
            assert!(!horizon.judge(Some((&Sequence::new("7"), None))));
        }
        assert!(horizon.judge(Some((&Sequence::new("9"), None))));
        horizon.forget();
        assert!(!horizon.is_due(NOW + 50 * DAY));
    }

    #[test]
    fn a_first_read_is_judged_by_nobody() {
        let mut horizon = horizon(1, None, None);
        assert!(!horizon.is_due(NOW));
        horizon.moved(Some(&Sequence::new("1")), Some(NOW - DAY + 5000), NOW);
        assert!(!horizon.is_due(NOW + 6000));
        horizon.moved(Some(&Sequence::new("2")), Some(Millis::MAX), NOW);
        assert!(!horizon.is_due(NOW));
    }

    #[test]
    fn the_oldest_record_tells() {
        let check = |last: Option<&str>, oldest: Option<(&str, Option<Millis>)>, expected: bool| {
            let sequence = oldest.map(|(sequence, _)| Sequence::new(sequence));
            let oldest = sequence.as_ref().zip(oldest.map(|(_, arrived)| arrived));
            assert_eq!(horizon(1, last, Some(DAY)).judge(oldest), expected, "{last:?} {oldest:?}");
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
