//! How long ago something was, in one unit, for tables that people read.

use std::time::Duration;

use ctk_flow::Millis;

/// Returns how long before `now` it was: `12 s ago`, `5 min ago`, `3 h ago`, `2 d ago`, `in the future`. Rounded down.
pub fn age(at: Millis, now: Millis) -> String {
    if at > now {
        return "in the future".to_owned();
    }
    format!("{} ago", span(Duration::from_millis(now.saturating_sub(at).unsigned_abs())))
}

/// Returns a span in one unit: `12 s`, `5 min`, `3 h`, `2 d`. Rounded down.
pub fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..86400 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let check = |millis: Millis, expected: &str| {
            assert_eq!(age(1_795_199_400_000 - millis, 1_795_199_400_000), expected);
        };
        check(0, "0 s ago");
        check(999, "0 s ago");
        check(12_000, "12 s ago");
        check(59_999, "59 s ago");
        check(60_000, "1 min ago");
        check(3_599_999, "59 min ago");
        check(3_600_000, "1 h ago");
        check(86_399_999, "23 h ago");
        check(86_400_000, "1 d ago");
        check(3 * 86_400_000, "3 d ago");
        check(-1, "in the future");
        assert_eq!(age(Millis::MIN, Millis::MAX), "106751991167 d ago");
        assert_eq!(age(Millis::MAX, Millis::MIN), "in the future");
    }
}
