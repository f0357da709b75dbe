//! Names in CrateDB, by a fixed rule that never maps two names to one.
//!
//! A name is kept as it is. Three kinds cannot be:
//!
//! - `kinesis`, `kinesis_msg_id`, and what begins with `_` and a lower-case letter, which CrateDB keeps for itself, as a
//!   column: `payload_` in front (`_id` becomes `payload__id`), and so for what begins like such a name (`payload__id` becomes
//!   `payload_payload__id`). The keys of objects may have all of these names;
//! - a name with a `.`, a bracket, a tab or a line break (not allowed in CrateDB), and the empty one: `_` in the place of each
//!   of these characters, and a digest of the exact name behind it: `a.b` becomes `a_b__` and eight hexadecimal digits;
//! - a name that ends like those, in `__` and eight hexadecimal digits: its digest behind it, too.
//!
//! The rules of CrateDB: <https://cratedb.com/docs/crate/reference/en/latest/general/ddl/create-table.html#naming-restrictions>.

use std::borrow::Cow;

use super::types::Kind;
use crate::names::with_digest;

/// The column of the message id, and the key of the table.
pub(crate) const MESSAGE_ID: &str = "kinesis_msg_id";
/// The column of the envelope.
pub(crate) const ENVELOPE: &str = "kinesis";

const PREFIX: &str = "payload_";

/// Returns the column of a member.
pub(crate) fn of_member(member: &str) -> String {
    let name = of_key(member);
    let bare = bare(&name);
    if bare == MESSAGE_ID || bare == ENVELOPE || is_system(bare) {
        format!("{PREFIX}{name}")
    } else {
        name.into_owned()
    }
}

/// Returns the column of a member where there is no envelope.
pub(crate) fn of_column(member: &str) -> String {
    let name = of_key(member);
    if is_system(bare(&name)) { format!("{PREFIX}{name}") } else { name.into_owned() }
}

/// Returns true for a name that a column may have.
pub(crate) fn is_column(name: &str) -> bool {
    !is_system(name) && is_key(name)
}

/// Returns true for a name that a key of an object may have.
pub(crate) fn is_key(name: &str) -> bool {
    !name.is_empty() && !name.contains(is_forbidden)
}

fn bare(name: &str) -> &str {
    let mut bare = name;
    while let Some(rest) = bare.strip_prefix(PREFIX) {
        bare = rest;
    }
    bare
}

fn is_system(name: &str) -> bool {
    let mut start = name.chars();
    start.next() == Some('_') && start.next().is_some_and(|c| c.is_ascii_lowercase())
}

fn is_forbidden(c: char) -> bool {
    matches!(c, '.' | '[' | ']' | '\t' | '\n' | '\r')
}

/// Returns the key of a member within an object.
pub(crate) fn of_key(member: &str) -> Cow<'_, str> {
    if !is_key(member) {
        with_digest(&member.replace(is_forbidden, "_"), member).into()
    } else if ends_like_a_digest(member) {
        with_digest(member, member).into()
    } else {
        member.into()
    }
}

/// Returns true for the name of a sibling for values of this kind.
pub(crate) fn is_variant(name: &str, kind: Kind) -> bool {
    name.strip_suffix(kind.name().as_ref()).is_some_and(|head| head.ends_with("__"))
}

fn ends_like_a_digest(name: &str) -> bool {
    let Some((head, tail)) = name.len().checked_sub(8).and_then(|at| name.split_at_checked(at))
    else {
        return false;
    };
    head.ends_with("__") && tail.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_kept_unless_they_cannot_be() {
        let check = |member: &str, column: &str, key: &str| {
            assert_eq!(
                (of_member(member).as_str(), of_key(member).as_ref()),
                (column, key),
                "{member}"
            );
        };
        check("sensor_id", "sensor_id", "sensor_id");
        check("Größe \"x\"", "Größe \"x\"", "Größe \"x\"");
        check("payload", "payload", "payload");
        check("_id", "payload__id", "_id");
        check("_ID", "_ID", "_ID");
        check("__v", "__v", "__v");
        check("kinesis", "payload_kinesis", "kinesis");
        check("payload_kinesis", "payload_payload_kinesis", "payload_kinesis");
        check("kinesis_msg_id", "payload_kinesis_msg_id", "kinesis_msg_id");
        check("KINESIS", "KINESIS", "KINESIS");
        let a_b = with_digest("a_b", "a.b");
        check("a.b", &a_b, &a_b);
        check(&a_b, &with_digest(&a_b, &a_b), &with_digest(&a_b, &a_b));
        let id_x = with_digest("_id_x_", "_id[x]");
        check("_id[x]", &format!("payload_{id_x}"), &id_x);
        let empty = with_digest("", "");
        check("", &empty, &empty);
    }

    proptest! {
        #[test]
        fn no_two_members_meet(members in proptest::collection::vec("(payload_){0,2}(_id|kinesis(_msg_id)?)?|[a._\\[]{0,3}(__de624150)?", 0..20)) {
            let (mut columns, mut keys) = (HashMap::new(), HashMap::new());
            for member in members {
                let other = columns.insert(of_member(&member), member.clone());
                prop_assert!(other.is_none_or(|other| other == member));
                let other = keys.insert(of_key(&member).into_owned(), member.clone());
                prop_assert!(other.is_none_or(|other| other == member));
            }
        }
    }
}
