//! Records and what becomes of them, each in one line.

use std::collections::VecDeque;

use ctk_flow::{
    Allowance, Asks, Changes, ColumnDef, ColumnId, ColumnKind, Decode, Record, Row, Sequence,
    ShardId, TableChange, TableDef, Value,
};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{DecodeOptions, Decoder, Format, Recipe, TableRules};

const OPTIONS: DecodeOptions = DecodeOptions {
    format: Format::Dms,
    compression: crate::Compression::Auto,
    aggregation: crate::Aggregation::Auto,
    max_record_bytes: 1 << 20,
    layout: crate::Layout::Columns,
};

fn decode(recipe: &Recipe, payloads: &[&[u8]]) -> Changes {
    let record = |data: &&[u8]| Record {
        data: data.to_vec(),
        sequence: Sequence::new("1"),
        partition_key: None,
        arrived_at: None,
        done: 0,
    };
    let mut records: VecDeque<_> = payloads.iter().map(record).collect();
    let decoder = Decoder::with_recipe(OPTIONS, recipe.clone());
    let changes = decoder.decode(&ShardId::new("s"), &mut records, Allowance::ALL).changes;
    assert_eq!((records.len(), changes.units()), (0, payloads.len() as u64));
    for row in changes.rows() {
        let payload = row.change().unwrap().payload();
        assert!(payloads.contains(&payload));
    }
    changes
}

/// `put shop.orders id=1 total=1.50`; `patch … [id=1] id=2`, with what was before in brackets; `filtered`; `not_dms: why`.
fn show(changes: &Changes) -> String {
    let rows = changes.rows().map(|row| show_row(changes, row));
    let letters = changes.dead_letters().iter();
    let letters = letters.map(|letter| format!("{}: {}", letter.reason.code(), letter.error));
    let filtered = (0..changes.filtered()).map(|_| "filtered".to_owned());
    rows.chain(letters).chain(filtered).collect::<Vec<_>>().join("\n")
}

fn show_row(changes: &Changes, row: Row<'_>) -> String {
    let change = row.change().unwrap();
    assert!(!change.tells_key());
    assert_eq!(change.aux().count(), 0);
    let table = &changes.tables()[change.table().index()];
    let show_cell = |(id, value): (ColumnId, Value<'_>)| {
        let value = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Integer(value) => value.to_string(),
            Value::BigInteger(digits) => format!("{digits}n"),
            Value::Decimal(text) | Value::Json(text) => text.to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::Bytes(_) => panic!("bytes"),
        };
        format!("{}={value}", changes.columns()[id.index()])
    };
    let before: Vec<_> = change.before().map(show_cell).collect();
    let mut words = vec![String::new(), format!("{}.{}", table.schema, table.table)];
    if !before.is_empty() {
        words.push(format!("[{}]", before.join(" ")));
    }
    words.extend(change.data().map(show_cell));
    let verb = match change.asks() {
        Asks::Put => "put",
        Asks::Patch => "patch",
        Asks::Delete => "delete",
        Asks::Table(change) => {
            assert_eq!(row.cells().count(), 0);
            let (verb, more) = show_table(change);
            words.extend(more);
            verb
        }
    };
    verb.clone_into(&mut words[0]);
    words.join(" ")
}

fn show_table(change: &TableChange) -> (&'static str, Vec<String>) {
    let column = |ColumnDef { name, kind }: &ColumnDef| match kind {
        ColumnKind::Integer { bits, signed: true } => format!("{name}:i{bits}"),
        ColumnKind::Integer { bits, signed: false } => format!("{name}:u{bits}"),
        ColumnKind::Numeric { precision: Some(digits), scale } => {
            format!("{name}:n{digits},{scale}")
        }
        kind => format!("{name}:{kind:?}"),
    };
    let def = |def: &TableDef| {
        let key = (!def.key.is_empty()).then(|| format!("key({})", def.key.join(",")));
        def.columns.iter().map(column).chain(key).collect()
    };
    match change {
        TableChange::Create(of) => ("create", def(of)),
        TableChange::Become(of) => ("become", def(of)),
        TableChange::Drop => ("drop", vec![]),
        TableChange::Truncate => ("truncate", vec![]),
        TableChange::Rename(to) => ("rename", vec![format!("{}.{}", to.schema, to.table)]),
        TableChange::AddColumn(of) => ("add", vec![column(of)]),
        TableChange::DropColumn(name) => ("drop-column", vec![name.clone()]),
        TableChange::RenameColumn { from, to } => ("rename-column", vec![format!("{from}->{to}")]),
        TableChange::ChangeColumn(of) => ("change", vec![column(of)]),
    }
}

