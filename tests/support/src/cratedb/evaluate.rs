//! Values of expressions, and conditions with three outcomes.

use std::cmp::Ordering;

use super::{
    cast::cast,
    error::Error,
    syntax::{Expression, Operator},
    table::{Row, Table},
    types::Type,
    value::Value,
};

/// What the names of an expression stand for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) table: Option<&'a Table>,
    pub(super) row: Option<&'a Row>,
    /// The row that was to be inserted.
    pub(super) excluded: Option<&'a [Value]>,
    pub(super) args: &'a [Value],
    pub(super) now: i64,
    pub(super) version: &'a str,
}

impl<'a> Scope<'a> {
    pub(super) fn with_row(self, row: &'a Row) -> Self {
        Self { row: Some(row), ..self }
    }

    /// Refuses names that are unknown, parameters that are missing, and values that cannot be compared with their column;
    /// a statement is refused for them even when there is no row.
    pub(super) fn check(&self, expression: &Expression) -> Result<(), Error> {
        match expression {
            Expression::Column(_) | Expression::Excluded(_) => {
                self.kind(expression)?;
            }
            Expression::Parameter(number) if *number >= self.args.len() => {
                return Err(missing_argument());
            }
            Expression::Binary(_, one, two) => {
                self.operands(one, two, |scope, side| match side {
                    Expression::Column(_) | Expression::Excluded(_) | Expression::Aggregate(..) => {
                        Ok(Value::Null)
                    }
                    side if side.operands().is_empty() => scope.value(side),
                    _ => Ok(Value::Null),
                })?;
            }
            _ => {}
        }
        expression.operands().into_iter().try_for_each(|operand| self.check(operand))
    }

    /// Returns true when a condition is true; false and NULL are alike here.
    pub(super) fn holds(&self, condition: Option<&Expression>) -> Result<bool, Error> {
        match condition {
            None => Ok(true),
            Some(condition) => Ok(self.truth(condition)? == Some(true)),
        }
    }

    pub(super) fn value(&self, expression: &Expression) -> Result<Value, Error> {
        Ok(match expression {
            Expression::Parameter(number) => {
                self.args.get(*number).cloned().ok_or_else(missing_argument)?
            }
            Expression::Constant(value) => value.clone(),
            Expression::Now => Value::Int(self.now),
            Expression::Version => Value::text(self.version),
            Expression::Column(path) => match (system_column(path), self.row) {
                (Some(System::Sequence), Some(row)) => Value::Int(row.sequence),
                (Some(System::Term), Some(_)) => Value::Int(1),
                (Some(System::Id), Some(row)) => Value::text(&row.id),
                (None, Some(row)) => self.inside(path, &row.values)?,
                (_, None) => Value::Null,
            },
            Expression::Excluded(path) => match self.excluded {
                Some(values) => self.inside(path, values)?,
                None => return Err(Error::sql("excluded is known in ON CONFLICT alone")),
            },
            Expression::Aggregate(..) => {
                return Err(Error::sql("Aggregate functions are not allowed here"));
            }
            Expression::Cast(inner, kind) => {
                let mut value = self.value(inner)?;
                cast(&mut value, kind)?;
                value
            }
            Expression::Binary(Operator::Plus, one, two) => {
                sum(&self.value(one)?, &self.value(two)?, 1)?
            }
            Expression::Binary(Operator::Minus, one, two) => {
                sum(&self.value(one)?, &self.value(two)?, -1)?
            }
            condition => self.truth(condition)?.map_or(Value::Null, Value::Bool),
        })
    }

    fn inside(&self, path: &[Box<str>], values: &[Value]) -> Result<Value, Error> {
        let table =
            self.table.ok_or_else(|| Error::unknown_column(&super::types::display(path)))?;
        let (place, _) = table.find(path)?;
        let value = values.get(place).unwrap_or(&Value::Null);
        match path {
            [_] => Ok(value.clone()),
            [_, first, rest @ ..] => {
                Ok(rest.iter().fold(value.member(first), |value, key| value.member(key)))
            }
            [] => Ok(Value::Null),
        }
    }

