//! CREATE TABLE and ALTER TABLE.

use super::{
    error::Error,
    syntax::{Create, Declared, Definition, Path},
    table::{MOST_COLUMNS, Table},
    types::{Column, Members, Policy, Type, check_column_name, display},
};

/// Settings of a table that make no difference here, by their beginnings.
const SETTINGS: [&str; 8] = [
    "refresh_interval",
    "translog.",
    "codec",
    "routing.",
    "blocks.",
    "store.",
    "soft_deletes.",
    "write.",
];

/// Makes a table of its definition.
pub(super) fn create(schema: &str, statement: &Create) -> Result<Table, Error> {
    let name = &statement.table.table;
    check_name(schema)?;
    check_name(name)?;
    let mut table = Table::new(schema, name, Policy::Strict);
    set_properties(&mut table, &statement.properties)?;
    for definition in &statement.columns {
        let [name] = definition.path.as_slice() else {
            return Err(Error::column_name(&display(&definition.path)));
        };
        check_column_name(name)?;
        if table.columns.get(name).is_some() {
            return Err(Error::sql(format!("column \"{name}\" specified more than once")));
        }
        let path = vec![name.clone()];
        let column = column(name, definition, &path, &mut table.keys)?;
        table.columns.add(column);
    }
    for key in &statement.keys {
        if table.is_key(key) {
            return Err(Error::sql(format!("Columns `{}` contain duplicate values", display(key))));
        }
        table.keys.push(key.clone());
    }
    check_keys(&table)?;
    table.partitioned_by.clone_from(&statement.partitioned_by);
    table.clustered_by.clone_from(&statement.clustered_by);
    for place in table.partitioned_by.iter().chain(&table.clustered_by) {
        let kind = table.columns.find(place)?;
        if matches!(kind, Type::Object(_) | Type::Array(_)) {
            return Err(Error::sql(format!(
                "Cannot use column {} of type object or array",
                display(place)
            )));
        }
        if !table.keys.is_empty() && !table.is_key(place) {
            let what = "Cannot use non primary key column in PARTITIONED BY or CLUSTERED BY clause if primary key is set";
            return Err(Error::sql(format!("{what}: '{}'", display(place))));
        }
    }
    table.shards = statement.shards.unwrap_or(table.shards);
    check_total(&table)?;
    Ok(table)
}

/// Refuses the name of a table or schema
/// (<https://cratedb.com/docs/crate/reference/en/latest/general/ddl/create-table.html#naming-restrictions>).
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let is_forbidden = |one: char| "\\/*?\"<>|,#.".contains(one) || one.is_whitespace();
    if name.contains(is_forbidden) || name.len() > 255 || name.starts_with('_') {
        let message = format!("InvalidRelationName[Relation name \"{name}\" is invalid.]");
        return Err(Error { code: 4002, message });
    }
    Ok(())
}

/// Drops columns or keys of objects, all or none. What the primary key or the place of rows depends on stays, and so does the last
/// column.
pub(super) fn drop_columns(table: &mut Table, paths: &[Path]) -> Result<(), Error> {
    for path in paths {
        table.find(path)?;
        let is_needed = |other: &Path| other.starts_with(path);
        if table.keys.iter().chain(&table.partitioned_by).chain(&table.clustered_by).any(is_needed)
        {
            return Err(Error::sql(format!(
                "Dropping column: {} which is part of the PRIMARY KEY, PARTITIONED BY or CLUSTERED BY is not allowed",
                display(path)
            )));
        }
    }
    let columns = paths.iter().filter(|path| path.len() == 1).count();
    if columns >= table.columns.columns.len() {
        return Err(Error::sql("Dropping all columns of a table is not allowed"));
    }
    for path in paths {
        table.drop_column(path);
    }
    Ok(())
}

/// Gives a column, or a key of an object, another name.
pub(super) fn rename_column(table: &mut Table, from: &Path, to: &Path) -> Result<(), Error> {
    table.find(from)?;
    let (Some((_, parents)), Some((new, others))) = (from.split_last(), to.split_last()) else {
        return Err(Error::sql("Cannot rename a column to nothing"));
    };
    if parents != others {
        return Err(Error::sql("Cannot rename a column to be of another object"));
    }
    match parents {
        [] => check_column_name(new)?,
        _ if new.contains(['.', '[', ']']) => return Err(Error::column_name(new)),
        _ => {}
    }
    if table.find(to).is_ok_and(|(_, kind)| !matches!(kind, Type::Undefined)) {
        return Err(Error::sql(format!(
            "Cannot rename column to a name that is in use: {}",
            display(to)
        )));
    }
    table.rename_column(from, new);
    let paths =
        table.keys.iter_mut().chain(&mut table.partitioned_by).chain(&mut table.clustered_by);
    for path in paths.filter(|path| path.starts_with(from)) {
        if let Some(name) = path.get_mut(from.len() - 1) {
            name.clone_from(new);
        }
    }
    Ok(())
}

