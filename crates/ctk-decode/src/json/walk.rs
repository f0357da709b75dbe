//! A walk through a value: a step into each object and array that is looked into, so that nothing is read twice.

use std::mem;

use super::{
    Member, NotJson,
    scan::{Scanner, Text, Token},
    scanner,
};

/// Walks through a value. After an error it is of no use.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    scanner: Scanner<'a>,
}

impl<'a> Walk<'a> {
    /// Returns a walk before the value that `bytes` are.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Self, NotJson> {
        scanner(bytes).map(|scanner| Self { scanner })
    }

    /// Returns a walk before the value in `text`.
    pub(crate) fn of_text(text: &'a str) -> Self {
        Self { scanner: Scanner::new(text) }
    }

    /// Steps into an object; false where there is another value.
    pub(crate) fn object(&mut self) -> Result<bool, NotJson> {
        self.scanner.enter(b'{')
    }

    /// Steps into an array; false where there is another value.
    pub(crate) fn array(&mut self) -> Result<bool, NotJson> {
        self.scanner.enter(b'[')
    }

    /// Returns the name of the next member, whose value is to be taken or stepped into; `None` when it stepped out of the object.
    pub(crate) fn name(&mut self, first: bool) -> Result<Option<Text<'a>>, NotJson> {
        self.scanner.next_name(first)
    }

    /// Returns true before the next element, which is to be taken or stepped into; false when it stepped out of the array.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool, NotJson> {
        self.scanner.has_element(first)
    }

    /// Takes the value that stands here.
    pub(crate) fn value(&mut self) -> Result<Token<'a>, NotJson> {
        self.scanner.value()
    }

    /// Gives the members of the object that stands here, walked over only once. Returns false where there is another value.
    #[inline]
    pub(crate) fn each(&mut self, mut take: impl FnMut(Member<'a>)) -> Result<bool, NotJson> {
        let is_object = self.object()?;
        if !is_object {
            self.value()?;
            return Ok(false);
        }
        let mut first = true;
        while let Some((name, value)) = self.scanner.member(mem::take(&mut first))? {
            take(Member { name, value });
        }
        Ok(true)
    }

    /// Checks that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), NotJson> {
        self.scanner.end()
    }
}

/// Returns the number that a text is, all of it, as JSON writes numbers.
pub(crate) fn number(text: &str) -> Option<Token<'_>> {
    if !text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return None;
    }
    match Scanner::new(text).value() {
        Ok(token @ (Token::Integer(raw) | Token::Decimal(raw))) if raw.len() == text.len() => {
            Some(token)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_steps_in_and_out() {
        let text = r#" {"a": [1, {"b": "x\n"}, []], "c": {} } "#;
        let mut walk = Walk::of(text.as_bytes()).unwrap();
        let name = |walk: &mut Walk<'_>, first| {
            walk.name(first).map(|name| name.map(|name| name.plain().into_owned()))
        };
        assert_eq!((walk.array(), walk.object()), (Ok(false), Ok(true)));
        assert_eq!(name(&mut walk, true), Ok(Some("a".to_owned())));
        assert_eq!((walk.array(), walk.element(true)), (Ok(true), Ok(true)));
        assert_eq!((walk.value(), walk.element(false)), (Ok(Token::Integer("1")), Ok(true)));
        assert_eq!((walk.object(), name(&mut walk, true)), (Ok(true), Ok(Some("b".to_owned()))));
        let Ok(Token::Text(text)) = walk.value() else { panic!("no text") };
        assert_eq!(text.plain(), "x\n");
        assert_eq!((name(&mut walk, false), walk.element(false)), (Ok(None), Ok(true)));
        assert_eq!((walk.value(), walk.element(false)), (Ok(Token::Nested("[]")), Ok(false)));
        assert_eq!((name(&mut walk, false), walk.object()), (Ok(Some("c".to_owned())), Ok(true)));
        assert_eq!((name(&mut walk, true), name(&mut walk, false)), (Ok(None), Ok(None)));
        assert_eq!(walk.end(), Ok(()));
    }

    #[test]
    fn a_walk_is_no_deeper_than_a_scan() {
        let text = "[".repeat(600);
        let mut walk = Walk::of(text.as_bytes()).unwrap();
        let depth = (0..600).take_while(|_| walk.array() == Ok(true)).count();
        assert_eq!(depth, super::super::scan::MAX_DEPTH);
        let text = format!("{}{}{}", "[".repeat(300), "{\"a\":".repeat(212), "[1");
        let mut walk = Walk::of(text.as_bytes()).unwrap();
        assert!((0..300).all(|_| walk.array() == Ok(true)));
        assert!(walk.value().is_err());
    }

    #[test]
    fn numbers_are_those_of_json() {
        let long = "1234567890123456789012345678901234567.8E-130";
        for text in ["0", "-0", "7", "1.50", "1e5", "-1E+125", long] {
            let token = number(text);
            assert!(
                matches!(token, Some(Token::Integer(raw) | Token::Decimal(raw)) if raw == text),
                "{text}"
            );
        }
        let others = [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            ".5",
            "5.",
            "1,5",
            "NaN",
            "Infinity",
            "-",
            "1e",
            "0x1",
            "\u{feff}1",
            "true",
        ];
        for text in others {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
