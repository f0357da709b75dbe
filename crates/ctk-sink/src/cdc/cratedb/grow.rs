//! Keys of objects that are made before values go into them.
//!
//! By itself, CrateDB takes the type of a new key from the values of a request, in an order of its own, and casts the others to
//! it. So keys are added by a statement, with the type that suits all values that wait
//! (<https://cratedb.com/docs/crate/reference/en/latest/sql/statements/alter-table.html#add-column>). What cannot be
//! added so comes with the rows, and is looked at afterwards.

use std::collections::HashMap;

use ctk_db::{DbError, quote};
use tracing::debug;

use super::{CrateStore, known::Known, quoted};
use crate::{
    SinkError,
    cdc::store::TargetTable,
    cratedb::{schema::Schema, table::define, types::Type},
};

/// Keys that one statement adds.
const AT_ONCE: usize = 100;

/// Returns the keys that a statement can add: those of objects that are there. What is inside of these comes along.
pub(super) fn to_ask(known: &Known, planned: &[Vec<String>]) -> Vec<Vec<String>> {
    let is_object = |path: &[String]| {
        matches!(known.schema.get(path).map(Type::element), Some(Type::Object(_)))
    };
    let can_be_asked = |path: &&Vec<String>| {
        let mut parents = (1..path.len()).filter_map(|length| path.get(..length));
        parents.all(is_object) && !known.unasked.contains(*path)
    };
    planned.iter().filter(can_be_asked).cloned().collect()
}

impl CrateStore {
    /// Adds keys as they are planned. Who wants to know what became of them must read the table again.
    pub(super) async fn ask(
        &mut self,
        table: &TargetTable,
        paths: &[Vec<String>],
        planned: &Schema,
    ) -> Result<(), SinkError> {
        for paths in paths.chunks(AT_ONCE) {
            let of = |path: &Vec<String>| Some((path.clone(), planned.get(path)?.clone()));
            let columns: Vec<_> = paths.iter().filter_map(of).collect();
            if self.add(table, &columns).await?.is_none() {
                continue;
            }
            // One of them is there already, or is refused, or they are too many together.
            for (path, of) in columns {
                if let Some(error) = self.add(table, &[(path.clone(), of.without_keys())]).await? {
                    debug!(?path, error, "a key is not added");
                    if let Some(known) = self.known.get_mut(table) {
                        known.unasked.insert(path);
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns why CrateDB refuses to add them.
    async fn add(
        &self,
        table: &TargetTable,
        columns: &[(Vec<String>, Type)],
    ) -> Result<Option<String>, SinkError> {
        let columns: Vec<_> = columns
            .iter()
            .map(|(path, of)| format!("ADD COLUMN {} {}", subscript(path), of.declare()))
            .collect();
        let sql = format!("ALTER TABLE {} {}", quoted(table), columns.join(", "));
        match define(&self.client, &sql).await {
            Ok(()) => Ok(None),
            Err(error) if error.is_refused() => Ok(Some(error.to_string())),
            Err(error) => {
                Err(DbError::cratedb(format!("add columns to table {}", table.table))(error).into())
            }
        }
    }
}

/// Returns a key that has become another one than was planned, as somebody else was faster.
pub(super) fn altered<'a>(
    now: &Schema,
    made: &'a HashMap<Vec<String>, Type>,
) -> Option<&'a Vec<String>> {
    let differs =
        |(path, was): &(&Vec<String>, &Type)| now.get(path).is_some_and(|is| !is.is_like(was));
    made.iter().find(differs).map(|(path, _)| path)
}

/// Writes a column, or a key within it: `"data"['a']['b']`.
pub(super) fn subscript(path: &[String]) -> String {
    let Some((column, keys)) = path.split_first() else { return String::new() };
    let mut text = quote(column);
    for key in keys {
        text.push_str("['");
        text.push_str(&key.replace('\'', "''"));
        text.push_str("']");
    }
    text
}
