//! What both kinds of address have in common: taking the text apart, and percent-encoding.
//!
//! We do not use a general URL parser. Addresses such as `kinesis:?table=…` have no host and `sqlite:path.db` has no
//! authority, several hosts may stand in one address, and a general parser repairs (`\`, tabs, `..`) where we want to refuse.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::UrlError;
use crate::secret::Secret;

/// An address, cut at the places where RFC 3986 cuts it; nothing is decoded.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    /// In lower case.
    pub(crate) scheme: String,
    /// What stands between `//` and the path; absent without `//`.
    pub(crate) authority: Option<&'a str>,
    pub(crate) path: &'a str,
    /// Empty where there is none.
    pub(crate) query: &'a str,
}

impl<'a> Parts<'a> {
    /// Cuts an address; `example` is shown to those who gave none.
    pub(crate) fn cut(text: &'a str, example: &'static str) -> Result<Self, UrlError> {
        check_characters(text, example)?;
        let (scheme, rest) = text.split_once(':').ok_or(UrlError::NoScheme { example })?;
        if !is_scheme(scheme) {
            return Err(UrlError::NoScheme { example });
        }
        let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match hierarchy.strip_prefix("//") {
            None => (None, hierarchy),
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
                (Some(authority), path)
            }
        };
        Ok(Self { scheme: scheme.to_ascii_lowercase(), authority, path, query })
    }
}

