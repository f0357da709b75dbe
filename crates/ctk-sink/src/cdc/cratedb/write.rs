//! Rows into a table: what is done with them, in which statements, and what became of each.

use std::collections::{BTreeMap, HashMap, HashSet};

use backon::BackoffBuilder;
use ctk_db::{
    cratedb::{CrateDbError, patience},
    quote,
};
use tracing::{debug, warn};

use super::{
    CrateStore, failed,
    grow::{altered, subscript, to_ask},
    holds::Holding,
    quoted,
    requests::Job,
    rows::{DATA, Encoded, RowArgs, encode},
};
use crate::{
    SinkError,
    cdc::store::{Fate, Layout, Op, Open, Write},
    cratedb::{
        schema::Schema,
        send::{Fate as RowFate, Unexplained},
        types::Type,
    },
};

/// How often a table may turn out to be another one before that is an error: about a quarter of a minute.
const ATTEMPTS: usize = 8;

/// The code of a table that is not there.
const GONE: u32 = 4041;

/// How often a row may come and go between two statements before that is a fate.
const ROUNDS: usize = 6;

/// Why rows are not written: some, and each its own reason; or all, as the table is not what it was.
pub(super) type Outcome = Result<Vec<Fate>, CrateDbError>;

impl CrateStore {
    pub(super) async fn write_rows(
        &mut self,
        open: &Open<Holding>,
        write: &Write<'_>,
    ) -> Result<Vec<Fate>, SinkError> {
        let mut fates: Vec<Fate> = vec![None; write.rows.len()];
        if write.rows.is_empty() {
            return Ok(fates);
        }
        let has_members = open.layout == Layout::Universal
            || write.slots.iter().any(|slot| open.columns[*slot].holds.has_members());
        // The keys that were sent without being there, with the types that they were to get.
        let mut made: HashMap<Vec<String>, Type> = HashMap::new();
        let mut pauses = patience().build();
        let mut stale = None;
        for _ in 0..ATTEMPTS {
            let known = if has_members || write.op == Op::Move {
                match self.known(&open.name).await? {
                    Some(known) => Some(known),
                    None => break,
                }
            } else {
                None
            };
            let mut schema =
                known.as_ref().map_or_else(Schema::default, |known| known.schema.clone());
            let encoded = encode(open, write, &mut schema);
            if let Some(known) = &known {
                let ask = to_ask(known, &encoded.planned);
                if !ask.is_empty() {
                    self.ask(&open.name, &ask, &schema).await?;
                    self.read(&open.name).await?;
                    continue;
                }
            }
            for path in &encoded.planned {
                if let Some(of) = schema.get(path) {
                    made.insert(path.clone(), of.clone());
                }
            }
            let done = match write.op {
                Op::Put => self.upsert(open, &encoded, Start::Insert).await?,
                Op::Patch => self.upsert(open, &encoded, Start::Update).await?,
                Op::Delete => self.delete(open, &encoded).await?,
                Op::Move => self.move_rows(open, write, &schema, &encoded).await?,
            };
            let done = match done {
                Ok(done) => done,
                Err(error) => {
                    let pause = pauses.next().unwrap_or_default();
                    warn!(%error, ?pause, table = open.name.table, "the table is not what it was; trying again");
                    stale = Some(error);
                    tokio::time::sleep(pause).await;
                    if self.read(&open.name).await?.is_none() {
                        break;
                    }
                    continue;
                }
            };
            if !made.is_empty() {
                let Some(now) = self.read(&open.name).await? else { break };
                if let Some(path) = altered(&now, &made) {
                    debug!(
                        ?path,
                        "somebody else made this key, of another type: the rows are written anew"
                    );
                    made.clear();
                    continue;
                }
            }
            for (index, why) in encoded.refused {
                if let Some(fate) = fates.get_mut(index) {
                    *fate = Some(why);
                }
            }
            for (index, done) in encoded.entries.iter().zip(done) {
                if let Some(fate) = fates.get_mut(*index) {
                    *fate = done;
                }
            }
            return Ok(fates);
        }
        match stale {
            Some(error) => Err(failed("write into", &open.name)(error)),
            None if self.known.contains_key(&open.name) => {
                Err(SinkError::Unsettled { table: open.name.table.clone() })
            }
            None => {
                let message = "the table is gone".to_owned();
                Err(failed("write into", &open.name)(CrateDbError::Sql { code: GONE, message }))
            }
        }
    }

