//! Rows into a table: all at once, or all that it takes.

use std::ops::Range;

use ctk_db::{
    DbError,
    postgres::{Trouble, Type, sqlstate, trouble},
    text_of,
};

use super::{PgHolds, PgStore, shown, stage::Stage, statements::Statements};
use crate::{
    SinkError,
    cdc::store::{Fate, Op, Open, Write},
    postgres::{
        holds::{put, put_null},
        put::Work,
        rows::{copy, raw},
    },
};

const BEGIN: &str = "SAVEPOINT ctk_rows";
/// Keeps what was done before.
const KEEP: &str = "RELEASE SAVEPOINT ctk_rows; SAVEPOINT ctk_rows";
const BACK: &str = "ROLLBACK TO SAVEPOINT ctk_rows";
pub(super) const END: &str = "RELEASE SAVEPOINT ctk_rows";

/// How often rows that were refused are tried again, as long as some of them are not any more.
const ROUNDS: usize = 3;

/// Rows as data for COPY.
pub(super) struct Data {
    bytes: Vec<u8>,
    /// Where each row ends. One that does not fit has no bytes.
    ends: Vec<usize>,
}

impl Data {
    fn of(&self, rows: &Range<usize>) -> &[u8] {
        let end = |row: usize| row.checked_sub(1).and_then(|row| self.ends.get(row)).copied();
        self.bytes.get(end(rows.start).unwrap_or(0)..end(rows.end).unwrap_or(0)).unwrap_or_default()
    }
}

/// Encodes the rows, which are numbered from `first` on; those that do not fit are noted.
pub(super) fn encode(
    table: &Open<PgHolds>,
    write: &Write<'_>,
    first: usize,
    fates: &mut [Fate],
) -> Data {
    let mut data = Data { bytes: Vec::new(), ends: Vec::with_capacity(write.rows.len()) };
    let keys = if write.op == Op::Move { table.key.len() } else { 0 };
    let slots = || write.slots.iter().chain(write.slots.iter().take(keys));
    // A table has 1,600 columns at most.
    let masks = usize::from(!write.masks.is_empty());
    let fields = i16::try_from(1 + write.slots.len() + keys + masks).unwrap_or_default();
    let nothing = Vec::new();
    for (row, (cells, fate)) in write.rows.iter().zip(fates).enumerate() {
        let start = data.bytes.len();
        data.bytes.extend(fields.to_be_bytes());
        data.bytes.extend(4_i32.to_be_bytes());
        data.bytes.extend(i32::try_from(first + row).unwrap_or_default().to_be_bytes());
        let old = if keys == 0 { &nothing } else { write.from.get(row).unwrap_or(&nothing) };
        for (slot, cell) in slots().zip(cells.iter().chain(old)) {
            let column = &table.columns[*slot];
            match cell.value() {
                ctk_flow::Value::Null => put_null(&mut data.bytes),
                value if put(&column.holds.of, value, &mut data.bytes) => {}
                _ => {
                    *fate = Some(format!("the column {} cannot hold the value", column.name));
                    break;
                }
            }
        }
        if let Some(mask) = write.masks.get(row) {
            put(&Type::Text { most: None }, ctk_flow::Value::Text(mask), &mut data.bytes);
        }
        if fate.is_some() {
            data.bytes.truncate(start);
        }
        data.ends.push(data.bytes.len());
    }
    data
}

