//! Hosts and ports as they stand in an address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::error::UrlError;

/// A host: a name or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, without its brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Returns whether the host is this machine or stands in a private network, where a server seldom has a certificate.
    ///
    /// A name is judged as a name, since this crate resolves none: only `localhost` and names below it count.
    pub fn is_private(&self) -> bool {
        match self {
            Self::Name(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            Self::V4(address) => is_private_v4(*address),
            Self::V6(address) => match address.to_ipv4_mapped() {
                Some(mapped) => is_private_v4(mapped),
                None => {
                    address.is_loopback()
                        || address.is_unspecified()
                        || address.is_unique_local()
                        || address.is_unicast_link_local()
                }
            },
        }
    }

    fn parse(text: &str) -> Result<Self, UrlError> {
        if let Some(bracketed) = text.strip_prefix('[') {
            let inner = bracketed.strip_suffix(']').ok_or(UrlError::BadHost)?;
            return inner.parse().map(Self::V6).map_err(|_| UrlError::BadHost);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::V4(address));
        }
        let labels = text.strip_suffix('.').unwrap_or(text).split('.');
        // A name whose last label is a number is an IPv4 address with a mistake in it; resolvers disagree on what it means.
        let last_is_number = labels
            .clone()
            .next_back()
            .is_some_and(|label| label.bytes().all(|byte| byte.is_ascii_digit()));
        if text.len() > 253 || last_is_number || !labels.clone().all(is_label) {
            return Err(UrlError::BadHost);
        }
        Ok(Self::Name(text.to_ascii_lowercase()))
    }
}

/// Underscores are no part of host names by the book, but container networks are full of them.
fn is_label(label: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= 63 && label.bytes().all(allowed)
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    address.is_loopback()
        || address.is_unspecified()
        || address.is_private()
        || address.is_link_local()
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    /// Writes the host as it stands in a URL: an IPv6 address in brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A host and, where it is given, its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port; absent: the default of whoever connects.
    pub port: Option<u16>,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// Parses `HOST[:PORT]`; nothing at all is no host.
pub(crate) fn parse_host_port(text: &str) -> Result<Option<HostPort>, UrlError> {
    // The colon before a port is the last one, and stands after the bracket of an IPv6 address.
    let (host, port) = match text.rsplit_once(':') {
        Some((_, port)) if port.ends_with(']') => (text, None),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    if host.contains(':') && !host.starts_with('[') {
        return Err(if text.starts_with("arn:") { UrlError::ArnAsHost } else { UrlError::BadHost });
    }
    // A colon and no port is what remains of `host:$PORT`, or of a password that begins with a slash.
    let port = port.map(parse_port).transpose()?;
    match (host, port) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(UrlError::PortWithoutHost),
        (host, port) => Ok(Some(HostPort { host: Host::parse(host)?, port })),
    }
}

fn parse_port(digits: &str) -> Result<u16, UrlError> {
    // `u16::from_str` takes a sign, a port has none.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UrlError::BadPort);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(UrlError::BadPort),
        Ok(port) => Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        fn check(text: &str, expected: Result<&str, UrlError>) {
            let actual =
                parse_host_port(text).map(|found| found.map_or(String::new(), |it| it.to_string()));
            assert_eq!(actual, expected.map(str::to_owned), "{text}");
        }
        check("", Ok(""));
        check(":", Err(UrlError::BadPort));
        check("LocalHost:4566", Ok("localhost:4566"));
        check("my_stack.internal.", Ok("my_stack.internal."));
        check("127.0.0.1", Ok("127.0.0.1"));
        check("127.0.0.1:", Err(UrlError::BadPort));
        check("[::1]", Ok("[::1]"));
        check("[0:0::1]:4566", Ok("[::1]:4566"));
        check(":4566", Err(UrlError::PortWithoutHost));
        check("h:0", Err(UrlError::BadPort));
        check("h:65536", Err(UrlError::BadPort));
        check("h:+80", Err(UrlError::BadPort));
        check("h:pass", Err(UrlError::BadPort));
        check("::1", Err(UrlError::BadHost));
        check("[::1", Err(UrlError::BadHost));
        check("[fe80::1%eth0]", Err(UrlError::BadHost));
        check("1.2.3", Err(UrlError::BadHost));
        check("1.2.3.999", Err(UrlError::BadHost));
        check("a..b", Err(UrlError::BadHost));
        check("a b", Err(UrlError::BadHost));
        check("bücher.example", Err(UrlError::BadHost));
        check("%2Fvar%2Frun", Err(UrlError::BadHost));
        check("arn:aws:kinesis:us-east-1:000000000000:stream", Err(UrlError::ArnAsHost));
    }

    #[test]
    fn private_hosts() {
        fn check(text: &str, private: bool) {
            let host = Host::parse(text).unwrap();
            assert_eq!(host.is_private(), private, "{text}");
        }
        for text in [
            "localhost",
            "kinesis.localhost",
            "localhost.",
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.1.1",
            "[::1]",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
        ] {
            check(text, true);
        }
        for text in [
            "kinesis.us-east-1.amazonaws.com",
            "notlocalhost",
            "172.32.0.1",
            "8.8.8.8",
            "[2001:db8::1]",
        ] {
            check(text, false);
        }
    }
}
