//! A column that gets another type: only if each of its values can be kept.

use ctk_db::{
    postgres::{Connection, Kind, Table, Type},
    quote,
};
use ctk_flow::ColumnKind;

use super::{
    alter::{back, raw, refusal, run},
    declare, quoted, shown,
};
use crate::{
    SinkError,
    cdc::store::{Fate, NewColumn, TargetTable},
};

/// Changes the type of a column. One that is missing is added.
pub(super) async fn change_type(
    connection: &mut Connection,
    table: &TargetTable,
    found: &Table,
    column: &NewColumn,
) -> Result<Fate, SinkError> {
    let what = format!("change table {}", shown(table));
    let of = if found.kind == Kind::Foreign { "FOREIGN TABLE" } else { "TABLE" };
    let name = quoted(table);
    let Some(old) = found.columns.iter().find(|old| old.name == column.name) else {
        let sql = format!("ALTER {of} {name} ADD COLUMN {}", declare::column(column));
        return refusal(run(connection, &sql).await, what);
    };
    let to = declare::type_name(column.kind);
    let Some(Conversion { using, lost }) = conversion(&quote(&column.name), &old.of, column.kind)
    else {
        return Ok(None);
    };
    if let Some(lost) = lost {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {lost})");
        match looks(connection, &sql).await {
            Ok(false) => {}
            Ok(true) => {
                return Ok(Some(format!(
                    "there are values of {} that {to} would change",
                    column.name
                )));
            }
            Err(error) => return refusal(Err(error), what),
        }
    }
    // A server that is not ours converts nothing.
    let using = if of == "TABLE" { format!(" USING {using}") } else { String::new() };
    let sql = format!("ALTER {of} {name} ALTER COLUMN {} TYPE {to}{using}", quote(&column.name));
    refusal(run(connection, &sql).await, what)
}

/// Asks something that may fail for what rows hold.
async fn looks(connection: &mut Connection, sql: &str) -> Result<bool, sqlx::Error> {
    raw(connection, "SAVEPOINT ctk_alter").await?;
    let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned())).persistent(false);
    match query.fetch_one(&mut *connection).await {
        Ok(so) => raw(connection, "RELEASE SAVEPOINT ctk_alter").await.map(|()| so),
        Err(error) => back(connection).await.and(Err(error)),
    }
}

/// How values become those of another type.
#[derive(Debug, PartialEq, Eq)]
struct Conversion {
    using: String,
    /// True for a row whose value would be another one by that.
    lost: Option<String>,
}

/// Returns how the values of a column become what is asked for; none when they are it. Texts are read as what they say:
/// `1.5` is `1.50`.
fn conversion(column: &str, from: &Type, kind: ColumnKind) -> Option<Conversion> {
    let to = declare::type_name(kind);
    if is(from, &to) {
        return None;
    }
    let direct = format!("{column}::{to}");
    let by_text = format!("{column}::text::{to}");
    let is_text = matches!(from, Type::Text { .. } | Type::Char { .. });
    // Beyond microseconds, the server rounds.
    let too_fine = format!("{column}::text ~ '[.][0-9]{{6}}0*[1-9]'");
    let (using, lost) = match kind {
        ColumnKind::Text | ColumnKind::Unknown => (direct, None),
        ColumnKind::Bytes => (format!("pg_catalog.convert_to({column}::text, 'UTF8')"), None),
        ColumnKind::Bool | ColumnKind::Json => (by_text, None),
        ColumnKind::Integer { .. }
        | ColumnKind::Numeric { .. }
        | ColumnKind::Real
        | ColumnKind::Double => {
            if *from == Type::Bool {
                (format!("{column}::integer::{to}"), None)
            } else {
                let new = if is_number(from) { direct } else { by_text };
                let number = "::text::pg_catalog.numeric";
                let lost = format!("{column}{number} IS DISTINCT FROM ({new}){number}");
                (new, Some(lost))
            }
        }
        ColumnKind::Date if is_text => {
            let lost = format!("{column}::timestamp IS DISTINCT FROM {direct}::timestamp");
            (direct, Some(lost))
        }
        ColumnKind::Time if is_text => {
            (direct, Some(format!("{column} !~ '^[0-9:.]+$' OR {too_fine}")))
        }
        ColumnKind::Timestamp if is_text => (direct, Some(too_fine)),
        ColumnKind::Date | ColumnKind::Time | ColumnKind::Timestamp => match moment(from) {
            Some(old) => {
                let lost = format!("({direct})::{old} IS DISTINCT FROM {column}");
                (direct, Some(lost))
            }
            None => (by_text, None),
        },
    };
    Some(Conversion { using, lost })
}

fn is_number(of: &Type) -> bool {
    matches!(
        of,
        Type::Int2 | Type::Int4 | Type::Int8 | Type::Float4 | Type::Float8 | Type::Numeric { .. }
    )
}

fn moment(of: &Type) -> Option<&'static str> {
    Some(match of {
        Type::Date => "date",
        Type::Time { .. } => "time",
        Type::Timestamp { .. } => "timestamp",
        Type::Timestamptz { .. } => "timestamptz",
        _ => return None,
    })
}

/// Returns true for a column that is of a type of ours.
fn is(of: &Type, declared: &str) -> bool {
    let name = match of {
        Type::Bool => "BOOLEAN",
        Type::Int2 => "SMALLINT",
        Type::Int4 => "INTEGER",
        Type::Int8 => "BIGINT",
        Type::Float4 => "REAL",
        Type::Float8 => "DOUBLE PRECISION",
        Type::Numeric { precision: None } => "NUMERIC",
        Type::Numeric { precision: Some((precision, scale)) } => {
            return format!("NUMERIC({precision}, {scale})") == declared;
        }
        Type::Text { most: None } => "TEXT",
        Type::Jsonb => "JSONB",
        Type::Bytea => "BYTEA",
        Type::Date => "DATE",
        Type::Time { digits: 6 } => "TIME",
        Type::Timestamptz { digits: 6 } => "TIMESTAMPTZ",
        _ => return false,
    };
    name == declared
}
