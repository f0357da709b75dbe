//! The columns that we make. Pure.

use ctk_db::quote;
use ctk_flow::ColumnKind;

use crate::cdc::store::NewColumn;

/// Returns the type of a column of our own, which holds every value of its kind.
pub(super) fn type_name(kind: ColumnKind) -> String {
    let name = match kind {
        ColumnKind::Bool => "BOOLEAN",
        ColumnKind::Integer { bits, signed } => match (bits, signed) {
            (0..=8, _) | (9..=16, true) => "SMALLINT",
            (9..=16, false) | (17..=32, true) => "INTEGER",
            (17..=32, false) | (33.., true) => "BIGINT",
            (33.., false) => "NUMERIC(20, 0)",
        },
        ColumnKind::Numeric { precision: Some(precision @ 1..=1000), scale } => {
            // A scale beyond the precision is allowed since PostgreSQL 15 only.
            return if scale <= precision {
                format!("NUMERIC({precision}, {scale})")
            } else {
                "NUMERIC".into()
            };
        }
        ColumnKind::Numeric { .. } => "NUMERIC",
        ColumnKind::Real => "REAL",
        ColumnKind::Double => "DOUBLE PRECISION",
        ColumnKind::Text | ColumnKind::Unknown => "TEXT",
        ColumnKind::Bytes => "BYTEA",
        ColumnKind::Date => "DATE",
        ColumnKind::Time => "TIME",
        ColumnKind::Timestamp => "TIMESTAMPTZ",
        ColumnKind::Json => "JSONB",
    };
    name.into()
}

/// Returns a column as a statement declares it.
pub(super) fn column(column: &NewColumn) -> String {
    format!("{} {}", quote(&column.name), type_name(column.kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_type_that_holds_it() {
        let integer = |bits, signed| ColumnKind::Integer { bits, signed };
        let numeric = |precision, scale| ColumnKind::Numeric { precision, scale };
        for (kind, expected) in [
            (ColumnKind::Bool, "BOOLEAN"),
            (integer(8, true), "SMALLINT"),
            (integer(8, false), "SMALLINT"),
            (integer(16, true), "SMALLINT"),
            (integer(16, false), "INTEGER"),
            (integer(32, true), "INTEGER"),
            (integer(32, false), "BIGINT"),
            (integer(64, true), "BIGINT"),
            (integer(64, false), "NUMERIC(20, 0)"),
            (numeric(Some(10), 2), "NUMERIC(10, 2)"),
            (numeric(Some(2), 5), "NUMERIC"),
            (numeric(Some(1001), 0), "NUMERIC"),
            (numeric(Some(0), 0), "NUMERIC"),
            (numeric(None, 3), "NUMERIC"),
            (ColumnKind::Real, "REAL"),
            (ColumnKind::Double, "DOUBLE PRECISION"),
            (ColumnKind::Text, "TEXT"),
            (ColumnKind::Unknown, "TEXT"),
            (ColumnKind::Bytes, "BYTEA"),
            (ColumnKind::Date, "DATE"),
            (ColumnKind::Time, "TIME"),
            (ColumnKind::Timestamp, "TIMESTAMPTZ"),
            (ColumnKind::Json, "JSONB"),
        ] {
            assert_eq!(type_name(kind), expected, "{kind:?}");
        }
    }
}
