//! What can be typed: clap types only. The comments are the help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Load Amazon Kinesis Data Streams into databases
///
/// One command, two addresses, nothing lost. What concerns one source or one target is an option of its address; see
/// docs/addresses.md for all of them.
#[derive(Debug, Parser)]
#[command(name = "ctk", version, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// What all commands share
    #[command(flatten)]
    pub global: Global,
}

/// Options of all commands.
#[derive(Args, Debug)]
pub struct Global {
    /// Say more; twice: even more
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet", help_heading = "Output")]
    pub verbose: u8,
    /// Say nothing but results, warnings and errors
    #[arg(short, long, global = true, help_heading = "Output")]
    pub quiet: bool,
    /// When to use colour; `NO_COLOR` is respected
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub color: When,
    /// Format of log lines on stderr
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Output"
    )]
    pub log_format: LogFormat,
    /// Which log lines to write, as `debug` or `ctk_kinesis=trace`
    #[arg(long, global = true, env = "CTK_LOG", value_name = "FILTER", help_heading = "Output")]
    pub log: Option<String>,
    /// Set to anything to switch colours off
    #[arg(long, env = "NO_COLOR", hide = true, global = true)]
    pub no_color: Option<String>,
}

/// When to do something that depends on the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Load a stream into a database
    Load(Box<LoadArgs>),
    /// Show how far each shard was loaded
    #[command(visible_alias = "ls")]
    ListCheckpoints(ListArgs),
    /// Delete checkpoints that nobody needs any more
    #[command(visible_alias = "prune")]
    PruneCheckpoints(PruneArgs),
    /// Look after checkpoints, in the words of the Python ctk
    #[command(subcommand)]
    Kinesis(KinesisCommand),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print a page of the documentation
    #[command(hide = true)]
    GenerateDocs(DocsArgs),
}

/// `ctk kinesis …`
#[derive(Debug, Subcommand)]
pub enum KinesisCommand {
    /// Show how far each shard was loaded
    #[command(visible_alias = "ls")]
    ListCheckpoints(ListArgs),
    /// Delete checkpoints that nobody needs any more
    #[command(visible_alias = "prune")]
    PruneCheckpoints(PruneArgs),
}

/// Load a stream into a database
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ctk load 'kinesis:?region_name=eu-central-1&table=orders&checkpointer=sqlite' sqlite:orders.db
  ctk load 'kinesis://localhost:4566/orders?region=us-east-1' - | jq .

The exit code is 0 when everything was loaded, 1 when something failed, 2 for wrong usage, and 130 or 143 when the
run was interrupted: what was read is written and noted before it ends.")]
pub struct LoadArgs {
    /// Address of the stream
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Address of the database, `jsonl:FILE`, or `-` for lines on stdout
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Address of the database, instead of TARGET
    #[arg(long, env = "CRATEDB_CLUSTER_URL", hide_env_values = true, value_name = "URL")]
    pub cluster_url: Option<String>,
    /// Schema to load into; wins over the address
    #[arg(long, env = "CRATEDB_SCHEMA")]
    pub schema: Option<String>,
    /// Table to load into; wins over the address
    #[arg(long, env = "CRATEDB_TABLE")]
    pub table: Option<String>,
    /// Recipe for change data (YAML)
    #[arg(long, value_name = "FILE")]
    pub transformation: Option<PathBuf>,
    /// Load what is there now, then end
    #[arg(long, conflicts_with = "follow")]
    pub once: bool,
    /// Go on with what comes, until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Where records go that are no rows: `table`, `jsonl:FILE`, `fail` (stop at the first), or `drop` (only count)
    ///
    /// By default a table beside the target table, `<table>_dead_letters`, or where the target has no tables: `fail`.
    #[arg(long, value_name = "WHERE")]
    pub dead_letters: Option<String>,
    /// Take the checkpoints over from a run that still seems to be at work; that one stops when it finds out
    ///
    /// In CrateDB, a run keeps others out of its namespace. One that was killed is waited for until its claim runs out.
    #[arg(long)]
    pub take_over: bool,
    /// When to show progress on stderr
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub progress: When,
    /// Check everything, write nothing, and say what would happen
    #[arg(long)]
    pub dry_run: bool,
}

/// Which database the checkpoints are in.
#[derive(Args, Debug)]
pub struct DatabaseArgs {
    /// Address of the database, `crate://HOST/`, `postgresql://HOST/DATABASE` or `sqlite:FILE`; else CRATEDB_URI, then CRATEDB_CLUSTER_URL
    #[expect(clippy::doc_markdown, reason = "this is the help, which is no Markdown")]
    #[arg(value_name = "DB")]
    pub database: Option<String>,
    /// Address of the database, instead of DB
    #[arg(long, value_name = "URL")]
    pub cluster_url: Option<String>,
    /// The environment, which counts when nothing was typed
    #[arg(long, env = "CRATEDB_URI", hide = true, hide_env_values = true)]
    pub uri_from_environment: Option<String>,
    /// The same, and counts last
    #[arg(long, env = "CRATEDB_CLUSTER_URL", hide = true, hide_env_values = true)]
    pub cluster_url_from_environment: Option<String>,
    /// Schema of the checkpoint table; SQLite has none
    #[arg(long, env = "CRATEDB_EXT_SCHEMA", default_value = "ext")]
    pub schema: String,
    /// Only this namespace: the stream's name, or `checkpointer_name`
    #[arg(long)]
    pub namespace: Option<String>,
    /// How to print; on a terminal the default is a table, else JSON
    #[arg(long)]
    pub format: Option<Format>,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// For programs; times are milliseconds since 1970
    Json,
    /// For spreadsheets
    Csv,
}

/// Show how far each shard was loaded
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ctk list-checkpoints sqlite:orders.db
  ctk list-checkpoints --namespace orders crate://localhost/")]
pub struct ListArgs {
    /// Which database
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Delete checkpoints that nobody needs any more
///
/// At least one of --older-than and --namespace is required. Rows of a run that is going on are left alone: they are
/// `active`. A row stays active, too, when its run was killed. In CrateDB a run that is idle renews its rows, so they are
/// never old.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  ctk prune-checkpoints --older-than 30d --dry-run sqlite:orders.db
  ctk prune-checkpoints --namespace old-pipeline --yes crate://localhost/")]
pub struct PruneArgs {
    /// Which database
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Only rows that were not changed for so long, as `30d`, `12h` or `1w2d`
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Also rows that a run holds, or held when it was killed
    #[arg(long)]
    pub include_active: bool,
    /// Show the rows, and delete nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Delete without asking
    #[arg(long)]
    pub yes: bool,
}

/// Print a completion script for a shell
#[derive(Args, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Print a page of the documentation
#[derive(Args, Debug)]
pub struct DocsArgs {
    /// The page
    pub page: Page,
}

/// The pages that are made from the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// All options of all addresses
    Addresses,
    /// All commands
    Cli,
}
