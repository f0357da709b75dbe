//! Escapes in strings: what each stands for, and texts without them.

/// Returns the character that the escape at the beginning of `text` stands for, and the length of the escape.
///
/// Both halves of a surrogate pair are one escape; a half without the other stands for nothing, so it is `None`.
pub(super) fn character(text: &[u8]) -> Option<(char, usize)> {
    let simple = |character| Some((character, 2));
    match text.get(1)? {
        b'"' => simple('"'),
        b'\\' => simple('\\'),
        b'/' => simple('/'),
        b'b' => simple('\u{8}'),
        b'f' => simple('\u{c}'),
        b'n' => simple('\n'),
        b'r' => simple('\r'),
        b't' => simple('\t'),
        b'u' => {
            let high = unit(text, 2)?;
            // Halves of pairs are no characters, so `from_u32` refuses both.
            if let Some(character) = char::from_u32(high) {
                return Some((character, 6));
            }
            let low = match text.get(6..8)? {
                b"\\u" => unit(text, 8)?,
                _ => return None,
            };
            if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
                return None;
            }
            let character = char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?;
            Some((character, 12))
        }
        _ => None,
    }
}

/// Returns the four hexadecimal digits at `start` as a number.
fn unit(text: &[u8], start: usize) -> Option<u32> {
    let digits = text.get(start..start + 4)?;
    digits.iter().try_fold(0, |unit, digit| Some(unit * 16 + char::from(*digit).to_digit(16)?))
}

/// Replaces what `plain` holds with `raw` without its escapes, which are known to be well formed.
pub(super) fn unescape(raw: &str, plain: &mut String) {
    plain.clear();
    let mut rest = raw;
    while let Some(start) = rest.find('\\') {
        let (before, escape) = rest.split_at(start);
        plain.push_str(before);
        let Some((character, length)) = character(escape.as_bytes()) else { break };
        plain.push(character);
        rest = escape.get(length..).unwrap_or_default();
    }
    plain.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_characters() {
        let check = |text: &str, expected: Option<(char, usize)>| {
            assert_eq!(character(text.as_bytes()), expected, "{text}");
        };
        check(r#"\""#, Some(('"', 2)));
        check(r"\u00e4bc", Some(('ä', 6)));
        check(r"\u0000", Some(('\0', 6)));
        check(r"\uD83D\ude00", Some(('😀', 12)));
        check(r"\ud800\udc00", Some(('\u{10000}', 12)));
        check(r"\udbff\udfff", Some(('\u{10ffff}', 12)));
        check(r"\uffff", Some(('\u{ffff}', 6)));
        check(r"\x", None);
        check(r"\u12", None);
        check(r"\u+123", None);
        check(r"\u00g0", None);
        check(r"\ud800", None);
        check(r"\ud800\n____", None);
        check(r"\ud800\ud800", None);
        check(r"\ud800\u0041", None);
        check(r"\udc00\udc00", None);
        check(r"\ud800xudc00", None);
        check(r"\", None);
    }

    #[test]
    fn texts_lose_their_escapes() {
        let mut plain = "left over".to_owned();
        unescape(r"grün \u00e4\ud83d\ude00\\n\\", &mut plain);
        assert_eq!(plain, "grün ä😀\\n\\");
        unescape("", &mut plain);
        assert_eq!(plain, "");
    }
}
