//! Which keys a table has rows of: they go into a temporary table as rows do, and are compared there as values of their columns.

use ctk_db::DbError;

use super::{
    PgHolds, PgStore, shown,
    stage::Stage,
    statements::Statements,
    write::{Data, END, encode},
};
use crate::{
    SinkError,
    cdc::{
        cell::Cell,
        store::{Op, Open, Write},
    },
    postgres::rows::raw,
};

impl PgStore<'_> {
    /// Looks for keys, of which there is at least one. What a key column does not hold is no row's.
    pub(super) async fn find_rows(
        &mut self,
        table: &Open<PgHolds>,
        keys: &[Vec<Cell<'_>>],
    ) -> Result<Vec<bool>, SinkError> {
        // What is staged is the same as that of rows that go.
        let (slots, rows) = (table.key.clone(), keys.to_vec());
        let write = Write { op: Op::Delete, slots, rows, from: Vec::new(), masks: Vec::new() };
        let stage = self.stages.of(table, &write);
        let data = encode(table, &write, stage.first, &mut vec![None; keys.len()]);
        let statements = Statements::new(table, &write, &stage);
        let numbers = self.numbers(&statements, &stage, &data, keys.len()).await;
        let what = || format!("look for rows of table {}", shown(&table.name));
        let numbers = numbers.map_err(|source| DbError::Statement { what: what(), source })?;
        let mut found = vec![false; keys.len()];
        for number in numbers {
            let place = usize::try_from(number).ok();
            if let Some(found) = place.and_then(|place| found.get_mut(place)) {
                *found = true;
            }
        }
        Ok(found)
    }

    async fn numbers(
        &mut self,
        statements: &Statements<'_>,
        stage: &Stage,
        data: &Data,
        count: usize,
    ) -> Result<Vec<i32>, sqlx::Error> {
        // One that is refused there is no row's either.
        self.stage(stage, &statements.staged(), data).await?;
        let sql = sqlx::AssertSqlSafe(statements.found(count));
        let found = sqlx::query_scalar(sql).persistent(false);
        let found = found.fetch_all(&mut *self.connection).await?;
        raw(self.connection, END.into()).await?;
        Ok(found)
    }
}
