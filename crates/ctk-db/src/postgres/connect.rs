//! Connecting: one host after the other, encrypted as asked for, and a look at what answers.

use std::{fs::File, io, path::Path};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{
    ConnectOptions as _, Row,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    Connection, OLDEST, PgConfig, Trouble,
    config::{Place, Tls},
    relay, sqlstate,
};
use crate::DbError;

/// What the server is asked first: whatever speaks the protocol can answer.
const WHO: &str = "SELECT version()";

/// What it is asked then. Values are written and read alike whatever the server's configuration says; the time zone, which is
/// UTC, and the encoding are part of sqlx's first message. A statement that waited for another session sees what that did.
/// Timeouts, the search path and durability stay as they are set.
///
/// Warnings are shown to nobody, and a trigger that raises one for each row of a `COPY` would fill the connection, from which
/// nothing is read meanwhile.
const SETTINGS: &str = "
    SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on',
      pg_catalog.set_config('standard_conforming_strings', 'on', false),
      pg_catalog.set_config('bytea_output', 'hex', false),
      pg_catalog.set_config('array_nulls', 'on', false),
      pg_catalog.set_config('extra_float_digits', '1', false),
      pg_catalog.set_config('IntervalStyle', 'postgres', false),
      pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
      pg_catalog.set_config('client_min_messages', 'error', false)";

/// From version 14 on: how often the server looks, while it works or waits for a lock, whether we are still there. What is
/// set already stays, and servers on systems that cannot look refuse it.
const LOOK: &str = "
    SELECT pg_catalog.set_config(name, '10s', false) FROM pg_catalog.pg_settings
    WHERE name = 'client_connection_check_interval' AND setting = '0'";

impl PgConfig {
    /// Connects to the first host that answers. There is no second attempt; dropping the future closes what was opened.
    pub async fn connect(&self) -> Result<Connection, DbError> {
        self.connect_to_any(self.is_for_writing).await
    }

    /// Connects to the first host that can be written to.
    pub async fn connect_for_writing(&self) -> Result<Connection, DbError> {
        self.connect_to_any(true).await
    }

    async fn connect_to_any(&self, is_for_writing: bool) -> Result<Connection, DbError> {
        self.tls.check()?;
        let mut failed = Vec::new();
        for place in &self.places {
            match self.connect_to(place, is_for_writing).await {
                Ok(connection) => return Ok(connection),
                // A wrong password is one everywhere, as libpq has it.
                Err(error) if !is_of_host(&error) => return Err(error),
                Err(error) => failed.push(error),
            }
        }
        Err(self.summary(failed))
    }

    async fn connect_to(&self, place: &Place, is_for_writing: bool) -> Result<Connection, DbError> {
        let what = self.describe_one(place);
        let mut connection = match self.open(place).await {
            Ok(connection) => connection,
            Err(source) => return Err(DbError::Connect { what, source }),
        };
        let asked = self.within(ask(&mut connection)).await;
        let server = asked.map_err(|source| DbError::Connect { what: what.clone(), source })?;
        match server {
            Server::Other { product } => {
                let address = (product == "CrateDB").then(|| self.cratedb_address());
                Err(DbError::NotPostgres { what, product, address })
            }
            Server::TooOld { version } => Err(DbError::TooOld { what, version }),
            Server::Postgres { only_reads: true, is_standby } if is_for_writing => {
                Err(DbError::ReadOnly { what, is_standby })
            }
            Server::Postgres { .. } => Ok(connection),
        }
    }

    /// Opens a connection as the mode of encryption says, of which two try another way when the first is refused
    /// (<https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>).
    async fn open(&self, place: &Place) -> Result<Connection, sqlx::Error> {
        let (first, second) = match self.tls.mode {
            // Nobody listens on a socket.
            _ if place.is_socket() => (PgSslMode::Disable, None),
            PgSslMode::Allow => (PgSslMode::Disable, Some(PgSslMode::Require)),
            PgSslMode::Prefer => (PgSslMode::Prefer, Some(PgSslMode::Disable)),
            mode => (mode, None),
        };
        let error = match self.within(self.open_as(place, first)).await {
            Err(error) if is_about_encryption(&error) => error,
            other => return other,
        };
        let Some(second) = second else { return Err(error) };
        self.within(self.open_as(place, second)).await.map_err(|other| match first {
            // That it is not encrypted is the lesser reason.
            PgSslMode::Prefer => error,
            _ => other,
        })
    }

