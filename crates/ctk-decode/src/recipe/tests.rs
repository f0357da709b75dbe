//! Recipes that are accepted, and those that are refused with what is said about them.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

/// Returns the rules of the one table that the recipe has with this behind its address.
fn rules(collection: &str) -> Result<TableRules, String> {
    let text = format!("collections:\n- address: {{container: shop, name: orders}}\n{collection}");
    let recipe = Recipe::parse(&text).map_err(|error| error.to_string())?;
    Ok(recipe.rules("shop", "orders").cloned().unwrap_or_default())
}

#[test]
fn a_recipe_is_read() {
    let recipe = Recipe::parse(
        r"
# As the documentation of tikray has it.
---
meta:
  type: tikray-project
  version: 1
collections:
- address:
    container: shop
    name: orders
  settings:
    mapping_strategy: Universal
    ignore_ddl: true
  schema:
    rules:
    - {pointer: /id, type: integer}
  pk:
    rules:
    - pointer: /id
      type: bigint
    - pointer: region~1zone
  map:
    rules:
    - {pointer: /details, type: map}
    - {pointer: /a~01, type: object}
  pre: {rules: [{type: jmes, expression: '[]', disabled: true}]}
  bucket:
    names:
      rules:
      - old: ts
        new: created_at
    values: {rules: []}
    transon: null
    schema: {rules: anything}
  treatment:
    ignore_field: [secret, 7]
    convert_list: [tags]
    convert_string: [created_at, zip]
    convert_dict: []
    ignore_complex_lists: false
- address: {container: 1, name: 2.50}
",
    )
    .unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let expected = TableRules {
        layout: Some(ChangeLayout::Universal),
        ignore_ddl: true,
        key: texts(&["id", "region/zone"]),
        json: texts(&["details", "a~1"]),
        renamed: vec![("ts".to_owned(), "created_at".to_owned())],
        ignored: texts(&["secret", "7"]),
        to_list: texts(&["tags"]),
        // The treatment comes after the new names, and is told by the old ones.
        to_text: texts(&["ts", "zip"]),
    };
    assert_eq!(recipe.rules("shop", "orders"), Some(&expected));
    assert_eq!(recipe.rules("1", "2.50"), Some(&TableRules::default()));
    assert_eq!(recipe.rules("shop", "Orders"), None);
    assert_eq!(recipe.tables().count(), 2);
    let recipe = recipe.with_target_schema(Some("shop".to_owned()));
    assert_eq!(recipe.rules("other", "orders"), Some(&expected));
}

#[test]
fn what_asks_for_nothing_is_accepted() {
    let check = |collection: &str, expected: TableRules| {
        assert_eq!(rules(collection), Ok(expected), "{collection}");
    };
    let nothing = TableRules::default();
    check("", nothing.clone());
    for key in ["settings", "pk", "map", "pre", "bucket", "post", "treatment", "schema"] {
        check(&format!("  {key}: null\n"), nothing.clone());
    }
    check("  settings: {}\n", nothing.clone());
    check("  pk: {rules: null}\n", nothing.clone());
    check("  post: {rules: [{disabled: yes}, {type: jq, disabled: 'true'}]}\n", nothing.clone());
    check("  bucket: {values: {rules: [{disabled: true}]}, names: ~}\n", nothing.clone());
    for (word, meant) in [("yes", true), ("'no'", false), ("TRUE", true), ("False", false)] {
        let expected = TableRules { ignore_ddl: meant, ..TableRules::default() };
        check(&format!("  settings: {{ignore_ddl: {word}}}\n"), expected);
    }
    for (word, layout) in [("direct", ChangeLayout::Direct), ("UNIVERSAL", ChangeLayout::Universal)]
    {
        let expected = TableRules { layout: Some(layout), ..TableRules::default() };
        check(&format!("  settings: {{mapping_strategy: {word}}}\n"), expected);
    }
    let key = |name: &str| TableRules { key: vec![name.to_owned()], ..TableRules::default() };
    check("  pk: {rules: [{pointer: id}]}\n", key("id"));
    check("  pk: {rules: [{pointer: !!str 1}]}\n", key("1"));
    check("  pk: {rules: [{pointer: /no, type: text}]}\n", key("no"));

    for text in ["{}", "meta: {type: anything, version: -3}", "\u{feff}collections: []", "meta:"] {
        assert_eq!(Recipe::parse(text), Ok(Recipe::default()), "{text}");
    }
    // Tables that have no schema.
    let recipe = Recipe::parse("collections: [{address: {container: '', name: t}}]").unwrap();
    assert!(recipe.rules("", "t").is_some());
}

