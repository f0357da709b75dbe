//! What is known of a table of the source: where it goes, how it is laid out, its key, its columns. Stored as JSON.

use ctk_flow::{ColumnDef, ColumnKind, SourceTable, TableDef};
use serde::{Deserialize, Serialize};

use super::store::{Layout, TargetTable};

/// What is known of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Definition {
    pub(crate) source: SourceTable,
    pub(crate) target: TargetTable,
    pub(crate) layout: Layout,
    /// Its key, by the names of the source; empty where rows have none: they are told apart by their message ids.
    pub(crate) key: Vec<String>,
    /// All columns that were ever told, or seen, in their order.
    pub(crate) columns: Vec<ColumnDef>,
    /// The source has told the columns: there are no others.
    pub(crate) is_told: bool,
    /// Columns that got another name: the old and the new one. Records of before that time may come once more.
    pub(crate) renamed: Vec<(String, String)>,
}

/// The form in which it is stored: a member that is not known is left alone, so that a later version can add some.
#[derive(Deserialize, Serialize)]
struct Stored {
    source_schema: String,
    source_table: String,
    schema: String,
    table: String,
    universal: bool,
    key: Vec<String>,
    columns: Vec<(String, String)>,
    #[serde(default)]
    told: bool,
    #[serde(default)]
    renamed: Vec<(String, String)>,
}

impl Definition {
    /// Returns the place of a column.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Returns the name that a column of the source has by now.
    pub(crate) fn name<'a>(&'a self, name: &'a str) -> &'a str {
        let mut name = name;
        for (from, to) in &self.renamed {
            if name == from {
                name = to;
            }
        }
        name
    }

    /// Forgets that a column had another name, where the table has a column of that name by now.
    pub(crate) fn forget_names(&mut self, def: &TableDef) {
        let is_told = |name: &str| def.columns.iter().any(|column| column.name == name);
        let old = self.renamed.iter().map(|(from, _)| from.clone());
        let new: Vec<_> = old.filter(|from| is_told(from) && is_told(self.name(from))).collect();
        self.renamed.retain(|(from, _)| !new.contains(from));
    }

    /// Takes what the source says of the table. What it does not say stays: some records tell a part of a table only.
    pub(crate) fn take(&mut self, def: &TableDef) {
        self.forget_names(def);
        let is_new = self.columns.is_empty();
        for column in &def.columns {
            let name = self.name(&column.name).to_owned();
            match self.position(&name) {
                Some(at) => self.columns[at].kind = column.kind,
                None => self.columns.push(ColumnDef { name, kind: column.kind }),
            }
        }
        self.is_told |= !def.columns.is_empty();
        let key: Vec<String> = def.key.iter().map(|name| self.name(name).to_owned()).collect();
        let is_same = key.len() == self.key.len() && key.iter().all(|name| self.key.contains(name));
        if !key.is_empty() && !is_same {
            self.key = key;
        } else if key.is_empty() && is_new && self.is_told {
            // A table that was made anew, without the columns of its old key.
            let has_all = self.key.iter().all(|name| self.position(name).is_some());
            if !has_all {
                self.key.clear();
            }
        }
    }

    pub(crate) fn to_json(&self) -> String {
        let Self { source, target, layout, key, columns, is_told, renamed } = self.clone();
        let stored = Stored {
            source_schema: source.schema,
            source_table: source.table,
            schema: target.schema,
            table: target.table,
            universal: layout == Layout::Universal,
            key,
            columns: columns.into_iter().map(|column| (column.name, name(column.kind))).collect(),
            told: is_told,
            renamed,
        };
        // Texts and lists of texts: there is nothing that could fail.
        serde_json::to_string(&stored).unwrap_or_default()
    }

