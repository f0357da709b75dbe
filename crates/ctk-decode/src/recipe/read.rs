//! From nodes to rules: what is asked for, and what is refused.

use std::{collections::HashMap, rc::Rc};

use super::{
    ChangeLayout, TableRules,
    error::RecipeError,
    fields::Fields,
    settle::{Asked, Named},
    yaml::{Kind, Node, Word},
};

const COLLECTION: &[&str] =
    &["address", "settings", "pk", "map", "pre", "bucket", "post", "treatment", "schema"];

const TREATMENT: &[&str] = &[
    "ignore_field",
    "convert_list",
    "convert_string",
    "convert_dict",
    "ignore_complex_lists",
    "normalize_complex_lists",
    "prune_invalid_date",
];

/// Returns the rules of all tables.
pub(super) fn tables(
    root: &Node,
) -> Result<HashMap<String, HashMap<String, TableRules>>, RecipeError> {
    let fields = Fields::of(root, "the recipe", &["meta", "collections"])?;
    if let Some(meta) = fields.get("meta") {
        check_meta(&Fields::of(meta, "`meta`", &["type", "version"])?)?;
    }
    let mut tables: HashMap<String, HashMap<String, TableRules>> = HashMap::new();
    // Without any there are no rules; null is a list that was forgotten.
    let collections =
        fields.find("collections").map_or(Ok(&[][..]), |node| node.list("`collections`"))?;
    for node in collections {
        let fields = Fields::of(node, "a collection", COLLECTION)?;
        let address = fields.require("address")?;
        let names = Fields::of(address, "`address`", &["container", "name"])?;
        let container = container(names.require("container")?)?;
        let name = names.require("name")?.name("`name`")?;
        let rules = rules(&fields)?;
        let tables = tables.entry(container.to_owned()).or_default();
        if tables.insert(name.to_owned(), rules).is_some() {
            let problem = format!("the table `{name}` of `{container}` has an entry already");
            return Err(address.place.error(problem));
        }
    }
    Ok(tables)
}

fn check_meta(meta: &Fields<'_>) -> Result<(), RecipeError> {
    if let Some(kind) = meta.get("type") {
        kind.text("`meta.type`")?;
    }
    match meta.get("version") {
        Some(Node { kind: Kind::Plain(word), .. }) if Word::of(word) == Word::Integer => Ok(()),
        Some(version) => Err(version.place.error("`meta.version` is no integer")),
        None => Ok(()),
    }
}

/// Returns a schema. It is empty for sources that have none, as DynamoDB.
fn container(node: &Node) -> Result<&str, RecipeError> {
    match &node.kind {
        Kind::Text(text) if text.is_empty() => Ok(text),
        _ => node.name("`container`"),
    }
}

fn rules(fields: &Fields<'_>) -> Result<TableRules, RecipeError> {
    let mut asked = Asked::default();
    if let Some(node) = fields.get("settings") {
        let settings = Fields::of(node, "`settings`", &["mapping_strategy", "ignore_ddl"])?;
        asked.layout = settings.find("mapping_strategy").map(layout).transpose()?;
        asked.ignore_ddl = settings
            .find("ignore_ddl")
            .map_or(Ok(false), |node| node.boolean("`settings.ignore_ddl`"))?;
    }
    if let Some(node) = fields.get("pk") {
        asked.key = columns(node, ("`pk`", "`pk.rules`", "a rule of `pk`"), |kind| {
            kind.text("`type`").map(drop)
        })?;
    }
    if let Some(node) = fields.get("map") {
        asked.json = columns(node, ("`map`", "`map.rules`", "a rule of `map`"), |kind| match kind
            .text("`type`")?
        {
            "map" | "object" => Ok(()),
            other => {
                let problem = format!("unknown type `{other}`; known are map, object");
                Err(kind.place.error(problem))
            }
        })?;
    }
    refuse_expressions(fields, "pre", "`pre`")?;
    refuse_expressions(fields, "post", "`post`")?;
    if let Some(node) = fields.get("bucket") {
        let bucket = Fields::of(node, "`bucket`", &["names", "values", "transon", "schema"])?;
        refuse_expressions(&bucket, "values", "`bucket.values`")?;
        refuse_expressions(&bucket, "transon", "`bucket.transon`")?;
        if let Some(node) = bucket.get("names") {
            asked.renamed = names(node)?;
        }
    }
    if let Some(node) = fields.get("treatment") {
        treatment(&Fields::of(node, "`treatment`", TREATMENT)?, &mut asked)?;
    }
    asked.settle()
}