    async fn open_as(&self, place: &Place, mode: PgSslMode) -> Result<Connection, sqlx::Error> {
        let options = self.options(place, mode)?;
        if place.is_socket() {
            options.connect().await
        } else {
            relay::connect(options, place).await
        }
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        let Some(limit) = self.timeout else { return work.await };
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let text = format!("no answer within {} s", limit.as_secs());
            Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, text)))
        })
    }

    /// Returns what sqlx connects with. Passwords are looked up when it reads an address, by what stands there and not by what
    /// is set later: so it gets one.
    fn options(&self, place: &Place, mode: PgSslMode) -> Result<PgConnectOptions, sqlx::Error> {
        // libpq looks up a socket as `localhost`.
        let host = if place.is_socket() { "localhost" } else { &place.host };
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let mut address = format!(
            "postgresql:///?host={}&port={}&user={}&dbname={}",
            encode(host),
            place.port,
            encode(&self.user),
            encode(&self.database)
        );
        if let Some(password) = &self.password {
            address = format!("{address}&password={}", encode(password.expose()));
        }
        if let Some(settings) = &self.settings {
            address = format!("{address}&options={}", encode(settings));
        }
        let mut options: PgConnectOptions = address.parse()?;
        if place.is_socket() {
            options = options.socket(&place.host);
        }
        if let Some(root) = &self.tls.root {
            options = options.ssl_root_cert(root);
        }
        if let (Some(certificate), Some(key)) = (&self.tls.certificate, &self.tls.key) {
            options = options.ssl_client_cert(certificate).ssl_client_key(key);
        }
        Ok(options
            .ssl_mode(mode)
            .application_name(&self.application)
            // Some poolers refuse it in the first message; it is set afterwards.
            .extra_float_digits(None)
            .disable_statement_logging())
    }

    fn describe_one(&self, place: &Place) -> String {
        format!("database {} at {place}", self.database)
    }

    /// Of several hosts the error of one is returned, and what it was about names the others.
    fn summary(&self, mut failed: Vec<DbError>) -> DbError {
        // Rather the one that a user can do something about than one that is down.
        let reads = failed.iter().position(|error| matches!(error, DbError::ReadOnly { .. }));
        let index = reads.unwrap_or_default();
        if index >= failed.len() {
            let source = io::Error::new(io::ErrorKind::NotFound, "no host is named").into();
            return DbError::Connect { what: self.describe(), source };
        }
        let mut chosen = failed.remove(index);
        if let DbError::Connect { what, .. } | DbError::ReadOnly { what, .. } = &mut chosen {
            let others: Vec<_> = failed.iter().map(with_cause).collect();
            if !others.is_empty() {
                *what = format!("{what} ({})", others.join("; "));
            }
        }
        chosen
    }

    /// Returns the address of CrateDB at these hosts, for a hint.
    fn cratedb_address(&self) -> String {
        let hosts = self.places.iter().map(|place| Place { host: place.host.clone(), port: 4200 });
        let hosts: Vec<_> = hosts.map(|place| place.to_string()).collect();
        let user = utf8_percent_encode(&self.user, NON_ALPHANUMERIC);
        format!("crate://{user}@{}/", hosts.join(","))
    }
}

impl Tls {
    /// Looks for the files, since sqlx does not say which one it cannot read.
    fn check(&self) -> Result<(), DbError> {
        if matches!(self.mode, PgSslMode::Disable) {
            return Ok(());
        }
        let files =
            [("sslrootcert", &self.root), ("sslcert", &self.certificate), ("sslkey", &self.key)];
        for (option, path) in files {
            let Some(path) = path else { continue };
            readable(path).map_err(|source| DbError::Certificate {
                option,
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }
}

fn readable(path: &Path) -> io::Result<()> {
    File::open(path)?.metadata()?.is_file().then_some(()).ok_or(io::ErrorKind::IsADirectory.into())
}

/// What answers.
enum Server {
    Postgres { is_standby: bool, only_reads: bool },
    TooOld { version: String },
    Other { product: String },
}

async fn ask(connection: &mut Connection) -> Result<Server, sqlx::Error> {
    // All in the simple protocol, one round trip each.
    let row = sqlx::raw_sql(WHO).fetch_one(&mut *connection).await?;
    let version: &str = row.try_get(0)?;
    let product = version.split_whitespace().next().unwrap_or("something else");
    if product != "PostgreSQL" {
        return Ok(Server::Other { product: product.to_owned() });
    }
    let version = connection.server_version_num().unwrap_or_default();
    if version < OLDEST * 10_000 {
        let (major, minor) = (version / 10_000, version / 100 % 100);
        // The second number was part of the major version until 10.
        let minor = if major < 10 { format!(".{minor}") } else { String::new() };
        return Ok(Server::TooOld { version: format!("{major}{minor}") });
    }
    match sqlx::raw_sql(LOOK).execute(&mut *connection).await {
        Ok(_) | Err(sqlx::Error::Database(_)) => {}
        Err(error) => return Err(error),
    }
    let row = sqlx::raw_sql(SETTINGS).fetch_one(connection).await?;
    Ok(Server::Postgres { is_standby: row.try_get(0)?, only_reads: row.try_get(1)? })
}

/// Returns true when another host may do better.
fn is_of_host(error: &DbError) -> bool {
    matches!(error.trouble(), Trouble::Connection | Trouble::ReadOnly)
}

/// Returns true for what may come of being encrypted, or of not being so: a handshake that fails, and a server whose rules
/// have no entry for such a connection.
fn is_about_encryption(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(source) => source.kind() == io::ErrorKind::InvalidData,
        error => sqlstate(error).as_deref() == Some("28000"),
    }
}

fn with_cause(error: &DbError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

#[cfg(test)]
mod tests;
