//! A value on its way into a column: as the record has it, or as it was adapted to the column.

use std::borrow::Cow;

use ctk_flow::Value;

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    /// As the record has it.
    As(Value<'a>),
    /// Text that was made here, as of a number for a text column.
    Text(Cow<'a, str>),
    /// JSON that was made here.
    Json(String),
    /// Bytes, of which the record has the digits.
    Bytes(Vec<u8>),
}

impl Cell<'_> {
    pub(crate) const NULL: Self = Cell::As(Value::Null);

    /// Returns the value.
    pub(crate) fn value(&self) -> Value<'_> {
        match self {
            Self::As(value) => *value,
            Self::Text(text) => Value::Text(text),
            Self::Json(text) => Value::Json(text),
            Self::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}