    /// Puts rows, or changes them: INSERT and UPDATE in turns, until each row was met by one of them.
    pub(super) async fn upsert(
        &self,
        open: &Open<Holding>,
        encoded: &Encoded,
        start: Start,
    ) -> Result<Outcome, SinkError> {
        let mut fates: Vec<Fate> = vec![None; encoded.rows.len()];
        let mut pending: Vec<usize> = (0..encoded.rows.len()).collect();
        let mut inserts = start == Start::Insert;
        for round in 0..ROUNDS {
            if pending.is_empty() {
                break;
            }
            let (unexplained, jobs) = if inserts {
                (Unexplained::Again, vec![insert(open, encoded, pending.clone())])
            } else {
                let (jobs, nothing_to_set) = update(open, encoded, &pending);
                pending.clear();
                if round == 0 {
                    pending.extend(nothing_to_set);
                }
                // Rows that are missing may be many, and their INSERT shows which of them are not.
                let first = if round == 0 { Unexplained::LeftAlone } else { Unexplained::Again };
                (first, jobs)
            };
            if inserts {
                pending.clear();
            }
            let done = match self.run(&open.name, unexplained, &jobs).await? {
                Ok(done) => done,
                Err(stale) => return Ok(Err(stale)),
            };
            for (row, fate) in done {
                match fate {
                    RowFate::Written => {}
                    RowFate::Present | RowFate::Duplicate => pending.push(row),
                    RowFate::Refused(why) => set(&mut fates, row, why),
                }
            }
            inserts = !inserts;
        }
        for row in pending {
            // A row that is nothing but its key is there.
            if has_something_to_set(encoded, row) {
                set(
                    &mut fates,
                    row,
                    "somebody else makes and deletes this row all the time".into(),
                );
            }
        }
        Ok(Ok(fates))
    }

    /// Deletes rows; those that are missing are no failure.
    pub(super) async fn delete(
        &self,
        open: &Open<Holding>,
        encoded: &Encoded,
    ) -> Result<Outcome, SinkError> {
        let keys = encoded.rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>();
        let mut fates: Vec<Fate> = vec![None; keys.len()];
        match self.delete_keys(open, &keys).await? {
            Ok(refused) => {
                for (row, why) in refused {
                    set(&mut fates, row, why);
                }
                Ok(Ok(fates))
            }
            Err(stale) => Ok(Err(stale)),
        }
    }

    /// Deletes rows by their keys, and returns those that are refused.
    pub(super) async fn delete_keys(
        &self,
        open: &Open<Holding>,
        keys: &[&str],
    ) -> Result<Result<Vec<(usize, String)>, CrateDbError>, SinkError> {
        let job = Job {
            statement: format!("DELETE FROM {} WHERE {}", quoted(&open.name), condition(open)),
            rows: (0..keys.len()).collect(),
            args: Box::new(|row, out| out.push_str(keys.get(row).copied().unwrap_or_default())),
        };
        let done = self.run(&open.name, Unexplained::AsOthers, &[job]).await?;
        Ok(done.map(|done| {
            let refused = |(row, fate)| match fate {
                RowFate::Refused(why) => Some((row, why)),
                RowFate::Written | RowFate::Present | RowFate::Duplicate => None,
            };
            done.into_iter().filter_map(refused).collect()
        }))
    }
}

/// What is tried first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Most rows are new.
    Insert,
    /// Most rows are there.
    Update,
}

fn set(fates: &mut [Fate], row: usize, why: String) {
    if let Some(fate) = fates.get_mut(row) {
        *fate = Some(why);
    }
}

/// Returns what finds a row: `"id" = ? AND "pk"['x'] = ?`.
pub(super) fn condition(open: &Open<Holding>) -> String {
    let first = open.key.first().map_or("", |slot| &open.columns[*slot].name);
    let columns: Vec<String> = match open.layout {
        Layout::Direct => open.key.iter().map(|slot| quote(&open.columns[*slot].name)).collect(),
        Layout::Universal => {
            let path = |name: &String| subscript(&[first.to_owned(), name.clone()]);
            open.key_names.iter().map(path).collect()
        }
    };
    let columns: Vec<_> = columns.into_iter().map(|column| format!("{column} = ?")).collect();
    columns.join(" AND ")
}

