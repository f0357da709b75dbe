//! Points in time: milliseconds since 1970, and the texts that CrateDB takes for them
//! (<https://cratedb.com/docs/crate/reference/en/latest/general/ddl/data-types.html#type-timestamp>).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What becomes of an offset such as `+01:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offset {
    Counts,
    /// TIMESTAMP WITHOUT TIME ZONE drops it.
    Ignored,
}

/// Returns the present time in milliseconds since 1970.
pub(super) fn now() -> i64 {
    i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX)
}

/// Returns the present time in nanoseconds, for names that are not used twice.
pub(super) fn nanos() -> u128 {
    since_1970().as_nanos()
}

#[expect(
    clippy::disallowed_methods,
    reason = "CURRENT_TIMESTAMP is told by the clock of the machine"
)]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the milliseconds of a date, a date and a time, or of the digits of milliseconds. What is finer is cut off.
pub(super) fn parse(text: &str, offset: Offset) -> Option<i64> {
    if let Ok(millis) = text.parse::<i64>() {
        return Some(millis);
    }
    let mut rest = Rest(text.as_bytes());
    let (year, month, day) = (rest.digits(4)?, rest.after(b'-', 2)?, rest.after(b'-', 2)?);
    let days = days(year, month, day)?;
    if rest.0.is_empty() {
        return Some(days * 86_400_000);
    }
    rest.one(b"Tt ")?;
    let (hour, minute) = (rest.digits(2)?, rest.after(b':', 2)?);
    let second = if rest.0.first() == Some(&b':') { rest.after(b':', 2)? } else { 0 };
    let millis = if rest.0.first() == Some(&b'.') { rest.fraction()? } else { 0 };
    let shift = rest.offset()?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let local = days * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1000 + millis;
    Some(match offset {
        Offset::Counts => local - shift * 60_000,
        Offset::Ignored => local,
    })
}

struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn one(&mut self, allowed: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        allowed.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        (0..count).try_fold(0, |number, _| {
            self.one(b"0123456789").map(|digit| number * 10 + i64::from(digit - b'0'))
        })
    }

    fn after(&mut self, separator: u8, count: usize) -> Option<i64> {
        self.one(&[separator])?;
        self.digits(count)
    }

    /// One to nine digits, of which three count.
    fn fraction(&mut self) -> Option<i64> {
        self.one(b".")?;
        let (mut millis, mut count) = (0, 0);
        while let Some(digit) = self.one(b"0123456789") {
            if count < 3 {
                millis = millis * 10 + i64::from(digit - b'0');
            }
            count += 1;
        }
        (1..=9).contains(&count).then(|| millis * [1, 100, 10, 1][count.min(3)])
    }

    /// Returns the minutes east of Greenwich: nothing, `Z`, `+01`, `+0100`, `+01:00`.
    fn offset(&mut self) -> Option<i64> {
        if self.0.is_empty() || matches!(self.0, b"Z" | b"z") {
            return Some(0);
        }
        let sign = if self.one(b"+-")? == b'-' { -1 } else { 1 };
        let hours = self.digits(2)?;
        let minutes = match self.0.len() {
            0 => 0,
            2 => self.digits(2)?,
            _ => self.after(b':', 2)?,
        };
        (self.0.is_empty() && hours <= 18 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
    }
}

/// Returns the days since 1970-01-01 of a day of the Gregorian calendar, none when there is no such day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    // Years begin in March here, so that the day that comes and goes is their last one.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_milliseconds() {
        let check = |text: &str, expected: Option<i64>| {
            assert_eq!(parse(text, Offset::Counts), expected, "{text}");
        };
        check("1970-01-01", Some(0));
        check("2024-02-29T12:34:56.789Z", Some(1_709_210_096_789));
        check("2024-02-29 12:34:56.7899", Some(1_709_210_096_789));
        check("2024-02-29T12:34+01:00", Some(1_709_206_440_000));
        check("2024-02-29T12:34-0130", Some(1_709_215_440_000));
        check("1969-12-31T23:59:59.9Z", Some(-100));
        check("1700000000000", Some(1_700_000_000_000));
        check("2023-02-29", None);
        check("2024-02-29T25:00", None);
        check("yesterday", None);
        check("2024-02-29T12:34:56.", None);
        check("2024-02-29T12:34:56+01:00 ", None);
        assert_eq!(parse("1970-01-01T00:00+05:00", Offset::Ignored), Some(0));
    }
}
