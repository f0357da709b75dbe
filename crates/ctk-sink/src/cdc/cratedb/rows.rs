//! Rows as the arguments of statements. Pure.
//!
//! The members of objects are fitted here: one that its key would change goes into a sibling for its kind, as everywhere. Keys
//! that are not there yet are planned with the type that the first values ask for, so that they can be made before.

use ctk_flow::Value;

use super::{
    holds::{Holding, exact},
    members::{self, Member},
};
use crate::{
    cdc::{
        cell::Cell,
        store::{Layout, Op, Open, Write},
    },
    columns::Place,
    cratedb::{
        fit::{self, Missing},
        json::Item,
        names,
        plan::{self, Seen},
        schema::Schema,
        types::Type,
    },
    envelope::push_json_text,
};

/// The object whose members are changed one by one.
pub(super) const DATA: &str = "data";

/// The object for what goes nowhere else.
const AUX: &str = "aux";

/// A row, written.
#[derive(Clone, Debug)]
pub(super) struct RowArgs {
    /// The values of the key, with commas between them.
    pub(super) key: String,
    /// The same as INSERT takes them.
    pub(super) inserted_key: String,
    /// The other columns, in the order of [`Encoded::columns`].
    pub(super) cells: Vec<String>,
    /// The members of `data` that are changed, where not all of it is replaced.
    pub(super) members: Option<Vec<Member>>,
}

/// The rows of a write.
#[derive(Debug)]
pub(super) struct Encoded {
    /// The columns of the cells.
    pub(super) columns: Vec<String>,
    /// Objects that new rows have, though the write does not name them: they are empty.
    pub(super) empty: Vec<&'static str>,
    pub(super) rows: Vec<RowArgs>,
    /// Which row of the write each of them is.
    pub(super) entries: Vec<usize>,
    /// The others, and why.
    pub(super) refused: Vec<(usize, String)>,
    /// Keys of objects that are not there, but are in the schema now.
    pub(super) planned: Vec<Vec<String>>,
}

/// Columns and keys that CrateDB allows a table by default, and so the most that one row may ask for.
const MOST_COLUMNS: usize = 1000;

/// Siblings that one row may ask for.
const MOST_BESIDE: usize = 300;

/// Writes rows for a table that has, or is to get, this schema.
pub(super) fn encode(open: &Open<Holding>, write: &Write<'_>, schema: &mut Schema) -> Encoded {
    // Mostly all keys are there, and nothing has to be looked for.
    let mut encoded = Encoded::new(open, write);
    if encoded.add_all(open, write, schema, &mut Growth::None) {
        return encoded;
    }
    let mut planned = Vec::new();
    let too_many = discover(open, write, schema, &mut planned);
    let mut encoded = Encoded::new(open, write);
    encoded.add_all(open, write, schema, &mut Growth::Plan { planned: &mut planned, too_many });
    Encoded { planned, ..encoded }
}

/// What becomes of a key that the schema lacks.
enum Growth<'a> {
    None,
    Plan {
        planned: &'a mut Vec<Vec<String>>,
        /// Rows that have too many new keys.
        too_many: Vec<usize>,
    },
}

/// Why a row cannot be written.
enum Problem {
    /// A key has to be planned first.
    New,
    Refused(String),
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Self::Refused(why)
    }
}

impl Encoded {
    fn new(open: &Open<Holding>, write: &Write<'_>) -> Self {
        let others = write.slots.get(open.key.len()..).unwrap_or_default();
        Self {
            columns: others.iter().map(|slot| open.columns[*slot].name.clone()).collect(),
            empty: empty(open, write),
            rows: Vec::with_capacity(write.rows.len()),
            entries: Vec::with_capacity(write.rows.len()),
            refused: Vec::new(),
            planned: Vec::new(),
        }
    }

    /// Adds all rows; false when one needs a key that is not there, and may not be planned.
    fn add_all(
        &mut self,
        open: &Open<Holding>,
        write: &Write<'_>,
        schema: &mut Schema,
        growth: &mut Growth<'_>,
    ) -> bool {
        for (index, cells) in write.rows.iter().enumerate() {
            if matches!(growth, Growth::Plan { too_many, .. } if too_many.contains(&index)) {
                let why = "the row has more new members than a table may have columns";
                self.refused.push((index, why.into()));
                continue;
            }
            match row(open, write, cells, schema, growth) {
                Ok(row) => {
                    self.rows.push(row);
                    self.entries.push(index);
                }
                Err(Problem::Refused(why)) => self.refused.push((index, why)),
                Err(Problem::New) => return false,
            }
        }
        true
    }
}

