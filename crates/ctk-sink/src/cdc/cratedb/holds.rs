//! What a column of CrateDB holds, as far as change data goes: the value as it is, to the last digit. Pure.

use ctk_flow::Value;

use crate::{
    cdc::{
        exact::{is_exact, is_exact_real},
        store::Holds,
    },
    cratedb::{
        fit,
        json::Item,
        names,
        schema::Column,
        types::{Kind, Type},
    },
};

/// What a column holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Holding {
    pub(super) of: Type,
    /// CrateDB makes its values.
    is_generated: bool,
    /// It is a sibling for values that CrateDB has no type for, which are text there.
    beside: Option<Kind>,
}

impl Holding {
    pub(super) fn new(column: &Column) -> Self {
        let is_beside = |kind: &Kind| names::is_variant(&column.name, *kind);
        Self {
            of: column.of.clone(),
            is_generated: column.is_generated,
            beside: [Kind::Json, Kind::LongText, Kind::Binary].into_iter().find(is_beside),
        }
    }

    /// Returns true when it has members, so that what becomes of a value depends on what is known of these.
    pub(super) fn has_members(&self) -> bool {
        self.of.keys().is_some()
    }

    /// Appends the value as JSON. When the column does not hold it, appends nothing or a part of it, and returns false.
    pub(super) fn write(&self, value: Value<'_>, out: &mut String) -> bool {
        if self.is_generated {
            return false;
        }
        let item = Item::new(value);
        match (&self.of, &item) {
            (_, Item::Null) | (Type::Text { .. }, Item::Text(_)) => {}
            (Type::Text { .. }, Item::Array(..) | Item::Object(..)) => {
                let Some(Kind::Json) = self.beside else { return false };
                return matches!(fit::write_variant(&self.of, Kind::Json, &item, out), Ok(true));
            }
            (Type::Text { .. }, Item::Bytes(_)) if self.beside == Some(Kind::Binary) => {}
            // A number is no text, even if it could be read from there.
            (Type::Text { .. }, _) => return false,
            (Type::Double, Item::Decimal(text)) if !is_exact(text) => return false,
            (Type::Real, Item::Decimal(text)) => {
                if !is_exact_real(text) {
                    return false;
                }
                // What is meant by so many digits is the float of 32 bits.
                out.push_str(text);
                return true;
            }
            _ => {}
        }
        matches!(fit::write(&self.of, &exact(item), out), Ok(true))
    }
}

impl Holds for Holding {
    fn takes(&self, value: Value<'_>) -> bool {
        match (&self.of, value) {
            // Its members are fitted when they are written.
            (Type::Object(_) | Type::Ignored(_), Value::Json(json)) => {
                !self.is_generated && json.trim_ascii_start().starts_with('{')
            }
            (Type::Array(_), Value::Json(_)) if self.has_members() => {
                // A key that is missing can be made.
                let item = exact(Item::new(value));
                !self.is_generated
                    && !matches!(fit::write(&self.of, &item, &mut String::new()), Ok(false))
            }
            _ => self.write(value, &mut String::new()),
        }
    }
}

