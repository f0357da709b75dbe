//! Tables of which a recipe wants something.

use super::{decode, event, show};
use crate::{Recipe, TableRules};

fn check_rules(rules: &TableRules, record: &str, expected: &str) {
    let recipe = Recipe::of("shop", "orders", rules.clone());
    assert_eq!(show(&decode(&recipe, &[record.as_bytes()])), expected, "{record}");
}

pub(super) fn rules() -> TableRules {
    let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    TableRules {
        json: list(&["doc"]),
        renamed: vec![("x".to_owned(), "y".to_owned())],
        ignored: list(&["secret"]),
        to_list: list(&["tags"]),
        to_text: list(&["code"]),
        ..TableRules::default()
    }
}

#[test]
fn members_go_by_the_recipe() {
    let check = |data: &str, expected: &str| {
        let members = format!(r#""data": {data}"#);
        check_rules(&rules(), &event("insert", &members), &format!("put shop.orders{expected}"));
    };
    check(r#"{"doc": "{\"a\": 1}"}"#, r#" doc={"a": 1}"#);
    check(r#"{"doc": "[1, \"x\"]"}"#, r#" doc=[1, "x"]"#);
    for scalar in ["1", "1.50", "true", "null", "123456789012345678901"] {
        let digits = if scalar.len() > 20 { "n" } else { "" };
        check(&format!(r#"{{"doc": " {scalar} "}}"#), &format!(" doc={scalar}{digits}"));
    }
    check(r#"{"doc": "\"a\\nb\""}"#, r#" doc="a\nb""#);
    check(r#"{"doc": ""}"#, r#" doc="""#);
    check(r#"{"doc": "{\"a\": 1} x"}"#, r#" doc="{\"a\": 1} x""#);
    check(r#"{"doc": 5, "other": "{}"}"#, r#" doc=5 other="{}""#);
    check(r#"{"x": 1, "z": 2}"#, " y=1 z=2");
    check(r#"{"a": 1, "secret": 2, "b": 3}"#, " a=1 b=3");
    check(r#"{"secret": 2}"#, "");
    check(r#"{"tags": "a\"b"}"#, r#" tags=["a\"b"]"#);
    check(r#"{"tags": {"a": 1}}"#, r#" tags=[{"a": 1}]"#);
    check(r#"{"tags": [1]}"#, " tags=[1]");
    check(r#"{"tags": 1.50}"#, " tags=[1.50]");
    check(r#"{"tags": null}"#, " tags=null");
    check(r#"{"code": 7}"#, r#" code="7""#);
    check(r#"{"code": 1.50}"#, r#" code="1.50""#);
    check(r#"{"code": false}"#, r#" code="false""#);
    check(r#"{"code": {"a": 1}}"#, r#" code="{\"a\": 1}""#);
    check(r#"{"code": "a"}"#, r#" code="a""#);
    check(r#"{"code": null}"#, " code=null");
}

#[test]
fn all_of_a_record_goes_by_the_recipe() {
    let check = |operation: &str, members: &str, expected: &str| {
        check_rules(&rules(), &event(operation, members), expected);
    };
    check(
        "update",
        r#""before-image": {"x": 1, "secret": 2, "doc": "[1]"}, "data": {"secret": 3, "x": 2, "doc": "[2]"}"#,
        "patch shop.orders [y=1 doc=[1]] y=2 doc=[2]",
    );
    check(
        "delete",
        r#""data": {"secret": 3}, "before-image": {"secret": 2, "x": 1}"#,
        "delete shop.orders y=1",
    );
    let columns = r#""x": {"type": "INT32"}, "secret": {"type": "INT32"}, "doc": {"type": "CLOB"}, "tags": {"type": "INT32"}, "code": {"type": "INT32"}"#;
    check(
        "create-table",
        &format!(
            r#""control": {{"table-def": {{"columns": {{{columns}}}, "primary-key": ["x", "secret"]}}}}"#
        ),
        "create shop.orders y:i32 doc:Json tags:Json code:Text key(y)",
    );
    check("add-column", r#""control": {"column-name": "secret", "type": "DATE"}"#, "filtered");
    check(
        "add-column",
        r#""control": {"column-name": "doc", "type": "CLOB"}"#,
        "add shop.orders doc:Json",
    );
    check("drop-column", r#""control": {"column-name": "x"}"#, "drop-column shop.orders y");
    check(
        "rename-column",
        r#""control": {"from": "x", "to": "z"}"#,
        "rename-column shop.orders y->z",
    );
    check("rename-column", r#""control": {"from": "x", "to": "y"}"#, "filtered");
    check("rename-column", r#""control": {"from": "secret", "to": "z"}"#, "filtered");
}

#[test]
fn changes_of_tables_are_left_out_where_nobody_wants_them() {
    let rules = TableRules { ignore_ddl: true, ..TableRules::default() };
    for operation in [
        "create-table",
        "drop-table",
        "truncate",
        "rename-table",
        "add-column",
        "drop-column",
        "rename-column",
        "change-columns",
        "column-type-change",
    ] {
        check_rules(&rules, &event(operation, ""), "filtered");
    }
    check_rules(&rules, &event("insert", r#""data": {"id": 1}"#), "put shop.orders id=1");
    check_rules(&rules, &event("x", ""), "not_dms: the operation x is unknown");
}
