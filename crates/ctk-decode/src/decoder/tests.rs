//! Whole records: formats, layouts, compression, and that every unit ends somewhere.

use std::io::Write;

use ctk_flow::{Changes, Origin, Reason, Sequence, Value};
use flate2::write::GzEncoder;
use md5::Digest as _;
use proptest::{collection::vec, prelude::*};

use super::*;

const JSON: DecodeOptions = DecodeOptions {
    whole_updates: false,
    format: Format::Json,
    compression: Compression::Auto,
    aggregation: Aggregation::Auto,
    max_record_bytes: 64 * 1024 * 1024,
    layout: Layout::Columns,
};
const NDJSON: DecodeOptions = DecodeOptions { format: Format::Ndjson, ..JSON };
const RAW: DecodeOptions = DecodeOptions { format: Format::Raw, ..JSON };

fn record(sequence: usize, data: &[u8]) -> Record {
    Record {
        data: data.to_vec(),
        sequence: Sequence::new(sequence.to_string()),
        partition_key: Some(format!("key {sequence}")),
        arrived_at: Some(1),
        done: 0,
    }
}

fn decode(options: DecodeOptions, payloads: &[&[u8]]) -> Changes {
    let mut records = records(payloads);
    let last = records.back().map(|record| record.sequence.clone());
    let decoded = Decoder::new(options).decode(&ShardId::new("s"), &mut records, Allowance::ALL);
    assert_eq!((records.len(), decoded.upto, decoded.part), (0, last, None));
    decoded.changes
}

