//! What a column of PostgreSQL takes, asked for each value. Pure.

use ctk_db::postgres::{Column, Type};
use ctk_flow::Value;

use crate::{
    cdc::store::Holds,
    postgres::{holds::put, json::fits_jsonb},
};

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PgHolds {
    pub(super) of: Type,
    /// Nothing can be put into it.
    pub(super) is_generated: bool,
    /// It is numbered by the server, unless a statement says that it is not to be.
    pub(super) is_identity: bool,
}

impl PgHolds {
    /// Returns what a column holds. One that the server numbers always can be given a value when a row is inserted, never later:
    /// so it takes values when it is the key, as those of the source are.
    pub(super) fn new(column: &Column, is_key: bool) -> Self {
        Self {
            of: column.of.clone(),
            is_generated: column.is_generated && !(column.is_identity && is_key),
            is_identity: column.is_identity,
        }
    }
}

impl Holds for PgHolds {
    fn takes(&self, value: Value<'_>) -> bool {
        if self.is_generated {
            return false;
        }
        match (&self.of, value) {
            (_, Value::Null)
            | (Type::Int8, Value::Integer(_))
            | (Type::Bool, Value::Bool(_))
            | (Type::Bytea, Value::Bytes(_)) => true,
            (Type::Text { most: None }, Value::Text(text)) => !text.as_bytes().contains(&0),
            (Type::Jsonb, Value::Json(text)) => fits_jsonb(text),
            (of, value) => put(of, value, &mut Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_takes_what_it_holds_as_it_is() {
        let check = |of: &Type, value: Value<'_>, expected: bool| {
            let mut holds = PgHolds { of: of.clone(), is_generated: false, is_identity: false };
            assert_eq!(holds.takes(value), expected, "{value:?} into {of:?}");
            if value != Value::Null {
                assert_eq!(put(of, value, &mut Vec::new()), expected, "{value:?} into {of:?}");
            }
            holds.is_generated = true;
            assert!(!holds.takes(value));
        };
        let text = Type::Text { most: None };
        check(&Type::Int2, Value::Null, true);
        check(&Type::Int2, Value::Integer(32_767), true);
        check(&Type::Int2, Value::Integer(32_768), false);
        check(&Type::Int8, Value::Integer(i64::MIN), true);
        check(&Type::Bool, Value::Bool(false), true);
        check(&Type::Bool, Value::Integer(0), false);
        check(&text, Value::Text("é"), true);
        check(&text, Value::Text("a\0"), false);
        check(&text, Value::Integer(1), false);
        check(&Type::Text { most: Some(1) }, Value::Text("ab"), false);
        check(&Type::Bytea, Value::Bytes(&[0]), true);
        check(&Type::Jsonb, Value::Json("\"x\""), true);
        check(&Type::Jsonb, Value::Json(r#""\u0000""#), false);
        check(&Type::Numeric { precision: Some((4, 2)) }, Value::Decimal("1.255"), false);
    }
}
