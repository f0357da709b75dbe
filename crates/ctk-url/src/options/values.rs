//! Options that are more than text: booleans, numbers, seconds, bytes, one of several words.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{OptionError, OptionSpec, Options};

/// No wait, no interval is longer than this (about 31 years); adding it to any clock is safe.
const MAX_SECONDS: u64 = 1_000_000_000;

impl Options {
    /// Takes a boolean: `true yes on y t 1` or `false no off n f 0`, in any case.
    pub fn take_bool(&mut self, spec: &OptionSpec) -> Result<Option<bool>, OptionError> {
        self.take_as(spec, parse_bool, || "`true` or `false`".into())
    }

    /// Takes an integer within a range.
    pub fn take_integer<T>(
        &mut self,
        spec: &OptionSpec,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, OptionError>
    where
        T: FromStr + PartialOrd + Display,
    {
        let parse = |text: &str| text.parse().ok().filter(|number| range.contains(number));
        self.take_as(spec, parse, || {
            format!("an integer from {} to {}", range.start(), range.end())
        })
    }

    /// Takes a number of seconds, such as `5` or `0.5`.
    pub fn take_seconds(&mut self, spec: &OptionSpec) -> Result<Option<Duration>, OptionError> {
        self.take_as(spec, parse_seconds, || format!("a number of seconds from 0 to {MAX_SECONDS}"))
    }

    /// Takes a number of bytes, such as `1048576`, `64MiB` or `10MB`.
    pub fn take_bytes(&mut self, spec: &OptionSpec) -> Result<Option<u64>, OptionError> {
        self.take_as(spec, parse_bytes, || {
            "a number of bytes such as `1048576`, `64MiB` or `10MB`".into()
        })
    }

    /// Takes one of several words, in any case.
    pub fn take_choice<T: Clone>(
        &mut self,
        spec: &OptionSpec,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, OptionError> {
        let parse = |text: &str| {
            let chosen = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
            chosen.map(|(_, value)| value.clone())
        };
        self.take_as(spec, parse, || {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            format!("one of {}", words.join(", "))
        })
    }

    fn take_as<T>(
        &mut self,
        spec: &OptionSpec,
        parse: impl FnOnce(&str) -> Option<T>,
        expected: impl FnOnce() -> String,
    ) -> Result<Option<T>, OptionError> {
        let Some((name, value)) = self.take_named(spec)? else { return Ok(None) };
        match parse(value.trim()) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(OptionError::Invalid { name, expected: expected() }),
        }
    }
}

fn parse_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" | "t" | "1" => Some(true),
        "false" | "no" | "off" | "n" | "f" | "0" => Some(false),
        _ => None,
    }
}

/// By hand instead of `f64`: no exponents, no `inf`, no rounding.
fn parse_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let seconds = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut nanoseconds: u32 = 0;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(9) {
        nanoseconds = nanoseconds * 10 + u32::from(digit - b'0');
    }
    (seconds <= MAX_SECONDS).then(|| Duration::new(seconds, nanoseconds))
}

fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at_checked(end)?;
    let factor: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}
