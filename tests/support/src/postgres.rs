//! A real PostgreSQL server on a throw-away folder: started, broken and ended by a test.
//!
//! The programs are those of the system (`cargo xtask setup` installs them where Debian's package manager can). PostgreSQL
//! refuses to be run by root, so root runs it as another user. Nothing is synced to the disk: a crash of a process loses
//! nothing by that, only one of the machine would.

use std::{
    fs, io,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tempfile::TempDir;
use tokio::process::Child;

use crate::process::free_port;

/// The superuser, and the database.
const NAME: &str = "ctk";

/// How a server is set up.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Connections are encrypted with the certificate of [`crate::tls`], and unencrypted ones refused.
    pub tls: bool,
    /// The password that connections need; without one everybody is let in.
    pub password: Option<String>,
    /// Further settings, as `("max_connections", "5")`.
    pub settings: Vec<(&'static str, String)>,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// In order; sessions are ended with an error.
    Fast,
    /// As if it crashed: the next start repairs what it finds.
    Immediate,
}

/// A running server. Dropping it ends it and removes its folder.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    port: u16,
    /// Whom the server runs as, when not as ourselves.
    user: Option<(u32, u32)>,
    process: Option<Child>,
    password: Option<String>,
}

impl Postgres {
    /// Starts a server that lets everybody in.
    pub async fn start() -> io::Result<Self> {
        Self::with(Options::default()).await
    }

