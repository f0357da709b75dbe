//! What CrateDB makes of a value for the type of its column, silently where it can.
//!
//! Integers beyond 64 bits wrap, fractions are cut off a BIGINT, an integer is milliseconds for a timestamp and a float is
//! seconds. What cannot be cast refuses the whole request.

use super::{
    error::Error,
    time::{self, Offset},
    types::Type,
    value::Value,
};

/// Casts a value to a type, in place. Members of objects are cast where they were declared; those that came with values are
/// left to [`super::dynamic::settle`].
pub(super) fn cast(value: &mut Value, kind: &Type) -> Result<(), Error> {
    if value.is_null() {
        return Ok(());
    }
    match kind {
        Type::Undefined => return Ok(()),
        Type::Object(members) => {
            if let Value::Text(text) = value
                && let Some(parsed @ Value::Object(_)) = super::json::parse(text)
            {
                *value = parsed;
            }
            let Value::Object(given) = value else { return Err(Error::cast(value, "object")) };
            for (index, (name, member)) in given.iter_mut().enumerate() {
                if let Some(place) = members.place_near(name, index)
                    && let column = &members.columns[place]
                    && !column.is_dynamic
                {
                    cast(member, &column.kind)?;
                }
            }
            return Ok(());
        }
        Type::Array(inner) => {
            let Value::Array(items) = value else { return Err(Error::cast(value, &kind.name())) };
            return items.iter_mut().try_for_each(|item| cast(item, inner));
        }
        _ => {}
    }
    match scalar(value, kind) {
        Some(None) => Ok(()),
        Some(Some(changed)) => {
            *value = changed;
            Ok(())
        }
        None => Err(Error::cast(value, &kind.name())),
    }
}

/// Returns none when it cannot be cast, and the inner none when there is nothing to change.
#[expect(clippy::option_option, reason = "a value that stays as it is must not be copied")]
fn scalar(value: &Value, kind: &Type) -> Option<Option<Value>> {
    let changed = match (kind, value) {
        (Type::Boolean, Value::Bool(_))
        | (Type::BigInt | Type::TimestampTz | Type::Timestamp, Value::Int(_))
        | (Type::Double, Value::Float(_))
        | (Type::Text, Value::Text(_)) => return Some(None),
        (Type::Boolean, Value::Text(text)) => Value::Bool(boolean(text)?),
        (Type::Boolean, _) => Value::Bool(value.as_float()? > 0.0),
        (Type::BigInt, _) => Value::Int(integer(value)?),
        (Type::Integer, _) => within(value, i64::from(i32::MIN), i64::from(i32::MAX))?,
        (Type::SmallInt, _) => within(value, i64::from(i16::MIN), i64::from(i16::MAX))?,
        (Type::Char, _) => within(value, i64::from(i8::MIN), i64::from(i8::MAX))?,
        (Type::Double, _) => Value::Float(float(value)?),
        (Type::Real, _) => real(float(value)?)?,
        (Type::Numeric(limits), _) => numeric(value, *limits)?,
        (Type::Text, _) => Value::Text(text(value)?),
        (Type::TimestampTz, _) => Value::Int(timestamp(value, Offset::Counts)?),
        (Type::Timestamp, _) => Value::Int(timestamp(value, Offset::Ignored)?),
        (Type::Ip, Value::Text(text)) => {
            return text.parse::<std::net::IpAddr>().ok().map(|_| None);
        }
        (Type::GeoPoint, _) => point(value)?,
        _ => return None,
    };
    Some(Some(changed))
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        _ => None,
    }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(integer) => Some(*integer),
        Value::Big(digits) => Some(Value::wrapped(digits)),
        Value::Float(float) => Some(cut(*float)),
        Value::Decimal(digits) => digits.parse().ok().map(cut),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "this is what CrateDB does")]
fn cut(float: f64) -> i64 {
    float as i64
}

fn within(value: &Value, least: i64, most: i64) -> Option<Value> {
    // Beyond 64 bits it is out of range as well, and does not wrap into it.
    let number = match value {
        Value::Big(_) => return None,
        value => integer(value)?,
    };
    (least..=most).contains(&number).then_some(Value::Int(number))
}

