//! The names that DMS has for types.
//!
//! The documentation counts bytes (`INT4`:
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Reference.DataTypes.html>), records count bits (`INT32`). Only `INT8`
//! means both: it becomes the wider one, in which all values of the other have room. So it is with names that differ between
//! sources, which some of them use as they are.

use ctk_flow::ColumnKind;

/// Returns what a column of a type holds, which may have its precision and scale behind it in parentheses.
pub(super) fn kind(name: &str, precision: Option<i64>, scale: Option<i64>) -> ColumnKind {
    let name = name.trim().to_ascii_uppercase();
    let end = name.find(|character: char| !character.is_ascii_alphanumeric());
    let (word, rest) = name.split_at(end.unwrap_or(name.len()));
    let mut within = rest
        .trim_start()
        .strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .map_or("", |(within, _)| within)
        .split(',')
        .map(|number| number.trim().parse().ok());
    let signed = !rest.contains("UNSIGNED");
    let integer = |bits| ColumnKind::Integer { bits, signed };
    let unsigned = |bits| ColumnKind::Integer { bits, signed: false };
    match word {
        "BOOL" | "BOOLEAN" => ColumnKind::Bool,
        "INT1" => integer(8),
        "INT2" | "INT16" | "TINYINT" | "SMALLINT" => integer(16),
        "INT4" | "INT32" | "MEDIUMINT" => integer(32),
        "INT8" | "INT64" | "INT" | "INTEGER" | "BIGINT" => integer(64),
        "UINT1" => unsigned(8),
        "UINT2" | "UINT16" => unsigned(16),
        "UINT4" | "UINT32" => unsigned(32),
        "UINT8" | "UINT64" => unsigned(64),
        "NUMERIC" | "DECIMAL" | "NUMBER" => {
            let (first, second) = (within.next().flatten(), within.next().flatten());
            numeric(precision.or(first), scale.or(second))
        }
        "REAL4" | "FLOAT4" | "FLOAT32" => ColumnKind::Real,
        "REAL8" | "FLOAT8" | "FLOAT64" | "DOUBLE" | "FLOAT" | "REAL" => ColumnKind::Double,
        "STRING" | "WSTRING" | "VARCHAR" | "NVARCHAR" | "VARCHAR2" | "NVARCHAR2" | "CHAR"
        | "NCHAR" | "CHARACTER" | "BPCHAR" | "TEXT" | "NTEXT" | "TINYTEXT" | "MEDIUMTEXT"
        | "LONGTEXT" | "CLOB" | "NCLOB" | "DBCLOB" | "XML" | "UUID" | "GUID"
        | "UNIQUEIDENTIFIER" => ColumnKind::Text,
        "BYTE" | "BYTES" | "BLOB" | "TINYBLOB" | "MEDIUMBLOB" | "LONGBLOB" | "BINARY"
        | "VARBINARY" | "BYTEA" | "RAW" => ColumnKind::Bytes,
        "DATE" | "DATE32" | "DATE64" => ColumnKind::Date,
        "TIME" | "TIME32" | "TIME64" | "TIMETZ" => ColumnKind::Time,
        "DATETIME" | "DATETIME2" | "SMALLDATETIME" | "DATETIMEOFFSET" | "TIMESTAMP"
        | "TIMESTAMPTZ" => ColumnKind::Timestamp,
        "JSON" | "JSONB" => ColumnKind::Json,
        _ => ColumnKind::Unknown,
    }
}

/// Returns decimals that hold all of the values, also where a scale is negative or larger than the precision, as Oracle has it.
fn numeric(precision: Option<i64>, scale: Option<i64>) -> ColumnKind {
    let scale = scale.unwrap_or(0);
    let precision =
        precision.filter(|precision| *precision > 0 && (0..=*precision).contains(&scale));
    ColumnKind::Numeric {
        precision: precision.and_then(|precision| precision.try_into().ok()),
        scale: scale.max(0).try_into().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_by_name() {
        let check = |name: &str, expected: &str| {
            let kind = kind(name, None, None);
            let shown = match kind {
                ColumnKind::Integer { bits, signed: true } => format!("i{bits}"),
                ColumnKind::Integer { bits, signed: false } => format!("u{bits}"),
                ColumnKind::Numeric { precision: None, scale } => format!("n {scale}"),
                ColumnKind::Numeric { precision: Some(digits), scale } => {
                    format!("n {digits} {scale}")
                }
                other => format!("{other:?}"),
            };
            assert_eq!(shown, expected, "{name}");
        };
        for (names, expected) in [
            ("BOOLEAN BOOL bool", "Bool"),
            ("INT1", "i8"),
            ("INT2 INT16 int16", "i16"),
            ("INT4 INT32", "i32"),
            ("INT8 INT64", "i64"),
            ("UINT1", "u8"),
            ("UINT2 UINT16", "u16"),
            ("UINT4 UINT32", "u32"),
            ("UINT8 UINT64", "u64"),
            ("NUMERIC DECIMAL NUMBER", "n 0"),
            ("NUMERIC(12,2) decimal(12,2)", "n 12 2"),
            ("NUMERIC(5) NUMBER(5,0)", "n 5 0"),
            ("NUMBER(5,-2) NUMERIC(x) NUMERIC( NUMERIC(0,0)", "n 0"),
            ("NUMBER(2,5)", "n 5"),
            ("REAL4 FLOAT32", "Real"),
            ("REAL8 FLOAT64 DOUBLE FLOAT", "Double"),
            ("STRING WSTRING VARCHAR VARCHAR(20) CHAR TEXT CLOB NCLOB UUID Uuid", "Text"),
            ("BYTES BYTE BLOB VARBINARY", "Bytes"),
            ("DATE DATE32 DATE64", "Date"),
            ("TIME", "Time"),
            ("DATETIME TIMESTAMP TIMESTAMP(6)", "Timestamp"),
            ("JSON JSONB", "Json"),
            ("GEOMETRY INT3 ÄÖ (", "Unknown"),
        ] {
            for name in names.split(' ') {
                check(name, expected);
            }
        }
        check(" numeric (12, 2) ", "n 12 2");
        check("BIGINT UNSIGNED", "u64");
        check("timestamp(6) with time zone", "Timestamp");
        check("DOUBLE PRECISION", "Double");
        check("", "Unknown");
    }

    #[test]
    fn decimals_have_room_for_all_values() {
        let check = |precision, scale, expected| {
            let (digits, places) = expected;
            let expected = ColumnKind::Numeric { precision: digits, scale: places };
            assert_eq!(kind("NUMERIC", precision, scale), expected);
        };
        check(Some(12), Some(2), (Some(12), 2));
        check(Some(12), None, (Some(12), 0));
        check(None, Some(2), (None, 2));
        check(Some(0), Some(-127), (None, 0));
        check(Some(i64::MAX), Some(i64::MAX), (None, 0));
    }
}
