//! What a column takes without changing it, in the binary form of COPY. Pure.
//!
//! PostgreSQL refuses most of what does not fit, but not all: NUMERIC with a scale and REAL round, `char(n)` loses blanks at
//! the end, a TIMESTAMP loses its zone. So nothing is sent to a column that would be changed by that.
//!
//! A field is its length in four bytes, and the bytes that the receiving function of its type reads
//! (<https://www.postgresql.org/docs/current/sql-copy.html>, "Binary Format").

use std::borrow::Cow;

use ctk_db::postgres::Type;
use ctk_flow::Value;
use serde_json::value::RawValue;

use super::{
    json::fits_jsonb,
    numeric::Number,
    time::{date, moment, time},
};
use crate::kinds::{double, exact_double, whole};

/// Appends the field of a value; false, and nothing appended, when the column would not hold it as it is.
pub(crate) fn put(of: &Type, value: Value<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.extend([0; 4]);
    let fits = write(of, value, out);
    let length = i32::try_from(out.len() - start - 4).ok().filter(|_| fits);
    match (length, out.get_mut(start..start + 4)) {
        (Some(length), Some(place)) => place.copy_from_slice(&length.to_be_bytes()),
        _ => out.truncate(start),
    }
    length.is_some()
}

/// Appends the field of NULL.
pub(crate) fn put_null(out: &mut Vec<u8>) {
    out.extend((-1_i32).to_be_bytes());
}

/// Appends the bytes of a value; what is appended means nothing when it does not fit.
fn write(of: &Type, value: Value<'_>, out: &mut Vec<u8>) -> bool {
    match (of, value) {
        (Type::Bool, Value::Bool(value)) => out.push(value.into()),
        (Type::Int2, _) => {
            return put_some(
                integer(value).and_then(|n| i16::try_from(n).ok()).map(i16::to_be_bytes),
                out,
            );
        }
        (Type::Int4, _) => {
            return put_some(
                integer(value).and_then(|n| i32::try_from(n).ok()).map(i32::to_be_bytes),
                out,
            );
        }
        (Type::Int8, _) => return put_some(integer(value).map(i64::to_be_bytes), out),
        (Type::Float8, _) => return put_some(float(value).map(f64::to_be_bytes), out),
        (Type::Float4, _) => {
            return put_some(float(value).and_then(single).map(f32::to_be_bytes), out);
        }
        (Type::Numeric { precision }, _) => return numeric(value, *precision, out),
        (Type::Text { most }, Value::Text(text)) => {
            let fits = most.is_none_or(|most| has_at_most(text, most));
            return fits && characters(text, out);
        }
        // A number that not even NUMERIC can hold, its digits.
        (Type::Text { most: None }, Value::Decimal(text) | Value::BigInteger(text))
            if double(text).is_none() && Number::parse(text).is_none() =>
        {
            out.extend(text.as_bytes());
        }
        (Type::Char { length }, Value::Text(text)) => {
            return !text.ends_with(' ') && has_at_most(text, *length) && characters(text, out);
        }
        (Type::Json, Value::Json(text)) => out.extend(text.as_bytes()),
        (Type::Jsonb, Value::Json(text)) if fits_jsonb(text) => {
            // The version of the format.
            out.push(1);
            out.extend(text.as_bytes());
        }
        (Type::Bytea, Value::Bytes(bytes)) => out.extend(bytes),
        // Text that TEXT cannot hold, in UTF-8.
        (Type::Bytea, Value::Text(text)) if text.contains('\0') => out.extend(text.as_bytes()),
        (Type::Timestamptz { digits }, Value::Text(text)) => {
            let moment = moment(text).filter(|moment| moment.digits <= *digits);
            return put_some(moment.map(|moment| moment.instant().to_be_bytes()), out);
        }
        (Type::Timestamp { digits }, Value::Text(text)) => {
            let moment = moment(text).filter(|moment| moment.digits <= *digits);
            return put_some(moment.and_then(|moment| Some(moment.reading()?.to_be_bytes())), out);
        }
        (Type::Date, Value::Text(text)) => return put_some(date(text).map(i32::to_be_bytes), out),
        (Type::Time { digits }, Value::Text(text)) => {
            let time = time(text).filter(|(_, shown)| shown <= digits);
            return put_some(time.map(|(micros, _)| micros.to_be_bytes()), out);
        }
        (Type::Uuid, Value::Text(text)) => return put_some(uuid(text), out),
        (Type::Enum { labels }, Value::Text(text)) => {
            return labels.iter().any(|label| label == text) && characters(text, out);
        }
        (Type::Array { element, element_oid }, Value::Json(text)) => {
            return array(element, *element_oid, text, out);
        }
        _ => return false,
    }
    true
}

