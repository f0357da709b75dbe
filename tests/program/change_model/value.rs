//! Values: as they look in records, and as canonical texts, by which the model and a target are compared.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value as Json;

use super::{Column, Kind, Settings, pick};
use crate::ledger::Plan;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i128),
    /// Digits, and how many of them stand behind the point.
    Numeric(i128, u32),
    Real(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    /// Days since 1970.
    Date(i64),
    /// Microseconds since 1970.
    Timestamp(i64),
    Json(Json),
}

impl Value {
    /// Returns the canonical text; none for NULL.
    pub(crate) fn canonical(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Numeric(digits, scale) => number(&decimal(*digits, *scale)).unwrap(),
            Self::Real(value) => format!("{value:?}"),
            Self::Double(value) => format!("{value:?}"),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => hex(bytes),
            Self::Date(days) => show_date(days * 86_400),
            Self::Timestamp(micros) => show_timestamp(*micros),
            Self::Json(value) => value.to_string(),
        })
    }

    /// Returns the value as JSON, as a record of this column has it.
    pub(crate) fn in_record(&self, column: &Column, settings: &Settings) -> String {
        let mut plan = Plan(column.form);
        let text = |text: &str| Json::from(text).to_string();
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => match plan.below(4) {
                0 => text(if *value { "true" } else { "false" }),
                1 => u8::from(*value).to_string(),
                _ => value.to_string(),
            },
            Self::Integer(value) => value.to_string(),
            Self::Numeric(digits, scale) => {
                let digits = decimal(*digits, *scale);
                if plan.one_in(2) { text(&digits) } else { digits }
            }
            Self::Real(value) => format!("{value:?}"),
            Self::Double(value) => format!("{value:?}"),
            Self::Text(value) => text(value),
            Self::Bytes(bytes) if settings.hex_prefix => text(&format!("0x{}", hex(bytes))),
            Self::Bytes(bytes) => text(&hex(bytes)),
            Self::Date(days) => text(&show_date(days * 86_400)),
            Self::Timestamp(micros) => {
                let shown = show_timestamp(*micros);
                let forms = [shown.clone(), shown.replace('T', " "), shown.replace('Z', "")];
                text(pick::<String>(&mut plan, &forms))
            }
            Self::Json(value) => text(&value.to_string()),
        }
    }

    /// Returns true for what is left out of records without `IncludeNullAndEmpty`.
    pub(crate) fn is_null(&self) -> bool {
        *self == Self::Null
    }

    /// Returns the value as a column of a wider type has it.
    pub(crate) fn widened(&self, to: Kind) -> Self {
        match (self, to) {
            (Self::Integer(value), Kind::Text) => Self::Text(value.to_string()),
            (Self::Integer(value), Kind::Numeric { .. }) => Self::Numeric(*value, 0),
            (Self::Numeric(digits, was), Kind::Numeric { scale, .. }) => {
                Self::Numeric(digits * 10_i128.pow(scale - was), scale)
            }
            _ => self.clone(),
        }
    }
}

/// Returns the canonical text of what a target has for a value of this type.
pub(crate) fn read(kind: Kind, text: &str) -> String {
    let read = match kind {
        Kind::Bool => match text.to_ascii_lowercase().as_str() {
            "t" | "true" | "1" => Some("true".to_owned()),
            "f" | "false" | "0" => Some("false".to_owned()),
            _ => None,
        },
        Kind::Integer { .. } | Kind::Numeric { .. } => number(text),
        Kind::Real => text.parse().ok().map(|value: f32| format!("{value:?}")),
        Kind::Double => text.parse().ok().map(|value: f64| format!("{value:?}")),
        Kind::Text => Some(text.to_owned()),
        Kind::Bytes => {
            let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("\\x"));
            Some(digits.unwrap_or(text).to_ascii_lowercase())
        }
        Kind::Date => {
            let day = text.split(['T', ' ']).next().unwrap_or_default();
            let day = day.parse().ok().map(|day: NaiveDate| day.to_string());
            day.or_else(|| Some(show_date(text.parse::<i64>().ok()?.div_euclid(1000))))
        }
        Kind::Timestamp => {
            let millis = text.parse::<i64>().ok().map(|millis| millis * 1000);
            millis.or_else(|| timestamp(text)).map(show_timestamp)
        }
        Kind::Json => serde_json::from_str(text).ok().map(|value| folded(value).to_string()),
    };
    read.unwrap_or_else(|| format!("not {kind:?}: {text}"))
}

