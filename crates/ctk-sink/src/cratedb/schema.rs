//! What a table looks like, read from `information_schema`, which is where CrateDB says what it made of the first values.
//!
//! Whether an object is `IGNORED`, and whether a text is indexed, is not there; for columns it is taken from
//! `SHOW CREATE TABLE`, as far as that is understood
//! (<https://cratedb.com/docs/crate/reference/en/latest/general/information-schema.html#columns>).

use std::collections::HashMap;

use ctk_db::{DbError, cratedb::Client, quote};
use serde_json::Value;

use super::types::Type;
use crate::SinkError;

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) of: Type,
    /// CrateDB makes its values.
    pub(crate) is_generated: bool,
    /// CrateDB has a value for it when the row has none.
    pub(crate) has_default: bool,
    /// Part of the primary key, and without a default: a row must have a value for it.
    pub(crate) is_key: bool,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Schema {
    pub(crate) columns: Vec<Column>,
    places: HashMap<String, usize>,
    /// The columns of the primary key.
    pub(crate) key: Vec<String>,
    required: Vec<usize>,
}

impl Schema {
    /// Reads a table; none when there is none.
    pub(crate) async fn read(
        client: &Client,
        schema: &str,
        table: &str,
    ) -> Result<Option<Self>, SinkError> {
        let what = || format!("read the columns of table {table}");
        let of_table = [Value::from(schema), Value::from(table)];
        let sql = "SELECT column_details['name'], column_details['path'], data_type, is_generated, numeric_precision, \
                   numeric_scale, column_default FROM information_schema.columns \
                   WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
        let columns = client.execute(sql, &of_table).await.map_err(DbError::cratedb(what()))?;
        if columns.rows.is_empty() {
            return Ok(None);
        }
        let sql = "SELECT column_name FROM information_schema.key_column_usage \
                   WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";
        let key = client.execute(sql, &of_table).await.map_err(DbError::cratedb(what()))?;
        let sql = format!("SHOW CREATE TABLE {}.{}", quote(schema), quote(table));
        // What only this tells is a convenience: without it, siblings are used where none are needed.
        let created = client.execute(&sql, &[]).await.unwrap_or_default();
        let created = created.rows.first().and_then(|row| row.first()).and_then(Value::as_str);
        let key =
            key.rows.iter().filter_map(|row| row.first()?.as_str().map(str::to_owned)).collect();
        Ok(Some(Self::of_rows(&columns.rows, key, created.unwrap_or_default())))
    }

    fn of_rows(rows: &[Vec<Value>], key: Vec<String>, created: &str) -> Self {
        let mut schema = Self { key, ..Self::default() };
        // Objects before their keys.
        let mut rows: Vec<_> = rows.iter().filter_map(|row| Some((path(row)?, row))).collect();
        rows.sort_by_key(|(path, _)| path.len());
        for (path, row) in rows {
            let number = |index: usize| row.get(index).and_then(Value::as_u64);
            let of = row.get(2).and_then(Value::as_str).unwrap_or_default();
            let of = Type::of_name(of, number(4), number(5));
            match path.as_slice() {
                [name] => {
                    let declared = declaration(created, name);
                    let is_long = ["INDEX OFF", "columnstore = false"]
                        .iter()
                        .all(|clause| declared.contains(clause));
                    let of = match of {
                        Type::Object(_) if declared.starts_with("OBJECT(IGNORED)") => {
                            Type::Ignored(HashMap::new())
                        }
                        Type::Array(_) if declared.starts_with("ARRAY(OBJECT(IGNORED)") => {
                            Type::Array(Box::new(Type::Ignored(HashMap::new())))
                        }
                        Type::Text { .. } => Type::Text { is_long },
                        of if declared.starts_with("NUMERIC(") => {
                            Type::numeric(declared).unwrap_or(of)
                        }
                        of => of,
                    };
                    let is_generated = row.get(3).and_then(Value::as_str) == Some("ALWAYS");
                    let has_default = row.get(6).is_some_and(|default| !default.is_null());
                    let is_key = schema.key.contains(name) && !has_default && !is_generated;
                    schema.push(Column {
                        name: name.clone(),
                        of,
                        is_generated,
                        has_default,
                        is_key,
                    });
                }
                path => schema.insert(path, of),
            }
        }
        schema
    }

    /// Adds a column.
    pub(crate) fn push(&mut self, column: Column) -> usize {
        let slot = self.columns.len();
        self.places.insert(column.name.clone(), slot);
        if column.is_key {
            self.required.push(slot);
        }
        self.columns.push(column);
        slot
    }

    /// Returns the columns without which there is no row.
    pub(crate) fn required(&self) -> &[usize] {
        &self.required
    }

