//! JSON, read so that no digit of a number is lost, and written.
//!
//! `serde_json` rounds integers beyond 64 bits unless a feature changes its numbers for the whole program; CrateDB wraps
//! them, and that has to be seen.

use std::collections::HashMap;

use super::value::Value;

/// Objects and arrays inside each other; as many as CrateDB's own parser takes.
const DEEPEST: usize = 1000;
/// The longest text in bytes; a request with a longer one cannot be parsed.
const LONGEST_TEXT: usize = 50_000_000;
/// Up to here it is cheaper to look at all members than to hash them.
const FEW: usize = 16;

/// Returns the value that a text holds, none when it is no JSON.
pub(super) fn parse(text: &str) -> Option<Value> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.blanks();
    (parser.at == text.len()).then_some(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.blanks();
        (self.peek()? == byte).then(|| self.at += 1)
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        self.blanks();
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'n' => self.word("null", Value::Null),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            _ => self.number(),
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        self.take(b'[')?;
        let mut items = Vec::new();
        if self.take(b']').is_some() {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Value::Array(items));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        self.take(b'{')?;
        let mut members: Vec<(Box<str>, Value)> = Vec::new();
        if self.take(b'}').is_some() {
            return Some(Value::Object(members));
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.take(b':')?;
            let value = self.value(depth + 1)?;
            let place = (members.len() < FEW)
                .then(|| members.iter().position(|(other, _)| *other == name))
                .flatten();
            match place {
                Some(place) => members[place].1 = value,
                None => members.push((name, value)),
            }
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Value::Object(last_of_each(members)));
            }
        }
    }

    fn string(&mut self) -> Option<Box<str>> {
        self.take(b'"')?;
        let start = self.at;
        let bytes = self.text.as_bytes();
        loop {
            match bytes.get(self.at)? {
                _ if self.at - start > LONGEST_TEXT => return None,
                b'"' => {
                    let text = self.text.get(start..self.at)?;
                    self.at += 1;
                    return Some(text.into());
                }
                b'\\' => return self.escaped(start),
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
    }

    /// Reads the rest of a string that has an escape at the present place.
    fn escaped(&mut self, start: usize) -> Option<Box<str>> {
        let mut text = self.text.get(start..self.at)?.to_owned();
        loop {
            let rest = self.text.get(self.at..)?;
            let plain = rest.find(['"', '\\'])?;
            let part = rest.get(..plain)?;
            if text.len() + plain > LONGEST_TEXT || part.bytes().any(|byte| byte < 0x20) {
                return None;
            }
            text.push_str(part);
            self.at += plain + 1;
            if rest.as_bytes().get(plain) == Some(&b'"') {
                return Some(text.into());
            }
            let escape = self.peek()?;
            self.at += 1;
            text.push(match escape {
                b'n' => '\n',
                b't' => '\t',
                b'r' => '\r',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'u' => self.unicode()?,
                b'"' | b'\\' | b'/' => char::from(escape),
                _ => return None,
            });
        }
    }

    /// A lone surrogate is no character: it becomes the replacement character.
    fn unicode(&mut self) -> Option<char> {
        let high = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&high) {
            return Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.text.get(self.at..)?.starts_with("\\u") {
            self.at += 2;
            let low = self.four_digits()?;
            if (0xdc00..0xe000).contains(&low) {
                return char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            }
            self.at = before;
        }
        Some(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit())
            .then(|| u32::from_str_radix(digits, 16).ok())
            .flatten()
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        let end = rest.bytes().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        let number = rest.get(..end)?;
        self.at += end;
        let digits = number.strip_prefix('-').unwrap_or(number);
        let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
        let leading_zero = digits.starts_with('0') && whole > 1;
        if whole == 0
            || leading_zero
            || number.ends_with('.')
            || digits.contains(".e")
            || digits.contains(".E")
        {
            return None;
        }
        if whole < digits.len() {
            return number.parse().ok().map(Value::Float);
        }
        Some(number.parse().map_or_else(|_| Value::Big(number.into()), Value::Int))
    }
}

/// Of members with one name the last one counts.
fn last_of_each(members: Vec<(Box<str>, Value)>) -> Vec<(Box<str>, Value)> {
    if members.len() <= FEW {
        return members;
    }
    let mut places: HashMap<Box<str>, usize> = HashMap::with_capacity(members.len());
    let mut kept: Vec<(Box<str>, Value)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        if let Some(place) = places.get(&name) {
            kept[*place].1 = value;
        } else {
            places.insert(name.clone(), kept.len());
            kept.push((name, value));
        }
    }
    kept
}

/// Writes JSON into a text.
pub(super) trait Writer {
    fn value(&mut self, value: &Value);
    fn text(&mut self, text: &str);
    fn integer(&mut self, integer: i64);
}

impl Writer for String {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.push_str("null"),
            Value::Bool(bool) => self.push_str(if *bool { "true" } else { "false" }),
            Value::Int(integer) => self.integer(*integer),
            Value::Big(digits) | Value::Decimal(digits) => self.push_str(digits),
            Value::Float(float) => {
                self.push_str(&serde_json::to_string(float).unwrap_or_default());
            }
            Value::Text(text) => self.text(text),
            Value::Array(items) => {
                self.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.push(',');
                    }
                    self.value(item);
                }
                self.push(']');
            }
            Value::Object(members) => {
                self.push('{');
                for (index, (name, member)) in members.iter().enumerate() {
                    if index > 0 {
                        self.push(',');
                    }
                    self.text(name);
                    self.push(':');
                    self.value(member);
                }
                self.push('}');
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.push_str(&serde_json::to_string(text).unwrap_or_default());
    }

    fn integer(&mut self, integer: i64) {
        self.push_str(&integer.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        let check = |text: &str, expected: Option<&str>| {
            let written = parse(text).map(|value| value.to_json());
            assert_eq!(written.as_deref(), expected, "{text}");
        };
        check("[18446744073709551616, -1, 0, -0.5]", Some("[18446744073709551616,-1,0,-0.5]"));
        check("1e3", Some("1000.0"));
        check(r#"{"a": 1, "b": {}, "a": [2]}"#, Some(r#"{"a":[2],"b":{}}"#));
        check(r#""\"\\\/\u00e4\ud83d\ude00\ud83dx""#, Some("\"\\\"\\\\/ä😀\u{fffd}x\""));
        check("NaN", None);
        check("01", None);
        check("1.", None);
        check("- 1", None);
        check("[1,]", None);
        check("{\"a\":}", None);
        check("\"a\nb\"", None);
        check("\"\\u12g4\"", None);
        check("nul", None);
        check("", None);
        check(&"[".repeat(2000), None);
    }

    #[test]
    fn of_many_members_with_one_name_the_last_one_counts() {
        let members: Vec<String> =
            (0..100).map(|member| format!("\"k{}\":{member}", member % 40)).collect();
        let Some(Value::Object(kept)) = parse(&format!("{{{}}}", members.join(","))) else {
            panic!("an object");
        };
        assert_eq!(kept.len(), 40);
        assert_eq!((&*kept[0].0, &kept[0].1), ("k0", &Value::Int(80)));
        assert_eq!((&*kept[39].0, &kept[39].1), ("k39", &Value::Int(79)));
    }

    #[test]
    fn a_text_must_not_be_too_long() {
        let text = format!("\"{}\"", "x".repeat(LONGEST_TEXT + 1));
        assert!(parse(&text).is_none());
        assert!(parse(&text.replacen('x', "\\n", 1)).is_none());
        assert!(parse(&text.replacen("xx", "", 1)).is_some());
    }
}
