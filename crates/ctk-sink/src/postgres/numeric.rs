//! Decimal numbers as PostgreSQL's NUMERIC, binary, with every digit. Pure.
//!
//! The form is that of `numeric_recv`: digits of base 10,000, the weight of the first, sign, and how many fractional digits
//! are shown (<https://www.postgresql.org/docs/current/datatype-numeric.html> for the limits).

/// A number as digits times a power of ten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: Vec<u8>,
    /// The power of ten of the last digit.
    exponent: i32,
    /// Fractional digits as they were written: `1.50` has two.
    shown: u16,
}

/// Digits before the point that NUMERIC can hold without a declared precision.
const MOST_BEFORE: i64 = 131_072;
/// Digits behind it.
const MOST_BEHIND: i64 = 16_383;

impl Number {
    /// Reads a JSON number; none when NUMERIC cannot hold it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, i64::from(power.parse::<i32>().ok()?)),
            None => (text, 0),
        };
        let (unsigned, is_negative) = match text.strip_prefix('-') {
            Some(unsigned) => (unsigned, true),
            None => (text, false),
        };
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let mut digits: Vec<u8> =
            whole.bytes().chain(fraction.bytes()).map(|digit| digit.wrapping_sub(b'0')).collect();
        if digits.is_empty() || digits.iter().any(|digit| *digit > 9) {
            return None;
        }
        let mut exponent = power.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let shown = u16::try_from((-exponent).max(0))
            .ok()
            .filter(|shown| i64::from(*shown) <= MOST_BEHIND)?;
        while digits.last() == Some(&0) {
            digits.pop();
            exponent += 1;
        }
        let leading = digits.iter().take_while(|digit| **digit == 0).count();
        digits.drain(..leading);
        if digits.is_empty() {
            return Some(Self { is_negative: false, digits, exponent: 0, shown });
        }
        let before = exponent.checked_add(i64::try_from(digits.len()).ok()?)?;
        if before > MOST_BEFORE {
            return None;
        }
        Some(Self { is_negative, digits, exponent: i32::try_from(exponent).ok()?, shown })
    }

    /// Returns true when `NUMERIC(precision, scale)` holds it as it is. PostgreSQL would round it without a word.
    pub(super) fn fits(&self, precision: u16, scale: i16) -> bool {
        let before =
            i64::from(self.exponent) + i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        self.digits.is_empty()
            || (-i64::from(self.exponent) <= i64::from(scale)
                && before <= i64::from(precision) - i64::from(scale))
    }

    /// Appends the binary form.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut digits = self.digits.clone();
        let behind = self.exponent.rem_euclid(4);
        digits.extend(std::iter::repeat_n(0, usize::try_from(behind).unwrap_or_default()));
        let power = (self.exponent - behind) / 4;
        let before = (4 - digits.len() % 4) % 4;
        digits.splice(0..0, std::iter::repeat_n(0, before));
        let groups: Vec<i16> = digits
            .chunks(4)
            .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(*digit)))
            .collect();
        // The limits of `parse` keep both within 16 bits.
        let count = u16::try_from(groups.len()).unwrap_or_default();
        let weight = i32::from(count) - 1 + power;
        let weight = if groups.is_empty() { 0 } else { i16::try_from(weight).unwrap_or_default() };
        let sign: u16 = if self.is_negative { 0x4000 } else { 0 };
        out.extend(count.to_be_bytes());
        out.extend(weight.to_be_bytes());
        out.extend(sign.to_be_bytes());
        out.extend(self.shown.to_be_bytes());
        for group in groups {
            out.extend(group.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postgresql_does() {
        // As `SELECT numeric_send('…'::numeric)` prints them.
        let check = |text: &str, expected: &str| {
            let mut out = Vec::new();
            Number::parse(text).unwrap().write(&mut out);
            let hex: Vec<_> = out.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex.concat(), expected, "{text}");
        };
        check("0", "0000000000000000");
        check("0.00", "0000000000000002");
        check("-0", "0000000000000000");
        check("1", "00010000000000000001");
        check("-1", "00010000400000000001");
        check("10000", "00010001000000000001");
        check("12345678", "000200010000000004d2162e");
        check("1.50", "000200000000000200011388");
        check("0.0001", "0001ffff000000040001");
        check("1.5e-3", "0001ffff00000004000f");
        check("1e20", "00010005000000000001");
        check("-123456.789", "0003000140000003000c0d801ed2");
        check("18446744073709551616", "000500040000000007341a5802e103bb0650");
    }

    #[test]
    fn what_would_be_rounded_does_not_fit() {
        let check = |text: &str, precision: u16, scale: i16, expected: bool| {
            let fits = Number::parse(text).unwrap().fits(precision, scale);
            assert_eq!(fits, expected, "{text} into NUMERIC({precision}, {scale})");
        };
        check("123.45", 5, 2, true);
        check("123.450", 5, 2, true);
        check("123.456", 5, 2, false);
        check("1234.5", 5, 2, false);
        check("0", 1, 1, true);
        check("0.5", 1, 1, true);
        check("1", 1, 1, false);
        check("1200", 2, -2, true);
        check("1250", 2, -2, false);
        check("0.00012", 2, 5, true);
        check("0.0012", 2, 5, false);
    }

    #[test]
    fn what_numeric_cannot_hold_is_refused() {
        for text in
            ["1e131072", "1e-16384", "", "-", ".", "1x", "NaN", "1e", "1e99999999999999999999"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
        for text in
            ["1e-9223372036854775808", "1e9223372036854775807", "0e-2147483648", "1e-2147483648"]
        {
            assert_eq!(Number::parse(text), None, "{text}");
        }
        for text in ["1e131071", "1e-16383", "0e-5"] {
            assert!(Number::parse(text).is_some(), "{text}");
        }
    }
}
