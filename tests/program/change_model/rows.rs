//! Rows come, change and go.

use super::{
    Name, Source, Table, index,
    record::{Event, image},
    value::Value,
};
use crate::ledger::Plan;

/// How much of a row a record has.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Image {
    Whole,
    /// The key, and what changed.
    Changed,
    Key,
}

impl Source {
    /// Inserts a row, or changes the one that has its key.
    pub(crate) fn insert(&mut self, plan: &mut Plan) -> Vec<Event> {
        let name = self.pick(plan);
        let table = &self.tables[&name];
        let mut row: Vec<Value> =
            table.columns.iter().map(|column| column.kind.value(plan, &self.settings)).collect();
        for value in &mut row {
            if plan.one_in(6) {
                *value = Value::Null;
            }
        }
        let is_new = plan.one_in(4);
        for place in table.key_places() {
            row[place] = table.columns[place].kind.key_value(plan, is_new);
        }
        if table.rows.contains_key(&table.key_of(&row)) {
            return self.change(plan, &name, &table.key_of(&row), row);
        }
        let data = self.data(&name, &row, Image::Whole, &[]);
        self.tables.get_mut(&name).unwrap().put(row);
        vec![self.data_record(&name, "insert", &[data])]
    }

    /// Changes a row, and now and then its key.
    pub(crate) fn update(&mut self, plan: &mut Plan) -> Vec<Event> {
        let Some((name, key)) = self.any_row(plan) else { return self.insert(plan) };
        let table = &self.tables[&name];
        let mut row = table.rows[&key].clone();
        for (column, value) in table.columns.iter().zip(&mut row) {
            if table.key.contains(&column.name) || !plan.one_in(2) {
                continue;
            }
            *value = column.kind.value(plan, &self.settings);
            if plan.one_in(6) {
                *value = Value::Null;
            }
        }
        if plan.one_in(6) {
            let is_new = plan.one_in(2);
            for place in table.key_places() {
                if plan.one_in(2) {
                    row[place] = table.columns[place].kind.key_value(plan, is_new);
                }
            }
            let is_taken = table.rows.contains_key(&table.key_of(&row));
            if is_taken && table.key_of(&row) != key {
                for place in table.key_places() {
                    row[place] = table.rows[&key][place].clone();
                }
            }
        }
        self.change(plan, &name, &key, row)
    }

    /// Makes the row with this key another one.
    fn change(
        &mut self,
        plan: &mut Plan,
        name: &Name,
        key: &[String],
        mut row: Vec<Value>,
    ) -> Vec<Event> {
        let table = &self.tables[name];
        let before = table.rows[key].clone();
        let sees_nulls = self.settings.nulls || self.settings.whole_updates;
        if !sees_nulls {
            // It would not be seen.
            for (value, was) in row.iter_mut().zip(&before) {
                if value.is_null() {
                    value.clone_from(was);
                }
            }
        }
        let is_whole = plan.one_in(2) || self.settings.whole_updates;
        let mut of_data = if is_whole { Image::Whole } else { Image::Changed };
        let is_moved = table.key_of(&row) != key;
        if is_moved && self.settings.replays && table.used.contains(&table.key_of(&row)) {
            if !sees_nulls {
                return Vec::new();
            }
            of_data = Image::Whole;
        }
        let changed: Vec<_> =
            (0..row.len()).filter(|place| row[*place] != before[*place]).collect();
        let mut members = vec![self.data(name, &row, of_data, &changed)];
        let of_before = match plan.below(if is_moved { 3 } else { 4 }) {
            0 => Some(Image::Whole),
            1 => Some(Image::Changed),
            2 => Some(Image::Key),
            _ => None,
        };
        if let Some(of_before) = of_before {
            let before = self.members(name, &before, of_before, &changed);
            members.push(format!(r#""before-image": {before}"#));
        }
        let table = self.tables.get_mut(name).unwrap();
        table.rows.remove(key);
        table.put(row);
        vec![self.data_record(name, "update", &members)]
    }

    /// Deletes a row.
    pub(crate) fn delete(&mut self, plan: &mut Plan) -> Vec<Event> {
        let Some((name, key)) = self.any_row(plan) else { return self.insert(plan) };
        let row = self.tables.get_mut(&name).unwrap().rows.remove(&key).unwrap();
        let mut members = match plan.below(3) {
            0 => vec![self.data(&name, &row, Image::Whole, &[])],
            1 => vec![self.data(&name, &row, Image::Key, &[])],
            _ => {
                let table = &self.tables[&name];
                let is_key = |place: usize| table.key.contains(&table.columns[place].name);
                let of_key = (0..row.len())
                    .map(|place| if is_key(place) { row[place].clone() } else { Value::Null });
                vec![self.data(&name, &of_key.collect::<Vec<_>>(), Image::Whole, &[])]
            }
        };
        if plan.one_in(3) {
            members.push(format!(
                r#""before-image": {}"#,
                self.members(&name, &row, Image::Whole, &[])
            ));
        }
        vec![self.data_record(&name, "delete", &members)]
    }

    /// Loads some of the rows of a table again.
    pub(crate) fn reload(&mut self, plan: &mut Plan) -> Vec<Event> {
        let name = self.pick(plan);
        let mut rows: Vec<_> = self.tables[&name].rows.values().cloned().collect();
        let mut events = Vec::new();
        while !rows.is_empty() && events.len() < 6 {
            let row = rows.swap_remove(index(plan, rows.len()));
            let data = self.data(&name, &row, Image::Whole, &[]);
            events.push(self.data_record(&name, "load", &[data]));
        }
        events
    }

    fn any_row(&self, plan: &mut Plan) -> Option<(Name, Vec<String>)> {
        let name = self.pick(plan);
        let rows = &self.tables[&name].rows;
        let place = index(plan, rows.len().max(1));
        Some((name, rows.keys().nth(place)?.clone()))
    }

    fn data(&self, name: &Name, row: &[Value], image: Image, changed: &[usize]) -> String {
        format!(r#""data": {}"#, self.members(name, row, image, changed))
    }

    fn members(&self, name: &Name, row: &[Value], of: Image, changed: &[usize]) -> String {
        let table: &Table = &self.tables[name];
        let is_key = |place: &usize| table.key.contains(&table.columns[*place].name);
        let places = (0..row.len()).filter(|place| match of {
            Image::Whole => true,
            Image::Changed => is_key(place) || changed.contains(place),
            Image::Key => is_key(place),
        });
        image(table, row, places, &self.settings)
    }
}
