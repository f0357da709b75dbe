//! The members of an object one by one, for formats that look for some of them by name.

use std::{borrow::Cow, iter};

use super::{
    NotJson, escape,
    scan::{Scanner, Text, Token},
    scanner,
};

/// Walks over an object. After an error it is of no use.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    scanner: Scanner<'a>,
    first: bool,
}

/// A member, borrowed from its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) value: Token<'a>,
}

/// An array that was walked over before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Array<'a> {
    text: &'a str,
}

impl<'a> Members<'a> {
    /// Returns the members of the object that `bytes` are; `None` when they are another JSON value.
    pub(crate) fn of(bytes: &'a [u8]) -> Result<Option<Self>, NotJson> {
        let mut scanner = scanner(bytes)?;
        if scanner.begin_object() {
            return Ok(Some(Self { scanner, first: true }));
        }
        scanner.raw_value()?;
        scanner.end()?;
        Ok(None)
    }

    /// Returns the next member; `None` behind the last, when nothing follows the object.
    pub(crate) fn next_member(&mut self) -> Result<Option<Member<'a>>, NotJson> {
        let Some((name, value)) = self.scanner.member(self.first)? else {
            self.scanner.end()?;
            return Ok(None);
        };
        self.first = false;
        Ok(Some(Member { name, value }))
    }
}

impl<'a> Member<'a> {
    /// Returns its name.
    pub(crate) fn name(&self) -> Cow<'a, str> {
        self.name.plain()
    }

    /// Returns its value, if that is a text.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        self.value.text()
    }

    /// Returns its value, if that is an array.
    pub(crate) fn array(&self) -> Option<Array<'a>> {
        self.value.array()
    }
}

impl<'a> Text<'a> {
    /// Returns it without escapes.
    pub(crate) fn plain(self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut unescaped = String::new();
        escape::unescape(self.raw, &mut unescaped);
        Cow::Owned(unescaped)
    }

    /// Returns true when both are the same without their escapes.
    pub(crate) fn is(self, other: Self) -> bool {
        if self.escaped || other.escaped {
            return self.plain() == other.plain();
        }
        self.raw == other.raw
    }
}

impl<'a> Token<'a> {
    /// Returns the one JSON value that `text` is; `None` when it is none.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let mut scanner = Scanner::new(text);
        let token = scanner.value().ok()?;
        scanner.end().ok().map(|()| token)
    }

    /// Returns it as it is written.
    pub(crate) fn raw(self) -> Cow<'a, str> {
        match self {
            Token::Null => "null".into(),
            Token::Bool(true) => "true".into(),
            Token::Bool(false) => "false".into(),
            Token::Integer(raw) | Token::Decimal(raw) | Token::Nested(raw) => raw.into(),
            Token::Text(text) => format!("\"{}\"", text.raw).into(),
        }
    }

    /// Returns what it says, if it is a text.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Token::Text(text) => Some(text.plain()),
            _ => None,
        }
    }

    /// Returns the number that it is, or that stands in the text that it is, if that is an integer.
    pub(crate) fn integer(self) -> Option<i64> {
        match self {
            Token::Integer(digits) => digits.parse().ok(),
            Token::Text(text) => text.plain().trim().parse().ok(),
            _ => None,
        }
    }

    /// Returns its members, if it is an object.
    pub(crate) fn object(self) -> Option<Members<'a>> {
        match self {
            Token::Nested(text) => Members::of(text.as_bytes()).ok().flatten(),
            _ => None,
        }
    }

    /// Returns its elements, if it is an array.
    pub(crate) fn array(self) -> Option<Array<'a>> {
        match self {
            Token::Nested(text) if text.starts_with('[') => Some(Array { text }),
            _ => None,
        }
    }
}

impl<'a> Array<'a> {
    /// Returns its elements as they are written.
    pub(crate) fn elements(self) -> impl Iterator<Item = &'a str> {
        let mut scanner = Scanner::new(self.text);
        let mut first = scanner.begin_array();
        // It was walked over before, so there is no error.
        iter::from_fn(move || scanner.element(std::mem::take(&mut first)).ok().flatten())
    }
}
