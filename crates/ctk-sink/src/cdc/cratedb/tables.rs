//! Tables: found, made and changed. What CrateDB refuses is told in its words, and leaves everything as it is.

use ctk_db::{DbError, cratedb::CrateDbError, quote};
use serde_json::Value;

use super::{
    CrateStore, failed,
    grow::subscript,
    kinds::{declare, declare_key, holds_all},
    members::beside,
    quoted,
    rows::DATA,
};
use crate::{
    SinkError,
    cdc::store::{Alteration, Fate, Layout, NewColumn, NewTable, TargetTable},
    cratedb::{names, schema::Schema, table::define},
};

/// Schemas that are not of users.
const SYSTEM: [&str; 4] = ["blob", "information_schema", "pg_catalog", "sys"];

/// The code of what is not to be changed, as a schema of the system.
const READ_ONLY: u32 = 4007;

impl CrateStore {
    pub(super) async fn all_tables(&self) -> Result<Vec<TargetTable>, SinkError> {
        let sql = "SELECT table_schema, table_name FROM information_schema.tables \
                   WHERE table_type = 'BASE TABLE' ORDER BY table_schema, table_name";
        let found = self.client.execute(sql, &[]).await.map_err(DbError::cratedb("list tables"))?;
        let text = |row: &[Value], at: usize| row.get(at)?.as_str().map(str::to_owned);
        let table =
            |row: &Vec<Value>| Some(TargetTable { schema: text(row, 0)?, table: text(row, 1)? });
        let tables = found.rows.iter().filter_map(table);
        Ok(tables.filter(|table| !SYSTEM.contains(&table.schema.as_str())).collect())
    }

    pub(super) async fn create_table(
        &mut self,
        table: &TargetTable,
        new: &NewTable,
    ) -> Result<Fate, SinkError> {
        let mut clauses = String::new();
        if let Some(shards) = self.settings.shards {
            clauses = format!(" CLUSTERED INTO {shards} SHARDS");
        }
        let replicas = self.settings.replicas.as_ref().map_or_else(String::new, |replicas| {
            format!(", number_of_replicas = '{}'", replicas.replace('\'', "''"))
        });
        let sql = format!(
            "CREATE TABLE IF NOT EXISTS {} ({}){clauses} WITH (column_policy = 'strict'{replicas})",
            quoted(table),
            definitions(new)
        );
        let fate = self.define(table, "create", &sql).await?;
        if fate.is_none() {
            // From now on a table that is missing is one that a node does not know yet.
            self.read(table).await?;
        }
        Ok(fate)
    }

