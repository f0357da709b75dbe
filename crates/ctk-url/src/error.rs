//! What can be wrong with the form of an address, and what to write instead.
//!
//! No variant carries text of the address but its scheme: whatever else is malformed may be a piece of a secret that was
//! pasted without percent-encoding.

use thiserror::Error;

/// An address that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UrlError {
    /// There is no text at all.
    #[error("the address is empty")]
    Empty {
        /// An address that would do.
        example: &'static str,
    },
    /// White space stands before or after the address.
    #[error("the address begins or ends with white space")]
    Whitespace,
    /// A control character, as it is or percent-encoded.
    #[error("the address contains a control character")]
    Control,
    /// A `#`.
    #[error("the address contains a fragment (`#`)")]
    Fragment,
    /// Nothing that looks like a scheme.
    #[error("the address has no scheme")]
    NoScheme {
        /// An address that would do.
        example: &'static str,
    },
    /// A scheme nobody serves.
    #[error("unknown scheme `{scheme}`; known are {known}")]
    UnknownScheme {
        /// As it was written, in lower case.
        scheme: String,
        /// The schemes there are, as one text.
        known: &'static str,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A `%` without two hexadecimal digits.
    #[error("bad percent sequence in the {part} of the address")]
    Percent {
        /// Which part.
        part: &'static str,
    },
    /// Percent sequences that do not make up UTF-8.
    #[error("the {part} of the address is not UTF-8")]
    NotUtf8 {
        /// Which part.
        part: &'static str,
    },
    /// Something of user and password reaches into the rest of the address.
    #[error("the user or password in the address is not percent-encoded")]
    UnescapedPassword,
    /// An access key without its secret, or the reverse.
    #[error("the address has only one half of the credentials")]
    HalfCredentials,
    /// An address of a kind that has no user and no host.
    #[error("this kind of address has no host")]
    UnwantedHost {
        /// The scheme, for the hint.
        scheme: &'static str,
    },
    /// A host that is no name and no IP address.
    #[error("the host in the address is not valid")]
    BadHost,
    /// An ARN after two slashes.
    #[error("an ARN stands where the host belongs")]
    ArnAsHost,
    /// A port that is no number from 1 to 65535.
    #[error("the port in the address is not a number from 1 to 65535")]
    BadPort,
    /// A port of nothing.
    #[error("the address has a port and no host")]
    PortWithoutHost,
    /// Several hosts where there can be one.
    #[error("the address has several hosts")]
    SeveralHosts,
    /// Text after the scheme, but no `//`.
    #[error("the address lacks `//` after the scheme")]
    NoSlashes {
        /// The scheme, for the hint.
        scheme: &'static str,
    },
    /// A path of too many parts.
    #[error("the path of the address has too many parts")]
    PathTooLong {
        /// The form that is expected.
        form: &'static str,
    },
    /// A path with two slashes in a row.
    #[error("the path of the address has an empty part")]
    EmptySegment,
    /// A database that would be gone with the process.
    #[error("a database in memory keeps nothing")]
    InMemory {
        /// The scheme, for the hint.
        scheme: &'static str,
    },
    /// No path, or one that names a directory.
    #[error("the address names no file")]
    NoFile {
        /// The scheme, for the hint.
        scheme: &'static str,
    },
    /// A `~`, which only a shell expands.
    #[error("the path begins with `~`, which is not expanded inside an address")]
    Tilde,
    /// A path that `SQLite` would take for an address of its own.
    #[error("the path begins with `file:`")]
    FileScheme {
        /// The scheme, for the hint.
        scheme: &'static str,
    },
    /// `https` and `ssl=false`.
    #[error("`https` and `ssl=false` contradict each other")]
    HttpsWithoutSsl,
    /// An option whose name is empty, as in `?=x`.
    #[error("an option in the address has no name")]
    NamelessOption,
    /// An address copied out of the source of a web page.
    #[error("the address contains `&amp;`")]
    HtmlAmpersand,
}

impl UrlError {
    /// Returns what to write instead, where there is something to say beyond the error itself.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Empty { example } | Self::NoScheme { example } => format!("write, for example, `{example}`"),
            Self::Whitespace => "remove it; a blank that belongs to the address is written `%20`".into(),
            Self::Control => "look for a line break or a tab in what was pasted".into(),
            Self::Fragment => "write `#` as `%23`".into(),
            Self::UnknownScheme { nearest, .. } => format!("did you mean `{}:`?", (*nearest)?),
            Self::Percent { .. } => "write a percent sign as `%25`".into(),
            Self::NotUtf8 { .. } => "percent-encode the UTF-8 bytes of a character, as in `%C3%A4`".into(),
            Self::UnescapedPassword => {
                "in a user or password write `/` as `%2F`, `@` as `%40`, `%` as `%25`, `#` as `%23`, `?` as `%3F`; \
                 elsewhere write `@` as `%40`"
                    .into()
            }
            Self::HalfCredentials => {
                "write `KEY:SECRET@` before the host, or leave both to the AWS configuration".into()
            }
            Self::UnwantedHost { scheme } => {
                format!("write `{scheme}:relative/path` or `{scheme}:///absolute/path`")
            }
            Self::BadHost => {
                "write a name, an IPv4 address, or an IPv6 address in brackets, as in `[::1]:4566`; \
                 if a password stands before it, percent-encode that (`/` as `%2F`, `@` as `%40`)"
                    .into()
            }
            Self::ArnAsHost => {
                "write `kinesis:?table=ARN`, or three slashes before the ARN: `kinesis:///arn:…`".into()
            }
            Self::BadPort => "if the text after `:` is a password, end it with `@` and write a `/` in it as `%2F`, \
                 `@` as `%40`, `#` as `%23`, `?` as `%3F`"
                .into(),
            Self::PortWithoutHost => "write the host before the port; `aws` stands for none".into(),
            Self::SeveralHosts => "write one host".into(),
            Self::NoSlashes { scheme } => format!("write `{scheme}://host/…`"),
            Self::PathTooLong { form } => {
                format!("write `{form}`; a slash inside a name is written `%2F`")
            }
            Self::EmptySegment => "remove one of the two slashes".into(),
            Self::InMemory { scheme } => format!("name a file: `{scheme}:demo.db`; to look at records, use `-`"),
            Self::NoFile { scheme } => match *scheme {
                "jsonl" => "write `jsonl:records.jsonl`, or `-` for standard output".into(),
                scheme => format!("write `{scheme}:demo.db` or `{scheme}:///absolute/demo.db`"),
            },
            Self::Tilde => "write the whole path, or use `$HOME`, which the shell expands".into(),
            Self::FileScheme { scheme } => format!("leave it out: `{scheme}:demo.db`"),
            Self::HttpsWithoutSsl => "write `http://` or leave out `ssl`".into(),
            Self::HtmlAmpersand => "write `&` for `&amp;`".into(),
            Self::NamelessOption => "options are written `?name=value&name=value`".into(),
        };
        Some(hint)
    }
}
