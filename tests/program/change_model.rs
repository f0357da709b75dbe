//! A source database as a model, and the records that AWS DMS would write of what happens to it.
//!
//! A history is a list of numbers; each is a step, and says by itself what it does to the tables as they are then. So a history
//! from which steps are taken away is one as well, and a long one that shows a bug can be cut down to a short one. Records are
//! as AWS describes them (<https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.Kinesis.html>); how a record of a
//! changed table says what changed is not documented, so it is written in several ways.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Plan;

#[path = "change_model/ddl.rs"]
mod ddl;
#[path = "change_model/kind.rs"]
mod kind;
#[path = "change_model/mirror.rs"]
mod mirror;
#[path = "change_model/record.rs"]
mod record;
#[path = "change_model/rows.rs"]
mod rows;
#[path = "change_model/value.rs"]
mod value;

pub(crate) use self::{
    kind::Kind,
    mirror::{Mirror, OPTIONS},
    record::Event,
    value::{Value, hex, read},
};

/// The name of a table: schema and table.
pub(crate) type Name = (String, String);

/// What the source and its task are like, and what a target can follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// The schemas of the source.
    pub(crate) schemas: &'static [&'static str],
    /// The names of tables. A name is used in one schema at a time, unless [`Self::same_names`].
    pub(crate) tables: &'static [&'static str],
    /// Whether two schemas may have a table of the same name.
    pub(crate) same_names: bool,
    /// `IncludeNullAndEmpty` of the endpoint: without it, NULLs and what is empty are left out of records. An update to NULL
    /// cannot be seen then, so there is none.
    pub(crate) nulls: bool,
    /// `updates=whole` of the source address: an update has all of the row, so that one to NULL can be seen after all.
    pub(crate) whole_updates: bool,
    /// `NoHexPrefix` of the endpoint, negated.
    pub(crate) hex_prefix: bool,
    /// `MessageFormat`: with line breaks, or not.
    pub(crate) pretty: bool,
    /// Which changes of tables there are.
    pub(crate) ddl: Ddl,
    /// Whether a record may come again after later ones. Then a row does not get a key that was used before, unless its
    /// record has all of the row, and names that were given up are not used again.
    pub(crate) replays: bool,
}

/// Which changes of tables there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ddl {
    /// Tables are created.
    Create,
    /// And all that has the same outcome when it is done again.
    Repeatable,
    /// All.
    All,
}

impl Settings {
    pub(crate) const USUAL: Self = Self {
        schemas: &["shop", "Back Office"],
        tables: &["orders", "Items", "order", "line items", "größe", "it's", "q\"t"],
        same_names: true,
        nulls: true,
        whole_updates: false,
        hex_prefix: true,
        pretty: false,
        ddl: Ddl::All,
        replays: false,
    };

    /// Where records may come again.
    pub(crate) const REPLAYED: Self = Self { replays: true, ..Self::USUAL };

    /// Returns settings in which what only changes how records look depends on the seed.
    pub(crate) fn vary(self, seed: u64) -> Self {
        let mut plan = Plan(!seed);
        Self { nulls: !plan.one_in(3), hex_prefix: plan.one_in(2), pretty: plan.one_in(2), ..self }
    }
}

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Which of the names of its type is used, and how its values look in records.
    pub(crate) form: u64,
}

/// A table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    /// The names of the columns of its key.
    pub(crate) key: Vec<String>,
    /// By the canonical texts of their keys.
    pub(crate) rows: BTreeMap<Vec<String>, Vec<Value>>,
    /// All keys that there ever were.
    used: BTreeSet<Vec<String>>,
    /// The names that columns had, and have no more.
    former: BTreeSet<String>,
    /// The columns that were added after the table was created.
    later: BTreeSet<String>,
}

impl Table {
    fn key_of(&self, row: &[Value]) -> Vec<String> {
        self.key_places().map(|place| row[place].canonical().unwrap_or_default()).collect()
    }

    fn key_places(&self) -> impl Iterator<Item = usize> {
        self.key.iter().map(|name| self.place(name))
    }

    fn place(&self, name: &str) -> usize {
        self.columns.iter().position(|column| column.name == name).unwrap()
    }

