//! CBOR written by a schema: the requests. They are small and few, so this is plain rather than fast.

use aws_smithy_schema::{
    Schema,
    serde::{SerdeError, SerializableStruct, ShapeSerializer},
};
use aws_smithy_types::{BigDecimal, BigInteger, Blob, DateTime, Document};

use super::tokens::{
    ARRAY, BYTE, BYTES, EIGHT_BYTES, FOUR_BYTES, INDEFINITE, MAP, NEGATIVE, SIMPLE, TAG, TEXT,
    TWO_BYTES, UNSIGNED,
};

const BREAK: u8 = SIMPLE << 5 | INDEFINITE;

/// Writes one message.
#[derive(Debug, Default)]
pub(super) struct Writer {
    message: Vec<u8>,
    /// For each container around what comes next: whether its members have names.
    named: Vec<bool>,
}

impl Writer {
    pub(super) fn finish(self) -> Vec<u8> {
        self.message
    }

    fn head(&mut self, major: u8, argument: u64) {
        let first = major << 5;
        if let Ok(small) = u8::try_from(argument) {
            if small >= BYTE {
                self.message.push(first | BYTE);
                self.message.push(small);
            } else {
                self.message.push(first | small);
            }
        } else if let Ok(argument) = u16::try_from(argument) {
            self.message.push(first | TWO_BYTES);
            self.message.extend(argument.to_be_bytes());
        } else if let Ok(argument) = u32::try_from(argument) {
            self.message.push(first | FOUR_BYTES);
            self.message.extend(argument.to_be_bytes());
        } else {
            self.message.push(first | EIGHT_BYTES);
            self.message.extend(argument.to_be_bytes());
        }
    }

    /// Writes the name of a member where there is one: in a structure, but not at the top or in a list.
    fn name(&mut self, schema: &Schema<'_>) {
        if self.named.last() == Some(&true)
            && let Some(name) = schema.member_name()
        {
            self.text(name);
        }
    }

    fn text(&mut self, text: &str) {
        self.head(TEXT, text.len() as u64);
        self.message.extend_from_slice(text.as_bytes());
    }

    fn integer(&mut self, integer: i64) {
        match u64::try_from(integer) {
            Ok(number) => self.head(UNSIGNED, number),
            Err(_) => self.head(NEGATIVE, integer.unsigned_abs() - 1),
        }
    }

    /// Writes a container of which the length is not known.
    fn container(
        &mut self,
        major: u8,
        named: bool,
        members: impl FnOnce(&mut Self) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        self.message.push(major << 5 | INDEFINITE);
        self.named.push(named);
        members(self)?;
        self.named.pop();
        self.message.push(BREAK);
        Ok(())
    }
}

impl ShapeSerializer for Writer {
    fn write_struct(
        &mut self,
        schema: &Schema<'_>,
        value: &dyn SerializableStruct,
    ) -> Result<(), SerdeError> {
        self.name(schema);
        self.container(MAP, true, |writer| value.serialize_members(writer))
    }

    fn write_list(
        &mut self,
        schema: &Schema<'_>,
        elements: &dyn Fn(&mut dyn ShapeSerializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        self.name(schema);
        self.container(ARRAY, false, |writer| elements(writer))
    }

    fn write_map(
        &mut self,
        schema: &Schema<'_>,
        entries: &dyn Fn(&mut dyn ShapeSerializer) -> Result<(), SerdeError>,
    ) -> Result<(), SerdeError> {
        self.name(schema);
        self.container(MAP, false, |writer| entries(writer))
    }

    fn write_boolean(&mut self, schema: &Schema<'_>, value: bool) -> Result<(), SerdeError> {
        self.name(schema);
        self.head(SIMPLE, 20 + u64::from(value));
        Ok(())
    }

    fn write_byte(&mut self, schema: &Schema<'_>, value: i8) -> Result<(), SerdeError> {
        self.write_long(schema, value.into())
    }

    fn write_short(&mut self, schema: &Schema<'_>, value: i16) -> Result<(), SerdeError> {
        self.write_long(schema, value.into())
    }

    fn write_integer(&mut self, schema: &Schema<'_>, value: i32) -> Result<(), SerdeError> {
        self.write_long(schema, value.into())
    }

    fn write_long(&mut self, schema: &Schema<'_>, value: i64) -> Result<(), SerdeError> {
        self.name(schema);
        self.integer(value);
        Ok(())
    }

    fn write_float(&mut self, schema: &Schema<'_>, value: f32) -> Result<(), SerdeError> {
        self.write_double(schema, value.into())
    }

    fn write_double(&mut self, schema: &Schema<'_>, value: f64) -> Result<(), SerdeError> {
        self.name(schema);
        self.message.push(SIMPLE << 5 | EIGHT_BYTES);
        self.message.extend(value.to_be_bytes());
        Ok(())
    }

    fn write_big_integer(&mut self, _: &Schema<'_>, _: &BigInteger) -> Result<(), SerdeError> {
        Err(SerdeError::unsupported("Kinesis has no big integers"))
    }

    fn write_big_decimal(&mut self, _: &Schema<'_>, _: &BigDecimal) -> Result<(), SerdeError> {
        Err(SerdeError::unsupported("Kinesis has no big decimals"))
    }

    fn write_string(&mut self, schema: &Schema<'_>, value: &str) -> Result<(), SerdeError> {
        self.name(schema);
        self.text(value);
        Ok(())
    }

    fn write_blob(&mut self, schema: &Schema<'_>, value: Blob) -> Result<(), SerdeError> {
        self.name(schema);
        self.head(BYTES, value.as_ref().len() as u64);
        self.message.extend_from_slice(value.as_ref());
        Ok(())
    }

    fn write_timestamp(&mut self, schema: &Schema<'_>, value: &DateTime) -> Result<(), SerdeError> {
        let millis = value.to_millis().map_err(|error| SerdeError::custom(error.to_string()))?;
        self.name(schema);
        self.head(TAG, 1);
        self.integer(millis);
        Ok(())
    }

    fn write_document(&mut self, _: &Schema<'_>, _: &Document) -> Result<(), SerdeError> {
        Err(SerdeError::unsupported("Kinesis has no documents"))
    }

    fn write_null(&mut self, schema: &Schema<'_>) -> Result<(), SerdeError> {
        self.name(schema);
        self.head(SIMPLE, 22);
        Ok(())
    }
}
