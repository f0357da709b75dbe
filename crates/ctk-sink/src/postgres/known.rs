//! The table as a run knows it: what its columns hold, which of them a member goes to, and what is to be added.

use std::collections::{HashMap, HashSet};

use ctk_db::{
    DbError,
    postgres::{self, Connection, Type},
};
use ctk_flow::{ColumnId, Value};

use super::{
    Settings,
    holds::put,
    kinds::{Kind, Seen},
    names::NAMING,
};
use crate::{
    SinkError,
    columns::{self, Columns},
    envelope::Envelope,
    group::Delivery,
    names::{self, ENVELOPE, MESSAGE_ID},
};

/// What a column holds.
#[derive(Clone, Debug)]
pub(super) struct Holds {
    pub(super) of: Type,
    /// Nothing can be put into it.
    pub(super) is_generated: bool,
    /// It has a value of its own where a record has none.
    pub(super) has_default: bool,
}

/// Why a value found no column.
pub(super) type Misfit = columns::Misfit<Kind>;

/// Columns that are to be made.
pub(super) type Missing = Vec<(String, Kind)>;

/// A table as it was read. A new one is made for each look at it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Tells one look from another.
    pub(super) version: u64,
    /// It is in the database.
    pub(super) exists: bool,
    pub(super) columns: Columns<Holds>,
    /// The place of the message id.
    pub(super) id: Option<usize>,
    /// The message id is a key, so that what is read again is noticed.
    has_key: bool,
    /// The place of the rest of the envelope.
    pub(super) envelope: Option<usize>,
    /// It may change or ignore rows: what was sent is looked at.
    pub(super) has_rules: bool,
    /// It is a table of another server.
    pub(super) is_foreign: bool,
    /// What was seen, in short: a transaction that sees something else writes nothing.
    pub(super) fingerprint: String,
    /// It cannot be written by COPY.
    pub(super) has_row_security: bool,
    /// Columns that PostgreSQL does not let us make, and why.
    pub(super) barred: HashMap<String, String>,
}

/// Returns a query for what a table is, in short: itself, its columns, their types and defaults, its keys, and whether it has
/// rules of its own.
pub(super) fn fingerprint_sql(settings: &Settings) -> String {
    let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
    format!(
        "SELECT pg_catalog.concat_ws('/', c.oid, c.relkind, c.relhasrules, c.relhastriggers, c.relrowsecurity, c.relforcerowsecurity, \
         (SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(',', a.attnum, a.attname, a.atttypid, a.atttypmod, \
         a.attnotnull, a.atthasdef, a.attgenerated, a.attidentity), ';' ORDER BY a.attnum)) FROM pg_catalog.pg_attribute a \
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), \
         (SELECT pg_catalog.string_agg(pg_catalog.concat_ws(',', i.indexrelid, i.indisvalid), ';' ORDER BY i.indexrelid) \
         FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisunique)) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = {} AND c.relname = {}",
        literal(&settings.schema),
        literal(&settings.table)
    )
}

impl Known {
    /// Looks at the table. One that is missing is one without a column.
    pub(super) async fn read(
        connection: &mut Connection,
        settings: &Settings,
        version: u64,
    ) -> Result<Self, SinkError> {
        // First, so that what changes meanwhile is noticed.
        let sql = fingerprint_sql(settings);
        let fingerprint: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .persistent(false)
            .fetch_optional(&mut *connection)
            .await
            .map_err(DbError::statement(format!("look at table {}", settings.shown())))?;
        let found = postgres::table(connection, &settings.schema, &settings.table).await?;
        let mut known = Self {
            version,
            exists: found.is_some(),
            columns: Columns::new(NAMING),
            id: None,
            has_key: false,
            envelope: None,
            has_rules: false,
            is_foreign: false,
            fingerprint: fingerprint.unwrap_or_default(),
            has_row_security: false,
            barred: HashMap::new(),
        };
        let Some(found) = found else { return Ok(known) };
        if !found.kind.takes_rows() {
            return Err(SinkError::NoTableAtAll { table: settings.shown() });
        }
        known.is_foreign = found.kind == postgres::Kind::Foreign;
        known.has_rules = found.has_triggers;
        known.has_row_security = found.has_row_security;
        for column in found.columns {
            let holds = Holds {
                of: column.of,
                is_generated: column.is_generated,
                has_default: column.has_default,
            };
            known.columns.push(column.name, holds, column.is_key);
        }
        if settings.envelope != Envelope::None {
            let is_text =
                |of: &Type| matches!(of, Type::Text { most } if most.is_none_or(|most| most >= 31));
            known.id = known.own(MESSAGE_ID, "text", is_text, settings)?;
            let Settings { schema, table, .. } = settings;
            known.has_key = known.id.is_some()
                && postgres::is_unique(connection, schema, table, MESSAGE_ID).await?;
        }
        if settings.envelope == Envelope::Full {
            let is_json = |of: &Type| matches!(of, Type::Jsonb | Type::Json);
            known.envelope = known.own(ENVELOPE, "JSONB", is_json, settings)?;
        }
        Ok(known)
    }

