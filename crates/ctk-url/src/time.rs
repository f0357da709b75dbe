//! Points in time as options give them: ISO 8601, seconds since 1970, or relative to now.
//!
//! The clock is the caller's. Kinesis counts in milliseconds, so a finer fraction is cut off, towards the past: a start may
//! come a little early, and never skips a record.

use chrono::{NaiveDate, NaiveTime};
use thiserror::Error;

use crate::duration::parse_duration;

/// The last millisecond of the year 9999, the end of what ISO 8601 writes with four digits.
const MAX_MILLIS: i64 = 253_402_300_799_999;

/// Writes an instant as ISO 8601 with milliseconds, in UTC: `2026-11-20T18:30:00.123Z`.
pub fn format_instant(millis: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(millis);
    time.map_or_else(
        || format!("{millis} ms since 1970"),
        |time| time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
    )
}

/// Parses a point in time into milliseconds since 1970.
///
/// | form | examples |
/// | --- | --- |
/// | date | `2023-01-31` |
/// | date and time, without a zone UTC | `2023-01-31T15:00`, `2023-01-31 15:00:00`, `2023-01-31T15:00:00.000123` |
/// | with a zone | `2023-01-31T15:00:00Z`, `…+00:00`, `…+0000`, `…+00` |
/// | number of seconds since 1970 | `1675177200`, `1675177200.5` |
/// | relative to now | `-2h`, `+1d12h`, see [`crate::duration`] |
///
/// ```
/// assert_eq!(ctk_url::time::parse_instant("2023-01-31T15:00:00+00:00", 0), Ok(1_675_177_200_000));
/// assert_eq!(ctk_url::time::parse_instant("-2h", 7_200_500), Ok(500));
/// ```
pub fn parse_instant(text: &str, now_millis: i64) -> Result<i64, TimeError> {
    let text = text.trim();
    let millis = if let Some(ago) = text.strip_prefix('-') {
        now_millis.checked_sub(parse_offset(ago)?)
    } else if let Some(ahead) = text.strip_prefix('+') {
        now_millis.checked_add(parse_offset(ahead)?)
    } else if text.starts_with(|first: char| first.is_ascii_digit()) && is_number(text) {
        parse_number(text)
    } else {
        Some(parse_iso(text).ok_or(TimeError::Unknown)?)
    };
    millis.filter(|millis| *millis <= MAX_MILLIS).ok_or(TimeError::OutOfRange)
}

/// A text that is no point in time, or one that no clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TimeError {
    /// None of the forms.
    #[error("not a point in time")]
    Unknown,
    /// A number or a relative time beyond the year 9999.
    #[error("the point in time is out of range")]
    OutOfRange,
}

impl TimeError {
    /// Returns what to write instead.
    pub fn hint(self) -> Option<String> {
        let hint = match self {
            Self::Unknown => {
                "write `2023-01-31`, `2023-01-31T15:00:00` (UTC), `2023-01-31T15:00:00+02:00`, \
                 seconds since 1970, or `-2h`"
            }
            Self::OutOfRange => "a number counts seconds since 1970, not milliseconds",
        };
        Some(hint.to_owned())
    }
}

fn parse_offset(text: &str) -> Result<i64, TimeError> {
    // The number stands directly after the sign: what `--older-than` forgives at its ends would be `- 2h` here.
    if text.starts_with(char::is_whitespace) {
        return Err(TimeError::Unknown);
    }
    let offset = parse_duration(text).map_err(|_| TimeError::Unknown)?;
    i64::try_from(offset.as_millis()).map_err(|_| TimeError::OutOfRange)
}

