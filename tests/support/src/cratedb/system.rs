//! The tables of `information_schema`, made anew for each question, and SHOW CREATE TABLE.

use super::{
    syntax::Path,
    table::Table,
    types::{Column, Members, Policy, Type, display},
    value::Value,
};

const COLUMNS_OF_TABLES: [(&str, Type); 10] = [
    ("table_catalog", Type::Text),
    ("table_schema", Type::Text),
    ("table_name", Type::Text),
    ("table_type", Type::Text),
    ("column_policy", Type::Text),
    ("partitioned_by", Type::Undefined),
    ("clustered_by", Type::Text),
    ("number_of_shards", Type::Integer),
    ("number_of_replicas", Type::Text),
    ("closed", Type::Boolean),
];

const COLUMNS_OF_COLUMNS: [(&str, Type); 12] = [
    ("table_catalog", Type::Text),
    ("table_schema", Type::Text),
    ("table_name", Type::Text),
    ("column_name", Type::Text),
    ("ordinal_position", Type::Integer),
    ("data_type", Type::Text),
    ("column_details", Type::Undefined),
    ("is_generated", Type::Text),
    ("is_nullable", Type::Boolean),
    ("numeric_precision", Type::Integer),
    ("numeric_scale", Type::Integer),
    ("column_default", Type::Text),
];

const COLUMNS_OF_KEYS: [(&str, Type); 6] = [
    ("constraint_catalog", Type::Text),
    ("constraint_name", Type::Text),
    ("table_schema", Type::Text),
    ("table_name", Type::Text),
    ("column_name", Type::Text),
    ("ordinal_position", Type::Integer),
];

/// Returns what there is to say of a table.
type Describe = fn(&Table) -> Vec<Vec<Value>>;

/// Returns a table of `information_schema`, none when there is none of that name.
pub(super) fn table<'a>(name: &str, tables: impl Iterator<Item = &'a Table>) -> Option<Table> {
    let (columns, rows): (&[(&str, Type)], Describe) = match name {
        "tables" => (&COLUMNS_OF_TABLES, |table| vec![describe(table)]),
        "columns" => (&COLUMNS_OF_COLUMNS, describe_columns),
        "key_column_usage" => (&COLUMNS_OF_KEYS, describe_keys),
        _ => return None,
    };
    let mut made = Table::new("information_schema", name, Policy::Strict);
    for (name, kind) in columns {
        let kind = match kind {
            // Read by its keys, or as a whole.
            Type::Undefined if *name == "column_details" => details_type(),
            Type::Undefined => Type::Array(Type::Text.into()),
            kind => kind.clone(),
        };
        made.columns.add(Column::new(name, kind));
    }
    for row in tables.flat_map(rows) {
        let slot = made.slot_for(None);
        made.write(slot, "".into(), Some(row.into()));
    }
    made.refresh();
    Some(made)
}

fn details_type() -> Type {
    let mut members = Members::new(Policy::Strict);
    members.add(Column::new("name", Type::Text));
    members.add(Column::new("path", Type::Array(Type::Text.into())));
    Type::Object(members)
}

fn describe(table: &Table) -> Vec<Value> {
    let partitioned_by = match table.partitioned_by.as_slice() {
        [] => Value::Null,
        paths => Value::Array(paths.iter().map(|path| Value::text(&display(path))).collect()),
    };
    let clustered_by = table.clustered_by.as_ref().or(match table.keys.as_slice() {
        [key] => Some(key),
        _ => None,
    });
    vec![
        Value::text("crate"),
        Value::text(&table.schema),
        Value::text(&table.name),
        Value::text("BASE TABLE"),
        Value::text(table.columns.policy.name()),
        partitioned_by,
        Value::text(&clustered_by.map_or_else(|| "_id".to_owned(), |path| display(path))),
        Value::Int(i64::from(table.shards)),
        Value::text(&table.replicas),
        Value::Bool(false),
    ]
}

fn describe_columns(table: &Table) -> Vec<Vec<Value>> {
    let mut rows = Vec::new();
    describe_members(table, &table.columns, &mut Vec::new(), &mut rows);
    rows
}

