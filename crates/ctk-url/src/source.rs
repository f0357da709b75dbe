//! Where records come from: the address of a stream or of a dump file.
//!
//! ```text
//! kinesis:?table=STREAM|ARN&…
//! kinesis://[KEY:SECRET@][HOST[:PORT]]/STREAM|ARN?…
//! kinesis+dms:…    kinesis+dynamodb+cdc:…    the same forms, other records
//! …///path/to/dump.ndjson                    a dump file, also .gz .bz2 .xz .zst
//! ```

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::path::PathBuf;

use crate::error::UrlError;
use crate::grammar::{Authority, PATH, Parts, SEGMENT, decode, encode};
use crate::host::{Host, parse_host_port};
use crate::nearest::nearest;
use crate::options::{OptionError, OptionSpec, Options};
use crate::secret::{Secret, Secrets};

/// Decides whether the path of a source is a dump file; [`SourceUrl::file`] reads it, whoever finishes the options takes it.
pub const FILE: OptionSpec = OptionSpec::new(
    &["file"],
    "by the name",
    "`true`: the path is a dump file; `false`: it is a stream",
);

const EXAMPLE: &str = "kinesis:?table=STREAM&region=us-east-1";
const SCHEMES: [(&str, SourceScheme); 4] = [
    ("kinesis", SourceScheme::Kinesis),
    ("kinesis+dms", SourceScheme::KinesisDms),
    ("kinesis+dynamodb+cdc", SourceScheme::KinesisDynamodb),
    ("kinesis+dynamodb", SourceScheme::KinesisDynamodb),
];
const KNOWN: &str = "`kinesis`, `kinesis+dms`, `kinesis+dynamodb+cdc`";

/// What kind of records a stream carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceScheme {
    /// `kinesis`: records as they are.
    Kinesis,
    /// `kinesis+dms`: changes, written by AWS DMS.
    KinesisDms,
    /// `kinesis+dynamodb+cdc`, or without `+cdc`: changes of a DynamoDB table.
    KinesisDynamodb,
}

impl SourceScheme {
    /// Returns the scheme as it stands in an address.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kinesis => "kinesis",
            Self::KinesisDms => "kinesis+dms",
            Self::KinesisDynamodb => "kinesis+dynamodb+cdc",
        }
    }
}

impl fmt::Display for SourceScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The address of a stream or a dump file. `Display` and `Debug` hide its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceUrl {
    /// What the records are.
    pub scheme: SourceScheme,
    /// The AWS access key before the `@`; given together with [`SourceUrl::secret_key`] or not at all.
    pub access_key: Option<String>,
    /// The secret that belongs to it.
    pub secret_key: Option<Secret>,
    /// The host of the endpoint; absent, as `aws` in any case: the SDK chooses.
    pub host: Option<Host>,
    /// The port of the host.
    pub port: Option<u16>,
    /// The path, decoded, with the slashes it begins with: `orders`, `/orders`, `/path/to/dump.ndjson`; empty: none.
    pub path: String,
    /// What stands after the `?`.
    pub options: Options,
}

impl SourceUrl {
    /// Parses an address.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let parts = Parts::cut(text, EXAMPLE)?;
        let Some(&(_, scheme)) = SCHEMES.iter().find(|(name, _)| *name == parts.scheme) else {
            let nearest = nearest(&parts.scheme, SCHEMES.map(|(name, _)| name));
            return Err(UrlError::UnknownScheme { scheme: parts.scheme, known: KNOWN, nearest });
        };
        // No option of a source needs an `@`, but a secret that is cut by a `?` brings one along.
        if parts.query.contains('@') {
            return Err(UrlError::UnescapedPassword);
        }
        let Authority { user, password, hosts } = Authority::cut(&parts)?;
        if user.is_some() != password.is_some() {
            return Err(UrlError::HalfCredentials);
        }
        if hosts.contains(',') {
            return Err(UrlError::SeveralHosts);
        }
        let (host, port) = match parse_host_port(hosts)? {
            None => (None, None),
            Some(found) if found.host == Host::Name("aws".into()) => match found.port {
                None => (None, None),
                Some(_) => return Err(UrlError::PortWithoutHost),
            },
            Some(found) => (Some(found.host), found.port),
        };
        Ok(Self {
            scheme,
            access_key: user,
            secret_key: password,
            host,
            port,
            path: decode(parts.path, "path")?,
            options: Options::parse(&restore_ampersand(parts.query))?,
        })
    }

    /// Returns the path without the slashes around it, which is the name or ARN of a stream unless it is a file.
    pub fn stream_path(&self) -> Option<&str> {
        let path = self.path.trim_matches('/');
        (!path.is_empty()).then_some(path)
    }

    /// Returns the dump file that the address names, judging by its text alone.
    ///
    /// Without a host, a path with a slash in it is a file when its name ends as dumps do (`.ndjson`, `.jsonl`, `.json`,
    /// then perhaps `.gz`, `.bz2`, `.xz`, `.zst`); `kinesis:orders.json` is a stream. [`FILE`] overrules both ways.
    pub fn file(&self) -> Result<Option<PathBuf>, OptionError> {
        let path = || Ok(Some(PathBuf::from(&self.path)));
        match self.options.clone().take_bool(&FILE)? {
            Some(true) if self.host.is_some() => Err(OptionError::invalid(
                &FILE,
                "possible with a host; write `///` before the path",
            )),
            Some(true) if self.stream_path().is_none() => {
                Err(OptionError::invalid(&FILE, "possible without a path in the address"))
            }
            Some(true) => path(),
            None if self.host.is_none() && looks_like_dump(&self.path) => path(),
            Some(false) | None => Ok(None),
        }
    }

    /// Returns the whole address, secrets included.
    pub fn to_exposed_string(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        match self.write(&mut text, Secrets::Expose) {
            Ok(()) | Err(fmt::Error) => text,
        }
    }

    fn write(&self, out: &mut impl Write, secrets: Secrets) -> fmt::Result {
        write!(out, "{}:", self.scheme)?;
        if self.access_key.is_some() || self.host.is_some() || self.path.starts_with('/') {
            out.write_str("//")?;
        }
        if let (Some(key), Some(secret)) = (&self.access_key, &self.secret_key) {
            write!(out, "{}:", encode(key, SEGMENT))?;
            match secrets {
                Secrets::Hide => write!(out, "{secret}@")?,
                Secrets::Expose => write!(out, "{}@", encode(secret.expose(), SEGMENT))?,
            }
        }
        if let Some(host) = &self.host {
            write!(out, "{host}")?;
        }
        if let Some(port) = self.port {
            write!(out, ":{port}")?;
        }
        out.write_str(&encode(&self.path, PATH))?;
        self.options.write(out, secrets)
    }
}

impl fmt::Display for SourceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Secrets::Hide)
    }
}

/// Undoes what a browser does to `&region`: it reads `&reg` and shows `®`, so the tutorials on the web, and who copies from
/// them, say `…=test®ion_name=us-east-1`. No access key, secret or stream contains that sign.
fn restore_ampersand(query: &str) -> Cow<'_, str> {
    if query.contains("®ion") { query.replace("®ion", "&region").into() } else { query.into() }
}

fn looks_like_dump(path: &str) -> bool {
    let Some((_, name)) = path.rsplit_once('/') else { return false };
    if path.trim_start_matches('/').starts_with("arn:") {
        return false;
    }
    let name = name.to_ascii_lowercase();
    let plain = [".gz", ".bz2", ".xz", ".zst"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(&name);
    [".ndjson", ".jsonl", ".json"]
        .iter()
        .any(|suffix| plain.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

#[cfg(test)]
mod tests;
