//! A row as JSON text: for jsonl, and for the payload of a dead letter that the target refused.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use ctk_flow::{Changes, ColumnId, Row, Value};

use crate::envelope::push_json_text;

/// Appends the members of the row, each as `,"name":value`, numbers as they were written. Of members that come twice, the
/// last.
pub(crate) fn members(
    changes: &Changes,
    row: Row<'_>,
    name: impl Fn(&str) -> String,
    out: &mut String,
) {
    let cells: Vec<_> = row.cells().collect();
    let last: HashMap<ColumnId, usize> =
        cells.iter().enumerate().map(|(index, (column, _))| (*column, index)).collect();
    let are_unique = last.len() == cells.len();
    for (index, (column, value)) in cells.iter().enumerate() {
        if !are_unique && last.get(column) != Some(&index) {
            continue;
        }
        out.push(',');
        push_json_text(&name(&changes.columns()[column.index()]), out);
        out.push(':');
        push_value(*value, out);
    }
}

/// Appends a value, numbers as they were written, bytes as base64.
pub(crate) fn push_value(value: Value<'_>, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        Value::Integer(value) => out.push_str(itoa::Buffer::new().format(value)),
        // A line is a record: line breaks between the tokens of a nested value are blanks.
        Value::Json(text) if text.contains(['\n', '\r']) => {
            out.push_str(&text.replace(['\n', '\r'], " "));
        }
        Value::BigInteger(text) | Value::Decimal(text) | Value::Json(text) => {
            out.push_str(text);
        }
        Value::Text(text) => push_json_text(text, out),
        Value::Bytes(bytes) => {
            out.push('"');
            STANDARD.encode_string(bytes, out);
            out.push('"');
        }
    }
}

/// Returns the whole row as an object.
pub(crate) fn object(changes: &Changes, row: Row<'_>) -> String {
    let mut text = String::new();
    members(changes, row, str::to_owned, &mut text);
    if text.is_empty() {
        return "{}".to_owned();
    }
    text.replace_range(..1, "{");
    text.push('}');
    text
}
