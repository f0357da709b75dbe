//! Tables that follow the records in the plainest way, as decoded: what every target is to do. It shows that the records of the
//! model say what the model means.

use std::collections::{BTreeMap, VecDeque};

use ctk_decode::{Aggregation, Compression, DecodeOptions, Decoder, Format, Layout};
use ctk_flow::{
    Allowance, Asks, Change, Changes, ColumnId, Decode as _, Record, Sequence, ShardId, TableChange,
};

use super::{Content, Event, Name, Source, read};

/// How records are decoded, without a recipe.
pub(crate) const OPTIONS: DecodeOptions = DecodeOptions {
    format: Format::Dms,
    compression: Compression::Auto,
    aggregation: Aggregation::Auto,
    max_record_bytes: 1 << 20,
    layout: Layout::Columns,
    whole_updates: false,
};

type Row = BTreeMap<String, String>;

#[derive(Debug, Default)]
struct Table {
    columns: Vec<String>,
    key: Vec<String>,
    rows: BTreeMap<Vec<String>, Row>,
}

/// The tables.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    tables: BTreeMap<Name, Table>,
    whole_updates: bool,
}

impl Mirror {
    pub(crate) fn new(whole_updates: bool) -> Self {
        Self { tables: BTreeMap::new(), whole_updates }
    }

    /// Decodes records, and does what they say.
    pub(crate) fn apply(&mut self, events: &[Event]) {
        let record = |event: &Event| Record {
            data: event.record.clone().into_bytes(),
            sequence: Sequence::new("1"),
            partition_key: None,
            arrived_at: None,
            done: 0,
        };
        let mut records: VecDeque<_> = events.iter().map(record).collect();
        let decoder = Decoder::new(DecodeOptions { whole_updates: self.whole_updates, ..OPTIONS });
        let changes = decoder.decode(&ShardId::new("s"), &mut records, Allowance::ALL).changes;
        assert_eq!((changes.dead_letters(), changes.filtered()), (&[][..], 0), "{events:?}");
        for change in changes.rows().filter_map(|row| row.change()) {
            let source = &changes.tables()[change.table().index()];
            let name = (source.schema.clone(), source.table.clone());
            match change.asks() {
                Asks::Table(change) => self.of_table(name, change),
                asks => self.tables.get_mut(&name).unwrap().of_row(&changes, change, asks),
            }
        }
    }

    fn of_table(&mut self, name: Name, change: &TableChange) {
        if let TableChange::Drop = change {
            self.tables.remove(&name).unwrap();
            return;
        }
        if let TableChange::Rename(to) = change {
            let table = self.tables.remove(&name).unwrap();
            self.tables.insert((to.schema.clone(), to.table.clone()), table);
            return;
        }
        let table = self.tables.entry(name).or_default();
        match change {
            TableChange::Create(def) => {
                table.columns = def.columns.iter().map(|column| column.name.clone()).collect();
                table.key.clone_from(&def.key);
            }
            TableChange::Truncate => table.rows.clear(),
            TableChange::AddColumn(column) => table.columns.push(column.name.clone()),
            TableChange::DropColumn(name) => table.drop_column(name),
            TableChange::RenameColumn { from, to } => table.rename_column(from, to),
            TableChange::Become(def) => {
                let names: Vec<_> = def.columns.iter().map(|column| column.name.clone()).collect();
                let pairs: Vec<_> = table.columns.clone().into_iter().zip(names.clone()).collect();
                let gone = table.columns.clone().into_iter().find(|name| !names.contains(name));
                if let (Some(gone), true) = (gone, names.len() < table.columns.len()) {
                    table.drop_column(&gone);
                } else if let Some((from, to)) = pairs.iter().find(|(from, to)| from != to) {
                    table.rename_column(from, to);
                }
                assert_eq!(table.columns, names);
            }
            TableChange::ChangeColumn(_) | TableChange::Drop | TableChange::Rename(_) => {}
        }
    }

    /// Returns the tables, with canonical values by the types of the source.
    pub(crate) fn tables(&self, source: &Source) -> BTreeMap<Name, Content> {
        let content = |(name, table): (&Name, &Table)| {
            let kinds = source.tables.get(name);
            let kinds = kinds.iter().flat_map(|table| &table.columns);
            let kinds: BTreeMap<_, _> =
                kinds.map(|column| (column.name.as_str(), column.kind)).collect();
            let columns: Vec<_> = table
                .columns
                .iter()
                .filter_map(|name| Some((name.clone(), *kinds.get(name.as_str())?)))
                .collect();
            let rows = table.rows.values().map(|row| {
                let value = |(name, kind): &(String, _)| Some(read(*kind, row.get(name)?));
                columns.iter().map(value).collect()
            });
            let mut rows: Vec<_> = rows.collect();
            rows.sort();
            (name.clone(), Content { columns, rows })
        };
        self.tables.iter().map(content).collect()
    }
}

impl Table {
    fn of_row(&mut self, changes: &Changes, change: Change<'_>, asks: Asks<'_>) {
        let row =
            |cells: &mut dyn Iterator<Item = (ColumnId, ctk_flow::Value<'_>)>| -> BTreeMap<_, _> {
                cells
                    .map(|(id, value)| (changes.columns()[id.index()].to_string(), show(value)))
                    .collect()
            };
        let before = row(&mut change.before());
        let data = row(&mut change.data());
        let key = |from: &BTreeMap<String, Option<String>>| -> Vec<String> {
            let value = |name| from.get(name).or_else(|| data.get(name)).unwrap().clone().unwrap();
            self.key.iter().map(value).collect()
        };
        let (old, new) = (key(&before), key(&data));
        match asks {
            Asks::Put => {
                self.rows.remove(&old);
                let row = data.into_iter().filter_map(|(name, value)| Some((name, value?)));
                self.rows.insert(new, row.collect());
            }
            Asks::Delete => assert!(self.rows.remove(&new).is_some()),
            _ => {
                let mut row = self.rows.remove(&old).unwrap();
                for (name, value) in data {
                    match value {
                        Some(value) => row.insert(name, value),
                        None => row.remove(&name),
                    };
                }
                assert!(self.rows.insert(new, row).is_none());
            }
        }
    }

    fn drop_column(&mut self, name: &str) {
        self.columns.retain(|column| column != name);
        for row in self.rows.values_mut() {
            row.remove(name);
        }
    }

    fn rename_column(&mut self, from: &str, to: &str) {
        for column in &mut self.columns {
            if column == from {
                to.clone_into(column);
            }
        }
        for row in self.rows.values_mut() {
            if let Some(value) = row.remove(from) {
                row.insert(to.to_owned(), value);
            }
        }
    }
}

fn show(value: ctk_flow::Value<'_>) -> Option<String> {
    use ctk_flow::Value;
    Some(match value {
        Value::Null => return None,
        Value::Bool(value) => value.to_string(),
        Value::Integer(value) => value.to_string(),
        Value::BigInteger(text) | Value::Decimal(text) | Value::Json(text) | Value::Text(text) => {
            text.to_owned()
        }
        Value::Bytes(_) => panic!("records hold no bytes"),
    })
}
