//! CBOR read by a schema: what the SDK asks for its types, member by member. Every record passes through here.
//!
//! A member is found by its name as bytes, a text is checked to be UTF-8 once, and each text and blob is copied once, into an
//! allocation of its size.

use aws_smithy_schema::{
    Schema,
    serde::{SerdeError, ShapeDeserializer},
};
use aws_smithy_types::{BigDecimal, BigInteger, Blob, DateTime, Document};

use super::tokens::{
    ARRAY, BYTES, EIGHT_BYTES, FOUR_BYTES, Head, MAP, NEGATIVE, SIMPLE, TAG, TEXT, TWO_BYTES,
    Tokens, UNSIGNED,
};

/// No answer of Kinesis has a longer list; memory for more is not to be had by a few bytes.
const LONGEST_LIST: usize = 100_000;

/// Members that nobody reads here, and that would cost an allocation per record.
const UNREAD: &[u8] = b"EncryptionType";

/// The tag of a time.
const TIME: u64 = 1;
/// The year 1973 in milliseconds and 5138 in seconds: what is tagged and smaller are seconds, which is not Kinesis' CBOR.
const LEAST_MILLIS: i64 = 100_000_000_000;
/// The end of the year 9999.
const MOST_MILLIS: i64 = 253_402_300_799_999;

type Member<'a> =
    &'a mut dyn FnMut(&Schema<'_>, &mut dyn ShapeDeserializer) -> Result<(), SerdeError>;
type Element<'a> = &'a mut dyn FnMut(&mut dyn ShapeDeserializer) -> Result<(), SerdeError>;
type Entry<'a> = &'a mut dyn FnMut(String, &mut dyn ShapeDeserializer) -> Result<(), SerdeError>;

/// Reads a map of which only texts matter.
pub(super) fn texts(
    tokens: &mut Tokens<'_>,
    mut found: impl FnMut(&[u8], String),
) -> Result<(), SerdeError> {
    let mut left = tokens.open(MAP, "a map")?;
    while tokens.one_more(&mut left)? {
        let member = tokens.string(TEXT, "the name of a member")?;
        match text(&mut tokens.clone()) {
            Ok(text) => found(&member, text),
            Err(_) => drop(member),
        }
        tokens.skip()?;
    }
    Ok(())
}

#[inline]
fn text(tokens: &mut Tokens<'_>) -> Result<String, SerdeError> {
    let bytes = tokens.string(TEXT, "text")?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(SerdeError::invalid_input("text that is not UTF-8")),
    }
}

fn integer(tokens: &mut Tokens<'_>) -> Result<i64, SerdeError> {
    let head = tokens.untagged()?;
    match integer_of(head) {
        Some(integer) => Ok(integer),
        None => match float_of(head).and_then(whole) {
            Some(integer) => Ok(integer),
            None => Err(head.instead_of("an integer")),
        },
    }
}

fn narrow<T: TryFrom<i64>>(tokens: &mut Tokens<'_>) -> Result<T, SerdeError> {
    let out_of_range = |_| SerdeError::invalid_input("an integer that is too large");
    integer(tokens)?.try_into().map_err(out_of_range)
}

fn float(tokens: &mut Tokens<'_>) -> Result<f64, SerdeError> {
    let head = tokens.untagged()?;
    #[expect(clippy::cast_precision_loss, reason = "a float was asked for")]
    let from_integer = || integer_of(head).map(|integer| integer as f64);
    float_of(head).or_else(from_integer).ok_or_else(|| head.instead_of("a float"))
}

/// Returns milliseconds since 1970: as such where they are tagged, else from seconds, as some emulators send them.
fn time(tokens: &mut Tokens<'_>) -> Result<i64, SerdeError> {
    let mut head = tokens.head()?;
    let tagged = head.major == TAG;
    if tagged {
        if head.argument != TIME {
            return Err(SerdeError::invalid_input("a time with a tag that is not of times"));
        }
        head = tokens.head()?;
    }
    let millis = match (integer_of(head), float_of(head)) {
        (Some(integer), _) if tagged => Some(integer),
        (Some(integer), _) => integer.checked_mul(1000),
        (_, Some(float)) if tagged => whole(float.round()),
        (_, Some(float)) => whole((float * 1000.0).round()),
        (None, None) => return Err(head.instead_of("a time")),
    };
    let least = if tagged { LEAST_MILLIS } else { 0 };
    millis
        .filter(|millis| (least..=MOST_MILLIS).contains(millis))
        .ok_or_else(|| SerdeError::invalid_input("a time that is none, or in another unit"))
}

fn integer_of(head: Head) -> Option<i64> {
    match head.major {
        UNSIGNED => i64::try_from(head.argument).ok(),
        NEGATIVE => i64::try_from(head.argument).ok().map(|number| -1 - number),
        _ => None,
    }
}