    pub(super) async fn alter_table(
        &mut self,
        table: &TargetTable,
        layout: Layout,
        alteration: &Alteration,
    ) -> Result<Fate, SinkError> {
        if *alteration == Alteration::Drop {
            let sql = format!("DROP TABLE IF EXISTS {}", quoted(table));
            let fate = self.define(table, "drop", &sql).await?;
            if fate.is_none() {
                self.known.remove(table);
            }
            return Ok(fate);
        }
        // What is known may be the state of before a change that another run has made.
        let Some(schema) = self.read(table).await? else { return Ok(None) };
        let fate = match (alteration, layout) {
            (Alteration::AddColumns(columns), Layout::Direct) => {
                self.add_columns(table, &schema, columns).await?
            }
            (Alteration::DropColumn(column), Layout::Direct) => {
                let column = column_name(column);
                if schema.slot(&column).is_none() {
                    return Ok(None);
                }
                let sql = format!("ALTER TABLE {} DROP COLUMN {}", quoted(table), quote(&column));
                self.define(table, "change", &sql).await?
            }
            (Alteration::RenameColumn { from, to }, Layout::Direct) => {
                let (from, to) = (column_name(from), column_name(to));
                if schema.slot(&from).is_none() {
                    return Ok(None);
                }
                let sql = format!(
                    "ALTER TABLE {} RENAME COLUMN {} TO {}",
                    quoted(table),
                    quote(&from),
                    quote(&to)
                );
                self.define(table, "change", &sql).await?
            }
            (Alteration::ChangeColumn(column), Layout::Direct) => change(&schema, column),
            (Alteration::DropColumn(member), Layout::Universal) => {
                self.drop_member(table, &schema, &names::of_key(member)).await?
            }
            (Alteration::RenameColumn { from, to }, Layout::Universal) => {
                self.rename_member(table, &schema, from, to).await?
            }
            // Members come, and change their types, with the rows that have them.
            (Alteration::Drop, _)
            | (Alteration::AddColumns(_) | Alteration::ChangeColumn(_), Layout::Universal) => None,
            (Alteration::Truncate, _) => {
                // What was not refreshed would not be found, and stay.
                let refresh = format!("REFRESH TABLE {}", quoted(table));
                match self.define(table, "refresh", &refresh).await? {
                    None => {
                        let sql = format!("DELETE FROM {}", quoted(table));
                        self.define(table, "truncate", &sql).await?
                    }
                    refused => refused,
                }
            }
            (Alteration::Rename(to), _) if to == table => None,
            (Alteration::Rename(to), _) if to.schema != table.schema => {
                Some("CrateDB cannot move a table into another schema".into())
            }
            (Alteration::Rename(to), _) => {
                let sql = format!("ALTER TABLE {} RENAME TO {}", quoted(table), quote(&to.table));
                let fate = self.define(table, "rename", &sql).await?;
                if fate.is_none() {
                    self.known.remove(table);
                    self.read(to).await?;
                }
                return Ok(fate);
            }
            (Alteration::MakeUnique(columns), _) => unique(&schema, layout, columns),
        };
        self.read(table).await?;
        Ok(fate)
    }

    async fn add_columns(
        &mut self,
        table: &TargetTable,
        schema: &Schema,
        columns: &[NewColumn],
    ) -> Result<Fate, SinkError> {
        let is_missing =
            |schema: &Schema, column: &NewColumn| schema.slot(&column_name(&column.name)).is_none();
        let lacks: Vec<_> = columns.iter().filter(|column| is_missing(schema, column)).collect();
        let adding = |columns: &[&NewColumn]| {
            let columns: Vec<_> = columns
                .iter()
                .map(|column| {
                    let name = column_name(&column.name);
                    let named = NewColumn { name, kind: column.kind };
                    format!("ADD COLUMN {} {}", quote(&named.name), declare(&named))
                })
                .collect();
            format!("ALTER TABLE {} {}", quoted(table), columns.join(", "))
        };
        if lacks.is_empty()
            || self.define(table, "add columns to", &adding(&lacks)).await?.is_none()
        {
            return Ok(None);
        }
        // One of them is refused, or somebody else has added it: each alone.
        let mut refused = Vec::new();
        for column in lacks {
            if let Some(why) = self.define(table, "add columns to", &adding(&[column])).await? {
                refused.push((column, why));
            }
        }
        let Some(now) = self.read(table).await? else { return Ok(None) };
        let refused = refused.into_iter().filter(|(column, _)| is_missing(&now, column));
        let texts: Vec<_> = refused.map(|(_, why)| why).collect();
        Ok((!texts.is_empty()).then(|| texts.join("; ")))
    }

    /// Drops a member of `data`, and what stands beside it.
    async fn drop_member(
        &mut self,
        table: &TargetTable,
        schema: &Schema,
        member: &str,
    ) -> Result<Fate, SinkError> {
        let mut refused = Vec::new();
        for name in with_siblings(schema, member) {
            let path = subscript(&[DATA.to_owned(), name]);
            let sql = format!("ALTER TABLE {} DROP COLUMN {path}", quoted(table));
            refused.extend(self.define(table, "change", &sql).await?);
        }
        Ok((!refused.is_empty()).then(|| refused.join("; ")))
    }

    /// Gives a member of `data`, and what stands beside it, another name.
    async fn rename_member(
        &mut self,
        table: &TargetTable,
        schema: &Schema,
        from: &str,
        to: &str,
    ) -> Result<Fate, SinkError> {
        let (from, to) = (names::of_key(from), names::of_key(to));
        for name in with_siblings(schema, &from) {
            let new = name.replacen(from.as_ref(), &to, 1);
            let [old, new] = [name, new].map(|name| subscript(&[DATA.to_owned(), name]));
            let sql = format!("ALTER TABLE {} RENAME COLUMN {old} TO {new}", quoted(table));
            if let Some(refused) = self.define(table, "change", &sql).await? {
                return Ok(Some(refused));
            }
        }
        Ok(None)
    }