/// Adds columns, all or none.
pub(super) fn add_columns(table: &mut Table, definitions: &[Definition]) -> Result<(), Error> {
    let mut columns = table.columns.clone();
    for definition in definitions {
        let Some((name, parents)) = definition.path.split_last() else { continue };
        if parents.is_empty() {
            check_column_name(name)?;
        } else if name.contains(['.', '[', ']']) {
            return Err(Error::column_name(name));
        }
        if definition.is_key && !table.keys.is_empty() {
            return Err(Error::sql("Cannot add a primary key column to a table that has one"));
        }
        let mut members = &mut columns;
        for parent in parents {
            let inner = members.get_mut(parent).and_then(|column| column.kind.members_mut());
            members = inner.ok_or_else(|| Error::unknown_column(&display(&definition.path)))?;
        }
        if members.get(name).is_some() {
            let shown = display(&definition.path);
            return Err(Error::sql(format!(
                "The table {}.{} already has a column named {shown}",
                table.schema, table.name
            )));
        }
        members.add(column(name, definition, &definition.path, &mut Vec::new())?);
    }
    let before = std::mem::replace(&mut table.columns, columns);
    check_total(table).inspect_err(|_| table.columns = before)
}

fn check_total(table: &Table) -> Result<(), Error> {
    if table.columns.total() <= table.most_columns {
        return Ok(());
    }
    Err(Error::sql(format!(
        "Limit of total columns [{}] in table [{}.{}] exceeded",
        table.most_columns, table.schema, table.name
    )))
}

fn set_properties(table: &mut Table, properties: &[(String, String)]) -> Result<(), Error> {
    table.most_columns = MOST_COLUMNS;
    for (name, value) in properties {
        match (name.as_str(), value.as_str()) {
            ("column_policy", "dynamic") => table.columns.policy = Policy::Dynamic,
            ("column_policy", "strict") => table.columns.policy = Policy::Strict,
            ("number_of_replicas", _) => table.replicas.clone_from(value),
            ("mapping.total_fields.limit", limit) => {
                let invalid = |_| Error::sql(format!("Invalid value for argument '{name}'"));
                table.most_columns = limit.parse().map_err(invalid)?;
            }
            _ if SETTINGS.iter().any(|known| name.starts_with(known)) => {}
            _ => {
                return Err(Error::sql(format!(
                    "Invalid property \"{name}\" passed to [ALTER | CREATE] TABLE statement, or invalid value"
                )));
            }
        }
    }
    Ok(())
}

fn check_keys(table: &Table) -> Result<(), Error> {
    for key in &table.keys {
        let kind = table.columns.find(key)?;
        if matches!(kind, Type::Object(_) | Type::Array(_) | Type::GeoPoint | Type::Undefined) {
            return Err(Error::sql(format!(
                "Cannot use columns of type \"{}\" as primary key",
                kind.name()
            )));
        }
    }
    Ok(())
}

/// Makes a column of its definition; keys that it declares are added to `keys`.
fn column(
    name: &str,
    definition: &Definition,
    path: &[Box<str>],
    keys: &mut Vec<Path>,
) -> Result<Column, Error> {
    if definition.is_key {
        keys.push(path.to_vec());
    }
    let kind = kind(&definition.kind, path, keys)?;
    if !definition.is_in_columnstore && !matches!(kind, Type::Text) {
        return Err(Error::sql(format!(
            "Invalid storage option \"columnstore\" for data type \"{}\"",
            kind.name()
        )));
    }
    Ok(Column {
        name: name.into(),
        kind,
        default: definition.default.clone(),
        is_not_null: definition.is_not_null,
        is_generated: definition.is_generated,
        is_dynamic: false,
        is_indexed: definition.is_indexed,
        is_in_columnstore: definition.is_in_columnstore,
    })
}

fn kind(declared: &Declared, path: &[Box<str>], keys: &mut Vec<Path>) -> Result<Type, Error> {
    Ok(match declared {
        Declared::Plain(kind) => kind.clone(),
        Declared::Array(inner) => Type::Array(kind(inner, path, keys)?.into()),
        Declared::Object(policy, definitions) => {
            let mut members = Members::new(*policy);
            for definition in definitions {
                let [name] = definition.path.as_slice() else {
                    return Err(Error::column_name(&display(&definition.path)));
                };
                if name.contains(['.', '[', ']']) {
                    return Err(Error::column_name(name));
                }
                let inner: Path = path.iter().chain([name]).cloned().collect();
                members.add(column(name, definition, &inner, keys)?);
            }
            Type::Object(members)
        }
    })
}
