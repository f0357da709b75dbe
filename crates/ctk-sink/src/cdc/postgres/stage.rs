//! Temporary tables, through which rows go: one for each table and each set of columns, until the end of the transaction.

use ctk_db::quote;

use super::{PgHolds, quoted};
use crate::cdc::store::{Op, Open, TargetTable, Write};

/// Those of a transaction.
#[derive(Debug, Default)]
pub(super) struct Stages(Vec<Option<Made>>);

/// What one was made for.
#[derive(Debug, PartialEq, Eq)]
struct Made {
    table: TargetTable,
    columns: Vec<String>,
    has_old_keys: bool,
}

impl Stages {
    /// Returns the name of the one to use, and what makes or empties it.
    pub(super) fn of(&mut self, table: &Open<PgHolds>, write: &Write<'_>) -> (String, String) {
        let columns = write.slots.iter().map(|slot| table.columns[*slot].name.clone()).collect();
        let made = Made { table: table.name.clone(), columns, has_old_keys: write.op == Op::Move };
        let name = |place| format!("pg_temp.ctk_rows_{place}");
        if let Some(place) = self.0.iter().position(|other| other.as_ref() == Some(&made)) {
            let name = name(place);
            let sql = format!("TRUNCATE {name}");
            return (name, sql);
        }
        let place = self.0.len();
        let sql = create_sql(place, &made, table.key.len());
        self.0.push(Some(made));
        (name(place), sql)
    }

    /// Forgets them, since a table has changed. They stay until the end.
    pub(super) fn forget(&mut self) {
        self.0.fill_with(|| None);
    }
}

/// Returns what makes a table with a number for each row, and a column for each cell, of the type of the column that it goes to.
fn create_sql(place: usize, made: &Made, keys: usize) -> String {
    let mut columns = vec!["0 AS n".to_owned()];
    columns.extend(
        (0..).zip(&made.columns).map(|(at, name): (usize, _)| format!("{} AS c{at}", quote(name))),
    );
    if made.has_old_keys {
        let old = made.columns.iter().take(keys).enumerate();
        columns.extend(old.map(|(at, name)| format!("{} AS f{at}", quote(name))));
        columns.push("false AS moved".into());
    }
    format!(
        "CREATE TEMPORARY TABLE ctk_rows_{place} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA",
        columns.join(", "),
        quoted(&made.table)
    )
}
