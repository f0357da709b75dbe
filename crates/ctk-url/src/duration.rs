//! Durations as `--older-than` takes them: `7d`, `24h`, `1d12h`.
//!
//! The forms and the texts of the errors are those of the Python `ctk`, so that scripts go on working. What ends there with
//! a traceback, a duration beyond all calendars, is an error here.

use std::time::Duration;

use thiserror::Error;

/// A thousand years. A greater age reaches back behind the first date a calendar knows, and nothing is that old.
const MAX_SECONDS: u64 = 1_000 * 31_557_600;

/// The units, in the order in which they may stand.
const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Parses `[Nw][Nd][Nh][Nm][Ns]`: in this order, each at most once, at least one, and more than nothing in sum.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let text = text.trim();
    match parse_seconds(text) {
        Parsed::Invalid => Err(DurationError::Invalid { text: text.to_owned() }),
        Parsed::TooLong => Err(DurationError::TooLong { text: text.to_owned() }),
        Parsed::Seconds(0) => Err(DurationError::NotPositive { text: text.to_owned() }),
        Parsed::Seconds(seconds) => Ok(Duration::from_secs(seconds)),
    }
}

/// A text that is no duration. The text is repeated: it comes from the command line and is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DurationError {
    /// Another form.
    #[error(
        "Invalid duration: '{text}'. Use a combination of Nw, Nd, Nh, Nm, Ns (e.g. '7d', '24h', '2w', '1d12h')."
    )]
    Invalid {
        /// What was given, without the white space around it.
        text: String,
    },
    /// Nothing in sum.
    #[error("Duration must be positive, got: '{text}'")]
    NotPositive {
        /// What was given, without the white space around it.
        text: String,
    },
    /// More than a thousand years.
    #[error("Duration must be at most 1000 years, got: '{text}'")]
    TooLong {
        /// What was given, without the white space around it.
        text: String,
    },
}

enum Parsed {
    Seconds(u64),
    TooLong,
    Invalid,
}

fn parse_seconds(text: &str) -> Parsed {
    let mut units = UNITS.iter();
    let mut number: Option<u64> = None;
    let mut total: u64 = 0;
    for letter in text.chars() {
        if let Some(digit) = decimal_digit(letter) {
            // Saturation keeps an absurd number absurd, while the rest of the text is still checked for its form.
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            continue;
        }
        // The iterator has passed the units seen so far, so that a repeated or earlier one is not found any more.
        let (Some(count), Some((_, seconds))) =
            (number.take(), units.find(|(unit, _)| *unit == letter))
        else {
            return Parsed::Invalid;
        };
        total = total.saturating_add(count.saturating_mul(*seconds));
    }
    match (text.is_empty() || number.is_some(), total > MAX_SECONDS) {
        (true, _) => Parsed::Invalid,
        (false, true) => Parsed::TooLong,
        (false, false) => Parsed::Seconds(total),
    }
}

/// Returns the value of a decimal digit of any script, as `\d` matches it in Python.
fn decimal_digit(letter: char) -> Option<u64> {
    let code = u32::from(letter);
    let run = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    let digit = code - ZEROS.get(run)?;
    (digit < 10).then_some(u64::from(digit))
}

/// The zero of each script (Unicode category Nd); the nine other digits follow it.
#[rustfmt::skip]
const ZEROS: [u32; 68] = [
    0x0030, 0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6,
    0x0E50, 0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40,
    0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0,
    0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0, 0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50,
    0x11DA0, 0x11F50, 0x16A60, 0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0,
    0x1E4F0, 0x1E950, 0x1FBF0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepted() {
        fn check(text: &str, seconds: u64) {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text:?}");
        }
        check("7d", 604_800);
        check("24h", 86_400);
        check("30m", 1_800);
        check("90s", 90);
        check("2w", 1_209_600);
        check("1d12h", 129_600);
        check("1w2d3h4m5s", 788_645);
        check("60m", 3_600);
        check("36h", 129_600);
        check("00007d", 604_800);
        check("0d1s", 1);
        check("1w0d", 604_800);
        check("1d12h0m", 129_600);
        check(" 7d ", 604_800);
        check("365250d", MAX_SECONDS);
        check("٧d", 604_800);
        check("1७d", 17 * 86_400);
        check("\u{1D7D9}h", 3_600);
    }

    #[test]
    fn rejected() {
        fn check(text: &str, expected: &str) {
            assert_eq!(parse_duration(text).unwrap_err().to_string(), expected, "{text:?}");
        }
        for text in [
            "abc",
            "seven days",
            "7days",
            "7 days",
            "7",
            "0",
            "d",
            "7D",
            "1M",
            "1h1d",
            "12h1d",
            "1d1d",
            "1.5d",
            "-1d",
            "+1d",
            "7 d",
            "1d 12h",
            "1y",
            "1ms",
            "P7D",
            "PT1H",
            "7d;",
            "1d12h30",
            "½d",
            "²d",
            "/d",
            ":d",
            "7dd",
        ] {
            check(
                text,
                &format!(
                    "Invalid duration: '{text}'. Use a combination of Nw, Nd, Nh, Nm, Ns (e.g. '7d', '24h', '2w', '1d12h')."
                ),
            );
        }
        for text in ["", "   ", "\t\n"] {
            check(
                text,
                "Invalid duration: ''. Use a combination of Nw, Nd, Nh, Nm, Ns (e.g. '7d', '24h', '2w', '1d12h').",
            );
        }
        check("0d", "Duration must be positive, got: '0d'");
        check("0w0d0h0m0s", "Duration must be positive, got: '0w0d0h0m0s'");
        for text in [
            "365250d1s",
            "999999d",
            "1000000000d",
            "99999999999d",
            "99999999999999999999999999999999w1s",
        ] {
            check(text, &format!("Duration must be at most 1000 years, got: '{text}'"));
        }
        // The form is judged first.
        check(
            "99999999999999999999999999d1",
            "Invalid duration: '99999999999999999999999999d1'. Use a combination of Nw, Nd, Nh, Nm, Ns (e.g. '7d', '24h', '2w', '1d12h').",
        );
    }
}
