//! JSON, read once: the members of an object become cells, numbers keep their text, nested values stay text.
//!
//! A text is accepted exactly when RFC 8259 accepts it, it is UTF-8, every escape stands for a character, and it is at most
//! [`scan::MAX_DEPTH`] levels deep; nested values are held to the same, though nobody looks into them yet. Decisions where the
//! RFC leaves freedom: a byte order mark at the beginning is skipped; of duplicate members both become cells, and the last
//! counts; `-0` is the integer 0.

mod escape;
mod members;
mod scan;
mod walk;

use ctk_flow::{Changes, ColumnId, Value};
use thiserror::Error;

use crate::columns::ColumnOrder;
pub(crate) use members::{Array, Member, Members};
use scan::Scanner;
pub(crate) use scan::{Text, Token};
pub(crate) use walk::{Walk, number};

/// The column of a value that is no object.
pub(crate) const DATA: &str = "data";

/// Why bytes are not JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{problem} at byte {offset}")]
pub(crate) struct NotJson {
    problem: &'static str,
    offset: usize,
}

/// Reads JSON values into cells. Keeps a buffer for texts with escapes.
#[derive(Debug, Default)]
pub(crate) struct Json {
    order: ColumnOrder,
    unescaped: String,
}

impl Json {
    /// Adds the cells of one JSON value: its members, or `data` when it is no object.
    ///
    /// After an error, cells may have been added: the caller abandons the row.
    pub(crate) fn read_members(
        &mut self,
        bytes: &[u8],
        changes: &mut Changes,
    ) -> Result<(), NotJson> {
        self.read_members_behind(&[], bytes, changes)
    }

    /// Adds the cells of `shared`, then those of one JSON value; of a name that both have, the last counts: the value's.
    ///
    /// After an error, cells may have been added: the caller abandons the row.
    pub(crate) fn read_members_behind(
        &mut self,
        shared: &[Member<'_>],
        bytes: &[u8],
        changes: &mut Changes,
    ) -> Result<(), NotJson> {
        let mut scanner = scanner(bytes)?;
        let mut previous = None;
        for member in shared {
            previous = Some(self.read_member(previous, *member, changes));
        }
        if scanner.begin_object() {
            let mut first = true;
            while let Some((name, token)) = scanner.member(first)? {
                previous = Some(self.read_member(previous, Member { name, value: token }, changes));
                first = false;
            }
        } else {
            let token = scanner.value()?;
            let column = self.order.column(changes, previous, DATA);
            self.add(changes, column, token);
        }
        scanner.end()
    }

    /// Adds the cell of one member, which stands behind `previous` (`None` at the beginning of a row).
    #[inline]
    pub(crate) fn read_member(
        &mut self,
        previous: Option<ColumnId>,
        member: Member<'_>,
        changes: &mut Changes,
    ) -> ColumnId {
        let name = plain(member.name, &mut self.unescaped);
        let column = self.order.column(changes, previous, name);
        self.add(changes, column, member.value);
        column
    }

    /// Returns the id of the column `name`, which stands behind `previous`.
    pub(crate) fn column(
        &mut self,
        previous: Option<ColumnId>,
        name: &str,
        changes: &mut Changes,
    ) -> ColumnId {
        self.order.column(changes, previous, name)
    }

    /// Adds one cell `data` with the JSON text as written.
    pub(crate) fn read_document(
        &mut self,
        bytes: &[u8],
        changes: &mut Changes,
    ) -> Result<(), NotJson> {
        let mut scanner = scanner(bytes)?;
        let text = scanner.raw_value()?;
        scanner.end()?;
        let column = self.order.column(changes, None, DATA);
        changes.cell(column, Value::Json(text));
        Ok(())
    }

    /// Adds one cell.
    pub(crate) fn add(&mut self, changes: &mut Changes, column: ColumnId, token: Token<'_>) {
        let value = match token {
            Token::Null => Value::Null,
            Token::Bool(value) => Value::Bool(value),
            Token::Integer(digits) => {
                digits.parse().map_or(Value::BigInteger(digits), Value::Integer)
            }
            Token::Decimal(text) => Value::Decimal(text),
            Token::Text(text) => Value::Text(plain(text, &mut self.unescaped)),
            Token::Nested(text) => Value::Json(text),
        };
        changes.cell(column, value);
    }
}

/// Returns a text without escapes, borrowed where there were none.
fn plain<'a>(text: Text<'a>, unescaped: &'a mut String) -> &'a str {
    if text.escaped {
        escape::unescape(text.raw, unescaped);
        return unescaped;
    }
    text.raw
}

fn scanner(bytes: &[u8]) -> Result<Scanner<'_>, NotJson> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Scanner::new(text)),
        Err(error) => Err(NotJson { problem: "not UTF-8", offset: error.valid_up_to() }),
    }
}

#[cfg(test)]
mod tests;
