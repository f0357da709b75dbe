//! How to reach PostgreSQL: what its address says, and what libpq's environment adds.
//!
//! `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE`, `PGSSLMODE` and the like, `PGPASSWORD`, `PGPASSFILE` and `~/.pgpass` are read by
//! sqlx, not by us; an address wins over them.

mod options;

use std::{fmt, path::PathBuf, time::Duration};

use ctk_url::{Host, OptionError, OptionSpec, Options, Secret, TargetUrl};
use sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgSslMode},
};

pub use options::OPTIONS;
use options::{
    APPLICATION, ATTRIBUTES, CHANNEL_BINDING, DATABASE, GSS, HOST, PASSWORD, PORT, SETTINGS,
    SSL_CERTIFICATE, SSL_KEY, SSL_MODE, SSL_ROOT, TIMEOUT, USER,
};

/// Where PostgreSQL is, and who we are there. `Debug` hides the password.
#[derive(Clone, Debug)]
pub struct PgConfig {
    pub(super) places: Vec<Place>,
    pub(super) user: String,
    pub(super) password: Option<Secret>,
    pub(super) database: String,
    pub(super) tls: Tls,
    pub(super) application: String,
    pub(super) settings: Option<String>,
    /// For each host.
    pub(super) timeout: Option<Duration>,
    /// Hosts that only read are skipped always.
    pub(super) is_for_writing: bool,
}

/// A host, without the brackets of an IPv6 address, or the folder of a socket; and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Place {
    pub(super) fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Encryption.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) mode: PgSslMode,
    pub(super) root: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// What an address need not say.
#[derive(Clone, Debug)]
struct Defaults {
    /// As libpq's variable has it: several with commas.
    host: String,
    port: u16,
    user: String,
    database: Option<String>,
    mode: PgSslMode,
    has_root: bool,
    application: Option<String>,
}

impl Defaults {
    /// Asks sqlx, which asks the environment.
    fn of_environment() -> Self {
        let options = PgConnectOptions::new_without_pgpass();
        // The only way to see whether it has one. User and host are replaced since not all can stand in this address.
        let address = options.clone().username("x").host("x").to_url_lossy();
        Self {
            host: options.get_host().to_owned(),
            port: options.get_port(),
            user: options.get_username().to_owned(),
            database: options.get_database().map(str::to_owned),
            mode: options.get_ssl_mode(),
            has_root: address.query_pairs().any(|(name, _)| name == "sslrootcert"),
            application: options.get_application_name().map(str::to_owned),
        }
    }
}

impl PgConfig {
    /// Takes what concerns the connection out of the options of an address, and leaves the rest.
    pub fn take(url: &TargetUrl, options: &mut Options) -> Result<Self, OptionError> {
        Self::take_with(url, options, Defaults::of_environment())
    }

    /// Returns which database this is, without a secret: `database ctk at 127.0.0.1:5432`.
    pub fn describe(&self) -> String {
        let places: Vec<_> = self.places.iter().map(Place::to_string).collect();
        format!("database {} at {}", self.database, places.join(", "))
    }

    fn take_with(
        url: &TargetUrl,
        options: &mut Options,
        defaults: Defaults,
    ) -> Result<Self, OptionError> {
        let user = either(url.user.clone(), options.take(&USER)?, &USER)?.unwrap_or(defaults.user);
        let database = url.database().map(str::to_owned);
        let database = either(database, options.take(&DATABASE)?, &DATABASE)?;
        for spec in [&CHANNEL_BINDING, &GSS] {
            options.take_choice(spec, &[("disable", ()), ("prefer", ())])?;
        }
        let timeout = options.take_integer(&TIMEOUT, 0..=86_400)?.unwrap_or(10);
        let attributes = options
            .take_choice(&ATTRIBUTES, &[("any", false), ("read-write", true), ("primary", true)])?;
        let password = options.take_secret(&PASSWORD)?;
        let application = options.take(&APPLICATION)?.or(defaults.application);
        Ok(Self {
            places: places(url, options, &defaults.host, defaults.port)?,
            // libpq's rule, which the server has as well; but passwords are looked up by it.
            database: database.or(defaults.database).unwrap_or_else(|| user.clone()),
            user,
            password: either(url.password.clone(), password, &PASSWORD)?,
            tls: Tls::take(options, defaults.mode, defaults.has_root)?,
            application: application.unwrap_or_else(|| "ctk".to_owned()),
            settings: options.take(&SETTINGS)?,
            timeout: (timeout > 0).then(|| Duration::from_secs(timeout)),
            is_for_writing: attributes.unwrap_or(false),
        })
    }
}