fn records(payloads: &[&[u8]]) -> VecDeque<Record> {
    payloads.iter().enumerate().map(|(index, data)| record(index, data)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// One line for each row and each dead letter: record, part, then cells, or reason and payload.
fn show(changes: &Changes) -> Vec<String> {
    let rows = changes.rows().map(|row| {
        let cells: Vec<_> = row
            .cells()
            .map(|(id, value)| format!("{}={value:?}", changes.columns()[id.index()]))
            .collect();
        format!("{}/{} {}", row.origin().sequence, row.sub_sequence(), cells.join(" "))
    });
    let letters = changes.dead_letters().iter().map(|letter| {
        let payload = String::from_utf8_lossy(&letter.payload);
        format!(
            "{}/{} {} {payload:?}",
            letter.origin.sequence,
            letter.sub_sequence,
            letter.reason.code()
        )
    });
    rows.chain(letters).collect()
}

fn ends_somewhere(changes: &Changes) -> bool {
    changes.units() == (changes.len() + changes.dead_letters().len()) as u64 + changes.filtered()
}

#[test]
fn records_become_rows_or_dead_letters() {
    let check = |options: DecodeOptions, payloads: &[&[u8]], expected: &[&str]| {
        let changes = decode(options, payloads);
        assert_eq!(show(&changes), expected);
        assert!(ends_somewhere(&changes));
    };
    check(
        JSON,
        &[br#"{"a":1}"#, b"[2]", b"tru", b"", br#"{"b":{}}"#],
        &[
            "0/0 a=Integer(1)",
            "1/0 data=Json(\"[2]\")",
            "4/0 b=Json(\"{}\")",
            "2/0 not_json \"tru\"",
            "3/0 not_json \"\"",
        ],
    );
    // Members that were read before the error leave nothing behind.
    check(
        JSON,
        &[br#"{"a":1,"b":}"#, b"{}"],
        &["1/0 ", "0/0 not_json \"{\\\"a\\\":1,\\\"b\\\":}\""],
    );
    check(
        DecodeOptions { layout: Layout::Document, ..JSON },
        &[br#" {"a":1} "#, b"7", b"x"],
        &["0/0 data=Json(\"{\\\"a\\\":1}\")", "1/0 data=Json(\"7\")", "2/0 not_json \"x\""],
    );
    check(
        RAW,
        &[b"\xff\x00", b"", b"{}"],
        &["0/0 data=Bytes([255, 0])", "1/0 data=Bytes([])", "2/0 data=Bytes([123, 125])"],
    );
    check(
        NDJSON,
        &[b"\n{\"a\":1}\r\n \t\r\nx\n{\"a\":2}", b"[]\n", b"\"\xff\"\n1"],
        &[
            "0/0 a=Integer(1)",
            "0/2 a=Integer(2)",
            "1/0 data=Json(\"[]\")",
            "2/1 data=Integer(1)",
            "0/1 not_json \"x\"",
            "2/0 not_json \"\\\"\u{fffd}\\\"\"",
        ],
    );
}

#[test]
fn no_member_is_a_marker() {
    let marked = br#"{"__CHECKPOINT__":{"sequence":"1"},"a":1}"#;
    let expected = r#"0/0 __CHECKPOINT__=Json("{\"sequence\":\"1\"}") a=Integer(1)"#;
    assert_eq!(show(&decode(JSON, &[marked])), [expected]);
    let marked = br#"{"__CHECKPOINT__":true,"data":{"a":1},"metadata":{"operation":"insert","schema-name":"s","table-name":"t"}}"#;
    let dms = DecodeOptions { format: Format::Dms, ..JSON };
    assert_eq!(show(&decode(dms, &[marked])), ["0/0 a=Integer(1)"]);
}

#[test]
fn a_record_without_lines_is_filtered() {
    for payload in [&b""[..], b"\n\n", b" \r\n\t"] {
        let changes = decode(NDJSON, &[payload]);
        assert_eq!((changes.units(), changes.filtered(), changes.len()), (1, 1, 0));
    }
}

#[test]
fn compressed_records_are_expanded() {
    let (zipped, bomb) = (gzip(b"{\"a\":1}\n"), gzip(&vec![b' '; 1_000_000]));
    let limited = DecodeOptions { max_record_bytes: 1000, ..JSON };
    let changes = decode(limited, &[&zipped, b"{\"a\":2}", &bomb, &zipped[..12]]);
    assert_eq!(show(&changes)[..2], ["0/0 a=Integer(1)", "1/0 a=Integer(2)"]);
    let letters: Vec<_> =
        changes.dead_letters().iter().map(|letter| (letter.reason, &letter.payload[..])).collect();
    assert_eq!(letters, [(Reason::TooLarge, &bomb[..]), (Reason::BadCompression, &zipped[..12])]);
    assert_eq!(changes.dead_letters()[0].error, "the payload expands to more than 1000 bytes");
    assert_eq!(changes.dead_letters()[1].error, "the gzip stream is broken: it ends early");

    // The bytes of a dead letter are those that came, not what was made of them.
    let not_json = gzip(b"no");
    assert_eq!(decode(JSON, &[&not_json]).dead_letters()[0].payload, not_json);
    assert_eq!(
        show(&decode(NDJSON, &[&gzip(b"1\n2\n")])),
        ["0/0 data=Integer(1)", "0/1 data=Integer(2)"]
    );
    assert_eq!(decode(NDJSON, &[&zipped[..12]]).units(), 1);

    let left_alone = DecodeOptions { compression: Compression::None, ..RAW };
    assert_eq!(
        decode(left_alone, &[&zipped]).row(0).cells().next().unwrap().1,
        Value::Bytes(&zipped)
    );
    assert_eq!(
        decode(RAW, &[&zipped]).row(0).cells().next().unwrap().1,
        Value::Bytes(b"{\"a\":1}\n")
    );

    // Larger than the limit, but not compressed: it is in memory already.
    let plain = format!("\"{}\"", "x".repeat(2000));
    assert_eq!(decode(limited, &[plain.as_bytes()]).len(), 1);
}

#[test]
fn an_error_says_where() {
    let changes = decode(JSON, &[br#"{"a":{"b":"\ud800"}}"#]);
    assert_eq!(
        changes.dead_letters()[0].error,
        "an escape that stands for no character at byte 11"
    );
    assert_eq!(
        changes.dead_letters()[0].origin,
        Origin {
            sequence: Sequence::new("0"),
            partition_key: Some("key 0".into()),
            arrived_at: Some(1),
        }
    );
}

fn options() -> impl Strategy<Value = DecodeOptions> {
    let format = prop::sample::select(vec![
        Format::Json,
        Format::Ndjson,
        Format::Raw,
        Format::CloudWatchLogs,
    ]);
    let compression = prop::sample::select(vec![Compression::Auto, Compression::None]);
    let layout = prop::sample::select(vec![Layout::Columns, Layout::Document]);
    (format, compression, layout).prop_map(|(format, compression, layout)| DecodeOptions {
        whole_updates: false,
        aggregation: Aggregation::Auto,
        format,
        compression,
        max_record_bytes: 10_000,
        layout,
    })
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    let lines = vec(
        prop::sample::select(vec![
            "{\"a\":1}",
            "{\"b\":[",
            "",
            " ",
            "\r",
            "x",
            "\"\\ud800\"",
            "null",
        ]),
        0..6,
    );
    let magic: Vec<&[u8]> = vec![
        b"",
        b"\x1f\x8b",
        b"\x1f\x8b\x08",
        b"\x78\x9c",
        b"\x28\xb5\x2f\xfd",
        b"\xf3\x89\x9a\xc2",
    ];
    let bytes = (prop::sample::select(magic), vec(any::<u8>(), 0..60))
        .prop_map(|(magic, rest)| [magic, &rest].concat());
    let lines = lines.prop_map(|lines| lines.join("\n").into_bytes());
    prop_oneof![bytes, lines.clone(), lines.prop_map(|bytes| gzip(&bytes))]
}

proptest! {
    #[test]
    fn every_unit_ends_somewhere(options in options(), payloads in vec(payload(), 0..8)) {
        let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        let changes = decode(options, &payloads);
        prop_assert!(ends_somewhere(&changes));
        prop_assert!(changes.units() >= payloads.len() as u64);
        // Each record is in there, under its own number.
        let rows = changes.rows().map(|row| row.origin().sequence.clone());
        let letters = changes.dead_letters().iter().map(|letter| letter.origin.sequence.clone());
        let mut seen: Vec<_> = rows.chain(letters).collect();
        seen.sort();
        seen.dedup();
        prop_assert_eq!(seen.len() as u64 + changes.filtered(), payloads.len() as u64);
    }
}

/// Decodes in pieces, each from a copy of what was left, as after a restart.
fn in_pieces(options: DecodeOptions, payloads: &[&[u8]], allowance: Allowance) -> Vec<String> {
    let (decoder, shard) = (Decoder::new(options), ShardId::new("s"));
    let mut records = records(payloads);
    let (mut shown, mut letters, mut room) = (Vec::new(), Vec::new(), allowance.bytes);
    let mut position = (None, None);
    while !records.is_empty() {
        let before = records.clone();
        let decoded = decoder.decode(&shard, &mut records, Allowance { bytes: room, ..allowance });
        let units = decoded.changes.units();
        assert!(units <= allowance.units);
        if units == 0 {
            assert_eq!(records, before, "what is not decoded stays as it was");
            room = room.checked_mul(4).expect("a record that never fits");
            continue;
        }
        room = allowance.bytes;
        assert!(ends_somewhere(&decoded.changes));
        let all = show(&decoded.changes);
        let (rows, dead) = all.split_at(decoded.changes.len());
        shown.extend_from_slice(rows);
        letters.extend_from_slice(dead);
        position = (decoded.upto.or(position.0), decoded.part);
        // A run that starts again reads the record anew, and knows how many of its units are done.
        if let (Some(part), Some(front)) = (&position.1, records.front_mut()) {
            assert_eq!((&part.sequence, part.units), (&front.sequence, front.done));
        }
    }
    assert_eq!(
        position.0,
        payloads.len().checked_sub(1).map(|last| Sequence::new(last.to_string()))
    );
    assert_eq!(position.1, None);
    shown.extend(letters);
    shown
}

proptest! {
    #[test]
    fn pieces_are_the_whole(
        options in options(),
        payloads in vec(payload(), 0..6),
        units in 1_u64..5,
        bytes in 1_usize..3000,
    ) {
        let payloads: Vec<_> = payloads.iter().map(Vec::as_slice).collect();
        let whole = show(&decode(options, &payloads));
        let allowances = [
            Allowance { units, ..Allowance::ALL },
            Allowance { bytes, ..Allowance::ALL },
            Allowance { units, bytes },
        ];
        for allowance in allowances {
            prop_assert_eq!(&in_pieces(options, &payloads, allowance), &whole);
        }
    }
}

/// Two records of an aggregate: a JSON object under the key "a", and no JSON under the key "b".
fn aggregate() -> Vec<u8> {
    let message = b"\x0a\x01a\x0a\x01b\x1a\x0b\x08\x00\x1a\x07{\"v\":1}\x1a\x05\x08\x01\x1a\x01!";
    [b"\xf3\x89\x9a\xc2", &message[..], &md5::Md5::digest(message)].concat()
}

#[test]
fn aggregates_are_unpacked() {
    let aggregate = aggregate();
    let check = |options: DecodeOptions, payloads: &[&[u8]], expected: &[&str]| {
        let changes = decode(options, payloads);
        assert_eq!(show(&changes), expected);
        assert!(ends_somewhere(&changes));
        for units in 1..4 {
            assert_eq!(
                in_pieces(options, payloads, Allowance { units, ..Allowance::ALL }),
                expected
            );
        }
    };
    let bad = "0/1 not_json \"!\"";
    check(JSON, &[&aggregate, b"{}"], &["0/0 v=Integer(1)", "1/0 ", bad]);
    check(
        RAW,
        &[&aggregate],
        &["0/0 data=Bytes([123, 34, 118, 34, 58, 49, 125])", "0/1 data=Bytes([33])"],
    );
    check(NDJSON, &[&aggregate], &["0/0 v=Integer(1)", bad]);
    let keys: Vec<_> =
        decode(RAW, &[&aggregate]).rows().map(|row| row.origin().partition_key.clone()).collect();
    assert_eq!(keys, [Some("a".to_owned()), Some("b".to_owned())]);

    // Left alone, and damaged: a record as any other.
    let left_alone = DecodeOptions { aggregation: Aggregation::None, ..JSON };
    assert_eq!(decode(left_alone, &[&aggregate]).dead_letters()[0].payload, aggregate);
    let mut damaged = aggregate;
    *damaged.last_mut().unwrap() ^= 1;
    let changes = decode(JSON, &[&damaged, b"{}"]);
    assert_eq!((changes.len(), changes.dead_letters()[0].payload.as_slice()), (1, &damaged[..]));
    assert_eq!(changes.dead_letters()[0].origin.partition_key.as_deref(), Some("key 0"));
}

#[test]
fn an_aggregate_without_records_is_filtered() {
    let message = b"\x0a\x01a";
    let empty = [b"\xf3\x89\x9a\xc2", &message[..], &md5::Md5::digest(message)].concat();
    let changes = decode(JSON, &[&empty]);
    assert_eq!((changes.units(), changes.filtered()), (1, 1));
}

#[test]
fn log_events_become_rows() {
    let logs = DecodeOptions { format: Format::CloudWatchLogs, ..JSON };
    let message = br#"{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","message":"a"},{"id":"2","message":"b"}]}"#;
    let control = br#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"CWL CONTROL MESSAGE: Checking health"}]}"#;
    let payloads = [&gzip(message)[..], &gzip(control), b"{}", b"x", &gzip(b"[1]")];
    let shown = show(&decode(logs, &payloads));
    assert_eq!(
        shown[..4],
        [
            "0/0 logGroup=Text(\"g\") id=Text(\"1\") message=Text(\"a\")",
            "0/1 logGroup=Text(\"g\") id=Text(\"2\") message=Text(\"b\")",
            "2/0 not_cloudwatch_logs \"{}\"",
            "3/0 not_json \"x\"",
        ]
    );
    assert!(shown[4].starts_with("4/0 not_cloudwatch_logs"), "{}", shown[4]);
    let changes = decode(logs, &payloads);
    assert_eq!((changes.units(), changes.filtered()), (6, 1));
    assert!(ends_somewhere(&changes));
    for units in 1..4 {
        assert_eq!(in_pieces(logs, &payloads, Allowance { units, ..Allowance::ALL }), shown);
    }
}

#[test]
fn what_is_taken_apart_otherwise_has_another_form() {
    let mut forms: Vec<u8> = Vec::new();
    for format in [Format::Json, Format::Ndjson, Format::Raw, Format::CloudWatchLogs] {
        for compression in [Compression::Auto, Compression::None] {
            for aggregation in [Aggregation::Auto, Aggregation::None] {
                let options = DecodeOptions { format, compression, aggregation, ..JSON };
                forms.push(Decoder::new(options).form());
            }
        }
    }
    let count = forms.len();
    forms.sort_unstable();
    forms.dedup();
    assert_eq!((forms.len(), forms[0]), (count, 0));
}

/// Memory: a payload that grows beyond the room is left for a larger one, and is no dead letter for that.
#[test]
fn a_payload_waits_for_room() {
    let large = gzip(format!("\"{}\"", "x".repeat(50_000)).as_bytes());
    let (decoder, shard) = (Decoder::new(JSON), ShardId::new("s"));
    let mut records = records(&[b"1", &large, b"2"]);
    let small = Allowance { bytes: 10_000, ..Allowance::ALL };
    let first = decoder.decode(&shard, &mut records, small);
    assert_eq!((first.changes.len(), first.upto, records.len()), (1, Some(Sequence::new("0")), 2));
    assert_eq!(decoder.decode(&shard, &mut records, small).changes.units(), 0);
    let rest = decoder.decode(&shard, &mut records, Allowance { bytes: 100_000, ..Allowance::ALL });
    assert_eq!((rest.changes.len(), rest.changes.dead_letters().len(), records.len()), (2, 0, 0));
}
