//! The key of a change: its values, by the names of the definition, and those that the row had before.

use ctk_flow::{Asks, Change, Changes, ColumnId, ColumnKind, Reason, Row, Value};

use super::{Fit, Fitter, Why, object};
use crate::{
    cdc::{
        adapt::{self, adapt},
        cell::Cell,
        merge::Asked,
        store::Holds,
    },
    envelope::MessageId,
    names,
};

impl<'a, H: Holds> Fitter<'a, H> {
    /// Returns the values of the key.
    pub(super) fn key(
        &self,
        changes: &'a Changes,
        asked: Asked,
        (row, change): (Row<'a>, Change<'a>),
    ) -> Result<Vec<Cell<'a>>, Why> {
        if self.definition.key.is_empty() {
            if asked != Asked::Put {
                let error = "the table has no key, so it is not known which row is meant";
                return Err((Reason::NoKey, error.to_owned()));
            }
            let mut text = String::new();
            MessageId::new(changes.shard(), row.origin(), row.sub_sequence()).write(&mut text);
            return Ok(vec![Cell::Text(text.into())]);
        }
        if change.tells_key() && change.key().count() != self.definition.key.len() {
            let error = "the record has another key than the table";
            return Err((Reason::NoKey, error.to_owned()));
        }
        let of_name = |name: &String| match self.last(changes, change.data(), name) {
            None | Some(Value::Null) => {
                let error = format!("the record has no value for the key column {name}");
                Err((Reason::NoKey, error))
            }
            Some(value) => Ok(Cell::As(value)),
        };
        self.definition.key.iter().map(of_name).collect()
    }

    /// Returns the value of a column; of one that comes twice, the last.
    fn last(
        &self,
        changes: &'a Changes,
        cells: impl Iterator<Item = (ColumnId, Value<'a>)>,
        name: &str,
    ) -> Option<Value<'a>> {
        let is_it = |(column, _): &(ColumnId, Value<'_>)| self.name(changes, *column) == name;
        cells.filter(is_it).last().map(|(_, value)| value)
    }

    /// Returns the key that the row had before, if the record tells another one.
    pub(super) fn key_before(
        &self,
        changes: &'a Changes,
        change: Change<'a>,
        key: &[Cell<'a>],
    ) -> Result<Option<Vec<Cell<'a>>>, Why> {
        if change.before().next().is_none() || !matches!(change.asks(), Asks::Put | Asks::Patch) {
            return Ok(None);
        }
        let mut is_other = false;
        let mut from = Vec::with_capacity(key.len());
        for (name, now) in self.definition.key.iter().zip(key) {
            match self.last(changes, change.before(), name) {
                Some(Value::Null) => {
                    let error = format!("the row had no value for the key column {name} before");
                    return Err((Reason::NoKey, error));
                }
                Some(value) if Cell::As(value) != *now => {
                    is_other = true;
                    from.push(Cell::As(value));
                }
                _ => from.push(now.clone()),
            }
        }
        Ok(is_other.then_some(from))
    }

    /// Fits the values of a key to its columns; nothing when one of these is missing.
    pub(super) fn fit_key(
        &self,
        fit: &mut Fit<'a>,
        key: &[Cell<'a>],
    ) -> Result<Option<Vec<Cell<'a>>>, Why> {
        let mut fitted = Vec::with_capacity(key.len());
        for (at, (cell, slot)) in key.iter().zip(&self.table.key).enumerate() {
            let column = &self.table.columns[*slot];
            let adapted = match cell {
                Cell::As(value) => adapt(&column.holds, *value),
                made => column.holds.takes(made.value()).then(|| made.clone()),
            };
            let Some(cell) = adapted else {
                let error = format!("the key column {} cannot hold the value", column.name);
                return Err((Reason::Refused, error));
            };
            fitted.push(if self.is_decimal(at) { plain(cell) } else { cell });
        }
        if fitted.len() == key.len() {
            return Ok(Some(fitted));
        }
        let name = self.definition.key.get(fitted.len()).cloned().unwrap_or_default();
        let value = key.get(fitted.len()).map_or(Value::Null, Cell::value);
        self.miss(fit, names::of_member(&name), value, None)?;
        Ok(None)
    }

    /// Returns true for a key column of exact decimals.
    fn is_decimal(&self, at: usize) -> bool {
        let position = self.definition.key.get(at).and_then(|name| self.definition.position(name));
        let kind = position.map(|at| self.definition.columns[at].kind);
        matches!(kind, Some(ColumnKind::Numeric { .. }))
    }

    /// Returns the values of a key as the object `pk`.
    pub(super) fn object(&self, key: &[Cell<'a>]) -> Cell<'a> {
        let id = self.message_id.to_owned();
        let names = match self.definition.key.as_slice() {
            [] => std::slice::from_ref(&id),
            names => names,
        };
        Cell::Json(object(names.iter().map(String::as_str).zip(key)))
    }
}

/// Returns a decimal that is kept as text in one form, whatever zeros it came with: equal ones are then equal texts.
fn plain(cell: Cell<'_>) -> Cell<'_> {
    let Value::Text(text) = cell.value() else { return cell };
    let Some(Value::Decimal(digits)) = adapt::number(text) else { return cell };
    if digits.contains(['e', 'E']) {
        return cell;
    }
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    Cell::Text(digits.to_owned().into())
}
