//! How to reach CrateDB: what its address says.

use ctk_url::{OptionError, OptionSpec, Options, Secret, TargetUrl};

const SSL: OptionSpec = OptionSpec::new(
    &["ssl"],
    "false",
    "`true` for HTTPS with a verified certificate; `https://` means it",
);
const SSL_MODE: OptionSpec = OptionSpec::new(
    &["sslmode"],
    "disable",
    "as libpq has it: `disable`; `allow`, `prefer`, `require` for HTTPS without verification; `verify-ca`, `verify-full` with it",
);
const GZIP: OptionSpec = OptionSpec::new(
    &["gzip"],
    "auto",
    "`true` compresses requests above 16 KiB, `false` does not; `auto` does so unless all hosts are on this machine or in a private network",
);

/// The options of an address that concern the connection, in the order of the documentation.
pub const OPTIONS: &[&OptionSpec] = &[&SSL, &SSL_MODE, &GZIP];

/// Whether and how connections are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain HTTP.
    Off,
    /// HTTPS, whatever the certificate.
    Unverified,
    /// HTTPS with a certificate that the system trusts.
    Verified,
}

/// Whether requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gzip {
    /// Those that are large enough for it to pay.
    Large,
    /// None: on a fast network it costs more than it saves.
    Never,
}

/// Where CrateDB is, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrateDbConfig {
    /// `host:port`, at least one.
    pub hosts: Vec<String>,
    /// The user, where one is named.
    pub user: Option<String>,
    /// The password.
    pub password: Option<Secret>,
    /// Encryption.
    pub tls: Tls,
    /// Compression.
    pub gzip: Gzip,
}

/// CrateDB's port for HTTP (<https://cratedb.com/docs/crate/reference/en/latest/config/node.html#ports>).
const PORT: u16 = 4200;

impl CrateDbConfig {
    /// Takes what concerns the connection out of the options of an address, and leaves the rest.
    pub fn take(url: &TargetUrl, options: &mut Options) -> Result<Self, OptionError> {
        let ssl = options.take_bool(&SSL)?;
        let mode = options.take_choice(
            &SSL_MODE,
            &[
                ("disable", Tls::Off),
                ("allow", Tls::Unverified),
                ("prefer", Tls::Unverified),
                ("require", Tls::Unverified),
                ("verify-ca", Tls::Verified),
                ("verify-full", Tls::Verified),
            ],
        )?;
        let tls = match (ssl, mode) {
            (Some(false), Some(Tls::Unverified | Tls::Verified)) | (Some(true), Some(Tls::Off)) => {
                return Err(OptionError::Invalid {
                    name: "sslmode",
                    expected: "a mode that agrees with `ssl`".into(),
                });
            }
            (_, Some(mode)) => mode,
            (Some(true), None) => Tls::Verified,
            (Some(false) | None, None) => Tls::Off,
        };
        let is_near = url.hosts.iter().all(|host| host.host.is_private());
        let near = if is_near { Gzip::Never } else { Gzip::Large };
        let gzip = options.take_choice(
            &GZIP,
            &[
                ("auto", near),
                ("true", Gzip::Large),
                ("on", Gzip::Large),
                ("false", Gzip::Never),
                ("off", Gzip::Never),
            ],
        )?;
        let hosts = url
            .hosts
            .iter()
            .map(|host| match host.port {
                Some(_) => host.to_string(),
                None => format!("{host}:{PORT}"),
            })
            .collect::<Vec<_>>();
        Ok(Self {
            hosts: if hosts.is_empty() { vec![format!("localhost:{PORT}")] } else { hosts },
            // The superuser of a fresh server.
            user: url.user.clone().or_else(|| url.password.as_ref().map(|_| "crate".to_owned())),
            password: url.password.clone(),
            tls,
            gzip: gzip.unwrap_or(near),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(address: &str) -> Result<CrateDbConfig, OptionError> {
        let url = TargetUrl::parse(address).unwrap();
        CrateDbConfig::take(&url, &mut url.options.clone())
    }

    #[test]
    fn addresses_say_how_to_connect() {
        let check = |address: &str, hosts: &[&str], tls: Tls, gzip: Gzip| {
            let config = config(address).unwrap();
            assert_eq!(
                (config.hosts, config.tls, config.gzip),
                (hosts.iter().map(|host| (*host).to_owned()).collect(), tls, gzip),
                "{address}"
            );
        };
        check("crate://", &["localhost:4200"], Tls::Off, Gzip::Never);
        check("crate://localhost/s/t", &["localhost:4200"], Tls::Off, Gzip::Never);
        check("crate://db.example.com", &["db.example.com:4200"], Tls::Off, Gzip::Large);
        check("crate://a:4200,b:4201,c/", &["a:4200", "b:4201", "c:4200"], Tls::Off, Gzip::Large);
        check("crate://[::1]:4300/", &["[::1]:4300"], Tls::Off, Gzip::Never);
        check("https://10.0.0.1/", &["10.0.0.1:4200"], Tls::Verified, Gzip::Never);
        check(
            "crate://10.0.0.1/?ssl=YES&gzip=true",
            &["10.0.0.1:4200"],
            Tls::Verified,
            Gzip::Large,
        );
        check("crate://a/?sslmode=require&gzip=off", &["a:4200"], Tls::Unverified, Gzip::Never);
        check("crate://a/?sslmode=verify-full", &["a:4200"], Tls::Verified, Gzip::Large);
        check("crate://a/?ssl=false&sslmode=disable", &["a:4200"], Tls::Off, Gzip::Large);
        assert!(config("crate://a/?ssl=true&sslmode=disable").is_err());
        assert!(config("crate://a/?ssl=perhaps").is_err());
        assert!(config("crate://a/?sslmode=x").is_err());
    }

    #[test]
    fn users_are_those_of_the_address() {
        let check = |address: &str, user: Option<&str>, password: Option<&str>| {
            let config = config(address).unwrap();
            assert_eq!(config.user.as_deref(), user, "{address}");
            assert_eq!(config.password.as_ref().map(Secret::expose), password, "{address}");
        };
        check("crate://localhost", None, None);
        check("crate://crate@localhost", Some("crate"), None);
        check("crate://crate:crate@localhost:4200/testdrive/kinesis", Some("crate"), Some("crate"));
        check("crate://u%40x:p%2Fw%3A@localhost", Some("u@x"), Some("p/w:"));
        check("crate://:pw@localhost", Some("crate"), Some("pw"));
    }
}
