//! What the decoders of change data have in common.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
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

impl From<NotJson> for Refused {
    fn from(error: NotJson) -> Self {
        Self { reason: Reason::NotJson, error: error.to_string() }
    }
}

/// Takes a record out of the envelope that Lambda functions and dumps have it in: `{"kinesis": {"data": "<base64>", …}, …}`.
///
/// A record without such an envelope, or with nothing in it, is the record itself.
pub(crate) fn unwrap(payload: &[u8]) -> Result<Cow<'_, [u8]>, Refused> {
    let mut data = None;
    let mut walk = Walk::of(payload)?;
    if walk.object()? {
        let mut first = true;
        while let Some(name) = walk.name(std::mem::take(&mut first))? {
            if name.plain() != "kinesis" {
                walk.value()?;
                continue;
            }
            data = if walk.object()? {
                data_of(&mut walk)?
            } else {
                walk.value()?;
                None
            };
        }
    }
    let Some(data) = data else { return Ok(Cow::Borrowed(payload)) };
    walk.end()?;
    let refused = |error: String| Refused { reason: Reason::NotJson, error };
    let Token::Text(text) = data else {
        return Err(refused("`kinesis.data` is no text".to_owned()));
    };
    match STANDARD.decode(text.plain().as_bytes()) {
        Ok(bytes) => Ok(Cow::Owned(bytes)),
        Err(error) => Err(refused(format!("`kinesis.data` is not base64: {error}"))),
    }
}

/// Returns the member `data` of the object that was stepped into, unless it is as good as none.
fn data_of<'a>(walk: &mut Walk<'a>) -> Result<Option<Token<'a>>, NotJson> {
    let (mut data, mut first) = (None, true);
    while let Some(name) = walk.name(std::mem::take(&mut first))? {
        let value = walk.value()?;
        if name.plain() == "data" {
            data = match value {
                Token::Null | Token::Bool(false) | Token::Integer("0") => None,
                Token::Text(text) if text.raw.is_empty() => None,
                value => Some(value),
            };
        }
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_is_taken_off() {
        let check = |payload: &str, expected: Result<&str, &str>| {
            let unwrapped = unwrap(payload.as_bytes()).map_err(|refused| refused.error);
            let expected =
                expected.map(|text| Cow::Borrowed(text.as_bytes())).map_err(str::to_owned);
            assert_eq!(unwrapped, expected, "{payload}");
        };
        check(r#"{"eventID": 1, "kinesis": {"data": "eyJhIjoxfQ=="}}"#, Ok(r#"{"a":1}"#));
        check(r#"{"kinesis": {"data": "eyJhIjo\u0078fQ==", "x": {}}, "a": 2}"#, Ok("{\"a\":1}"));
        for itself in [
            "1",
            "{}",
            r#"{"kinesis": null}"#,
            r#"{"kinesis": "x"}"#,
            r#"{"kinesis": {"shard_id": "s"}, "dynamodb": {}}"#,
            r#"{"kinesis": {"data": ""}}"#,
            r#"{"kinesis": {"data": null}}"#,
            r#"{"kinesis": {"data": 0}}"#,
            r#"{"a": {"kinesis": {"data": "eA=="}}}"#,
        ] {
            check(itself, Ok(itself));
        }
        check(r#"{"kinesis": {"data": 7}}"#, Err("`kinesis.data` is no text"));
        check(
            r#"{"kinesis": {"data": "eA"}}"#,
            Err("`kinesis.data` is not base64: Invalid padding"),
        );
        check(
            r#"{"kinesis": {"data": "eA=="}"#,
            Err("a comma or a closing brace is missing at byte 28"),
        );
    }
}
