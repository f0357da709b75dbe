//! Where rows go: the address of a database or of a file.
//!
//! ```text
//! crate://[user[:password]@]host[:port][,host…]/[schema[/table]]     also cratedb:, http:, https:
//! postgresql://[user[:password]@]host[:port][,host…]/[database]      also postgres:
//! sqlite:relative.db   sqlite:///absolute.db   duckdb:…              a file; what follows the third slash is absolute
//! jsonl:path           -   stdout:
//! ```

use std::fmt::{self, Write};
use std::path::PathBuf;

use crate::error::UrlError;
use crate::grammar::{Authority, PATH, Parts, SEGMENT, check_characters, decode, encode};
use crate::host::{HostPort, parse_host_port};
use crate::nearest::nearest;
use crate::options::{OptionSpec, Options};
use crate::secret::{Secret, Secrets};

const EXAMPLE: &str = "sqlite:demo.db";
const KNOWN: &str = "`crate` (`cratedb`, `http`, `https`), `postgresql` (`postgres`), `sqlite`, `duckdb`, `jsonl`, `stdout`, `null`";
const SCHEMES: [&str; 11] = [
    "crate",
    "cratedb",
    "http",
    "https",
    "postgresql",
    "postgres",
    "sqlite",
    "duckdb",
    "jsonl",
    "stdout",
    "null",
];
const SSL: OptionSpec = OptionSpec::new(&["ssl"], "false", "");

/// What kind of target an address names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetScheme {
    /// `crate`, `cratedb`, `http`, `https`.
    CrateDb,
    /// `postgresql`, `postgres`.
    PostgreSql,
    /// `sqlite`.
    Sqlite,
    /// `duckdb`.
    DuckDb,
    /// `jsonl`, `stdout`, `-`.
    Jsonl,
    /// `null`: what is read is counted, and let go; for measuring.
    Discard,
}

impl TargetScheme {
    /// Returns the scheme as it stands in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CrateDb => "crate",
            Self::PostgreSql => "postgresql",
            Self::Sqlite => "sqlite",
            Self::DuckDb => "duckdb",
            Self::Jsonl => "jsonl",
            Self::Discard => "null",
        }
    }
}

impl fmt::Display for TargetScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The address of a target. `Display` and `Debug` hide its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetUrl {
    /// What kind of target.
    pub scheme: TargetScheme,
    /// The user before the `@`.
    pub user: Option<String>,
    /// The password; an empty one counts as none.
    pub password: Option<Secret>,
    /// The hosts, in the order given; none: the default of whoever connects.
    pub hosts: Vec<HostPort>,
    /// The parts of the path, decoded: `schema` and `table` for CrateDB, `database` for PostgreSQL, none for files.
    pub path: Vec<String>,
    /// The file; absent for servers and for standard output.
    pub file: Option<PathBuf>,
    /// What stands after the `?`; `https` has added `ssl=true`.
    pub options: Options,
}