/// Refuses what no address contains, whatever its scheme.
pub(crate) fn check_characters(text: &str, example: &'static str) -> Result<(), UrlError> {
    if text.is_empty() {
        return Err(UrlError::Empty { example });
    }
    if text.trim() != text {
        return Err(UrlError::Whitespace);
    }
    if text.contains(char::is_control) {
        return Err(UrlError::Control);
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    Ok(())
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// User, password and hosts of an authority; empty parts count as absent.
#[derive(Debug)]
pub(crate) struct Authority<'a> {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) hosts: &'a str,
}

impl<'a> Authority<'a> {
    /// Takes an authority apart, and looks at the path only to see whether a password spilled into it.
    pub(crate) fn cut(parts: &Parts<'a>) -> Result<Self, UrlError> {
        let authority = parts.authority.unwrap_or_default();
        // `KEY:se/cret@host` is cut at the slash, so the rest of the secret is found in the path, with its `@`. That goes for
        // `kinesis:/KEY:secret@host` too; an `@` that belongs to a path can be written as `%40`.
        if parts.path.contains('@') {
            return Err(UrlError::UnescapedPassword);
        }
        let Some((userinfo, hosts)) = authority.split_once('@') else {
            let authority = Self { user: None, password: None, hosts: authority };
            return if spilled_into_query(&authority, parts) {
                Err(UrlError::UnescapedPassword)
            } else {
                Ok(authority)
            };
        };
        // A password may begin with an `@`, and have a `?` behind it.
        let is_cut_behind_at =
            hosts.is_empty() && parts.path.is_empty() && parts.query.contains('@');
        if hosts.contains('@') || is_cut_behind_at {
            return Err(UrlError::UnescapedPassword);
        }
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        Ok(Self {
            user: non_empty(decode(user, "user")?),
            password: non_empty(decode(password, "password")?).map(Secret::new),
            hosts,
        })
    }
}

/// Returns whether a `?` in a password has cut the address, as in `me:se?cret@host`: no path, and an `@` further on.
///
/// With a path between them (`me:12/se?c=ret@host`) it cannot be told from `host:12/db?user=me@there`, which `libpq` takes.
fn spilled_into_query(authority: &Authority<'_>, parts: &Parts<'_>) -> bool {
    let may_hold_password = authority.hosts.contains(':') && !authority.hosts.starts_with('[');
    may_hold_password && parts.path.is_empty() && parts.query.contains('@')
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// Decodes percent sequences.
///
/// A `+` stays a plus sign, in a query too: the convention that makes it a blank belongs to HTML forms, and users paste
/// `2023-01-31T15:00:00+00:00` and base64 secrets as they are.
pub(crate) fn decode(text: &str, part: &'static str) -> Result<String, UrlError> {
    let mut pieces = text.split('%');
    pieces.next();
    let is_sequence =
        |piece: &str| piece.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    if !pieces.all(is_sequence) {
        return Err(UrlError::Percent { part });
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| UrlError::NotUtf8 { part })?;
    // Seen as they are, they were refused already. A zero byte would end a path, a line break would forge a line in a log.
    if decoded.contains(char::is_control) {
        return Err(UrlError::Control);
    }
    Ok(decoded.into_owned())
}

/// Stays as it is in every part of an address.
const EVERYWHERE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// One segment of a path, a user, a password.
pub(crate) const SEGMENT: &AsciiSet = &EVERYWHERE.remove(b'+').remove(b',').remove(b'=');
/// A whole path. An `@` is encoded, so that it is not taken for the end of a password.
pub(crate) const PATH: &AsciiSet = &SEGMENT.remove(b'/').remove(b':');
/// The name of an option.
pub(crate) const NAME: &AsciiSet = EVERYWHERE;
/// The value of an option; an ARN, a time and an address stay readable.
pub(crate) const VALUE: &AsciiSet = PATH;

/// Encodes for one of the parts above, the inverse of [`decode`].
pub(crate) fn encode(text: &str, part: &'static AsciiSet) -> String {
    utf8_percent_encode(text, part).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_cut() {
        fn check(text: &str, expected: (&str, Option<&str>, &str, &str)) {
            let parts = Parts::cut(text, "x:").unwrap();
            assert_eq!(
                (&*parts.scheme, parts.authority, parts.path, parts.query),
                expected,
                "{text}"
            );
        }
        check("kinesis:", ("kinesis", None, "", ""));
        check("Kinesis+DMS:orders", ("kinesis+dms", None, "orders", ""));
        check("kinesis:?a=b?c/d", ("kinesis", None, "", "a=b?c/d"));
        check("kinesis://?a=b", ("kinesis", Some(""), "", "a=b"));
        check("kinesis:///x", ("kinesis", Some(""), "/x", ""));
        check("kinesis://u:p@h:1/x/y?a", ("kinesis", Some("u:p@h:1"), "/x/y", "a"));
        check("kinesis:////x", ("kinesis", Some(""), "//x", ""));
    }

    #[test]
    fn what_no_address_contains_is_refused() {
        fn check(text: &str, expected: &UrlError) {
            assert_eq!(&Parts::cut(text, "x:").unwrap_err(), expected, "{text:?}");
        }
        check("", &UrlError::Empty { example: "x:" });
        check(" kinesis:", &UrlError::Whitespace);
        check("kinesis:x\n", &UrlError::Whitespace);
        check("kinesis:\u{0}x", &UrlError::Control);
        check("kinesis:a\tb", &UrlError::Control);
        check("kinesis:a#b", &UrlError::Fragment);
        check("demo.db", &UrlError::NoScheme { example: "x:" });
        check("/path:x", &UrlError::NoScheme { example: "x:" });
        check("1a:x", &UrlError::NoScheme { example: "x:" });
        check(":x", &UrlError::NoScheme { example: "x:" });
    }

    #[test]
    fn percent_sequences() {
        fn check(text: &str, expected: Result<&str, UrlError>) {
            assert_eq!(decode(text, "path"), expected.map(str::to_owned), "{text}");
        }
        check("", Ok(""));
        check("a+b%2Bc%2bd", Ok("a+b+c+d"));
        check("%C3%A4", Ok("ä"));
        check("ä%25", Ok("ä%"));
        check("%", Err(UrlError::Percent { part: "path" }));
        check("a%2", Err(UrlError::Percent { part: "path" }));
        check("a%zz", Err(UrlError::Percent { part: "path" }));
        check("%ä", Err(UrlError::Percent { part: "path" }));
        check("%%41", Err(UrlError::Percent { part: "path" }));
        check("%C3", Err(UrlError::NotUtf8 { part: "path" }));
        check("%00", Err(UrlError::Control));
        check("a%0Ab", Err(UrlError::Control));
    }
}
