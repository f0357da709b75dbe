//! The store: a JSON file, which is replaced with each change.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use ctk_checkpoint::{Checkpoint, CheckpointError, CheckpointStore, Saved};
use ctk_flow::{Millis, Part, Position, Sequence, ShardId};
use serde::{Deserialize, Serialize};

/// How far each shard is, in a file.
pub(crate) struct PositionsFile {
    path: PathBuf,
    contents: Mutex<Contents>,
}

#[derive(Default, Deserialize, Serialize)]
struct Contents {
    /// Which stream it was, since another one may get its name.
    stream: Option<String>,
    shards: BTreeMap<String, Shard>,
}

/// A [`Checkpoint`] in the file.
#[derive(Clone, Default, Deserialize, Serialize)]
struct Shard {
    sequence: Option<String>,
    /// The record behind it, when some of its units are done: of an aggregate, or of lines.
    part: Option<(String, u32, u8)>,
    begins_at: Option<Millis>,
    finished: bool,
    active: bool,
}

impl PositionsFile {
    /// Reads the file, if there is one.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let contents = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::from),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Contents::default()),
            Err(error) => Err(error),
        };
        let contents = contents.with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path, contents: Mutex::new(contents) })
    }

    /// Refuses a stream other than that of the positions: a record of one says nothing about another.
    pub(crate) fn belongs_to(&self, stream: &str) -> Result<()> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let known = contents.stream.get_or_insert_with(|| stream.to_owned());
        ensure!(known == stream, "{} is about stream {known}, not {stream}", self.path.display());
        Ok(())
    }

    /// Changes shards; when this returns, the file says so. It blocks for the time of that.
    fn change<T>(
        &self,
        shard: &ShardId,
        change: impl FnOnce(&mut BTreeMap<String, Shard>) -> T,
    ) -> Result<T, CheckpointError> {
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut contents.shards);
        let written = self.replace(&contents);
        let refused = |error: io::Error| CheckpointError::Refused {
            shard: shard.clone(),
            reason: format!("{}: {error}", self.path.display()),
        };
        written.map(|()| changed).map_err(refused)
    }

    /// Whoever reads it, after a crash too, finds the old file or the new one, and nothing in between.
    fn replace(&self, contents: &Contents) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(contents)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &self.path)
    }
}

impl CheckpointStore for PositionsFile {
    async fn load(&self) -> Result<Vec<Checkpoint>, CheckpointError> {
        let contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(contents.shards.iter().map(|(id, shard)| shard.checkpoint(id)).collect())
    }

    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), CheckpointError> {
        self.change(shard, |shards| {
            let row = shards.entry(shard.to_string()).or_default();
            (row.active, row.begins_at) = (true, row.begins_at.or(begins));
        })
    }

    async fn save(&self, positions: &[Position]) -> Result<Vec<Saved>, CheckpointError> {
        let Some(first) = positions.first() else { return Ok(Vec::new()) };
        self.change(&first.shard, |shards| {
            let save = |position: &Position| {
                let id = position.shard.as_str();
                let mut checkpoint = shards.get(id).cloned().unwrap_or_default().checkpoint(id);
                // It knows what is further: a position never moves back.
                let saved = checkpoint.advance(position);
                shards.insert(id.to_owned(), Shard::from(checkpoint));
                saved
            };
            positions.iter().map(save).collect()
        })
    }

    async fn release(&self, shard: &ShardId) -> Result<(), CheckpointError> {
        self.change(shard, |shards| {
            if let Some(row) = shards.get_mut(shard.as_str()) {
                row.active = false;
            }
        })
    }
}

impl Shard {
    fn checkpoint(&self, id: &str) -> Checkpoint {
        let part = self.part.clone().map(|(sequence, units, form)| Part {
            sequence: Sequence::new(sequence),
            units,
            form,
        });
        Checkpoint {
            sequence: self.sequence.clone().map(Sequence::new),
            part,
            begins_at: self.begins_at,
            finished: self.finished,
            active: Some(self.active),
            ..Checkpoint::new("stream-to-api", ShardId::new(id))
        }
    }
}

impl From<Checkpoint> for Shard {
    fn from(checkpoint: Checkpoint) -> Self {
        let part = checkpoint.part.map(|part| (part.sequence.to_string(), part.units, part.form));
        Self {
            sequence: checkpoint.sequence.map(|sequence| sequence.to_string()),
            part,
            begins_at: checkpoint.begins_at,
            finished: checkpoint.finished,
            active: checkpoint.active == Some(true),
        }
    }
}