fn is_number(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    is_digits(whole) && is_digits(fraction)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// By hand instead of `f64`, which could not tell 1675177200.123 from its neighbours.
fn parse_number(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    whole.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(parse_millis(fraction))
}

/// Returns the first three digits of a fraction; the caller has seen that there are only digits.
fn parse_millis(fraction: &str) -> i64 {
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    digits.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'))
}

fn parse_iso(text: &str) -> Option<i64> {
    // The separators stand at fixed places, and no letter outside ASCII is part of any form.
    let (date, rest) = text.split_at_checked(10)?;
    let date = parse_date(date)?;
    if rest.is_empty() {
        return Some(date.and_time(NaiveTime::MIN).and_utc().timestamp_millis());
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (clock, zone_seconds) = split_zone(rest)?;
    let (clock, fraction) = match clock.split_once('.') {
        Some((clock, fraction))
            if clock.len() == 8 && is_digits(fraction) && fraction.len() <= 9 =>
        {
            (clock, fraction)
        }
        Some(_) => return None,
        None => (clock, ""),
    };
    let local = date.and_time(parse_clock(clock)?).and_utc().timestamp_millis();
    Some(local + parse_millis(fraction) - zone_seconds * 1_000)
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let year = fixed_digits(parts.next()?, 4)?;
    let month = fixed_digits(parts.next()?, 2)?;
    let day = fixed_digits(parts.next()?, 2)?;
    if parts.next().is_some() {
        return None;
    }
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)
}

/// `HH:MM` or `HH:MM:SS`.
fn parse_clock(text: &str) -> Option<NaiveTime> {
    let mut parts = text.split(':');
    let hour = fixed_digits(parts.next()?, 2)?;
    let minute = fixed_digits(parts.next()?, 2)?;
    let second = match parts.next() {
        Some(part) => fixed_digits(part, 2)?,
        None => 0,
    };
    if parts.next().is_some() {
        return None;
    }
    NaiveTime::from_hms_opt(hour, minute, second)
}

/// Cuts `Z`, `+HH:MM`, `+HHMM` or `+HH` off a time, and returns the offset in seconds.
fn split_zone(text: &str) -> Option<(&str, i64)> {
    if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some((clock, zone)) = text.find(['+', '-']).and_then(|at| text.split_at_checked(at)) else {
        return Some((text, 0));
    };
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match (digits.split_once(':'), digits.len()) {
        (Some((hours, minutes)), _) => (hours, minutes),
        (None, 4) => digits.split_at_checked(2)?,
        (None, _) => (digits, "00"),
    };
    let hours = fixed_digits(hours, 2)?;
    let minutes = fixed_digits(minutes, 2)?;
    // No zone is further than 14 hours from UTC; up to 23:59 is what RFC 3339 allows.
    (hours < 24 && minutes < 60).then_some((clock, sign * i64::from(hours * 3_600 + minutes * 60)))
}

fn fixed_digits(text: &str, count: usize) -> Option<u32> {
    if text.len() == count && is_digits(text) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_123;

    #[test]
    fn accepted() {
        fn check(text: &str, millis: i64) {
            assert_eq!(parse_instant(text, NOW), Ok(millis), "{text:?}");
        }
        // The forms of the tutorial.
        check("2023-01-31", 1_675_123_200_000);
        check("2023-01-31T15:00:00", 1_675_177_200_000);
        check("2023-01-31T15:00:00+00:00", 1_675_177_200_000);
        check("2023-01-31T15:00:00.000123", 1_675_177_200_000);
        check("2023-01-31T15:00:00.000123+00:00", 1_675_177_200_000);
        // What the other tools take.
        check("2023-01-31 15:00:00", 1_675_177_200_000);
        check("2023-01-31 15:00", 1_675_177_200_000);
        check("2023-01-31T15:00:00Z", 1_675_177_200_000);
        check("2023-01-31t15:00:00z", 1_675_177_200_000);
        check("2023-01-31T15:00:00.123-0700", 1_675_202_400_123);
        check("2023-01-31T15:00:00+02", 1_675_170_000_000);
        check("2023-01-31T15:00+05:30", 1_675_157_400_000);
        check("2023-01-31 15:00:00.1", 1_675_177_200_100);
        check("2023-01-31T15:00:00.123999999Z", 1_675_177_200_123);
        check(" 2023-01-31 ", 1_675_123_200_000);
        check("2024-02-29", 1_709_164_800_000);
        check("1970-01-01T00:00:00Z", 0);
        check("1969-12-31T23:59:59.9999Z", -1);
        check("9999-12-31T23:59:59.999Z", MAX_MILLIS);
        // Numbers.
        check("0", 0);
        check("1675177200", 1_675_177_200_000);
        check("1675177200.5", 1_675_177_200_500);
        check("1675177200.1239", 1_675_177_200_123);
        check("253402300799.999", MAX_MILLIS);
        // Relative.
        check("-2h", NOW - 7_200_000);
        check("+5m", NOW + 300_000);
        check("-1d12h", NOW - 129_600_000);
    }

    #[test]
    fn rejected() {
        fn check(text: &str, expected: TimeError) {
            assert_eq!(parse_instant(text, NOW), Err(expected), "{text:?}");
        }
        for text in [
            "",
            "now",
            "yesterday",
            "2023-02-29",
            "2023-13-01",
            "2023-1-1",
            "2023-01-31T",
            "2023-01-31T15",
            "2023-01-31T24:00:00",
            "2023-01-31T15:60:00",
            "2023-01-31T15:00:60",
            "2023-01-31T15:00:00.",
            "2023-01-31T15:00.5",
            "2023-01-31T15:00:00.1234567890",
            "2023-01-31T15:00:00+",
            "2023-01-31T15:00:00+1",
            "2023-01-31T15:00:00+24:00",
            "2023-01-31T15:00:00+00:60",
            "2023-01-31T15:00:00+00:00:00",
            "2023-01-31T15:00:00 UTC",
            "2023-01-31T15:00:00ZZ",
            "2023-01-31Z",
            "2023-01-31_15:00:00",
            "31.01.2023",
            "ääääääääää",
            "2023-01-3١",
            "1.2.3",
            "1e9",
            ".5",
            "5.",
            "-5",
            "+5",
            "-",
            "- 2h",
            "2h",
            "-0h",
            "-2 h",
            "-99999999999w",
        ] {
            check(text, TimeError::Unknown);
        }
        // Milliseconds given as seconds.
        check("1675177200000", TimeError::OutOfRange);
        check("99999999999999999999999999", TimeError::OutOfRange);
        assert_eq!(parse_instant("-1w", i64::MIN), Err(TimeError::OutOfRange));
        assert_eq!(parse_instant("+1w", i64::MAX), Err(TimeError::OutOfRange));
    }
}
