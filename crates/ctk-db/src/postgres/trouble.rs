//! What an error of PostgreSQL asks for, by its code and never by its text, which is translated.

use std::borrow::Cow;

use sqlx::postgres::PgDatabaseError;

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is gone, or the server takes none at present: connect anew, after a while. Whether the transaction was
    /// committed is not known when the error is that of `COMMIT`.
    Connection,
    /// The transaction met another one, or took too long: the same again may succeed.
    Retry,
    /// The server only reads, since it is a standby or has become one: connect anew, perhaps elsewhere.
    ReadOnly,
    /// A value or a constraint: one of the rows is refused, and will be refused again.
    Rows,
    /// The table is not what it was, or not there: look at it again.
    Table,
    /// Rights, the disk, a mistake of ours: the user has to do something.
    Other,
}

/// Says what an error asks for (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub fn trouble(error: &sqlx::Error) -> Trouble {
    match error {
        sqlx::Error::Database(_) => of_code(error),
        // An answer that cannot be understood leaves a connection that cannot be used.
        sqlx::Error::Io(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => Trouble::Connection,
        sqlx::Error::TypeNotFound { .. } => Trouble::Table,
        _ => Trouble::Other,
    }
}

/// Returns the code of an error that the server reported.
pub fn sqlstate(error: &sqlx::Error) -> Option<String> {
    code(error).map(Cow::into_owned)
}

fn code(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    reported(error).map(|error| Cow::Borrowed(error.code()))
}

/// Returns what the server says of an error, with its detail; nothing for other errors.
///
/// `Display` of sqlx adds the line in the source of the server, which differs from version to version.
pub(crate) fn text(error: &sqlx::Error) -> Option<String> {
    let error = reported(error)?;
    let detail = error.detail().map(|detail| format!(" ({})", detail.trim_end_matches('.')));
    Some(format!("{}{}", error.message(), detail.unwrap_or_default()))
}

/// Returns the error as PostgreSQL reported it.
pub(super) fn reported(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

fn of_code(error: &sqlx::Error) -> Trouble {
    let Some(error) = reported(error) else { return Trouble::Other };
    match error.code() {
        "57P01" | "57P02" | "57P03" | "57P04" | "57P05" | "53300" | "25P03" => Trouble::Connection,
        // 25P04: a transaction that took too long; of a group, one member alone may be fast enough.
        "25P04" | "40001" | "40P01" | "40000" | "55P03" | "57014" | "53000" | "53200" => {
            Trouble::Retry
        }
        "25006" => Trouble::ReadOnly,
        // A prepared statement whose table has changed. The code says "not supported" of many things; the routine is told too.
        "0A000" if error.routine() == Some("RevalidateCachedQuery") => Trouble::Table,
        // 42P10: the index that a conflict is to be judged by. 428C9: a column that is generated.
        "42703" | "42P01" | "42804" | "42701" | "42P07" | "42704" | "42846" | "42883" | "42P10"
        | "428C9" | "3F000" | "26000" => Trouble::Table,
        // A policy for rows; of other rights the code is the same.
        "42501" if error.routine() == Some("ExecWithCheckOptions") => Trouble::Rows,
        "54000" | "54001" | "40002" => Trouble::Rows,
        code => match code.get(..2) {
            Some("08") => Trouble::Connection,
            // Values, constraints, one key twice in a statement, and what functions of a trigger raise.
            Some("22" | "23" | "44" | "21" | "38" | "39" | "P0" | "27") => Trouble::Rows,
            _ => Trouble::Other,
        },
    }
}

#[cfg(test)]
mod tests;