    fn put(&mut self, row: Vec<Value>) {
        let key = self.key_of(&row);
        self.used.insert(key.clone());
        self.rows.insert(key, row);
    }
}

/// What a target must hold of a table: its columns, and its rows as canonical texts, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) columns: Vec<(String, Kind)>,
    pub(crate) rows: Vec<Vec<Option<String>>>,
}

/// The source.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) settings: Settings,
    pub(crate) tables: BTreeMap<Name, Table>,
    /// The names that tables had before they got another one.
    given_up: BTreeSet<Name>,
    records: u64,
}

/// How many tables there are at most.
const TABLES: usize = 4;

impl Source {
    pub(crate) fn new(settings: Settings) -> Self {
        Self { settings, tables: BTreeMap::new(), given_up: BTreeSet::new(), records: 0 }
    }

    /// Does what a step says, and returns the records of it.
    pub(crate) fn step(&mut self, step: u64) -> Vec<Event> {
        let mut plan = Plan(step);
        if self.tables.is_empty() {
            return self.create(&mut plan);
        }
        let of_tables = match self.settings.ddl {
            Ddl::Create => 2,
            Ddl::Repeatable => 9,
            Ddl::All => 16,
        };
        match plan.below(100) {
            n if n < of_tables => match n {
                0..=2 if self.tables.len() < TABLES => self.create(&mut plan),
                0..=2 => self.create_again(&mut plan),
                3 => self.drop_table(&mut plan),
                4 | 5 => self.truncate(&mut plan),
                6 | 7 => self.add_column(&mut plan),
                8 | 9 => self.drop_column(&mut plan),
                10 | 11 => self.rename_table(&mut plan),
                12 | 13 => self.rename_column(&mut plan),
                _ => self.change_column(&mut plan),
            },
            n if n < 50 => self.insert(&mut plan),
            n if n < 82 => self.update(&mut plan),
            n if n < 96 => self.delete(&mut plan),
            _ => self.reload(&mut plan),
        }
    }

    /// Returns what a target must hold.
    pub(crate) fn expected(&self) -> BTreeMap<Name, Content> {
        let tables = self.tables.iter().map(|(name, table)| {
            let columns =
                table.columns.iter().map(|column| (column.name.clone(), column.kind)).collect();
            let row = |row: &Vec<Value>| row.iter().map(Value::canonical).collect();
            let mut rows: Vec<_> = table.rows.values().map(row).collect();
            rows.sort();
            (name.clone(), Content { columns, rows })
        });
        tables.collect()
    }

    /// Returns one of the tables.
    fn pick(&self, plan: &mut Plan) -> Name {
        let place = index(plan, self.tables.len());
        self.tables.keys().nth(place).unwrap().clone()
    }
}

/// Returns a place below `len`, which is not zero.
pub(crate) fn index(plan: &mut Plan, len: usize) -> usize {
    usize::try_from(plan.below(len as u64)).unwrap()
}

pub(crate) fn pick<'a, T>(plan: &mut Plan, all: &'a [T]) -> &'a T {
    &all[index(plan, all.len())]
}

/// Returns the steps of a history.
pub(crate) fn steps(seed: u64, count: usize) -> Vec<u64> {
    let mut plan = Plan(seed);
    (0..count).map(|_| plan.below(u64::MAX)).collect()
}

#[test]
fn records_say_what_happened() {
    for seed in 0..40 {
        let mut settings = Settings { same_names: true, ..Settings::USUAL }.vary(seed);
        settings.ddl = *pick(&mut Plan(seed), &[Ddl::Create, Ddl::Repeatable, Ddl::All]);
        let mut source = Source::new(settings);
        let mut mirror = Mirror::new(settings.whole_updates);
        let mut history = Vec::new();
        for step in steps(seed, 80) {
            let events = source.step(step);
            mirror.apply(&events);
            history.extend(events.into_iter().map(|event| event.record));
            if mirror.tables(&source) != source.expected() {
                let is: Vec<_> = mirror.tables(&source).into_iter().collect();
                panic!("seed {seed}: {is:#?}\n{:#?}\n{}", source.expected(), history.join("\n"));
            }
        }
    }
}