#[test]
fn aliases_are_followed() {
    let text = "\
collections:
- address: {container: a, name: one}
  pk: &key {rules: [{pointer: /id}]}
- address: {container: a, name: two}
  pk: *key
";
    let recipe = Recipe::parse(text).unwrap();
    assert_eq!(recipe.rules("a", "two").map(|rules| &*rules.key), Some(&["id".to_owned()][..]));
}

#[test]
fn what_is_no_recipe_is_refused() {
    let check = |text: &str, expected: &str| {
        let error = Recipe::parse(text).map_err(|error| error.to_string());
        assert_eq!(error, Err(expected.to_owned()), "{text}");
    };
    check("", "line 1, column 1: the recipe is empty");
    check("# nothing\n", "line 1, column 1: the recipe is empty");
    check("- 1", "line 1, column 1: the recipe is no map");
    check("null", "line 1, column 1: the recipe is no map");
    check(
        "meta:\n  [",
        "line 3, column 1: this is not YAML: while parsing a node, did not find expected node content",
    );
    check("a: 1\na: 2", "line 2, column 1: the key `a` comes twice");
    check("[1]: 2", "line 1, column 1: a key is no text");
    check("meta: &a [*a]", "line 1, column 11: an alias stands for the node that it is in");
    check(
        "meta: *b",
        "line 1, column 7: this is not YAML: while parsing node, found unknown anchor",
    );
    check("--- {}\n--- {}", "line 2, column 1: a recipe is one document; this begins a second");
    check("meta: {version: !!int '1'}", "line 1, column 17: tags are not supported");
    check("meta: !mine {}", "line 1, column 7: tags are not supported");
    check(
        "version: 1",
        "line 1, column 1: unknown key `version` in the recipe; known are meta, collections",
    );
    check("meta: x", "line 1, column 7: `meta` is no map");
    check("meta: {type: 1}", "line 1, column 14: `meta.type` is no text");
    for version in ["abc", "'1'", "1.0", "true"] {
        let expected = "line 1, column 17: `meta.version` is no integer";
        check(&format!("meta: {{version: {version}}}"), expected);
    }
    check(
        "meta: {version: 1, author: x}",
        "line 1, column 20: unknown key `author` in `meta`; known are type, version",
    );
    check("collections:", "line 1, column 12: `collections` is no list");
    check("collections: [x]", "line 1, column 15: a collection is no map");
    check("collections:\n- settings: {}", "line 2, column 3: `address` is missing in a collection");
    check("collections: [{address: ~}]", "line 1, column 25: `address` is no map");
    check(
        "collections: [{address: {name: t}}]",
        "line 1, column 25: `container` is missing in `address`",
    );
    check(
        "collections: [{address: {container: s}}]",
        "line 1, column 25: `name` is missing in `address`",
    );
    check(
        "collections: [{address: {container: s, name: ~}}]",
        "line 1, column 46: `name` is no text",
    );
    check(
        "collections: [{address: {container: s, name: ''}}]",
        "line 1, column 46: `name` is empty",
    );
    check(
        "collections: [{address: {container: s, name: true}}]",
        "line 1, column 46: `name` is no text",
    );
    check(
        "collections:\n- address: {container: s, name: t}\n- address: {container: s, name: t}",
        "line 3, column 12: the table `t` of `s` has an entry already",
    );
    check(&"[".repeat(40), "line 1, column 33: nested deeper than 32 levels");
}

