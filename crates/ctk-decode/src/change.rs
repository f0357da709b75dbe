//! What the decoders of change data have in common.

use std::borrow::Cow;

use base64::{DecodeError, Engine as _, engine::general_purpose::STANDARD};
use ctk_flow::Reason;

use crate::json::{NotJson, Token, Walk};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// A change was added.
    Change,
    /// The user wants none of it.
    Filtered,
}

/// Why a record is no change: it becomes a dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: Reason,
    pub(crate) error: String,
}

impl Refused {
    pub(crate) fn not_json(error: impl Into<String>) -> Self {
        Self { reason: Reason::NotJson, error: error.into() }
    }
}

impl From<NotJson> for Refused {
    fn from(error: NotJson) -> Self {
        Self::not_json(error.to_string())
    }
}

/// A record in base64, which another one is only the envelope of: Lambda functions and dumps have it in
/// `{"kinesis": {"data": "<base64>", …}, …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrapped<'a>(Cow<'a, str>);

impl<'a> Wrapped<'a> {
    /// Takes it out of the member `kinesis`, before whose value the walk stands. `None` where that holds no text, or an empty one.
    pub(crate) fn take(walk: &mut Walk<'a>) -> Result<Option<Self>, NotJson> {
        let mut data = None;
        walk.each(|member| {
            if &*member.name() == "data" {
                data = match member.value {
                    Token::Text(text) if !text.raw.is_empty() => Some(Self(text.plain())),
                    _ => None,
                };
            }
        })?;
        Ok(data)
    }

    /// Returns the record.
    pub(crate) fn open(&self) -> Result<Vec<u8>, DecodeError> {
        STANDARD.decode(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_taken_off() {
        let check = |kinesis: &str, expected: Option<Result<&str, &str>>| {
            let mut walk = Walk::of(kinesis.as_bytes()).unwrap();
            let wrapped = Wrapped::take(&mut walk).unwrap();
            assert_eq!(walk.end(), Ok(()), "{kinesis}");
            let opened = wrapped.map(|wrapped| wrapped.open().map_err(|error| error.to_string()));
            let expected = expected.map(|opened| opened.map(Vec::from).map_err(str::to_owned));
            assert_eq!(opened, expected, "{kinesis}");
        };
        check(r#"{"data": "eyJhIjoxfQ=="}"#, Some(Ok(r#"{"a":1}"#)));
        check(r#"{"x": {}, "data": "eyJhIjo\u0078fQ==", "y": []}"#, Some(Ok("{\"a\":1}")));
        for none in [
            "1",
            "null",
            r#""x""#,
            "[]",
            "{}",
            r#"{"shard_id": "s"}"#,
            r#"{"data": ""}"#,
            r#"{"data": null}"#,
            r#"{"data": 7}"#,
            r#"{"a": {"data": "eA=="}}"#,
        ] {
            check(none, None);
        }
        check(r#"{"data": "eA"}"#, Some(Err("Invalid padding")));
        check(r#"{"data": "e A="}"#, Some(Err("Invalid symbol 32, offset 1.")));
        assert!(Wrapped::take(&mut Walk::of(br#"{"data": "eA=="#).unwrap()).is_err());
    }
}
