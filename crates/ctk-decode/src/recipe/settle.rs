//! Rules that contradict each other are refused; what is left names columns as the source does.
//!
//! The order of the steps is: keys and JSON columns, which go by the columns of the source; new names; then the treatment,
//! which therefore goes by the new ones.

use std::collections::{HashMap, HashSet};

use super::{ChangeLayout, TableRules, error::RecipeError, yaml::Node};

/// A column that a recipe names, and where.
pub(super) struct Named<'a> {
    pub(super) name: String,
    pub(super) node: &'a Node,
}

/// What is asked for, as it is written.
#[derive(Default)]
pub(super) struct Asked<'a> {
    pub(super) layout: Option<ChangeLayout>,
    pub(super) ignore_ddl: bool,
    pub(super) key: Vec<Named<'a>>,
    pub(super) json: Vec<Named<'a>>,
    pub(super) renamed: Vec<(Named<'a>, Named<'a>)>,
    pub(super) ignored: Vec<Named<'a>>,
    pub(super) to_list: Vec<Named<'a>>,
    pub(super) to_text: Vec<Named<'a>>,
}

impl Asked<'_> {
    /// Returns the rules, unless they contradict each other.
    pub(super) fn settle(mut self) -> Result<TableRules, RecipeError> {
        self.settle_names()?;
        let lists = [
            ("`pk`", &self.key),
            ("`map`", &self.json),
            ("`treatment.ignore_field`", &self.ignored),
            ("`treatment.convert_list`", &self.to_list),
            ("`treatment.convert_string`", &self.to_text),
        ];
        for (what, list) in lists {
            let mut seen = HashSet::new();
            if let Some(twice) = list.iter().find(|named| !seen.insert(&named.name)) {
                return Err(twice.error(format!("comes twice in {what}")));
            }
        }
        let [key, json, ignored, to_list, to_text] = lists;
        for (one, other) in [
            (key, ignored),
            (key, to_list),
            (json, ignored),
            (json, to_text),
            (ignored, to_list),
            (ignored, to_text),
            (to_list, to_text),
        ] {
            let names: HashSet<_> = one.1.iter().map(|named| &named.name).collect();
            if let Some(named) = other.1.iter().find(|named| names.contains(&named.name)) {
                let problem = format!("stands in {} and in {}, which contradict", one.0, other.0);
                return Err(named.error(problem));
            }
        }
        let names = |list: Vec<Named<'_>>| list.into_iter().map(|named| named.name).collect();
        Ok(TableRules {
            layout: self.layout,
            ignore_ddl: self.ignore_ddl,
            key: names(self.key),
            json: names(self.json),
            renamed: self.renamed.into_iter().map(|(old, new)| (old.name, new.name)).collect(),
            ignored: names(self.ignored),
            to_list: names(self.to_list),
            to_text: names(self.to_text),
        })
    }

    /// Checks the new names, and puts the old ones into the lists that go by the new.
    fn settle_names(&mut self) -> Result<(), RecipeError> {
        let mut all = HashSet::new();
        for named in self.renamed.iter().flat_map(|(old, new)| [old, new]) {
            if !all.insert(&named.name) {
                return Err(named.error("comes twice in `bucket.names`"));
            }
        }
        let to_new: HashMap<_, _> =
            self.renamed.iter().map(|(old, new)| (old.name.as_str(), new.name.as_str())).collect();
        let to_old: HashMap<_, _> = to_new.iter().map(|(old, new)| (*new, *old)).collect();
        let is_renamed = |named: &&Named<'_>| all.contains(&named.name);
        if let Some(named) = self.key.iter().find(is_renamed) {
            return Err(named.error("stands in `pk` and in `bucket.names`, which contradict"));
        }
        if let Some(named) = self.ignored.iter().find(is_renamed) {
            let problem =
                "stands in `treatment.ignore_field` and in `bucket.names`, which contradict";
            return Err(named.error(problem));
        }
        for named in &self.json {
            if let Some(old) = to_old.get(named.name.as_str()) {
                let problem = format!("is the new name of `{old}`; `map` goes by the old one");
                return Err(named.error(problem));
            }
        }
        for named in self.to_list.iter_mut().chain(&mut self.to_text) {
            if let Some(new) = to_new.get(named.name.as_str()) {
                let problem = format!("is renamed; `treatment` goes by the new name `{new}`");
                return Err(named.error(problem));
            }
            if let Some(old) = to_old.get(named.name.as_str()) {
                (*old).clone_into(&mut named.name);
            }
        }
        Ok(())
    }
}

impl Named<'_> {
    fn error(&self, problem: impl AsRef<str>) -> RecipeError {
        self.node.place.error(format!("`{}` {}", self.name, problem.as_ref()))
    }
}
