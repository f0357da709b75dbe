//! A target before the run: checked without being touched, then opened.
//!
//! In two steps, so that a run that cannot begin leaves nothing behind: [`Prepared::new`] checks the address and looks at
//! what is there, [`Prepared::open`] opens it for writing, and creates it.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use ctk_checkpoint::{Checkpoint, StreamIdentity};
use ctk_db::sqlite::{self, Mode};
use ctk_decode::Recipe;
use ctk_flow::ShardId;
use ctk_kinesis::{
    KinesisConfig, OnDataLoss, Saved, StreamSummary,
    config::{CheckpointOptions, Checkpointer},
};
use ctk_sink::{
    SinkError,
    cdc::sqlite as sqlite_changes,
    dead_letters::{DeadLetters, LetterFile},
    discard::Discard,
    envelope::Envelope,
    jsonl::Jsonl,
    sqlite::{self as sqlite_sink, Settings},
};
use ctk_url::TargetUrl;

use self::changes::Changes;
use crate::{
    cli::LoadArgs,
    exit::CommandError,
    registry::{AnyTarget, Kind},
};

mod changes;
mod cratedb;
mod postgres;

/// What an address means, checked.
#[derive(Debug)]
pub struct Prepared {
    kind: Kind,
    /// The table, or the stream's name where there are no tables.
    pub table: String,
    /// The schema, where the target has any; that of dead letters for change data.
    schema: String,
    /// What is wanted of change data, where the source is that.
    changes: Option<Changes>,
    letters: Letters,
    namespace: Option<String>,
    checkpoint: CheckpointOptions,
    take_over: bool,
    /// How far earlier runs came.
    pub saved: HashMap<ShardId, Saved>,
    /// The rows of earlier runs as they are.
    rows: Vec<Checkpoint>,
    /// Those that belong to an earlier stream, and are to be given up.
    outdated: Vec<Checkpoint>,
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
        recipe: &Recipe,
    ) -> Result<Self, CommandError> {
        let kind = Kind::of_url(url)?;
        if is_given(arguments.schema.as_ref()) && !kind.has_schemas() {
            return Err(CommandError::usage("this target has no schemas")
                .hint("leave --schema and CRATEDB_SCHEMA out".to_owned()));
        }
        if is_given(arguments.table.as_ref()) && !kind.has_tables() {
            return Err(CommandError::usage("this target has no tables")
                .hint("leave --table and CRATEDB_TABLE out".to_owned()));
        }
        let typed = |argument: &Option<String>| argument.clone().filter(|text| !text.is_empty());
        let typed = (typed(&arguments.schema), typed(&arguments.table));
        let changes = if source.decode.format.is_change_data() {
            Some(Changes::new(&kind, typed.clone(), source, recipe)?)
        } else {
            None
        };
        let (mut schema, table) = kind.full_name(typed, source.stream.name())?;
        if let Some(changes) = &changes {
            let default = if matches!(kind, Kind::Postgres(_)) { "public" } else { "doc" };
            schema = changes.letters_schema(default);
        }
        let is_beside_rows = !kind.has_schemas() || schema == source.checkpoint.schema;
        if is_beside_rows && table.eq_ignore_ascii_case(ctk_checkpoint::TABLE) {
            return Err(CommandError::usage(format!(
                "the table {table} is that of the checkpoints"
            ))
            .hint("load into another one: add table=NAME to the target address".to_owned()));
        }
        let letters = letters(arguments.dead_letters.as_deref(), &kind)?;
        let namespace = namespace(source, &kind)?;
        let mut prepared = Self {
            kind,
            table,
            schema,
            changes,
            letters,
            namespace,
            checkpoint: source.checkpoint.clone(),
            take_over: arguments.take_over,
            saved: HashMap::new(),
            rows: Vec::new(),
            outdated: Vec::new(),
        };
        prepared.look().await?;
        Ok(prepared)
    }

    /// Looks at what is there, without touching it: the database, its table, the positions of earlier runs.
    async fn look(&mut self) -> Result<(), CommandError> {
        if let Letters::File(path) = &self.letters {
            check_folder(path)?;
        }
        let (path, config) = match &self.kind {
            Kind::CrateDb(address) => {
                let address = address.clone();
                return self.look_into_cratedb(&address).await;
            }
            Kind::Postgres(address) => {
                let address = address.clone();
                return self.look_into_postgres(&address).await;
            }
            Kind::Sqlite(path, config) => (path, config),
            Kind::File(path) => return check_folder(path),
            Kind::Stdout | Kind::Discard => return Ok(()),
        };
        sqlite::check(path, Mode::Create)?;
        let mut connection = match path.exists() {
            true => sqlite::open(path, Mode::Read).await?,
            false if config.create_table => return Ok(()),
            false => return Err(SinkError::NoTable { table: self.table.clone() }.into()),
        };
        if self.changes.is_none()
            && !config.create_table
            && sqlite::columns(&mut connection, &self.table).await?.is_empty()
        {
            return Err(SinkError::NoTable { table: self.table.clone() }.into());
        }
        let Some(namespace) = &self.namespace else { return Ok(()) };
        let checkpoints = ctk_checkpoint::sqlite::load(&mut connection, namespace).await?;
        self.note(checkpoints);
        Ok(())
    }

    fn note(&mut self, checkpoints: Vec<Checkpoint>) {
        self.rows.extend(checkpoints.iter().cloned());
        self.saved.extend(checkpoints.into_iter().map(saved));
    }

    /// Refuses positions that belong to another stream, or to an earlier one of the same name: they mean nothing in this one.
    ///
    /// When the user wants to go on in spite of that, they are given up, and what is said of it is returned.
    pub fn check_stream(
        &mut self,
        stream: &StreamSummary,
        on_data_loss: OnDataLoss,
    ) -> Result<Option<String>, CommandError> {
        let problem = |row: &Checkpoint| match &row.stream {
            StreamIdentity { arn: Some(arn), .. } if *arn != stream.arn => {
                Some(format!("these checkpoints belong to another stream, {arn}"))
            }
            StreamIdentity { created_at: Some(at), .. } if *at != stream.created_at => {
                let (then, now) =
                    (ctk_checkpoint::time::iso(*at), ctk_checkpoint::time::iso(stream.created_at));
                Some(format!(
                    "the stream {} was deleted and created again since the checkpoints were written: that one was of {then}, this one is of {now}",
                    stream.name
                ))
            }
            _ => None,
        };
        let Some(text) = self.rows.iter().find_map(problem) else { return Ok(None) };
        if on_data_loss == OnDataLoss::Fail {
            return Err(CommandError::failed(text).hint(
                "to load this one from its beginning, add checkpointer_name=ANOTHER to the source address, or on_data_loss=continue, which gives the old checkpoints up".to_owned(),
            ));
        }
        self.outdated = self.rows.iter().filter(|row| problem(row).is_some()).cloned().collect();
        for row in &self.outdated {
            self.saved.remove(&row.shard_id);
        }
        Ok(Some(text))
    }

    /// Opens the target for writing, and creates it where it is missing. Returns how far earlier runs came by now, too.
    ///
    /// Cancel safe: nothing is written but empty tables, and whose the positions are.
    pub async fn open(
        mut self,
        stream: &StreamSummary,
        envelope: Envelope,
        is_document: bool,
    ) -> Result<(AnyTarget, HashMap<ShardId, Saved>), CommandError> {
        let letters = self.letters.clone();
        let dead_letters = || -> Result<DeadLetters, SinkError> {
            Ok(match &letters {
                Letters::Table => DeadLetters::Table,
                Letters::File(path) => DeadLetters::File(LetterFile::open(path)?),
                Letters::Fail => DeadLetters::Fail,
                Letters::Drop => DeadLetters::Drop,
            })
        };
        let identity =
            StreamIdentity { arn: Some(stream.arn.clone()), created_at: Some(stream.created_at) };
        let target = match self.kind.clone() {
            Kind::CrateDb(address) => {
                let rows = cratedb::Rows { stream: &stream.name, envelope, is_document };
                return self.open_cratedb(*address, rows, identity, dead_letters()?).await;
            }
            Kind::Postgres(address) => {
                let rows = (stream.name.as_str(), envelope);
                return self.open_postgres(*address, rows, identity, dead_letters()?).await;
            }
            Kind::Sqlite(path, config) => {
                let mut connection = sqlite::open(&path, Mode::Create).await?;
                if !self.outdated.is_empty() {
                    ctk_checkpoint::sqlite::delete(&mut connection, &self.outdated).await?;
                }
                let mut checkpoints = None;
                if let Some(namespace) = &self.namespace {
                    ctk_checkpoint::sqlite::create_table(&mut connection).await?;
                    let opened =
                        ctk_checkpoint::sqlite::open(&mut connection, namespace, identity).await?;
                    // The run that had the namespace may have moved on since it was looked at.
                    self.saved = opened.1.into_iter().map(saved).collect();
                    checkpoints = Some(opened.0);
                }
                if let Some(changes) = self.changes {
                    let namespace = (changes.namespace.clone(), checkpoints);
                    let settings = changes.settings(&stream.name, &config, dead_letters()?);
                    let target =
                        sqlite_changes::start(connection, settings, &config, namespace).await?;
                    return Ok((AnyTarget::Changes(target), self.saved));
                }
                let settings = Settings {
                    table: self.table,
                    stream: stream.name.clone(),
                    envelope,
                    create_table: config.create_table,
                    evolve: config.evolve,
                    batch_rows: config.batch_rows,
                    batch_bytes: config.batch_bytes,
                    linger: config.linger,
                    dead_letters: dead_letters()?,
                    checkpoints,
                };
                AnyTarget::Sqlite(sqlite_sink::start(connection, settings))
            }
            Kind::File(path) => {
                AnyTarget::File(Jsonl::file(&path, &stream.name, envelope, dead_letters()?)?.into())
            }
            Kind::Stdout => AnyTarget::Stdout(
                Jsonl::new("stdout", std::io::stdout(), &stream.name, envelope, dead_letters()?)
                    .into(),
            ),
            Kind::Discard => AnyTarget::Discard(
                Discard { stream: stream.name.clone(), dead_letters: dead_letters()? }.into(),
            ),
        };
        Ok((target, self.saved))
    }

    /// Returns where dead letters can be found after the run.
    pub fn where_letters_are(&self) -> String {
        match &self.letters {
            Letters::Table if self.changes.is_some() && self.kind.has_schemas() => {
                format!("table {}.ctk_dead_letters", self.schema)
            }
            Letters::Table if self.changes.is_some() => "table ctk_dead_letters".to_owned(),
            Letters::Table if matches!(self.kind, Kind::Postgres(_)) => {
                format!(
                    "table {}.{}",
                    self.schema,
                    ctk_sink::postgres::dead_letter_table(&self.table)
                )
            }
            Letters::Table if self.kind.has_schemas() => {
                format!("table {}.{}_dead_letters", self.schema, self.table)
            }
            Letters::Table => format!("table {}_dead_letters", self.table),
            Letters::File(path) => format!("file {}", path.display()),
            Letters::Fail | Letters::Drop => "nowhere: they were only counted".to_owned(),
        }
    }

    /// Returns the target in a few words, for `--dry-run`.
    pub fn describe(&self) -> String {
        if let Some(changes) = &self.changes {
            let database = match &self.kind {
                Kind::CrateDb(address) => {
                    format!("CrateDB at {}", address.connection.hosts.join(", "))
                }
                Kind::Postgres(address) => format!("PostgreSQL, {}", address.connection.describe()),
                Kind::Sqlite(path, _) => format!("the SQLite database {}", path.display()),
                Kind::File(_) | Kind::Stdout | Kind::Discard => String::new(),
            };
            return format!("{} in {database}", changes.describe());
        }
        match &self.kind {
            Kind::CrateDb(address) => {
                let hosts = address.connection.hosts.join(", ");
                format!("table {}.{} in CrateDB at {hosts}", self.schema, self.table)
            }
            Kind::Postgres(address) => {
                let database = address.connection.describe();
                format!("table {}.{} in PostgreSQL, {database}", self.schema, self.table)
            }
            Kind::Sqlite(path, _) => {
                let state = if path.exists() { "exists" } else { "would be created" };
                format!("table {} in the SQLite database {} ({state})", self.table, path.display())
            }
            Kind::File(path) => format!("lines appended to {}", path.display()),
            Kind::Stdout => "lines on stdout".to_owned(),
            Kind::Discard => "nothing: records are read, decoded and counted".to_owned(),
        }
    }

    /// Returns the schema that all tables of change data go to, if that is one.
    pub fn schema_of_changes(&self) -> Option<String> {
        self.changes.as_ref().and_then(|changes| changes.schema.clone())
    }

    /// Returns true when this run remembers how far it came.
    pub fn remembers(&self) -> bool {
        self.namespace.is_some()
    }
}