    /// Returns the place of a column of the envelope, if it is there.
    fn own(
        &self,
        name: &'static str,
        wanted: &'static str,
        suits: impl Fn(&Type) -> bool,
        settings: &Settings,
    ) -> Result<Option<usize>, SinkError> {
        let columns::Place::Column(slot) = self.columns.place(name) else { return Ok(None) };
        let holds = &self.columns[slot].holds;
        if holds.is_generated || !suits(&holds.of) {
            let table = settings.shown();
            return Err(SinkError::OtherColumn { table, column: name, wanted });
        }
        Ok(Some(slot))
    }

    /// Returns true when nothing of the envelope is missing.
    pub(super) fn is_complete(&self, envelope: Envelope) -> bool {
        self.exists
            && match envelope {
                Envelope::None => true,
                Envelope::Id => self.has_key,
                Envelope::Full => self.has_key && self.envelope.is_some(),
            }
    }

    /// Returns the column of each member of each batch, and what is to be added for those that hold more than NULLs.
    pub(super) fn resolve(
        &self,
        group: &[Delivery],
        grows: bool,
    ) -> (Vec<Vec<Option<usize>>>, Missing) {
        let found = |name: &str| self.columns.find(names::of_member(name));
        let slots: Vec<Vec<Option<usize>>> = group
            .iter()
            .map(|delivery| {
                delivery.changes.columns().iter().map(|name| found(name).ok()).collect()
            })
            .collect();
        let mut new: Vec<(String, Seen)> = Vec::new();
        if !grows {
            return (slots, Vec::new());
        }
        for (Delivery { changes, .. }, slots) in group.iter().zip(&slots) {
            // The place in `new` of each member without a column.
            let mut wanted: Vec<Option<usize>> = vec![None; slots.len()];
            for (index, name) in changes.columns().iter().enumerate() {
                if slots[index].is_none()
                    && let Err(name) = found(name)
                    && !self.barred.contains_key(&name)
                {
                    let there = new.iter().position(|(other, _)| *other == name);
                    wanted[index] = Some(there.unwrap_or_else(|| {
                        new.push((name, Seen::default()));
                        new.len() - 1
                    }));
                }
            }
            if wanted.iter().all(Option::is_none) {
                continue;
            }
            for (column, value) in changes.rows().flat_map(|row| row.cells()) {
                if let Some(place) = wanted[column.index()] {
                    new[place].1.see(value);
                }
            }
        }
        let missing = new.into_iter().filter_map(|(name, seen)| Some((name, seen.kind()?)));
        (slots, missing.collect())
    }

    /// Returns the columns that a group may need: those of its members, and their variants.
    pub(super) fn used(&self, slots: &[Vec<Option<usize>>]) -> Vec<usize> {
        let own: HashSet<usize> = slots.iter().flatten().flatten().copied().collect();
        let is_variant = |slot: usize| {
            let mut name = self.columns[slot].name.as_str();
            while let Some((base, _)) = name.rsplit_once("__") {
                if matches!(self.columns.place(base), columns::Place::Column(base) if own.contains(&base))
                {
                    return true;
                }
                name = base;
            }
            false
        };
        (0..self.columns.len())
            .filter(|slot| !self.columns[*slot].holds.is_generated && !self.is_of_envelope(*slot))
            .filter(|slot| own.contains(slot) || is_variant(*slot))
            .collect()
    }

    pub(super) fn is_of_envelope(&self, slot: usize) -> bool {
        self.id == Some(slot) || self.envelope == Some(slot)
    }

    /// Returns the column to put a value into, and its field: the member's own column, or the first free variant of it.
    pub(super) fn fit(
        &self,
        own: usize,
        value: Value<'_>,
        is_free: impl Fn(usize) -> bool,
    ) -> Result<(usize, Vec<u8>), Misfit> {
        let kind = Kind::of(value).map(|kind| (kind, kind.name()));
        self.columns.fit(own, kind, is_free, |holds| {
            let mut field = Vec::new();
            (!holds.is_generated && put(&holds.of, value, &mut field)).then_some(field)
        })
    }

    /// Says why a member has no column of its own, though it has a value.
    pub(super) fn without_column(
        &self,
        group: &Delivery,
        column: ColumnId,
        evolve: bool,
    ) -> String {
        let name = &group.changes.columns()[column.index()];
        if !evolve {
            return format!("the table has no column {name}, and evolve=none forbids to add it");
        }
        let fitted = self.columns.find(names::of_member(name)).err();
        let why = fitted.and_then(|name| self.barred.get(&name));
        format!(
            "the column {name} cannot be added: {}",
            why.map_or("it is refused", String::as_str)
        )
    }
}