fn put_some<const N: usize>(bytes: Option<[u8; N]>, out: &mut Vec<u8>) -> bool {
    out.extend(bytes.into_iter().flatten());
    bytes.is_some()
}

fn integer(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Integer(value) => Some(value),
        Value::Decimal(text) => whole(text),
        _ => None,
    }
}

fn float(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(value) => exact_double(value),
        Value::Decimal(text) => double(text),
        _ => None,
    }
}

/// Returns the REAL that reads as the double does, as `0.1` reads the same in both.
fn single(value: f64) -> Option<f32> {
    #[expect(clippy::cast_possible_truncation, reason = "what is lost is noticed")]
    let single = value as f32;
    #[expect(clippy::float_cmp, reason = "the same number, not a near one")]
    let is_same = f64::from(single) == value || single.to_string().parse() == Ok(value);
    (single.is_finite() && is_same).then_some(single)
}

fn numeric(value: Value<'_>, precision: Option<(u16, i16)>, out: &mut Vec<u8>) -> bool {
    let number = match value {
        Value::Integer(value) => Number::parse(itoa::Buffer::new().format(value)),
        Value::BigInteger(text) | Value::Decimal(text) => Number::parse(text),
        _ => None,
    };
    let fits =
        |number: &Number| precision.is_none_or(|(precision, scale)| number.fits(precision, scale));
    let number = number.filter(fits);
    if let Some(number) = &number {
        number.write(out);
    }
    number.is_some()
}

fn has_at_most(text: &str, characters: u32) -> bool {
    let most = usize::try_from(characters).unwrap_or(usize::MAX);
    text.len() <= most || text.chars().count() <= most
}

/// PostgreSQL holds every character in a text but NUL.
fn characters(text: &str, out: &mut Vec<u8>) -> bool {
    out.extend(text.as_bytes());
    !text.as_bytes().contains(&0)
}

/// Reads `550e8400-e29b-41d4-a716-446655440000`.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let has_form = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    let digits = has_form.then(|| text.replace('-', ""))?;
    u128::from_str_radix(&digits, 16).ok().map(u128::to_be_bytes)
}

/// Appends an array of one dimension. Arrays in arrays do not fit: PostgreSQL has no other than even ones.
fn array(element: &Type, element_oid: u32, text: &str, out: &mut Vec<u8>) -> bool {
    let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else { return false };
    let has_null = items.iter().any(|item| item.get() == "null");
    let dimensions = i32::from(!items.is_empty());
    out.extend(dimensions.to_be_bytes());
    out.extend(i32::from(has_null).to_be_bytes());
    out.extend(element_oid.to_be_bytes());
    if dimensions > 0 {
        let Ok(count) = i32::try_from(items.len()) else { return false };
        out.extend(count.to_be_bytes());
        // The index of the first.
        out.extend(1_i32.to_be_bytes());
    }
    items.into_iter().all(|item| put_item(element, item.get(), out))
}

