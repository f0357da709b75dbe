//! What a control record tells of a change of a table, whatever it calls it.
//!
//! Only `control.table-def` is documented. Names, types and columns beside it are found by the words of their members:
//! `new-column-name`, `{"new": {"column": "…"}}` and `renameTo` are read alike. A member with a word that means nothing here
//! is passed over.

use ctk_flow::{ColumnDef, ColumnKind, TableDef};

use super::{def, kind::kind};
use crate::json::{Member, Token};

/// How deep members are looked for.
const DEPTH: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The table as a whole.
    pub(super) table_def: Option<TableDef>,
    /// Columns beside it.
    pub(super) columns: Vec<ColumnDef>,
    /// Names and types in the order in which they came.
    facts: Vec<Fact>,
}

#[derive(Debug)]
struct Fact {
    side: Side,
    what: What,
    text: String,
}

/// Whether something is told of what was, or of what is from here on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Side {
    #[default]
    Unsaid,
    Old,
    New,
}

/// What a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum What {
    /// A name, of what the operation is about.
    #[default]
    Name,
    Schema,
    Table,
    Column,
    Type,
    Precision,
    Scale,
}

impl Told {
    /// Reads the members of `control`, and those of `metadata` that are not of every record.
    pub(super) fn read(control: Option<Token<'_>>, metadata: &[Member<'_>]) -> Self {
        let mut told = Self::default();
        let none = Label::default();
        for member in metadata {
            told.take(*member, none, DEPTH);
        }
        if let Some(control) = control {
            told.walk(control, none, DEPTH);
        }
        told
    }

    /// Returns the first text that is one of these.
    pub(super) fn find(&self, sides: &[Side], whats: &[What]) -> Option<&str> {
        let mut facts = self.facts.iter();
        let fact = facts.find(|fact| sides.contains(&fact.side) && whats.contains(&fact.what));
        fact.map(|fact| fact.text.as_str())
    }

    /// Returns the column that names and types beside each other tell.
    pub(super) fn column(&self) -> Option<ColumnDef> {
        const NOW: &[Side] = &[Side::New, Side::Unsaid];
        let names = &[What::Column, What::Name];
        let name = self.find(NOW, names).or_else(|| self.find(&[Side::Old], names))?;
        let number = |what| self.find(NOW, &[what]).and_then(|digits| digits.parse().ok());
        let kind_name = self.find(NOW, &[What::Type]);
        let told = kind_name.map(|name| kind(name, number(What::Precision), number(What::Scale)));
        let columns = self.table_def.iter().flat_map(|def| &def.columns);
        let mut defined = columns.filter(|column| column.name == name).map(|column| column.kind);
        let kind = told.or_else(|| defined.next()).unwrap_or(ColumnKind::Unknown);
        Some(ColumnDef { name: name.to_owned(), kind })
    }

    fn walk(&mut self, token: Token<'_>, label: Label, depth: usize) {
        let Some(mut members) = token.object() else { return };
        while let Ok(Some(member)) = members.next_member() {
            self.take(member, label, depth);
        }
    }

    fn take(&mut self, member: Member<'_>, label: Label, depth: usize) {
        let name = member.name();
        let words = words(&name);
        match words.concat().as_str() {
            "tabledef" | "tabledefinition" => {
                if member.value.object().is_some() {
                    self.table_def = Some(def::table(member.value));
                }
                return;
            }
            joined if joined.ends_with("columns") => {
                self.columns.extend(def::columns(member.value));
                return;
            }
            _ => {}
        }
        let of = words.iter().try_fold(label, |label, word| label.and(word));
        let Some(depth) = depth.checked_sub(1) else { return };
        let text = match member.value {
            Token::Integer(digits) => Some(digits.into()),
            _ => member.text(),
        };
        match (of, text) {
            (Some(Label { side, what, names: true }), Some(text)) if !text.is_empty() => {
                self.facts.push(Fact { side, what, text: text.into() });
            }
            // Objects in that of a column are columns by their names.
            (Some(of), None) if label.what != What::Column => self.walk(member.value, of, depth),
            (_, None) if has_type(member.value) => {
                self.columns.push(def::column(name.into(), member.value));
            }
            _ => {}
        }
    }
}

/// What the names of a member, and of those around it, say of it.
#[derive(Clone, Copy, Debug, Default)]
struct Label {
    side: Side,
    what: What,
    /// Whether the last word makes a text a name; `ddl` does not.
    names: bool,
}

impl Label {
    /// Adds a word; `None` for one that means nothing here.
    fn and(self, word: &str) -> Option<Self> {
        let side = |side| Some(Self { side, names: true, ..self });
        let what = |what| Some(Self { what, names: true, ..self });
        match word {
            "old" | "previous" | "prev" | "original" | "before" | "former" | "from" => {
                side(Side::Old)
            }
            "new" | "to" | "after" | "current" => side(Side::New),
            "schema" | "owner" => what(What::Schema),
            "table" => what(What::Table),
            "column" => what(What::Column),
            "type" | "datatype" => what(What::Type),
            "precision" => what(What::Precision),
            "scale" => what(What::Scale),
            "name" => what(self.what),
            "data" | "rename" | "renamed" | "add" | "added" | "drop" | "dropped" | "change"
            | "changed" | "alter" | "altered" | "modify" | "modified" | "def" | "definition"
            | "details" | "control" | "ddl" => Some(Self { names: false, ..self }),
            _ => None,
        }
    }
}

/// Returns the words of a name in lower case: `new-column`, `new_column` and `newColumn` have two.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before = ' ';
    for character in name.chars() {
        let is_new = character.is_uppercase() && before.is_lowercase();
        if (is_new || !character.is_alphanumeric()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_alphanumeric() {
            word.extend(character.to_lowercase());
        }
        before = character;
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn has_type(token: Token<'_>) -> bool {
    let Some(mut members) = token.object() else { return false };
    while let Ok(Some(member)) = members.next_member() {
        if member.name().eq_ignore_ascii_case("type") {
            return true;
        }
    }
    false
}
