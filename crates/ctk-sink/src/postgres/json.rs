//! What JSONB cannot hold, and JSON can. Pure.
//!
//! JSON keeps the text as it is; JSONB takes it apart, so its strings must be text that PostgreSQL can hold, and its numbers
//! NUMERIC (<https://www.postgresql.org/docs/current/datatype-json.html>).

use super::numeric::Number;

/// Returns true when JSONB holds a valid JSON text, of at most the 512 levels that the decoder lets through.
pub(crate) fn fits_jsonb(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at = match byte {
            b'"' => match behind_string(bytes, at) {
                Some(end) => end,
                None => return false,
            },
            b'-' | b'0'..=b'9' => match behind_number(bytes, at) {
                Some(end) => end,
                None => return false,
            },
            _ => at + 1,
        };
    }
    true
}

/// Returns the place behind a string that begins at `at`; none when an escape in it stands for a NUL character or for half a
/// character.
fn behind_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        at += match byte {
            b'"' => return Some(at + 1),
            b'\\' if bytes.get(at + 1) == Some(&b'u') => match unit(bytes, at)? {
                0 | 0xdc00..=0xdfff => return None,
                0xd800..=0xdbff => match unit_of(bytes, at + 6) {
                    Some(0xdc00..=0xdfff) => 12,
                    _ => return None,
                },
                _ => 6,
            },
            b'\\' => 2,
            _ => 1,
        };
    }
    Some(at)
}

/// Returns the place behind a number that begins at `at`; none when NUMERIC does not hold it.
fn behind_number(bytes: &[u8], at: usize) -> Option<usize> {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let number: &[u8] = bytes.get(at..)?;
    let length = number.iter().position(|byte| !is_part(byte)).unwrap_or(number.len());
    let number = number.get(..length)?;
    // Without an exponent, only very many digits are too many.
    if length > 1000 || number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
        Number::parse(std::str::from_utf8(number).ok()?)?;
    }
    Some(at + length)
}

/// Returns the UTF-16 unit of an escape that may stand there.
fn unit_of(bytes: &[u8], at: usize) -> Option<u16> {
    (bytes.get(at..at + 2) == Some(br"\u")).then(|| unit(bytes, at))?
}

fn unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = std::str::from_utf8(bytes.get(at + 2..at + 6)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_jsonb_refuses_is_known_before() {
        let check = |text: &str, expected: bool| assert_eq!(fits_jsonb(text), expected, "{text}");
        check(r#"{"a": [1, -2.5, 1e20], "b": "x"}"#, true);
        check(r#"["\u00e4", "\\u0000", "\"", "\ud83d\ude00"]"#, true);
        check(r#"["\u0000"]"#, false);
        check(r#"{"\u0000": 1}"#, false);
        check(r#"["\\\u0000"]"#, false);
        check(r#"["\ud83d"]"#, false);
        check(r#"["\ud83dx"]"#, false);
        check(r#"["\ud83d\n"]"#, false);
        check(r#"["\ude00"]"#, false);
        check("[1e131071, 1e-16383]", true);
        check("[1e131072]", false);
        check("[1E-16384]", false);
        check(r#"["1e131072", "[[["]"#, true);
        check(&format!("[{}]", "9".repeat(131_073)), false);
    }
}