fn put_item(element: &Type, item: &str, out: &mut Vec<u8>) -> bool {
    let value = match item.as_bytes().first() {
        Some(b'n') => {
            put_null(out);
            return true;
        }
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => {
            let Ok(text) = serde_json::from_str::<Text<'_>>(item) else { return false };
            return put(element, Value::Text(&text.0), out);
        }
        Some(b'[' | b'{') => {
            let is_json = matches!(element, Type::Json | Type::Jsonb);
            return is_json && put(element, Value::Json(item), out);
        }
        _ => match item.parse() {
            Ok(integer) if item != "-0" => Value::Integer(integer),
            _ if item.contains(['.', 'e', 'E']) || item == "-0" => Value::Decimal(item),
            _ => Value::BigInteger(item),
        },
    };
    put(element, value, out)
}

/// A JSON string, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: &Type, value: Value<'_>, expected: Option<&[u8]>) {
        let mut out = vec![7];
        let fits = put(of, value, &mut out);
        let field = fits.then(|| &out[5..]);
        assert_eq!(field, expected, "{value:?} into {of:?}");
        match field {
            None => assert_eq!(out, [7], "nothing is left of what does not fit"),
            Some(field) => {
                let length = i32::try_from(field.len()).unwrap();
                assert_eq!(out.get(1..5), Some(length.to_be_bytes().as_slice()));
            }
        }
    }

    #[test]
    fn numbers_that_would_change_do_not_fit() {
        check(&Type::Bool, Value::Bool(true), Some(&[1]));
        check(&Type::Bool, Value::Integer(1), None);
        check(&Type::Int2, Value::Integer(-2), Some(&[255, 254]));
        check(&Type::Int2, Value::Integer(32_768), None);
        check(&Type::Int4, Value::Decimal("5.0"), Some(&[0, 0, 0, 5]));
        check(&Type::Int4, Value::Decimal("1.7"), None);
        check(&Type::Int8, Value::Integer(i64::MAX), Some(&i64::MAX.to_be_bytes()));
        check(&Type::Int8, Value::BigInteger("9223372036854775808"), None);
        check(&Type::Int8, Value::Text("5"), None);
        check(&Type::Float8, Value::Integer(3), Some(&3_f64.to_be_bytes()));
        check(&Type::Float8, Value::Integer(i64::MAX), None);
        check(&Type::Float8, Value::Decimal("1e999"), None);
        check(&Type::Float4, Value::Decimal("0.1"), Some(&0.1_f32.to_be_bytes()));
        check(&Type::Float4, Value::Decimal("0.123456789"), None);
        check(&Type::Float4, Value::Decimal("1e39"), None);
        check(&Type::Float4, Value::Integer(16_777_217), None);
        check(&Type::Numeric { precision: Some((5, 2)) }, Value::Decimal("1.005"), None);
        check(&Type::Numeric { precision: Some((5, 2)) }, Value::Integer(1000), None);
        check(
            &Type::Numeric { precision: None },
            Value::Integer(1),
            Some(&[0, 1, 0, 0, 0, 0, 0, 0, 0, 1]),
        );
        check(&Type::Numeric { precision: None }, Value::Text("1"), None);
    }

    #[test]
    fn text_is_not_cut() {
        check(&Type::Text { most: None }, Value::Text("grün"), Some("grün".as_bytes()));
        check(&Type::Text { most: Some(4) }, Value::Text("grün"), Some("grün".as_bytes()));
        check(&Type::Text { most: Some(3) }, Value::Text("grün"), None);
        check(&Type::Text { most: None }, Value::Text("a\0b"), None);
        check(&Type::Text { most: None }, Value::Integer(1), None);
        check(&Type::Text { most: None }, Value::Decimal("1e999"), None);
        check(&Type::Text { most: None }, Value::Decimal("1e999999"), Some(b"1e999999"));
        check(&Type::Text { most: None }, Value::Json("[]"), None);
        check(&Type::Char { length: 3 }, Value::Text("ab"), Some(b"ab"));
        check(&Type::Char { length: 3 }, Value::Text("ab "), None);
        check(&Type::Char { length: 3 }, Value::Text("abcd"), None);
        check(&Type::Bytea, Value::Text("a\0b"), Some(b"a\0b"));
        check(&Type::Bytea, Value::Text("ab"), None);
        check(&Type::Bytea, Value::Bytes(&[0, 255]), Some(&[0, 255]));
        let labels = Type::Enum { labels: vec!["red".into()] };
        check(&labels, Value::Text("red"), Some(b"red"));
        check(&labels, Value::Text("Red"), None);
    }

    #[test]
    fn documents_are_kept_as_they_are() {
        check(&Type::Jsonb, Value::Json(r#"{"a": 1}"#), Some(b"\x01{\"a\": 1}"));
        check(&Type::Jsonb, Value::Json(r#"["\u0000"]"#), None);
        check(&Type::Json, Value::Json(r#"["\u0000"]"#), Some(br#"["\u0000"]"#));
        check(&Type::Json, Value::Text("x"), None);
    }

    #[test]
    fn times_and_ids_come_from_text() {
        let timestamp = Type::Timestamptz { digits: 6 };
        check(
            &timestamp,
            Value::Text("2000-01-01T01:00:00.5+01:00"),
            Some(&500_000_i64.to_be_bytes()),
        );
        check(&Type::Timestamptz { digits: 0 }, Value::Text("2000-01-01T00:00:00.5Z"), None);
        check(&timestamp, Value::Integer(5), None);
        check(&timestamp, Value::Text("yesterday"), None);
        check(&Type::Timestamp { digits: 6 }, Value::Text("2000-01-01T00:00:01+01:00"), None);
        check(
            &Type::Timestamp { digits: 6 },
            Value::Text("2000-01-01 00:00:01"),
            Some(&1_000_000_i64.to_be_bytes()),
        );
        check(&Type::Date, Value::Text("1999-12-31"), Some(&(-1_i32).to_be_bytes()));
        check(&Type::Date, Value::Text("1999-12-31T00:00:00"), None);
        check(
            &Type::Time { digits: 3 },
            Value::Text("00:00:00.123"),
            Some(&123_000_i64.to_be_bytes()),
        );
        check(&Type::Time { digits: 3 }, Value::Text("00:00:00.1234"), None);
        let id = "550e8400-E29b-41d4-a716-446655440000";
        check(
            &Type::Uuid,
            Value::Text(id),
            Some(&0x550e_8400_e29b_41d4_a716_4466_5544_0000_u128.to_be_bytes()),
        );
        check(&Type::Uuid, Value::Text("550e8400e29b41d4a716446655440000"), None);
        check(&Type::Uuid, Value::Text("+50e8400-e29b-41d4-a716-446655440000"), None);
        check(&Type::Other { name: "inet".into() }, Value::Text("127.0.0.1"), None);
    }

    #[test]
    fn arrays_fit_when_all_elements_do() {
        let of = |element: Type, element_oid: u32| Type::Array {
            element: Box::new(element),
            element_oid,
        };
        let integers = of(Type::Int4, 23);
        check(&integers, Value::Json("[]"), Some(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 23]));
        let two = [
            0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 23, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 9,
            255, 255, 255, 255,
        ];
        check(&integers, Value::Json("[9, null]"), Some(&two));
        check(&integers, Value::Json("[1.5]"), None);
        check(&integers, Value::Json("[[1]]"), None);
        check(&integers, Value::Json("{}"), None);
        let text = of(Type::Text { most: None }, 25);
        let expected =
            [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, b'"', b'a'];
        check(&text, Value::Json(r#"["\"a"]"#), Some(&expected));
        check(&text, Value::Json(r#"["\u0000"]"#), None);
        check(&text, Value::Json("[{}]"), None);
        assert!(!put(&of(Type::Jsonb, 3802), Value::Json("[{}, 5]"), &mut Vec::new()));
        assert!(put(&of(Type::Jsonb, 3802), Value::Json("[{}]"), &mut Vec::new()));
        assert!(put(&of(Type::Float8, 701), Value::Json("[-0, 1e3, 2]"), &mut Vec::new()));
    }
}
