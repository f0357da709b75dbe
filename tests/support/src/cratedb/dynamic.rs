//! Columns and keys that come with values, and what refuses a single row.
//!
//! [`discover`] makes columns of what is new; it is called for the rows of a request from the last one to the first, since
//! that is whose type wins. [`settle`] then fits each value to what the columns have become.

use super::{
    cast::cast,
    error::Error,
    types::{Column, Members, Policy, Type},
    value::Value,
};

/// The longest term of an index in bytes
/// (<https://lucene.apache.org/core/9_0_0/core/org/apache/lucene/index/IndexWriter.html#MAX_TERM_LENGTH>).
const LONGEST_TERM: usize = 32_766;

/// Adds what a value brings along to a column. `room` is how many columns more the table may have.
pub(super) fn discover(value: &Value, kind: &mut Type, room: &mut usize) {
    match (value, kind) {
        (Value::Object(given), Type::Object(members)) => {
            for (index, (name, member)) in given.iter().enumerate() {
                discover_member(name, member, index, members, room);
            }
        }
        (Value::Array(items), Type::Array(inner)) if inner.members().is_some() => {
            for item in items {
                discover(item, inner, room);
            }
        }
        _ => {}
    }
}

/// Adds one column or key when it is new.
pub(super) fn discover_member(
    name: &str,
    value: &Value,
    guess: usize,
    members: &mut Members,
    room: &mut usize,
) {
    if let Some(place) = members.place_near(name, guess) {
        let kind = &mut members.columns[place].kind;
        if kind.members().is_some() {
            discover(value, kind, room);
        }
        return;
    }
    if members.policy != Policy::Dynamic || *room == 0 || has_brackets(name) {
        return;
    }
    let Ok(Some(mut kind)) = kind_of(value) else { return };
    *room -= 1;
    discover(value, &mut kind, room);
    members.add(Column { is_dynamic: true, ..Column::new(name, kind) });
}

/// Returns the type that a new key gets from a value; none for NULL, `[]`, and arrays of nothing but NULL.
fn kind_of(value: &Value) -> Result<Option<Type>, Error> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Bool(_) => Type::Boolean,
        Value::Int(_) | Value::Big(_) => Type::BigInt,
        Value::Float(_) | Value::Decimal(_) => Type::Double,
        Value::Text(_) => Type::Text,
        Value::Object(_) => Type::Object(Members::new(Policy::Dynamic)),
        Value::Array(items) => {
            let mut kind: Option<Type> = None;
            for item in items {
                if matches!(item, Value::Array(_)) {
                    return Err(Error::sql("Nested arrays are not supported in dynamic columns"));
                }
                kind = match (kind, kind_of(item)?) {
                    (found, None) | (None, found) => found,
                    (Some(one), Some(two)) => Some(common(one, &two)?),
                };
            }
            return Ok(kind.map(|kind| Type::Array(kind.into())));
        }
    }))
}

/// Elements of one array have one type; only integers and floats go together.
fn common(one: Type, two: &Type) -> Result<Type, Error> {
    match (&one, two) {
        (Type::Double, Type::BigInt) | (Type::BigInt, Type::Double) => Ok(Type::Double),
        (Type::Boolean, Type::Boolean)
        | (Type::BigInt, Type::BigInt)
        | (Type::Double, Type::Double)
        | (Type::Text, Type::Text)
        | (Type::Object(_), Type::Object(_)) => Ok(one),
        _ => Err(Error::class_cast()),
    }
}

fn has_brackets(name: &str) -> bool {
    name.contains(['.', '[', ']'])
}

/// Fits a value to its column, after everything new was [discovered](discover); an error concerns this row alone.
pub(super) fn settle(value: &mut Value, column: &Column) -> Result<(), Error> {
    if column.is_not_null && value.is_null() {
        return Err(Error::sql(format!("\"{}\" must not be null", column.name)));
    }
    if column.is_dynamic {
        cast(value, &column.kind).map_err(|_| conflict(value, column))?;
    }
    settle_kind(value, &column.kind, column)
}

fn conflict(value: &Value, column: &Column) -> Error {
    let (name, kind) = (&column.name, column.kind.name());
    Error::sql(format!("failed to parse field [{name}] of type [{kind}]: {}", value.to_json()))
}

fn settle_kind(value: &mut Value, kind: &Type, column: &Column) -> Result<(), Error> {
    match (value, kind) {
        (Value::Text(text), Type::Text) if text.len() > LONGEST_TERM && !column.is_unlimited() => {
            Err(Error::sql(format!(
                "Document contains at least one immense term in field=\"{}\" (whose UTF8 encoding is longer than the max \
                 length {LONGEST_TERM}), all of which were skipped",
                column.name
            )))
        }
        (Value::Int(i64::MIN | i64::MAX), Type::BigInt | Type::TimestampTz | Type::Timestamp) => {
            Err(Error::sql(format!("Value out of range for column \"{}\"", column.name)))
        }
        (Value::Array(items), Type::Array(inner)) => {
            items.iter_mut().try_for_each(|item| settle_kind(item, inner, column))
        }
        (Value::Object(given), Type::Object(members)) => {
            settle_members(given, members, &column.name)
        }
        _ => Ok(()),
    }
}

fn settle_members(
    given: &mut [(Box<str>, Value)],
    members: &Members,
    object: &str,
) -> Result<(), Error> {
    for (index, (name, value)) in given.iter_mut().enumerate() {
        match members.place_near(name, index) {
            Some(place) => settle(value, &members.columns[place])?,
            None => settle_unknown(name, value, members.policy, object)?,
        }
    }
    let is_missing = |column: &&Column| {
        column.is_not_null && !given.iter().any(|(name, _)| *name == column.name)
    };
    match members.columns.iter().find(is_missing) {
        Some(column) => {
            Err(Error::sql(format!("\"{}['{}']\" must not be null", object, column.name)))
        }
        None => Ok(()),
    }
}

/// A key that did not become a column: there was no reason to, or no right.
pub(super) fn settle_unknown(
    name: &str,
    value: &Value,
    policy: Policy,
    object: &str,
) -> Result<(), Error> {
    match policy {
        Policy::Ignored => Ok(()),
        _ if has_brackets(name) => Err(Error::column_name(name)),
        Policy::Strict => Err(Error::sql(format!(
            "StrictDynamicMappingException[mapping set to strict, dynamic introduction of [{name}] within [{object}] is \
             not allowed]"
        ))),
        Policy::Dynamic => match kind_of(value)? {
            None => Ok(()),
            Some(_) => Err(Error::sql(format!(
                "Limit of total columns exceeded: cannot add \"{name}\" to {object}"
            ))),
        },
    }
}
