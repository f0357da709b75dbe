//! From the attributes of an item to cells, as the recipe asks.

use std::{borrow::Cow, mem};

use ctk_flow::{Changes, ColumnId, Reason, Value};

use super::{
    short,
    value::{Attribute, Nested, Values},
};
use crate::{
    change::Refused,
    json::{NotJson, Text, Token, Walk},
    recipe::TableRules,
};

/// Reads one item.
pub(super) struct Item<'a> {
    rules: Option<&'a TableRules>,
    values: Values,
    /// The names of the attributes that are the key.
    keys: Vec<Cow<'a, str>>,
    aux: Vec<(ColumnId, Nested)>,
}

impl<'a> Item<'a> {
    pub(super) fn new(rules: Option<&'a TableRules>) -> Self {
        Self { rules, values: Values::default(), keys: Vec::new(), aux: Vec::new() }
    }

    /// Adds the cells of the key, by name: `Keys` is a map, whose order says nothing. Returns how many there are.
    pub(super) fn read_keys(
        &mut self,
        keys: &'a str,
        changes: &mut Changes,
    ) -> Result<u32, Refused> {
        let mut all = Vec::new();
        let mut walk = Walk::of_text(keys);
        walk.object()?;
        while let Some(name) = walk.name(all.is_empty())? {
            let name = name.plain();
            let value =
                self.values.read(&mut walk).map_err(|refused| in_attribute(refused, &name))?;
            all.push((name, value));
        }
        if all.is_empty() {
            let error = "the Keys of the event are empty".to_owned();
            return Err(Refused { reason: Reason::NoKey, error });
        }
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, value) in all {
            let refused = |problem: &str| in_attribute(not_dynamodb(problem), &name);
            if self.keys.last() == Some(&name) {
                return Err(refused("it comes twice in Keys"));
            }
            if !matches!(value, Attribute::Text(_) | Attribute::Number(_)) {
                return Err(refused("a key is text, a number, or binary"));
            }
            self.check_rules_of_key(&name)?;
            let column = changes.column(&name);
            if self.asks(&name, |rules| &rules.to_text) {
                self.values.add_text(changes, column, &value);
            } else {
                self.values.add(changes, column, &value);
            }
            self.keys.push(name);
        }
        Ok(u32::try_from(self.keys.len()).unwrap_or(u32::MAX))
    }

    /// Adds the cells of the other attributes, those of several types last. Returns how many of these there are.
    pub(super) fn read_image(
        &mut self,
        image: &'a str,
        changes: &mut Changes,
    ) -> Result<u32, Refused> {
        let mut first = true;
        let mut walk = Walk::of_text(image);
        walk.object()?;
        let mut new_names = NewNames::default();
        for name in &self.keys {
            new_names.note(self.rules, name, None);
        }
        while let Some(name) = walk.name(mem::take(&mut first))? {
            let name = name.plain();
            let renamed = self.new_name(&name);
            new_names.note(self.rules, &name, renamed);
            if self.keys.contains(&name) || self.asks(&name, |rules| &rules.ignored) {
                walk.value()?;
                continue;
            }
            let start = self.values.len();
            let value =
                self.values.read(&mut walk).map_err(|refused| in_attribute(refused, &name))?;
            let column = changes.column(renamed.unwrap_or(&name));
            self.add(changes, column, &name, value)?;
            if self.aux.is_empty() {
                self.values.truncate(start);
            }
        }
        new_names.check()?;
        for (column, nested) in &self.aux {
            self.values.add(changes, *column, &Attribute::Json(nested.clone()));
        }
        Ok(u32::try_from(self.aux.len()).unwrap_or(u32::MAX))
    }

    /// Adds a cell, or notes it for later.
    fn add(
        &mut self,
        changes: &mut Changes,
        column: ColumnId,
        name: &str,
        value: Attribute<'a>,
    ) -> Result<(), Refused> {
        let to_list = self.asks(name, |rules| &rules.to_list);
        if let Attribute::Text(text) = value
            && self.asks(name, |rules| &rules.json)
        {
            return add_json(text, to_list, changes, column)
                .map_err(|error| in_attribute(not_asked(&format!("no JSON: {error}")), name));
        }
        let value = if to_list { self.values.listed(value) } else { value };
        match value {
            _ if self.asks(name, |rules| &rules.to_text) => {
                self.values.add_text(changes, column, &value);
            }
            Attribute::Json(nested) if nested.is_mixed => self.aux.push((column, nested)),
            _ => self.values.add(changes, column, &value),
        }
        Ok(())
    }

    /// Returns true when a list of the recipe names the attribute.
    fn asks(&self, name: &str, list: impl Fn(&TableRules) -> &Vec<String>) -> bool {
        self.rules.is_some_and(|rules| list(rules).iter().any(|asked| asked == name))
    }

    fn new_name(&self, name: &str) -> Option<&'a str> {
        let rules = self.rules?;
        rules.renamed.iter().find(|(old, _)| old == name).map(|(_, new)| new.as_str())
    }

    /// Refuses rules for an attribute of the key that would make another key of it.
    fn check_rules_of_key(&self, name: &str) -> Result<(), Refused> {
        let asked = if self.new_name(name).is_some() {
            "to rename it"
        } else if self.asks(name, |rules| &rules.ignored) {
            "to ignore it"
        } else if self.asks(name, |rules| &rules.to_list) {
            "for a list"
        } else if self.asks(name, |rules| &rules.json) {
            "for JSON"
        } else {
            return Ok(());
        };
        let problem = format!("the recipe asks {asked}, but it is a part of the key");
        Err(in_attribute(not_asked(&problem), name))
    }
}

