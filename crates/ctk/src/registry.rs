//! Which target an address means: one arm for each.
//!
//! A target is prepared in two steps, so that a run that cannot begin leaves nothing behind: [`Prepared::new`] checks the
//! address and reads the positions that are there, [`Prepared::open`] opens it for writing, and creates it.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufWriter, Stdout},
    path::{Path, PathBuf},
};

use ctk_checkpoint::{Checkpoint, StreamIdentity};
use ctk_db::sqlite::{self, Mode};
use ctk_flow::{Changes, Claims, Committed, Failure, Millis, Position, ShardId, Target};
use ctk_kinesis::{KinesisConfig, Saved, StreamSummary, config::Checkpointer};
use ctk_sink::{
    config::TableConfig,
    dead_letters::{DeadLetters, LetterFile},
    discard::Discard,
    envelope::Envelope,
    jsonl::Jsonl,
    sqlite::{Checkpoints, Settings, SqliteTarget},
};
use ctk_url::{TargetScheme, TargetUrl};

use crate::{cli::LoadArgs, exit::CommandError};

/// An open target.
#[derive(Clone, Debug)]
pub enum AnyTarget {
    /// A SQLite database.
    Sqlite(SqliteTarget),
    /// A file of lines.
    File(std::sync::Arc<Jsonl<BufWriter<File>>>),
    /// Lines on stdout.
    Stdout(std::sync::Arc<Jsonl<Stdout>>),
    /// Nothing.
    Discard(Discard),
}

impl Target for AnyTarget {
    async fn commit(&self, changes: Changes, upto: Position) -> Result<Committed, Failure> {
        match self {
            Self::Sqlite(target) => target.commit(changes, upto).await,
            Self::File(target) => target.commit(changes, upto).await,
            Self::Stdout(target) => target.commit(changes, upto).await,
            Self::Discard(target) => target.commit(changes, upto).await,
        }
    }

    async fn close(&self) -> Result<(), Failure> {
        match self {
            Self::Sqlite(target) => target.close().await,
            Self::File(target) => target.close().await,
            Self::Stdout(target) => target.close().await,
            Self::Discard(target) => target.close().await,
        }
    }
}

impl Claims for AnyTarget {
    async fn claim(&self, shard: &ShardId, begins: Option<Millis>) -> Result<(), Failure> {
        match self {
            Self::Sqlite(target) => target.claim(shard, begins).await,
            Self::File(_) | Self::Stdout(_) | Self::Discard(_) => Ok(()),
        }
    }

    async fn release(&self, shard: &ShardId) -> Result<(), Failure> {
        match self {
            Self::Sqlite(target) => target.release(shard).await,
            Self::File(_) | Self::Stdout(_) | Self::Discard(_) => Ok(()),
        }
    }
}

/// What an address means, checked.
#[derive(Debug)]
pub struct Prepared {
    kind: Kind,
    /// The table, or the stream's name where there are no tables.
    pub table: String,
    config: TableConfig,
    letters: Letters,
    namespace: Option<String>,
    /// How far earlier runs came.
    pub saved: HashMap<ShardId, Saved>,
    /// The streams that earlier runs read, where they noted it.
    known_streams: Vec<StreamIdentity>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite(PathBuf),
    File(PathBuf),
    Stdout,
    Discard,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Letters {
    Table,
    File(PathBuf),
    Fail,
    Drop,
}

impl Prepared {
    /// Checks the address and the options that concern the target, and reads the positions of earlier runs.
    pub async fn new(
        url: &TargetUrl,
        source: &KinesisConfig,
        arguments: &LoadArgs,
    ) -> Result<Self, CommandError> {
        let kind = kind(url)?;
        if arguments.schema.is_some() && matches!(url.scheme, TargetScheme::Sqlite) {
            return Err(CommandError::usage("SQLite has no schemas")
                .hint("leave --schema and CRATEDB_SCHEMA out".to_owned()));
        }
        let config = TableConfig::from_options(url.options.clone())?;
        let table = arguments.table.clone().or_else(|| config.table.clone());
        let table = table.unwrap_or_else(|| source.stream.name().to_owned());
        let letters = letters(arguments.dead_letters.as_deref(), &kind)?;
        let namespace = namespace(source, &kind)?;
        let mut prepared = Self {
            kind,
            table,
            config,
            letters,
            namespace,
            saved: HashMap::new(),
            known_streams: Vec::new(),
        };
        prepared.read_checkpoints().await?;
        Ok(prepared)
    }

    async fn read_checkpoints(&mut self) -> Result<(), CommandError> {
        let Kind::Sqlite(path) = &self.kind else { return Ok(()) };
        sqlite::check(path, Mode::Create)?;
        let Some(namespace) = &self.namespace else { return Ok(()) };
        if !path.exists() {
            return Ok(());
        }
        let mut connection = sqlite::open(path, Mode::Read).await?;
        for checkpoint in ctk_checkpoint::sqlite::load(&mut connection, namespace).await? {
            let Checkpoint { shard_id, sequence, finished, begins_at, stream, .. } = checkpoint;
            let saved = Saved { sequence, finished, begins_at };
            self.saved.insert(shard_id, saved);
            self.known_streams.push(stream);
        }
        Ok(())
    }

    /// Refuses positions that belong to an earlier stream of the same name: they mean nothing in this one.
    pub fn check_stream(&self, stream: &StreamSummary) -> Result<(), CommandError> {
        let other =
            |known: &&StreamIdentity| known.created_at.is_some_and(|at| at != stream.created_at);
        match self.known_streams.iter().find(other) {
            None => Ok(()),
            Some(_) => Err(CommandError::failed(format!(
                "the stream {} was deleted and created again since the checkpoints were written",
                stream.name
            ))
            .hint("to load the new one from its beginning, add checkpointer_name=ANOTHER to the source address".to_owned())),
        }
    }

