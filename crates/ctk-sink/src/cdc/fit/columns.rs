//! Which columns of a table belong to a member: its own one, and the variants for values that this does not hold. Pure.

use ctk_flow::{ColumnKind, Value};

use crate::{
    cdc::{definition::Definition, exact::is_exact, store::Open},
    columns::{Columns, Place},
    kinds::Kind,
    names,
};

/// Returns the column of a member, or the name that it is to be made under. One that was made when another had its name, but for
/// the case, stays its column when that one goes.
pub(crate) fn own_column<H>(columns: &Columns<H>, member: &str) -> Result<usize, String> {
    columns.find(names::of_member(member)).or_else(|name| {
        match columns.place(&names::apart(&name)) {
            Place::Column(slot) => Ok(slot),
            _ => Err(name),
        }
    })
}

/// Returns for each column whether it is one of the source.
pub(super) fn of_source<H>(table: &Open<H>, definition: &Definition) -> Vec<bool> {
    let mut of_source = vec![false; table.columns.len()];
    for column in &definition.columns {
        if let Ok(slot) = own_column(&table.columns, &column.name) {
            of_source[slot] = true;
        }
    }
    of_source
}

/// Returns for each column the kind that a variant for its own values would have: such a one would take nothing else.
pub(super) fn kinds<H>(table: &Open<H>, definition: &Definition) -> Vec<Option<Kind>> {
    let mut kinds = vec![None; table.columns.len()];
    for column in &definition.columns {
        if let Ok(slot) = own_column(&table.columns, &column.name) {
            kinds[slot] = KINDS.into_iter().find(|kind| kind_of(*kind) == column.kind);
        }
    }
    kinds
}

/// Returns the kind of column that keeps a value as it is: a decimal that no double shows as it is written is text.
pub(super) fn sibling(value: Value<'_>) -> Option<Kind> {
    match value {
        Value::Decimal(text) if !is_exact(text) => Some(Kind::Text),
        value => Kind::of(value),
    }
}

/// The kinds that variants are named after.
const KINDS: [Kind; 6] =
    [Kind::Bool, Kind::Bigint, Kind::Double, Kind::Text, Kind::Json, Kind::Binary];

/// Returns which other columns hold values of a column's member: its variants. Where a column of the source has the name of
/// one, a variant of that name stands for it.
pub(crate) fn variants<H>(columns: &Columns<H>, definition: &Definition, name: &str) -> Vec<usize> {
    let variants = KINDS.iter().filter_map(|kind| {
        let mut variant = names::variant(name, kind.name());
        while definition.position(&variant).is_some() {
            variant = names::variant(&variant, kind.name());
        }
        columns.find(variant).ok()
    });
    variants.collect()
}

/// Returns what a column of the source becomes whose values decide that.
pub(crate) fn kind_of(kind: Kind) -> ColumnKind {
    match kind {
        Kind::Bool => ColumnKind::Bool,
        Kind::Bigint => ColumnKind::Integer { bits: 64, signed: true },
        Kind::Double => ColumnKind::Double,
        Kind::Text => ColumnKind::Text,
        Kind::Json => ColumnKind::Json,
        Kind::Binary => ColumnKind::Bytes,
    }
}
