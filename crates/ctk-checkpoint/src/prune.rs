//! Which checkpoints are to be deleted. Pure: the time comes in once, so that all that is shown, counted and deleted is
//! measured against one cutoff.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use ctk_flow::Millis;
use thiserror::Error;

use crate::{Checkpoint, time::FOUR_DIGIT_YEARS};

/// What to do with checkpoints that a run may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// They stay; those of which nobody said whether they are active as well.
    Keep,
    /// They are treated like the others.
    Include,
}

/// Which checkpoints are meant: all of the conditions have to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    cutoff: Option<Millis>,
    namespace: Option<String>,
    active: Active,
}

/// Why a filter cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// It would mean everything.
    #[error("at least one of --older-than or --namespace is required")]
    Unlimited,
    /// The duration reaches back before the year 1.
    #[error("the duration of --older-than is too long")]
    TooLong,
}

impl Filter {
    /// Returns a filter for what was written last before `now` minus `older_than`, in one namespace or in all.
    ///
    /// An empty namespace is none, as on the command line of the Python `ctk`.
    pub fn new(
        older_than: Option<Duration>,
        now: Millis,
        namespace: Option<&str>,
        active: Active,
    ) -> Result<Self, FilterError> {
        let namespace = namespace.filter(|namespace| !namespace.is_empty()).map(str::to_owned);
        let cutoff = older_than.map(|older_than| cutoff(now, older_than)).transpose()?;
        if cutoff.is_none() && namespace.is_none() {
            return Err(FilterError::Unlimited);
        }
        Ok(Self { cutoff, namespace, active })
    }

    /// Returns whether a checkpoint is to be deleted. What has no time is never too old.
    pub fn is_prunable(&self, checkpoint: &Checkpoint) -> bool {
        let idle = self.active == Active::Include || checkpoint.active == Some(false);
        let old = self.cutoff.is_none_or(|cutoff| {
            checkpoint.updated_at.is_some_and(|updated_at| updated_at < cutoff)
        });
        let meant =
            self.namespace.as_ref().is_none_or(|namespace| *namespace == checkpoint.namespace);
        idle && old && meant
    }

    /// Returns the namespace, when there is one.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Returns the cutoff, when there is one, as the Python `ctk` prints it: `2026-11-13T16:14:38.546000+00:00`.
    pub fn cutoff_text(&self) -> Option<String> {
        let time = DateTime::from_timestamp_millis(self.cutoff?)?;
        Some(time.to_rfc3339_opts(SecondsFormat::Micros, false))
    }
}

fn cutoff(now: Millis, older_than: Duration) -> Result<Millis, FilterError> {
    let millis = Millis::try_from(older_than.as_millis()).map_err(|_| FilterError::TooLong)?;
    let cutoff = now.checked_sub(millis).ok_or(FilterError::TooLong)?;
    if FOUR_DIGIT_YEARS.contains(&cutoff) { Ok(cutoff) } else { Err(FilterError::TooLong) }
}

#[cfg(test)]
mod tests {
    use ctk_flow::ShardId;

    use super::*;

    const NOW: Millis = 1_795_199_400_000;
    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn conditions_are_joined() {
        let check = |filter: &Filter,
                     namespace: &str,
                     active: Option<bool>,
                     days: Option<i64>,
                     expected: bool| {
            let mut checkpoint = Checkpoint::new(namespace, ShardId::new("s"));
            checkpoint.active = active;
            checkpoint.updated_at = days.map(|days| NOW - days * 86_400_000);
            assert_eq!(filter.is_prunable(&checkpoint), expected, "{filter:?} {checkpoint:?}");
        };
        let old = Filter::new(Some(DAY * 7), NOW, None, Active::Keep).unwrap();
        check(&old, "a", Some(false), Some(8), true);
        check(&old, "a", Some(false), Some(7), false);
        check(&old, "a", Some(false), Some(-1), false);
        check(&old, "a", Some(false), None, false);
        check(&old, "a", Some(true), Some(8), false);
        check(&old, "a", None, Some(8), false);

        let all = Filter::new(Some(DAY * 7), NOW, Some(""), Active::Include).unwrap();
        check(&all, "a", Some(true), Some(8), true);
        check(&all, "a", None, Some(8), true);
        check(&all, "a", Some(true), Some(6), false);

        let named = Filter::new(None, NOW, Some("a"), Active::Keep).unwrap();
        check(&named, "a", Some(false), None, true);
        check(&named, "a", Some(true), None, false);
        check(&named, "b", Some(false), None, false);
        check(&named, "A", Some(false), None, false);

        let both = Filter::new(Some(DAY), NOW, Some("a"), Active::Keep).unwrap();
        check(&both, "a", Some(false), Some(2), true);
        check(&both, "b", Some(false), Some(2), false);
        check(&both, "a", Some(false), Some(0), false);
    }

    #[test]
    fn filters_have_limits() {
        let check = |older_than: Option<Duration>,
                     namespace: Option<&str>,
                     expected: Result<Option<&str>, FilterError>| {
            let filter = Filter::new(older_than, NOW, namespace, Active::Keep);
            assert_eq!(
                filter.map(|filter| filter.cutoff_text()),
                expected.map(|text| text.map(str::to_owned))
            );
        };
        check(None, None, Err(FilterError::Unlimited));
        check(None, Some(""), Err(FilterError::Unlimited));
        check(None, Some("a"), Ok(None));
        check(Some(DAY), None, Ok(Some("2026-11-19T18:30:00.000000+00:00")));
        check(Some(DAY * 999_999), None, Err(FilterError::TooLong));
        check(Some(DAY * 1_000_000_000), None, Err(FilterError::TooLong));
        check(Some(Duration::MAX), Some("a"), Err(FilterError::TooLong));
        check(Some(DAY * 730_000), None, Ok(Some("0028-03-19T18:30:00.000000+00:00")));
    }
}
