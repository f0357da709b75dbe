//! Values, fitted to the columns that they go to. Pure.
//!
//! Records of change data are looser with types than tables are: AWS DMS writes bytes as hexadecimal digits, and exact decimals
//! or booleans as text, as it depends on the source and its settings
//! (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kinesis.html>). So a value that its column does not hold as
//! it is may be written in another form, but only in one that means exactly the same.

use std::borrow::Cow;

use ctk_flow::Value;

use super::{cell::Cell, store::Holds};

/// Returns the value as the column holds it, or nothing when that would change it.
pub(crate) fn adapt<'a>(holds: &impl Holds, value: Value<'a>) -> Option<Cell<'a>> {
    if holds.takes(value) {
        return Some(Cell::As(value));
    }
    let as_it_is = |value: Value<'a>| holds.takes(value).then_some(Cell::As(value));
    match value {
        Value::Null | Value::Bytes(_) => None,
        Value::Bool(value) => text(holds, Cow::Borrowed(if value { "true" } else { "false" })),
        Value::Integer(value) => {
            let bool = matches!(value, 0 | 1).then_some(Value::Bool(value == 1));
            let bool = bool.and_then(as_it_is);
            bool.or_else(|| text(holds, Cow::Owned(value.to_string())))
        }
        Value::BigInteger(digits) | Value::Decimal(digits) | Value::Json(digits) => {
            text(holds, Cow::Borrowed(digits))
        }
        Value::Text(text) => number(text)
            .and_then(as_it_is)
            .or_else(|| bool(text).and_then(as_it_is))
            .or_else(|| midnight(text).and_then(as_it_is))
            .or_else(|| json(text).and_then(as_it_is))
            .or_else(|| as_bytes(holds, value)),
    }
}

/// Returns the bytes that a text has the digits of, if the column holds bytes. Some take text as well.
pub(crate) fn as_bytes<'a>(holds: &impl Holds, value: Value<'a>) -> Option<Cell<'a>> {
    let Value::Text(text) = value else { return None };
    let bytes = bytes(text)?;
    holds.takes(Value::Bytes(&bytes)).then_some(Cell::Bytes(bytes))
}

fn text<'a>(holds: &impl Holds, text: Cow<'a, str>) -> Option<Cell<'a>> {
    holds.takes(Value::Text(&text)).then_some(Cell::Text(text))
}

/// Reads a number as JSON writes it.
pub(crate) fn number(text: &str) -> Option<Value<'_>> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (digits, rest) =
        unsigned.split_at_checked(unsigned.bytes().take_while(u8::is_ascii_digit).count())?;
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    if rest.is_empty() {
        return Some(text.parse().map_or(Value::BigInteger(text), Value::Integer));
    }
    let fraction = rest.strip_prefix('.');
    let exponent = match fraction {
        Some(fraction) => {
            let exponent = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if exponent.len() == fraction.len() {
                return None;
            }
            exponent
        }
        None => rest,
    };
    let is_exponent = |text: &str| {
        let digits = text.strip_prefix(['e', 'E'])?;
        let digits = digits.strip_prefix(['+', '-']).unwrap_or(digits);
        Some(!digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
    };
    (exponent.is_empty() || is_exponent(exponent) == Some(true)).then_some(Value::Decimal(text))
}

fn bool(text: &str) -> Option<Value<'static>> {
    let is_one_of = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_one_of(&["true", "t", "1"]) {
        return Some(Value::Bool(true));
    }
    is_one_of(&["false", "f", "0"]).then_some(Value::Bool(false))
}

/// Returns the day of a time that is its beginning.
fn midnight(text: &str) -> Option<Value<'_>> {
    let (day, time) = text.split_once(['T', ' '])?;
    let rest = time.strip_prefix("00:00:00")?;
    let rest = rest.strip_prefix('.').map_or(rest, |digits| digits.trim_start_matches('0'));
    matches!(rest, "" | "Z").then_some(Value::Text(day))
}

/// Returns an object or an array.
fn json(text: &str) -> Option<Value<'_>> {
    let begins = text.trim_start().starts_with(['{', '[']);
    let is_json = begins && serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok();
    is_json.then_some(Value::Json(text))
}

/// Reads hexadecimal digits, with or without `0x`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns that take one kind of value.
    #[derive(Clone, Copy, Debug)]
    enum Only {
        Bool,
        Number,
        Text,
        Day,
        Json,
        Bytes,
        Nothing,
    }

    impl Holds for Only {
        fn takes(&self, value: Value<'_>) -> bool {
            match (self, value) {
                (Self::Nothing, _) => false,
                (_, Value::Null)
                | (Self::Bool, Value::Bool(_))
                | (Self::Number, Value::Integer(_) | Value::BigInteger(_) | Value::Decimal(_))
                | (Self::Text, Value::Text(_))
                | (Self::Json, Value::Json(_))
                | (Self::Bytes, Value::Bytes(_)) => true,
                (Self::Day, Value::Text(text)) => text.len() == 10 && text.contains('-'),
                _ => false,
            }
        }
    }

    fn check(holds: Only, value: Value<'_>, expected: Option<Value<'_>>) {
        let cell = adapt(&holds, value);
        assert_eq!(cell.as_ref().map(Cell::value), expected, "{value:?} into {holds:?}");
    }

    #[test]
    fn values_keep_their_meaning() {
        check(Only::Number, Value::Text("12.50"), Some(Value::Decimal("12.50")));
        check(Only::Number, Value::Text("-7"), Some(Value::Integer(-7)));
        check(
            Only::Number,
            Value::Text("18446744073709551615"),
            Some(Value::BigInteger("18446744073709551615")),
        );
        check(Only::Number, Value::Text("1e-3"), Some(Value::Decimal("1e-3")));
        for text in ["", "-", "007", "1.", ".5", "1e", "0x10", " 1", "1 ", "NaN", "+1", "1,5"] {
            check(Only::Number, Value::Text(text), None);
        }
        check(Only::Bool, Value::Integer(1), Some(Value::Bool(true)));
        check(Only::Bool, Value::Integer(2), None);
        check(Only::Bool, Value::Text("F"), Some(Value::Bool(false)));
        check(Only::Bool, Value::Text("1"), Some(Value::Bool(true)));
        check(Only::Bool, Value::Text("yes"), None);
        check(Only::Text, Value::Integer(7), Some(Value::Text("7")));
        check(Only::Text, Value::Decimal("1.50"), Some(Value::Text("1.50")));
        check(Only::Text, Value::Bool(true), Some(Value::Text("true")));
        check(Only::Text, Value::Json("{\"a\": 1}"), Some(Value::Text("{\"a\": 1}")));
        check(Only::Day, Value::Text("2020-02-29T00:00:00Z"), Some(Value::Text("2020-02-29")));
        check(Only::Day, Value::Text("2020-02-29 00:00:00.000"), Some(Value::Text("2020-02-29")));
        check(Only::Day, Value::Text("2020-02-29T00:00:01Z"), None);
        check(Only::Json, Value::Text("[1]"), Some(Value::Json("[1]")));
        check(Only::Json, Value::Text("[1"), None);
        check(Only::Json, Value::Text("1"), None);
        check(Only::Bytes, Value::Text("0x00fF"), Some(Value::Bytes(&[0, 255])));
        check(Only::Bytes, Value::Text("00ff"), Some(Value::Bytes(&[0, 255])));
        check(Only::Bytes, Value::Text(""), Some(Value::Bytes(&[])));
        check(Only::Bytes, Value::Text("0ff"), None);
        check(Only::Bytes, Value::Text("zz"), None);
        check(Only::Nothing, Value::Null, None);
    }
}
