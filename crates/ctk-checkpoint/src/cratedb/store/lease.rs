//! Whose a row is, and for how long. Pure: the time is handed in, and is that of the database.

use std::time::Duration;

use ctk_flow::Millis;

use super::Row;
use crate::holder::random;

/// What this run writes into the rows that it holds.
#[derive(Debug)]
pub(super) struct Lease {
    owner: String,
    length: Duration,
}

impl Lease {
    pub(super) fn new(owner: String, length: Duration) -> Self {
        Self { owner, length }
    }

    /// Returns when a lease ends that begins now.
    pub(super) fn end(&self, now: Millis) -> Millis {
        let length = Millis::try_from(self.length.as_millis()).unwrap_or(Millis::MAX);
        // The year 9999 is enough for anybody, and more than that no client can show.
        now.saturating_add(length).min(*crate::time::FOUR_DIGIT_YEARS.end())
    }

    /// Returns how often to look whether another lease has ended.
    pub(super) fn poll(&self) -> Duration {
        (self.length / 8).clamp(Duration::from_millis(250), Duration::from_secs(1))
    }

    pub(super) fn is_ours(&self, row: &Row) -> bool {
        row.owner.as_ref() == Some(&self.owner)
    }

    /// Returns true when another run holds the row, and is presumed to live.
    pub(super) fn is_anothers(&self, row: &Row, now: Millis) -> bool {
        let is_live =
            row.checkpoint.active == Some(true) && row.lease_until.is_some_and(|until| until > now);
        row.owner.is_some() && !self.is_ours(row) && is_live
    }

    /// Makes the row ours until then, or leaves it so for longer.
    pub(super) fn renew(&self, row: &mut Row, until: Millis) {
        if !self.is_ours(row) {
            row.owner = Some(self.owner.clone());
            row.lease_until = None;
        }
        row.lease_until = row.lease_until.max(Some(until));
        row.checkpoint.active = Some(true);
    }

    /// Makes the row nobody's.
    pub(super) fn clear(row: &mut Row) {
        row.owner = None;
        row.lease_until = None;
        row.checkpoint.active = Some(false);
    }
}

/// Returns 128 random bits as hexadecimal digits.
pub(super) fn token() -> String {
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use ctk_flow::ShardId;

    use super::*;
    use crate::Checkpoint;

    fn row(owner: Option<&str>, active: Option<bool>, lease_until: Option<Millis>) -> Row {
        let mut row = Row::new(Checkpoint::new("n", ShardId::new("s")));
        row.owner = owner.map(str::to_owned);
        row.checkpoint.active = active;
        row.lease_until = lease_until;
        row
    }

    #[test]
    fn a_row_is_anothers_while_its_lease_lasts() {
        let lease = Lease::new("me".into(), Duration::from_secs(1));
        let check = |row: &Row, expected: bool| {
            assert_eq!(lease.is_anothers(row, 1000), expected, "{row:?}");
        };
        check(&row(Some("other"), Some(true), Some(1001)), true);
        check(&row(Some("other"), Some(true), Some(1000)), false);
        check(&row(Some("other"), Some(true), None), false);
        check(&row(Some("other"), Some(false), Some(1001)), false);
        check(&row(Some("me"), Some(true), Some(1001)), false);
        check(&row(None, Some(true), Some(1001)), false);
        check(&row(None, Some(true), None), false);
    }

    #[test]
    fn a_lease_is_renewed_and_never_shortened() {
        let lease = Lease::new("me".into(), Duration::from_secs(1));
        let check = |mut before: Row, until: Millis, expected: Millis| {
            lease.renew(&mut before, until);
            assert_eq!(before, row(Some("me"), Some(true), Some(expected)));
        };
        check(row(None, None, None), lease.end(1000), 2000);
        check(row(Some("me"), Some(false), Some(1000)), 2000, 2000);
        check(row(Some("me"), Some(true), Some(3000)), 2000, 3000);
        check(row(Some("other"), Some(true), Some(3000)), 2000, 2000);
        let forever = Lease::new("me".into(), Duration::MAX);
        assert_eq!(forever.end(1000), 253_402_300_799_999);
        assert_eq!(forever.poll(), Duration::from_secs(1));
    }

    #[test]
    fn tokens_differ() {
        let (a, b) = (token(), token());
        assert_ne!(a, b);
        assert!(a.len() == 32 && a.bytes().all(|digit| digit.is_ascii_hexdigit()), "{a}");
    }
}
