//! Types of CrateDB: what a column or a key of an object holds, and what a value is. Pure.
//!
//! The types: <https://cratedb.com/docs/crate/reference/en/latest/general/ddl/data-types.html>.

use std::{borrow::Cow, collections::HashMap};

use ctk_db::quote;

use super::json::{Item, Text};
use crate::kinds::{double, exact_double};

/// What a column, a key or an element holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Type {
    Boolean,
    /// CHAR to BIGINT, by what they hold.
    Integer {
        min: i64,
        max: i64,
    },
    Real,
    Double,
    Numeric {
        precision: Option<u64>,
        scale: Option<u64>,
    },
    /// `is_long`: not indexed, so it takes more than 32,766 bytes.
    Text {
        is_long: bool,
    },
    Timestamp {
        has_zone: bool,
    },
    Ip,
    /// An object whose keys have types.
    Object(HashMap<String, Self>),
    /// `OBJECT(IGNORED)`: anything goes, but under the keys that are declared.
    Ignored(HashMap<String, Self>),
    Array(Box<Self>),
    /// Points and shapes, which are left to CrateDB: it refuses what is none.
    Geo,
    /// A type of which we do not know what it does to a value: it gets none.
    Unknown,
}

/// CrateDB refuses the smallest and the largest 64-bit integer.
const BIGINT: Type = Type::Integer { min: i64::MIN + 1, max: i64::MAX - 1 };

impl Type {
    /// Returns the type that `information_schema.columns` names.
    pub(crate) fn of_name(name: &str, precision: Option<u64>, scale: Option<u64>) -> Self {
        if let Some(element) = name.strip_suffix("_array") {
            return Self::Array(Box::new(Self::of_name(element, precision, scale)));
        }
        let integer = |min: i64, max: i64| Self::Integer { min, max };
        match name {
            "boolean" => Self::Boolean,
            "byte" | "char" | "\"char\"" => integer(i8::MIN.into(), i8::MAX.into()),
            "smallint" => integer(i16::MIN.into(), i16::MAX.into()),
            "integer" => integer(i32::MIN.into(), i32::MAX.into()),
            "bigint" => BIGINT,
            "real" => Self::Real,
            "double precision" => Self::Double,
            "text" | "character varying" | "keyword" => Self::Text { is_long: false },
            "timestamp with time zone" => Self::Timestamp { has_zone: true },
            "timestamp without time zone" => Self::Timestamp { has_zone: false },
            "ip" => Self::Ip,
            "object" => Self::Object(HashMap::new()),
            // CrateDB tells the precision here, and never the scale: then it cannot be known what would be rounded.
            "numeric" if precision.is_none() || scale.is_some() => {
                Self::Numeric { precision, scale }
            }
            "geo_point" | "geo_shape" => Self::Geo,
            _ => Self::Unknown,
        }
    }

    /// Returns the type of a column that is declared as `NUMERIC(precision, scale)`.
    pub(crate) fn numeric(declared: &str) -> Option<Self> {
        let (arguments, _) = declared.strip_prefix("NUMERIC(")?.split_once(')')?;
        let (precision, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
        let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
        Some(Self::Numeric { precision: Some(precision), scale: Some(scale) })
    }

    /// Returns the declaration of a type that we make ([`Kind::column`]).
    pub(crate) fn declare(&self) -> String {
        match self {
            Self::Boolean => "BOOLEAN".into(),
            Self::Integer { .. } => "BIGINT".into(),
            Self::Real | Self::Double | Self::Numeric { .. } => "DOUBLE PRECISION".into(),
            // Neither indexed nor stored by column: <https://cratedb.com/docs/crate/reference/en/latest/general/ddl/storage.html>.
            Self::Text { is_long: true } => {
                "TEXT INDEX OFF STORAGE WITH (columnstore = false)".into()
            }
            Self::Text { is_long: false } | Self::Ip | Self::Geo | Self::Unknown => "TEXT".into(),
            Self::Timestamp { .. } => "TIMESTAMP WITH TIME ZONE".into(),
            Self::Ignored(_) => "OBJECT(IGNORED)".into(),
            Self::Array(element) => format!("ARRAY({})", element.declare()),
            Self::Object(keys) if keys.is_empty() => "OBJECT(DYNAMIC)".into(),
            Self::Object(keys) => {
                let mut keys: Vec<_> = keys.iter().collect();
                keys.sort_unstable_by_key(|(name, _)| *name);
                let keys: Vec<_> = keys
                    .iter()
                    .map(|(name, of)| format!("{} {}", quote(name), of.declare()))
                    .collect();
                format!("OBJECT(DYNAMIC) AS ({})", keys.join(", "))
            }
        }
    }

    /// Returns true when values that were written for the one are the same in the other. Their keys are compared on their own.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text { .. }, Self::Text { .. })
            | (Self::Object(_) | Self::Ignored(_), Self::Object(_) | Self::Ignored(_)) => true,
            (Self::Array(one), Self::Array(two)) => one.is_like(two),
            (one, two) => one == two,
        }
    }

    /// Returns the same type, but objects without the keys that are planned for them.
    pub(crate) fn without_keys(&self) -> Self {
        match self {
            Self::Object(_) => Self::Object(HashMap::new()),
            Self::Array(element) => Self::Array(Box::new(element.without_keys())),
            other => other.clone(),
        }
    }

    /// Returns the keys of an object, or of the objects of an array.
    pub(crate) fn keys(&self) -> Option<&HashMap<String, Self>> {
        match self {
            Self::Object(keys) | Self::Ignored(keys) => Some(keys),
            Self::Array(element) => element.keys(),
            _ => None,
        }
    }

    /// Returns how many keys there are, those of inner objects included.
    pub(crate) fn size(&self) -> usize {
        self.keys().map_or(0, |keys| keys.values().map(|of| 1 + of.size()).sum())
    }

    /// Returns what is in an array, however deep; of others, themselves.
    pub(crate) fn element(&self) -> &Self {
        match self {
            Self::Array(element) => element.element(),
            other => other,
        }
    }

    /// Returns the same to be changed.
    pub(crate) fn keys_mut(&mut self) -> Option<&mut HashMap<String, Self>> {
        match self {
            Self::Object(keys) | Self::Ignored(keys) => Some(keys),
            Self::Array(element) => element.keys_mut(),
            _ => None,
        }
    }
}

