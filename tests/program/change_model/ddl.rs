//! Tables come, change and go.

use super::{
    Column, Kind, Name, Source, Table, index, pick,
    record::{Event, table_def, text},
    value::Value,
};
use crate::ledger::Plan;

/// The names of columns.
const COLUMNS: [&str; 12] = [
    "a",
    "b",
    "Name",
    "group",
    "straße",
    "two words",
    "quo\"te",
    "it's",
    "x1",
    "ORDER",
    "ü",
    "select",
];

/// The names of columns of keys.
const KEYS: [&str; 4] = ["id", "Key", "no", "part two"];

impl Source {
    /// Creates a table, if a name is free.
    pub(crate) fn create(&mut self, plan: &mut Plan) -> Vec<Event> {
        let Some(name) = self.free_name(plan) else { return Vec::new() };
        let mut table = Table::default();
        for _ in 0..=plan.below(3) / 2 {
            let Some(key) = free_column(plan, &table, &KEYS) else { continue };
            table.key.push(key.clone());
            let column = Column { name: key, kind: Kind::any_key(plan), form: plan.below(1000) };
            table.columns.push(column);
        }
        for _ in 0..=plan.below(6) {
            let place = index(plan, table.columns.len() + 1);
            let column = new_column(plan, &table);
            table.columns.insert(place, column.unwrap());
        }
        let def = table_def(&table, &self.settings);
        self.tables.insert(name.clone(), table);
        vec![self.control_record(&name, "create-table", &[def])]
    }

    /// Says once more that a table was created, as a task does that is started again.
    pub(crate) fn create_again(&mut self, plan: &mut Plan) -> Vec<Event> {
        let name = self.pick(plan);
        let def = table_def(&self.tables[&name], &self.settings);
        vec![self.control_record(&name, "create-table", &[def])]
    }

    pub(crate) fn drop_table(&mut self, plan: &mut Plan) -> Vec<Event> {
        let name = self.pick(plan);
        let table = self.tables.remove(&name).unwrap();

        let def = table_def(&table, &self.settings);
        vec![self.control_record(&name, "drop-table", &[def])]
    }

    pub(crate) fn truncate(&mut self, plan: &mut Plan) -> Vec<Event> {
        let name = self.pick(plan);
        self.tables.get_mut(&name).unwrap().rows.clear();
        let operation = if plan.one_in(2) { "truncate-table" } else { "truncate" };
        vec![self.control_record(&name, operation, &[])]
    }