    /// Reads what [`Self::to_json`] wrote.
    pub(crate) fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        let stored: Stored = serde_json::from_str(text)?;
        let column = |(name, kind): (String, String)| ColumnDef { name, kind: kind_of(&kind) };
        Ok(Self {
            source: SourceTable { schema: stored.source_schema, table: stored.source_table },
            target: TargetTable { schema: stored.schema, table: stored.table },
            layout: if stored.universal { Layout::Universal } else { Layout::Direct },
            key: stored.key,
            columns: stored.columns.into_iter().map(column).collect(),
            is_told: stored.told,
            renamed: stored.renamed,
        })
    }
}

fn name(kind: ColumnKind) -> String {
    match kind {
        ColumnKind::Bool => "bool".to_owned(),
        ColumnKind::Integer { bits, signed: true } => format!("int{bits}"),
        ColumnKind::Integer { bits, signed: false } => format!("uint{bits}"),
        ColumnKind::Numeric { precision: Some(precision), scale } => {
            format!("numeric({precision},{scale})")
        }
        ColumnKind::Numeric { precision: None, .. } => "numeric".to_owned(),
        ColumnKind::Real => "real".to_owned(),
        ColumnKind::Double => "double".to_owned(),
        ColumnKind::Text => "text".to_owned(),
        ColumnKind::Bytes => "bytes".to_owned(),
        ColumnKind::Date => "date".to_owned(),
        ColumnKind::Time => "time".to_owned(),
        ColumnKind::Timestamp => "timestamp".to_owned(),
        ColumnKind::Json => "json".to_owned(),
        ColumnKind::Unknown => "unknown".to_owned(),
    }
}

pub(crate) fn kind_of(name: &str) -> ColumnKind {
    let numeric = || {
        let (precision, scale) =
            name.strip_prefix("numeric(")?.strip_suffix(')')?.split_once(',')?;
        let (precision, scale) = (precision.parse().ok()?, scale.parse().ok()?);
        Some(ColumnKind::Numeric { precision: Some(precision), scale })
    };
    let integer = || {
        let (digits, signed) = match name.strip_prefix('u') {
            Some(rest) => (rest, false),
            None => (name, true),
        };
        let bits = digits.strip_prefix("int")?.parse().ok()?;
        Some(ColumnKind::Integer { bits, signed })
    };
    match name {
        "bool" => ColumnKind::Bool,
        "numeric" => ColumnKind::Numeric { precision: None, scale: 0 },
        "real" => ColumnKind::Real,
        "double" => ColumnKind::Double,
        "text" => ColumnKind::Text,
        "bytes" => ColumnKind::Bytes,
        "date" => ColumnKind::Date,
        "time" => ColumnKind::Time,
        "timestamp" => ColumnKind::Timestamp,
        "json" => ColumnKind::Json,
        _ => numeric().or_else(integer).unwrap_or(ColumnKind::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_comes_back() {
        let kinds = [
            ColumnKind::Bool,
            ColumnKind::Integer { bits: 16, signed: true },
            ColumnKind::Integer { bits: 64, signed: false },
            ColumnKind::Numeric { precision: Some(38), scale: 10 },
            ColumnKind::Numeric { precision: None, scale: 0 },
            ColumnKind::Real,
            ColumnKind::Double,
            ColumnKind::Text,
            ColumnKind::Bytes,
            ColumnKind::Date,
            ColumnKind::Time,
            ColumnKind::Timestamp,
            ColumnKind::Json,
            ColumnKind::Unknown,
        ];
        let column = |(index, kind): (usize, &ColumnKind)| ColumnDef {
            name: format!("c \"{index}\""),
            kind: *kind,
        };
        let definition = Definition {
            source: SourceTable { schema: "shop".into(), table: "orders".into() },
            target: TargetTable { schema: String::new(), table: "orders".into() },
            layout: Layout::Universal,
            key: vec!["c \"1\"".into(), "c \"2\"".into()],
            columns: kinds.iter().enumerate().map(column).collect(),
            is_told: true,
            renamed: vec![("a".into(), "b".into())],
        };
        assert_eq!(Definition::from_json(&definition.to_json()).unwrap(), definition);
        assert!(Definition::from_json("{}").is_err());
    }
}