impl PgStore<'_> {
    /// Writes rows, of which there is at least one.
    pub(super) async fn write_rows(
        &mut self,
        table: &Open<PgHolds>,
        write: &Write<'_>,
    ) -> Result<Vec<Fate>, SinkError> {
        let mut fates = vec![None; write.rows.len()];
        let stage = self.stages.of(table, write);
        let data = encode(table, write, stage.first, &mut fates);
        let written = self.write_data(table, write, &stage, &data, &mut fates).await;
        written.map_err(|source| {
            let what = format!("write into table {}", shown(&table.name));
            SinkError::Db(DbError::Statement { what, source })
        })?;
        Ok(fates)
    }

    async fn write_data(
        &mut self,
        table: &Open<PgHolds>,
        write: &Write<'_>,
        stage: &Stage,
        data: &Data,
        fates: &mut [Fate],
    ) -> Result<(), sqlx::Error> {
        let statements = Statements::new(table, write, stage);
        let mut refused = self.stage(stage, &statements.staged(), data).await?;
        let mut apply = Apply { store: self, table, statements };
        let (mut waiting, mut work) = (Vec::new(), Work::new(data.ends.len()));
        while let Some(rows) = work.next() {
            if let Some(why) = apply.attempt(&rows).await? {
                work.divide(rows, why, &mut waiting);
            }
        }
        // A row may be refused for what another one held until it was written.
        for _ in 0..ROUNDS {
            if waiting.is_empty() || waiting.len() == data.ends.len() {
                break;
            }
            waiting.reverse();
            let (before, rows) = (waiting.len(), std::mem::take(&mut waiting));
            for (row, _) in rows {
                if let Some(why) = apply.attempt(&(row..row + 1)).await? {
                    waiting.push((row, why));
                }
            }
            if waiting.len() == before {
                break;
            }
        }
        refused.append(&mut waiting);
        for (row, why) in refused {
            if let Some(fate) = fates.get_mut(row) {
                fate.get_or_insert(why);
            }
        }
        raw(self.connection, END.into()).await
    }

    /// Copies rows into the temporary table, and returns those that are refused. A savepoint is open then.
    pub(super) async fn stage(
        &mut self,
        stage: &Stage,
        columns: &str,
        data: &Data,
    ) -> Result<Vec<(usize, String)>, sqlx::Error> {
        let prepare = stage.prepare.as_ref().map(|sql| format!("{sql}; ")).unwrap_or_default();
        raw(self.connection, format!("{prepare}{BEGIN}")).await?;
        // Domains refuse values here already.
        let (mut refused, mut work) = (Vec::new(), Work::new(data.ends.len()));
        let mut is_copied = false;
        while let Some(rows) = work.next() {
            if is_copied {
                raw(self.connection, KEEP.into()).await?;
            }
            match copy(self.connection, &stage.name, columns, data.of(&rows)).await {
                Ok(_) => is_copied = true,
                Err(error) => work.divide(rows, self.back(error).await?, &mut refused),
            }
        }
        Ok(refused)
    }

    /// Goes back to before a statement that was refused, and returns why; other errors stay what they are.
    async fn back(&mut self, error: sqlx::Error) -> Result<String, sqlx::Error> {
        let is_of_rows = trouble(&error) == Trouble::Rows
            // A key that the server numbers, and that no statement can change.
            || sqlstate(&error).as_deref() == Some("428C9");
        if !is_of_rows {
            return Err(error);
        }
        raw(self.connection, BACK.into()).await?;
        Ok(text_of(&error))
    }

    async fn asks(&mut self, sql: String) -> Result<bool, sqlx::Error> {
        let query = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).persistent(false);
        query.fetch_one(&mut *self.connection).await
    }
}

struct Apply<'a, 'b> {
    store: &'a mut PgStore<'b>,
    table: &'a Open<PgHolds>,
    statements: Statements<'a>,
}

impl Apply<'_, '_> {
    /// Writes some rows, or says why not.
    async fn attempt(&mut self, rows: &Range<usize>) -> Result<Option<String>, sqlx::Error> {
        let name = &self.table.name;
        loop {
            let conflicts = !self.store.conflicts.are_refused_by(name);
            let sql = self.statements.apply(rows, conflicts);
            let sql = format!("{KEEP}; {sql}");
            let done =
                sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut *self.store.connection).await;
            match done {
                Ok(done) => return self.look_back(rows, done.rows_affected()).await,
                Err(error) if conflicts && is_about_conflicts(&error) => {
                    self.store.conflicts.refuse(name);
                    raw(self.store.connection, BACK.into()).await?;
                }
                Err(error) => return self.store.back(error).await.map(Some),
            }
        }
    }

    /// Looks whether the table ignored some of what was written, which then goes back.
    async fn look_back(
        &mut self,
        rows: &Range<usize>,
        written: u64,
    ) -> Result<Option<String>, sqlx::Error> {
        let is_less = written < rows.len() as u64 && self.statements.makes_rows();
        if is_less && self.store.asks(self.statements.is_missing(rows)).await? {
            raw(self.store.connection, BACK.into()).await?;
            return Ok(Some("the table ignored the row".into()));
        }
        Ok(None)
    }
}

/// No such index, rules, a table of another server, a key that is checked at the end.
fn is_about_conflicts(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error).as_deref(), Some("42P10" | "0A000" | "55000"))
}
