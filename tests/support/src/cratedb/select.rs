//! SELECT: rows, aggregates, order, limit.

use std::{cmp::Ordering, sync::Arc};

use super::{
    engine::Answer,
    error::Error,
    evaluate::Scope,
    lookup::{Found, Key, find},
    syntax::{Aggregate, Direction, Expression, Item, Select},
    table::{Row, Table},
    value::Value,
};

/// Answers a SELECT from a table.
pub(super) fn select(table: &Table, select: &Select, scope: Scope<'_>) -> Result<Answer, Error> {
    let scope = Scope { table: Some(table), ..scope };
    let items = items(table, select);
    items.iter().try_for_each(|item| scope.check(&item.expression))?;
    let rows: Vec<Arc<Row>> = match find(table, select.filter.as_ref(), scope)? {
        Found::Key(Key::At(slot)) => table.live(slot).cloned().into_iter().collect(),
        Found::Key(_) => Vec::new(),
        Found::Search(slots) => {
            let mut slots = slots.into_iter().peekable();
            let seen = table.seen().filter(|(slot, _)| slots.next_if_eq(slot).is_some());
            seen.map(|(_, row)| Arc::clone(row)).collect()
        }
    };
    let limit = limit(select, scope)?;
    if items.iter().any(|item| item.expression.is_aggregate()) {
        let values = items.iter().map(|item| total(&item.expression, &rows, scope));
        let row = values.collect::<Result<Vec<Value>, Error>>()?;
        return Ok(answer(items, vec![row], limit));
    }
    let mut keyed = Vec::with_capacity(rows.len());
    for row in &rows {
        let scope = scope.with_row(row);
        let values: Vec<Value> =
            items.iter().map(|item| scope.value(&item.expression)).collect::<Result<_, _>>()?;
        let key: Vec<Value> = select
            .order
            .iter()
            .map(|(expression, _)| match place_of(expression, &items) {
                Some(place) => Ok(values[place].clone()),
                None => scope.value(expression),
            })
            .collect::<Result<_, _>>()?;
        keyed.push((key, values));
    }
    keyed.sort_by(|(one, _), (two, _)| {
        let directions = select.order.iter().map(|(_, direction)| *direction);
        one.iter()
            .zip(two)
            .zip(directions)
            .map(|((one, two), direction)| in_order(one, two, direction))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    let rows = keyed.into_iter().map(|(_, values)| values).collect();
    Ok(answer(items, rows, limit))
}

/// Answers a SELECT without a table.
pub(super) fn select_nothing(select: &Select, scope: Scope<'_>) -> Result<Answer, Error> {
    let mut row = Vec::new();
    let mut columns = Vec::new();
    for item in &select.items {
        let item =
            item.as_ref().ok_or_else(|| Error::sql("\"*\" is not supported without FROM"))?;
        scope.check(&item.expression)?;
        row.push(scope.value(&item.expression)?);
        columns.push(item.name.clone());
    }
    Ok(Answer::Rows { columns, rows: vec![row] })
}

fn answer(items: Vec<Item>, mut rows: Vec<Vec<Value>>, limit: Option<usize>) -> Answer {
    rows.truncate(limit.unwrap_or(usize::MAX));
    Answer::Rows { columns: items.into_iter().map(|item| item.name).collect(), rows }
}

/// Returns the columns of the answer, with `*` written out.
fn items(table: &Table, select: &Select) -> Vec<Item> {
    let all = || {
        table.columns.columns.iter().map(|column| Item {
            name: column.name.to_string(),
            expression: Expression::Column(vec![column.name.clone()]),
        })
    };
    let mut items = Vec::new();
    for item in &select.items {
        match item {
            Some(item) => items.push(item.clone()),
            None => items.extend(all()),
        }
    }
    items
}

fn limit(select: &Select, scope: Scope<'_>) -> Result<Option<usize>, Error> {
    let Some(limit) = &select.limit else { return Ok(None) };
    match scope.value(limit)? {
        Value::Int(limit) => Ok(Some(usize::try_from(limit).unwrap_or(0))),
        Value::Null => Ok(None),
        other => Err(Error::cast(&other, "bigint")),
    }
}

/// Returns the place of the item that ORDER BY names by its alias.
fn place_of(expression: &Expression, items: &[Item]) -> Option<usize> {
    let Expression::Column(path) = expression else { return None };
    let [name] = path.as_slice() else { return None };
    items.iter().position(|item| *item.name == **name)
}

/// NULL is larger than everything.
fn in_order(one: &Value, two: &Value, direction: Direction) -> Ordering {
    let order = match (one.is_null(), two.is_null()) {
        (false, false) => one.compare(two).unwrap_or(Ordering::Equal),
        (one, two) => one.cmp(&two),
    };
    if direction == Direction::Descending { order.reverse() } else { order }
}

/// Returns an aggregate over some rows; casts and sums of aggregates are allowed around it.
fn total(expression: &Expression, rows: &[Arc<Row>], scope: Scope<'_>) -> Result<Value, Error> {
    let (function, inner) = match expression {
        Expression::Aggregate(function, inner) => (*function, inner),
        Expression::Cast(inner, kind) => {
            let mut value = total(inner, rows, scope)?;
            super::cast::cast(&mut value, kind)?;
            return Ok(value);
        }
        other if other.is_aggregate() => {
            return Err(Error::sql("aggregates are not supported inside of this expression"));
        }
        Expression::Column(path) => {
            return Err(Error::sql(format!(
                "\"{}\" must appear in the GROUP BY clause or be used in an aggregation function",
                super::types::display(path)
            )));
        }
        other => return scope.value(other),
    };
    if function == Aggregate::CountAll {
        return Ok(count(rows.len()));
    }
    let mut values = Vec::with_capacity(rows.len());
    for row in rows {
        let value = scope.with_row(row).value(inner)?;
        if !value.is_null() {
            values.push(value);
        }
    }
    let best = |wanted: Ordering| {
        values.iter().fold(Value::Null, |best, value| {
            if best.is_null() || value.compare(&best) == Some(wanted) {
                value.clone()
            } else {
                best
            }
        })
    };
    Ok(match function {
        Aggregate::CountAll | Aggregate::Count => count(values.len()),
        Aggregate::CountDistinct => {
            let distinct: std::collections::HashSet<String> =
                values.iter().map(Value::to_json).collect();
            count(distinct.len())
        }
        Aggregate::Min => best(Ordering::Less),
        Aggregate::Max => best(Ordering::Greater),
        Aggregate::Sum => sum(&values)?,
    })
}

fn count(rows: usize) -> Value {
    Value::Int(i64::try_from(rows).unwrap_or(i64::MAX))
}

fn sum(values: &[Value]) -> Result<Value, Error> {
    if values.is_empty() {
        return Ok(Value::Null);
    }
    let mut integers = Some(0_i64);
    let mut floats = 0.0;
    for value in values {
        floats += value.as_float().ok_or_else(|| Error::cast(value, "bigint"))?;
        integers = match (integers, value) {
            (Some(sum), Value::Int(integer)) => {
                Some(sum.checked_add(*integer).ok_or_else(|| Error::sql("long overflow"))?)
            }
            _ => None,
        };
    }
    Ok(integers.map_or(Value::Float(floats), Value::Int))
}
