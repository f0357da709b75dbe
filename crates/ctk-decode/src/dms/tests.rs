//! Records and what becomes of them, each in one line.

mod any;
mod rules;
mod tables;

use std::collections::VecDeque;

use ctk_flow::{
    Allowance, Asks, Changes, ColumnDef, ColumnId, ColumnKind, Decode, Record, Row, Sequence,
    ShardId, TableChange, TableDef, Value,
};

use crate::{DecodeOptions, Decoder, Format, Recipe};

const OPTIONS: DecodeOptions = DecodeOptions {
    whole_updates: false,
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
