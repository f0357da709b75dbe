//! INSERT: the casts that refuse a whole request, then the rows one by one.

use super::{
    cast::cast,
    change::{assign, check_targets},
    dynamic::{discover, discover_member, settle, settle_unknown},
    error::Error,
    evaluate::{Scope, missing_argument},
    syntax::{Conflict, Expression, Insert},
    table::Table,
    types::{Column, Policy, check_column_name},
    value::Value,
};

/// A row on its way into the table.
#[derive(Debug)]
struct Draft {
    id: Box<str>,
    /// In the order of the columns.
    values: Vec<Value>,
    /// Values of columns that are not there yet, in the order of the statement.
    fresh: Vec<Value>,
}

/// Inserts rows of arguments, and returns what became of each of them.
pub(super) fn insert(
    table: &mut Table,
    statement: &Insert,
    rows: Vec<Vec<Value>>,
    scope: Scope<'_>,
) -> Result<Vec<Result<i64, Error>>, Error> {
    let plan = Plan::new(table, statement, scope)?;
    // Nothing may be stored before all rows were looked at.
    let mut drafts = Vec::with_capacity(rows.len() * statement.rows.len());
    for mut arguments in rows {
        for expressions in &statement.rows {
            drafts.push(plan.draft(table, expressions, &mut arguments, scope)?);
        }
    }
    let places = plan.grow(table, &drafts);
    Ok(drafts
        .into_iter()
        .map(|draft| plan.store(table, statement, &places, draft, scope))
        .collect())
}

/// Where the values of a statement go.
struct Plan<'a> {
    /// For each column of the statement its place; none for one that is not there yet.
    targets: Vec<Option<usize>>,
    /// The names of those.
    fresh: Vec<&'a str>,
    /// What goes into columns that the statement does not name.
    defaults: Vec<(usize, Value)>,
    /// Places of objects, which may bring keys along.
    objects: Vec<usize>,
    /// Arguments may be moved out of their rows, as each is used once.
    moves: bool,
}

impl<'a> Plan<'a> {
    fn new(table: &Table, statement: &'a Insert, scope: Scope<'_>) -> Result<Self, Error> {
        let (mut targets, mut fresh) = (Vec::new(), Vec::new());
        for name in &statement.columns {
            let place = table.columns.place(name);
            match place {
                Some(place) if table.columns.columns[place].is_generated => {
                    return Err(Error::sql(format!(
                        "Given value for generated column {name} does not match"
                    )));
                }
                Some(place) if targets.contains(&Some(place)) => {
                    return Err(Error::sql(format!("reference '{name}' repeated")));
                }
                Some(_) => {}
                None if table.columns.policy == Policy::Dynamic => {
                    check_column_name(name)?;
                    fresh.push(&**name);
                }
                None => return Err(Error::unknown_column(name)),
            }
            targets.push(place);
        }
        if let Conflict::Update { keys, assignments } = &statement.conflict {
            if keys.len() != table.keys.len() || !keys.iter().all(|key| table.is_key(key)) {
                return Err(Error::sql("Number of conflict targets and primary keys must match"));
            }
            check_targets(table, assignments)?;
        }
        let mut defaults = Vec::new();
        for (place, column) in table.columns.columns.iter().enumerate() {
            if let (Some(default), false) = (&column.default, targets.contains(&Some(place))) {
                let mut value = scope.value(default)?;
                cast(&mut value, &column.kind)?;
                defaults.push((place, value));
            }
        }
        let is_object = |place: &usize| table.columns.columns[*place].kind.members().is_some();
        let objects = targets.iter().flatten().copied().filter(is_object).collect();
        let mut used: Vec<usize> = Vec::new();
        let moves = statement.rows.iter().flatten().all(|expression| match expression {
            Expression::Parameter(number) => {
                let is_first = !used.contains(number);
                used.push(*number);
                is_first
            }
            other => other.parameters() == 0,
        });
        Ok(Self { targets, fresh, defaults, objects, moves })
    }

    /// Casts what is declared; an error refuses the whole request.
    fn draft(
        &self,
        table: &Table,
        expressions: &[Expression],
        arguments: &mut [Value],
        scope: Scope<'_>,
    ) -> Result<Draft, Error> {
        let columns = &table.columns.columns;
        let mut values = vec![Value::Null; columns.len()];
        let mut fresh = Vec::with_capacity(self.fresh.len());
        for (place, value) in &self.defaults {
            values[*place] = value.clone();
        }
        for (target, expression) in self.targets.iter().zip(expressions) {
            let mut value = match expression {
                Expression::Parameter(number) if self.moves => {
                    arguments.get_mut(*number).map(std::mem::take).ok_or_else(missing_argument)?
                }
                expression => Scope { args: arguments, ..scope }.value(expression)?,
            };
            match *target {
                Some(place) => {
                    cast(&mut value, &columns[place].kind)?;
                    values[place] = value;
                }
                None => fresh.push(value),
            }
        }
        Ok(Draft { id: table.id(&values)?, values, fresh })
    }

    /// Makes columns and keys of what is new, and returns the places of the new columns. The last row decides about types.
    fn grow(&self, table: &mut Table, drafts: &[Draft]) -> Vec<Option<usize>> {
        if !self.fresh.is_empty() || !self.objects.is_empty() {
            let mut room = table.room();
            for draft in drafts.iter().rev() {
                for place in &self.objects {
                    let kind = &mut table.columns.columns[*place].kind;
                    discover(&draft.values[*place], kind, &mut room);
                }
                for (name, value) in self.fresh.iter().zip(&draft.fresh) {
                    discover_member(name, value, usize::MAX, &mut table.columns, &mut room);
                }
            }
        }
        self.fresh.iter().map(|name| table.columns.place(name)).collect()
    }

    fn store(
        &self,
        table: &mut Table,
        statement: &Insert,
        places: &[Option<usize>],
        draft: Draft,
        scope: Scope<'_>,
    ) -> Result<i64, Error> {
        let Draft { id, mut values, fresh } = draft;
        values.resize(table.columns.columns.len(), Value::Null);
        for ((place, value), name) in places.iter().zip(fresh).zip(&self.fresh) {
            match place {
                Some(place) => values[*place] = value,
                None => settle_unknown(name, &value, Policy::Dynamic, &table.name)?,
            }
        }
        for (value, column) in values.iter_mut().zip(&table.columns.columns) {
            settle_column(value, column)?;
        }
        let has_key = !table.keys.is_empty();
        let slot = table.slot_for(has_key.then_some(&*id));
        let Some(row) = table.live(slot).cloned() else {
            let id = if has_key { id } else { format!("auto-{slot}").into() };
            table.write(slot, id, Some(values.into()));
            return Ok(1);
        };
        match &statement.conflict {
            Conflict::Fail => Err(Error::duplicate_key()),
            Conflict::Nothing => Ok(0),
            Conflict::Update { assignments, .. } => {
                let values = assign(table, &row, assignments, Some(&values), scope)?;
                table.write(slot, id, Some(values));
                Ok(1)
            }
        }
    }
}

fn settle_column(value: &mut Value, column: &Column) -> Result<(), Error> {
    match value {
        // Most columns of a wide table are these.
        Value::Null if !column.is_not_null => Ok(()),
        value => settle(value, column),
    }
}
