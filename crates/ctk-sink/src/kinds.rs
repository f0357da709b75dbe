//! Kinds of values, and what a column of a kind takes without losing anything. Pure.
//!
//! The rule of the house: a value is converted when nothing is lost by it (`2.0` into an integer column, `3` into a double
//! one), else it goes into a sibling column for its kind (`v__double`). It is never cast, cut or rounded.

use ctk_flow::Value;

/// The kinds of columns that we make, and that variant columns are named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `true`, `false`.
    Bool,
    /// Integers within 64 bits.
    Bigint,
    /// IEEE doubles.
    Double,
    /// Text; also integers beyond 64 bits and decimals beyond a double, their digits.
    Text,
    /// Objects and arrays.
    Json,
    /// Bytes.
    Binary,
}

impl Kind {
    /// Returns the name as variant columns have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Bigint => "bigint",
            Self::Double => "double",
            Self::Text => "text",
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// Returns the kind of column that takes the value; none for NULL, which goes anywhere.
    pub fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Bool,
            Value::Integer(_) => Self::Bigint,
            Value::Decimal(text) if double(text).is_some() => Self::Double,
            Value::BigInteger(_) | Value::Decimal(_) | Value::Text(_) => Self::Text,
            Value::Json(_) => Self::Json,
            Value::Bytes(_) => Self::Binary,
        })
    }
}

/// Returns the double nearest to a decimal; none when it is beyond the range of doubles.
pub fn double(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// Returns the integer that a double is, when it is one exactly. `-0.0` is not: it would lose its sign.
#[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
pub fn integral(value: f64) -> Option<i64> {
    let exact =
        value.fract() == 0.0 && value.abs() <= EXACT && !(value == 0.0 && value.is_sign_negative());
    exact.then_some(value as i64)
}

/// Returns the integer that a decimal is as it is written, `5.0` as 5; none for one with another fraction, and for `-0.0`.
pub fn whole(text: &str) -> Option<i64> {
    let is_significant = |digit: &u8| digit.is_ascii_digit();
    if text.contains(['e', 'E']) {
        // With so few digits, the double is the number.
        let digits = text.bytes().filter(is_significant).count();
        let (mantissa, _) = text.split_once(['e', 'E'])?;
        let is_zero = mantissa.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
        let value = double(text).and_then(integral).filter(|_| digits <= 15)?;
        // One that is too small for a double is no zero.
        return (value != 0 || is_zero).then_some(value);
    }
    let (digits, fraction) = text.split_once('.')?;
    let is_whole = fraction.bytes().all(|digit| digit == b'0');
    let value = digits.parse().ok().filter(|_| is_whole)?;
    (value != 0 || !text.starts_with('-')).then_some(value)
}

/// Returns the double that an integer is, when it is one exactly.
#[expect(clippy::cast_precision_loss, reason = "the range was checked")]
pub fn exact_double(value: i64) -> Option<f64> {
    (value.unsigned_abs() <= EXACT_INTEGER).then_some(value as f64)
}

/// Up to here every integer is a double of its own.
const EXACT_INTEGER: u64 = 1 << 53;
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Returns the number that a JSON value is, when it is nothing else: a whole record, with `layout=document`. Databases read
/// a number even from a JSON column, and not all of them exactly.
pub fn bare_number(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Json(text)
            if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) =>
        {
            match text.parse() {
                Ok(integer) => Value::Integer(integer),
                Err(_) if text.contains(['.', 'e', 'E']) => Value::Decimal(text),
                Err(_) => Value::BigInteger(text),
            }
        }
        other => other,
    }
}

/// What a new column is to hold, gathered over the values of the batch that makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    first: Option<Kind>,
    decimals: bool,
    inexact: bool,
}

impl Seen {
    /// Takes a value into account.
    pub fn see(&mut self, value: Value<'_>) {
        let Some(kind) = Kind::of(value) else { return };
        self.see_kind(kind);
        self.inexact |= matches!(value, Value::Integer(value) if exact_double(value).is_none());
    }

    /// Takes what was seen elsewhere, later, into account.
    pub fn merge(&mut self, later: Self) {
        self.first = self.first.or(later.first);
        self.decimals |= later.decimals;
        self.inexact |= later.inexact;
    }

    /// Takes a kind of values into account.
    pub fn see_kind(&mut self, kind: Kind) {
        self.first.get_or_insert(kind);
        self.decimals |= kind == Kind::Double;
    }

    /// Returns the kind of the column: that of the first value, except that integers among decimals make a double
    /// column, as long as a double can hold them all. None when only NULLs were seen.
    pub fn kind(self) -> Option<Kind> {
        match self.first {
            Some(Kind::Bigint) if self.decimals && !self.inexact => Some(Kind::Double),
            first => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_column_suits_the_values_that_were_seen() {
        let check = |values: &[Value<'_>], expected: Option<Kind>| {
            let mut seen = Seen::default();
            for value in values {
                seen.see(*value);
            }
            assert_eq!(seen.kind(), expected, "{values:?}");
        };
        let large = Value::Integer(i64::MAX);
        check(&[], None);
        check(&[Value::Null], None);
        check(&[Value::Null, Value::Bool(true)], Some(Kind::Bool));
        check(&[Value::Integer(1), Value::Integer(2)], Some(Kind::Bigint));
        check(&[Value::Integer(1), Value::Decimal("2.5")], Some(Kind::Double));
        check(&[Value::Decimal("2.5"), Value::Integer(1)], Some(Kind::Double));
        check(&[large, Value::Decimal("2.5")], Some(Kind::Bigint));
        check(&[Value::Integer(1), Value::Text("x")], Some(Kind::Bigint));
        check(&[Value::Text("x"), Value::Integer(1)], Some(Kind::Text));
        check(&[Value::BigInteger("18446744073709551616")], Some(Kind::Text));
        check(&[Value::Decimal("1e999")], Some(Kind::Text));
        check(&[Value::Json("[]"), Value::Decimal("1.0")], Some(Kind::Json));
    }

    #[test]
    fn only_what_is_an_integer_is_taken_for_one() {
        let check =
            |value: f64, expected: Option<i64>| assert_eq!(integral(value), expected, "{value}");
        check(2.0, Some(2));
        check(-3.0, Some(-3));
        check(0.0, Some(0));
        check(-0.0, None);
        check(1.7, None);
        check(1e300, None);
        check(9_007_199_254_740_994.0, None);
    }

    #[test]
    fn decimals_are_integers_by_their_digits() {
        let check = |text: &str, expected: Option<i64>| assert_eq!(whole(text), expected, "{text}");
        check("5.0", Some(5));
        check("-5.000", Some(-5));
        check("1.7", None);
        check("9007199254740993.0", Some(9_007_199_254_740_993));
        check("4503599627370497.25", None);
        check("9223372036854775808.0", None);
        check("-0.0", None);
        check("0.0", Some(0));
        check("1e3", Some(1000));
        check("1.5e1", Some(15));
        check("1.5e0", None);
        check("9007199254740993e0", None);
        check("1e30", None);
        check("1e-400", None);
        check("0e5", Some(0));
    }

    proptest! {
        #[test]
        fn what_is_exact_comes_back(value: i64) {
            if let Some(double) = exact_double(value) {
                prop_assert_eq!(integral(double), Some(value));
            }
        }
    }
}