/// Returns the same value, but numbers that a double does not hold as their digits: these go beside, as those beyond 64 bits do.
pub(super) fn exact(item: Item<'_>) -> Item<'_> {
    match item {
        Item::Decimal(text) if !is_exact(text) => Item::Big(text),
        Item::Object(json, members) => {
            let members = members.into_iter().map(|(name, item)| (name, exact(item)));
            Item::Object(json, members.collect())
        }
        Item::Array(json, elements) => Item::Array(json, elements.into_iter().map(exact).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn holding(name: &str, of: Type) -> Holding {
        let name = name.to_owned();
        Holding::new(&Column { name, of, is_generated: false, has_default: false, is_key: false })
    }

    #[test]
    fn a_column_takes_what_it_keeps_to_the_last_digit() {
        let check = |of: &Type, value: Value<'_>, expected: Option<&str>| {
            let (holding, mut out) = (holding("c", of.clone()), String::new());
            let written = holding.write(value, &mut out).then_some(out);
            assert_eq!(written.as_deref(), expected, "{of:?} {value:?}");
            assert_eq!(holding.takes(value), expected.is_some(), "{of:?} {value:?}");
        };
        let of = |name: &str| Type::of_name(name, None, None);
        check(&of("bigint"), Value::Integer(7), Some("7"));
        check(&of("bigint"), Value::Integer(i64::MAX), None);
        check(&of("bigint"), Value::BigInteger("18446744073709551615"), None);
        check(&of("bigint"), Value::Decimal("1.7"), None);
        check(&of("bigint"), Value::Decimal("2.0"), Some("2"));
        check(&of("bigint"), Value::Text("7"), None);
        check(&of("smallint"), Value::Integer(32_768), None);
        check(&of("double precision"), Value::Decimal("0.1"), Some("0.1"));
        check(
            &of("double precision"),
            Value::Decimal("0.10000000000000001"),
            Some("0.10000000000000001"),
        );
        check(&of("double precision"), Value::Decimal("0.12345678901234567890"), None);
        check(&of("double precision"), Value::Decimal("1e-400"), None);
        check(&of("double precision"), Value::Decimal("0e0"), Some("0e0"));
        check(&of("double precision"), Value::Integer(9_007_199_254_740_993), None);
        check(&of("real"), Value::Decimal("0.1"), Some("0.1"));
        check(&of("real"), Value::Decimal("0.10000000149011612"), Some("0.10000000149011612"));
        check(&of("real"), Value::Decimal("0.123456789"), None);
        check(
            &Type::Numeric { precision: Some(20), scale: Some(0) },
            Value::BigInteger("18446744073709551615"),
            Some("\"18446744073709551615\""),
        );
        check(&Type::Numeric { precision: Some(5), scale: Some(2) }, Value::Decimal("1.234"), None);
        check(&of("text"), Value::Text("x"), Some("\"x\""));
        check(&of("text"), Value::Integer(1), None);
        check(&of("text"), Value::BigInteger("18446744073709551615"), None);
        check(&of("text"), Value::Text(&"x".repeat(40_000)), None);
        check(&of("text"), Value::Json("[1]"), None);
        check(
            &of("timestamp with time zone"),
            Value::Text("2025-01-01T00:00:00.123Z"),
            Some("1735689600123"),
        );
        check(&of("timestamp with time zone"), Value::Text("2025-01-01T00:00:00.123456Z"), None);
        check(&of("bigint_array"), Value::Json("[1, null]"), Some("[1,null]"));
        check(&of("bigint_array"), Value::Json("[1.5]"), None);
        check(&of("double precision_array"), Value::Json("[0.12345678901234567890]"), None);
        check(&of("boolean"), Value::Null, Some("null"));
        check(&Type::Unknown, Value::Null, Some("null"));
        check(&Type::Unknown, Value::Integer(1), None);
    }

    #[test]
    fn siblings_take_what_has_no_type_as_text() {
        let long = || Type::Text { is_long: true };
        let write = |name: &str, value: Value<'_>| {
            let mut out = String::new();
            holding(name, long()).write(value, &mut out).then_some(out)
        };
        assert_eq!(write("v__json", Value::Json(r#"[1,"a"]"#)).as_deref(), Some(r#""[1,\"a\"]""#));
        assert_eq!(write("v__binary", Value::Bytes(b"ab")).as_deref(), Some("\"YWI=\""));
        assert_eq!(write("v", Value::Bytes(b"ab")), None);
    }

    #[test]
    fn objects_are_fitted_when_they_are_written_and_nothing_goes_into_what_is_generated() {
        let object = holding("o", Type::Object(HashMap::new()));
        assert!(object.takes(Value::Json(r#" {"a": 1}"#)) && !object.takes(Value::Json("[]")));
        let generated = Holding { is_generated: true, ..holding("g", Type::Boolean) };
        assert!(!generated.takes(Value::Null) && !generated.takes(Value::Bool(true)));
    }

    proptest! {
        #[test]
        fn what_is_printed_of_a_double_is_exact(value: f64, digits in 14_usize..40) {
            prop_assume!(value.is_normal());
            for text in [value.to_string(), format!("{value:e}"), format!("{value:.digits$e}")] {
                prop_assert!(is_exact(&text), "{}", text);
            }
        }
    }
}
