//! YAML as far as recipes need it: nodes that know where they stand.
//!
//! The events of the parser are put together by hand, since an error of meaning ("unknown key") is to name its line too.
//! Aliases are followed, up to a limit on what they make of the text. Tags but `!!str`, keys that are no texts, a key twice
//! and a second document are refused.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::error::{Place, RecipeError};

/// How deep a recipe may be: the deepest one that means something has seven levels.
const MOST_LEVELS: usize = 32;

/// What a recipe may take, with its aliases followed: about 800,000 nodes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A node, and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A text that is quoted, or marked as one.
    Text(String),
    /// A word as it stands there; what it means is up to [`Word`].
    Plain(String),
    List(Vec<Rc<Node>>),
    /// In the order of the text. No key comes twice.
    Map(Vec<Member>),
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Rc<Node>,
}

/// What an unquoted word means (YAML 1.2, core schema).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Null,
    Bool(bool),
    Integer,
    Number,
    Text,
}

impl Word {
    pub(super) fn of(word: &str) -> Self {
        match word {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "true" | "True" | "TRUE" => return Self::Bool(true),
            "false" | "False" | "FALSE" => return Self::Bool(false),
            _ => {}
        }
        let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            Self::Integer
        // Rust reads the words `inf` and `nan` as numbers, too.
        } else if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && digits.parse::<f64>().is_ok()
        {
            Self::Number
        } else {
            Self::Text
        }
    }
}

/// Reads the one document of a text.
pub(super) fn parse(text: &str) -> Result<Rc<Node>, RecipeError> {
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| not_yaml(&error))?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| Place { line: 1, column: 1 }.error("the recipe is empty"))
}

fn not_yaml(error: &ScanError) -> RecipeError {
    place(*error.marker()).error(format!("this is not YAML: {}", error.info()))
}

fn place(marker: saphyr_parser::Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

/// A list or a map that has not ended.
struct Open {
    place: Place,
    is_map: bool,
    anchor: usize,
    /// What was taken before it.
    before: usize,
    /// In a map, keys and values by turns.
    children: Vec<Rc<Node>>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Rc<Node>>,
    /// Nodes that aliases may stand for, and what each of them takes.
    anchors: HashMap<usize, (Rc<Node>, usize)>,
    taken: usize,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), RecipeError> {
        let place = place(span.start);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = is_text(tag.as_deref(), place)?;
                let text = text.into_owned();
                let before = self.taken;
                self.taken += text.len();
                let kind = match style {
                    ScalarStyle::Plain if !is_text => Kind::Plain(text),
                    _ => Kind::Text(text),
                };
                self.add(Node { place, kind }, anchor, before)
            }
            Event::SequenceStart(anchor, tag) => self.open(place, false, anchor, tag.as_deref()),
            Event::MappingStart(anchor, tag) => self.open(place, true, anchor, tag.as_deref()),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some((node, takes)) = self.anchors.get(&anchor) else {
                    return Err(place.error("an alias stands for the node that it is in"));
                };
                self.taken = self.taken.saturating_add(*takes);
                let node = Rc::clone(node);
                self.put(node, place)
            }
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(place.error("a recipe is one document; this begins a second"))
            }
            Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd => Ok(()),
        }
    }

    fn open(
        &mut self,
        place: Place,
        is_map: bool,
        anchor: usize,
        tag: Option<&Tag>,
    ) -> Result<(), RecipeError> {
        if tag.is_some() {
            return Err(place.error("tags are not supported"));
        }
        if self.open.len() == MOST_LEVELS {
            return Err(place.error(format!("nested deeper than {MOST_LEVELS} levels")));
        }
        self.open.push(Open { place, is_map, anchor, before: self.taken, children: Vec::new() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), RecipeError> {
        let Some(Open { place, is_map, anchor, before, children }) = self.open.pop() else {
            return Ok(());
        };
        let kind = if is_map { Kind::Map(members(children)?) } else { Kind::List(children) };
        self.add(Node { place, kind }, anchor, before)
    }

    /// Adds a node that has ended.
    fn add(&mut self, node: Node, anchor: usize, before: usize) -> Result<(), RecipeError> {
        // Beside itself: two counters, and the place in the list of its parent.
        self.taken += size_of::<Node>() + 3 * size_of::<usize>();
        let (place, node) = (node.place, Rc::new(node));
        if anchor != 0 {
            self.anchors.insert(anchor, (Rc::clone(&node), self.taken - before));
        }
        self.put(node, place)
    }

    fn put(&mut self, node: Rc<Node>, place: Place) -> Result<(), RecipeError> {
        if self.taken > MOST_BYTES {
            return Err(place.error("the recipe is too large, its aliases followed"));
        }
        match self.open.last_mut() {
            Some(open) => open.children.push(node),
            None => self.root = Some(node),
        }
        Ok(())
    }
}

/// Makes members of keys and values.
fn members(children: Vec<Rc<Node>>) -> Result<Vec<Member>, RecipeError> {
    let mut keys = HashSet::new();
    let mut members = Vec::with_capacity(children.len() / 2);
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        let (Kind::Text(name) | Kind::Plain(name)) = &key.kind else {
            return Err(key.place.error("a key is no text"));
        };
        if !keys.insert(name.clone()) {
            return Err(key.place.error(format!("the key `{name}` comes twice")));
        }
        members.push(Member { key: name.clone(), place: key.place, value });
    }
    Ok(members)
}

/// Returns true when a tag makes a text of whatever stands there.
fn is_text(tag: Option<&Tag>, place: Place) -> Result<bool, RecipeError> {
    match tag {
        None => Ok(false),
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(true),
        Some(_) => Err(place.error("tags are not supported")),
    }
}
