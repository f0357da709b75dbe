//! The objects of the universal layout: members that are changed while the others stay.

use std::collections::HashMap;

use ctk_db::{DbError, quote};
use serde_json::value::RawValue;
use sqlx::{AssertSqlSafe, SqliteConnection, sqlite::SqliteArguments};

use super::rows::parts;
use crate::{
    SinkError,
    cdc::{
        cell::Cell,
        store::{Op, Open, Write},
    },
    envelope::push_json_text,
    sqlite::{Bound, Holds, push},
};

/// Returns a write whose `data` is whole: the members that the rows have, and those that are to change. SQLite's own
/// `json_patch` would go into the members, and take their nulls away.
pub(super) async fn with_data<'a>(
    connection: &mut SqliteConnection,
    table: &Open<Holds>,
    write: &Write<'a>,
) -> Result<Write<'a>, SinkError> {
    let mut whole = write.clone();
    let (name, pk, data) = match write.slots.as_slice() {
        [pk, data, ..] => (
            quote(&table.name.table),
            quote(&table.columns[*pk].name),
            quote(&table.columns[*data].name),
        ),
        _ => return Ok(whole),
    };
    let keys = if write.op == Op::Move { &write.from } else { &write.rows };
    let mut there: HashMap<String, String> = HashMap::new();
    let new_keys = if write.op == Op::Move { write.rows.as_slice() } else { &[] };
    let all: Vec<_> = keys.iter().chain(new_keys).collect();
    for part in parts(all.len(), 1) {
        let part = &all[part];
        let sql = format!(
            "SELECT {pk}, {data} FROM {name} WHERE {pk} IN ({})",
            vec!["?"; part.len()].join(", ")
        );
        let mut arguments = SqliteArguments::default();
        for key in part {
            if let Some(ctk_flow::Value::Json(text)) = key.first().map(Cell::value) {
                push(&mut arguments, Bound::Text(text));
            }
        }
        let rows: Vec<(String, String)> = sqlx::query_as_with(AssertSqlSafe(sql), arguments)
            .fetch_all(&mut *connection)
            .await
            .map_err(DbError::statement(format!("read table {}", table.name.table)))?;
        there.extend(rows);
    }
    let text = |cell: Option<&Cell<'_>>| match cell.map(Cell::value) {
        Some(ctk_flow::Value::Json(text)) => text.to_owned(),
        _ => String::new(),
    };
    for (row, key) in whole.rows.iter_mut().zip(keys) {
        // The one that is there under the new key stays.
        let before = there.get(&text(row.first())).or_else(|| there.get(&text(key.first())));
        let Some(before) = before.and_then(|before| members(before)) else { continue };
        let Some(change) = members(&text(row.get(1))) else { continue };
        let mut all = before;
        for (name, value) in change {
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some(place) => place.1 = value,
                None => all.push((name, value)),
            }
        }
        row[1] = Cell::Json(object(&all));
    }
    Ok(whole)
}

/// Returns the members of an object, in their order; of a name that comes twice the last. Nothing for what is no object.
pub(super) fn members(text: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Members(Vec<(String, Box<RawValue>)>);
    impl<'de> serde::Deserialize<'de> for Members {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Members;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Members, A::Error> {
                    let mut all: Vec<(String, Box<RawValue>)> = Vec::new();
                    while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                        all.retain(|(other, _)| *other != name);
                        all.push((name, value));
                    }
                    Ok(Members(all))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str(text).ok().map(|Members(all)| all)
}

/// Returns an object of members.
pub(super) fn object(members: &[(String, Box<RawValue>)]) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        push_json_text(name, &mut text);
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    text
}
