//! Which type a new column or key gets: that of the first value, with an eye on those that come. Pure.

use std::collections::HashMap;

use ctk_flow::Row;

use super::{
    chunk::Part,
    fit::{Missing, widen},
    json::Item,
    names,
    schema::Schema,
    types::{Kind, Scalar, Type},
};

/// How many rows are looked at.
const AHEAD: usize = 1000;

/// Adds what is missing: with its name, and the type for what it is to hold. `ahead` are the parts from the one with the row
/// that lacks it on; `first` is that row.
pub(super) fn plan(
    schema: &mut Schema,
    missing: &Missing,
    ahead: &[Part],
    first: usize,
    is_document: bool,
) {
    let kind = match missing.kind {
        Kind::One(Scalar::Bigint) | Kind::Array(Scalar::Bigint) => {
            look_ahead(missing, ahead, first)
        }
        kind => kind,
    };
    let of = match kind.column() {
        // A record as a whole is one value: its members make no columns.
        Type::Object(_) if is_document && missing.path == ["data"] => Type::Ignored(HashMap::new()),
        of => of,
    };
    schema.insert(&missing.path, of);
}

/// Integers among decimals make doubles, so both may share the column.
fn look_ahead(missing: &Missing, ahead: &[Part], first: usize) -> Kind {
    let rows = ahead.iter().enumerate().flat_map(|(index, part)| {
        let from = if index == 0 { first } else { part.rows.start };
        (from..part.rows.end).map(move |row| (part, row))
    });
    let mut kind = missing.kind;
    let mut all = Vec::new();
    for (part, row) in rows.take(AHEAD) {
        let changes = &part.delivery.changes;
        let row: Row<'_> = changes.row(row);
        for (column, value) in row.cells() {
            let Some((name, keys)) = missing.path.split_first() else { continue };
            if names::of_member(&changes.columns()[column.index()]) == *name {
                find(Item::new(value), keys, &mut all);
            }
        }
    }
    kind = widen(kind, all.iter());
    kind
}

/// Collects the values at a path; arrays on the way are gone through.
fn find<'a>(item: Item<'a>, keys: &[String], found: &mut Vec<Item<'a>>) {
    let Some((key, rest)) = keys.split_first() else {
        found.push(item);
        return;
    };
    match item {
        Item::Object(_, members) => {
            let member = members.into_iter().find(|(name, _)| names::of_key(name) == key.as_str());
            if let Some((_, item)) = member {
                find(item, rest, found);
            }
        }
        Item::Array(_, elements) => elements.into_iter().for_each(|item| find(item, keys, found)),
        _ => {}
    }
}
