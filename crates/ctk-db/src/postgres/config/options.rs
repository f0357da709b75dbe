//! The options of an address that concern the connection, as libpq names them.

use ctk_url::OptionSpec;

pub(super) const HOST: OptionSpec = OptionSpec::new(
    &["host"],
    "`PGHOST`, a socket, `localhost`",
    "server or folder of a socket, where the address names none; several: with commas",
);
pub(super) const PORT: OptionSpec = OptionSpec::new(
    &["port"],
    "`PGPORT`, 5432",
    "port, where the address names none; for several hosts one, or one each",
);
pub(super) const USER: OptionSpec = OptionSpec::new(
    &["user"],
    "`PGUSER`, the user of the system",
    "user, where the address names none",
);
pub(super) const PASSWORD: OptionSpec = OptionSpec::new(
    &["password"],
    "`PGPASSWORD`, `PGPASSFILE`, `~/.pgpass`",
    "password, where the address names none",
);
pub(super) const DATABASE: OptionSpec = OptionSpec::new(
    &["dbname"],
    "`PGDATABASE`, the user's name",
    "database, where the address names none",
);
pub(super) const SSL_MODE: OptionSpec = OptionSpec::new(
    &["sslmode"],
    "`PGSSLMODE`, `prefer`",
    "as libpq has it: `disable`, `allow`, `prefer`, `require`; with verification `verify-ca`, `verify-full`",
);
pub(super) const SSL_ROOT: OptionSpec = OptionSpec::new(
    &["sslrootcert"],
    "`PGSSLROOTCERT`, the public authorities",
    "file of authorities that are trusted besides the public ones; `require` then means `verify-ca`; `system`: the public ones, with `verify-full`",
);
pub(super) const SSL_CERTIFICATE: OptionSpec = OptionSpec::new(
    &["sslcert"],
    "`PGSSLCERT`, none",
    "file of our certificate, for servers that ask for one",
);
pub(super) const SSL_KEY: OptionSpec =
    OptionSpec::new(&["sslkey"], "`PGSSLKEY`, none", "file of its key, not encrypted");
pub(super) const APPLICATION: OptionSpec = OptionSpec::new(
    &["application_name"],
    "`PGAPPNAME`, `ctk`",
    "how sessions are named in `pg_stat_activity`",
);
pub(super) const SETTINGS: OptionSpec = OptionSpec::new(
    &["options"],
    "`PGOPTIONS`, none",
    "settings of the sessions, as `-c statement_timeout=60s`; added to those of `PGOPTIONS`",
);
pub(super) const TIMEOUT: OptionSpec = OptionSpec::new(
    &["connect_timeout"],
    "10",
    "seconds to wait for each host; 0: as long as it takes",
);
pub(super) const ATTRIBUTES: OptionSpec = OptionSpec::new(
    &["target_session_attrs"],
    "`any`",
    "`read-write` (also `primary`) skips servers that only read; writing skips them always",
);
pub(super) const CHANNEL_BINDING: OptionSpec = OptionSpec::new(
    &["channel_binding"],
    "`prefer`",
    "`disable` or `prefer`, which do without it; `require` is not supported",
);
pub(super) const GSS: OptionSpec = OptionSpec::new(
    &["gssencmode"],
    "`prefer`",
    "`disable` or `prefer`, which do without it; `require` is not supported",
);

/// The options of an address that concern the connection, in the order of the documentation.
pub const OPTIONS: &[&OptionSpec] = &[
    &HOST,
    &PORT,
    &USER,
    &PASSWORD,
    &DATABASE,
    &SSL_MODE,
    &SSL_ROOT,
    &SSL_CERTIFICATE,
    &SSL_KEY,
    &CHANNEL_BINDING,
    &GSS,
    &APPLICATION,
    &SETTINGS,
    &TIMEOUT,
    &ATTRIBUTES,
];
