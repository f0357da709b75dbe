//! The bytes of a CBOR message, item by item, without a schema.
//!
//! The bytes come from outside: whatever they are, there is an answer or an error, never a panic, and nothing is allocated
//! for a length that the message only claims to have.

use std::borrow::Cow;

use aws_smithy_schema::serde::SerdeError;

pub(super) const UNSIGNED: u8 = 0;
pub(super) const NEGATIVE: u8 = 1;
pub(super) const BYTES: u8 = 2;
pub(super) const TEXT: u8 = 3;
pub(super) const ARRAY: u8 = 4;
pub(super) const MAP: u8 = 5;
pub(super) const TAG: u8 = 6;
pub(super) const SIMPLE: u8 = 7;

/// A map without members.
pub(super) const EMPTY_MAP: u8 = MAP << 5;
/// The argument follows in one byte, two, four, eight.
pub(super) const BYTE: u8 = 24;
pub(super) const TWO_BYTES: u8 = 25;
pub(super) const FOUR_BYTES: u8 = 26;
pub(super) const EIGHT_BYTES: u8 = 27;
/// In place of a length: the item goes on until a break.
pub(super) const INDEFINITE: u8 = 31;

const NULL: u8 = 0xf6;
const UNDEFINED: u8 = 0xf7;
const BREAK: u8 = 0xff;

/// How deep what is skipped may be nested; messages of Kinesis are four deep.
const DEEPEST: u8 = 32;

/// The beginning of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// What it is.
    pub(super) major: u8,
    /// How its argument is written.
    pub(super) info: u8,
    /// A number, a length, a count, the bits of a float.
    pub(super) argument: u64,
}

impl Head {
    /// Returns the words of an error for an item that should have been something else.
    pub(super) fn instead_of(self, expected: &str) -> SerdeError {
        let found = match (self.major, self.info) {
            (UNSIGNED | NEGATIVE, _) => "an integer",
            (BYTES, _) => "bytes",
            (TEXT, _) => "text",
            (ARRAY, _) => "a list",
            (MAP, _) => "a map",
            (TAG, _) => "a tag",
            (SIMPLE, 22 | 23) => "nothing",
            (SIMPLE, 20 | 21) => "a truth value",
            (SIMPLE, TWO_BYTES..=EIGHT_BYTES) => "a float",
            _ => "an end",
        };
        SerdeError::invalid_input(format!("{found} where {expected} is due"))
    }
}

/// What is left of a container.
#[derive(Debug)]
pub(super) enum Left {
    Items(u64),
    UntilBreak,
}

/// What is left of a message.
#[derive(Clone, Debug)]
pub(super) struct Tokens<'a>(&'a [u8]);

impl<'a> Tokens<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self(message)
    }

    /// Returns whether the next item is null.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.0.first(), Some(&(NULL | UNDEFINED)))
    }

    /// Reads the beginning of the next item.
    #[inline]
    pub(super) fn head(&mut self) -> Result<Head, SerdeError> {
        let (&first, rest) = self.0.split_first().ok_or_else(cut)?;
        let (major, info) = (first >> 5, first & 0x1f);
        if info < BYTE {
            self.0 = rest;
            return Ok(Head { major, info, argument: u64::from(info) });
        }
        let (argument, rest) = match info {
            BYTE => number(rest, |bytes: [u8; 1]| u64::from(bytes[0])),
            TWO_BYTES => number(rest, |bytes| u64::from(u16::from_be_bytes(bytes))),
            FOUR_BYTES => number(rest, |bytes| u64::from(u32::from_be_bytes(bytes))),
            EIGHT_BYTES => number(rest, u64::from_be_bytes),
            INDEFINITE if !matches!(major, UNSIGNED | NEGATIVE | TAG) => Some((0, rest)),
            _ => {
                return Err(SerdeError::invalid_input(format!("no CBOR item begins with {first}")));
            }
        }
        .ok_or_else(cut)?;
        self.0 = rest;
        Ok(Head { major, info, argument })
    }

    /// Reads the beginning of the next item behind its tags, which say nothing that the schema does not.
    #[inline]
    pub(super) fn untagged(&mut self) -> Result<Head, SerdeError> {
        loop {
            let head = self.head()?;
            if head.major != TAG {
                return Ok(head);
            }
        }
    }

    /// Begins a map or a list.
    #[inline]
    pub(super) fn open(&mut self, major: u8, expected: &str) -> Result<Left, SerdeError> {
        let head = self.untagged()?;
        match (head.major == major, head.info) {
            (true, INDEFINITE) => Ok(Left::UntilBreak),
            (true, _) => Ok(Left::Items(head.argument)),
            (false, _) => Err(head.instead_of(expected)),
        }
    }

    /// Returns whether there is one more in a container, and takes its break if there is none.
    #[inline]
    pub(super) fn one_more(&mut self, left: &mut Left) -> Result<bool, SerdeError> {
        match (left, self.0.split_first()) {
            (Left::Items(0), _) => Ok(false),
            (Left::Items(items), _) => {
                *items -= 1;
                Ok(true)
            }
            (Left::UntilBreak, Some((&BREAK, rest))) => {
                self.0 = rest;
                Ok(false)
            }
            (Left::UntilBreak, Some(_)) => Ok(true),
            (Left::UntilBreak, None) => Err(cut()),
        }
    }

    /// Reads a text or a byte string as bytes, without a copy unless it comes in pieces.
    #[inline]
    pub(super) fn string(
        &mut self,
        major: u8,
        expected: &str,
    ) -> Result<Cow<'a, [u8]>, SerdeError> {
        let head = self.untagged()?;
        if head.major != major {
            return Err(head.instead_of(expected));
        }
        if head.info != INDEFINITE {
            return self.take(head.argument).map(Cow::Borrowed);
        }
        self.pieces(major, expected).map(Cow::Owned)
    }

    fn pieces(&mut self, major: u8, expected: &str) -> Result<Vec<u8>, SerdeError> {
        let (mut whole, mut left) = (Vec::new(), Left::UntilBreak);
        while self.one_more(&mut left)? {
            let head = self.head()?;
            if head.major != major || head.info == INDEFINITE {
                return Err(head.instead_of(expected));
            }
            whole.extend_from_slice(self.take(head.argument)?);
        }
        Ok(whole)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Result<&'a [u8], SerdeError> {
        let length = usize::try_from(length).map_err(|_| cut())?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Passes over the next item, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), SerdeError> {
        self.skip_nested(DEEPEST)
    }

    fn skip_nested(&mut self, depth: u8) -> Result<(), SerdeError> {
        let head = self.untagged()?;
        match (head.major, head.info) {
            (BYTES | TEXT, INDEFINITE) => self.pieces(head.major, "a piece").map(drop),
            (BYTES | TEXT, _) => self.take(head.argument).map(drop),
            (ARRAY | MAP, info) => {
                let deeper = depth
                    .checked_sub(1)
                    .ok_or_else(|| SerdeError::invalid_input("CBOR that is nested too deeply"))?;
                let mut left = match info {
                    INDEFINITE => Left::UntilBreak,
                    _ => Left::Items(head.argument),
                };
                while self.one_more(&mut left)? {
                    self.skip_nested(deeper)?;
                    if head.major == MAP {
                        self.skip_nested(deeper)?;
                    }
                }
                Ok(())
            }
            (SIMPLE, INDEFINITE) => Err(head.instead_of("an item")),
            _ => Ok(()),
        }
    }
}

fn number<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> u64) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<N>()?;
    Some((value(*number), rest))
}

fn cut() -> SerdeError {
    SerdeError::invalid_input("the CBOR ends in the middle")
}
