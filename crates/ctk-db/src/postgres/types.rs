//! The types of columns, as far as it matters for writing a value.

use std::collections::HashMap;

/// The type of a column. Domains are not among them: a column has the type below, and the domain's rules may refuse a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// `boolean`.
    Bool,
    /// `smallint`.
    Int2,
    /// `integer`.
    Int4,
    /// `bigint`.
    Int8,
    /// `real`.
    Float4,
    /// `double precision`.
    Float8,
    /// `numeric`.
    Numeric {
        /// Digits altogether, and behind the point: a value with more of the latter would be rounded.
        precision: Option<(u16, i16)>,
    },
    /// `text`, `varchar`, `citext`.
    Text {
        /// The most characters that it holds.
        most: Option<u32>,
    },
    /// `char(n)`: filled up with blanks, so that those at the end of a value are lost.
    Char {
        /// Characters.
        length: u32,
    },
    /// `json`: the text as it is.
    Json,
    /// `jsonb`: numbers as `numeric`, the last of equal members, no `\u0000`.
    Jsonb,
    /// `bytea`.
    Bytea,
    /// `timestamp with time zone`.
    Timestamptz {
        /// Digits of the second; a value with more would be rounded.
        digits: u8,
    },
    /// `timestamp without time zone`.
    Timestamp {
        /// Digits of the second; a value with more would be rounded.
        digits: u8,
    },
    /// `date`.
    Date,
    /// `time without time zone`.
    Time {
        /// Digits of the second; a value with more would be rounded.
        digits: u8,
    },
    /// `uuid`.
    Uuid,
    /// An enumeration.
    Enum {
        /// Its labels, in their order.
        labels: Vec<String>,
    },
    /// An array, of any number of dimensions.
    Array {
        /// The type of its elements; for those of a domain the one below.
        element: Box<Self>,
        /// The object id of the type of the elements as declared, which the binary format names.
        element_oid: u32,
    },
    /// Another type, which takes what its text form says.
    Other {
        /// Its name as SQL writes it.
        name: String,
    },
}

/// A row of `pg_type`.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    /// `typname`.
    pub(super) name: String,
    /// As SQL writes it.
    pub(super) shown: String,
    /// `typtype`: `b`ase, `d`omain, `e`num and others.
    pub(super) kind: String,
    /// Of a domain: the type below.
    pub(super) base: u32,
    /// Of a domain: what modifies the type below, as in `numeric(4, 2)`; -1 for nothing.
    pub(super) modifier: i32,
    /// Of a domain: it refuses NULL.
    pub(super) refuses_null: bool,
    /// Of a domain: it has a default.
    pub(super) has_default: bool,
    /// Of an array: the type of its elements; else 0.
    pub(super) element: u32,
    /// Of an enumeration.
    pub(super) labels: Vec<String>,
}

/// The types that a table's columns have, and those below.
pub(super) type Declarations = HashMap<u32, Declared>;

/// What a column of a domain has of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfDomain {
    pub(super) is_domain: bool,
    pub(super) refuses_null: bool,
    pub(super) has_default: bool,
}

/// Returns the type of a column and what its domains, at all levels, add to it.
pub(super) fn resolve(types: &Declarations, mut oid: u32, mut modifier: i32) -> (Type, OfDomain) {
    let mut domain = OfDomain::default();
    while let Some(declared) = types.get(&oid).filter(|declared| declared.kind == "d") {
        domain.is_domain = true;
        domain.refuses_null |= declared.refuses_null;
        domain.has_default |= declared.has_default;
        (oid, modifier) = (declared.base, declared.modifier);
    }
    (below(types, oid, modifier), domain)
}

/// Object ids of the types that every server has are the same everywhere (`pg_type.dat` of its sources).
fn below(types: &Declarations, oid: u32, modifier: i32) -> Type {
    match oid {
        16 => return Type::Bool,
        17 => return Type::Bytea,
        20 => return Type::Int8,
        21 => return Type::Int2,
        23 => return Type::Int4,
        25 => return Type::Text { most: None },
        114 => return Type::Json,
        700 => return Type::Float4,
        701 => return Type::Float8,
        // `bpchar` without a length is a text; `"char"` and `name` are cut short silently, and stay what they are.
        1042 => {
            return characters(modifier)
                .map_or(Type::Text { most: None }, |length| Type::Char { length });
        }
        1043 => return Type::Text { most: characters(modifier) },
        1082 => return Type::Date,
        1083 => return Type::Time { digits: digits(modifier) },
        1114 => return Type::Timestamp { digits: digits(modifier) },
        1184 => return Type::Timestamptz { digits: digits(modifier) },
        1700 => return Type::Numeric { precision: precision(modifier) },
        2950 => return Type::Uuid,
        3802 => return Type::Jsonb,
        _ => {}
    }
    let Some(declared) = types.get(&oid) else {
        return Type::Other { name: format!("type {oid}") };
    };
    if declared.kind == "e" {
        return Type::Enum { labels: declared.labels.clone() };
    }
    if declared.element != 0 {
        // What modifies an array modifies its elements.
        let (element, _) = resolve(types, declared.element, modifier);
        return Type::Array { element: Box::new(element), element_oid: declared.element };
    }
    // An extension's, which has another object id in each database.
    if declared.kind == "b" && declared.name == "citext" {
        return Type::Text { most: None };
    }
    Type::Other { name: declared.shown.clone() }
}

/// Lengths are kept with the four bytes of a header added.
fn characters(modifier: i32) -> Option<u32> {
    u32::try_from(modifier.checked_sub(4)?).ok()
}

fn digits(modifier: i32) -> u8 {
    u8::try_from(modifier).map_or(6, |digits| digits.min(6))
}

/// The precision stands above the scale, which has eleven bits and, since PostgreSQL 15, a sign.
fn precision(modifier: i32) -> Option<(u16, i16)> {
    let packed = u32::try_from(modifier.checked_sub(4)?).ok()?;
    let precision = u16::try_from(packed >> 16).ok()?;
    let scale = i16::try_from(packed & 0x7ff).ok()?;
    Some((precision, (scale ^ 0x400) - 0x400))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modifiers_are_unpacked() {
        let packed = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(precision(-1), None);
        assert_eq!(precision(packed(10, 2)), Some((10, 2)));
        assert_eq!(precision(packed(1000, 1000)), Some((1000, 1000)));
        assert_eq!(precision(packed(3, -5)), Some((3, -5)));
        assert_eq!((characters(-1), characters(5)), (None, Some(1)));
        assert_eq!((digits(-1), digits(0), digits(3)), (6, 0, 3));
    }
}
