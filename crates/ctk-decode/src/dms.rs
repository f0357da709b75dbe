//! Change events of AWS DMS: one record is one change of a row or of a table.
//!
//! What a record holds is told by AWS:
//! <https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kinesis.html>. Of changes of tables the names of the
//! operations stand there, but not how the record says what changed, so all that it could say is understood (`told`).
//! Nothing is known of types and keys of rows here: a sink knows them.

mod def;
mod kind;
mod record;
mod row;
mod table;
mod told;

use std::borrow::Cow;

use ctk_flow::{Action, Changes, Parts, Reason, TableId};

use crate::{
    change::{Read, Refused},
    json::Json,
    recipe::{Recipe, TableRules},
};
use record::Record;
use row::Row;

/// What is asked for of a row.
#[derive(Clone, Copy)]
enum Operation {
    /// Full load and insert.
    Put,
    Patch,
    Delete,
}

/// What the user wants of records.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) recipe: &'a Recipe,
    /// An update brings the whole row.
    pub(crate) whole_updates: bool,
}

/// Adds the change that a record asks for. After an error, cells may have been added: the caller abandons the row.
pub(crate) fn read(
    payload: &[u8],
    wanted: Wanted<'_>,
    sub_sequence: u32,
    json: &mut Json,
    changes: &mut Changes,
) -> Result<Read, Refused> {
    let envelope = Record::parse(payload)?;
    let inner;
    let record = match &envelope.wrapped {
        None => envelope,
        Some(wrapped) => {
            inner = wrapped.open().map_err(|_| not_dms("kinesis.data is not base64"))?;
            Record::parse(&inner)
                .map_err(|error| Refused::not_json(format!("kinesis.data: {error}")))?
        }
    };
    let operation = record.operation.as_deref().ok_or_else(|| {
        not_dms(if record.is_object { "metadata.operation is missing" } else { "no object" })
    })?;
    let operation = normal(operation);
    let of_row = match &*operation {
        "load" | "insert" => Some(Operation::Put),
        "update" => Some(Operation::Patch),
        "delete" => Some(Operation::Delete),
        _ if is_of_transactions(&operation) => return Ok(Read::Filtered),
        _ => None,
    };
    let (schema, table) = record.names()?;
    let rules = wanted.recipe.rules(schema, table);
    if let Some(of_row) = of_row {
        let (mut action, parts) = cells(of_row, &record, rules, &mut Row { json, changes })?;
        if wanted.whole_updates && action == Action::Patch {
            action = Action::Put;
        }
        let table = table_id(changes, schema, table);
        changes.end_change(sub_sequence, table, action, parts, payload);
        return Ok(Read::Change);
    }
    let Some((of, change)) = table::change(&operation, &record, rules)? else {
        return Ok(Read::Filtered);
    };
    let table = changes.table(&of.schema, &of.table);
    changes.end_change(sub_sequence, table, Action::Table(change), Parts::default(), payload);
    Ok(Read::Change)
}

/// Adds the cells of a row that comes, changes or goes.
fn cells(
    operation: Operation,
    record: &Record<'_>,
    rules: Option<&TableRules>,
    row: &mut Row<'_>,
) -> Result<(Action, Parts), Refused> {
    let rules = rules.filter(|rules| row::touches(rules));
    let missing = || not_dms("data is missing, or no object");
    match operation {
        Operation::Put => {
            row.add(record.data.as_deref().ok_or_else(missing)?, rules);
            Ok((Action::Put, Parts::default()))
        }
        Operation::Patch => {
            let data = record.data.as_deref().ok_or_else(missing)?;
            let before = row.add(&record.before()?, rules);
            row.add(data, rules);
            Ok((Action::Patch, Parts { before, ..Parts::default() }))
        }
        Operation::Delete => {
            let before = record.before()?;
            let data = record.data.as_deref();
            if data.is_none() && before.is_empty() {
                return Err(missing());
            }
            let data = data.unwrap_or_default();
            row.add(data, rules);
            let is_new = |name| !data.iter().any(|member| member.name.is(name));
            let rest: Vec<_> =
                before.iter().filter(|member| is_new(member.name)).copied().collect();
            row.add(&rest, rules);
            Ok((Action::Delete, Parts::default()))
        }
    }
}

/// Returns the id of a table, which is mostly the one that the last change was of: that costs no hashing.
fn table_id(changes: &mut Changes, schema: &str, table: &str) -> TableId {
    if let Some(last) = changes.len().checked_sub(1)
        && let Some(change) = changes.row(last).change()
        && let Some(name) = changes.tables().get(change.table().index())
        && (name.schema.as_str(), name.table.as_str()) == (schema, table)
    {
        return change.table();
    }
    changes.table(schema, table)
}

/// Returns true for records that frame transactions, and change nothing.
fn is_of_transactions(operation: &str) -> bool {
    let rest = operation.trim_start_matches("transaction-").trim_end_matches("-transaction");
    matches!(rest, "begin" | "start" | "commit" | "end")
}

/// Returns an operation as AWS spells it: at the cost of a copy only where it comes otherwise.
fn normal(operation: &str) -> Cow<'_, str> {
    if operation.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        return Cow::Borrowed(operation);
    }
    operation.trim().to_ascii_lowercase().replace(['_', ' '], "-").into()
}

fn not_dms(error: &str) -> Refused {
    Refused { reason: Reason::NotDms, error: error.to_owned() }
}

#[cfg(test)]
mod tests;
