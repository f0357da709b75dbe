//! The types of columns: what DMS calls them, which values they have, and which they can be widened to.

use serde_json::{Map, Value as Json};

use super::{Settings, index, pick, value::Value};
use crate::ledger::Plan;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Integer { bits: u32, signed: bool },
    Numeric { precision: u32, scale: u32 },
    Real,
    Double,
    Text,
    Bytes,
    Date,
    Timestamp,
    Json,
}

const BITS: [u32; 4] = [8, 16, 32, 64];

/// Texts in which something could go wrong.
const TEXTS: [&str; 24] = [
    "a",
    "A",
    "grün",
    "日本語",
    "😀",
    "O'Brien",
    "\"quoted\"",
    "null",
    "NULL",
    "0x01ff",
    "123",
    "007",
    "1.50",
    "true",
    "2020-01-01",
    "{\"a\": 1}",
    "[1",
    "two\nlines\tand a tab",
    "back\\slash",
    "; DROP TABLE x --",
    " ",
    "trailing ",
    "\u{7f}\u{1}",
    "$1 ? :a",
];

/// Texts that are keys.
const KEYS: [&str; 12] =
    ["a", "A", "a ", "grün", "O'Brien", "x\"y", "1", "01", "1.0", "日本", "null", "\\"];

impl Kind {
    /// Returns any type.
    pub(crate) fn any(plan: &mut Plan) -> Self {
        match plan.below(12) {
            0 => Self::Bool,
            1..=3 => Self::Integer { bits: *pick(plan, &BITS), signed: !plan.one_in(3) },
            4 | 5 => Self::any_numeric(plan),
            6 => Self::Real,
            7 => Self::Double,
            8 => Self::Bytes,
            9 => Self::Date,
            10 => Self::Timestamp,
            11 if plan.one_in(2) => Self::Json,
            _ => Self::Text,
        }
    }

    /// Returns a type of keys.
    pub(crate) fn any_key(plan: &mut Plan) -> Self {
        match plan.below(6) {
            0..=2 => Self::Integer { bits: *pick(plan, &BITS), signed: !plan.one_in(3) },
            3 => Self::Text,
            4 => Self::Numeric { precision: 12, scale: 2 },
            _ => Self::Timestamp,
        }
    }

    fn any_numeric(plan: &mut Plan) -> Self {
        let precision = *pick(plan, &[5, 12, 18, 20, 38]);
        Self::Numeric { precision, scale: *pick(plan, &[0, 2, 5]) }
    }

    /// Returns a type that has room for all values of this one; none where there is none.
    pub(crate) fn wider(self, plan: &mut Plan) -> Option<Self> {
        match self {
            Self::Integer { bits, signed } if bits < 64 && !plan.one_in(3) => {
                Some(Self::Integer { bits: bits * 2, signed })
            }
            Self::Integer { .. } if plan.one_in(2) => Some(Self::Text),
            Self::Integer { .. } => Some(Self::Numeric { precision: 25, scale: 0 }),
            Self::Numeric { precision, scale } if precision < 36 => Some(Self::Numeric {
                precision: precision + 2,
                scale: scale + pick(plan, &[0, 1, 2]),
            }),
            _ => None,
        }
    }