fn describe_members(table: &Table, members: &Members, path: &mut Path, rows: &mut Vec<Vec<Value>>) {
    for column in &members.columns {
        path.push(column.name.clone());
        let (precision, _) = column.kind.precision();
        let (first, keys) = (&path[0], &path[1..]);
        let details = vec![
            ("name".into(), Value::text(first)),
            ("path".into(), Value::Array(keys.iter().map(|key| Value::text(key)).collect())),
        ];
        let position = rows.len() + 1;
        rows.push(vec![
            Value::text("crate"),
            Value::text(&table.schema),
            Value::text(&table.name),
            Value::text(&display(path)),
            Value::Int(i64::try_from(position).unwrap_or(i64::MAX)),
            Value::text(&column.kind.name()),
            Value::Object(details),
            Value::text(if column.is_generated { "ALWAYS" } else { "NEVER" }),
            Value::Bool(!column.is_not_null && !table.is_key(path)),
            precision.map_or(Value::Null, Value::Int),
            // Not implemented in CrateDB.
            Value::Null,
            default(column).map_or(Value::Null, |text| Value::text(&text)),
        ]);
        if let Some(inner) = column.kind.members() {
            describe_members(table, inner, path, rows);
        }
        path.pop();
    }
}

fn describe_keys(table: &Table) -> Vec<Vec<Value>> {
    let keys = table.keys.iter().zip(1..);
    keys.map(|(key, position)| {
        vec![
            Value::text("crate"),
            Value::text(&format!("{}_pkey", table.name)),
            Value::text(&table.schema),
            Value::text(&table.name),
            Value::text(&display(key)),
            Value::Int(position),
        ]
    })
    .collect()
}

fn default(column: &Column) -> Option<String> {
    use super::syntax::Expression;
    match column.default.as_ref()? {
        Expression::Now => Some("current_timestamp".to_owned()),
        Expression::Constant(Value::Text(text)) => Some(format!("'{text}'")),
        Expression::Constant(value) => Some(value.to_json()),
        _ => None,
    }
}

/// Writes the statement that makes such a table.
pub(super) fn create_statement(table: &Table) -> String {
    let mut text =
        format!("CREATE TABLE IF NOT EXISTS \"{}\".\"{}\" (\n", table.schema, table.name);
    for (index, column) in table.columns.columns.iter().enumerate() {
        if index > 0 {
            text.push_str(",\n");
        }
        write_column(&mut text, column, 1);
    }
    let names = |paths: &[Path]| paths.iter().map(quoted).collect::<Vec<_>>().join(", ");
    if !table.keys.is_empty() {
        text.extend([",\n   PRIMARY KEY (", &names(&table.keys), ")"]);
    }
    text.push_str("\n)");
    if !table.partitioned_by.is_empty() {
        text.extend(["\nPARTITIONED BY (", &names(&table.partitioned_by), ")"]);
    }
    let by = table
        .clustered_by
        .as_ref()
        .map_or_else(String::new, |path| format!("BY ({}) ", quoted(path)));
    text.extend(["\nCLUSTERED ", &by, "INTO ", &table.shards.to_string(), " SHARDS"]);
    text.extend(["\nWITH (\n   column_policy = '", table.columns.policy.name(), "',\n"]);
    text.extend(["   number_of_replicas = '", &table.replicas, "'\n)"]);
    text
}

fn quoted(path: &Path) -> String {
    let Some((first, keys)) = path.split_first() else { return String::new() };
    let mut text = format!("\"{}\"", first.replace('"', "\"\""));
    for key in keys {
        text.extend(["['", key, "']"]);
    }
    text
}

fn write_column(text: &mut String, column: &Column, depth: usize) {
    text.push_str(&"   ".repeat(depth));
    text.extend(["\"", &column.name.replace('"', "\"\""), "\" "]);
    write_type(text, &column.kind, depth);
    if let Some(default) = default(column) {
        text.extend([" DEFAULT ", &default]);
    }
    if column.is_not_null {
        text.push_str(" NOT NULL");
    }
    if !column.is_indexed {
        text.push_str(" INDEX OFF");
    }
    if !column.is_in_columnstore {
        text.push_str(" STORAGE WITH (columnstore = false)");
    }
}

fn write_type(text: &mut String, kind: &Type, depth: usize) {
    match kind {
        Type::Object(members) => {
            text.extend(["OBJECT(", &members.policy.name().to_uppercase(), ")"]);
            if members.columns.is_empty() {
                return;
            }
            text.push_str(" AS (\n");
            for (index, column) in members.columns.iter().enumerate() {
                if index > 0 {
                    text.push_str(",\n");
                }
                write_column(text, column, depth + 1);
            }
            text.extend(["\n", &"   ".repeat(depth), ")"]);
        }
        Type::Array(inner) => {
            text.push_str("ARRAY(");
            write_type(text, inner, depth);
            text.push(')');
        }
        Type::Numeric(Some((precision, scale))) => {
            text.extend(["NUMERIC(", &precision.to_string(), ", ", &scale.to_string(), ")"]);
        }
        kind => text.push_str(&kind.name().to_uppercase()),
    }
}