/// What a value is, as far as columns are made for it; variant columns are named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    One(Scalar),
    /// More text than an index takes.
    LongText,
    Binary,
    /// An array of values of one kind, and nulls.
    Array(Scalar),
    /// What CrateDB has no type for, as JSON in a text column: mixed and nested arrays, and those that show no type.
    Json,
}

/// The kinds of values, and of the elements of arrays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Bool,
    Bigint,
    Double,
    Text,
    Object,
}

/// Lucene's limit for a term in bytes, and so that of an indexed text.
const LONGEST_TERM: usize = 32_766;

impl Kind {
    /// Returns the kind of a value; none for null.
    pub(crate) fn of(item: &Item<'_>) -> Option<Self> {
        Some(match item {
            Item::Null => return None,
            Item::Bytes(_) => Self::Binary,
            Item::Text(text) if is_long(*text) => Self::LongText,
            Item::Array(_, elements) => array(elements).map_or(Self::Json, Self::Array),
            other => Self::One(scalar(other)?),
        })
    }

    /// Returns the type of a column or key that is made for it.
    pub(crate) fn column(self) -> Type {
        match self {
            Self::One(scalar) => scalar.column(),
            Self::LongText | Self::Binary | Self::Json => Type::Text { is_long: true },
            Self::Array(scalar) => Type::Array(Box::new(scalar.column())),
        }
    }

    /// Returns the name as variants have it.
    pub(crate) fn name(self) -> Cow<'static, str> {
        match self {
            Self::One(scalar) => scalar.name().into(),
            Self::LongText => "longtext".into(),
            Self::Binary => "binary".into(),
            Self::Array(scalar) => format!("{}_array", scalar.name()).into(),
            Self::Json => "json".into(),
        }
    }
}

impl Scalar {
    fn column(self) -> Type {
        match self {
            Self::Bool => Type::Boolean,
            Self::Bigint => BIGINT,
            Self::Double => Type::Double,
            Self::Text => Type::Text { is_long: false },
            Self::Object => Type::Object(HashMap::new()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Bigint => "bigint",
            Self::Double => "double",
            Self::Text => "text",
            Self::Object => "object",
        }
    }
}

/// Returns true when an index does not take the text. Escapes make it longer as JSON than it is.
pub(crate) fn is_long(text: Text<'_>) -> bool {
    text.most_bytes() > LONGEST_TERM && text.plain().len() > LONGEST_TERM
}

fn scalar(item: &Item<'_>) -> Option<Scalar> {
    match item {
        Item::Bool(_) => Some(Scalar::Bool),
        Item::Integer(i64::MIN | i64::MAX) => Some(Scalar::Text),
        Item::Integer(_) => Some(Scalar::Bigint),
        Item::Decimal(text) if double(text).is_some() => Some(Scalar::Double),
        // Digits that no number of CrateDB holds.
        Item::Big(_) | Item::Decimal(_) | Item::Text(_) => Some(Scalar::Text),
        Item::Object(..) => Some(Scalar::Object),
        Item::Null | Item::Array(..) | Item::Bytes(_) => None,
    }
}

/// Returns what all elements are; none when they are not alike, or there is nothing to see.
fn array(elements: &[Item<'_>]) -> Option<Scalar> {
    let mut of = None;
    let mut is_exact = true;
    for element in elements {
        if *element == Item::Null {
            continue;
        }
        let next = match element {
            // In an array, such digits would make text of all the other numbers.
            Item::Big(_) | Item::Integer(i64::MIN | i64::MAX) => return None,
            Item::Decimal(text) if double(text).is_none() => return None,
            // The elements of an array are indexed.
            Item::Text(text) if is_long(*text) => return None,
            other => scalar(other)?,
        };
        is_exact &= !matches!(element, Item::Integer(value) if exact_double(*value).is_none());
        of = Some(match (of, next) {
            (None, next) => next,
            (Some(Scalar::Bigint), Scalar::Double) | (Some(Scalar::Double), Scalar::Bigint) => {
                Scalar::Double
            }
            (Some(before), next) if before == next => next,
            _ => return None,
        });
    }
    if of == Some(Scalar::Double) && !is_exact { None } else { of }
}
