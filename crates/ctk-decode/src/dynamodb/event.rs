//! The outer part of an event: what happened to an item of which table, and where its attributes stand.

use std::{borrow::Cow, mem};

use ctk_flow::Reason;

use crate::{
    change::{Refused, Wrapped},
    json::{NotJson, Token, Walk},
};

/// What happened to an item.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Insert,
    Modify,
    Remove,
}

/// An event, as far as it is looked at.
pub(super) struct Event<'a> {
    pub(super) kind: Kind,
    /// Empty where the event does not tell.
    pub(super) table: Cow<'a, str>,
    /// An object that is known to be JSON.
    pub(super) keys: &'a str,
    /// The same; `None` where the table sends no new images.
    pub(super) new_image: Option<&'a str>,
}

/// The members of a record that are looked at, whatever they are.
#[derive(Default)]
pub(super) struct Outer<'a> {
    is_object: bool,
    source: Option<Token<'a>>,
    kind: Option<Token<'a>>,
    table: Option<Token<'a>>,
    item: Option<ItemParts<'a>>,
    /// The record that this one is only the envelope of.
    pub(super) wrapped: Option<Wrapped<'a>>,
}

impl<'a> Outer<'a> {
    /// Reads a record, all of it: later on, nothing in it turns out not to be JSON.
    pub(super) fn parse(record: &'a [u8]) -> Result<Self, NotJson> {
        let mut outer = Self::default();
        let mut walk = Walk::of(record)?;
        outer.is_object = walk.object()?;
        if !outer.is_object {
            walk.value()?;
            walk.end()?;
            return Ok(outer);
        }
        let mut first = true;
        while let Some(name) = walk.name(mem::take(&mut first))? {
            match &*name.plain() {
                "eventSource" => outer.source = Some(walk.value()?),
                "eventName" => outer.kind = Some(walk.value()?),
                "tableName" => outer.table = Some(walk.value()?),
                "dynamodb" if walk.object()? => outer.item = Some(ItemParts::parse(&mut walk)?),
                "kinesis" => outer.wrapped = Wrapped::take(&mut walk)?,
                _ => {
                    walk.value()?;
                }
            }
        }
        walk.end()?;
        Ok(outer)
    }

    /// Returns the event that the record is.
    pub(super) fn event(self) -> Result<Event<'a>, Refused> {
        if !self.is_object {
            return Err(refused("it is no object"));
        }
        match self.source {
            None => {}
            Some(Token::Text(source)) if source.plain() == "aws:dynamodb" => {}
            Some(_) => return Err(refused("its eventSource is not aws:dynamodb")),
        }
        let item = self.item.ok_or_else(|| refused("it has no object dynamodb"))?;
        let kind = match self.kind {
            Some(Token::Text(name)) => match &*name.plain() {
                "INSERT" => Some(Kind::Insert),
                "MODIFY" => Some(Kind::Modify),
                "REMOVE" => Some(Kind::Remove),
                _ => None,
            },
            _ => None,
        };
        let kind =
            kind.ok_or_else(|| refused("its eventName is none of INSERT, MODIFY, REMOVE"))?;
        let table = match self.table {
            None | Some(Token::Null) => Cow::Borrowed(""),
            Some(Token::Text(table)) => table.plain(),
            Some(_) => return Err(refused("its tableName is no text")),
        };
        let keys = object(item.keys, "Keys")?;
        let keys = keys.ok_or_else(|| Refused {
            reason: Reason::NoKey,
            error: "the event has no Keys".to_owned(),
        })?;
        Ok(Event { kind, table, keys, new_image: object(item.new_image, "NewImage")? })
    }
}

/// The parts of `dynamodb` that are looked at.
struct ItemParts<'a> {
    keys: Option<Token<'a>>,
    new_image: Option<Token<'a>>,
}

impl<'a> ItemParts<'a> {
    /// Reads the object that was stepped into.
    fn parse(walk: &mut Walk<'a>) -> Result<Self, NotJson> {
        let mut parts = Self { keys: None, new_image: None };
        let mut first = true;
        while let Some(name) = walk.name(mem::take(&mut first))? {
            let value = walk.value()?;
            match &*name.plain() {
                "Keys" => parts.keys = Some(value),
                "NewImage" => parts.new_image = Some(value),
                _ => {}
            }
        }
        Ok(parts)
    }
}

/// Returns the text of an object; `None` where there is nothing.
fn object<'a>(value: Option<Token<'a>>, what: &str) -> Result<Option<&'a str>, Refused> {
    match value {
        None | Some(Token::Null) => Ok(None),
        Some(Token::Nested(text)) if text.starts_with('{') => Ok(Some(text)),
        Some(_) => Err(refused(&format!("its {what} is no object"))),
    }
}

#[cold]
fn refused(problem: &str) -> Refused {
    Refused {
        reason: Reason::NotDynamoDb,
        error: format!("this is no change event of DynamoDB: {problem}"),
    }
}
