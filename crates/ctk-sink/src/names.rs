//! Names: from the members of a record to the columns of a table, by a fixed rule that never maps two names to one.
//!
//! A name is kept as it is. Three kinds cannot be:
//!
//! - a member named like a column of the envelope gets `payload_` in front, and so does one that begins like such a name
//!   (`payload__kinesis` becomes `payload_payload__kinesis`), so that no two names meet;
//! - a member whose name is taken by one that differs in case only (SQLite does not tell `id` from `ID`) gets a digest of
//!   its exact name behind it: `ID__1a2b3c4d`;
//! - a member whose name cannot be written in SQL at all (a NUL character) loses these and gets the same digest.

use shake::{
    Shake128,
    digest::{ExtendableOutput, Update, XofReader},
};

/// The column of the message id, and the key of the table.
pub const MESSAGE_ID: &str = "_kinesis_msg_id";
/// The column of the envelope.
pub const ENVELOPE: &str = "_kinesis";

const PREFIX: &str = "payload_";

/// Returns the column name of a member: its own, unless the envelope or SQL needs it changed.
pub fn of_member(member: &str) -> String {
    let bare = {
        let mut bare = member;
        while let Some(rest) = bare.strip_prefix(PREFIX) {
            bare = rest;
        }
        bare
    };
    if bare.eq_ignore_ascii_case(MESSAGE_ID) || bare.eq_ignore_ascii_case(ENVELOPE) {
        return format!("{PREFIX}{member}");
    }
    if member.contains('\0') {
        return with_digest(&member.replace('\0', ""), member);
    }
    member.to_owned()
}

/// Returns the name to use when `name` is taken by one that differs in case only.
pub fn apart(name: &str) -> String {
    with_digest(name, name)
}

/// Returns the sibling column for values that `name` cannot hold: dlt's variant columns.
pub fn variant(name: &str, kind: &str) -> String {
    format!("{name}__{kind}")
}

pub(crate) fn with_digest(name: &str, exact: &str) -> String {
    let mut digest = [0_u8; 4];
    shake(&[exact.as_bytes()], &mut digest);
    format!("{name}__{:08x}", u32::from_be_bytes(digest))
}

/// Fills `digest` with SHAKE128 over the parts.
pub(crate) fn shake(parts: &[&[u8]], digest: &mut [u8]) {
    let mut state = Shake128::default();
    for part in parts {
        state.update(part);
    }
    state.finalize_xof().read(digest);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_kept_unless_they_cannot_be() {
        let check = |member: &str, expected: &str| assert_eq!(of_member(member), expected);
        check("sensor_id", "sensor_id");
        check("Sensor Id \"x\" größe", "Sensor Id \"x\" größe");
        check("", "");
        check("payload", "payload");
        check("payload_x", "payload_x");
        check("_kinesis", "payload__kinesis");
        check("_KINESIS", "payload__KINESIS");
        check("_kinesis_msg_id", "payload__kinesis_msg_id");
        check("payload__kinesis", "payload_payload__kinesis");
        check("kinesis", "kinesis");
        check("a\0b", "ab__de624150");
        assert_eq!(apart("ID"), format!("ID__{}", apart("ID").split_once("__").unwrap().1));
        assert_ne!(apart("ID"), apart("Id"));
        assert_eq!(variant("v", "double"), "v__double");
    }

    proptest! {
        #[test]
        fn no_two_members_meet(members in proptest::collection::vec("(payload_){0,3}_?[kK]inesis(_msg_id)?|[a\0]{0,3}", 0..20)) {
            let mut seen = HashMap::new();
            for member in members {
                let other = seen.insert(of_member(&member), member.clone());
                prop_assert!(other.is_none_or(|other| other == member));
            }
        }
    }
}