    /// Gives a table another name, in its schema.
    pub(crate) fn rename_table(&mut self, plan: &mut Plan) -> Vec<Event> {
        let old = self.pick(plan);
        let Some(new) = self.free_name(plan) else { return Vec::new() };
        let new = (old.0.clone(), new.1);
        if self.tables.contains_key(&new) || self.is_given_up(&new) {
            return Vec::new();
        }
        let table = self.tables.remove(&old).unwrap();
        self.given_up.insert(old.clone());
        let mut control = vec![table_def(&table, &self.settings)];
        self.tables.insert(new.clone(), table);
        let of = if plan.one_in(2) {
            control.push(format!(r#""old-table-name": {}"#, text(&old.1)));
            &new
        } else {
            control.push(format!(r#""new-table-name": {}"#, text(&new.1)));
            &old
        };
        vec![self.control_record(of, "rename-table", &control)]
    }

    pub(crate) fn add_column(&mut self, plan: &mut Plan) -> Vec<Event> {
        let name = self.pick(plan);
        let table = self.tables.get_mut(&name).unwrap();
        let Some(column) = new_column(plan, table) else { return Vec::new() };
        if self.settings.replays && table.former.contains(&column.name) {
            return Vec::new();
        }
        table.columns.push(column.clone());
        table.later.insert(column.name.clone());
        for row in table.rows.values_mut() {
            row.push(Value::Null);
        }
        let control = match plan.below(3) {
            0 => table_def(table, &self.settings),
            1 => named("column-name", &column),
            _ => {
                let definition = column.kind.definition(column.form);
                format!(r#""columns": {{{}: {definition}}}"#, text(&column.name))
            }
        };
        vec![self.control_record(&name, "add-column", &[control])]
    }

    pub(crate) fn drop_column(&mut self, plan: &mut Plan) -> Vec<Event> {
        let Some((name, place)) = self.any_column(plan) else { return Vec::new() };
        let table = self.tables.get_mut(&name).unwrap();
        let column = table.columns.remove(place);
        for row in table.rows.values_mut() {
            row.remove(place);
        }
        let control = match plan.below(2) {
            0 => table_def(table, &self.settings),
            _ => format!(r#""column-name": {}"#, text(&column.name)),
        };
        vec![self.control_record(&name, "drop-column", &[control])]
    }

    pub(crate) fn rename_column(&mut self, plan: &mut Plan) -> Vec<Event> {
        let Some((name, place)) = self.any_column(plan) else { return Vec::new() };
        let table = self.tables.get_mut(&name).unwrap();
        let Some(new) = free_column(plan, table, &COLUMNS) else { return Vec::new() };
        // A column that is added once more is a new one; so is one that gets the former name of another one.
        let is_later = table.later.contains(&table.columns[place].name);
        if self.settings.replays && (is_later || table.former.contains(&new)) {
            return Vec::new();
        }
        let old = std::mem::replace(&mut table.columns[place].name, new.clone());
        // A definition that has a former name again may as well be the one of that time, which comes once more.
        let is_former = table.former.contains(&new);
        table.former.insert(old.clone());
        let control = match plan.below(2) {
            0 if !is_former => table_def(table, &self.settings),
            _ => format!(r#""old-column-name": {}, "new-column-name": {}"#, text(&old), text(&new)),
        };
        vec![self.control_record(&name, "rename-column", &[control])]
    }

    /// Gives a column a wider type.
    pub(crate) fn change_column(&mut self, plan: &mut Plan) -> Vec<Event> {
        let Some((name, place)) = self.any_column(plan) else { return Vec::new() };
        let table = self.tables.get_mut(&name).unwrap();
        let Some(kind) = table.columns[place].kind.wider(plan) else {
            return Vec::new();
        };
        table.columns[place].kind = kind;
        for row in table.rows.values_mut() {
            row[place] = row[place].widened(kind);
        }
        let control = match plan.below(2) {
            0 => table_def(table, &self.settings),
            _ => named("column-name", &table.columns[place]),
        };
        vec![self.control_record(&name, "change-columns", &[control])]
    }

    /// Returns a name that no table has.
    fn free_name(&self, plan: &mut Plan) -> Option<Name> {
        let schema = *pick(plan, self.settings.schemas);
        let is_free = |table: &&&str| {
            let mut names = self.tables.keys();
            let is_it = |(other, name): &Name| {
                name == **table && (!self.settings.same_names || other == schema)
            };
            !names.any(is_it) && !self.is_given_up(&(schema.to_owned(), (**table).to_owned()))
        };
        let free: Vec<_> = self.settings.tables.iter().filter(is_free).collect();
        let table = free.get(index(plan, free.len().max(1)))?;
        Some((schema.to_owned(), (**table).to_owned()))
    }

    /// Returns true for the old name of a table where rows may come again: they bring back a table of this name, which is not
    /// to be one of a later time.
    fn is_given_up(&self, name: &Name) -> bool {
        self.settings.replays && self.given_up.contains(name)
    }

    /// Returns a column that is not of the key.
    fn any_column(&self, plan: &mut Plan) -> Option<(Name, usize)> {
        let name = self.pick(plan);
        let table = &self.tables[&name];
        let is_free = |place: &usize| !table.key.contains(&table.columns[*place].name);
        let free: Vec<_> = (0..table.columns.len()).filter(is_free).collect();
        let place = *free.get(index(plan, free.len().max(1)))?;
        Some((name, place))
    }
}

/// Returns a name that no column has.
fn free_column(plan: &mut Plan, table: &Table, names: &[&str]) -> Option<String> {
    let is_free = |name: &&&str| table.columns.iter().all(|column| column.name != **name);
    let free: Vec<_> = names.iter().filter(is_free).collect();
    free.get(index(plan, free.len().max(1))).map(|name| (**name).to_owned())
}

fn new_column(plan: &mut Plan, table: &Table) -> Option<Column> {
    let name = free_column(plan, table, &COLUMNS)?;
    Some(Column { name, kind: Kind::any(plan), form: plan.below(1000) })
}

/// Returns a column, told by members beside each other.
fn named(member: &str, column: &Column) -> String {
    let definition = column.kind.definition(column.form);
    let definition = definition.trim_start_matches('{').trim_end_matches('}');
    format!(r#""{member}": {}, {definition}"#, text(&column.name))
}
