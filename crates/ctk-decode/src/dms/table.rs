//! Changes of tables.
//!
//! What names one column is taken before what defines the whole table: the definition is undocumented for all but
//! `create-table`, so where it could also hold only what changed, the reading that loses nothing is taken.

use ctk_flow::{ColumnDef, ColumnKind, SourceTable, TableChange, TableDef};

use super::{
    Refused, def, not_dms,
    record::Record,
    told::{Side, Told, What},
};
use crate::recipe::TableRules;

/// A change of a table, and of which: metadata may name another.
type Change = (SourceTable, TableChange);

#[derive(Clone, Copy)]
enum Operation {
    Create,
    Drop,
    Truncate,
    Rename,
    AddColumn,
    DropColumn,
    RenameColumn,
    ChangeColumn,
}

/// Returns the change of a table that a record asks for; `None` where the recipe wants none of it.
pub(super) fn change(
    operation: &str,
    record: &Record<'_>,
    rules: Option<&TableRules>,
) -> Result<Option<Change>, Refused> {
    let operation = match operation {
        "create-table" => Operation::Create,
        "drop-table" => Operation::Drop,
        "truncate" | "truncate-table" => Operation::Truncate,
        "rename-table" => Operation::Rename,
        "add-column" | "add-columns" => Operation::AddColumn,
        "drop-column" | "drop-columns" => Operation::DropColumn,
        "rename-column" | "rename-columns" => Operation::RenameColumn,
        "change-column" | "change-columns" | "column-type-change" => Operation::ChangeColumn,
        _ => return Err(not_dms(&format!("the operation {operation} is unknown"))),
    };
    if rules.is_some_and(|rules| rules.ignore_ddl) {
        return Ok(None);
    }
    let told = Told::read(record.control, &record.more_metadata());
    let change = match operation {
        Operation::Create => {
            let def = told.table_def.as_ref().map(|def| def::table_by_rules(def, rules));
            Some(TableChange::Create(def.unwrap_or_default()))
        }
        Operation::Drop => Some(TableChange::Drop),
        Operation::Truncate => Some(TableChange::Truncate),
        Operation::Rename => return rename_table(record, &told).map(Some),
        Operation::AddColumn => add_column(&told, rules)?,
        Operation::DropColumn => drop_column(&told, rules)?,
        Operation::RenameColumn => rename_column(&told, rules)?,
        Operation::ChangeColumn => change_column(&told, rules)?,
    };
    let (schema, table) = record.names()?;
    let of = SourceTable { schema: schema.to_owned(), table: table.to_owned() };
    Ok(change.map(|change| (of, change)))
}

/// Metadata has one of the names, be it the old or the new one; the other is told beside it.
fn rename_table(record: &Record<'_>, told: &Told) -> Result<Change, Refused> {
    let (schema, table) = record.names()?;
    let known = SourceTable { schema: schema.to_owned(), table: table.to_owned() };
    let other = |side| {
        let table = told.find(&[side], &[What::Table, What::Name])?;
        let schema = told.find(&[side], &[What::Schema]).unwrap_or(schema);
        Some(SourceTable { schema: schema.to_owned(), table: table.to_owned() })
    };
    let (old, new) = match (other(Side::Old), other(Side::New)) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(new)) if new == known => (other(Side::Unsaid).unwrap_or(known), new),
        (None, Some(new)) => (known, new),
        (Some(old), None) => (old, known),
        (None, None) => match other(Side::Unsaid) {
            Some(new) => (known, new),
            None => return Err(not_dms("rename-table: control tells no other name")),
        },
    };
    if old == new {
        return Err(not_dms("rename-table: the old name and the new one are the same"));
    }
    Ok((old, TableChange::Rename(new)))
}

fn add_column(told: &Told, rules: Option<&TableRules>) -> Result<Option<TableChange>, Refused> {
    if let Some(columns) = named(told, rules) {
        return Ok(match &*columns {
            [] => None,
            [column] => Some(TableChange::AddColumn(column.clone())),
            _ => Some(TableChange::Create(TableDef { columns, ..TableDef::default() })),
        });
    }
    // Of a table that is there already this adds the columns that it lacks: the same where the definition is of the whole
    // table, and right where it is of the new columns alone.
    let def = whole(told, rules).ok_or_else(|| not_dms("add-column: control tells no column"))?;
    Ok(Some(TableChange::Create(def)))
}

fn drop_column(told: &Told, rules: Option<&TableRules>) -> Result<Option<TableChange>, Refused> {
    if let Some(columns) = named(told, rules) {
        return match &*columns {
            [] => Ok(None),
            [column] => Ok(Some(TableChange::DropColumn(column.name.clone()))),
            _ => Err(not_dms("drop-column: control tells several columns")),
        };
    }
    let def = whole(told, rules).ok_or_else(|| not_dms("drop-column: control tells no column"))?;
    if def.columns.len() == 1 && def.key.is_empty() {
        return Err(not_dms("drop-column: whether the one column goes or stays is not told"));
    }
    Ok(Some(TableChange::Become(def)))
}

fn rename_column(told: &Told, rules: Option<&TableRules>) -> Result<Option<TableChange>, Refused> {
    const NAMES: &[What] = &[What::Column, What::Name];
    let (old, new) = (told.find(&[Side::Old], NAMES), told.find(&[Side::New], NAMES));
    let unsaid = told.find(&[Side::Unsaid], NAMES);
    let (from, to) = match (old, new) {
        (Some(old), new) => (Some(old), new.or(unsaid)),
        (None, Some(new)) => (unsaid, Some(new)),
        (None, None) => (None, None),
    };
    if let (Some(from), Some(to)) = (from, to) {
        let (from, to) = (def::name_by_rules(from, rules), def::name_by_rules(to, rules));
        return Ok(match (from, to) {
            (Some(from), Some(to)) if from != to => Some(TableChange::RenameColumn { from, to }),
            _ => None,
        });
    }
    let def = whole(told, rules)
        .ok_or_else(|| not_dms("rename-column: control does not tell the old and the new name"))?;
    Ok(Some(TableChange::Become(def)))
}

fn change_column(told: &Told, rules: Option<&TableRules>) -> Result<Option<TableChange>, Refused> {
    if let Some(columns) = named(told, rules) {
        match &*columns {
            [] => return Ok(None),
            [column] if column.kind != ColumnKind::Unknown => {
                return Ok(Some(TableChange::ChangeColumn(column.clone())));
            }
            // Without the type, or for several: only the whole table tells.
            _ => {}
        }
    }
    let def = whole(told, rules).ok_or_else(|| {
        not_dms("change-columns: control tells neither one column and its type nor the table")
    })?;
    Ok(Some(match def.columns.as_slice() {
        [column] => TableChange::ChangeColumn(column.clone()),
        _ => TableChange::Become(def),
    }))
}

/// Returns the columns that are told beside the definition of the table: none where the recipe leaves them out.
fn named(told: &Told, rules: Option<&TableRules>) -> Option<Vec<ColumnDef>> {
    let one;
    let columns = match told.columns.as_slice() {
        [] => {
            one = [told.column()?];
            &one
        }
        columns => columns,
    };
    Some(columns.iter().filter_map(|column| def::column_by_rules(column, rules)).collect())
}

/// Returns the definition of the whole table.
fn whole(told: &Told, rules: Option<&TableRules>) -> Option<TableDef> {
    let def = told.table_def.as_ref().filter(|def| !def.columns.is_empty())?;
    Some(def::table_by_rules(def, rules))
}
