//! A text that must not be seen: it prints as `***`, and showing it takes a method with a telling name.

use std::fmt;

/// What is printed where a secret stands.
pub(crate) const HIDDEN: &str = "***";

/// A password, a secret key or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that is secret from now on.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Whether secrets are printed. An enum, since a bare `true` at a call would not say which way it points.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Secrets {
    Hide,
    Expose,
}

/// Returns whether an option of this name holds a secret.
///
/// It judges by parts of the name and errs on the side of hiding: a name that nobody has thought of (`client_secret`,
/// `sslpassword`) must be hidden too, also when it is misspelled and about to be refused.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const TELLING: [&str; 9] = [
        "secret",
        "token",
        "password",
        "passwd",
        "passphrase",
        "pw",
        "credential",
        "private",
        "signature",
    ];
    let name = name.to_lowercase();
    TELLING.iter().any(|part| name.contains(part))
}

/// Returns whether a value is an address with a user and a password in it, as in `endpoint=http://me:pw@proxy`.
pub(crate) fn holds_credentials(value: &str) -> bool {
    value.split_once("//").is_some_and(|(_, rest)| rest.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_prints_as_stars() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn secret_names_are_recognised() {
        fn check(name: &str, secret: bool) {
            assert_eq!(is_secret_name(name), secret, "{name}");
        }
        for name in [
            "aws_secret_access_key",
            "aws-secret-access-key",
            "secret_access_key",
            "aws_session_token",
            "session_token",
            "password",
            "sslpassword",
            "PassWord",
            "pw",
            "pwd",
            "passphrase",
        ] {
            check(name, true);
        }
        for name in ["aws_access_key_id", "region", "table", "sslmode", "start", "profile"] {
            check(name, false);
        }
    }
}
