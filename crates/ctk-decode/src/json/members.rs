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
    pub(super) name: Text<'a>,
    pub(super) value: Token<'a>,
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
        plain(self.name)
    }

    /// Returns its value, if that is a text.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self.value {
            Token::Text(text) => Some(plain(text)),
            _ => None,
        }
    }

    /// Returns its value, if that is an array.
    pub(crate) fn array(&self) -> Option<Array<'a>> {
        match self.value {
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

fn plain(text: Text<'_>) -> Cow<'_, str> {
    if !text.escaped {
        return Cow::Borrowed(text.raw);
    }
    let mut unescaped = String::new();
    escape::unescape(text.raw, &mut unescaped);
    Cow::Owned(unescaped)
}
