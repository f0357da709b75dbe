//! Values as they come in a request and as they lie in a table.

use std::cmp::Ordering;

use super::json::Writer;

/// A value. Numbers are kept as they were written wherever a rounding would hide what CrateDB does with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, with its digits.
    Big(Box<str>),
    Float(f64),
    /// A value of a NUMERIC column, with its digits.
    Decimal(Box<str>),
    Text(Box<str>),
    Array(Vec<Self>),
    Object(Vec<(Box<str>, Self)>),
}

impl Value {
    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Returns the member of an object, or the members of the objects of an array.
    pub(super) fn member(&self, name: &str) -> Self {
        match self {
            Self::Object(members) => members
                .iter()
                .find(|(key, _)| **key == *name)
                .map_or(Self::Null, |(_, value)| value.clone()),
            Self::Array(items) => Self::Array(items.iter().map(|item| item.member(name)).collect()),
            _ => Self::Null,
        }
    }

    /// Sets a member at the end of a path; objects on the way are made.
    pub(super) fn set(&mut self, path: &[Box<str>], value: Self) {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Object(_)) {
            *self = Self::Object(Vec::new());
        }
        let Self::Object(members) = self else { return };
        if let Some((_, member)) = members.iter_mut().find(|(key, _)| key == first) {
            member.set(rest, value);
        } else {
            let mut member = Self::Null;
            member.set(rest, value);
            members.push((first.clone(), member));
        }
    }

    /// Removes the member at the end of a path, also from the objects of an array.
    pub(super) fn remove(&mut self, path: &[Box<str>]) {
        match (self, path) {
            (Self::Array(items), _) => items.iter_mut().for_each(|item| item.remove(path)),
            (Self::Object(members), [name]) => members.retain(|(key, _)| key != name),
            (Self::Object(members), [first, rest @ ..]) => {
                let inner = members.iter_mut().filter(|(key, _)| key == first);
                inner.for_each(|(_, value)| value.remove(rest));
            }
            _ => {}
        }
    }

    /// Gives the same member another name.
    pub(super) fn rename(&mut self, path: &[Box<str>], new: &str) {
        match (self, path) {
            (Self::Array(items), _) => items.iter_mut().for_each(|item| item.rename(path, new)),
            (Self::Object(members), [first, rest @ ..]) => {
                for (key, value) in members.iter_mut().filter(|(key, _)| key == first) {
                    if rest.is_empty() {
                        *key = new.into();
                    } else {
                        value.rename(rest, new);
                    }
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "comparing with a float is done among floats")]
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Int(integer) => Some(*integer as f64),
            Self::Float(float) => Some(*float),
            Self::Big(digits) | Self::Decimal(digits) => digits.parse().ok(),
            _ => None,
        }
    }

    /// Returns the low 64 bits of an integer, as Java's `longValue` does.
    pub(super) fn wrapped(digits: &str) -> i64 {
        let (is_negative, digits) = match digits.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, digits),
        };
        let low = digits
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0_i64, |low, digit| low.wrapping_mul(10).wrapping_add(i64::from(digit - b'0')));
        if is_negative { low.wrapping_neg() } else { low }
    }

    /// Compares two values; nothing compares with NULL, nor with what is of another kind.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => None,
            (Self::Bool(one), Self::Bool(two)) => Some(one.cmp(two)),
            (Self::Int(one), Self::Int(two)) => Some(one.cmp(two)),
            (Self::Text(one), Self::Text(two)) => Some(one.cmp(two)),
            (Self::Array(one), Self::Array(two)) => {
                let unequal = one
                    .iter()
                    .zip(two)
                    .map(|(one, two)| one.compare(two))
                    .find(|order| *order != Some(Ordering::Equal));
                unequal.unwrap_or_else(|| Some(one.len().cmp(&two.len())))
            }
            (Self::Object(_), Self::Object(_)) => (self == other).then_some(Ordering::Equal),
            _ => self.as_float()?.partial_cmp(&other.as_float()?),
        }
    }

    pub(super) fn to_json(&self) -> String {
        let mut out = String::new();
        out.value(self);
        out
    }
}