fn layout(node: &Node) -> Result<ChangeLayout, RecipeError> {
    let text = node.text("`settings.mapping_strategy`")?;
    match text.to_ascii_lowercase().as_str() {
        "direct" => Ok(ChangeLayout::Direct),
        "universal" => Ok(ChangeLayout::Universal),
        _ => {
            let problem = format!("unknown mapping strategy `{text}`; known are direct, universal");
            Err(node.place.error(problem))
        }
    }
}

/// Returns the columns that rules of the form `pointer`, `type` name.
fn columns<'a>(
    node: &'a Node,
    (section, list, rule): (&'static str, &'static str, &'static str),
    check_type: impl Fn(&Node) -> Result<(), RecipeError>,
) -> Result<Vec<Named<'a>>, RecipeError> {
    let rules = Fields::of(node, section, &["rules"])?.list("rules", list)?;
    let column = |node: &'a Rc<Node>| {
        let fields = Fields::of(node, rule, &["pointer", "type"])?;
        let pointer = fields.require("pointer")?;
        fields.find("type").map_or(Ok(()), &check_type)?;
        Ok(Named { name: pointer.pointer("`pointer`")?, node: pointer })
    };
    rules.iter().map(column).collect()
}

/// Returns the old and the new names.
fn names(node: &Node) -> Result<Vec<(Named<'_>, Named<'_>)>, RecipeError> {
    let fields = Fields::of(node, "`bucket.names`", &["rules"])?;
    let rule = |node| {
        let fields = Fields::of(node, "a rule of `bucket.names`", &["old", "new"])?;
        let name = |key, what| {
            let node = fields.require(key)?;
            Ok(Named { name: node.name(what)?.to_owned(), node })
        };
        Ok((name("old", "`old`")?, name("new", "`new`")?))
    };
    fields.list("rules", "`bucket.names.rules`")?.iter().map(|node| rule(node)).collect()
}

/// Refuses rules that compute something, unless each of them is switched off.
fn refuse_expressions(
    fields: &Fields<'_>,
    key: &str,
    what: &'static str,
) -> Result<(), RecipeError> {
    let Some(node) = fields.get(key) else { return Ok(()) };
    for rule in Fields::of(node, what, &["rules"])?.list("rules", "`rules`")? {
        let disabled = Fields::any(rule, "a rule")?.find("disabled");
        if !disabled.map_or(Ok(false), |node| node.boolean("`disabled`"))? {
            return Err(rule.place.error(format!("{what}: expressions are not supported")));
        }
    }
    Ok(())
}

fn treatment<'a>(fields: &Fields<'a>, asked: &mut Asked<'a>) -> Result<(), RecipeError> {
    let names = |key, what| {
        let name = |node: &'a Rc<Node>| {
            Ok(Named { name: node.name("the name of a column")?.to_owned(), node })
        };
        fields.list(key, what)?.iter().map(name).collect::<Result<Vec<_>, RecipeError>>()
    };
    asked.ignored = names("ignore_field", "`treatment.ignore_field`")?;
    asked.to_list = names("convert_list", "`treatment.convert_list`")?;
    asked.to_text = names("convert_string", "`treatment.convert_string`")?;
    for (key, what) in [
        ("convert_dict", "`treatment.convert_dict`"),
        ("prune_invalid_date", "`treatment.prune_invalid_date`"),
    ] {
        if let Some(first) = fields.list(key, what)?.first() {
            return Err(first.place.error(format!("{what} is not supported")));
        }
    }
    for (key, what) in [
        ("ignore_complex_lists", "`treatment.ignore_complex_lists`"),
        ("normalize_complex_lists", "`treatment.normalize_complex_lists`"),
    ] {
        if let Some(node) = fields.get(key)
            && node.boolean(what)?
        {
            return Err(node.place.error(format!("{what} is not supported")));
        }
    }
    Ok(())
}