/// Returns JSON in which the siblings of members that cannot hold a value are these members.
fn folded(value: Json) -> Json {
    let member = |(name, value): (String, Json)| {
        let Some((own, kind)) = name.rsplit_once("__") else { return (name, folded(value)) };
        let inner = value.as_str().filter(|_| kind == "json").map(serde_json::from_str);
        (own.to_owned(), folded(inner.and_then(Result::ok).unwrap_or(value)))
    };
    match value {
        Json::Object(members) => {
            let (set, gone): (Vec<_>, Vec<_>) =
                members.into_iter().map(member).partition(|(_, value)| !value.is_null());
            gone.into_iter().chain(set).collect()
        }
        Json::Array(elements) => elements.into_iter().map(folded).collect(),
        value => value,
    }
}

fn timestamp(text: &str) -> Option<i64> {
    let text = text.replace(' ', "T");
    let text = if text.ends_with("+00") { text.replace("+00", "Z") } else { text };
    if let Ok(time) = DateTime::parse_from_rfc3339(&text) {
        return Some(time.timestamp_micros());
    }
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f").ok()?;
    Some(time.and_utc().timestamp_micros())
}

fn show_timestamp(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap().format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

fn show_date(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0).unwrap().format("%Y-%m-%d").to_string()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Returns digits with a point before the last `scale` of them.
fn decimal(digits: i128, scale: u32) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let scale = usize::try_from(scale).unwrap();
    let digits = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// Returns a number without zeros that mean nothing, and without an exponent where it has no fraction.
fn number(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text),
    };
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = [whole, fraction].concat();
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = all.trim_start_matches('0').trim_end_matches('0');
    let cut = all.len() - all.trim_end_matches('0').len();
    if digits.is_empty() {
        return Some("0".to_owned());
    }
    let exponent = exponent.parse::<i64>().ok()?;
    let exponent = exponent - i64::try_from(fraction.len()).ok()? + i64::try_from(cut).ok()?;
    Some(match usize::try_from(exponent) {
        Ok(zeros) => format!("{sign}{digits}{}", "0".repeat(zeros)),
        Err(_) => format!("{sign}{digits}e{exponent}"),
    })
}

#[test]
fn texts_of_targets_are_read() {
    let check = |kind: Kind, text: &str, value: Value| {
        assert_eq!(read(kind, text), value.canonical().unwrap(), "{text}");
    };
    let numeric = Kind::Numeric { precision: 12, scale: 2 };
    check(numeric, "12.50", Value::Numeric(1250, 2));
    check(numeric, "12.5", Value::Numeric(1250, 2));
    check(numeric, "-0.05", Value::Numeric(-5, 2));
    check(numeric, "0.00", Value::Numeric(0, 2));
    check(numeric, "1.2e+3", Value::Numeric(120_000, 2));
    check(numeric, "100", Value::Integer(100));
    check(Kind::Double, "1e+300", Value::Double(1e300));
    check(Kind::Bytes, "\\x01ff", Value::Bytes(vec![1, 255]));
    check(Kind::Date, "1970-01-02", Value::Date(1));
    check(Kind::Date, "86400000", Value::Date(1));
    for text in ["2024-02-29 01:02:03.5+00", "2024-02-29T01:02:03.500Z", "2024-02-29 01:02:03.5"] {
        check(Kind::Timestamp, text, Value::Timestamp(1_709_168_523_500_000));
    }
    check(Kind::Timestamp, "1709168523500", Value::Timestamp(1_709_168_523_500_000));
    check(Kind::Json, "{\"b\": 1, \"a\": [ ]}", Value::Json(serde_json::json!({"a": [], "b": 1})));
    let beside = "{\"a\": null, \"a__json\": \"[1]\", \"b\": {\"c__text\": \"x\"}}";
    check(Kind::Json, beside, Value::Json(serde_json::json!({"a": [1], "b": {"c": "x"}})));
    assert_eq!(read(Kind::Bool, "x"), "not Bool: x");
}
