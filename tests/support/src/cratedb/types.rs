//! Types, columns, and the tree of them that a table is.

use std::collections::HashMap;

use super::{error::Error, syntax::Expression};

/// What happens to a key that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Dynamic,
    Strict,
    Ignored,
}

impl Policy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Dynamic => "dynamic",
            Self::Strict => "strict",
            Self::Ignored => "ignored",
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Type {
    /// A key of an OBJECT(IGNORED), of which nothing is known.
    Undefined,
    Boolean,
    Char,
    SmallInt,
    Integer,
    BigInt,
    Real,
    Double,
    /// Precision and scale.
    Numeric(Option<(u32, u32)>),
    Text,
    TimestampTz,
    Timestamp,
    Ip,
    GeoPoint,
    Object(Members),
    Array(Box<Self>),
}

impl Type {
    /// Returns the name that `information_schema` has for it.
    pub(super) fn name(&self) -> String {
        let name = match self {
            Self::Undefined => "undefined",
            Self::Boolean => "boolean",
            Self::Char => "char",
            Self::SmallInt => "smallint",
            Self::Integer => "integer",
            Self::BigInt => "bigint",
            Self::Real => "real",
            Self::Double => "double precision",
            Self::Numeric(_) => "numeric",
            Self::Text => "text",
            Self::TimestampTz => "timestamp with time zone",
            Self::Timestamp => "timestamp without time zone",
            Self::Ip => "ip",
            Self::GeoPoint => "geo_point",
            Self::Object(_) => "object",
            Self::Array(inner) => return format!("{}_array", inner.name()),
        };
        name.to_owned()
    }

    /// Returns the precision and the scale of a number.
    pub(super) fn precision(&self) -> (Option<i64>, Option<i64>) {
        match self {
            Self::Char => (Some(8), None),
            Self::SmallInt => (Some(16), None),
            Self::Integer => (Some(32), None),
            Self::BigInt => (Some(64), None),
            Self::Real => (Some(24), None),
            Self::Double => (Some(53), None),
            Self::Numeric(Some((precision, scale))) => {
                (Some(i64::from(*precision)), Some(i64::from(*scale)))
            }
            _ => (None, None),
        }
    }

    /// Returns what is inside an object, or inside the objects of an array.
    pub(super) fn members(&self) -> Option<&Members> {
        match self {
            Self::Object(members) => Some(members),
            Self::Array(inner) => inner.members(),
            _ => None,
        }
    }

    pub(super) fn members_mut(&mut self) -> Option<&mut Members> {
        match self {
            Self::Object(members) => Some(members),
            Self::Array(inner) => inner.members_mut(),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: Box<str>,
    pub(super) kind: Type,
    pub(super) default: Option<Expression>,
    pub(super) is_not_null: bool,
    pub(super) is_generated: bool,
    /// It came with a value, nobody declared it.
    pub(super) is_dynamic: bool,
    pub(super) is_indexed: bool,
    pub(super) is_in_columnstore: bool,
}

impl Column {
    pub(super) fn new(name: &str, kind: Type) -> Self {
        Self {
            name: name.into(),
            kind,
            default: None,
            is_not_null: false,
            is_generated: false,
            is_dynamic: false,
            is_indexed: true,
            is_in_columnstore: true,
        }
    }

    /// Returns true when a text may be longer than a term of the index.
    pub(super) fn is_unlimited(&self) -> bool {
        !self.is_indexed && !self.is_in_columnstore
    }
}

/// The columns of a table, or the keys of an object.
#[derive(Clone, Debug)]
pub(super) struct Members {
    pub(super) policy: Policy,
    pub(super) columns: Vec<Column>,
    places: HashMap<Box<str>, usize>,
}

impl Members {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, columns: Vec::new(), places: HashMap::new() }
    }

    pub(super) fn add(&mut self, column: Column) {
        self.places.insert(column.name.clone(), self.columns.len());
        self.columns.push(column);
    }

    /// Returns the columns or keys among which the end of a path stands.
    pub(super) fn around(&mut self, path: &[Box<str>]) -> Option<&mut Self> {
        match path {
            [] | [_] => Some(self),
            [first, rest @ ..] => self.get_mut(first)?.kind.members_mut()?.around(rest),
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.columns.retain(|column| *column.name != *name);
        self.find_places();
    }

    pub(super) fn rename(&mut self, name: &str, new: &str) {
        if let Some(column) = self.get_mut(name) {
            column.name = new.into();
        }
        self.find_places();
    }

    fn find_places(&mut self) {
        let names = self.columns.iter().enumerate();
        self.places = names.map(|(place, column)| (column.name.clone(), place)).collect();
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Looks first where the key stood in the row before: members mostly come in one order.
    pub(super) fn place_near(&self, name: &str, guess: usize) -> Option<usize> {
        match self.columns.get(guess) {
            Some(column) if *column.name == *name => Some(guess),
            _ => self.place(name),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Column> {
        self.place(name).map(|place| &self.columns[place])
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Column> {
        self.place(name).map(|place| &mut self.columns[place])
    }

    /// Returns the number of columns with all that is inside of them.
    pub(super) fn total(&self) -> usize {
        let inside = |column: &Column| column.kind.members().map_or(0, Self::total);
        self.columns.iter().map(|column| 1 + inside(column)).sum()
    }

    /// Returns the type at the end of a path. What is inside an OBJECT(IGNORED) is [`Type::Undefined`].
    pub(super) fn find(&self, path: &[Box<str>]) -> Result<&Type, Error> {
        let unknown = || Error::unknown_column(&display(path));
        let (first, rest) = path.split_first().ok_or_else(unknown)?;
        let mut kind = &self.get(first).ok_or_else(unknown)?.kind;
        for key in rest {
            let members = kind.members().ok_or_else(unknown)?;
            match members.get(key) {
                Some(column) => kind = &column.kind,
                None if members.policy == Policy::Ignored => return Ok(&Type::Undefined),
                None => return Err(unknown()),
            }
        }
        Ok(kind)
    }
}

/// Writes a path as CrateDB does: `o['a']['b']`.
pub(super) fn display(path: &[Box<str>]) -> String {
    let mut text = String::new();
    for (index, part) in path.iter().enumerate() {
        if index == 0 {
            text.push_str(part);
        } else {
            text.extend(["['", part, "']"]);
        }
    }
    text
}

/// Refuses a name that no column may have: one like those of the system, or one with characters of a path.
/// <https://cratedb.com/docs/crate/reference/en/latest/general/ddl/create-table.html#naming-restrictions>
pub(super) fn check_column_name(name: &str) -> Result<(), Error> {
    let is_system = name
        .strip_prefix('_')
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()));
    if is_system || name.contains(['.', '[', ']', '\t', '\n', '\r']) {
        return Err(Error::column_name(name));
    }
    Ok(())
}