#[test]
fn what_is_not_done_is_refused() {
    let check = |collection: &str, expected: &str| {
        assert_eq!(rules(collection), Err(expected.to_owned()), "{collection}");
    };
    check(
        "  adress: 1",
        "line 3, column 3: unknown key `adress` in a collection; known are address, settings, pk, map, pre, bucket, post, treatment, schema",
    );
    check(
        "  settings: {mapping_strategy: dircet}",
        "line 3, column 32: unknown mapping strategy `dircet`; known are direct, universal",
    );
    check(
        "  settings: {mapping_strategy: ~}",
        "line 3, column 32: `settings.mapping_strategy` is no text",
    );
    for word in ["on", "1", "''", "~", "[]", "nope"] {
        let expected = "line 3, column 26: `settings.ignore_ddl` is neither true nor false";
        check(&format!("  settings: {{ignore_ddl: {word}}}"), expected);
    }
    check("  pk: [id]", "line 3, column 7: `pk` is no map");
    check("  pk: {rules: id}", "line 3, column 15: `pk.rules` is no list");
    check("  pk: {rules: [id]}", "line 3, column 16: a rule of `pk` is no map");
    check(
        "  pk: {rules: [{type: bigint}]}",
        "line 3, column 16: `pointer` is missing in a rule of `pk`",
    );
    check("  pk: {rules: [{pointer: /id, type: 1}]}", "line 3, column 37: `type` is no text");
    check(
        "  pk: {rules: [{pointer: /a/b}]}",
        "line 3, column 26: `pointer` `/a/b` is nested: only columns can be named; a slash in a name is `~1`",
    );
    for pointer in ["/", "/a~2", "/a~"] {
        let expected = format!("line 3, column 26: `pointer` `{pointer}` is no JSON pointer");
        check(&format!("  pk: {{rules: [{{pointer: {pointer}}}]}}"), &expected);
    }
    check(
        "  map: {rules: [{pointer: /a, type: json}]}",
        "line 3, column 37: unknown type `json`; known are map, object",
    );
    for (collection, what) in [
        ("  pre:  {rules:  [{type: jmes, expression: '[]'}]}", "pre"),
        ("  post: {rules:  [{type: jq, disabled: false}]}", "post"),
        ("  bucket: {values: {rules: [{disabled: true}, {pointer: /a}]}}", "bucket.values"),
        ("  bucket: {transon:     {rules: [{pointer: /a, template: {}}]}}", "bucket.transon"),
    ] {
        let column = collection.rfind("{type").or(collection.find("{pointer")).unwrap() + 1;
        let expected = format!("line 3, column {column}: `{what}`: expressions are not supported");
        check(collection, &expected);
    }
    check(
        "  bucket: {value: 1}",
        "line 3, column 12: unknown key `value` in `bucket`; known are names, values, transon, schema",
    );
    check(
        "  bucket: {names: {rules: [{old: a}]}}",
        "line 3, column 28: `new` is missing in a rule of `bucket.names`",
    );
    for (key, value, column) in [
        ("convert_dict", "[{name: a, wrapper_name: b}]", 30),
        ("prune_invalid_date", "[a]", 36),
        ("ignore_complex_lists", "true", 37),
        ("normalize_complex_lists", "yes", 40),
    ] {
        let expected = format!("line 3, column {column}: `treatment.{key}` is not supported");
        check(&format!("  treatment: {{{key}: {value}}}"), &expected);
    }
    check(
        "  treatment: {ignore_field: a}",
        "line 3, column 29: `treatment.ignore_field` is no list",
    );
    check(
        "  treatment: {ignore_field: [[a]]}",
        "line 3, column 30: the name of a column is no text",
    );
}

#[test]
fn contradictions_are_refused() {
    let check = |collection: &str, expected: &str| {
        assert_eq!(rules(collection), Err(expected.to_owned()), "{collection}");
    };
    let names = |old: &str, new: &str, rest: &str| {
        format!("  bucket: {{names: {{rules: [{{old: {old}, new: {new}}}]}}}}\n{rest}")
    };
    check(&names("a", "a", ""), "line 3, column 42: `a` comes twice in `bucket.names`");
    for second in ["{old: a, new: c}", "{old: c, new: b}", "{old: b, new: c}"] {
        let collection =
            format!("  bucket:\n    names: {{rules: [{{old: a, new: b}}, {second}]}}\n");
        let error = rules(&collection).unwrap_err();
        assert!(
            error.starts_with("line 4, column ")
                && error.ends_with("` comes twice in `bucket.names`"),
            "{error}"
        );
    }
    check(
        &names("a", "b", "  treatment: {ignore_field: [a]}"),
        "line 4, column 30: `a` stands in `treatment.ignore_field` and in `bucket.names`, which contradict",
    );
    check(
        &names("a", "b", "  pk: {rules: [{pointer: /a}]}"),
        "line 4, column 26: `a` stands in `pk` and in `bucket.names`, which contradict",
    );
    check(
        &names("a", "b", "  map: {rules: [{pointer: /b, type: map}]}"),
        "line 4, column 27: `b` is the new name of `a`; `map` goes by the old one",
    );
    check(
        &names("a", "b", "  treatment: {convert_list: [a]}"),
        "line 4, column 30: `a` is renamed; `treatment` goes by the new name `b`",
    );
    check(
        "  pk: {rules: [{pointer: /a}, {pointer: a}]}",
        "line 3, column 41: `a` comes twice in `pk`",
    );
    check(
        "  pk: {rules: [{pointer: /a}]}\n  treatment: {ignore_field: [a]}",
        "line 4, column 30: `a` stands in `pk` and in `treatment.ignore_field`, which contradict",
    );
    check(
        "  treatment: {convert_string: [a], convert_list: [a]}",
        "line 3, column 32: `a` stands in `treatment.convert_list` and in `treatment.convert_string`, which contradict",
    );
}

