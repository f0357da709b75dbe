//! What a database must be able to do so that changes can be applied to it.

use ctk_flow::{ColumnKind, DeadLetter, ShardId, SourceTable, Value};

use super::cell::Cell;
use crate::{
    SinkError,
    columns::{Columns, Naming},
    names,
};

/// The name of a table in the target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TargetTable {
    /// Empty where the database has no schemas.
    pub(crate) schema: String,
    pub(crate) table: String,
}

/// How the rows of a table are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// A column for each column of the source.
    #[default]
    Direct,
    /// The columns `pk`, `data` and `aux`, each an object.
    Universal,
}

/// What a column of the database holds.
pub(crate) trait Holds: Clone + Send + Sync + 'static {
    /// Returns true when the column holds the value as it is, with nothing lost. NULL is taken by all that can be written.
    fn takes(&self, value: Value<'_>) -> bool;
}

/// A table as it is in the database.
#[derive(Clone, Debug)]
pub(crate) struct Found<H> {
    /// Its columns. Those of its primary key, or of a unique one that stands for it, are marked as keys; those that nothing can
    /// be put into (generated ones) hold nothing.
    pub(crate) columns: Columns<H>,
    /// The names of the columns of its primary key, in order. Where these are members of the object `pk`, their names in it.
    pub(crate) key: Vec<String>,
}

/// A column that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewColumn {
    pub(crate) name: String,
    pub(crate) kind: ColumnKind,
}

/// A table that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewTable {
    pub(crate) layout: Layout,
    /// All columns; in the universal layout only those of the key, which become members of `pk`.
    pub(crate) columns: Vec<NewColumn>,
    /// The names of those that are the primary key, never empty.
    pub(crate) key: Vec<String>,
}

/// A change of a table that is there. What is already so is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alteration {
    AddColumns(Vec<NewColumn>),
    DropColumn(String),
    RenameColumn {
        from: String,
        to: String,
    },
    /// It gets this type, if all of its values can be kept.
    ChangeColumn(NewColumn),
    Drop,
    Truncate,
    Rename(TargetTable),
    /// These columns are to be unique together, so that a row is found by them.
    MakeUnique(Vec<String>),
}

/// A table that is written to.
#[derive(Clone, Debug)]
pub(crate) struct Open<H> {
    pub(crate) name: TargetTable,
    pub(crate) layout: Layout,
    pub(crate) columns: Columns<H>,
    /// The places of its key columns; in the universal layout the one of `pk`.
    pub(crate) key: Vec<usize>,
    /// Their names; in the universal layout the names of the members of `pk`.
    pub(crate) key_names: Vec<String>,
}

/// What is done with rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// The row with this key is exactly these columns; others of the table stay as they are.
    Put,
    /// These columns are changed; a row that is missing becomes one of them. In the universal layout, of `data` only the
    /// members that it has are changed.
    Patch,
    /// The row with this key goes, if it is there.
    Delete,
    /// Exactly one row gets another key, and these columns; where there is no row with the old key, or both keys are the same, it
    /// is a [`Self::Patch`] of the new one. A row that has the new key already is the same row, from a later time, since the change comes once more: it stays,
    /// and gets these columns, and the one with the old key goes.
    Move,
}

/// Rows of one table with which the same is done. No two have the same key. For [`Op::Move`] it is exactly one row.
#[derive(Clone, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) op: Op,
    /// The columns of the cells: those of the key first, as [`Open::key`] has them.
    pub(crate) slots: Vec<usize>,
    /// For [`Op::Patch`] where rows do not set the same columns: for each row a `1` or `0` for each cell behind the key, set or to
    /// stay. Empty where all are set, and always for a store without [`Store::MASKS`].
    pub(crate) masks: Vec<String>,
    /// As many cells each as there are slots. Each fits its column ([`Holds::takes`]).
    pub(crate) rows: Vec<Vec<Cell<'a>>>,
    /// For [`Op::Move`]: the old key of the row.
    pub(crate) from: Vec<Vec<Cell<'a>>>,
}

/// What became of a row: nothing when it was written, or why the database refuses it.
pub(crate) type Fate = Option<String>;

/// A database, or one transaction in it. Not cancel safe.
///
/// A refused row, or a refused change of a table, leaves everything else as it is; an error ends what is being done as a whole.
pub(crate) trait Store: Send {
    /// What a column holds.
    type Holds: Holds;

    /// How it reads the names of columns.
    const NAMING: Naming;

    /// Whether rows that set different columns can be written together. If not, there is a write for each set of columns.
    const MASKS: bool;

    /// The key of rows that have none in the source.
    const MESSAGE_ID: &'static str = names::MESSAGE_ID;

    /// Returns the schema of tables that have none in the source; none when the database has no schemas.
    fn default_schema(&self) -> Option<&'static str>;

    /// Returns the name of a table or schema as the database can hold it, another one for each.
    fn fit_name(&self, name: String) -> String;

    /// Returns all tables that are there, of all schemas of users.
    fn tables(&mut self) -> impl Future<Output = Result<Vec<TargetTable>, SinkError>> + Send;

    /// Looks at a table; nothing when it is missing.
    fn look(
        &mut self,
        table: &TargetTable,
    ) -> impl Future<Output = Result<Option<Found<Self::Holds>>, SinkError>> + Send;

    /// Makes a table, and its schema. One that is there by now is no error.
    fn create(
        &mut self,
        table: &TargetTable,
        new: &NewTable,
    ) -> impl Future<Output = Result<Fate, SinkError>> + Send;

    /// Changes a table. One that is missing is no error.
    fn alter(
        &mut self,
        table: &TargetTable,
        layout: Layout,
        alteration: &Alteration,
    ) -> impl Future<Output = Result<Fate, SinkError>> + Send;

    /// Does something with rows, in few statements, and returns what became of each.
    fn write(
        &mut self,
        table: &Open<Self::Holds>,
        write: &Write<'_>,
    ) -> impl Future<Output = Result<Vec<Fate>, SinkError>> + Send;

    /// Returns which of these keys the table has rows of.
    fn find(
        &mut self,
        table: &Open<Self::Holds>,
        keys: &[Vec<Cell<'_>>],
    ) -> impl Future<Output = Result<Vec<bool>, SinkError>> + Send;

    /// Keeps dead letters of a shard, which concern this table (empty when it is not known which), in the table
    /// `ctk_dead_letters`, which is made when it is missing.
    fn keep(
        &mut self,
        shard: &ShardId,
        table: &str,
        letters: &[DeadLetter],
    ) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Returns what was stored of tables under the namespace of this run: JSON texts. The table for them is made when missing.
    fn definitions(&mut self) -> impl Future<Output = Result<Vec<String>, SinkError>> + Send;

    /// Stores what is known of a table of the source, or forgets it.
    fn define(
        &mut self,
        source: &SourceTable,
        definition: Option<&str>,
    ) -> impl Future<Output = Result<(), SinkError>> + Send;
}

#[cfg(test)]
pub(crate) mod contract;
