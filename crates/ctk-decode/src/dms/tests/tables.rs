//! Changes of tables.

use super::{check, event};

#[test]
fn tables_come_and_go() {
    let check = |operation: &str, members: &str, expected: &str| {
        check(&event(operation, members), expected);
    };
    check(
        "create-table",
        r#""control": {"table-def": {"columns": {
            "id": {"type": "INT32", "nullable": false}, "b": {"type": "STRING", "length": 255},
            "a": {"type": "NUMERIC", "precision": 12, "scale": 2}, "n": null, "x": {"type": "GEOMETRY"}, "e": {}
        }, "primary-key": ["id", "b"]}}"#,
        "create shop.orders id:i32 b:Text a:n12,2 n:Unknown x:Unknown e:Unknown key(id,b)",
    );
    check(
        "create-table",
        r#""control": {"table-def": {"columns": [{"name": "id", "type": "INT8"}, {"type": "x"}, "a"], "primary-key": "id"}}"#,
        "create shop.orders id:i64 a:Unknown key(id)",
    );
    check(
        "create-table",
        r#""control": {"table-def": {"columns": {"a": {"type": "DATE"}, "b": {"type": "TIME"}, "a": {"type": "BOOL"}}}}"#,
        "create shop.orders a:Bool b:Time",
    );
    for control in
        ["", r#""control": null"#, r#""control": {}"#, r#""control": {"table-def": null}"#]
    {
        check("create-table", control, "create shop.orders");
        check("drop-table", control, "drop shop.orders");
        check("truncate-table", control, "truncate shop.orders");
        check("TRUNCATE", control, "truncate shop.orders");
    }
    check("CREATE_TABLE", "", "create shop.orders");
}

#[test]
fn tables_get_other_names() {
    let check = |control: &str, expected: &str| {
        check(&event("rename-table", &format!(r#""control": {control}"#)), expected);
    };
    let known_is_old = "rename shop.orders shop.bills";
    check(r#"{"new-table-name": "bills"}"#, known_is_old);
    check(r#"{"newTableName": "bills", "old_table_name": "orders"}"#, known_is_old);
    check(r#"{"new-name": "bills"}"#, known_is_old);
    check(r#"{"rename": {"from": "orders", "to": "bills"}}"#, known_is_old);
    check(r#"{"renamed-to": "bills"}"#, known_is_old);
    check(r#"{"table-name": "bills"}"#, known_is_old);
    check(r#"{"new": {"table": {"name": "bills", "schema": "shop"}}}"#, known_is_old);
    check(
        r#"{"new": {"schema-name": "store", "table-name": "bills"}}"#,
        "rename shop.orders store.bills",
    );
    let known_is_new = "rename shop.bills shop.orders";
    check(r#"{"old-table-name": "bills"}"#, known_is_new);
    check(r#"{"previous-name": "bills", "new-name": "orders"}"#, known_is_new);
    check(r#"{"table-name": "bills", "new-table-name": "orders"}"#, known_is_new);
    let missing = "not_dms: rename-table: control tells no other name";
    for control in ["null", "{}", r#"{"table-def": {}}"#, r#"{"ddl": "ALTER TABLE"}"#, "[1]"] {
        check(control, missing);
    }
    let same = "not_dms: rename-table: the old name and the new one are the same";
    check(r#"{"table-name": "orders"}"#, same);
}

#[test]
fn the_other_name_may_stand_in_the_metadata() {
    check(
        r#"{"metadata": {"operation": "rename-table", "schema-name": "s", "table-name": "b", "old-table-name": "a"}}"#,
        "rename s.a s.b",
    );
}

#[test]
fn columns_come_and_go() {
    let check = |operation: &str, control: &str, expected: &str| {
        check(&event(operation, &format!(r#""control": {control}"#)), expected);
    };
    for control in [
        r#"{"column-name": "a", "type": "INT32"}"#,
        r#"{"column": {"name": "a", "type": "INT32", "nullable": true}}"#,
        r#"{"column": {"a": {"type": "INT32"}}}"#,
        r#"{"new-column": {"column-name": "a", "data-type": "INT32"}}"#,
        r#"{"columns": {"a": {"type": "INT32"}}}"#,
        r#"{"added-columns": [{"name": "a", "type": "INT32"}]}"#,
        r#"{"a": {"type": "INT32"}}"#,
        r#"{"table-name": "orders", "column-name": "a", "table-def": {"columns": {"id": {"type": "INT64"}, "a": {"type": "INT32"}}}}"#,
    ] {
        check("add-column", control, "add shop.orders a:i32");
        check("column-type-change", control, "change shop.orders a:i32");
        check("change-columns", control, "change shop.orders a:i32");
        check("drop-column", control, "drop-column shop.orders a");
    }
    check(
        "add-column",
        r#"{"column-name": "a", "type": "NUMERIC", "precision": 12, "scale": 2}"#,
        "add shop.orders a:n12,2",
    );
    check("add-column", r#"{"column-name": "a"}"#, "add shop.orders a:Unknown");
    check(
        "add-column",
        r#"{"columns": {"a": {"type": "INT32"}, "b": {"type": "DATE"}}}"#,
        "create shop.orders a:i32 b:Date",
    );
    let whole = r#"{"table-def": {"columns": {"id": {"type": "INT64"}, "a": {"type": "DATE"}}, "primary-key": ["id"]}}"#;
    check("add-column", whole, "create shop.orders id:i64 a:Date key(id)");
    for operation in ["drop-column", "rename-column", "change-columns", "column-type-change"] {
        check(operation, whole, "become shop.orders id:i64 a:Date key(id)");
    }
    let one = r#"{"table-def": {"columns": {"a": {"type": "DATE"}}}}"#;
    check("add-column", one, "create shop.orders a:Date");
    check("column-type-change", one, "change shop.orders a:Date");
    check(
        "drop-column",
        one,
        "not_dms: drop-column: whether the one column goes or stays is not told",
    );
    check(
        "drop-column",
        r#"{"columns": ["a", "b"]}"#,
        "not_dms: drop-column: control tells several columns",
    );
    check("drop-column", r#"{"columns": ["a"]}"#, "drop-column shop.orders a");
    for control in ["null", "{}", r#"{"table-def": null}"#, r#"{"ddl": "ALTER TABLE"}"#] {
        check("add-column", control, "not_dms: add-column: control tells no column");
        check("drop-column", control, "not_dms: drop-column: control tells no column");
        check(
            "rename-column",
            control,
            "not_dms: rename-column: control does not tell the old and the new name",
        );
    }
    check(
        "change-columns",
        r#"{"column-name": "a"}"#,
        "not_dms: change-columns: control tells neither one column and its type nor the table",
    );
}

#[test]
fn columns_get_other_names() {
    for control in [
        r#"{"old-column-name": "a", "new-column-name": "b"}"#,
        r#"{"column-name": "a", "new-column-name": "b"}"#,
        r#"{"old-name": "a", "column-name": "b"}"#,
        r#"{"from": "a", "to": "b"}"#,
        r#"{"rename-column": {"old": "a", "new": "b"}}"#,
        r#"{"old-column": {"name": "a", "type": "DATE"}, "new-column": {"name": "b", "type": "DATE"}}"#,
    ] {
        let record = event("rename-column", &format!(r#""control": {control}"#));
        check(&record, "rename-column shop.orders a->b");
    }
}