    /// Runs a statement; what is refused is a fate.
    async fn define(&self, table: &TargetTable, what: &str, sql: &str) -> Result<Fate, SinkError> {
        match define(&self.client, sql).await {
            Ok(()) => Ok(None),
            Err(error) if error.is_refused() || is_read_only(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(failed(what, table)(error)),
        }
    }
}

/// Returns the key of a member of `data` and those beside it, as far as they are there. The siblings come first, so that who is
/// stopped in between finds them again.
fn with_siblings(schema: &Schema, name: &str) -> Vec<String> {
    let Some(data) = schema.get(&[DATA.to_owned()]) else { return Vec::new() };
    let own = data.keys().and_then(|keys| keys.get_key_value(name)).map(|(key, _)| key);
    beside(data, name).into_iter().chain(own).cloned().collect()
}

fn is_read_only(error: &CrateDbError) -> bool {
    matches!(error, CrateDbError::Sql { code: READ_ONLY, .. })
}

/// Returns the name as a column can have it; one that it can have already is one that was fitted.
fn column_name(name: &str) -> String {
    if names::is_column(name) { name.to_owned() } else { names::of_column(name) }
}

fn member_name(name: &str) -> String {
    if names::is_key(name) { name.to_owned() } else { names::of_key(name).into_owned() }
}

/// Returns the columns and the key of a new table.
fn definitions(new: &NewTable) -> String {
    match new.layout {
        Layout::Direct => {
            let column = |column: &NewColumn| {
                let is_key = new.key.contains(&column.name);
                let named = NewColumn { name: column_name(&column.name), kind: column.kind };
                let of = if is_key { declare_key(named.kind).into() } else { declare(&named) };
                format!("{} {of}", quote(&named.name))
            };
            let columns: Vec<_> = new.columns.iter().map(column).collect();
            let key: Vec<_> = new.key.iter().map(|name| quote(&column_name(name))).collect();
            format!("{}, PRIMARY KEY ({})", columns.join(", "), key.join(", "))
        }
        Layout::Universal => {
            // Each in its place in the key, which is that in the object.
            let member = |name: &String| {
                let column = new.columns.iter().find(|column| column.name == *name);
                let of = column.map_or("TEXT", |column| declare_key(column.kind));
                format!("{} {of} PRIMARY KEY", quote(&member_name(name)))
            };
            let members: Vec<_> = new.key.iter().map(member).collect();
            format!(
                "\"pk\" OBJECT(STRICT) AS ({}), \"data\" OBJECT(DYNAMIC), \"aux\" OBJECT(IGNORED)",
                members.join(", ")
            )
        }
    }
}

/// CrateDB does not change types. What the column does not hold goes beside.
fn change(schema: &Schema, column: &NewColumn) -> Fate {
    let name = column_name(&column.name);
    let slot = schema.slot(&name)?;
    let of = &schema.columns.get(slot)?.of;
    let declared = declare(&NewColumn { name: name.clone(), kind: column.kind });
    let why = || {
        format!("CrateDB cannot change the type of column {name}; values that do not fit go beside")
    };
    (!holds_all(of, &declared)).then(why)
}

fn unique(schema: &Schema, layout: Layout, columns: &[String]) -> Fate {
    let mut wanted: Vec<String> = match layout {
        Layout::Direct => columns.iter().map(|name| column_name(name)).collect(),
        Layout::Universal => {
            let name = |name: &String| format!("pk['{}']", member_name(name));
            columns.iter().map(name).collect()
        }
    };
    let mut key = schema.key.clone();
    wanted.sort_unstable();
    key.sort_unstable();
    let why = || "in CrateDB only the primary key is unique, and a table keeps the one it has";
    (wanted != key).then(|| why().to_owned())
}
