//! The grammar of JSON (RFC 8259), walked over once, without recursion and without allocation.
//!
//! The caller takes the members of the outermost object one by one; everything below is checked and left as text. Strings,
//! which are most of a usual payload, are searched eight bytes at a time. It is our own because the lazy iteration of
//! sonic-rs 0.5 recurses without a limit (100,000 brackets end the process), takes any four characters for the digits of
//! `\u`, and does not look behind the closing brace; each of these would cost a pass of its own before it.

use super::{NotJson, escape};

/// How deep a text may be. SQLite's JSON functions go to 1,000 levels, `serde_json` to 128.
pub(super) const MAX_DEPTH: usize = 512;

/// A string as written, without its quotation marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    /// As written.
    pub(crate) raw: &'a str,
    /// Whether there are escapes in it.
    pub(crate) escaped: bool,
}

/// A value, as far as it is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    /// Digits, perhaps with a sign.
    Integer(&'a str),
    /// A number with a fraction or an exponent.
    Decimal(&'a str),
    Text(Text<'a>),
    /// An object or an array.
    Nested(&'a str),
}

/// What a value is, once it was walked over.
#[derive(Clone, Copy)]
enum Kind {
    Null,
    Bool(bool),
    Integer,
    Decimal,
    Text { escaped: bool },
    Nested,
}

/// Walks over a text. After an error it is of no use.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    outer: usize,
}

impl<'a> Scanner<'a> {
    /// Returns a scanner before the value in `text`.
    pub(super) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut scanner = Self { text, at, outer: 0 };
        scanner.space();
        scanner
    }

    /// Steps into an object, if there is one.
    pub(super) fn begin_object(&mut self) -> bool {
        let object = self.eat(b'{');
        self.outer += usize::from(object);
        object
    }

    /// Returns the next member of the object that was stepped into; `None` behind the last.
    #[inline]
    pub(super) fn member(&mut self, first: bool) -> Result<Option<(Text<'a>, Token<'a>)>, NotJson> {
        match self.next_name(first)? {
            Some(name) => Ok(Some((name, self.value()?))),
            None => Ok(None),
        }
    }

    /// Returns the name of the next member, whose value is to be taken or stepped into; `None` when it stepped out of the object.
    #[inline]
    pub(super) fn next_name(&mut self, first: bool) -> Result<Option<Text<'a>>, NotJson> {
        self.space();
        if self.eat(b'}') {
            self.outer = self.outer.saturating_sub(1);
            return Ok(None);
        }
        if !first {
            self.expect(b',', "a comma or a closing brace is missing")?;
            self.space();
        }
        self.name().map(Some)
    }

    /// Returns true before the next element of an array, which is to be taken or stepped into; false when it stepped out of it.
    pub(super) fn has_element(&mut self, first: bool) -> Result<bool, NotJson> {
        self.space();
        if self.eat(b']') {
            self.outer = self.outer.saturating_sub(1);
            return Ok(false);
        }
        if !first {
            self.expect(b',', "a comma or a closing bracket is missing")?;
            self.space();
        }
        Ok(true)
    }

    /// Steps into the object or array that begins with `open`, if there is one here, at any depth.
    pub(super) fn enter(&mut self, open: u8) -> Result<bool, NotJson> {
        if self.peek() != Some(open) {
            return Ok(false);
        }
        if self.outer == MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.at += 1;
        self.outer += 1;
        Ok(true)
    }

    /// Steps into an array, if there is one.
    pub(super) fn begin_array(&mut self) -> bool {
        let array = self.eat(b'[');
        self.outer += usize::from(array);
        array
    }

    /// Returns the next element of the array that was stepped into, as written; `None` behind the last.
    pub(super) fn element(&mut self, first: bool) -> Result<Option<&'a str>, NotJson> {
        if self.has_element(first)? { self.raw_value().map(Some) } else { Ok(None) }
    }

    /// Returns the value that stands here.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Token<'a>, NotJson> {
        let start = self.at;
        let kind = self.skip_value()?;
        let raw = self.part(start, self.at);
        Ok(match kind {
            Kind::Null => Token::Null,
            Kind::Bool(value) => Token::Bool(value),
            Kind::Integer => Token::Integer(raw),
            Kind::Decimal => Token::Decimal(raw),
            Kind::Text { escaped } => {
                Token::Text(Text { raw: self.part(start + 1, self.at - 1), escaped })
            }
            Kind::Nested => Token::Nested(raw),
        })
    }

    /// Returns the value that stands here as written.
    pub(super) fn raw_value(&mut self) -> Result<&'a str, NotJson> {
        let start = self.at;
        self.skip_value()?;
        Ok(self.part(start, self.at))
    }

    /// Checks that nothing but white space follows.
    pub(super) fn end(&mut self) -> Result<(), NotJson> {
        self.space();
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.error("characters after the value")),
        }
    }

    #[inline]
    fn skip_value(&mut self) -> Result<Kind, NotJson> {
        match self.peek() {
            Some(b'{' | b'[') => self.nested().map(|()| Kind::Nested),
            _ => self.scalar(),
        }
    }

    #[inline]
    fn scalar(&mut self) -> Result<Kind, NotJson> {
        match self.peek() {
            Some(b'"') => self.string().map(|escaped| Kind::Text { escaped }),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal(b"true", Kind::Bool(true)),
            Some(b'f') => self.literal(b"false", Kind::Bool(false)),
            Some(b'n') => self.literal(b"null", Kind::Null),
            None if self.part(0, self.at).trim_ascii().is_empty() => {
                Err(self.error("the payload is empty"))
            }
            _ => Err(self.error("a value is missing")),
        }
    }

    /// Walks over an object or an array and everything in it.
    fn nested(&mut self) -> Result<(), NotJson> {
        let mut levels = Levels { depth: self.outer, objects: [0; MAX_DEPTH / 64] };
        loop {
            if let Some(open @ (b'{' | b'[')) = self.peek() {
                if levels.depth == MAX_DEPTH {
                    return Err(self.error("nested too deeply"));
                }
                self.at += 1;
                levels.push(open == b'{');
                self.space();
                if !matches!(self.peek(), Some(b'}' | b']')) {
                    if open == b'{' {
                        self.name()?;
                    }
                    continue;
                }
            } else {
                self.scalar()?;
                self.space();
            }
            // A value ended here, or a level without values.
            loop {
                if levels.top_is_object() {
                    if self.eat(b',') {
                        self.space();
                        self.name()?;
                        break;
                    }
                    self.expect(b'}', "a comma or a closing brace is missing")?;
                } else {
                    if self.eat(b',') {
                        self.space();
                        break;
                    }
                    self.expect(b']', "a comma or a closing bracket is missing")?;
                }
                levels.depth -= 1;
                if levels.depth == self.outer {
                    return Ok(());
                }
                self.space();
            }
        }
    }

    /// Walks over a name and its colon, up to the value.
    #[inline]
    fn name(&mut self) -> Result<Text<'a>, NotJson> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.error("a member's name is missing"));
        }
        let escaped = self.string()?;
        let raw = self.part(start + 1, self.at - 1);
        self.space();
        self.expect(b':', "a colon is missing")?;
        self.space();
        Ok(Text { raw, escaped })
    }

    /// Walks over a string; returns whether there are escapes in it.
    #[inline]
    fn string(&mut self) -> Result<bool, NotJson> {
        self.at += 1;
        let mut escaped = false;
        loop {
            let rest = self.rest();
            let plain = plain_length(rest);
            self.at += plain;
            match rest.get(plain) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    let Some((_, length)) = escape::character(self.rest()) else {
                        return Err(self.error("an escape that stands for no character"));
                    };
                    self.at += length;
                    escaped = true;
                }
                Some(_) => return Err(self.error("a control character in a string")),
                None => return Err(self.error("a string does not end")),
            }
        }
    }

    #[inline]
    fn number(&mut self) -> Result<Kind, NotJson> {
        self.eat(b'-');
        // A digit behind a leading zero is found by whoever looks for what follows the number.
        if !self.eat(b'0') {
            self.digits()?;
        }
        let mut kind = Kind::Integer;
        if self.eat(b'.') {
            kind = Kind::Decimal;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            kind = Kind::Decimal;
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Ok(kind)
    }

    #[inline]
    fn digits(&mut self) -> Result<(), NotJson> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.error("a digit is missing")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<Kind, NotJson> {
        if !self.rest().starts_with(word) {
            return Err(self.error("a value is missing"));
        }
        self.at += word.len();
        Ok(kind)
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), NotJson> {
        if self.eat(byte) { Ok(()) } else { Err(self.error(problem)) }
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Returns a part that begins and ends at characters of the grammar, which are whole characters.
    #[inline]
    fn part(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    #[cold]
    fn error(&self, problem: &'static str) -> NotJson {
        NotJson { problem, offset: self.at }
    }
}

/// Which of the open levels are objects; one bit each.
struct Levels {
    depth: usize,
    objects: [u64; MAX_DEPTH / 64],
}

impl Levels {
    fn push(&mut self, object: bool) {
        let bit = 1 << (self.depth % 64);
        let word = &mut self.objects[self.depth / 64];
        *word = if object { *word | bit } else { *word & !bit };
        self.depth += 1;
    }

    fn top_is_object(&self) -> bool {
        let top = self.depth - 1;
        self.objects[top / 64] >> (top % 64) & 1 == 1
    }
}

/// Returns how many bytes come before the first quotation mark, backslash or control character.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    // The high bit of each byte that is zero. A borrow may mark bytes behind such a byte, never before it.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    let mut rest = bytes;
    while let Some((chunk, behind)) = rest.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*chunk);
        let controls = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        let found = zeros(word ^ (ONES * u64::from(b'"')))
            | zeros(word ^ (ONES * u64::from(b'\\')))
            | controls;
        if found != 0 {
            return bytes.len() - rest.len() + (found.trailing_zeros() / 8) as usize;
        }
        rest = behind;
    }
    let plain = rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
    bytes.len() - rest.len() + plain
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn plain_bytes_end_where_they_end(
            bytes in vec(prop_oneof![any::<u8>(), Just(b'a'), Just(0x1f), Just(0x20), Just(0x7f), Just(0x80)], 0..40)
        ) {
            let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
            prop_assert_eq!(plain_length(&bytes), bytes.iter().position(special).unwrap_or(bytes.len()));
        }
    }
}
