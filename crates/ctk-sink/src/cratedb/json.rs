//! A value on its way into CrateDB, nested ones taken apart: numbers keep their digits, text is borrowed.

use std::{borrow::Cow, collections::HashMap, fmt};

use ctk_flow::Value;
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use crate::{envelope::push_json_text, kinds::bare_number};

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Item<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    /// An integer beyond 64 bits, its digits.
    Big(&'a str),
    /// A number with a fraction or an exponent, as written.
    Decimal(&'a str),
    Text(Text<'a>),
    /// An object: its JSON, and its members in their order, each name once.
    Object(&'a str, Vec<(Cow<'a, str>, Self)>),
    /// An array: its JSON, and its elements.
    Array(&'a str, Vec<Self>),
    Bytes(&'a [u8]),
}

/// Text: as it is, or as a JSON string with quotes and escapes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Text<'a> {
    Plain(&'a str),
    Json(&'a str),
}

impl<'a> Text<'a> {
    /// Returns the text itself.
    pub(crate) fn plain(self) -> Cow<'a, str> {
        match self {
            Self::Plain(text) => text.into(),
            // It was parsed before.
            Self::Json(json) => {
                serde_json::from_str::<Key<'_>>(json).map(|key| key.0).unwrap_or_default()
            }
        }
    }

    /// Returns the bytes of the text in UTF-8; more when it has escapes.
    pub(crate) fn most_bytes(self) -> usize {
        match self {
            Self::Plain(text) | Self::Json(text) => text.len(),
        }
    }

    /// Appends it as JSON.
    pub(crate) fn write(self, out: &mut String) {
        match self {
            Self::Plain(text) => push_json_text(text, out),
            Self::Json(json) => out.push_str(json),
        }
    }
}

impl<'a> Item<'a> {
    /// Takes a value of a row.
    pub(crate) fn new(value: Value<'a>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Integer(value) => Self::Integer(value),
            Value::BigInteger(digits) => Self::Big(digits),
            Value::Decimal(text) => Self::Decimal(text),
            Value::Text(text) => Self::Text(Text::Plain(text)),
            Value::Json(json) => Self::parse(json),
            Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }

    /// Takes JSON, which is valid.
    fn parse(json: &'a str) -> Self {
        let json = json.trim_ascii();
        match json.bytes().next() {
            Some(b'{') => Self::Object(json, members(json)),
            Some(b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_str(json).unwrap_or_default();
                Self::Array(json, elements.into_iter().map(|raw| Self::parse(raw.get())).collect())
            }
            Some(b'"') => Self::Text(Text::Json(json)),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'-' | b'0'..=b'9') => match bare_number(Value::Json(json)) {
                Value::Integer(value) => Self::Integer(value),
                Value::Decimal(text) => Self::Decimal(text),
                _ => Self::Big(json),
            },
            _ => Self::Null,
        }
    }
}

/// Returns the members of an object. Of those that come twice, the last.
fn members(json: &str) -> Vec<(Cow<'_, str>, Item<'_>)> {
    let Ok(Members(members)) = serde_json::from_str(json) else { return Vec::new() };
    let mut last = HashMap::new();
    let is_doubled = if members.len() <= 16 {
        let names = members.iter().enumerate();
        names.clone().any(|(index, (name, _))| {
            names.clone().skip(index + 1).any(|(_, (other, _))| other == name)
        })
    } else {
        last.extend(members.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)));
        last.len() < members.len()
    };
    if is_doubled && last.is_empty() {
        last.extend(members.iter().enumerate().map(|(index, (name, _))| (name.clone(), index)));
    }
    members
        .into_iter()
        .enumerate()
        .filter(|(index, (name, _))| !is_doubled || last.get(name) == Some(index))
        .map(|(_, (name, raw))| (name, Item::parse(raw.get())))
        .collect()
}

/// Returns the members of an object, each with its JSON, in their order; none of what is no object.
pub(crate) fn raw_members(json: &str) -> Vec<(Cow<'_, str>, &str)> {
    let Ok(Members(members)) = serde_json::from_str(json) else { return Vec::new() };
    members.into_iter().map(|(name, raw)| (name, raw.get())).collect()
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(map.size_hint().unwrap_or(8));
                while let Some(Key(name)) = map.next_key()? {
                    members.push((name, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_apart() {
        let check = |json: &str, expected: &str| {
            assert_eq!(format!("{:?}", Item::parse(json)), expected, "{json}");
        };
        check(" 12 ", "Integer(12)");
        check("18446744073709551615", r#"Big("18446744073709551615")"#);
        check("1.50", r#"Decimal("1.50")"#);
        check("-1e2", r#"Decimal("-1e2")"#);
        check(r#""a\n""#, r#"Text(Json("\"a\\n\""))"#);
        check("[1, null]", r#"Array("[1, null]", [Integer(1), Null])"#);
        check(
            r#"{"a\u0062": true, "x": {"a.b": []}}"#,
            r#"Object("{\"a\\u0062\": true, \"x\": {\"a.b\": []}}", [("ab", Bool(true)), ("x", Object("{\"a.b\": []}", [("a.b", Array("[]", []))]))])"#,
        );
        check(
            r#"{"a":1,"b":2,"a":3}"#,
            r#"Object("{\"a\":1,\"b\":2,\"a\":3}", [("b", Integer(2)), ("a", Integer(3))])"#,
        );
    }

    #[test]
    fn of_many_members_the_last_counts_as_well() {
        let json = format!(
            "{{{}}}",
            (0..40).map(|n| format!(r#""k{}":{n}"#, n % 20)).collect::<Vec<_>>().join(",")
        );
        let Item::Object(_, members) = Item::parse(&json) else { panic!("{json}") };
        assert_eq!(members.len(), 20);
        assert_eq!(members[0], ("k0".into(), Item::Integer(20)));
    }

    #[test]
    fn text_comes_out_as_it_went_in() {
        assert_eq!(Text::Json(r#""a\u00fc\"""#).plain(), "aü\"");
        let mut out = String::new();
        Text::Plain("a\"").write(&mut out);
        Text::Json(r#""b""#).write(&mut out);
        assert_eq!(out, r#""a\"""b""#);
    }

    #[test]
    fn deep_nesting_is_survived() {
        let json = format!("{}{}", "[".repeat(512), "]".repeat(512));
        assert!(matches!(Item::parse(&json), Item::Array(..)));
        let json = format!("{}1{}", r#"{"a":"#.repeat(511), "}".repeat(511));
        assert!(matches!(Item::parse(&json), Item::Object(..)));
    }
}
