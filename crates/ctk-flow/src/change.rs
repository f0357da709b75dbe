//! What change data asks for beside new rows: of which table, which row, and of the tables themselves.
//!
//! A change is a row of [`crate::Changes`] with an [`Action`]. Its cells are named as the source names its columns; which of
//! them are the key of the table is known to the sink, unless the record says so itself ([`Parts::key`]).

/// The name of a table in the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceTable {
    /// Empty where the source has none, and for tables of the replication itself.
    pub schema: String,
    /// The table.
    pub table: String,
}

/// The index of a table within one [`crate::Changes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub(crate) u32);

impl TableId {
    /// Returns the place in [`crate::Changes::tables`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is asked for, while it is being built.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The row is as it says: what it lacks is NULL, and what was there under its key goes.
    Put,
    /// What it has is changed, the rest stays; where there is no such row, it becomes one.
    Patch,
    /// The row of this key goes.
    Delete,
    /// The table itself changes. There are no cells.
    Table(TableChange),
}

/// How many cells of a change are what. They stand in this order; what is left between `key` and `aux` is the rest of the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Columns as they were before the change, as far as the record tells.
    pub before: u32,
    /// The columns of the key, where the record says that they are it; zero where it does not.
    pub key: u32,
    /// What not every database can keep among the others (lists of several types).
    pub aux: u32,
}

/// A change of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// It is created. One that is there already gets the columns that it lacks.
    Create(TableDef),
    /// It goes, and all of its rows.
    Drop,
    /// Its rows go.
    Truncate,
    /// It has another name from here on.
    Rename(SourceTable),
    /// A column comes.
    AddColumn(ColumnDef),
    /// A column goes.
    DropColumn(String),
    /// A column gets another name.
    RenameColumn {
        /// The old name.
        from: String,
        /// The new one.
        to: String,
    },
    /// A column gets another type.
    ChangeColumn(ColumnDef),
    /// The table looks like this from here on; what changed is told by the difference.
    Become(TableDef),
}

impl TableChange {
    /// Returns about how many bytes it takes.
    pub(crate) fn size(&self) -> usize {
        let of_columns = |columns: &[ColumnDef]| -> usize {
            columns.iter().map(|column| size_of::<ColumnDef>() + column.name.len()).sum()
        };
        let beside = match self {
            Self::Create(def) | Self::Become(def) => of_columns(&def.columns) + def.key.len() * 32,
            Self::AddColumn(def) | Self::ChangeColumn(def) => def.name.len(),
            Self::DropColumn(name) => name.len(),
            Self::RenameColumn { from, to } => from.len() + to.len(),
            Self::Rename(table) => table.schema.len() + table.table.len(),
            Self::Drop | Self::Truncate => 0,
        };
        size_of::<Self>() + beside
    }
}

/// What is known of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableDef {
    /// Its columns, in their order.
    pub columns: Vec<ColumnDef>,
    /// The names of those that are its primary key; may be empty.
    pub key: Vec<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column holds, as the source says. A sink makes of it what its database has for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// `true`, `false`.
    Bool,
    /// Integers of 8, 16, 32 or 64 bits.
    Integer {
        /// Their width.
        bits: u8,
        /// Whether there are negative ones.
        signed: bool,
    },
    /// Exact decimals.
    Numeric {
        /// Digits in all; `None` where there is no limit, or it is not told.
        precision: Option<u16>,
        /// Digits behind the point.
        scale: u16,
    },
    /// IEEE floats of 32 bits.
    Real,
    /// IEEE floats of 64 bits.
    Double,
    /// Text.
    Text,
    /// Bytes; in records, as text of hexadecimal digits, with or without `0x`, or in base64.
    Bytes,
    /// A day.
    Date,
    /// A time of day.
    Time,
    /// An instant.
    Timestamp,
    /// Any JSON value.
    Json,
    /// Not told, or nothing that is known: what the first values are decides.
    Unknown,
}