    /// Returns how many columns and keys there are.
    pub(crate) fn size(&self) -> usize {
        self.columns.iter().map(|column| 1 + column.of.size()).sum()
    }

    /// Returns where a column of this name stands.
    pub(crate) fn slot(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Returns the type of a column, or of a key within it.
    pub(crate) fn get(&self, path: &[String]) -> Option<&Type> {
        let (column, keys) = path.split_first()?;
        let mut of = &self.columns[self.slot(column)?].of;
        for key in keys {
            of = of.keys()?.get(key)?;
        }
        Some(of)
    }

    /// Adds a column, or a key to the object that the path leads to. A path that leads nowhere is left alone.
    pub(crate) fn insert(&mut self, path: &[String], of: Type) {
        let Some((last, parents)) = path.split_last() else { return };
        let Some((column, keys)) = parents.split_first() else {
            let name = last.clone();
            self.push(Column { name, of, is_generated: false, has_default: false, is_key: false });
            return;
        };
        let Some(slot) = self.slot(column) else { return };
        let mut parent = &mut self.columns[slot].of;
        for key in keys {
            let Some(next) = parent.keys_mut().and_then(|keys| keys.get_mut(key)) else { return };
            parent = next;
        }
        if let Some(keys) = parent.keys_mut() {
            keys.insert(last.clone(), of);
        }
    }
}

/// Returns what `SHOW CREATE TABLE` says behind the name of a column; nothing when it cannot be found.
fn declaration<'a>(created: &'a str, name: &str) -> &'a str {
    let (_, behind) = created.split_once(&format!("\n   {} ", quote(name))).unwrap_or_default();
    // The next column stands as far to the left; what belongs to this one does not.
    let ends = ["\n   \"", "\n   PRIMARY", "\n)"];
    let end = ends.iter().filter_map(|end| behind.find(end)).min();
    end.and_then(|end| behind.get(..end)).unwrap_or(behind)
}

fn path(row: &[Value]) -> Option<Vec<String>> {
    let mut path = vec![row.first()?.as_str()?.to_owned()];
    if let Some(keys) = row.get(1)?.as_array() {
        path.extend(keys.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_read_with_its_objects() {
        let rows = [
            json!(["o", ["a"], "bigint", "NEVER", null, null, null]),
            json!(["id", [], "integer", "NEVER", null, null, null]),
            json!(["o", [], "object", "NEVER", null, null, null]),
            json!(["list", [], "object_array", "NEVER", null, null, null]),
            json!(["list", ["x"], "text", "NEVER", null, null, null]),
            json!(["free", [], "object_array", "NEVER", null, null, null]),
            json!(["raw", [], "object", "NEVER", null, null, null]),
            json!(["long", [], "text", "NEVER", null, null, null]),
            json!(["short", [], "text", "NEVER", null, null, null]),
            json!(["amount", [], "numeric", "NEVER", 10, null, null]),
            json!(["o", ["amount"], "numeric", "NEVER", 10, null, null]),
            json!(["day", [], "timestamp with time zone", "ALWAYS", null, null, null]),
        ];
        let rows: Vec<Vec<Value>> =
            rows.iter().map(|row| row.as_array().unwrap().clone()).collect();
        let created = [
            "CREATE TABLE IF NOT EXISTS \"s\".\"t\" (",
            "   \"o\" OBJECT(DYNAMIC) AS (\n      \"raw\" TEXT\n   ),",
            "   \"raw\" OBJECT(IGNORED),",
            "   \"short\" TEXT,",
            "   \"free\" ARRAY(OBJECT(IGNORED)),",
            "   \"amount\" NUMERIC(10, 2),",
            "   \"long\" TEXT INDEX OFF STORAGE WITH (\n      columnstore = false\n   )",
            ")",
        ];
        let created = created.join("\n");
        let schema = Schema::of_rows(&rows, vec!["id".into()], &created);
        let path = |path: &[&str]| path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
        let check = |names: &[&str], expected: Type| {
            assert_eq!(schema.get(&path(names)), Some(&expected), "{names:?}");
        };
        let bigint = Type::of_name("bigint", None, None);
        check(&["o", "a"], bigint);
        check(&["list", "x"], Type::Text { is_long: false });
        check(&["raw"], Type::Ignored(HashMap::new()));
        check(&["long"], Type::Text { is_long: true });
        check(&["short"], Type::Text { is_long: false });
        check(&["free"], Type::Array(Box::new(Type::Ignored(HashMap::new()))));
        check(&["amount"], Type::Numeric { precision: Some(10), scale: Some(2) });
        check(&["o", "amount"], Type::Unknown);
        assert_eq!(schema.get(&path(&["o", "b"])), None);
        let column = |name: &str| &schema.columns[schema.slot(name).unwrap()];
        assert!(column("id").is_key && column("day").is_generated && !column("o").is_key);
    }
}
