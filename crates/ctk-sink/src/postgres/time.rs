//! Dates and times from text, to the microsecond, as PostgreSQL counts them. Pure.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

/// Where the clock of a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    /// The text does not say it.
    Unknown,
    /// So many seconds east of Greenwich.
    East(i32),
}

/// A date with a time, as the text has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Microseconds since 2000-01-01T00:00:00, by the clock of the text.
    local: i64,
    zone: Zone,
    /// Digits of the second's fraction, without zeros at the end.
    pub(super) digits: u8,
}

impl Moment {
    /// Returns the instant; a text without a zone is in UTC.
    pub(super) fn instant(self) -> i64 {
        match self.zone {
            Zone::Unknown => self.local,
            Zone::East(seconds) => self.local - i64::from(seconds) * 1_000_000,
        }
    }

    /// Returns the reading of the clock; none where a zone would be lost by that.
    pub(super) fn reading(self) -> Option<i64> {
        matches!(self.zone, Zone::Unknown | Zone::East(0)).then_some(self.local)
    }
}

/// Reads `2026-11-20`, `2026-11-20T18:33`, `2026-11-20 18:33:24.123456+01:00` and the forms in between; none for anything
/// else, and for what is finer than a microsecond.
pub(super) fn moment(text: &str) -> Option<Moment> {
    let (date_text, rest) = text.split_at_checked(10)?;
    let day = i64::from(date(date_text)?) * 86_400_000_000;
    if rest.is_empty() {
        return Some(Moment { local: day, zone: Zone::Unknown, digits: 0 });
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let end = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, end) = rest.split_at_checked(end)?;
    let (time, digits) = time(clock)?;
    Some(Moment { local: day + time, zone: zone(end)?, digits })
}

/// Reads `2026-11-20` as days since 2000-01-01.
pub(super) fn date(text: &str) -> Option<i32> {
    // chrono also takes signs, blanks and fewer digits.
    let is_plain =
        text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let date = is_plain.then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())??;
    let epoch = NaiveDate::from_ymd_opt(2000, 1, 1)?;
    // There is no year 0 in PostgreSQL.
    (chrono::Datelike::year(&date) > 0).then(|| i32::try_from((date - epoch).num_days()).ok())?
}

/// Reads `18:33`, `18:33:24`, `18:33:24.123456` as microseconds, and tells how many digits the fraction has.
pub(super) fn time(text: &str) -> Option<(i64, u8)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = matches!(whole.len(), 5 | 8)
        && whole.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let format = if whole.len() == 5 { "%H:%M" } else { "%H:%M:%S" };
    let time = is_plain.then(|| NaiveTime::parse_from_str(whole, format).ok())??;
    // chrono takes a leap second; PostgreSQL would make the next minute of it.
    let has_fraction = text.contains('.');
    if whole.ends_with(":60") || (has_fraction && (whole.len() == 5 || fraction.is_empty())) {
        return None;
    }
    let digits = fraction.trim_end_matches('0');
    if digits.len() > 6 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: i64 = format!("{digits:0<6}").parse().ok()?;
    let midnight = NaiveDateTime::new(NaiveDate::default(), NaiveTime::MIN);
    let seconds = (NaiveDateTime::new(NaiveDate::default(), time) - midnight).num_seconds();
    Some((seconds * 1_000_000 + micros, u8::try_from(digits.len()).ok()?))
}

/// Reads nothing, `Z`, `+01:00`, `+0100`, `+01`.
fn zone(text: &str) -> Option<Zone> {
    match text {
        "" => return Some(Zone::Unknown),
        "Z" | "z" => return Some(Zone::East(0)),
        _ => {}
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text.chars().skip(1).filter(|c| *c != ':').collect();
    let is_plain =
        matches!(text.len(), 3 | 5 | 6) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| is_plain)?;
    let minutes = if minutes.is_empty() { 0 } else { minutes.parse::<i32>().ok()? };
    let hours = hours.parse::<i32>().ok()?;
    // PostgreSQL knows offsets of less than 16 hours.
    (hours < 16 && minutes < 60).then_some(Zone::East(sign * (hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn moments_are_read_to_the_microsecond() {
        let check = |text: &str, local: i64, zone: Zone, digits: u8| {
            assert_eq!(moment(text), Some(Moment { local, zone, digits }), "{text}");
        };
        check("2000-01-01", 0, Zone::Unknown, 0);
        check("2000-01-02T00:00", DAY, Zone::Unknown, 0);
        check("2000-01-01 00:00:01.5", 1_500_000, Zone::Unknown, 1);
        check("2000-01-01T00:00:00.000001Z", 1, Zone::East(0), 6);
        check("2000-01-01T00:00:00.1200000+01:30", 120_000, Zone::East(5400), 2);
        check("1999-12-31T23:59:59-0800", -1_000_000, Zone::East(-28_800), 0);
        check("0001-01-01T00:00:00+00", -63_082_281_600_000_000, Zone::East(0), 0);
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2000",
            "2000-1-1",
            "2000-02-30",
            "0000-01-01",
            "+200-01-01",
            "2000-01-01T",
            "2000-01-01T24:00",
            "2000-01-01T1:00",
            "2000-01-01T00:00:60",
            "2000-01-01T00:00.5",
            "2000-01-01T00:00:00.",
            "2000-01-01T00:00:00.0000001",
            "2000-01-01T00:00:00+1",
            "2000-01-01T00:00:00+16:00",
            "2000-01-01T00:00:00 UTC",
            "2000-01-01T00:00:00Zx",
            "2000-01-01x00:00",
            "größer als nichts",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_zone_is_not_lost() {
        assert_eq!(moment("2000-01-01T01:00:00+01:00").map(Moment::instant), Some(0));
        assert_eq!(moment("2000-01-01T01:00:00").map(Moment::instant), Some(3_600_000_000));
        assert_eq!(moment("2000-01-01T01:00:00+01:00").and_then(Moment::reading), None);
        assert_eq!(moment("2000-01-01T01:00:00Z").and_then(Moment::reading), Some(3_600_000_000));
    }
}
