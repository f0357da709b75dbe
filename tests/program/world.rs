//! A folder, a Kinesis, and the program started in it: environment, time zone, width and colour are fixed.

use std::{path::PathBuf, process::Stdio};

use ctk_test_support::embedded::{Kinesis, Options};
use sqlx::Row;
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// What a run of the program left.
#[derive(Debug)]
#[must_use]
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Ended {
    /// Asserts the exit code, and returns both outputs as one text, with what differs from run to run replaced.
    pub(crate) fn shown(&self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        format!("--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// A folder and a Kinesis with the stream `demo`.
pub(crate) struct World {
    pub(crate) kinesis: Kinesis,
    folder: TempDir,
}

impl World {
    pub(crate) async fn new(shards: u32) -> Self {
        Self::with(Options::default(), shards).await
    }

    pub(crate) async fn with(options: Options, shards: u32) -> Self {
        let kinesis = Kinesis::start(options).await.unwrap();
        kinesis.create_stream("demo", shards).await.unwrap();
        Self { kinesis, folder: tempfile::tempdir().unwrap() }
    }

    /// With the two records of the tutorial.
    pub(crate) async fn with_sensors() -> Self {
        Self::with_sensors_at(Options::default()).await
    }

    pub(crate) async fn with_sensors_at(options: Options) -> Self {
        let world = Self::with(options, 1).await;
        for index in 0..2 {
            world.put(&ctk_test_support::records::sensor(index)).await;
        }
        world
    }

    pub(crate) async fn put(&self, data: &[u8]) {
        self.kinesis.put("demo", "default", data).await.unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the address of the stream, as the tutorial has it, with further options.
    pub(crate) fn source(&self, options: &str) -> String {
        source(&self.kinesis.endpoint(), options)
    }

    /// Returns a command in the folder, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ctk"));
        command
            .env_clear()
            .env("TZ", "UTC")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("HOME", self.folder.path());
        command.current_dir(self.folder.path()).args(arguments).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments)).await
    }

    /// Loads with further options, which must succeed, and returns what it said.
    pub(crate) async fn load(&self, options: &str, target: &str) -> String {
        let ended = self.run(&["load", &self.source(options), target]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stderr
    }

    /// Returns the first column of a query, as text.
    pub(crate) async fn query(&self, database: &str, sql: &'static str) -> Vec<String> {
        query(self.path(database), sql).await
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn source(endpoint: &str, options: &str) -> String {
    format!(
        "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1&table=demo\
         &endpoint_url={endpoint}{options}"
    )
}

pub(crate) async fn ended(mut command: Command) -> Ended {
    let output = command.output().await.unwrap();
    Ended {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code(),
    }
}

/// Sends a signal, as `-TERM`, to a run.
pub(crate) fn signal(run: &Child, name: &str) {
    let id = run.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args([name, &id]).status().unwrap().success());
}

pub(crate) async fn query(database: PathBuf, sql: &'static str) -> Vec<String> {
    let mut connection = ctk_db::sqlite::open(&database, ctk_db::sqlite::Mode::Read).await.unwrap();
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    rows.iter()
        .map(|row| row.try_get::<String, _>(0).unwrap_or_else(|_| row.get::<i64, _>(0).to_string()))
        .collect()
}

/// Compares with a stored text, after replacing what differs from run to run.
macro_rules! assert_shown {
    ($shown:expr) => {{
        let shown = $shown;
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/program/snapshots"),
            prepend_module_to_snapshot => true,
            filters => vec![
                (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
                (r"\d{40,60}", "SEQUENCE"),
                (r"in \d+\.\d s, [\d,]+/s", "in TIME, RATE/s"),
                (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,6}(Z|\+00:00)", "MOMENT"),
                (r"\d{13}", "MILLIS"),
                (r"\b\d+ s ago", "AGE"),
                (r#"at_most="\d+ s""#, "at_most=AGE"),
                (r"/tmp/\.tmp\w+", "FOLDER"),
                (r#""_kinesis_msg_id":"[^"]{20}""#, r#""_kinesis_msg_id":"ID""#),
            ],
        }, { insta::assert_snapshot!(shown) });
    }};
}
pub(crate) use assert_shown;
