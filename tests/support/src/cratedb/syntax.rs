//! Statements, as values.

use super::{types::Type, value::Value};

/// A relation, with the schema where one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) schema: Option<String>,
    pub(super) table: String,
}

/// A column and the keys inside of it.
pub(super) type Path = Vec<Box<str>>;

/// What CrateDB is asked for.
#[derive(Clone, Debug)]
pub(super) enum Statement {
    Select(Select),
    ShowCreate(Name),
    Create(Create),
    AddColumns(Name, Vec<Definition>),
    DropColumns(Name, Vec<Path>),
    RenameColumn { table: Name, from: Path, to: Path },
    Rename { table: Name, to: String },
    Drop { table: Name, if_exists: bool },
    Refresh(Name),
    Insert(Insert),
    Update(Update),
    Delete(Name, Option<Expression>),
}

#[derive(Clone, Debug)]
pub(super) struct Create {
    pub(super) table: Name,
    pub(super) if_not_exists: bool,
    pub(super) columns: Vec<Definition>,
    pub(super) keys: Vec<Path>,
    pub(super) partitioned_by: Vec<Path>,
    pub(super) clustered_by: Option<Path>,
    pub(super) shards: Option<u32>,
    pub(super) properties: Vec<(String, String)>,
}

/// A column as it is declared; its path is longer than one only in ALTER TABLE.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) path: Path,
    pub(super) kind: Declared,
    pub(super) default: Option<Expression>,
    pub(super) is_not_null: bool,
    pub(super) is_key: bool,
    pub(super) is_generated: bool,
    pub(super) is_indexed: bool,
    pub(super) is_in_columnstore: bool,
}

/// A type as it is declared: objects still have definitions in place of columns.
#[derive(Clone, Debug)]
pub(super) enum Declared {
    Plain(Type),
    Object(super::types::Policy, Vec<Definition>),
    Array(Box<Self>),
}

#[derive(Clone, Debug)]
pub(super) struct Insert {
    pub(super) table: Name,
    pub(super) columns: Vec<Box<str>>,
    pub(super) rows: Vec<Vec<Expression>>,
    pub(super) conflict: Conflict,
}

/// What becomes of a row whose key is there already.
#[derive(Clone, Debug)]
pub(super) enum Conflict {
    Fail,
    Nothing,
    Update { keys: Vec<Path>, assignments: Vec<(Path, Expression)> },
}

#[derive(Clone, Debug)]
pub(super) struct Update {
    pub(super) table: Name,
    pub(super) assignments: Vec<(Path, Expression)>,
    pub(super) filter: Option<Expression>,
}

#[derive(Clone, Debug)]
pub(super) struct Select {
    /// None for `*`.
    pub(super) items: Vec<Option<Item>>,
    pub(super) from: Option<Name>,
    pub(super) filter: Option<Expression>,
    pub(super) order: Vec<(Expression, Direction)>,
    pub(super) limit: Option<Expression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ascending,
    Descending,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) expression: Expression,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aggregate {
    CountAll,
    Count,
    CountDistinct,
    Sum,
    Min,
    Max,
}

#[derive(Clone, Debug)]
pub(super) enum Expression {
    /// The number of a parameter, from 0.
    Parameter(usize),
    Constant(Value),
    /// `CURRENT_TIMESTAMP`.
    Now,
    Version,
    Column(Path),
    /// `excluded."a"`.
    Excluded(Path),
    Aggregate(Aggregate, Box<Self>),
    Cast(Box<Self>, Type),
    Binary(Operator, Box<Self>, Box<Self>),
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    IsNull(Box<Self>),
    In(Box<Self>, Vec<Self>),
    /// `= ANY (…)`.
    Any(Box<Self>, Box<Self>),
}

impl Expression {
    /// Returns the operands.
    pub(super) fn operands(&self) -> Vec<&Self> {
        match self {
            Self::Parameter(_)
            | Self::Constant(_)
            | Self::Now
            | Self::Version
            | Self::Column(_)
            | Self::Excluded(_) => Vec::new(),
            Self::Aggregate(_, one) | Self::Cast(one, _) | Self::Not(one) | Self::IsNull(one) => {
                vec![one]
            }
            Self::Binary(_, one, two)
            | Self::And(one, two)
            | Self::Or(one, two)
            | Self::Any(one, two) => vec![one, two],
            Self::In(one, list) => std::iter::once(&**one).chain(list).collect(),
        }
    }

    /// Returns true when it, or a part of it, is an aggregate.
    pub(super) fn is_aggregate(&self) -> bool {
        matches!(self, Self::Aggregate(..)) || self.operands().iter().any(|one| one.is_aggregate())
    }

    /// Returns the number of parameters that have to be there.
    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Parameter(number) => number + 1,
            _ => self.operands().iter().map(|one| one.parameters()).max().unwrap_or(0),
        }
    }
}

impl Statement {
    /// Returns the table that it names; a SELECT may have none, and is asked elsewhere.
    pub(super) fn table(&self) -> &Name {
        static NONE: Name = Name { schema: None, table: String::new() };
        match self {
            Self::Select(select) => select.from.as_ref().unwrap_or(&NONE),
            Self::ShowCreate(name)
            | Self::AddColumns(name, _)
            | Self::DropColumns(name, _)
            | Self::RenameColumn { table: name, .. }
            | Self::Rename { table: name, .. }
            | Self::Drop { table: name, .. }
            | Self::Refresh(name)
            | Self::Delete(name, _) => name,
            Self::Create(create) => &create.table,
            Self::Insert(insert) => &insert.table,
            Self::Update(update) => &update.table,
        }
    }
}
