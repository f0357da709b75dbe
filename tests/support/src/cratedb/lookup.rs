//! Which rows a condition means: one by its primary key, as it was written last, or those that a search sees.

use super::{
    cast::cast,
    error::Error,
    evaluate::{Scope, System, system_column},
    syntax::{Expression, Operator, Path},
    table::Table,
    value::Value,
};

/// What a condition finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The one row of a primary key.
    Key(Key),
    /// Places of rows, in the order of their making.
    Search(Vec<usize>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key {
    At(usize),
    Missing,
    /// It is there, but not with this `_seq_no` and `_primary_term`.
    OtherVersion,
}

/// Finds rows. Only a condition that fixes the whole primary key by `=`, and nothing else but the version, sees what was not
/// refreshed yet.
pub(super) fn find(
    table: &Table,
    filter: Option<&Expression>,
    scope: Scope<'_>,
) -> Result<Found, Error> {
    if let Some(filter) = filter {
        scope.check(filter)?;
        if let Some(key) = by_key(table, filter, scope)? {
            return Ok(Found::Key(key));
        }
        if mentions_version(filter) {
            return Err(Error::sql(
                "\"_seq_no\" and \"_primary_term\" columns can only be used together in the WHERE clause with equals \
                 comparisons and if there are also equals comparisons on primary key columns",
            ));
        }
    }
    let mut found = Vec::new();
    for (slot, row) in table.seen() {
        if scope.with_row(row).holds(filter)? {
            found.push(slot);
        }
    }
    Ok(Found::Search(found))
}

fn by_key(table: &Table, filter: &Expression, scope: Scope<'_>) -> Result<Option<Key>, Error> {
    let mut conditions = Vec::new();
    conjuncts(filter, &mut conditions);
    let mut values = vec![Value::Null; table.columns.columns.len()];
    let (mut keys, mut sequence, mut term): (Vec<&Path>, _, _) = (Vec::new(), None, None);
    for condition in conditions {
        let Some((path, value)) = equality(condition) else { return Ok(None) };
        let value = scope.value(value)?;
        match system_column(path) {
            Some(System::Sequence) if sequence.is_none() => sequence = Some(value),
            Some(System::Term) if term.is_none() => term = Some(value),
            None if table.is_key(path) && !keys.contains(&path) => {
                let (place, kind) = table.find(path)?;
                let mut value = value;
                cast(&mut value, kind)?;
                values[place].set(path.get(1..).unwrap_or_default(), value);
                keys.push(path);
            }
            _ => return Ok(None),
        }
    }
    if keys.is_empty() || keys.len() != table.keys.len() || sequence.is_some() != term.is_some() {
        return Ok(None);
    }
    // A key that is NULL is no row's.
    let Ok(id) = table.id(&values) else { return Ok(Some(Key::Missing)) };
    let Some(slot) = table.slot(&id) else { return Ok(Some(Key::Missing)) };
    let Some(row) = table.live(slot) else { return Ok(Some(Key::Missing)) };
    let is_meant = sequence.is_none_or(|asked| asked == Value::Int(row.sequence))
        && term.is_none_or(|asked| asked == Value::Int(1));
    Ok(Some(if is_meant { Key::At(slot) } else { Key::OtherVersion }))
}

fn conjuncts<'a>(condition: &'a Expression, found: &mut Vec<&'a Expression>) {
    match condition {
        Expression::And(one, two) => {
            conjuncts(one, found);
            conjuncts(two, found);
        }
        other => found.push(other),
    }
}

/// Returns the column and the value of `column = value`, either way round.
fn equality(condition: &Expression) -> Option<(&Path, &Expression)> {
    let Expression::Binary(Operator::Equal, one, two) = condition else { return None };
    match (&**one, &**two) {
        (Expression::Column(path), value) | (value, Expression::Column(path))
            if value.operands().is_empty() && !matches!(value, Expression::Column(_)) =>
        {
            Some((path, value))
        }
        _ => None,
    }
}

fn mentions_version(expression: &Expression) -> bool {
    let is_version = matches!(expression, Expression::Column(path)
        if matches!(system_column(path), Some(System::Sequence | System::Term)));
    is_version || expression.operands().iter().any(|operand| mentions_version(operand))
}
