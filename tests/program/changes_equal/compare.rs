//! What a target has, against what it must have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use serde_json::value::RawValue;

use crate::change_model::{Content, Kind, Name, read};

/// The tables of a target, by the names of those of the source: their columns, and of each row what is not NULL, as text.
pub(crate) type Raw = BTreeMap<Name, (Vec<String>, Vec<BTreeMap<String, String>>)>;

/// Columns in which the values of another one stand that cannot hold them.
const VARIANTS: [&str; 6] = ["bool", "bigint", "double", "text", "json", "binary"];

/// The columns of the universal layout.
const UNIVERSAL: [&str; 3] = ["pk", "data", "aux"];

/// Returns what differs; nothing when all is equal.
pub(crate) fn compare(expected: &BTreeMap<Name, Content>, raw: &Raw) -> Option<String> {
    let mut said = String::new();
    for name in expected.keys().filter(|name| !raw.contains_key(*name)) {
        writeln!(said, "{name:?} is missing").unwrap();
    }
    for (name, (columns, rows)) in raw {
        let Some(content) = expected.get(name) else {
            writeln!(said, "{name:?} should not be there: {rows:?}").unwrap();
            continue;
        };
        let is_universal = UNIVERSAL.iter().all(|column| columns.iter().any(|own| own == column));
        let flat: Vec<_> = rows.iter().filter(|_| is_universal).map(flat).collect();
        let members = flat.iter().flat_map(|row| row.keys().cloned()).collect();
        let (columns, rows) = if is_universal { (&members, &flat) } else { (columns, rows) };
        for column in columns {
            if !content.columns.iter().any(|(own, _)| own == column || is_variant(own, column)) {
                writeln!(said, "{name:?}: the column {column:?} should not be there").unwrap();
            }
        }
        let is: Result<Vec<_>, _> =
            rows.iter().map(|row| canonical(&content.columns, row)).collect();
        match is {
            Err(why) => writeln!(said, "{name:?}: {why}").unwrap(),
            Ok(mut is) => {
                is.sort();
                differences(&mut said, name, content, &is);
            }
        }
    }
    (!said.is_empty()).then_some(said)
}

fn differences(said: &mut String, name: &Name, content: &Content, is: &[Vec<Option<String>>]) {
    if content.rows == is {
        return;
    }
    let (left, right): (BTreeSet<_>, BTreeSet<_>) =
        (content.rows.iter().collect(), is.iter().collect());
    let columns: Vec<_> =
        content.columns.iter().map(|(name, kind)| format!("{name}: {kind:?}")).collect();
    writeln!(said, "{name:?} differs ({})", columns.join(", ")).unwrap();
    for row in left.difference(&right) {
        writeln!(said, "  must be {row:?}").unwrap();
    }
    for row in right.difference(&left) {
        writeln!(said, "  but is  {row:?}").unwrap();
    }
    if is.len() != right.len() {
        writeln!(said, "  and rows are there twice").unwrap();
    }
}

/// Returns a row of the universal layout by the members of its objects.
fn flat(row: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let objects = row.values().map(|object| {
        let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(object).unwrap();
        members.into_iter().filter_map(|(name, value)| {
            let text = serde_json::from_str(value.get()).ok();
            (value.get() != "null").then(|| (name, text.unwrap_or_else(|| value.get().to_owned())))
        })
    });
    objects.flatten().collect()
}

/// Returns the values of a row, in the order of the source.
fn canonical(
    columns: &[(String, Kind)],
    row: &BTreeMap<String, String>,
) -> Result<Vec<Option<String>>, String> {
    let value = |(name, kind): &(String, Kind)| {
        let is_own = |column: &str| columns.iter().any(|(other, _)| other == column);
        let variants = VARIANTS.iter().map(|variant| format!("{name}__{variant}"));
        let all = [name.clone()].into_iter().chain(variants.filter(|column| !is_own(column)));
        let set: Vec<_> = all.filter_map(|column| row.get(&column)).collect();
        match set.as_slice() {
            [] => Ok(None),
            [text] => Ok(Some(read(*kind, text))),
            _ => Err(format!("{name} has several values: {row:?}")),
        }
    };
    columns.iter().map(value).collect()
}

fn is_variant(name: &str, column: &str) -> bool {
    let rest = column.strip_prefix(name).and_then(|rest| rest.strip_prefix("__"));
    rest.is_some_and(|rest| VARIANTS.contains(&rest))
}
