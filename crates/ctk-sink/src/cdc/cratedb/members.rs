//! Members of an object that are changed while the others stay. Pure.

use std::collections::HashSet;

use crate::{
    cratedb::{
        json::{Item, raw_members},
        names,
        types::Type,
    },
    envelope::push_json_text,
};

/// A member and its value as JSON.
pub(super) type Member = (String, String);

/// What siblings are named after.
const KINDS: [&str; 8] =
    ["bool", "bigint", "double", "text", "object", "longtext", "binary", "json"];

/// Returns what is to be set so that the object has these values: the members of `written`, which is `own` as the keys take it,
/// and NULL where a value has stood until now that went beside, or came back from there.
pub(super) fn changed(own: &Item<'_>, written: &str, of: Option<&Type>) -> Vec<Member> {
    let Some(keys) = of.and_then(Type::keys) else { return Vec::new() };
    // A key that is not there cannot be named, and is NULL without that.
    let mut members = parse(written);
    members.retain(|(name, value)| value != "null" || keys.contains_key(name));
    let mut named: HashSet<String> = members.iter().map(|(name, _)| name.clone()).collect();
    let Item::Object(_, values) = own else { return members };
    let own: HashSet<_> = values.iter().map(|(name, _)| names::of_key(name)).collect();
    let mut stale: Vec<&String> = keys
        .keys()
        .filter(|key| !named.contains(*key))
        .filter(|key| own.contains(key.as_str()) || is_beside(key, |name| own.contains(name)))
        .collect();
    stale.sort_unstable();
    for key in stale {
        named.insert(key.clone());
        members.push((key.clone(), "null".into()));
    }
    members
}

/// Returns the siblings that a key may have, among those that there are.
pub(super) fn beside<'a>(of: &'a Type, name: &str) -> Vec<&'a String> {
    let keys = of.keys().into_iter().flatten().map(|(key, _)| key);
    let mut beside: Vec<_> = keys.filter(|key| is_beside(key, |one| one == name)).collect();
    beside.sort_unstable();
    beside
}

/// Returns true for `v__double` and `v__double__double`, if `v` is meant.
fn is_beside(key: &str, is_meant: impl Fn(&str) -> bool) -> bool {
    let mut name = key;
    while let Some((head, kind)) = name.rsplit_once("__") {
        let element = kind.strip_suffix("_array").unwrap_or(kind);
        if !KINDS.contains(&element) {
            return false;
        }
        if is_meant(head) {
            return true;
        }
        name = head;
    }
    false
}

/// Returns an object as it is after some members have changed.
pub(super) fn merged(before: &str, changed: &[Member]) -> String {
    let mut members = parse(before);
    members.retain(|(name, _)| !changed.iter().any(|(other, _)| other == name));
    let mut text = String::from("{");
    for (name, value) in members.iter().chain(changed) {
        if text.len() > 1 {
            text.push(',');
        }
        push_json_text(name, &mut text);
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

fn parse(object: &str) -> Vec<Member> {
    let members = raw_members(object).into_iter();
    members.map(|(name, json)| (name.into_owned(), json.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use ctk_flow::Value;

    use super::*;

    #[test]
    fn what_a_value_leaves_behind_becomes_null() {
        let keys = ["v", "v__double", "v__json", "v__text__text", "w", "w__text", "x__y", "x"];
        let keys = keys.iter().map(|key| ((*key).to_owned(), Type::Boolean));
        let of = Type::Object(keys.collect());
        let check = |own: &str, written: &str, expected: &str| {
            let own = Item::new(Value::Json(own));
            let members = changed(&own, written, Some(&of));
            let shown: Vec<_> =
                members.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(shown.join(" "), expected);
        };
        check(r#"{"v":1}"#, r#"{"v":1}"#, "v=1 v__double=null v__json=null v__text__text=null");
        check(
            r#"{"v":1.5}"#,
            r#"{"v__double":1.5}"#,
            "v__double=1.5 v=null v__json=null v__text__text=null",
        );
        // A column of the source may be named like a sibling.
        check(r#"{"w":1,"w__text":2}"#, r#"{"w":1,"w__text":2}"#, "w=1 w__text=2");
        check(r#"{"x":1,"new":null}"#, r#"{"x":1,"new":null}"#, "x=1");
        assert_eq!(changed(&Item::Null, "null", Some(&of)), []);
        assert_eq!(beside(&of, "v"), ["v__double", "v__json", "v__text__text"]);
        assert_eq!(beside(&Type::Object(HashMap::new()), "v"), Vec::<&str>::new());
    }

    #[test]
    fn members_take_the_place_of_those_before() {
        let changed = [("b".to_owned(), "null".to_owned()), ("c".to_owned(), "3".to_owned())];
        assert_eq!(merged(r#"{"a":0.10,"b":2}"#, &changed), r#"{"a":0.10,"b":null,"c":3}"#);
        assert_eq!(merged("null", &changed), r#"{"b":null,"c":3}"#);
    }
}