fn insert<'a>(open: &Open<Holding>, encoded: &'a Encoded, rows: Vec<usize>) -> Job<'a> {
    let key = open.key.iter().map(|slot| open.columns[*slot].name.as_str());
    let others = encoded.columns.iter().map(String::as_str).chain(encoded.empty.iter().copied());
    let columns: Vec<_> = key.chain(others).map(quote).collect();
    let statement = format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
        quoted(&open.name),
        columns.join(", "),
        vec!["?"; columns.len()].join(", ")
    );
    let args = |row: usize, out: &mut String| {
        let Some(row) = encoded.rows.get(row) else { return };
        out.push_str(&row.inserted_key);
        for cell in &row.cells {
            out.push(',');
            out.push_str(cell);
        }
        for _ in &encoded.empty {
            out.push_str(",{}");
        }
    };
    Job { statement, rows, args: Box::new(args) }
}

/// Returns a statement for all rows that set the same, and the rows that set nothing.
fn update<'a>(
    open: &Open<Holding>,
    encoded: &'a Encoded,
    rows: &[usize],
) -> (Vec<Job<'a>>, Vec<usize>) {
    let mut shapes: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for row in rows {
        let members = encoded.rows.get(*row).and_then(|row| row.members.as_ref());
        let names = members.into_iter().flatten().map(|(name, _)| name.as_str());
        shapes.entry(names.collect()).or_default().push(*row);
    }
    let (mut jobs, mut nothing_to_set) = (Vec::new(), Vec::new());
    for rows in shapes.into_values() {
        let Some(first) = rows.first().and_then(|row| encoded.rows.get(*row)) else { continue };
        let targets: Vec<String> = assignments(encoded, first).map(|(target, _)| target).collect();
        if targets.is_empty() {
            nothing_to_set.extend(rows);
            continue;
        }
        let targets: Vec<_> = targets.iter().map(|target| format!("{target} = ?")).collect();
        let statement = format!(
            "UPDATE {} SET {} WHERE {}",
            quoted(&open.name),
            targets.join(", "),
            condition(open)
        );
        let args = |row: usize, out: &mut String| {
            let Some(row) = encoded.rows.get(row) else { return };
            for value in values(encoded, row) {
                out.push_str(value);
                out.push(',');
            }
            out.push_str(&row.key);
        };
        jobs.push(Job { statement, rows, args: Box::new(args) });
    }
    (jobs, nothing_to_set)
}

/// Returns what an UPDATE sets: columns, or members of one.
fn assignments<'a>(
    encoded: &'a Encoded,
    row: &'a RowArgs,
) -> impl Iterator<Item = (String, &'a str)> {
    let columns = encoded.columns.iter().zip(&row.cells);
    let columns = columns
        .filter(|(column, _)| !(row.members.is_some() && *column == DATA))
        .map(|(column, cell)| (quote(column), cell.as_str()));
    let members = row.members.iter().flatten();
    let members =
        members.map(|(name, value)| (subscript(&[DATA.to_owned(), name.clone()]), value.as_str()));
    columns.chain(members)
}

fn values<'a>(encoded: &'a Encoded, row: &'a RowArgs) -> impl Iterator<Item = &'a str> {
    let columns = encoded.columns.iter().zip(&row.cells);
    let columns = columns
        .filter(|(column, _)| !(row.members.is_some() && *column == DATA))
        .map(|(_, cell)| cell.as_str());
    columns.chain(row.members.iter().flatten().map(|(_, value)| value.as_str()))
}

fn has_something_to_set(encoded: &Encoded, row: usize) -> bool {
    encoded.rows.get(row).is_some_and(|row| values(encoded, row).next().is_some())
}

/// Returns the keys of rows as a set.
pub(super) fn keys(encoded: &Encoded) -> HashSet<&str> {
    encoded.rows.iter().map(|row| row.key.as_str()).collect()
}