impl TargetUrl {
    /// Parses an address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        check_characters(text, EXAMPLE)?;
        if text == "-" {
            return Ok(Self::bare(TargetScheme::Jsonl));
        }
        let parts = Parts::cut(text, EXAMPLE)?;
        match parts.scheme.as_str() {
            "crate" | "cratedb" | "http" => Self::server(TargetScheme::CrateDb, &parts),
            "https" => Self::server(TargetScheme::CrateDb, &parts)?.with_ssl(),
            "postgresql" | "postgres" => Self::server(TargetScheme::PostgreSql, &parts),
            "sqlite" => Self::in_file(TargetScheme::Sqlite, &parts),
            "duckdb" => Self::in_file(TargetScheme::DuckDb, &parts),
            "jsonl" => Self::in_file(TargetScheme::Jsonl, &parts),
            "stdout" if parts.authority.unwrap_or_default().is_empty() && parts.path.is_empty() => {
                Ok(Self {
                    options: Options::parse(parts.query)?,
                    ..Self::bare(TargetScheme::Jsonl)
                })
            }
            "null" if parts.authority.unwrap_or_default().is_empty() && parts.path.is_empty() => {
                Ok(Self {
                    options: Options::parse(parts.query)?,
                    ..Self::bare(TargetScheme::Discard)
                })
            }
            "stdout" => Err(UrlError::UnwantedHost { scheme: "jsonl" }),
            "null" => Err(UrlError::UnwantedHost { scheme: "null" }),
            _ => {
                // `postgresql+psycopg2` and the like name a driver of SQLAlchemy, of which only the first half matters.
                let (dialect, _) = parts.scheme.split_once('+').unwrap_or((&parts.scheme, ""));
                let nearest = nearest(dialect, SCHEMES);
                Err(UrlError::UnknownScheme { scheme: parts.scheme, known: KNOWN, nearest })
            }
        }
    }

    /// Returns the schema in the path, which only CrateDB has.
    pub fn schema(&self) -> Option<&str> {
        self.segment(TargetScheme::CrateDb, 0)
    }

    /// Returns the table in the path, which only CrateDB has.
    pub fn table(&self) -> Option<&str> {
        self.segment(TargetScheme::CrateDb, 1)
    }

    /// Returns the database in the path, which only PostgreSQL has.
    pub fn database(&self) -> Option<&str> {
        self.segment(TargetScheme::PostgreSql, 0)
    }

    /// Returns the whole address, secrets included.
    pub fn to_exposed_string(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        match self.write(&mut text, Secrets::Expose) {
            Ok(()) | Err(fmt::Error) => text,
        }
    }

    fn bare(scheme: TargetScheme) -> Self {
        Self {
            scheme,
            user: None,
            password: None,
            hosts: Vec::new(),
            path: Vec::new(),
            file: None,
            options: Options::default(),
        }
    }

    fn server(scheme: TargetScheme, parts: &Parts<'_>) -> Result<Self, UrlError> {
        let name = scheme.as_str();
        let Authority { user, password, hosts } = Authority::cut(parts)?;
        if parts.authority.is_none() && !parts.path.is_empty() {
            return Err(UrlError::NoSlashes { scheme: name });
        }
        let hosts = match hosts {
            "" => Vec::new(),
            hosts => hosts
                .split(',')
                .map(|host| parse_host_port(host)?.ok_or(UrlError::BadHost))
                .collect::<Result<_, _>>()?,
        };
        let path = parse_segments(parts.path)?;
        let (limit, form) = match scheme {
            TargetScheme::PostgreSql => (1, "postgresql://host/database?table=schema.table"),
            _ => (2, "crate://host/schema/table"),
        };
        if path.len() > limit {
            return Err(UrlError::PathTooLong { form });
        }
        Ok(Self {
            user,
            password,
            hosts,
            path,
            options: Options::parse(parts.query)?,
            ..Self::bare(scheme)
        })
    }

    fn with_ssl(mut self) -> Result<Self, UrlError> {
        if !self.options.contains(&SSL) {
            self.options.push("ssl", "true");
        } else if self.options.clone().take_bool(&SSL) == Ok(Some(false)) {
            return Err(UrlError::HttpsWithoutSsl);
        }
        Ok(self)
    }

    fn in_file(scheme: TargetScheme, parts: &Parts<'_>) -> Result<Self, UrlError> {
        let name = scheme.as_str();
        // `sqlite://relative.db` reads as a host. Some libraries take it for a relative path, some refuse it; so do we, since
        // a file in an unexpected place is found too late.
        if !parts.authority.unwrap_or_default().is_empty() {
            return Err(UrlError::UnwantedHost { scheme: name });
        }
        let options = Options::parse(parts.query)?;
        let path = decode(parts.path, "path")?;
        if scheme == TargetScheme::Jsonl && path == "-" {
            return Ok(Self { options, ..Self::bare(scheme) });
        }
        let file = Some(check_file(name, &path)?);
        Ok(Self { file, options, ..Self::bare(scheme) })
    }

    fn segment(&self, scheme: TargetScheme, index: usize) -> Option<&str> {
        if self.scheme != scheme {
            return None;
        }
        self.path.get(index).map(String::as_str)
    }

    fn write(&self, out: &mut impl Write, secrets: Secrets) -> fmt::Result {
        match (self.scheme, &self.file) {
            (_, Some(file)) => {
                let path = encode(&file.to_string_lossy(), PATH);
                let slashes = if path.starts_with('/') { "//" } else { "" };
                write!(out, "{}:{slashes}{path}", self.scheme)?;
            }
            (TargetScheme::Jsonl, None) => out.write_str("stdout:")?,
            (TargetScheme::Discard, _) => out.write_str("null:")?,
            (_, None) => self.write_server(out, secrets)?,
        }
        self.options.write(out, secrets)
    }

    fn write_server(&self, out: &mut impl Write, secrets: Secrets) -> fmt::Result {
        write!(out, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            out.write_str(&encode(user, SEGMENT))?;
        }
        if let Some(password) = &self.password {
            match secrets {
                Secrets::Hide => write!(out, ":{password}")?,
                Secrets::Expose => write!(out, ":{}", encode(password.expose(), SEGMENT))?,
            }
        }
        if self.user.is_some() || self.password.is_some() {
            out.write_char('@')?;
        }
        for (index, host) in self.hosts.iter().enumerate() {
            write!(out, "{}{host}", if index == 0 { "" } else { "," })?;
        }
        out.write_char('/')?;
        for (index, segment) in self.path.iter().enumerate() {
            write!(out, "{}{}", if index == 0 { "" } else { "/" }, encode(segment, SEGMENT))?;
        }
        Ok(())
    }
}

impl fmt::Display for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Secrets::Hide)
    }
}

/// Splits a path before decoding it, so that `%2F` is a slash inside a name. A slash at the end is harmless.
fn parse_segments(path: &str) -> Result<Vec<String>, UrlError> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let segments = path.split('/').map(|segment| match segment {
        "" => Err(UrlError::EmptySegment),
        segment => decode(segment, "path"),
    });
    segments.collect()
}

/// Refuses paths that would not keep what is written, or would keep it where nobody looks for it.
fn check_file(scheme: &'static str, path: &str) -> Result<PathBuf, UrlError> {
    if matches!(path.trim_start_matches('/'), ":memory:" | "memory:" | ":memory") {
        return Err(UrlError::InMemory { scheme });
    }
    if path.starts_with('~') {
        return Err(UrlError::Tilde);
    }
    if path.starts_with("file:") {
        return Err(UrlError::FileScheme { scheme });
    }
    if path.is_empty() || path.ends_with('/') || path == "." || path == ".." {
        return Err(UrlError::NoFile { scheme });
    }
    // Four slashes are how SQLAlchemy writes an absolute path.
    match path.strip_prefix('/') {
        Some(rest) => Ok(PathBuf::from(format!("/{}", rest.trim_start_matches('/')))),
        None => Ok(PathBuf::from(path)),
    }
}

#[cfg(test)]
mod tests;