impl Tls {
    fn take(
        options: &mut Options,
        default: PgSslMode,
        has_root: bool,
    ) -> Result<Self, OptionError> {
        let mode = options.take_choice(
            &SSL_MODE,
            &[
                ("disable", PgSslMode::Disable),
                ("allow", PgSslMode::Allow),
                ("prefer", PgSslMode::Prefer),
                ("require", PgSslMode::Require),
                ("verify-ca", PgSslMode::VerifyCa),
                ("verify-full", PgSslMode::VerifyFull),
            ],
        )?;
        let root = options.take(&SSL_ROOT)?;
        let certificate = options.take(&SSL_CERTIFICATE)?.map(PathBuf::from);
        let key = options.take(&SSL_KEY)?.map(PathBuf::from);
        if certificate.is_some() != key.is_some() {
            return Err(OptionError::Missing {
                name: if key.is_some() { SSL_CERTIFICATE.name() } else { SSL_KEY.name() },
            });
        }
        // Anybody can have a certificate of a public authority: without the name it says nothing.
        if root.as_deref() == Some("system") {
            return match mode {
                None | Some(PgSslMode::VerifyFull) => {
                    Ok(Self { mode: PgSslMode::VerifyFull, root: None, certificate, key })
                }
                Some(_) => {
                    Err(OptionError::invalid(&SSL_MODE, "`verify-full`, with `sslrootcert=system`"))
                }
            };
        }
        let has_root = has_root || root.is_some();
        let mode = match mode.unwrap_or(default) {
            PgSslMode::Require if has_root => PgSslMode::VerifyCa,
            mode => mode,
        };
        Ok(Self { mode, root: root.map(PathBuf::from), certificate, key })
    }
}

/// Returns what the address or its query says; both is too much.
fn either<T>(
    address: Option<T>,
    option: Option<T>,
    spec: &OptionSpec,
) -> Result<Option<T>, OptionError> {
    match (address, option) {
        (Some(_), Some(_)) => Err(OptionError::Unused { name: spec.name() }),
        (address, option) => Ok(address.or(option)),
    }
}

fn places(
    url: &TargetUrl,
    options: &mut Options,
    host: &str,
    port: u16,
) -> Result<Vec<Place>, OptionError> {
    let of_address = url.hosts.iter().map(|place| {
        let host = match &place.host {
            Host::Name(name) => name.clone(),
            Host::V4(address) => address.to_string(),
            Host::V6(address) => address.to_string(),
        };
        (host, place.port)
    });
    let of_address = (!url.hosts.is_empty()).then(|| of_address.collect::<Vec<_>>());
    let split = |hosts: &str| -> Vec<(String, Option<u16>)> {
        hosts.split(',').map(|host| (host.trim().to_owned(), None)).collect()
    };
    let of_option = options.take(&HOST)?.map(|hosts| split(&hosts));
    let hosts = either(of_address, of_option, &HOST)?.unwrap_or_else(|| split(host));
    let ports = match options.take(&PORT)? {
        None => vec![port],
        Some(ports) => ports
            .split(',')
            .map(|port| port.trim().parse().ok().filter(|port| *port > 0))
            .collect::<Option<Vec<u16>>>()
            .filter(|ports| ports.len() == 1 || ports.len() == hosts.len())
            .ok_or_else(|| OptionError::invalid(&PORT, "a port, or one for each host"))?,
    };
    let ports = ports.iter().cycle();
    Ok(hosts
        .into_iter()
        .zip(ports)
        .map(|((host, own), port)| Place {
            // An empty one in a list is the default, as in libpq.
            host: if host.is_empty() { "localhost".to_owned() } else { host },
            port: own.unwrap_or(*port),
        })
        .collect())
}

#[cfg(test)]
mod tests;
