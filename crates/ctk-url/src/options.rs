//! The options of an address: everything after its `?`.
//!
//! The parser knows the grammar, each source and sink knows its options: it takes what it knows, one [`OptionSpec`] each,
//! and [`Options::finish`] refuses the rest. The rules, for every option alike:
//!
//! - Hyphen and underscore in a name are the same; upper and lower case are not.
//! - Given twice, also under two of its names: an error.
//! - An empty value counts as not given, so that `start_date=${START}` works with and without the variable.
//! - A name without `=` is an error with a hint. It is none of the booleans either: the Python `ctk` takes `?once` for false,
//!   everybody else for true.
//! - A value that is refused is never repeated; it may be a secret that was put in the wrong place.

mod error;
mod values;

use std::fmt;

pub use error::OptionError;

use crate::error::UrlError;
use crate::grammar::{NAME, VALUE, decode, encode};
use crate::nearest::nearest;
use crate::secret::{HIDDEN, Secret, Secrets, holds_credentials, is_secret_name};

/// One option: its names, its default and what it does. The reference page is generated from tables of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionSpec {
    /// All names, written with underscores; the first is the canonical one.
    pub names: &'static [&'static str],
    /// The default, in words for the reader of the documentation.
    pub default: &'static str,
    /// What the option means, in one sentence.
    pub help: &'static str,
}

impl OptionSpec {
    /// Describes an option.
    pub const fn new(
        names: &'static [&'static str],
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { names, default, help }
    }

    /// Returns the canonical name.
    pub fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Returns the one of its names that was typed.
    fn matching(&self, typed: &str) -> Option<&'static str> {
        let typed = typed.replace('-', "_");
        self.names.iter().copied().find(|name| name.replace('-', "_") == typed)
    }
}

/// The options of one address. Taking removes, so that [`Options::finish`] sees what nobody asked for: work on a clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options {
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    name: String,
    /// Absent without `=`.
    value: Option<String>,
}

impl Options {
    /// Parses a query, without its question mark.
    pub fn parse(query: &str) -> Result<Self, UrlError> {
        // An empty piece is a stray `&`, as at the end of an address that a script put together.
        let pieces = query.split('&').filter(|piece| !piece.is_empty());
        let entries = pieces.map(Entry::parse).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Takes an option as it was written.
    pub fn take(&mut self, spec: &OptionSpec) -> Result<Option<String>, OptionError> {
        Ok(self.take_named(spec)?.map(|(_, value)| value))
    }

    /// Takes an option that must not be printed.
    pub fn take_secret(&mut self, spec: &OptionSpec) -> Result<Option<Secret>, OptionError> {
        Ok(self.take(spec)?.map(Secret::new))
    }

    /// Takes an option that must be there.
    pub fn require(&mut self, spec: &OptionSpec) -> Result<String, OptionError> {
        self.take(spec)?.ok_or(OptionError::Missing { name: spec.name() })
    }

    /// Returns whether an option is given, with a value, and not yet taken.
    pub fn contains(&self, spec: &OptionSpec) -> bool {
        self.entries.iter().any(|entry| !entry.is_empty() && spec.matching(&entry.name).is_some())
    }

    /// Returns whether nothing is left to take.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Refuses what nobody has taken: an option that is not known, or one that is known and has no effect in this address.
    pub fn finish(self, known: &[&OptionSpec]) -> Result<(), OptionError> {
        let Some(left) = self.entries.into_iter().find(|entry| {
            let is_known = known.iter().any(|spec| spec.matching(&entry.name).is_some());
            !(is_known && entry.is_empty())
        }) else {
            return Ok(());
        };
        if let Some(name) = known.iter().find_map(|spec| spec.matching(&left.name)) {
            return Err(match left.value {
                Some(_) => OptionError::Unused { name },
                None => OptionError::NoValue { name },
            });
        }
        if left.value.is_none() {
            return Err(OptionError::Stray);
        }
        Err(OptionError::Unknown {
            nearest: nearest(&left.name, known.iter().flat_map(|spec| spec.names.iter().copied())),
            name: left.printable_name(),
            known: known.iter().map(|spec| spec.name()).collect(),
        })
    }

    /// Takes an option together with the name it was given under.
    fn take_named(
        &mut self,
        spec: &OptionSpec,
    ) -> Result<Option<(&'static str, String)>, OptionError> {
        let mut found: Option<(&'static str, String)> = None;
        for entry in std::mem::take(&mut self.entries) {
            let Some(name) = spec.matching(&entry.name) else {
                self.entries.push(entry);
                continue;
            };
            let value = entry.value.ok_or(OptionError::NoValue { name })?;
            if value.is_empty() {
                continue;
            }
            if let Some((first, _)) = found {
                return Err(OptionError::Repeated { name: first, again: name });
            }
            found = Some((name, value));
        }
        Ok(found)
    }

    /// Adds an option that the rest of the address implies.
    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.entries.push(Entry { name: name.to_owned(), value: Some(value.to_owned()) });
    }

    /// Writes `?a=b&c=d`, or nothing where there are none.
    pub(crate) fn write(&self, out: &mut impl fmt::Write, secrets: Secrets) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            out.write_char(if index == 0 { '?' } else { '&' })?;
            entry.write(out, secrets)?;
        }
        Ok(())
    }
}

impl Entry {
    fn parse(piece: &str) -> Result<Self, UrlError> {
        // Only the first `=` counts: base64 ends with some.
        let (name, value) = match piece.split_once('=') {
            Some((name, value)) => (name, Some(decode(value, "query")?)),
            None => (piece, None),
        };
        if name.is_empty() {
            return Err(UrlError::NamelessOption);
        }
        if name.starts_with("amp;") {
            return Err(UrlError::HtmlAmpersand);
        }
        // No name has an `@`, but `KEY:se?cret@host` is cut at the question mark.
        if name.contains('@') {
            return Err(UrlError::UnescapedPassword);
        }
        Ok(Self { name: decode(name, "query")?, value })
    }

    fn is_empty(&self) -> bool {
        self.value.as_ref().is_some_and(String::is_empty)
    }

    /// Returns the name if it looks like one; else it may be the rest of a secret with an `&` in it.
    fn printable_name(&self) -> Option<String> {
        let looks_like_one = self.name.len() <= 40
            && self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        looks_like_one.then(|| self.name.clone())
    }

    fn write(&self, out: &mut impl fmt::Write, secrets: Secrets) -> fmt::Result {
        let shown = match secrets {
            Secrets::Expose => Some(&self.name),
            // Without `=` it is no option, but perhaps the rest of a secret with an `&` in it.
            Secrets::Hide => self
                .value
                .is_some()
                .then_some(&self.name)
                .filter(|_| self.printable_name().is_some()),
        };
        match shown {
            Some(name) => out.write_str(&encode(name, NAME))?,
            None => out.write_str(HIDDEN)?,
        }
        let Some(value) = &self.value else { return Ok(()) };
        let hide = shown.is_none() || is_secret_name(&self.name) || holds_credentials(value);
        match secrets {
            Secrets::Hide if hide => write!(out, "={HIDDEN}"),
            Secrets::Hide | Secrets::Expose => write!(out, "={}", encode(value, VALUE)),
        }
    }
}

impl fmt::Display for Options {
    /// Writes the query, question mark included, with its secrets hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, Secrets::Hide)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Options({self})")
    }
}

#[cfg(test)]
mod tests;