fn float_of(head: Head) -> Option<f64> {
    if head.major != SIMPLE {
        return None;
    }
    match head.info {
        TWO_BYTES => u16::try_from(head.argument).ok().map(half),
        FOUR_BYTES => u32::try_from(head.argument).ok().map(|bits| f64::from(f32::from_bits(bits))),
        EIGHT_BYTES => Some(f64::from_bits(head.argument)),
        _ => None,
    }
}

/// Returns what a float of two bytes stands for: a sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f64 {
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// Returns a float as an integer where it is one that floats can count to.
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and within range")]
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

impl ShapeDeserializer for Tokens<'_> {
    fn read_struct(&mut self, schema: &Schema<'_>, member: Member<'_>) -> Result<(), SerdeError> {
        let mut left = self.open(MAP, "a structure")?;
        while self.one_more(&mut left)? {
            let name = self.string(TEXT, "the name of a member")?;
            let named = |known: &&&Schema<'_>| {
                known.member_name().is_some_and(|known| known.as_bytes() == name.as_ref())
            };
            match schema.members().iter().find(named) {
                // Null means absent, for members that must be there too.
                Some(known) if !self.is_null() && name.as_ref() != UNREAD => member(known, self)?,
                _ => self.skip()?,
            }
        }
        Ok(())
    }

    fn read_list(&mut self, _: &Schema<'_>, element: Element<'_>) -> Result<(), SerdeError> {
        let (mut left, mut length) = (self.open(ARRAY, "a list")?, 0);
        while self.one_more(&mut left)? {
            length += 1;
            if length > LONGEST_LIST {
                return Err(SerdeError::invalid_input("a list that is too long for an answer"));
            }
            element(self)?;
        }
        Ok(())
    }

    fn read_map(&mut self, _: &Schema<'_>, entry: Entry<'_>) -> Result<(), SerdeError> {
        let mut left = self.open(MAP, "a map")?;
        while self.one_more(&mut left)? {
            let key = text(self)?;
            entry(key, self)?;
        }
        Ok(())
    }

    fn read_boolean(&mut self, _: &Schema<'_>) -> Result<bool, SerdeError> {
        let head = self.untagged()?;
        match (head.major, head.info) {
            (SIMPLE, 20) => Ok(false),
            (SIMPLE, 21) => Ok(true),
            _ => Err(head.instead_of("a truth value")),
        }
    }

    fn read_byte(&mut self, _: &Schema<'_>) -> Result<i8, SerdeError> {
        narrow(self)
    }

    fn read_short(&mut self, _: &Schema<'_>) -> Result<i16, SerdeError> {
        narrow(self)
    }

    fn read_integer(&mut self, _: &Schema<'_>) -> Result<i32, SerdeError> {
        narrow(self)
    }

    fn read_long(&mut self, _: &Schema<'_>) -> Result<i64, SerdeError> {
        integer(self)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the type that the schema has")]
    fn read_float(&mut self, _: &Schema<'_>) -> Result<f32, SerdeError> {
        float(self).map(|float| float as f32)
    }

    fn read_double(&mut self, _: &Schema<'_>) -> Result<f64, SerdeError> {
        float(self)
    }

    fn read_big_integer(&mut self, _: &Schema<'_>) -> Result<BigInteger, SerdeError> {
        Err(SerdeError::unsupported("Kinesis has no big integers"))
    }

    fn read_big_decimal(&mut self, _: &Schema<'_>) -> Result<BigDecimal, SerdeError> {
        Err(SerdeError::unsupported("Kinesis has no big decimals"))
    }

    #[inline]
    fn read_string(&mut self, _: &Schema<'_>) -> Result<String, SerdeError> {
        text(self)
    }

    #[inline]
    fn read_blob(&mut self, _: &Schema<'_>) -> Result<Blob, SerdeError> {
        // An allocation of its exact size becomes the payload of the record without a copy.
        self.string(BYTES, "a byte string").map(|bytes| Blob::new(bytes.into_owned()))
    }

    fn read_timestamp(&mut self, _: &Schema<'_>) -> Result<DateTime, SerdeError> {
        time(self).map(DateTime::from_millis)
    }

    fn read_document(&mut self, _: &Schema<'_>) -> Result<Document, SerdeError> {
        Err(SerdeError::unsupported("Kinesis has no documents"))
    }

    fn is_null(&self) -> bool {
        Tokens::is_null(self)
    }

    fn read_null(&mut self) -> Result<(), SerdeError> {
        self.skip()
    }

    fn skip_value(&mut self) -> Result<(), SerdeError> {
        self.skip()
    }

    fn container_size(&self) -> Option<usize> {
        None
    }
}