    fn truth(&self, condition: &Expression) -> Result<Option<bool>, Error> {
        Ok(match condition {
            Expression::And(one, two) => match (self.truth(one)?, self.truth(two)?) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            },
            Expression::Or(one, two) => match (self.truth(one)?, self.truth(two)?) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            },
            Expression::Not(one) => self.truth(one)?.map(|truth| !truth),
            Expression::IsNull(one) => Some(self.value(one)?.is_null()),
            Expression::In(one, list) => {
                let tests = list.iter().map(|two| self.compare(Operator::Equal, one, two));
                any(tests)?
            }
            Expression::Any(one, list) => match self.value(list)? {
                Value::Array(items) => {
                    let tests = items.into_iter().map(|item| {
                        self.compare(Operator::Equal, one, &Expression::Constant(item))
                    });
                    any(tests)?
                }
                Value::Null => None,
                other => return Err(Error::cast(&other, "array")),
            },
            Expression::Binary(operator, one, two)
                if !matches!(operator, Operator::Plus | Operator::Minus) =>
            {
                self.compare(*operator, one, two)?
            }
            other => match self.value(other)? {
                Value::Bool(bool) => Some(bool),
                Value::Null => None,
                value => return Err(Error::cast(&value, "boolean")),
            },
        })
    }

    fn compare(
        &self,
        operator: Operator,
        one: &Expression,
        two: &Expression,
    ) -> Result<Option<bool>, Error> {
        let (one, two) = self.operands(one, two, Scope::value)?;
        Ok(one.compare(&two).map(|order| match operator {
            Operator::Equal => order == Ordering::Equal,
            Operator::Unequal => order != Ordering::Equal,
            Operator::Less => order == Ordering::Less,
            Operator::LessOrEqual => order != Ordering::Greater,
            Operator::Greater => order == Ordering::Greater,
            Operator::GreaterOrEqual => order != Ordering::Less,
            Operator::Plus | Operator::Minus => false,
        }))
    }

    /// Returns both sides, the one without a type cast to that of the other.
    fn operands(
        &self,
        one: &Expression,
        two: &Expression,
        value: impl Fn(&Self, &Expression) -> Result<Value, Error>,
    ) -> Result<(Value, Value), Error> {
        let (mut left, mut right) = (value(self, one)?, value(self, two)?);
        match (self.kind(one)?, self.kind(two)?) {
            (Some(kind), None) => fit(&mut right, &kind)?,
            (None, Some(kind)) => fit(&mut left, &kind)?,
            _ => {}
        }
        Ok((left, right))
    }

    /// Returns the type of an expression where it has one of its own.
    pub(super) fn kind(&self, expression: &Expression) -> Result<Option<Type>, Error> {
        Ok(match expression {
            Expression::Column(path) => match system_column(path) {
                Some(System::Id) => Some(Type::Text),
                Some(_) => Some(Type::BigInt),
                None => match self.table {
                    Some(table) => Some(table.find(path)?.1.clone()),
                    None => return Err(Error::unknown_column(&super::types::display(path))),
                },
            },
            Expression::Cast(_, kind) => Some(kind.clone()),
            Expression::Now => Some(Type::TimestampTz),
            _ => None,
        })
    }
}

/// A column that every row has without anybody declaring it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    Sequence,
    Term,
    Id,
}

pub(super) fn system_column(path: &[Box<str>]) -> Option<System> {
    let [name] = path else { return None };
    match &**name {
        "_seq_no" => Some(System::Sequence),
        "_primary_term" => Some(System::Term),
        "_id" => Some(System::Id),
        _ => None,
    }
}

pub(super) fn missing_argument() -> Error {
    Error::sql("Missing argument: there are more parameters in the statement than arguments")
}

/// Casts a text to what it is compared with; numbers are compared as they are.
fn fit(value: &mut Value, kind: &Type) -> Result<(), Error> {
    let (is_text, takes_text) = (matches!(value, Value::Text(_)), matches!(kind, Type::Text));
    let is_number = value.as_float().is_some();
    if is_text != takes_text && (!is_number || takes_text) { cast(value, kind) } else { Ok(()) }
}

fn any(tests: impl Iterator<Item = Result<Option<bool>, Error>>) -> Result<Option<bool>, Error> {
    let mut outcome = Some(false);
    for test in tests {
        match test? {
            Some(true) => return Ok(Some(true)),
            Some(false) => {}
            None => outcome = None,
        }
    }
    Ok(outcome)
}

fn sum(one: &Value, two: &Value, sign: i64) -> Result<Value, Error> {
    match (one, two) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        (Value::Int(one), Value::Int(two)) => {
            let sum = two.checked_mul(sign).and_then(|two| one.checked_add(two));
            sum.map(Value::Int).ok_or_else(|| Error::sql("long overflow"))
        }
        _ => match (one.as_float(), two.as_float()) {
            (Some(one), Some(two)) if sign > 0 => Ok(Value::Float(one + two)),
            (Some(one), Some(two)) => Ok(Value::Float(one - two)),
            _ => Err(Error::cast(if one.as_float().is_none() { one } else { two }, "bigint")),
        },
    }
}
