//! A chunk into the table: as it is, or after the table has grown.
//!
//! Most chunks find all their columns and go straight to CrateDB, several at a time. One that needs a column or key waits for
//! its turn: the table is read, widened, and read again, so no value is sent to a column whose type is not known. The keys of
//! objects are made by CrateDB from the rows; whether they became what was planned is looked at before anybody else uses
//! them, and if somebody was faster, the rows are written once more, as that type wants them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex as StdMutex, PoisonError},
};

use backon::BackoffBuilder;
use ctk_db::{
    DbError,
    cratedb::{Client, patience},
};
use ctk_flow::{Committed, DeadLetter, Reason};
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use tracing::debug;

use super::{
    Settings,
    chunk::{Chunk, Encoded, encode, encode_and_plan},
    known::Known,
    letters::{self, Letters},
    rows::Conflict,
    send::{Fate, Sent, send},
    table,
    types::Type,
};
use crate::{SinkError, dead_letters::Keep, row_json};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Writer {
    client: Client,
    pub(super) settings: Settings,
    known: StdMutex<Option<Arc<Known>>>,
    /// Held while the table is read and widened.
    growth: Mutex<()>,
    letters: OnceCell<()>,
}

/// How often the table may turn out to be another one before that is an error.
const ATTEMPTS: usize = 20;

impl Writer {
    pub(super) fn new(client: Client, settings: Settings) -> Self {
        Self {
            client,
            settings,
            known: StdMutex::default(),
            growth: Mutex::default(),
            letters: OnceCell::new(),
        }
    }

    /// Writes a chunk, keeps what is refused as dead letters, and returns what became of each part.
    pub(super) async fn write(&self, chunk: &Chunk) -> Result<Vec<Committed>, SinkError> {
        let mut committed = vec![Committed::default(); chunk.parts.len()];
        // First, since the user may want to stop at one.
        for (index, part) in chunk.parts.iter().enumerate().filter(|(_, part)| part.has_letters) {
            self.keep(chunk, index, part.delivery.changes.dead_letters(), &mut committed).await?;
        }
        if chunk.rows > 0 {
            let (encoded, fates) = self.rows(chunk).await?;
            let mut refused = encoded.refused;
            for (entry, fate) in encoded.entries.iter().zip(fates) {
                let committed = &mut committed[entry.part];
                match fate {
                    Fate::Written => committed.written += 1,
                    Fate::Present => {
                        committed.written += 1;
                        committed.present += 1;
                    }
                    Fate::Duplicate => {
                        refused.push((*entry, "another row has the same key".into()));
                    }
                    Fate::Refused(why) => refused.push((*entry, why)),
                }
            }
            // Those of a part together: each keeping is a request.
            let mut letters: BTreeMap<usize, Vec<DeadLetter>> = BTreeMap::new();
            for (entry, why) in refused {
                let changes = &chunk.parts[entry.part].delivery.changes;
                let row = changes.row(entry.row);
                letters.entry(entry.part).or_default().push(DeadLetter {
                    origin: row.origin().clone(),
                    sub_sequence: row.sub_sequence(),
                    reason: Reason::Refused,
                    error: why,
                    payload: row_json::object(changes, row).into_bytes(),
                });
            }
            for (part, letters) in letters {
                self.keep(chunk, part, &letters, &mut committed).await?;
            }
        }
        Ok(committed)
    }