/// Adds a cell with the JSON value that a text is.
fn add_json(
    text: Text<'_>,
    to_list: bool,
    changes: &mut Changes,
    column: ColumnId,
) -> Result<(), NotJson> {
    let plain = text.plain();
    let mut walk = Walk::of_text(&plain);
    let token = walk.value()?;
    walk.end()?;
    let value = match token {
        Token::Null => Value::Null,
        Token::Nested(text) if !to_list || text.starts_with('[') => Value::Json(text),
        _ if to_list => {
            let list = format!("[{}]", plain.trim_start_matches('\u{feff}').trim());
            changes.cell(column, Value::Json(&list));
            return Ok(());
        }
        Token::Nested(text) => Value::Json(text),
        Token::Bool(value) => Value::Bool(value),
        Token::Integer(digits) => digits.parse().map_or(Value::BigInteger(digits), Value::Integer),
        Token::Decimal(digits) => Value::Decimal(digits),
        Token::Text(text) => {
            changes.cell(column, Value::Text(&text.plain()));
            return Ok(());
        }
    };
    changes.cell(column, value);
    Ok(())
}

/// New names that attributes got, and attributes that have one of themselves.
#[derive(Default)]
struct NewNames<'a> {
    given: Vec<&'a str>,
    own: Vec<&'a str>,
}

impl<'a> NewNames<'a> {
    fn note(&mut self, rules: Option<&'a TableRules>, name: &str, renamed: Option<&'a str>) {
        let Some(rules) = rules else { return };
        self.given.extend(renamed);
        let is_name = |(_, new): &&(String, String)| new == name;
        self.own.extend(rules.renamed.iter().find(is_name).map(|(_, new)| new.as_str()));
    }

    fn check(&self) -> Result<(), Refused> {
        match self.given.iter().find(|name| self.own.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let problem = "the recipe gives its name to another attribute of the item";
                Err(in_attribute(not_asked(problem), name))
            }
        }
    }
}

#[cold]
fn in_attribute(mut refused: Refused, name: &str) -> Refused {
    refused.error = format!("attribute `{}`: {}", short(name), refused.error);
    refused
}

#[cold]
fn not_dynamodb(problem: &str) -> Refused {
    Refused { reason: Reason::NotDynamoDb, error: problem.to_owned() }
}

/// What the recipe asks for cannot be done.
#[cold]
fn not_asked(problem: &str) -> Refused {
    Refused { reason: Reason::Refused, error: problem.to_owned() }
}
