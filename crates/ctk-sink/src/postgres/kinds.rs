//! Kinds of values in PostgreSQL, the columns that we make for them, and what a new column is to be. Pure.

use ctk_flow::Value;

use super::{json, numeric::Number};
use crate::kinds::{double, exact_double};

/// A kind of value: what new columns are made for, and variant columns named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bool,
    Bigint,
    Double,
    /// Integers beyond 64 bits, decimals beyond a double.
    Numeric,
    Text,
    Jsonb,
    /// JSON that JSONB cannot hold.
    Json,
    /// Bytes, and text that TEXT cannot hold.
    Binary,
}

impl Kind {
    /// Returns the kind of column that takes the value; none for NULL, which goes anywhere.
    pub(super) fn of(value: Value<'_>) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Bool,
            Value::Integer(_) => Self::Bigint,
            Value::Decimal(text) if double(text).is_some() => Self::Double,
            Value::BigInteger(text) | Value::Decimal(text) => match Number::parse(text) {
                Some(_) => Self::Numeric,
                None => Self::Text,
            },
            Value::Text(text) if text.contains('\0') => Self::Binary,
            Value::Text(_) => Self::Text,
            Value::Json(text) if json::fits_jsonb(text) => Self::Jsonb,
            Value::Json(_) => Self::Json,
            Value::Bytes(_) => Self::Binary,
        })
    }

    /// Returns the name as variant columns have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Bigint => "bigint",
            Self::Double => "double",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Jsonb => "jsonb",
            Self::Json => "json",
            Self::Binary => "binary",
        }
    }

    /// Returns the type of a column of our own.
    pub(super) fn declare(self) -> &'static str {
        match self {
            Self::Bool => "BOOLEAN",
            Self::Bigint => "BIGINT",
            Self::Double => "DOUBLE PRECISION",
            Self::Numeric => "NUMERIC",
            Self::Text => "TEXT",
            Self::Jsonb => "JSONB",
            Self::Json => "JSON",
            Self::Binary => "BYTEA",
        }
    }
}

/// What a new column is to hold, gathered over the values of the group that makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    first: Option<Kind>,
    decimals: bool,
    inexact: bool,
}

impl Seen {
    /// Takes a value into account.
    pub(super) fn see(&mut self, value: Value<'_>) {
        let Some(kind) = Kind::of(value) else { return };
        self.first.get_or_insert(kind);
        self.decimals |= kind == Kind::Double;
        self.inexact |= matches!(value, Value::Integer(value) if exact_double(value).is_none());
    }

    /// Returns the kind of the column: that of the first value, except that integers among decimals make a double
    /// column, as long as a double can hold them all. None when only NULLs were seen.
    pub(super) fn kind(self) -> Option<Kind> {
        match self.first {
            Some(Kind::Bigint) if self.decimals && !self.inexact => Some(Kind::Double),
            first => first,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_has_a_kind_that_holds_it() {
        let check = |value: Value<'_>, expected: Option<Kind>| {
            assert_eq!(Kind::of(value), expected, "{value:?}");
        };
        check(Value::Null, None);
        check(Value::Decimal("2.5"), Some(Kind::Double));
        check(Value::Decimal("1e999"), Some(Kind::Numeric));
        check(Value::Decimal("1e999999"), Some(Kind::Text));
        check(Value::BigInteger("18446744073709551616"), Some(Kind::Numeric));
        check(Value::Text("x"), Some(Kind::Text));
        check(Value::Text("a\0b"), Some(Kind::Binary));
        check(Value::Json("[1]"), Some(Kind::Jsonb));
        check(Value::Json(r#"["\u0000"]"#), Some(Kind::Json));
        check(Value::Bytes(&[0]), Some(Kind::Binary));
    }

    #[test]
    fn a_new_column_suits_the_values_that_were_seen() {
        let check = |values: &[Value<'_>], expected: Option<Kind>| {
            let mut seen = Seen::default();
            for value in values {
                seen.see(*value);
            }
            assert_eq!(seen.kind(), expected, "{values:?}");
        };
        check(&[Value::Null], None);
        check(&[Value::Integer(1), Value::Decimal("2.5")], Some(Kind::Double));
        check(&[Value::Integer(i64::MAX), Value::Decimal("2.5")], Some(Kind::Bigint));
        check(&[Value::Null, Value::Text("a"), Value::Integer(1)], Some(Kind::Text));
    }
}