    /// Opens the target for writing, and creates it where it is missing.
    pub async fn open(
        self,
        stream: &StreamSummary,
        envelope: Envelope,
    ) -> Result<AnyTarget, CommandError> {
        let dead_letters = match &self.letters {
            Letters::Table => DeadLetters::Table,
            Letters::File(path) => DeadLetters::File(LetterFile::open(path)?),
            Letters::Fail => DeadLetters::Fail,
            Letters::Drop => DeadLetters::Drop,
        };
        Ok(match self.kind {
            Kind::Sqlite(path) => {
                let connection = sqlite::open(&path, Mode::Create).await?;
                let identity = StreamIdentity {
                    arn: Some(stream.arn.clone()),
                    created_at: Some(stream.created_at),
                };
                let settings = Settings {
                    table: self.table,
                    stream: stream.name.clone(),
                    envelope,
                    create_table: self.config.create_table,
                    evolve: self.config.evolve,
                    batch_rows: self.config.batch_rows,
                    batch_bytes: self.config.batch_bytes,
                    linger: self.config.linger,
                    dead_letters,
                    checkpoints: self
                        .namespace
                        .map(|namespace| Checkpoints { namespace, stream: identity }),
                };
                AnyTarget::Sqlite(SqliteTarget::start(connection, settings).await?)
            }
            Kind::File(path) => {
                AnyTarget::File(Jsonl::file(&path, &stream.name, envelope, dead_letters)?.into())
            }
            Kind::Stdout => AnyTarget::Stdout(
                Jsonl::new("stdout", std::io::stdout(), &stream.name, envelope, dead_letters)
                    .into(),
            ),
            Kind::Discard => AnyTarget::Discard(Discard),
        })
    }

    /// Returns where dead letters can be found after the run.
    pub fn where_letters_are(&self) -> String {
        match &self.letters {
            Letters::Table => format!("table {}_dead_letters", self.table),
            Letters::File(path) => format!("file {}", path.display()),
            Letters::Fail | Letters::Drop => "nowhere: they were only counted".to_owned(),
        }
    }

    /// Returns the target in a few words, for `--dry-run`.
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Sqlite(path) => {
                let state = if path.exists() { "exists" } else { "would be created" };
                format!("table {} in the SQLite database {} ({state})", self.table, path.display())
            }
            Kind::File(path) => format!("lines appended to {}", path.display()),
            Kind::Stdout => "lines on stdout".to_owned(),
            Kind::Discard => "nothing: records are read, decoded and counted".to_owned(),
        }
    }

    /// Returns true when this run remembers how far it came.
    pub fn remembers(&self) -> bool {
        self.namespace.is_some()
    }
}

fn kind(url: &TargetUrl) -> Result<Kind, CommandError> {
    let not_yet = |name: &str| {
        CommandError::usage(format!("{name} is no target of this version yet"))
            .hint("targets today: sqlite:FILE, jsonl:FILE, - (stdout)".to_owned())
    };
    let file = || url.file.clone().unwrap_or_else(|| Path::new("-").to_owned());
    match url.scheme {
        TargetScheme::Sqlite => Ok(Kind::Sqlite(file())),
        TargetScheme::Jsonl => Ok(url.file.clone().map_or(Kind::Stdout, Kind::File)),
        TargetScheme::Discard => Ok(Kind::Discard),
        TargetScheme::CrateDb => Err(not_yet("CrateDB")),
        TargetScheme::PostgreSql => Err(not_yet("PostgreSQL")),
        TargetScheme::DuckDb => Err(not_yet("DuckDB")),
    }
}

fn letters(wanted: Option<&str>, kind: &Kind) -> Result<Letters, CommandError> {
    let has_tables = matches!(kind, Kind::Sqlite(_));
    match wanted {
        None | Some("table") if has_tables => Ok(Letters::Table),
        None if *kind == Kind::Discard => Ok(Letters::Drop),
        None | Some("fail") => Ok(Letters::Fail),
        Some("drop") => Ok(Letters::Drop),
        Some("table") => {
            Err(CommandError::usage("this target has no tables, so none for dead letters")
                .hint("--dead-letters jsonl:FILE".to_owned()))
        }
        Some(other) => match other.strip_prefix("jsonl:") {
            Some(path) if !path.is_empty() => Ok(Letters::File(path.into())),
            _ => Err(CommandError::usage("--dead-letters takes table, jsonl:FILE, fail or drop")),
        },
    }
}

/// Returns the namespace of the positions in the target, if the user wants them there.
fn namespace(source: &KinesisConfig, kind: &Kind) -> Result<Option<String>, CommandError> {
    let name = match source.checkpoint.checkpointer {
        Checkpointer::None | Checkpointer::Memory => return Ok(None),
        Checkpointer::Target => "target",
        Checkpointer::Sqlite => "sqlite",
        Checkpointer::CrateDb => "cratedb",
        Checkpointer::PostgreSql => "postgresql",
    };
    match kind {
        Kind::Sqlite(_) if matches!(name, "target" | "sqlite") => {
            Ok(Some(source.checkpoint.name.clone()))
        }
        Kind::Sqlite(_) => Err(CommandError::usage(format!(
            "checkpointer={name} keeps positions in the target, which is SQLite"
        ))
        .hint("checkpointer=sqlite".to_owned())),
        Kind::File(_) | Kind::Stdout | Kind::Discard => Err(CommandError::usage(format!(
            "checkpointer={name} keeps positions in the target, which holds only lines"
        ))
        .hint("checkpointer=memory, or a database as target".to_owned())),
    }
}