fn saved(checkpoint: Checkpoint) -> (ShardId, Saved) {
    let Checkpoint { shard_id, sequence, part, finished, begins_at, updated_at, .. } = checkpoint;
    // A tool that notes no time wrote the row when it had come that far.
    let begins_at = begins_at.or(updated_at.filter(|_| sequence.is_some()));
    (shard_id, Saved { sequence, part, finished, begins_at, is_given: false })
}

/// An empty variable of the environment is none.
fn is_given(argument: Option<&String>) -> bool {
    argument.is_some_and(|argument| !argument.is_empty())
}

/// Says that the folder of a file to be written is not there.
fn check_folder(path: &Path) -> Result<(), CommandError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(CommandError::failed(format!("the folder of {} does not exist", path.display()))
                .hint(format!("create it first: mkdir -p '{}'", folder.display())))
        }
        _ if path.is_dir() => Err(CommandError::failed(format!("{} is a folder", path.display()))),
        _ => Ok(()),
    }
}

fn letters(wanted: Option<&str>, kind: &Kind) -> Result<Letters, CommandError> {
    let has_tables = kind.has_tables();
    match wanted {
        None | Some("table") if has_tables => Ok(Letters::Table),
        None if matches!(kind, Kind::Discard) => Ok(Letters::Drop),
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
    let other = |target: &str, own: &str| {
        Err(CommandError::usage(format!(
            "checkpointer={name} keeps positions in the target, which is {target}"
        ))
        .hint(format!("checkpointer={own}")))
    };
    match kind {
        Kind::CrateDb(_) if matches!(name, "target" | "cratedb") => {
            Ok(Some(source.checkpoint.name.clone()))
        }
        Kind::CrateDb(_) => other("CrateDB", "cratedb"),
        Kind::Postgres(_) if matches!(name, "target" | "postgresql") => {
            Ok(Some(source.checkpoint.name.clone()))
        }
        Kind::Postgres(_) => other("PostgreSQL", "postgresql"),
        Kind::Sqlite(..) if matches!(name, "target" | "sqlite") => {
            Ok(Some(source.checkpoint.name.clone()))
        }
        Kind::Sqlite(..) => other("SQLite", "sqlite"),
        Kind::File(_) | Kind::Stdout | Kind::Discard => Err(CommandError::usage(format!(
            "checkpointer={name} keeps positions in the target, which holds only lines"
        ))
        .hint("checkpointer=memory, or a database as target".to_owned())),
    }
}
