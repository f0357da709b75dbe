//! From members to cells, as the recipe wants them.

use ctk_flow::{Changes, ColumnId, Value};

use crate::{
    json::{Json, Member, Token},
    recipe::TableRules,
};

/// The row that is being built.
pub(super) struct Row<'a> {
    pub(super) json: &'a mut Json,
    pub(super) changes: &'a mut Changes,
}

impl Row<'_> {
    /// Adds members as cells; returns how many they became.
    pub(super) fn add(&mut self, members: &[Member<'_>], rules: Option<&TableRules>) -> u32 {
        let (mut previous, mut cells) = (None, 0);
        for member in members {
            let column = match rules {
                None => Some(self.json.read_member(previous, *member, self.changes)),
                Some(rules) => self.by_rules(previous, *member, rules),
            };
            if let Some(column) = column {
                previous = Some(column);
                cells += 1;
            }
        }
        cells
    }

    fn by_rules(
        &mut self,
        previous: Option<ColumnId>,
        member: Member<'_>,
        rules: &TableRules,
    ) -> Option<ColumnId> {
        let name = member.name();
        let column = self.json.column(previous, target(&name, rules)?, self.changes);
        let text;
        let mut token = member.value;
        if has(&rules.json, &name)
            && let Some(plain) = member.text()
        {
            text = plain;
            token = Token::of(&text).unwrap_or(token);
        }
        let list = match token {
            Token::Null => None,
            Token::Nested(text) if text.starts_with('[') => None,
            _ => has(&rules.to_list, &name).then(|| format!("[{}]", token.raw())),
        };
        if let Some(list) = &list {
            token = Token::Nested(list);
        }
        match token {
            Token::Null | Token::Text(_) => self.json.add(self.changes, column, token),
            _ if has(&rules.to_text, &name) => {
                self.changes.cell(column, Value::Text(&token.raw()));
            }
            _ => self.json.add(self.changes, column, token),
        }
        Some(column)
    }
}

/// Returns true when there is anything in the rules that makes other cells of members.
pub(super) fn touches(rules: &TableRules) -> bool {
    let TableRules { json, renamed, ignored, to_list, to_text, .. } = rules;
    let lists = [json, ignored, to_list, to_text];
    !renamed.is_empty() || lists.iter().any(|list| !list.is_empty())
}

/// Returns the name that a column of the source goes by; `None` where it is left out.
pub(super) fn target<'a>(name: &'a str, rules: &'a TableRules) -> Option<&'a str> {
    if has(&rules.ignored, name) {
        return None;
    }
    let renamed = rules.renamed.iter().find(|(from, _)| from == name);
    Some(renamed.map_or(name, |(_, to)| to))
}

/// Returns true when a name is in a list of the recipe.
pub(super) fn has(list: &[String], name: &str) -> bool {
    list.iter().any(|item| item == name)
}