fn float(value: &Value) -> Option<f64> {
    match value {
        // Java does not know the words that Rust takes for infinity.
        Value::Text(text) => text.parse().ok().filter(|float: &f64| float.is_finite()),
        value => value.as_float(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "REAL keeps about seven digits")]
fn real(float: f64) -> Option<Value> {
    let short = float as f32;
    // Shown with the digits of the shorter type, as 0.1 and not as 0.10000000149.
    short.is_finite().then(|| short.to_string().parse().ok().map(Value::Float)).flatten()
}

fn timestamp(value: &Value, offset: Offset) -> Option<i64> {
    match value {
        Value::Float(seconds) => Some(cut(seconds * 1000.0)),
        Value::Text(text) => time::parse(text, offset),
        Value::Int(_) | Value::Big(_) => integer(value),
        _ => None,
    }
}

/// Returns the text of a scalar. Floats look as Java writes them.
fn text(value: &Value) -> Option<Box<str>> {
    match value {
        Value::Bool(bool) => Some(if *bool { "true" } else { "false" }.into()),
        Value::Int(integer) => Some(integer.to_string().into()),
        Value::Big(digits) | Value::Decimal(digits) => Some(digits.clone()),
        Value::Float(float) => {
            let size = float.abs();
            let written = if size == 0.0 || (1e-3..1e7).contains(&size) {
                format!("{float:?}")
            } else {
                let scientific = format!("{float:E}");
                let (digits, exponent) = scientific.split_once('E')?;
                let point = if digits.contains('.') { "" } else { ".0" };
                format!("{digits}{point}E{exponent}")
            };
            Some(written.into())
        }
        Value::Text(text) => Some(text.clone()),
        Value::Object(_) => Some(value.to_json().into()),
        Value::Null | Value::Array(_) => None,
    }
}

fn numeric(value: &Value, limits: Option<(u32, u32)>) -> Option<Value> {
    let plain = match value {
        Value::Float(float) => float.to_string(),
        Value::Int(integer) => integer.to_string(),
        Value::Big(digits) | Value::Decimal(digits) | Value::Text(digits) => digits.to_string(),
        _ => return None,
    };
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain.as_str()),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let Some((precision, scale)) = limits else { return Some(Value::Decimal(plain.into())) };
    let (precision, scale) = (precision as usize, scale as usize);
    let mut kept: Vec<u8> = whole
        .bytes()
        .chain(fraction.bytes().chain(b"0".iter().copied().cycle()).take(scale))
        .collect();
    if fraction.as_bytes().get(scale).is_some_and(|next| *next >= b'5') {
        round_up(&mut kept);
    }
    let zeros = kept.iter().take_while(|digit| **digit == b'0').count();
    if kept.len() - zeros > precision {
        return None;
    }
    let (whole, fraction) = kept.split_at(kept.len() - scale);
    let (whole, fraction) = (String::from_utf8_lossy(whole), String::from_utf8_lossy(fraction));
    let point = if scale > 0 { "." } else { "" };
    Some(Value::Decimal(format!("{sign}{whole}{point}{fraction}").into()))
}

fn round_up(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

/// `[longitude, latitude]` or `POINT (longitude latitude)`.
fn point(value: &Value) -> Option<Value> {
    let (longitude, latitude) = match value {
        Value::Array(items) => match items.as_slice() {
            [longitude, latitude] => (longitude.as_float()?, latitude.as_float()?),
            _ => return None,
        },
        Value::Text(text) => {
            let inner = text.trim().strip_prefix("POINT")?.trim().strip_prefix('(')?;
            let (longitude, latitude) = inner.strip_suffix(')')?.trim().split_once(' ')?;
            (longitude.parse().ok()?, latitude.trim().parse().ok()?)
        }
        _ => return None,
    };
    let is_on_earth = longitude.abs() <= 180.0 && latitude.abs() <= 90.0;
    is_on_earth.then(|| Value::Array(vec![Value::Float(longitude), Value::Float(latitude)]))
}
