//! `postgres`: the PostgreSQL that the benchmark writes into, as a process of its own; and what it did meanwhile.
//!
//! A real server with an empty database, in the folder for temporary files. CPU is that of its first process and of all that
//! this one started: those that ended are in its account (`/proc`, in steps of 10 ms).

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ctk_test_support::postgres::{Options, Postgres};
use ctk_test_support::records::Expected;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use tokio::runtime::Runtime;

use crate::arguments::Arguments;
use crate::process::{ServerProcess, serve};
use crate::rows;

/// A sensible server of this size, and one that keeps its promises: the settings of tests (nothing synced) are replaced.
const SETTINGS: [(&str, &str); 6] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("checkpoint_timeout", "30min"),
    ("max_connections", "100"),
];

/// The database of [`Postgres`]; ours to look from is another one, so that looking does not count.
const DATABASE: &str = "ctk";

/// The kernel tells times to programs in this unit on every architecture that we know of.
const TICKS_PER_SECOND: f64 = 100.0;

/// Serves until stdin ends.
pub(crate) fn run(arguments: Arguments) -> Result<()> {
    arguments.finish()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let settings = SETTINGS.map(|(name, value)| (name, value.to_owned())).to_vec();
    let options = Options { settings, ..Options::default() };
    let server = runtime.block_on(Postgres::with(options)).context("cannot start PostgreSQL")?;
    serve(&server.url())
}

/// A server with an empty database; dropping it ends it.
pub(crate) struct Server {
    runtime: Runtime,
    connection: PgConnection,
    /// Its first process.
    pid: u32,
    url: String,
    _process: Option<ServerProcess>,
}

/// What a server did since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Served {
    /// Seconds of CPU, user and system, of all its processes.
    pub(crate) cpu: f64,
    /// Transactions that were committed in the database.
    pub(crate) transactions: u32,
}

impl Served {
    /// Returns what it did after an earlier look.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu - before.cpu,
            transactions: self.transactions.saturating_sub(before.transactions),
        }
    }
}

impl Server {
    /// Starts it in a process of its own, and waits until it serves.
    pub(crate) fn start() -> Result<Self> {
        let process = ServerProcess::start(&["postgres"])?;
        Self::at(process.address.clone(), Some(process)).context("cannot look into PostgreSQL")
    }

    /// Returns the server that has this database.
    fn at(url: String, process: Option<ServerProcess>) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let base = url.strip_suffix(DATABASE).with_context(|| format!("what database: {url}"))?;
        let address = format!("{base}postgres");
        let (connection, pid) = runtime.block_on(async {
            let mut connection = PgConnection::connect(&address).await?;
            let sql = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::integer";
            let pid: i32 = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, pid))
        })?;
        Ok(Self { runtime, connection, pid: pid.cast_unsigned(), url, _process: process })
    }

    /// Returns the address of the database.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns what it did so far, as soon as nobody is connected to the database any more: what a session did is known
    /// when it ended.
    pub(crate) fn served(&mut self) -> Result<Served> {
        let Self { runtime, connection, pid, .. } = self;
        let transactions = runtime.block_on(async {
            let sql = "SELECT count(*) FROM pg_stat_activity \
                       WHERE datname = $1 AND backend_type = 'client backend'";
            for _ in 0..1_000 {
                let sessions: i64 =
                    sqlx::query_scalar(sql).bind(DATABASE).fetch_one(&mut *connection).await?;
                if sessions == 0 {
                    let sql = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1";
                    let count: i64 =
                        sqlx::query_scalar(sql).bind(DATABASE).fetch_one(&mut *connection).await?;
                    return Ok(u32::try_from(count)?);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            bail!("somebody is still connected to the database")
        })?;
        // A process that ends between the look at its parent and the look at itself is missed; the second look has it.
        let cpu = cpu_of_tree(*pid)?.max(cpu_of_tree(*pid)?);
        Ok(Served { cpu, transactions })
    }

    /// Adds up what landed; two rows of one id are an error.
    pub(crate) fn landed(&self, table: &str) -> Result<Expected> {
        let sql = format!(
            "SELECT count(*), count(DISTINCT id), sum(id)::bigint, sum(reading)::bigint FROM {table}"
        );
        let row = self.rows(&sql)?.pop().context("no row came")?;
        let numbers: Result<Vec<u64>, _> = row.iter().map(|text| text.parse()).collect();
        match numbers.with_context(|| format!("no numbers: {row:?}"))?.as_slice() {
            [count, distinct, id, reading] => {
                ensure!(count == distinct, "{count} rows, but {distinct} ids");
                Ok(Expected { count: *count, id: *id, reading: *reading })
            }
            other => bail!("{} columns instead of four", other.len()),
        }
    }

    /// Refuses a table that is not the one of [`rows`], or has another key.
    pub(crate) fn ensure_alike(&self) -> Result<()> {
        let columns = "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute \
                       WHERE attrelid = 'bench'::regclass AND attnum > 0 AND NOT attisdropped";
        rows::ensure_alike(self.rows(columns)?, |column| column.postgres)?;
        let indexes = "SELECT string_agg(pg_get_indexdef(indexrelid, 1, true) \
                       || CASE WHEN indisprimary THEN ' primary' ELSE '' END, ', ') \
                       FROM pg_index WHERE indrelid = 'bench'::regclass";
        let found = self.rows(indexes)?;
        ensure!(
            found == [["_kinesis_msg_id primary"]],
            "the table has other indexes than that of the message id: {found:?}"
        );
        Ok(())
    }

    /// Returns the rows of a query in the database, every value as text; NULL is empty.
    pub(crate) fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>> {
        let rows = self.runtime.block_on(async {
            let mut connection = PgConnection::connect(self.url()).await?;
            // Without arguments every value comes as text.
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
            connection.close().await?;
            Ok::<_, sqlx::Error>(rows)
        });
        let rows = rows.with_context(|| format!("cannot query: {sql}"))?;
        let text = |row: &sqlx::postgres::PgRow, index| {
            let text = row.try_get_unchecked::<Option<String>, _>(index);
            text.map(Option::unwrap_or_default).with_context(|| format!("column {index}: {sql}"))
        };
        rows.iter().map(|row| (0..row.len()).map(|index| text(row, index)).collect()).collect()
    }
}

/// Returns the seconds of CPU of a process, of its children that live, and of those that ended.
fn cpu_of_tree(pid: u32) -> Result<f64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut ticks: HashMap<u32, u32> = HashMap::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc; bench needs Linux")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let Some((parent, spent)) = parse(&stat) else { bail!("not a stat: {stat:?}") };
        children.entry(parent).or_default().push(process);
        ticks.insert(process, spent);
    }
    let (mut sum, mut left) = (0, vec![pid]);
    while let Some(process) = left.pop() {
        sum += ticks.get(&process).copied().unwrap_or_default();
        left.extend(children.remove(&process).unwrap_or_default());
    }
    ensure!(ticks.contains_key(&pid), "process {pid} is not there");
    Ok(f64::from(sum) / TICKS_PER_SECOND)
}

