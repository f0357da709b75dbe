//! What a column of SQLite takes without changing it. Pure.
//!
//! SQLite has no strict types, but an *affinity* for each declared one, by which it silently turns `'007'` into 7 and 3
//! into 3.0 (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>). So nothing is sent to a column that
//! would be changed by that.

use ctk_flow::Value;

use crate::kinds::{Kind, double, exact_double, whole};

/// The kinds of columns, told apart by what they do to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Integer,
    Real,
    Text,
    Bool,
    Json,
    /// Affinity NUMERIC: DECIMAL, DATE, TIMESTAMP and all that is not known.
    Numeric,
    /// BLOB, or no type: everything stays as it is.
    Anything,
    /// A generated column.
    Nothing,
}

/// A value as it is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl Holds {
    /// Returns what a declared type holds, by the rules of SQLite, and two names that SQLite does not know.
    pub(crate) fn of_declared(declared: &str) -> Self {
        let declared = declared.to_ascii_uppercase();
        let has = |parts: &[&str]| parts.iter().any(|part| declared.contains(part));
        if has(&["INT"]) {
            Self::Integer
        } else if has(&["CHAR", "CLOB", "TEXT"]) {
            Self::Text
        } else if declared.is_empty() || has(&["BLOB"]) {
            Self::Anything
        } else if has(&["REAL", "FLOA", "DOUB"]) {
            Self::Real
        } else if declared.starts_with("BOOL") {
            Self::Bool
        } else if declared.starts_with("JSON") {
            Self::Json
        } else {
            Self::Numeric
        }
    }

    /// Returns the value as this column takes it, or nothing when that would lose something.
    pub(crate) fn convert(self, value: Value<'_>) -> Option<Bound<'_>> {
        let bound = match value {
            Value::Null => return Some(Bound::Null),
            Value::Bool(value) => Bound::Integer(value.into()),
            Value::Integer(value) => Bound::Integer(value),
            Value::Decimal(text) => double(text).map_or(Bound::Text(text), Bound::Real),
            Value::BigInteger(text) | Value::Text(text) | Value::Json(text) => Bound::Text(text),
            Value::Bytes(bytes) => Bound::Blob(bytes),
        };
        let is_bool = matches!(value, Value::Bool(_));
        let is_json = matches!(value, Value::Json(_));
        match (self, bound) {
            (Self::Anything, _) if !is_json => Some(bound),
            (Self::Bool, Bound::Integer(_)) if is_bool => Some(bound),
            (Self::Json, Bound::Text(_)) if is_json => Some(bound),
            (_, _) if is_bool || is_json => None,
            (Self::Integer | Self::Numeric, Bound::Integer(_))
            | (Self::Real | Self::Numeric, Bound::Real(_))
            | (Self::Text, Bound::Text(_)) => Some(bound),
            (Self::Integer, Bound::Real(_)) => match value {
                Value::Decimal(text) => whole(text).map(Bound::Integer),
                _ => None,
            },
            (Self::Real, Bound::Integer(value)) => exact_double(value).map(Bound::Real),
            // A date stays text in such a column; what looks like a number would become one.
            (Self::Numeric, Bound::Text(text)) if !looks_numeric(text) => Some(bound),
            _ => None,
        }
    }
}

/// Returns the declared type of a column of our own.
pub(super) fn declare(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "BOOLEAN",
        Kind::Bigint => "BIGINT",
        Kind::Double => "DOUBLE",
        Kind::Text => "TEXT",
        Kind::Json => "JSON",
        Kind::Binary => "BLOB",
    }
}

/// Errs on the side of yes: SQLite takes numbers with blanks around them, too.
fn looks_numeric(text: &str) -> bool {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}')
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        && text.trim().parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_have_the_affinity_of_sqlite() {
        let check = |declared: &str, expected: Holds| {
            assert_eq!(Holds::of_declared(declared), expected, "{declared}");
        };
        check("INTEGER", Holds::Integer);
        check("unsigned big int", Holds::Integer);
        check("BIGINT", Holds::Integer);
        // As SQLite has it: INT comes first, so this one is an integer.
        check("FLOATING POINT", Holds::Integer);
        check("VARCHAR(20)", Holds::Text);
        check("TEXT", Holds::Text);
        check("DOUBLE PRECISION", Holds::Real);
        check("BOOLEAN", Holds::Bool);
        check("JSONB", Holds::Json);
        check("", Holds::Anything);
        check("BLOB", Holds::Anything);
        check("DECIMAL(10, 2)", Holds::Numeric);
        check("TIMESTAMP", Holds::Numeric);
    }

    #[test]
    fn what_would_change_is_not_taken() {
        let check = |holds: Holds, value: Value<'_>, expected: Option<Bound<'_>>| {
            assert_eq!(holds.convert(value), expected, "{value:?} into {holds:?}");
        };
        check(Holds::Integer, Value::Integer(5), Some(Bound::Integer(5)));
        check(Holds::Integer, Value::Decimal("5.0"), Some(Bound::Integer(5)));
        check(Holds::Integer, Value::Decimal("1.7"), None);
        check(
            Holds::Integer,
            Value::Decimal("9007199254740993.0"),
            Some(Bound::Integer(9_007_199_254_740_993)),
        );
        check(Holds::Integer, Value::Decimal("4503599627370497.25"), None);
        check(Holds::Integer, Value::Text("5"), None);
        check(Holds::Integer, Value::Bool(true), None);
        check(Holds::Integer, Value::BigInteger("18446744073709551615"), None);
        check(Holds::Real, Value::Integer(3), Some(Bound::Real(3.0)));
        check(Holds::Real, Value::Integer(i64::MAX), None);
        check(Holds::Real, Value::Decimal("1e400"), None);
        check(Holds::Text, Value::Text("007"), Some(Bound::Text("007")));
        check(
            Holds::Text,
            Value::BigInteger("18446744073709551615"),
            Some(Bound::Text("18446744073709551615")),
        );
        check(Holds::Text, Value::Integer(5), None);
        check(Holds::Text, Value::Json("{}"), None);
        check(Holds::Bool, Value::Bool(true), Some(Bound::Integer(1)));
        check(Holds::Bool, Value::Integer(1), None);
        check(Holds::Json, Value::Json("[1]"), Some(Bound::Text("[1]")));
        check(Holds::Json, Value::Text("[1]"), None);
        check(
            Holds::Numeric,
            Value::Text("2025-06-01 10:00"),
            Some(Bound::Text("2025-06-01 10:00")),
        );
        check(Holds::Numeric, Value::Text("007"), None);
        check(Holds::Numeric, Value::Text(" 1e3 "), None);
        check(Holds::Numeric, Value::Text("1e400"), None);
        check(Holds::Numeric, Value::Decimal("1e400"), None);
        check(Holds::Nothing, Value::Integer(1), None);
        check(Holds::Numeric, Value::Decimal("1.25"), Some(Bound::Real(1.25)));
        check(Holds::Anything, Value::Text("007"), Some(Bound::Text("007")));
        check(Holds::Anything, Value::Bytes(&[1]), Some(Bound::Blob(&[1])));
        check(Holds::Anything, Value::Json("{}"), None);
        check(Holds::Text, Value::Null, Some(Bound::Null));
    }
}