    /// Returns the definition of a column, as control records have it.
    pub(crate) fn definition(self, form: u64) -> String {
        let names: &[&str] = match self {
            Self::Bool => &["BOOLEAN", "BOOL"],
            Self::Integer { bits: 8, signed: true } => &["INT1", "INT8"],
            Self::Integer { bits: 16, signed: true } => &["INT2", "INT16"],
            Self::Integer { bits: 32, signed: true } => &["INT4", "INT32"],
            Self::Integer { signed: true, .. } => &["INT8", "INT64"],
            Self::Integer { bits: 8, .. } => &["UINT1", "UINT8"],
            Self::Integer { bits: 16, .. } => &["UINT2", "UINT16"],
            Self::Integer { bits: 32, .. } => &["UINT4", "UINT32"],
            Self::Integer { .. } => &["UINT8", "UINT64"],
            Self::Numeric { .. } => &["NUMERIC"],
            Self::Real => &["REAL4", "FLOAT32"],
            Self::Double => &["REAL8", "DOUBLE"],
            Self::Text => &["STRING", "WSTRING", "CLOB", "NCLOB"],
            Self::Bytes => &["BYTES", "BLOB"],
            Self::Date => &["DATE", "DATE32"],
            Self::Timestamp => &["DATETIME", "TIMESTAMP"],
            Self::Json => &["JSON"],
        };
        let name = pick(&mut Plan(form), names);
        let more = match self {
            Self::Numeric { precision, scale } => {
                format!(r#", "precision": {precision}, "scale": {scale}"#)
            }
            Self::Text | Self::Bytes => r#", "length": 200"#.to_owned(),
            _ => String::new(),
        };
        format!(r#"{{"type": "{name}"{more}, "nullable": true}}"#)
    }

    /// Returns a value that is not NULL.
    pub(crate) fn value(self, plan: &mut Plan, settings: &Settings) -> Value {
        match self {
            Self::Bool => Value::Bool(plan.one_in(2)),
            Self::Integer { bits, signed } => {
                let (least, most) = if signed {
                    (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1)
                } else {
                    (0, (1_i128 << bits) - 1)
                };
                Value::Integer(match plan.below(6) {
                    0 => least,
                    1 => most,
                    2 => least + i128::from(plan.below(1 << 53)) % (most - least),
                    _ => i128::from(plan.below(100)),
                })
            }
            Self::Numeric { precision, scale } => {
                let most = 10_i128.pow(precision) - 1;
                let sign = if plan.one_in(3) { -1 } else { 1 };
                let digits = match plan.below(4) {
                    0 => most,
                    1 => i128::from(plan.below(u64::MAX)) * i128::from(plan.below(1 << 62)) % most,
                    _ => i128::from(plan.below(10_000)) % most,
                };
                Value::Numeric(sign * digits, scale)
            }
            Self::Real => {
                let quarters = f32::from(u16::try_from(plan.below(60_000)).unwrap()) / 4.0;
                Value::Real(*pick(plan, &[0.1, -1.5, 3.4e30, 1.0e-10, quarters]))
            }
            Self::Double => {
                let bits = f64::from_bits(plan.below(u64::MAX));
                let any = if bits.is_finite() && bits.abs() > 1e-280 { bits } else { 0.5 };
                Value::Double(*pick(plan, &[0.0, 0.1, -2.25, 1e300, 1e15 + 0.3, 42.0, any]))
            }
            Self::Text if settings.nulls && plan.one_in(10) => Value::Text(String::new()),
            Self::Text if plan.one_in(3) => Value::Text(format!("text {}", plan.below(1000))),
            Self::Text => Value::Text((*pick(plan, &TEXTS)).to_owned()),
            Self::Bytes => {
                let least = usize::from(!settings.nulls);
                let bytes = (0..least + index(plan, 6)).map(|_| u8::try_from(plan.below(256)));
                Value::Bytes(bytes.collect::<Result<_, _>>().unwrap())
            }
            Self::Date => Value::Date(match plan.below(8) {
                0 => -25_567,
                1 => 0,
                2 => 11_016,
                _ => i64::try_from(plan.below(30_000)).unwrap(),
            }),
            Self::Timestamp => {
                let seconds = i64::try_from(plan.below(4_000_000_000)).unwrap() - 1_000_000_000;
                let within = match plan.below(4) {
                    0 => 0,
                    1 => i64::try_from(plan.below(1_000_000)).unwrap(),
                    _ => i64::try_from(plan.below(1000)).unwrap() * 1000,
                };
                Value::Timestamp(seconds * 1_000_000 + within)
            }
            Self::Json => Value::Json(json(plan)),
        }
    }

    /// Returns a value of a key: one of few, or one of many.
    pub(crate) fn key_value(self, plan: &mut Plan, is_new: bool) -> Value {
        let number = plan.below(if is_new { 5_000 } else { 10 });
        match self {
            Self::Integer { bits, .. } => {
                Value::Integer(i128::from(if bits == 8 { number % 120 } else { number }))
            }
            Self::Numeric { scale, .. } => Value::Numeric(i128::from(number) * 5, scale),
            Self::Timestamp => {
                let millis = 1_700_000_000_000 + i64::try_from(number).unwrap() * 1_234;
                Value::Timestamp(millis * 1000)
            }
            _ if is_new => Value::Text(format!("key {number}")),
            _ => Value::Text((*pick(plan, &KEYS)).to_owned()),
        }
    }
}

/// Returns an object or an array.
fn json(plan: &mut Plan) -> Json {
    let mut members = Map::new();
    if plan.one_in(2) {
        members.insert("n".to_owned(), plan.below(1000).into());
    }
    if plan.one_in(2) {
        members.insert("s".to_owned(), (*pick(plan, &TEXTS)).into());
    }
    if plan.one_in(2) {
        let list: Vec<_> = (0..plan.below(3)).collect();
        members.insert("l".to_owned(), list.into());
    }
    if plan.one_in(3) {
        let inner = json(plan);
        members.insert("o".to_owned(), inner);
    }
    if plan.one_in(4) {
        members.insert("n".to_owned(), Json::Null);
        members.insert("ü b".to_owned(), true.into());
    }
    match plan.below(4) {
        0 => Json::Array(members.into_iter().map(|(_, value)| value).collect()),
        _ => Json::Object(members),
    }
}
