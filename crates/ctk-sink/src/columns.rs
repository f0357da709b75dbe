//! The columns of a table, and which of them takes a value: the member's own one, or a variant of it. Pure.
//!
//! What a column holds (`H`) and what kinds of values there are (`K`) differ from database to database; the rule does not:
//! a value that its column would change goes into a sibling column for its kind, `v__double`.

use std::collections::HashMap;

use crate::names;

/// A column.
#[derive(Clone, Debug)]
pub(crate) struct Column<H> {
    pub(crate) name: String,
    pub(crate) holds: H,
    /// Part of a primary key of somebody else: no other column can stand in for it.
    pub(crate) is_key: bool,
}

/// Where a name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Column(usize),
    /// There is a column whose name differs in a way that the database does not see.
    Taken,
    Free,
}

/// How the database reads names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Naming {
    /// Makes a name one that the database can hold, each another one.
    pub(crate) fit: fn(String) -> String,
    /// Returns what is the same for names that the database takes for one.
    pub(crate) fold: fn(&str) -> String,
}

/// All columns, in the order in which they came to be known.
#[derive(Clone, Debug)]
pub(crate) struct Columns<H> {
    all: Vec<Column<H>>,
    by_name: HashMap<String, usize>,
    naming: Naming,
}

/// Why a value found no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Misfit<K> {
    /// It needs this column, which is not there.
    Column { name: String, kind: K },
    /// It fits this column of the table, which the statement does not name yet.
    Unused(usize),
    /// It cannot be stored.
    Refused(String),
}

impl<H> Columns<H> {
    pub(crate) fn new(naming: Naming) -> Self {
        Self { all: Vec::new(), by_name: HashMap::new(), naming }
    }

    /// Adds a column, and returns its place.
    pub(crate) fn push(&mut self, name: String, holds: H, is_key: bool) -> usize {
        let slot = self.all.len();
        self.by_name.insert((self.naming.fold)(&name), slot);
        self.all.push(Column { name, holds, is_key });
        slot
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns where a column of this name stands.
    pub(crate) fn place(&self, name: &str) -> Place {
        match self.by_name.get(&(self.naming.fold)(name)) {
            Some(slot) if self.all[*slot].name == name => Place::Column(*slot),
            Some(_) => Place::Taken,
            None => Place::Free,
        }
    }

    /// Returns the column for a name, or the name it must be created under.
    pub(crate) fn find(&self, name: String) -> Result<usize, String> {
        let name = (self.naming.fit)(name);
        match self.place(&name) {
            Place::Column(slot) => Ok(slot),
            Place::Free => Err(name),
            Place::Taken => {
                let apart = (self.naming.fit)(names::apart(&name));
                match self.place(&apart) {
                    Place::Column(slot) => Ok(slot),
                    Place::Free | Place::Taken => Err(apart),
                }
            }
        }
    }

    /// Returns the column to put a value into, and the value as that column takes it: the member's own one, or the first
    /// free variant of it.
    pub(crate) fn fit<K: Copy, T>(
        &self,
        own: usize,
        kind: Option<(K, &str)>,
        is_free: impl Fn(usize) -> bool,
        mut convert: impl FnMut(&H) -> Option<T>,
    ) -> Result<(usize, T), Misfit<K>> {
        let mut slot = own;
        // Each step makes the name longer; three are more than any honest record needs.
        for _ in 0..4 {
            let column = &self.all[slot];
            if is_free(slot)
                && let Some(converted) = convert(&column.holds)
            {
                return Ok((slot, converted));
            }
            let Some((kind, kind_name)) = kind else { break };
            if column.is_key {
                let error = format!("the key column {} cannot hold the value", column.name);
                return Err(Misfit::Refused(error));
            }
            slot = self
                .find(names::variant(&column.name, kind_name))
                .map_err(|name| Misfit::Column { name, kind })?;
        }
        Err(Misfit::Refused(format!("no column can hold the value of {}", self.all[own].name)))
    }
}

impl<H> std::ops::Index<usize> for Columns<H> {
    type Output = Column<H>;

    fn index(&self, slot: usize) -> &Column<H> {
        &self.all[slot]
    }
}
