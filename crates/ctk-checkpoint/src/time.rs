//! Times as text: what we write, and what other tools wrote.

use chrono::{DateTime, NaiveDateTime, SecondsFormat};
use ctk_flow::Millis;

/// The first millisecond of the year 1, and the last of the year 9999: what has four digits sorts as text.
pub(crate) const FOUR_DIGIT_YEARS: std::ops::RangeInclusive<Millis> =
    -62_135_596_800_000..=253_402_300_799_999;

/// Returns a time as ISO 8601 in UTC with milliseconds, as `2026-11-20T18:30:00.123Z`; beyond chrono's years, the number.
pub fn iso(at: Millis) -> String {
    match DateTime::from_timestamp_millis(at) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => at.to_string(),
    }
}

/// Returns the time that a text names: ISO 8601 with `T` or a blank, without a zone in UTC, or milliseconds since 1970.
pub fn parse(text: &str) -> Option<Millis> {
    let text = text.trim();
    if let Ok(millis) = text.parse() {
        return Some(millis);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.timestamp_millis());
    }
    // What PostgreSQL makes of a time in a column of text, whose zone may be of two digits.
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z") {
        return Some(time.timestamp_millis());
    }
    // SQLite's own `CURRENT_TIMESTAMP`, and what drivers make of a time without a zone.
    let naive = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
    naive
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_of_other_tools_are_read() {
        let check =
            |text: &str, expected: Option<Millis>| assert_eq!(parse(text), expected, "{text}");
        check("2026-11-20T18:30:00.123Z", Some(1_795_199_400_123));
        check("2026-11-20 18:30:00", Some(1_795_199_400_000));
        check("2026-11-20 18:30:00.123456", Some(1_795_199_400_123));
        check("2026-11-20T18:30:00.123456", Some(1_795_199_400_123));
        check("2026-11-20 20:30:00.123456+02:00", Some(1_795_199_400_123));
        check("2026-11-20T20:30:00+02:00", Some(1_795_199_400_000));
        check("2026-11-20 18:30:00.123456+00", Some(1_795_199_400_123));
        check("2026-11-20 20:30:00+02", Some(1_795_199_400_000));
        check(" 1795199400123 ", Some(1_795_199_400_123));
        check("yesterday", None);
        check("2026-11-20", None);
        check("", None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_sorts(a in FOUR_DIGIT_YEARS, b in FOUR_DIGIT_YEARS) {
            prop_assert_eq!(parse(&iso(a)), Some(a));
            prop_assert_eq!(iso(a).cmp(&iso(b)), a.cmp(&b));
        }

        #[test]
        fn any_time_and_any_text_is_survived(at: Millis, text in "\\PC{0,30}") {
            prop_assert!(!iso(at).is_empty());
            let _: Option<Millis> = parse(&text);
        }
    }
}
