//! Nodes taken for what they are to be: maps with known keys, lists, names, booleans.

use std::rc::Rc;

use super::{
    error::{Place, RecipeError},
    yaml::{Kind, Member, Node, Word},
};

/// The members of a map, all of which are known.
pub(super) struct Fields<'a> {
    /// How the map is called in errors.
    what: &'static str,
    place: Place,
    members: &'a [Member],
}

impl<'a> Fields<'a> {
    /// Returns the members of a map that has none but the known ones.
    pub(super) fn of(
        node: &'a Node,
        what: &'static str,
        known: &[&str],
    ) -> Result<Self, RecipeError> {
        let fields = Self::any(node, what)?;
        match fields.members.iter().find(|member| !known.contains(&member.key.as_str())) {
            None => Ok(fields),
            Some(Member { key, place, .. }) => {
                let known = known.join(", ");
                Err(place.error(format!("unknown key `{key}` in {what}; known are {known}")))
            }
        }
    }

    /// Returns the members of a map, whatever they are.
    pub(super) fn any(node: &'a Node, what: &'static str) -> Result<Self, RecipeError> {
        match &node.kind {
            Kind::Map(members) => Ok(Self { what, place: node.place, members }),
            _ => Err(node.place.error(format!("{what} is no map"))),
        }
    }

    /// Returns a member, also one that is null.
    pub(super) fn find(&self, key: &str) -> Option<&'a Node> {
        self.members.iter().find(|member| member.key == key).map(|member| &*member.value)
    }

    /// Returns a member that is not null.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        self.find(key).filter(|node| !node.is_null())
    }

    /// Returns a member that must be there.
    pub(super) fn require(&self, key: &str) -> Result<&'a Node, RecipeError> {
        let missing = || self.place.error(format!("`{key}` is missing in {}", self.what));
        self.find(key).ok_or_else(missing)
    }

    /// Returns the elements of the list `key`; none where it is missing or null.
    pub(super) fn list(
        &self,
        key: &str,
        what: &'static str,
    ) -> Result<&'a [Rc<Node>], RecipeError> {
        self.get(key).map_or(Ok(&[]), |node| node.list(what))
    }
}

impl Node {
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Plain(word) if Word::of(word) == Word::Null)
    }

    pub(super) fn list(&self, what: &str) -> Result<&[Rc<Self>], RecipeError> {
        match &self.kind {
            Kind::List(elements) => Ok(elements),
            _ => Err(self.place.error(format!("{what} is no list"))),
        }
    }

    pub(super) fn text(&self, what: &str) -> Result<&str, RecipeError> {
        match &self.kind {
            Kind::Text(text) => Ok(text),
            Kind::Plain(word) if Word::of(word) == Word::Text => Ok(word),
            _ => Err(self.place.error(format!("{what} is no text"))),
        }
    }

    /// Returns the name of something. A number is one as it stands there.
    pub(super) fn name(&self, what: &str) -> Result<&str, RecipeError> {
        match &self.kind {
            Kind::Plain(word) if matches!(Word::of(word), Word::Integer | Word::Number) => Ok(word),
            Kind::Text(name) if name.is_empty() => {
                Err(self.place.error(format!("{what} is empty")))
            }
            _ => self.text(what),
        }
    }

    pub(super) fn boolean(&self, what: &str) -> Result<bool, RecipeError> {
        let meant = match &self.kind {
            Kind::Text(word) | Kind::Plain(word) => word.to_ascii_lowercase(),
            Kind::List(_) | Kind::Map(_) => String::new(),
        };
        match meant.as_str() {
            "true" | "yes" => Ok(true),
            "false" | "no" => Ok(false),
            _ => Err(self.place.error(format!("{what} is neither true nor false"))),
        }
    }

    /// Returns the column that a JSON pointer of one level names. The slash before it may be missing.
    pub(super) fn pointer(&self, what: &str) -> Result<String, RecipeError> {
        let pointer = self.name(what)?;
        let token = pointer.strip_prefix('/').unwrap_or(pointer);
        if token.contains('/') {
            return Err(self.place.error(format!(
                "{what} `{pointer}` is nested: only columns can be named; a slash in a name is `~1`"
            )));
        }
        let column = unescape(token).filter(|column| !column.is_empty());
        column.ok_or_else(|| self.place.error(format!("{what} `{pointer}` is no JSON pointer")))
    }
}

/// Replaces the escapes of a JSON pointer: <https://www.rfc-editor.org/rfc/rfc6901#section-4>.
fn unescape(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.strip_prefix('0') {
            Some(rest) => ('~', rest),
            None => ('/', part.strip_prefix('1')?),
        };
        plain.push(escaped);
        plain.push_str(rest);
    }
    Some(plain)
}
