//! Attribute values: `{"S": "text"}`, `{"N": "12.50"}`, `{"L": [{"BOOL": true}]}`.
//!
//! <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html>
//!
//! Numbers come as text, with up to 38 digits, and keep every one. What is nested becomes JSON without the descriptors; texts
//! in it are copied as they are written. Sets keep their order. Binary values stay base64.

use std::{mem, ops::Range};

use ctk_flow::{Changes, ColumnId, Reason, Value};

use super::short;
use crate::{
    change::Refused,
    json::{Text, Token, Walk, number},
};

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Descriptor {
    Text,
    Number,
    Bool,
    Null,
    Binary,
    Map,
    List,
    Texts,
    Numbers,
    Binaries,
}

/// The value of an attribute. What is nested stands in the text of its [`Values`].
#[derive(Clone, Debug)]
pub(super) enum Attribute<'a> {
    Null,
    Bool(bool),
    Number(Digits<'a>),
    Text(Text<'a>),
    Json(Nested),
}

/// JSON in the text of [`Values`].
#[derive(Clone, Debug)]
pub(super) struct Nested {
    range: Range<usize>,
    pub(super) is_list: bool,
    /// Whether it is a list whose members have several descriptors.
    pub(super) is_mixed: bool,
}

/// A number as it came: in quotation marks, or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digits<'a> {
    text: &'a str,
    is_integer: bool,
}

/// Reads values, and holds those that are nested.
#[derive(Default)]
pub(super) struct Values {
    text: String,
}

impl Values {
    /// Reads the value that stands here.
    pub(super) fn read<'a>(&mut self, walk: &mut Walk<'a>) -> Result<Attribute<'a>, Refused> {
        let descriptor = open(walk)?;
        let attribute = if let Some(attribute) = scalar(descriptor, walk)? {
            attribute
        } else {
            let start = self.text.len();
            let is_mixed = self.container(descriptor, walk)?;
            let is_list = descriptor != Descriptor::Map;
            Attribute::Json(Nested { range: start..self.text.len(), is_list, is_mixed })
        };
        close(walk)?;
        Ok(attribute)
    }

    /// Writes the value that stands here as JSON.
    fn write(&mut self, walk: &mut Walk<'_>) -> Result<Descriptor, Refused> {
        let descriptor = open(walk)?;
        match scalar(descriptor, walk)? {
            Some(attribute) => self.push(&attribute),
            None => {
                self.container(descriptor, walk)?;
            }
        }
        close(walk)?;
        Ok(descriptor)
    }

    fn push(&mut self, attribute: &Attribute<'_>) {
        match attribute {
            Attribute::Null => self.text.push_str("null"),
            Attribute::Bool(value) => self.text.push_str(if *value { "true" } else { "false" }),
            Attribute::Number(digits) => self.text.push_str(digits.text),
            Attribute::Text(text) => {
                self.text.push('"');
                self.text.push_str(text.raw);
                self.text.push('"');
            }
            // It stands there already.
            Attribute::Json(_) => {}
        }
    }

    /// Writes a map, a list or a set as JSON. Returns true for a list whose members have several descriptors.
    fn container(&mut self, descriptor: Descriptor, walk: &mut Walk<'_>) -> Result<bool, Refused> {
        let mut first = true;
        if descriptor == Descriptor::Map {
            if !walk.object()? {
                return Err(refused("M is no object"));
            }
            self.text.push('{');
            while let Some(name) = walk.name(first)? {
                self.text.push_str(if mem::take(&mut first) { "\"" } else { ",\"" });
                self.text.push_str(name.raw);
                self.text.push_str("\":");
                self.write(walk)?;
            }
            self.text.push('}');
            return Ok(false);
        }
        if !walk.array()? {
            return Err(refused("a list or set is no array"));
        }
        let (mut is_mixed, mut before) = (false, None);
        self.text.push('[');
        while walk.element(first)? {
            if !mem::take(&mut first) {
                self.text.push(',');
            }
            let member = match descriptor {
                Descriptor::Texts => Descriptor::Text,
                Descriptor::Numbers => Descriptor::Number,
                Descriptor::Binaries => Descriptor::Binary,
                _ => {
                    let descriptor = self.write(walk)?;
                    is_mixed |= before.is_some_and(|before| before != descriptor);
                    before = Some(descriptor);
                    continue;
                }
            };
            match scalar(member, walk)? {
                Some(Attribute::Null) | None => return Err(refused("a set has a member null")),
                Some(attribute) => self.push(&attribute),
            }
        }
        self.text.push(']');
        Ok(is_mixed)
    }

    /// Makes a list of a value that is none. What is null stays so.
    pub(super) fn listed<'a>(&mut self, attribute: Attribute<'a>) -> Attribute<'a> {
        let start = match &attribute {
            Attribute::Null | Attribute::Json(Nested { is_list: true, .. }) => return attribute,
            // It is what was read last, so it reaches to the end.
            Attribute::Json(nested) => nested.range.start,
            _ => self.text.len(),
        };
        self.text.insert(start, '[');
        self.push(&attribute);
        self.text.push(']');
        Attribute::Json(Nested { range: start..self.text.len(), is_list: true, is_mixed: false })
    }

    /// Adds a cell.
    pub(super) fn add(&self, changes: &mut Changes, column: ColumnId, attribute: &Attribute<'_>) {
        match attribute {
            Attribute::Null => changes.cell(column, Value::Null),
            Attribute::Bool(value) => changes.cell(column, Value::Bool(*value)),
            Attribute::Number(digits) => changes.cell(column, digits.value()),
            Attribute::Text(text) => changes.cell(column, Value::Text(&text.plain())),
            Attribute::Json(nested) => changes.cell(column, Value::Json(self.json(nested))),
        }
    }

    /// Adds a cell with the value as text. What is null stays so.
    pub(super) fn add_text(
        &self,
        changes: &mut Changes,
        column: ColumnId,
        attribute: &Attribute<'_>,
    ) {
        let text = match attribute {
            Attribute::Bool(true) => "true",
            Attribute::Bool(false) => "false",
            Attribute::Number(digits) => digits.text,
            Attribute::Json(nested) => self.json(nested),
            Attribute::Null | Attribute::Text(_) => return self.add(changes, column, attribute),
        };
        changes.cell(column, Value::Text(text));
    }

    /// Forgets what is nested from there on.
    pub(super) fn truncate(&mut self, length: usize) {
        self.text.truncate(length);
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    fn json(&self, nested: &Nested) -> &str {
        self.text.get(nested.range.clone()).unwrap_or_default()
    }
}

