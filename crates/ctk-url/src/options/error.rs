//! What can be wrong with an option. Names are told, values never.

use thiserror::Error;

/// An option that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OptionError {
    /// An option that must be given is not.
    #[error("option `{name}` is missing")]
    Missing {
        /// Its canonical name.
        name: &'static str,
    },
    /// Given twice, perhaps under two of its names.
    #[error("{}", if name == again { format!("option `{name}` is given more than once") }
        else { format!("`{name}` and `{again}` are the same option, and both are given") })]
    Repeated {
        /// The name it was given under first.
        name: &'static str,
        /// The name it was given under then.
        again: &'static str,
    },
    /// The name stands there without `=`.
    #[error("option `{name}` has no value")]
    NoValue {
        /// The name it was given under.
        name: &'static str,
    },
    /// A value that does not mean anything for this option.
    #[error("option `{name}` is not {expected}")]
    Invalid {
        /// The name it was given under.
        name: &'static str,
        /// What would do, as a phrase with its article.
        expected: String,
    },
    /// Known, but without any effect in this address.
    #[error("option `{name}` has no effect in this address")]
    Unused {
        /// The name it was given under.
        name: &'static str,
    },
    /// Not known at all.
    #[error("{}; {}", unknown(name.as_deref()), list(known))]
    Unknown {
        /// The name, unless it looks like no name and may be a piece of a secret.
        name: Option<String>,
        /// The canonical names of the options there are.
        known: Vec<&'static str>,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// Text between two `&` that is no option.
    #[error("a part of the query is no `name=value`")]
    Stray,
}

impl OptionError {
    /// Makes the error for a value that was refused; `expected` completes "option is not …".
    pub fn invalid(spec: &super::OptionSpec, expected: impl Into<String>) -> Self {
        Self::Invalid { name: spec.name(), expected: expected.into() }
    }

    /// Returns what to write instead, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { name } => Some(format!("add `{name}=…` to the query of the address")),
            Self::Repeated { .. } => Some("leave one of them out".into()),
            Self::NoValue { name } => Some(format!("write `{name}=…`, for a switch `{name}=true`")),
            Self::Unused { .. } => Some("leave it out".into()),
            Self::Unknown { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`?"))
            }
            Self::Unknown { name: None, .. } | Self::Stray => {
                Some("in a value write `&` as `%26`, `%` as `%25`, `#` as `%23`".into())
            }
            Self::Invalid { .. } | Self::Unknown { .. } => None,
        }
    }
}

fn unknown(name: Option<&str>) -> String {
    name.map_or_else(
        || "an option is unknown".to_owned(),
        |name| format!("unknown option `{name}`"),
    )
}

fn list(known: &[&str]) -> String {
    if known.is_empty() {
        "this address takes none".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    }
}