/// Returns the objects of new rows that the write does not name.
fn empty(open: &Open<Holding>, write: &Write<'_>) -> Vec<&'static str> {
    if open.layout == Layout::Direct {
        return Vec::new();
    }
    let is_named = |name: &str| write.slots.iter().any(|slot| open.columns[*slot].name == name);
    let is_there = |name: &str| matches!(open.columns.place(name), Place::Column(_));
    [DATA, AUX].into_iter().filter(|name| is_there(name) && !is_named(name)).collect()
}

/// Plans the members of objects under their own names, and returns the rows that have too many new ones.
fn discover(
    open: &Open<Holding>,
    write: &Write<'_>,
    schema: &mut Schema,
    planned: &mut Vec<Vec<String>>,
) -> Vec<usize> {
    let mut too_many = Vec::new();
    for (at, slot) in write.slots.iter().enumerate().skip(open.key.len()) {
        let column = &open.columns[*slot];
        if !column.holds.has_members() {
            continue;
        }
        let path = vec![column.name.clone()];
        let mut seen = Seen::default();
        for (index, cells) in write.rows.iter().enumerate() {
            let Some(Value::Json(json)) = cells.get(at).map(Cell::value) else { continue };
            let mut of_row = Seen::default();
            of_row.see(schema.get(&path), &exact(Item::new(Value::Json(json))));
            if of_row.size() > MOST_COLUMNS {
                too_many.push(index);
            } else {
                seen.merge(of_row);
            }
        }
        seen.apply(schema, &mut path.clone(), planned);
    }
    too_many
}

fn row(
    open: &Open<Holding>,
    write: &Write<'_>,
    cells: &[Cell<'_>],
    schema: &mut Schema,
    growth: &mut Growth<'_>,
) -> Result<RowArgs, Problem> {
    let (key, inserted_key) = key(open, cells, schema)?;
    let mut row = RowArgs { key, inserted_key, cells: Vec::new(), members: None };
    let changes_members =
        open.layout == Layout::Universal && matches!(write.op, Op::Patch | Op::Move);
    for (slot, cell) in write.slots.iter().zip(cells).skip(open.key.len()) {
        let column = &open.columns[*slot];
        let text = if column.holds.has_members() {
            object(&column.name, cell, schema, growth)?
        } else {
            let mut text = String::new();
            let is_held = column.holds.write(cell.value(), &mut text);
            is_held.then_some(text).ok_or_else(|| no_room(&column.name))?
        };
        if changes_members && column.name == DATA {
            let own = Item::new(cell.value());
            row.members = Some(members::changed(&own, &text, schema.get(&[DATA.to_owned()])));
        }
        row.cells.push(text);
    }
    Ok(row)
}

fn no_room(column: &str) -> String {
    format!("the column {column} cannot hold the value")
}

/// Writes an object, or an array of objects; what it needs and the schema lacks is planned.
fn object(
    column: &str,
    cell: &Cell<'_>,
    schema: &mut Schema,
    growth: &mut Growth<'_>,
) -> Result<String, Problem> {
    let item = exact(Item::new(cell.value()));
    let path = [column.to_owned()];
    let mut text = String::new();
    for _ in 0..MOST_BESIDE {
        text.clear();
        let of = schema.get(&path).ok_or_else(|| format!("there is no column {column}"))?;
        match fit::write(of, &item, &mut text) {
            Ok(true) => return Ok(text),
            Ok(false) => return Err(no_room(column).into()),
            Err(Missing { path: inner, kind }) => {
                let Growth::Plan { planned, .. } = growth else { return Err(Problem::New) };
                let path: Vec<String> = path.iter().cloned().chain(inner).collect();
                plan::plan(schema, &Missing { path: path.clone(), kind }, false);
                planned.push(path);
            }
        }
    }
    Err(Problem::Refused("too many values of the row do not fit their keys".into()))
}

/// Writes a key: as a condition compares it, and as INSERT takes it.
pub(super) fn key(
    open: &Open<Holding>,
    cells: &[Cell<'_>],
    schema: &Schema,
) -> Result<(String, String), String> {
    if open.layout == Layout::Universal {
        let cell = cells.first().map_or(Value::Null, Cell::value);
        return key_object(open, &Item::new(cell), schema);
    }
    let mut text = String::new();
    for (slot, cell) in open.key.iter().zip(cells) {
        let column = &open.columns[*slot];
        if !text.is_empty() {
            text.push(',');
        }
        if cell.value() == Value::Null {
            return Err(format!("the key column {} has no value", column.name));
        }
        if !column.holds.write(cell.value(), &mut text) {
            return Err(format!("the key column {} cannot hold the value", column.name));
        }
    }
    Ok((text.clone(), text))
}

/// The same for a key of which the columns are members of an object.
fn key_object(
    open: &Open<Holding>,
    item: &Item<'_>,
    schema: &Schema,
) -> Result<(String, String), String> {
    let column = open.key.first().map_or("pk", |slot| &open.columns[*slot].name);
    let Item::Object(_, members) = item else { return Err("the key is no object".into()) };
    let (mut list, mut object) = (String::new(), String::from("{"));
    for name in &open.key_names {
        let is_it = |member: &str| member == name || names::of_key(member) == name.as_str();
        let value = members.iter().find(|(member, _)| is_it(member)).map(|(_, item)| item);
        let value = value.filter(|item| **item != Item::Null);
        let value = value.ok_or_else(|| format!("the key column {name} has no value"))?;
        let of = schema.get(&[column.to_owned(), name.clone()]);
        let start = list.len();
        if start > 0 {
            list.push(',');
            object.push(',');
        }
        let from = list.len();
        if !of.is_some_and(|of| key_member(of, value, &mut list)) {
            return Err(format!("the key column {name} cannot hold the value"));
        }
        push_json_text(name, &mut object);
        object.push(':');
        object.push_str(list.get(from..).unwrap_or_default());
    }
    if members.len() > open.key_names.len() {
        return Err("the key has more columns than that of the table".into());
    }
    object.push('}');
    Ok((list, object))
}

/// Writes a value of the key. Nobody has adapted it to its type: text takes numbers as their digits, and the other way round.
fn key_member(of: &Type, item: &Item<'_>, out: &mut String) -> bool {
    match (of, item) {
        (Type::Text { .. }, Item::Integer(value)) => push_json_text(&value.to_string(), out),
        (Type::Text { .. }, Item::Decimal(digits) | Item::Big(digits)) => {
            push_json_text(digits, out);
        }
        (Type::Integer { .. }, Item::Text(text)) => {
            let text = text.plain();
            let Some(value) = text.parse().ok().filter(|value: &i64| value.to_string() == text)
            else {
                return false;
            };
            return matches!(fit::write(of, &Item::Integer(value), out), Ok(true));
        }
        _ => return matches!(fit::write(of, &exact(item.clone()), out), Ok(true)),
    }
    true
}
