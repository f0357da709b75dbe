//! Columns as they are declared for what the source says of them. Pure.

use ctk_flow::ColumnKind;

use crate::{
    cdc::store::NewColumn,
    cratedb::{
        names,
        types::{Kind, Type},
    },
};

/// The most digits of a NUMERIC that is stored
/// (<https://cratedb.com/docs/crate/reference/en/latest/general/ddl/data-types.html#numeric-precision-scale>).
const MOST_DIGITS: u16 = 38;

/// Text that an index does not have to take, however long it is.
const LONG: &str = "TEXT INDEX OFF STORAGE WITH (columnstore = false)";

/// Returns the type of a column.
pub(super) fn declare(column: &NewColumn) -> String {
    // Siblings hold what their columns do not: text that is too long, arrays.
    let beside = [Kind::Json, Kind::LongText, Kind::Binary];
    if beside.into_iter().any(|kind| names::is_variant(&column.name, kind))
        || column.name.ends_with("__text")
    {
        return LONG.into();
    }
    match column.kind {
        ColumnKind::Bool => "BOOLEAN".into(),
        ColumnKind::Integer { bits, signed } => integer(bits, signed).into(),
        ColumnKind::Numeric { precision: Some(precision), scale }
            if precision <= MOST_DIGITS && scale <= precision && precision > 0 =>
        {
            format!("NUMERIC({precision}, {scale})")
        }
        ColumnKind::Real => "REAL".into(),
        ColumnKind::Double => "DOUBLE PRECISION".into(),
        ColumnKind::Timestamp => "TIMESTAMP WITH TIME ZONE".into(),
        ColumnKind::Json => "OBJECT(DYNAMIC)".into(),
        // There is no type for a day, one for a time of day that is not stored, none for bytes, and none for decimals without
        // a limit: as sent, they are what they were.
        ColumnKind::Numeric { .. }
        | ColumnKind::Text
        | ColumnKind::Bytes
        | ColumnKind::Date
        | ColumnKind::Time
        | ColumnKind::Unknown => "TEXT".into(),
    }
}

/// Returns the type of a column of the primary key: one that can be that, and that holds each value, as there is no sibling.
pub(super) fn declare_key(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Bool => "BOOLEAN",
        // Keys beyond 63 bits are rarely met; text would be the worse key for all others.
        ColumnKind::Integer { bits: 33.., .. }
        | ColumnKind::Numeric { precision: Some(..=18), scale: 0 } => "BIGINT",
        ColumnKind::Integer { bits, signed } => integer(bits, signed),
        ColumnKind::Real | ColumnKind::Double => "DOUBLE PRECISION",
        // Times are more exact than a millisecond at their source.
        _ => "TEXT",
    }
}

fn integer(bits: u8, signed: bool) -> &'static str {
    match (bits, signed) {
        (..=16, true) | (..=8, false) => "SMALLINT",
        (..=32, true) | (..=16, false) => "INTEGER",
        (_, true) | (..=32, false) => "BIGINT",
        (_, false) => "NUMERIC(20, 0)",
    }
}

/// Returns true when a column that is there holds all values of one that is declared so.
pub(super) fn holds_all(of: &Type, declared: &str) -> bool {
    let wanted = match declared {
        LONG => Type::Text { is_long: true },
        _ if declared.starts_with("NUMERIC(") => match Type::numeric(declared) {
            Some(numeric) => numeric,
            None => return false,
        },
        _ => {
            let name = declared.split('(').next().unwrap_or_default().to_lowercase();
            Type::of_name(&name, None, None)
        }
    };
    match (of, &wanted) {
        (Type::Integer { min, max }, Type::Integer { min: least, max: most }) => {
            min <= least && max >= most
        }
        (
            Type::Numeric { precision: Some(precision), scale: Some(scale) },
            Type::Numeric { precision: Some(digits), scale: Some(behind) },
        ) => scale >= behind && precision - scale >= digits - behind,
        (Type::Numeric { precision: None, .. }, Type::Numeric { .. })
        | (Type::Double, Type::Real) => true,
        (of, wanted) => of.is_like(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_declared_so_that_they_hold_what_comes() {
        let check = |kind: ColumnKind, expected: &str, key: &str| {
            let column = NewColumn { name: "c".into(), kind };
            assert_eq!((declare(&column).as_str(), declare_key(kind)), (expected, key), "{kind:?}");
        };
        let integer = |bits: u8, signed: bool| ColumnKind::Integer { bits, signed };
        let numeric = |precision: Option<u16>, scale: u16| ColumnKind::Numeric { precision, scale };
        check(ColumnKind::Bool, "BOOLEAN", "BOOLEAN");
        check(integer(8, false), "SMALLINT", "SMALLINT");
        check(integer(16, true), "SMALLINT", "SMALLINT");
        check(integer(16, false), "INTEGER", "INTEGER");
        check(integer(32, false), "BIGINT", "BIGINT");
        check(integer(64, true), "BIGINT", "BIGINT");
        check(integer(64, false), "NUMERIC(20, 0)", "BIGINT");
        check(numeric(Some(10), 0), "NUMERIC(10, 0)", "BIGINT");
        check(numeric(Some(38), 10), "NUMERIC(38, 10)", "TEXT");
        check(numeric(Some(39), 0), "TEXT", "TEXT");
        check(numeric(Some(3), 5), "TEXT", "TEXT");
        check(numeric(None, 0), "TEXT", "TEXT");
        check(ColumnKind::Double, "DOUBLE PRECISION", "DOUBLE PRECISION");
        check(ColumnKind::Timestamp, "TIMESTAMP WITH TIME ZONE", "TEXT");
        check(ColumnKind::Date, "TEXT", "TEXT");
        check(ColumnKind::Json, "OBJECT(DYNAMIC)", "TEXT");
        let beside = NewColumn { name: "c__json".into(), kind: ColumnKind::Json };
        assert_eq!(declare(&beside), LONG);
    }

    #[test]
    fn a_type_that_holds_all_of_another_need_not_change() {
        let check = |of: &str, declared: &str, expected: bool| {
            let of =
                Type::numeric(of).unwrap_or_else(|| Type::of_name(&of.to_lowercase(), None, None));
            assert_eq!(holds_all(&of, declared), expected, "{of:?} {declared}");
        };
        check("BIGINT", "INTEGER", true);
        check("INTEGER", "BIGINT", false);
        check("NUMERIC(10, 2)", "NUMERIC(9, 2)", true);
        check("NUMERIC(10, 2)", "NUMERIC(10, 1)", false);
        check("DOUBLE PRECISION", "REAL", true);
        check("TEXT", LONG, true);
        check("OBJECT", "OBJECT(DYNAMIC)", true);
        check("TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE", true);
        check("BIGINT", "TEXT", false);
    }
}
