//! Temporary tables, through which rows go: one for each table and each set of columns, until the end of the transaction.

use ctk_db::quote;

use super::{PgHolds, quoted};
use crate::cdc::store::{Op, Open, TargetTable, Write};

/// Those of a transaction.
#[derive(Debug, Default)]
pub(super) struct Stages(Vec<Option<Made>>);

/// One of them.
#[derive(Debug)]
struct Made {
    of: Of,
    /// Rows that went through it since it was emptied.
    rows: usize,
}

/// What it was made for.
#[derive(Debug, PartialEq, Eq)]
struct Of {
    table: TargetTable,
    columns: Vec<String>,
    has_old_keys: bool,
    has_masks: bool,
}

/// One that is used.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) name: String,
    /// What makes or empties it, if that is needed.
    pub(super) prepare: Option<String>,
    /// The number of the first row: there may be others before it, of which nobody asks any more.
    pub(super) first: usize,
}

/// Rows that may stay in one: to pass over them costs less than to empty it.
const STAY: usize = 500;

impl Stages {
    /// Returns the one to use.
    pub(super) fn of(&mut self, table: &Open<PgHolds>, write: &Write<'_>) -> Stage {
        let columns = write.slots.iter().map(|slot| table.columns[*slot].name.clone()).collect();
        let of = Of {
            table: table.name.clone(),
            columns,
            has_old_keys: write.op == Op::Move,
            has_masks: !write.masks.is_empty(),
        };
        let name = |place| format!("pg_temp.ctk_rows_{place}");
        let all = self.0.iter_mut().enumerate();
        let mut found = all.filter_map(|(place, made)| Some((place, made.as_mut()?)));
        if let Some((place, made)) = found.find(|(_, made)| made.of == of) {
            let name = name(place);
            let prepare = (made.rows > STAY).then(|| format!("TRUNCATE {name}"));
            let first = if prepare.is_some() { 0 } else { made.rows };
            made.rows = first + write.rows.len();
            return Stage { name, prepare, first };
        }
        let place = self.0.len();
        let prepare = Some(create_sql(place, &of, table.key.len()));
        self.0.push(Some(Made { of, rows: write.rows.len() }));
        Stage { name: name(place), prepare, first: 0 }
    }

    /// Forgets them, since a table has changed. They stay until the end.
    pub(super) fn forget(&mut self) {
        self.0.fill_with(|| None);
    }
}

/// Returns what makes a table with a number for each row, and a column for each cell, of the type of the column that it goes to.
fn create_sql(place: usize, made: &Of, keys: usize) -> String {
    let mut columns = vec!["0 AS n".to_owned()];
    columns.extend(
        (0..).zip(&made.columns).map(|(at, name): (usize, _)| format!("{} AS c{at}", quote(name))),
    );
    if made.has_old_keys {
        let old = made.columns.iter().take(keys).enumerate();
        columns.extend(old.map(|(at, name)| format!("{} AS f{at}", quote(name))));
    }
    if made.has_masks {
        columns.push("''::text AS mask".into());
    }
    format!(
        "CREATE TEMPORARY TABLE ctk_rows_{place} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA",
        columns.join(", "),
        quoted(&made.table)
    )
}