    async fn keep(
        &self,
        chunk: &Chunk,
        part: usize,
        letters: &[DeadLetter],
        committed: &mut [Committed],
    ) -> Result<(), SinkError> {
        let Settings { dead_letters, stream, table, .. } = &self.settings;
        let shard = chunk.parts[part].delivery.changes.shard();
        if dead_letters.keep(letters, stream, shard, table)? == Keep::InTable {
            let name = format!("{table}_dead_letters");
            let of = Letters { schema: &self.settings.schema, name: &name, stream, table };
            self.letters.get_or_try_init(|| letters::create(&self.client, of)).await?;
            letters::keep(&self.client, of, shard, letters).await?;
        }
        committed[part].dead_lettered += letters.len() as u64;
        Ok(())
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(known));
    }

    /// Sends the rows, and returns the fate of each that could be encoded.
    async fn rows(&self, chunk: &Chunk) -> Result<(Encoded, Vec<Fate>), SinkError> {
        let mut known = self.known().filter(|known| known.is_fresh());
        // Twice: while this one waits for its turn, another one may have made what it needs.
        for _ in 0..2 {
            if let Some(known) = &known
                && let Some(encoded) = encode(known, chunk, &self.settings)
            {
                match self.send(known, known.conflict, &encoded).await? {
                    Sent::All(fates) => {
                        let fates = self.tell_apart(known, chunk, &encoded, fates).await?;
                        return Ok((encoded, fates));
                    }
                    Sent::Stale(error) => debug!(%error, "the table is not what it was"),
                }
            }
            let growth = self.growth.lock().await;
            let now = self.known().filter(|known| known.is_fresh());
            let is_news = match (&known, &now) {
                (Some(before), Some(now)) => !Arc::ptr_eq(before, now),
                (None, Some(_)) => true,
                (_, None) => false,
            };
            if !is_news {
                return self.grow(chunk).await;
            }
            drop(growth);
            known = now;
        }
        let _growth = self.growth.lock().await;
        self.grow(chunk).await
    }

    async fn send(
        &self,
        known: &Known,
        conflict: Conflict,
        encoded: &Encoded,
    ) -> Result<Sent, SinkError> {
        if encoded.rows.len() == 0 {
            return Ok(Sent::All(Vec::new()));
        }
        let table = self.settings.quoted();
        let (rows, schema) = (&encoded.rows, &known.schema);
        let request = |part: &[usize]| rows.request(schema, &table, conflict, part);
        send(&self.client, &self.settings.table, rows.groups(schema), request).await
    }

    /// Reads the table, widens it until all rows can be written, and writes them. To be called by one at a time.
    async fn grow(&self, chunk: &Chunk) -> Result<(Encoded, Vec<Fate>), SinkError> {
        let Settings { create_table, evolve, table, .. } = &self.settings;
        let mut barred = self.known().map(|known| known.barred.clone()).unwrap_or_default();
        let mut overwrite = false;
        // CrateDB did not take all columns: records that need more than there is room for are left out then.
        let mut is_tight = false;
        // The keys that were sent without being there, with the types that they were to get.
        let mut made: HashMap<Vec<String>, Type> = HashMap::new();
        let mut pauses = patience().build();
        for _ in 0..ATTEMPTS {
            let read = table::read(&self.client, &self.settings, self.known().is_some()).await?;
            let mut known = match read {
                Some(known) => known,
                None if *create_table => Known::to_be_created(&self.settings)?,
                None => return Err(SinkError::NoTable { table: table.clone() }),
            };
            known.barred.clone_from(&barred);
            let lacks = known.lacks(&self.settings);
            if let Some((column, _)) = lacks.first() {
                if !evolve {
                    return Err(SinkError::NoEnvelope {
                        table: table.clone(),
                        column: column.clone(),
                    });
                }
                table::add(&self.client, &self.settings, &lacks, &mut barred, true).await?;
                if let Some(why) =
                    lacks.iter().find_map(|(name, _)| barred.why(std::slice::from_ref(name)))
                {
                    return Err(SinkError::Widen { table: table.clone(), why: why.to_owned() });
                }
                continue;
            }
            let Some((encoded, planned)) =
                encode_and_plan(&mut known, chunk, &self.settings, is_tight)
            else {
                break;
            };
            if !known.exists {
                if encoded.rows.len() == 0 {
                    return Ok((encoded, Vec::new()));
                }
                let created =
                    table::create(&self.client, &self.settings, &known.schema, is_tight).await?;
                is_tight |= !created;
                continue;
            }
            let is_column = |path: &&Vec<String>| path.len() == 1;
            let columns: Vec<(String, Type)> = planned
                .iter()
                .filter(is_column)
                .filter_map(|path| Some((path.first()?.clone(), known.schema.get(path)?.clone())))
                .collect();
            if !columns.is_empty() {
                let added =
                    table::add(&self.client, &self.settings, &columns, &mut barred, is_tight)
                        .await?;
                is_tight |= !added;
                continue;
            }
            for path in planned {
                if let Some(of) = known.schema.get(&path) {
                    made.insert(path, of.clone());
                }
            }
            let conflict = if overwrite { Conflict::Overwrite } else { known.conflict };
            let fates = match self.send(&known, conflict, &encoded).await? {
                Sent::All(fates) => fates,
                Sent::Stale(error) => {
                    debug!(%error, "the table is not what it was");
                    // A node that starts knows no table for a while.
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                    continue;
                }
            };
            let mut now = known.clone();
            if !made.is_empty() {
                let read = table::read(&self.client, &self.settings, true).await?;
                now = read.ok_or_else(|| SinkError::NoTable { table: table.clone() })?;
                now.barred.clone_from(&barred);
                let differs = |(path, was): &(&Vec<String>, &Type)| {
                    now.schema.get(path).is_some_and(|is| !is.is_like(was))
                };
                if let Some((path, _)) = made.iter().find(differs) {
                    if known.conflict != Conflict::Ignore {
                        return Err(SinkError::Altered {
                            table: table.clone(),
                            path: path.join("."),
                        });
                    }
                    debug!(
                        ?path,
                        "somebody else made this key, of another type: the rows are written anew"
                    );
                    overwrite = true;
                    made.clear();
                    continue;
                }
            }
            let fates = self.tell_apart(&now, chunk, &encoded, fates).await?;
            self.publish(now);
            return Ok((encoded, fates));
        }
        Err(SinkError::Unsettled { table: table.clone() })
    }

    /// In a table with a key of its own, finds out which duplicates are the same records, read again.
    async fn tell_apart(
        &self,
        known: &Known,
        chunk: &Chunk,
        encoded: &Encoded,
        mut fates: Vec<Fate>,
    ) -> Result<Vec<Fate>, SinkError> {
        let mut ids = HashMap::new();
        for (index, (entry, fate)) in encoded.entries.iter().zip(&fates).enumerate() {
            let part = &chunk.parts[entry.part];
            if *fate == Fate::Duplicate
                && let Some(id) = part.delivery.ids.get(entry.row)
            {
                let mut text = String::new();
                id.write(&mut text);
                ids.insert(text, index);
            }
        }
        if ids.is_empty() || known.conflict != Conflict::Report {
            return Ok(fates);
        }
        let table = self.settings.quoted();
        let failed = || DbError::cratedb(format!("read table {}", self.settings.table));
        // Only a read by primary key sees what was just written, and this is not by it.
        self.client.execute(&format!("REFRESH TABLE {table}"), &[]).await.map_err(failed())?;
        let sql =
            format!("SELECT \"kinesis_msg_id\" FROM {table} WHERE \"kinesis_msg_id\" = ANY(?)");
        let wanted: Vec<&String> = ids.keys().collect();
        let found = self.client.execute(&sql, &[json!(wanted)]).await.map_err(failed())?;
        for id in found.rows.iter().filter_map(|row| row.first().and_then(Value::as_str)) {
            if let Some(index) = ids.get(id) {
                fates[*index] = Fate::Present;
            }
        }
        Ok(fates)
    }
}