impl<'a> Digits<'a> {
    fn of(token: Token<'a>) -> Option<Self> {
        match token {
            Token::Integer(text) => Some(Self { text, is_integer: true }),
            Token::Decimal(text) => Some(Self { text, is_integer: false }),
            // Nobody escapes digits.
            Token::Text(text) => number(text.raw).and_then(Self::of),
            _ => None,
        }
    }

    fn value(self) -> Value<'a> {
        if !self.is_integer {
            return Value::Decimal(self.text);
        }
        self.text.parse().map_or(Value::BigInteger(self.text), Value::Integer)
    }
}

impl Descriptor {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "S" => Self::Text,
            "N" => Self::Number,
            "BOOL" => Self::Bool,
            "NULL" => Self::Null,
            "B" => Self::Binary,
            "M" => Self::Map,
            "L" => Self::List,
            "SS" => Self::Texts,
            "NS" => Self::Numbers,
            "BS" => Self::Binaries,
            _ => return None,
        })
    }
}

/// Steps into a value, up to what its descriptor describes.
fn open(walk: &mut Walk<'_>) -> Result<Descriptor, Refused> {
    let name = if walk.object()? { walk.name(true)? } else { None };
    let Some(name) = name else { return Err(refused("a value has no descriptor")) };
    let name = name.plain();
    Descriptor::of(&name).ok_or_else(|| refused(&format!("unknown descriptor `{}`", short(&name))))
}

/// Steps out of a value.
fn close(walk: &mut Walk<'_>) -> Result<(), Refused> {
    match walk.name(false)? {
        None => Ok(()),
        Some(_) => Err(refused("a value has two descriptors")),
    }
}

/// Takes what is described; `None`, and nothing taken, where it is nested.
fn scalar<'a>(
    descriptor: Descriptor,
    walk: &mut Walk<'a>,
) -> Result<Option<Attribute<'a>>, Refused> {
    let attribute = match descriptor {
        Descriptor::Text => match walk.value()? {
            Token::Text(text) => Some(Attribute::Text(text)),
            Token::Null => Some(Attribute::Null),
            _ => return Err(refused("S is no text")),
        },
        Descriptor::Binary => match walk.value()? {
            Token::Text(text) => Some(Attribute::Text(text)),
            _ => return Err(refused("B is no text")),
        },
        Descriptor::Number => match Digits::of(walk.value()?) {
            Some(digits) => Some(Attribute::Number(digits)),
            None => return Err(refused("N is no number")),
        },
        Descriptor::Bool => match walk.value()? {
            Token::Bool(value) => Some(Attribute::Bool(value)),
            _ => return Err(refused("BOOL is neither true nor false")),
        },
        Descriptor::Null => walk.value().map(|_| Some(Attribute::Null))?,
        Descriptor::Map
        | Descriptor::List
        | Descriptor::Texts
        | Descriptor::Numbers
        | Descriptor::Binaries => None,
    };
    Ok(attribute)
}

#[cold]
fn refused(problem: &str) -> Refused {
    Refused { reason: Reason::NotDynamoDb, error: problem.to_owned() }
}
