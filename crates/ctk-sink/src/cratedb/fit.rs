//! A value as its column takes it, written as JSON; or why it does not. Pure.
//!
//! CrateDB casts without a word: 1.7 into a BIGINT is 1, 2^64 - 1 is -1, a JSON float in a timestamp is *seconds*. So nothing is
//! sent that it would change. A value that fits is written as that type; else it goes into a sibling for its kind
//! (`v__double`), within objects alike.

use std::{collections::HashMap, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::{
    json::Item,
    names,
    types::{Kind, Scalar, Type, is_long},
};
use crate::{
    envelope::push_json_text,
    kinds::{double, exact_double, whole},
    names::variant,
};

/// A value needs a column or key that is not there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Missing {
    /// Its name, behind those of the column and the objects around it.
    pub(crate) path: Vec<String>,
    /// What it is to hold.
    pub(crate) kind: Kind,
}

/// Appends the value as `of` takes it. When it would be changed by that, appends nothing (or a part, which the caller cuts off)
/// and returns false.
pub(crate) fn write(of: &Type, item: &Item<'_>, out: &mut String) -> Result<bool, Missing> {
    match (of, item) {
        (_, Item::Null) => out.push_str("null"),
        (Type::Boolean, Item::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
        (Type::Integer { min, max }, Item::Integer(value)) if (min..=max).contains(&value) => {
            integer(*value, out);
        }
        (Type::Integer { min, max }, Item::Decimal(text)) => {
            let whole = whole(text).filter(|value| (min..=max).contains(&value));
            let Some(value) = whole else { return Ok(false) };
            integer(value, out);
        }
        (Type::Double, Item::Decimal(text)) if double(text).is_some() => out.push_str(text),
        // With a fraction, so that a column or key that is made by it is of this type.
        (Type::Double, Item::Integer(value)) if exact_double(*value).is_some() => {
            integer(*value, out);
            out.push_str(".0");
        }
        (Type::Real, Item::Decimal(text)) if is_real(text) => out.push_str(text),
        (Type::Real, Item::Integer(value)) if value.unsigned_abs() <= 1 << 24 => {
            integer(*value, out);
        }
        (
            Type::Numeric { precision, scale },
            Item::Decimal(_) | Item::Big(_) | Item::Integer(_),
        ) => {
            let Some(digits) = numeric(item, *precision, *scale) else { return Ok(false) };
            push_json_text(&digits, out);
        }
        (Type::Text { is_long: takes_all }, Item::Text(text)) => {
            if !takes_all && is_long(*text) {
                return Ok(false);
            }
            text.write(out);
        }
        (Type::Text { .. }, Item::Big(digits)) => push_json_text(digits, out),
        (Type::Text { .. }, Item::Integer(value @ (i64::MIN | i64::MAX))) => {
            push_json_text(&value.to_string(), out);
        }
        (Type::Text { .. }, Item::Decimal(digits)) if double(digits).is_none() => {
            push_json_text(digits, out);
        }
        (Type::Text { .. }, Item::Bytes(bytes)) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
        (Type::Timestamp { has_zone }, Item::Text(text)) => {
            let Some(millis) = timestamp(&text.plain(), *has_zone) else { return Ok(false) };
            integer(millis, out);
        }
        (Type::Timestamp { .. }, Item::Integer(millis))
            if *millis > i64::MIN && *millis < i64::MAX =>
        {
            integer(*millis, out);
        }
        (Type::Ip, Item::Text(text)) if text.plain().parse::<IpAddr>().is_ok() => text.write(out),
        (Type::Array(element), Item::Array(_, elements)) => return array(element, elements, out),
        (Type::Object(keys), Item::Object(_, members)) => {
            let keep = |name: &str, item: &Item<'_>, out: &mut String| known(keys, name, item, out);
            object(members, keep, out)?;
        }
        (Type::Ignored(keys), Item::Object(_, members)) => {
            let keep = |name: &str, item: &Item<'_>, out: &mut String| match keys.get(name) {
                // What is declared in it has its type, as anywhere.
                Some(_) => known(keys, name, item, out),
                None => ignored_key(name, item, out),
            };
            object(members, keep, out)?;
        }
        (Type::Geo, Item::Text(text)) => text.write(out),
        (Type::Geo, Item::Array(json, _) | Item::Object(json, _)) => out.push_str(json),
        _ => return Ok(false),
    }
    Ok(true)
}

/// Appends a value that is in a sibling of its own kind: what has no type in CrateDB is text there.
pub(crate) fn write_variant(
    of: &Type,
    kind: Kind,
    item: &Item<'_>,
    out: &mut String,
) -> Result<bool, Missing> {
    match (of, kind, item) {
        (Type::Text { .. }, Kind::Json, Item::Array(json, _) | Item::Object(json, _)) => {
            push_json_text(json, out);
        }
        // That it is made for such text cannot be read from the schema.
        (Type::Text { .. }, Kind::LongText, Item::Text(text)) => text.write(out),
        _ => return write(of, item, out),
    }
    Ok(true)
}

fn array(element: &Type, elements: &[Item<'_>], out: &mut String) -> Result<bool, Missing> {
    out.push('[');
    for (index, item) in elements.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if !write(element, item, out)? {
            return Ok(false);
        }
    }
    out.push(']');
    Ok(true)
}

/// What became of a member under a certain name.
enum Kept {
    Yes,
    No,
}

