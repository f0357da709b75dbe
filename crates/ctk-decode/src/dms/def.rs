//! Definitions of tables and columns, as control records have them, and as the recipe wants them.

use std::collections::{HashMap, hash_map::Entry};

use ctk_flow::{ColumnDef, ColumnKind, TableDef};

use super::{
    kind::kind,
    row::{has, target},
    told,
};
use crate::{
    json::{Array, Member, Members, Token},
    recipe::TableRules,
};

/// Reads the definition of a table: its columns in their order, and its key. What is none of it is left out.
pub(super) fn table(token: Token<'_>) -> TableDef {
    let mut def = TableDef::default();
    let Some(mut members) = token.object() else { return def };
    while let Ok(Some(member)) = members.next_member() {
        match told::words(&member.name()).concat().as_str() {
            "columns" => def.columns = columns(member.value),
            "primarykey" | "primarykeys" | "key" | "keys" => def.key = names(member).collect(),
            _ => {}
        }
    }
    def
}

/// Reads columns: an object of them by name, or an array of objects with a name each.
pub(super) fn columns(token: Token<'_>) -> Vec<ColumnDef> {
    let mut columns = Vec::new();
    if let Some(mut members) = token.object() {
        while let Ok(Some(member)) = members.next_member() {
            columns.push(column(member.name().into(), member.value));
        }
    }
    for element in token.array().into_iter().flat_map(Array::elements) {
        let Some(token) = Token::of(element) else { continue };
        let name = token.text().map(Into::into).or_else(|| name_of(token));
        columns.extend(name.map(|name| column(name, token)));
    }
    last_of_each(columns)
}

/// Reads a column from an object that has its `type`.
pub(super) fn column(name: String, of: Token<'_>) -> ColumnDef {
    let (mut kind_name, mut precision, mut scale) = (None, None, None);
    if let Some(mut members) = of.object() {
        while let Ok(Some(member)) = members.next_member() {
            match told::words(&member.name()).concat().as_str() {
                "type" | "datatype" | "columntype" => kind_name = member.text(),
                "precision" => precision = member.value.integer(),
                "scale" => scale = member.value.integer(),
                _ => {}
            }
        }
    }
    let kind = kind_name.map_or(ColumnKind::Unknown, |name| kind(&name, precision, scale));
    ColumnDef { name, kind }
}

/// Returns a definition as the recipe wants it.
pub(super) fn table_by_rules(def: &TableDef, rules: Option<&TableRules>) -> TableDef {
    let columns = def.columns.iter().filter_map(|column| column_by_rules(column, rules));
    let key = def.key.iter().filter_map(|name| name_by_rules(name, rules));
    TableDef { columns: last_of_each(columns.collect()), key: key.collect() }
}

/// Returns a column as the recipe wants it; `None` where it is left out.
pub(super) fn column_by_rules(column: &ColumnDef, rules: Option<&TableRules>) -> Option<ColumnDef> {
    let name = name_by_rules(&column.name, rules)?;
    let kind = match rules {
        Some(rules) if has(&rules.to_text, &column.name) => ColumnKind::Text,
        Some(rules) if has(&rules.to_list, &column.name) => ColumnKind::Json,
        Some(rules) if has(&rules.json, &column.name) => ColumnKind::Json,
        _ => column.kind,
    };
    Some(ColumnDef { name, kind })
}

/// Returns the name that a column goes by; `None` where it is left out.
pub(super) fn name_by_rules(name: &str, rules: Option<&TableRules>) -> Option<String> {
    match rules {
        None => Some(name.to_owned()),
        Some(rules) => target(name, rules).map(str::to_owned),
    }
}

/// Of columns with one name keeps the last, as everywhere.
fn last_of_each(columns: Vec<ColumnDef>) -> Vec<ColumnDef> {
    let mut places: HashMap<String, usize> = HashMap::new();
    let mut kept: Vec<ColumnDef> = Vec::with_capacity(columns.len());
    for column in columns {
        match places.entry(column.name.clone()) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(column);
            }
            Entry::Occupied(place) => {
                if let Some(other) = kept.get_mut(*place.get()) {
                    *other = column;
                }
            }
        }
    }
    kept
}

/// Returns the member of an object that is its name.
fn name_of(token: Token<'_>) -> Option<String> {
    let mut members: Members<'_> = token.object()?;
    while let Ok(Some(member)) = members.next_member() {
        if matches!(told::words(&member.name()).concat().as_str(), "name" | "columnname" | "column")
        {
            return member.text().map(Into::into);
        }
    }
    None
}

/// Returns the names in a list, of texts or of objects with a name; or the one that a text is.
fn names(member: Member<'_>) -> impl Iterator<Item = String> {
    let elements = member.array().into_iter().flat_map(Array::elements);
    let listed = elements.filter_map(|element| {
        let token = Token::of(element)?;
        token.text().map(Into::into).or_else(|| name_of(token))
    });
    member.text().map(Into::into).into_iter().chain(listed)
}
