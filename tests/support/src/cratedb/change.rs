//! UPDATE and DELETE, and the assignments of an upsert.

use std::sync::Arc;

use super::{
    cast::cast,
    dynamic::{discover, settle},
    error::Error,
    evaluate::Scope,
    lookup::{Found, Key, find},
    syntax::{Expression, Path, Update},
    table::{Row, Table},
    types::{Policy, Type},
    value::Value,
};

/// What is done to the rows that a condition means.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change<'a> {
    Update(&'a [(Path, Expression)]),
    Delete,
}

/// Runs a statement for one list of arguments, and returns the number of rows. `Err` of the inner result is what a row of a
/// bulk request answers; alone, the same is no error but nothing done.
pub(super) fn change(
    table: &mut Table,
    change: Change<'_>,
    filter: Option<&Expression>,
    scope: Scope<'_>,
) -> Result<Result<i64, Error>, Error> {
    let slots = match find(table, filter, Scope { table: Some(table), ..scope })? {
        Found::Key(Key::At(slot)) => vec![slot],
        Found::Key(Key::Missing) => return Ok(Err(Error::missing_document())),
        Found::Key(Key::OtherVersion) => return Ok(Err(Error::version_conflict())),
        Found::Search(slots) => slots,
    };
    let mut changed = 0;
    for slot in slots {
        // A search may find what was deleted since the last refresh.
        let Some(row) = table.live(slot).cloned() else { continue };
        let values = match change {
            Change::Delete => None,
            Change::Update(assignments) => Some(assign(table, &row, assignments, None, scope)?),
        };
        table.write(slot, row.id.clone(), values);
        changed += 1;
    }
    Ok(Ok(changed))
}

/// Refuses an UPDATE that cannot be done, whatever the row.
pub(super) fn check(table: &Table, update: &Update, scope: Scope<'_>) -> Result<(), Error> {
    check_targets(table, &update.assignments)?;
    let scope = Scope { table: Some(table), ..scope };
    for (path, value) in &update.assignments {
        scope.check(value)?;
        if let (Expression::Parameter(_), Ok((_, kind))) = (value, table.find(path)) {
            cast(&mut scope.value(value)?, kind)?;
        }
    }
    update.filter.iter().try_for_each(|filter| scope.check(filter))
}

/// Keys and columns that say where a row lies cannot be changed.
pub(super) fn check_targets(
    table: &Table,
    assignments: &[(Path, Expression)],
) -> Result<(), Error> {
    for (path, _) in assignments {
        let is_place = table.is_key(path)
            || table.partitioned_by.contains(path)
            || table.clustered_by.as_ref() == Some(path);
        let column = path.first().and_then(|first| table.columns.get(first));
        let Some(column) = column else {
            // An upsert may name a column that its own rows were to bring along, and did not.
            if table.columns.policy == Policy::Dynamic {
                continue;
            }
            return Err(Error::unknown_column(&super::types::display(path)));
        };
        if is_place || column.is_generated {
            let shown = super::types::display(path);
            return Err(Error::sql(format!(
                "Updating a primary key, partitioned or generated column is not supported: {shown}"
            )));
        }
    }
    Ok(())
}

/// Returns the values of a row after some assignments.
pub(super) fn assign(
    table: &mut Table,
    row: &Arc<Row>,
    assignments: &[(Path, Expression)],
    excluded: Option<&[Value]>,
    scope: Scope<'_>,
) -> Result<Box<[Value]>, Error> {
    let mut values = row.values.to_vec();
    values.resize(table.columns.columns.len(), Value::Null);
    let mut touched = Vec::with_capacity(assignments.len());
    {
        let scope = Scope { table: Some(table), excluded, ..scope }.with_row(row);
        for (path, expression) in assignments {
            let Some((first, keys)) = path.split_first() else { continue };
            let Some(place) = table.columns.place(first) else {
                if excluded.is_some() {
                    continue;
                }
                return Err(Error::unknown_column(first));
            };
            let mut value = scope.value(expression)?;
            match table.columns.find(path) {
                Ok(kind) => cast(&mut value, kind)?,
                Err(error) => {
                    may_be_new(&table.columns.columns[place].kind).then_some(()).ok_or(error)?;
                }
            }
            values[place].set(keys, value);
            touched.push(place);
        }
    }
    let mut room = table.room();
    for place in touched {
        let column = &mut table.columns.columns[place];
        discover(&values[place], &mut column.kind, &mut room);
        settle(&mut values[place], column)?;
    }
    Ok(values.into())
}

fn may_be_new(kind: &Type) -> bool {
    kind.members().is_some_and(|members| members.policy != Policy::Strict)
}