/// Appends an object, each member under its own name or that of the first sibling that takes it.
fn object(
    members: &[(std::borrow::Cow<'_, str>, Item<'_>)],
    keep: impl Fn(&str, &Item<'_>, &mut String) -> Result<Kept, Missing>,
    out: &mut String,
) -> Result<(), Missing> {
    let mut used: Vec<String> = Vec::new();
    out.push('{');
    for (index, (member, item)) in members.iter().enumerate() {
        let start = out.len();
        if index > 0 {
            out.push(',');
        }
        let own = names::of_key(member);
        push_json_text(&own, out);
        out.push(':');
        // Names that variants took before are few.
        if !used.iter().any(|name| *name == own) && matches!(keep(&own, item, out)?, Kept::Yes) {
            continue;
        }
        let kind = Kind::of(item).unwrap_or(Kind::Json);
        let mut name = own.into_owned();
        loop {
            out.truncate(start);
            if index > 0 {
                out.push(',');
            }
            name = variant(&name, &kind.name());
            let is_member = members.iter().any(|(member, _)| names::of_key(member) == name);
            if is_member || used.contains(&name) {
                continue;
            }
            push_json_text(&name, out);
            out.push(':');
            if matches!(keep(&name, item, out)?, Kept::Yes) {
                break;
            }
        }
        used.push(name);
    }
    out.push('}');
    Ok(())
}

/// Writes the value under the name, if the object has such a key and it takes the value.
fn known(
    keys: &HashMap<String, Type>,
    name: &str,
    item: &Item<'_>,
    out: &mut String,
) -> Result<Kept, Missing> {
    let kind = match Kind::of(item) {
        // A key cannot be declared without an index: CrateDB refuses such a row, and says why.
        Some(Kind::LongText) => Some(Kind::One(Scalar::Text)),
        kind => kind,
    };
    let Some(of) = keys.get(name) else {
        return match kind {
            None => {
                out.push_str("null");
                Ok(Kept::Yes)
            }
            // An array that shows no type must not decide the type of the key.
            Some(Kind::Json) if !names::is_variant(name, Kind::Json) => Ok(Kept::No),
            Some(kind) => Err(Missing { path: vec![name.to_owned()], kind }),
        };
    };
    let written = match (of, kind) {
        (_, Some(Kind::Json)) if names::is_variant(name, Kind::Json) => {
            write_variant(of, Kind::Json, item, out)
        }
        (Type::Text { .. }, Some(Kind::One(Scalar::Text))) => {
            write(&Type::Text { is_long: true }, item, out)
        }
        _ => write(of, item, out),
    };
    let written = written.map_err(|mut missing| {
        missing.path.insert(0, name.to_owned());
        missing
    })?;
    Ok(if written { Kept::Yes } else { Kept::No })
}

/// Writes what is in an `OBJECT(IGNORED)`: everything as it is, but numbers that CrateDB would change.
fn ignored_key(name: &str, item: &Item<'_>, out: &mut String) -> Result<Kept, Missing> {
    if is_beyond_numbers(item) && !name.ends_with("__text") {
        return Ok(Kept::No);
    }
    ignored(item, out)?;
    Ok(Kept::Yes)
}

/// Returns true for digits that no number of CrateDB holds.
fn is_beyond_numbers(item: &Item<'_>) -> bool {
    match item {
        Item::Big(_) => true,
        Item::Decimal(text) => double(text).is_none(),
        _ => false,
    }
}

fn ignored(item: &Item<'_>, out: &mut String) -> Result<(), Missing> {
    match item {
        Item::Null => out.push_str("null"),
        Item::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Item::Integer(value) => integer(*value, out),
        Item::Big(digits) | Item::Decimal(digits) if is_beyond_numbers(item) => {
            push_json_text(digits, out);
        }
        Item::Big(digits) | Item::Decimal(digits) => out.push_str(digits),
        Item::Text(text) => text.write(out),
        Item::Bytes(_) => {}
        Item::Object(_, members) => object(members, ignored_key, out)?,
        Item::Array(_, elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                ignored(element, out)?;
            }
            out.push(']');
        }
    }
    Ok(())
}

fn integer(value: i64, out: &mut String) {
    out.push_str(itoa::Buffer::new().format(value));
}

/// Returns true when the nearest REAL shows the same digits as the nearest DOUBLE.
fn is_real(text: &str) -> bool {
    match (text.parse::<f32>(), double(text)) {
        (Ok(real), Some(double)) => real.is_finite() && real.to_string() == double.to_string(),
        _ => false,
    }
}

/// Returns the digits of a number that a NUMERIC holds without rounding. They are sent as text: as a number they would be
/// a double on their way.
fn numeric(item: &Item<'_>, precision: Option<u64>, scale: Option<u64>) -> Option<String> {
    let text = match item {
        Item::Integer(value) => value.to_string(),
        Item::Big(digits) => (*digits).to_owned(),
        Item::Decimal(text) if !text.contains(['e', 'E']) => (*text).to_owned(),
        _ => return None,
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.trim_start_matches(['-', '0']).len() as u64;
    let fraction = fraction.trim_end_matches('0').len() as u64;
    let fits = scale.is_none_or(|scale| fraction <= scale)
        && precision.is_none_or(|precision| whole + scale.unwrap_or(0) <= precision);
    fits.then_some(text)
}

/// Returns the milliseconds of a time, if it is one to the millisecond, and if its zone is not lost.
fn timestamp(text: &str, has_zone: bool) -> Option<i64> {
    let text = text.trim();
    let naive = |text: &str| {
        ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
            .iter()
            .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
            .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))
    };
    let time = match DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%#z")
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .or_else(|_| DateTime::parse_from_rfc3339(text))
    {
        Ok(time) if has_zone || time.offset().local_minus_utc() == 0 => time.to_utc(),
        Ok(_) => return None,
        Err(_) => naive(text)?.and_utc(),
    };
    let is_exact = time.timestamp_subsec_nanos() % 1_000_000 == 0;
    is_exact.then(|| time.timestamp_millis())
}

#[cfg(test)]
mod tests;