/// Reads the fields ppid, and utime, stime, cutime and cstime together; they are counted behind the name, which may hold
/// anything.
fn parse(stat: &str) -> Option<(u32, u32)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u32>().ok();
    let spent = [11, 12, 13, 14].into_iter().map(number).sum::<Option<u32>>()?;
    Some((number(1)?, spent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let stat = "7 (a) b) S 3 7 7 0 -1 4194304 100 200 0 0 5 6 250 50 20 0 1 0 100";
        assert_eq!(parse(stat), Some((3, 311)));
        assert_eq!(parse("7 (a) S 3"), None);
    }

    #[test]
    fn a_server_tells_what_it_did_and_what_landed() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let postgres = runtime.block_on(Postgres::start()).unwrap();
        let mut server = Server::at(postgres.url(), None).unwrap();
        let create = rows::create_table(|column| column.postgres);
        postgres.sql(&create);
        server.ensure_alike().unwrap();
        let before = server.served().unwrap();
        let insert = "INSERT INTO bench (_kinesis_msg_id, id, reading) \
                      SELECT n::text, n % 100000, 7 FROM generate_series(1, 100000) AS n";
        postgres.sql(insert);
        let after = server.served().unwrap();
        // The statement, and what a session does when it begins.
        assert!(
            (1..5).contains(&(after.transactions - before.transactions)),
            "{after:?} {before:?}"
        );
        assert!(after.cpu > before.cpu, "{after:?} {before:?}");
        let landed = server.landed("bench").unwrap();
        assert_eq!(landed, Expected { count: 100_000, id: 4_999_950_000, reading: 700_000 });
        postgres.sql("UPDATE bench SET id = 1 WHERE id = 2");
        let error = server.landed("bench").unwrap_err();
        assert_eq!(error.to_string(), "100000 rows, but 99999 ids");
        postgres.sql("CREATE INDEX ON bench (id)");
        assert!(server.ensure_alike().unwrap_err().to_string().contains("other indexes"));
        postgres.sql("ALTER TABLE bench ADD COLUMN other text");
        assert!(server.ensure_alike().unwrap_err().to_string().contains("other"));
    }

    #[test]
    fn ended_and_living_children_are_counted() {
        let own = std::process::id();
        let before = cpu_of_tree(own).unwrap();
        let burn = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let sh = |script: &str| {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]).stdout(std::process::Stdio::piped()).spawn().unwrap()
        };
        sh(burn).wait().unwrap();
        let ended = cpu_of_tree(own).unwrap();
        assert!(ended > before, "{ended} {before}");
        let mut living = sh(&format!("{burn}; echo done; exec sleep 60"));
        std::io::Read::read(living.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let with = cpu_of_tree(own).unwrap();
        living.kill().unwrap();
        living.wait().unwrap();
        assert!(with > ended, "{with} {ended}");
        assert!(cpu_of_tree(u32::MAX).is_err());
    }
}