    /// Starts a server on a free port.
    pub async fn with(options: Options) -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("ctk-postgres-").tempdir()?;
        let user = other_user()?;
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let mut server = Self {
            folder,
            port: free_port()?,
            user,
            process: None,
            password: options.password.clone(),
        };
        server.initialize(&options)?;
        server.run().await?;
        Ok(server)
    }

    /// Returns the address of the database, with the password where there is one, encoded as an address wants it.
    pub fn url(&self) -> String {
        let encode =
            |password: &String| format!(":{}", utf8_percent_encode(password, NON_ALPHANUMERIC));
        let password = self.password.as_ref().map(encode);
        format!(
            "postgresql://{NAME}{}@127.0.0.1:{}/{NAME}",
            password.unwrap_or_default(),
            self.port
        )
    }

    /// Returns the port, at which it listens on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of its socket, for addresses as `postgresql:///ctk?host=FOLDER`.
    pub fn socket_folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs SQL with `psql` and returns what it prints: a line for each row, columns between `|`.
    ///
    /// # Panics
    ///
    /// When a statement fails.
    #[expect(clippy::expect_used, reason = "what a test asks for is right, or the test is wrong")]
    pub fn sql(&self, sql: &str) -> String {
        self.try_sql(sql).expect(sql)
    }

    /// The same, where it may fail: the server is down perhaps, or the table is not there yet.
    pub fn try_sql(&self, sql: &str) -> io::Result<String> {
        let mut command = Command::new(program("psql")?);
        command.env_clear().args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-c", sql]);
        let output = command.output()?;
        succeed(&output)?;
        let printed = String::from_utf8_lossy(&output.stdout);
        Ok(printed.strip_suffix('\n').unwrap_or(&printed).to_owned())
    }

    /// Ends all sessions but its own, as an administrator does; returns how many.
    pub fn terminate_sessions(&self) -> usize {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        self.sql(sql).parse().unwrap_or_default()
    }

    /// Lets every COMMIT take effect from now on, but keeps its answer back, as when a standby that is to confirm it is away.
    /// What happens to such a session leaves whoever waits for the answer in doubt.
    ///
    /// The server cannot be stopped in order then: a session that ends drops its temporary table, and waits for that COMMIT, too.
    pub fn hold_commits(&self) {
        self.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        self.sql("SELECT pg_reload_conf()");
    }

    /// Returns how many sessions wait for such an answer.
    pub fn held_commits(&self) -> usize {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        self.sql(sql).parse().unwrap_or_default()
    }

    /// Answers all that wait, and those to come.
    pub fn answer_commits(&self) {
        self.sql("ALTER SYSTEM RESET synchronous_standby_names");
        self.sql("SELECT pg_reload_conf()");
    }

    /// Kills the process of one session, if there is any, with a signal that it cannot catch: the server then ends all
    /// others, and repairs itself. Returns true when one was killed.
    pub fn kill_session(&self) -> bool {
        // Not one of `sql`, which may have ended by now.
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' \
                   AND application_name <> 'psql' ORDER BY random() LIMIT 1";
        let pid = self.sql(sql);
        !pid.is_empty() && signal("-KILL", &pid).is_ok()
    }

    /// The same, and waits until the server has repaired itself.
    pub async fn crash(&self) -> io::Result<bool> {
        // Its other processes are started anew.
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
        let before = self.try_sql(sql)?;
        if !self.kill_session() {
            return Ok(false);
        }
        for _ in 0..2000 {
            if self.try_sql(sql).is_ok_and(|now| !now.is_empty() && now != before) {
                return Ok(true);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL does not repair itself"))
    }

    /// Stops the server and waits until it has ended.
    pub async fn stop(&mut self, how: Stop) -> io::Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        if let Some(id) = process.id() {
            signal(if how == Stop::Fast { "-INT" } else { "-QUIT" }, &id.to_string())?;
        }
        process.wait().await.map(drop)
    }

    /// Starts it again, at the same address, with what it held.
    pub async fn run(&mut self) -> io::Result<()> {
        let mut command = tokio::process::Command::new(program("postgres")?);
        command.arg("-D").arg(self.data()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::create(self.folder.path().join("log"))?).kill_on_drop(true);
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        self.process = Some(command.env_clear().spawn()?);
        for _ in 0..600 {
            if self.answers()? {
                return Ok(());
            }
            let ended = self.process.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(io::Error::other(format!(
                    "PostgreSQL ended at its start: {status}\n{log}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "PostgreSQL does not answer"))
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Asks over the socket, where no password is needed.
    fn answers(&self) -> io::Result<bool> {
        let mut command = Command::new(program("psql")?);
        let address = format!(
            "host={} port={} user={NAME} dbname=postgres",
            self.folder.path().display(),
            self.port
        );
        command.env_clear().args(["-XAtq", "-d", &address, "-c", "SELECT 1"]);
        Ok(command.output()?.status.success())
    }

    fn initialize(&self, options: &Options) -> io::Result<()> {
        let arguments = [
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
            "--no-instructions",
            "--username",
            NAME,
            "--pgdata",
        ];
        self.call(Command::new(program("initdb")?).args(arguments).arg(self.data()))?;
        let mut settings = vec![
            ("port", self.port.to_string()),
            ("listen_addresses", "'127.0.0.1'".to_owned()),
            ("unix_socket_directories", format!("'{}'", self.folder.path().display())),
            ("fsync", "off".to_owned()),
            ("shared_buffers", "32MB".to_owned()),
            // A test that kills sessions does not want to wait.
            ("restart_after_crash", "on".to_owned()),
        ];
        if options.tls {
            settings.extend([
                ("ssl", "on".to_owned()),
                self.certificate("ssl_cert_file", "server.pem")?,
            ]);
            settings.push(self.certificate("ssl_key_file", "server.key")?);
        }
        settings.extend(options.settings.iter().cloned());
        let lines: Vec<_> =
            settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
        append(&self.data().join("postgresql.conf"), &lines.concat())?;
        let kind = if options.tls { "hostssl" } else { "host" };
        let method = if options.password.is_some() { "scram-sha-256" } else { "trust" };
        let rules = format!("local all all trust\n{kind} all all 127.0.0.1/32 {method}\n");
        fs::write(self.data().join("pg_hba.conf"), rules)?;
        let password = options
            .password
            .as_ref()
            .map(|password| format!("ALTER USER {NAME} PASSWORD '{password}';\n"));
        // Without a server: it is not there yet.
        let mut command = Command::new(program("postgres")?);
        command.args(["--single", "-D"]).arg(self.data()).arg("postgres");
        let sql = self.folder.path().join("first.sql");
        fs::write(&sql, format!("{}CREATE DATABASE {NAME};\n", password.unwrap_or_default()))?;
        self.call(command.stdin(fs::File::open(&sql)?))
    }

    /// Puts a certificate where the server may read it, and returns the setting.
    fn certificate(&self, setting: &'static str, file: &str) -> io::Result<(&'static str, String)> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("certificates").join(file);
        let path = self.data().join(file);
        fs::copy(own, &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        if let Some((user, group)) = self.user {
            chown(&path, Some(user), Some(group))?;
        }
        Ok((setting, format!("'{}'", path.display())))
    }

    fn call(&self, command: &mut Command) -> io::Result<()> {
        use std::os::unix::process::CommandExt;
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        succeed(&command.env_clear().output()?)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let Some(process) = &mut self.process else { return };
        let Some(id) = process.id() else { return };
        // So that it removes what it holds outside of its folder; killed at last if it does not.
        drop(signal("-QUIT", &id.to_string()));
        for _ in 0..100 {
            if !matches!(process.try_wait(), Ok(None)) {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "nothing can be awaited here")]
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Returns a program of PostgreSQL. Debian keeps those of the server, by version, out of `PATH`.
fn program(name: &str) -> io::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    let mut places = folders.into_iter().rev().chain(std::env::split_paths(&path));
    places.find(|folder| folder.join(name).is_file()).map(|folder| folder.join(name)).ok_or_else(
        || {
            let text = format!("{name} of PostgreSQL is not installed: run `cargo xtask setup`");
            io::Error::new(io::ErrorKind::NotFound, text)
        },
    )
}

/// Returns whom root runs a server as: the user `postgres`, or `nobody`.
fn other_user() -> io::Result<Option<(u32, u32)>> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    let found = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some((id(&["-u", name])?, id(&["-g", name])?)));
    found.map(Some).ok_or_else(|| {
        io::Error::other("root cannot run PostgreSQL, and there is no user to run it as")
    })
}

fn signal(name: &str, id: &str) -> io::Result<()> {
    succeed(&Command::new("kill").args([name, id]).output()?)
}

fn succeed(output: &Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn append(path: &Path, text: &str) -> io::Result<()> {
    let before = fs::read_to_string(path)?;
    fs::write(path, before + text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_survives_what_tests_do_to_it() {
        let mut server = Postgres::start().await.unwrap();
        assert_eq!(server.sql("CREATE TABLE t AS SELECT 1 AS a, 'x' AS b; SELECT * FROM t"), "1|x");
        for stop in [Stop::Fast, Stop::Immediate] {
            server.stop(stop).await.unwrap();
            server.run().await.unwrap();
            assert_eq!(server.sql("SELECT * FROM t"), "1|x", "{stop:?}");
        }
        assert_eq!(server.terminate_sessions(), 0);
        assert!(!server.crash().await.unwrap());

        server.hold_commits();
        let mut insert = Command::new(program("psql").unwrap());
        insert.args(["-Xd", &server.url(), "-c", "INSERT INTO t VALUES (2, 'y')"]);
        let mut insert = insert.stderr(Stdio::null()).spawn().unwrap();
        while server.held_commits() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What its session is told is that it failed.
        assert_eq!(server.terminate_sessions(), 1);
        assert!(!insert.wait().unwrap().success());
        server.answer_commits();
        assert_eq!(server.sql("SELECT count(*) FROM t"), "2");

        let mut wait = Command::new(program("psql").unwrap());
        wait.args(["-Xd", &server.url(), "-c", "SELECT pg_sleep(60)"]).stderr(Stdio::null());
        wait.env("PGAPPNAME", "test");
        let mut wait = wait.spawn().unwrap();
        while server.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            == "0"
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(server.crash().await.unwrap());
        assert!(!wait.wait().unwrap().success());
        assert_eq!(server.sql("SELECT count(*) FROM t"), "2");
    }

    #[tokio::test]
    async fn a_server_may_want_a_password_and_encryption() {
        let options =
            Options { tls: true, password: Some("a:b/c".to_owned()), ..Options::default() };
        let server = Postgres::with(options).await.unwrap();
        assert_eq!(server.sql("SELECT 1"), "1");
        assert!(server.try_sql("SELECT nothing").unwrap_err().to_string().contains("nothing"));
        let ask = |password: &str, mode: &str| {
            let address =
                format!("host=127.0.0.1 port={} user=ctk dbname=ctk sslmode={mode}", server.port());
            let mut command = Command::new(program("psql").unwrap());
            command
                .env_clear()
                .env("PGPASSWORD", password)
                .args(["-XAtq", "-d", &address, "-c", "SELECT 1"]);
            command.output().unwrap().status.success()
        };
        assert!(ask("a:b/c", "require"));
        assert!(!ask("other", "require"));
        assert!(!ask("a:b/c", "disable"));
    }
}