fn check(record: &str, expected: &str) {
    assert_eq!(show(&decode(&Recipe::default(), &[record.as_bytes()])), expected, "{record}");
}

fn check_rules(rules: &TableRules, record: &str, expected: &str) {
    let recipe = Recipe::of("shop", "orders", rules.clone());
    assert_eq!(show(&decode(&recipe, &[record.as_bytes()])), expected, "{record}");
}

/// A record of `shop.orders` with these members beside its metadata.
fn event(operation: &str, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { ", " };
    format!(
        r#"{{{members}{comma}"metadata": {{"timestamp": "2025-06-10T11:28:47.195247Z", "record-type": "data",
        "operation": "{operation}", "partition-key-type": "schema-table", "schema-name": "shop",
        "table-name": "orders", "transaction-id": 1139}}}}"#
    )
}

#[test]
fn rows_come_change_and_go() {
    let check = |operation: &str, members: &str, expected: &str| {
        check(&event(operation, members), expected);
    };
    for operation in ["insert", "load", "INSERT", " insert", "Load"] {
        check(operation, r#""data": {"id": 1, "total": 1.50}"#, "put shop.orders id=1 total=1.50");
    }
    check("insert", r#""data": {}"#, "put shop.orders");
    check("insert", r#""data": {"id": 1}, "before-image": {"id": 2}"#, "put shop.orders id=1");
    let control = r#""data": {"id": 1}, "control": {"table-def": {"primary-key": ["id"]}}"#;
    check("insert", control, "put shop.orders id=1");
    check("update", r#""data": {"id": 1, "a": null}"#, "patch shop.orders id=1 a=null");
    check("update", r#""data": {"id": 1}, "before-image": {}"#, "patch shop.orders id=1");
    check("update", r#""data": {"id": 1}, "before-image": null"#, "patch shop.orders id=1");
    check("update", r#""data": {}"#, "patch shop.orders");
    check(
        "Update",
        r#""before-image": {"id": 1, "a": "x"}, "data": {"id": 2, "a": "y", "b": 0}"#,
        r#"patch shop.orders [id=1 a="x"] id=2 a="y" b=0"#,
    );
    check("delete", r#""data": {"id": 1, "a": null}"#, "delete shop.orders id=1 a=null");
    check("delete", r#""before-image": {"id": 1}"#, "delete shop.orders id=1");
    check("delete", r#""data": null, "before-image": {"id": 1}"#, "delete shop.orders id=1");
    check(
        "delete",
        r#""data": {"a": 0, "\u0062": 1}, "before-image": {"id": 1, "a": 2, "b": 3}"#,
        "delete shop.orders a=0 b=1 id=1",
    );
    for operation in ["insert", "load", "update", "delete"] {
        for data in ["", r#""data": null"#, r#""data": [1]"#, r#""data": "x""#] {
            check(operation, data, "not_dms: data is missing, or no object");
        }
    }
}

#[test]
fn the_member_of_the_row_before_may_have_any_name() {
    let check = |members: &str, expected: &str| check(&event("update", members), expected);
    check(r#""data": {"id": 2}, "BI": {"id": 1}"#, "patch shop.orders [id=1] id=2");
    check(r#""data": {"id": 2}, "BI": 1, "x": [1]"#, "patch shop.orders id=2");
    check(r#""data": {"id": 2}, "a": {"id": 1}, "b": {"id": 0}"#, "patch shop.orders id=2");
    check(
        r#""data": {"id": 2}, "before-image": {"id": 1}, "b": {"id": 0}"#,
        "patch shop.orders [id=1] id=2",
    );
    check(r#""data": {"id": 2}, "_kinesis": {"id": 1}"#, "patch shop.orders id=2");
}

#[test]
fn values_stay_as_they_are() {
    check(
        &event(
            "insert",
            r#""data": {"i": -9223372036854775808, "n": 123456789012345678901, "d": 1.10, "e": 1e3, "t": "0x01ff", "day": "2025-06-10",
            "u": "gr\u00fcn", "b": true, "z": null, "o": {"a": [1]}, "l": [1, "x"], "with space": 1, "a\"b": 2}"#,
        ),
        "put shop.orders i=-9223372036854775808 n=123456789012345678901n d=1.10 e=1e3 t=\"0x01ff\" \
         day=\"2025-06-10\" u=\"grün\" b=true z=null o={\"a\": [1]} l=[1, \"x\"] with space=1 a\"b=2",
    );
}

#[test]
fn records_come_wrapped() {
    let inner = "eyJkYXRhIjogeyJpZCI6IDF9LCAibWV0YWRhdGEiOiB7Im9wZXJhdGlvbiI6ICJpbnNlcnQiLCAic2NoZW1hLW5hbWUiOiAi\
                 c2hvcCIsICJ0YWJsZS1uYW1lIjogIm9yZGVycyJ9fQ==";
    check(
        &format!(r#"{{"kinesis": {{"data": "{inner}"}}, "eventID": "1"}}"#),
        "put shop.orders id=1",
    );
    for kinesis in
        [r#"{"shard_id": "1"}"#, "null", "1", r#"{"data": ""}"#, r#"{"data": null}"#, "[]"]
    {
        let members = format!(r#""kinesis": {kinesis}, "data": {{"id": 1}}"#);
        check(&event("insert", &members), "put shop.orders id=1");
        let expected = "not_dms: metadata.operation is missing";
        check(&format!(r#"{{"kinesis": {kinesis}}}"#), expected);
    }
    check(r#"{"kinesis": {"data": "Zg="}}"#, "not_dms: kinesis.data is not base64");
    check(
        r#"{"kinesis": {"data": "Zg=="}}"#,
        "not_json: kinesis.data: a value is missing at byte 0",
    );
    check(r#"{"kinesis": {"data": "/w=="}}"#, "not_json: kinesis.data: not UTF-8 at byte 0");
    check(r#"{"kinesis": {"data": "MQ=="}}"#, "not_dms: no object");
}

#[test]
fn what_is_no_event_is_a_dead_letter() {
    for value in ["1", "null", "[]", r#""x""#] {
        check(value, "not_dms: no object");
    }
    check("", "not_json: the payload is empty at byte 0");
    check("{} x", "not_json: characters after the value at byte 3");
    for metadata in ["null", "{}", "[]", r#"{"operation": null}"#, r#"{"operation": " "}"#] {
        let record = format!(r#"{{"data": {{}}, "metadata": {metadata}}}"#);
        check(&record, "not_dms: metadata.operation is missing");
    }
    let no_table = "not_dms: metadata.table-name is missing";
    check(r#"{"data": {}, "metadata": {"operation": "insert"}}"#, no_table);
    check(
        r#"{"data": {}, "metadata": {"operation": "insert", "schema-name": "s", "table-name": ""}}"#,
        no_table,
    );
    check(
        r#"{"data": {}, "metadata": {"operation": "insert", "table-name": "t"}}"#,
        "not_dms: metadata.schema-name is missing",
    );
    check(&event("upsert", r#""data": {}"#), "not_dms: the operation upsert is unknown");
}

#[test]
fn names_are_taken_as_they_are() {
    let check = |schema: &str, table: &str, expected: &str| {
        let names = format!(r#"{schema} "table-name": "{table}""#);
        check(
            &format!(r#"{{"metadata": {{"operation": "insert", {names}}}, "data": {{"a": 1}}}}"#),
            expected,
        );
    };
    check(r#""schema-name": "", "#, "awsdms_status", "put .awsdms_status a=1");
    check(r#""schema-name": "", "#, "AWSDMS_STATUS", "put .AWSDMS_STATUS a=1");
    check("", "AwsDms_history", "put .AwsDms_history a=1");
    check(r#""schema-name": "", "#, "t", "put .t a=1");
    check(r#""schema-name": "a.b", "#, r#"c.d\""#, "put a.b.c.d\" a=1");
    check(r#""schema-name": "S\u00e4", "#, "Tabelle 1", "put Sä.Tabelle 1 a=1");
}

#[test]
fn members_come_in_any_order_and_the_last_of_a_name_counts() {
    check(
        r#"{"metadata": {"operation": "delete", "schema-name": "a", "table-name": "b"}, "data": {"a": 1},
        "d\u0061ta": {"b": 2}, "metadata": {"table-name": "t", "schema-name": "s", "operation": "insert"}}"#,
        "put s.t b=2",
    );
}

#[test]
fn frames_of_transactions_are_filtered() {
    for operation in ["begin", "commit", "BEGIN", "begin-transaction", "transaction_commit"] {
        check(&format!(r#"{{"metadata": {{"operation": "{operation}"}}}}"#), "filtered");
    }
}

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

fn rules() -> TableRules {
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

#[test]
fn records_of_several_tables_follow_each_other() {
    let of = |table: &str, id: u8| {
        format!(
            r#"{{"metadata": {{"operation": "insert", "schema-name": "s", "table-name": "{table}"}}, "data": {{"id": {id}}}}}"#
        )
    };
    let records = [of("a", 1), of("a", 2), of("b", 3), event("drop-table", ""), of("a", 4)];
    let bytes: Vec<_> = records.iter().map(String::as_bytes).collect();
    let changes = decode(&Recipe::default(), &bytes);
    let expected = "put s.a id=1\nput s.a id=2\nput s.b id=3\ndrop shop.orders\nput s.a id=4";
    assert_eq!((show(&changes).as_str(), changes.tables().len()), (expected, 3));
}

/// Values of which many are what DMS would write.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let words = [
        "insert",
        "update",
        "delete",
        "create-table",
        "rename-table",
        "add-column",
        "drop-column",
        "rename-column",
        "change-columns",
        "awsdms_x",
        "a",
        "b",
        "",
        "INT32",
        "NUMERIC(5,2)",
        "Zg==",
    ];
    let names = [
        "data",
        "metadata",
        "control",
        "before-image",
        "kinesis",
        "table-def",
        "columns",
        "operation",
        "primary-key",
        "schema-name",
        "table-name",
        "new-name",
        "old-name",
        "column",
        "type",
        "name",
        "doc",
        "x",
        "tags",
    ];
    let leaf = prop_oneof![
        3 => select(words.to_vec()).prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let member = (select(names.to_vec()), inner.clone());
        prop_oneof![
            4 => vec(member, 0..6).prop_map(|members| {
                members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }),
            1 => vec(inner, 0..4).prop_map(serde_json::Value::from),
        ]
    })
}

fn ends_once(payload: &[u8]) {
    for recipe in [Recipe::default(), Recipe::of("shop", "orders", rules())] {
        let changes = decode(&recipe, &[payload]);
        let ends = changes.len() + changes.dead_letters().len();
        assert_eq!(ends as u64 + changes.filtered(), 1);
        show(&changes);
        for (_, value) in changes.rows().flat_map(|row| row.cells()) {
            if let Value::Json(text) | Value::Decimal(text) | Value::BigInteger(text) = value {
                assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_end_once(bytes in vec(any::<u8>(), 0..100)) {
        ends_once(&bytes);
    }

    #[test]
    fn any_json_ends_once(value in json()) {
        ends_once(value.to_string().as_bytes());
    }

    #[test]
    fn any_event_ends_once(
        data in json(),
        before in json(),
        control in json(),
        operation in select(vec![
            "insert", "update", "delete", "create-table", "drop-table", "truncate", "rename-table",
            "add-column", "drop-column", "rename-column", "change-columns",
        ]),
        cut in 0_usize..400,
    ) {
        let members = format!(r#""data": {data}, "before-image": {before}, "control": {control}"#);
        let record = event(operation, &members);
        ends_once(record.as_bytes());
        ends_once(record.as_bytes().get(..cut).unwrap_or_default());
    }

    #[test]
    fn base64_is_undone(bytes in vec(any::<u8>(), 0..50)) {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
            let bits = bits << (8 * (3 - three.len()));
            for place in 0..=three.len() {
                text.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
            }
        }
        prop_assert_eq!(super::base64::decode(&text), Some(bytes));
    }
}