#[test]
fn each_contradicting_pair_is_refused() {
    let sections = |name: &str| match name {
        "pk" => "  pk: {rules: [{pointer: /a}]}\n",
        "map" => "  map: {rules: [{pointer: /a, type: map}]}\n",
        "ignore_field" => "ignore_field: [a], ",
        "convert_list" => "convert_list: [a], ",
        _ => "convert_string: [a], ",
    };
    let both = |one: &str, other: &str| {
        let (outside, inside): (Vec<_>, Vec<_>) =
            [one, other].map(sections).into_iter().partition(|text| text.starts_with("  "));
        rules(&format!("{}  treatment: {{{}}}\n", outside.concat(), inside.concat()))
    };
    for (one, other) in [
        ("pk", "ignore_field"),
        ("pk", "convert_list"),
        ("map", "ignore_field"),
        ("map", "convert_string"),
        ("ignore_field", "convert_list"),
        ("ignore_field", "convert_string"),
        ("convert_list", "convert_string"),
    ] {
        let error = both(one, other).unwrap_err();
        assert!(
            error.contains("`a` stands in ") && error.contains(other),
            "{one} {other}: {error}"
        );
    }
    for (one, other) in [("pk", "map"), ("pk", "convert_string"), ("map", "convert_list")] {
        assert!(both(one, other).is_ok(), "{one} {other}");
    }
}

/// Memory and time: what aliases make of a text is limited before it is walked through.
#[test]
fn aliases_do_not_explode() {
    let mut laughs = "a0: &a0 [ha, ha]\n".to_owned();
    for level in 1..40 {
        let inner = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{inner}]").unwrap();
    }
    let many = format!("a: &a [{}]\nb: [{}*a]", "x, ".repeat(1000), "*a, ".repeat(250_000));
    let mut chain = "a0: &a0 []\n".to_owned();
    for n in 1..20_000 {
        writeln!(chain, "a{n}: &a{n} [*a{}]", n - 1).unwrap();
    }
    let long = format!("a: &a {}\nb: [{}*a]", "x".repeat(1_000_000), "*a, ".repeat(100));
    for text in [laughs, many, chain, long] {
        let error = Recipe::parse(&text).unwrap_err();
        assert_eq!(error.problem, "the recipe is too large, its aliases followed");
    }
}

#[test]
fn a_large_recipe_is_read() {
    let mut text = "collections:\n".to_owned();
    for table in 0..5_000 {
        writeln!(text, "- address: {{container: shop, name: t{table}}}").unwrap();
        writeln!(text, "  pk: {{rules: [{{pointer: /id, type: bigint}}]}}").unwrap();
    }
    assert_eq!(Recipe::parse(&text).unwrap().tables().count(), 5_000);
}

proptest! {
    #[test]
    fn no_text_ends_the_process(text in "[-a-c:,\\[\\]{}&*!'\"|>#~%?\n \t\u{feff}\u{0}ä]{0,60}") {
        drop(Recipe::parse(&text));
    }

    #[test]
    fn a_damaged_recipe_is_an_error_or_a_recipe(at in 0_usize..200, with in "[ -~\n]{0,3}") {
        let mut text = "collections:\n- address: {container: shop, name: orders}\n  settings:\n    ignore_ddl: &a true\n  pk:\n    rules: [{pointer: '/id', type: |\n      bigint\n }]\n".to_owned();
        let at = at.min(text.len());
        text.replace_range(at..(at + 1).min(text.len()), &with);
        if let Err(error) = Recipe::parse(&text) {
            prop_assert!(error.line > 0 && error.column > 0);
        }
    }
}
