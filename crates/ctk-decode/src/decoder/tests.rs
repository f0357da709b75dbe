//! Whole records: formats, layouts, compression, and that every unit ends somewhere.

use std::io::Write;

use ctk_flow::Sequence;
use flate2::write::GzEncoder;
use proptest::{collection::vec, prelude::*};

use super::*;

const JSON: DecodeOptions = DecodeOptions {
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
    }
}

fn decode(options: DecodeOptions, payloads: &[&[u8]]) -> Changes {
    let records = payloads.iter().enumerate().map(|(index, data)| record(index, data)).collect();
    Decoder::new(options).decode(&ShardId::new("s"), records)
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
fn an_aggregate_says_what_it_is() {
    for options in [JSON, NDJSON, RAW] {
        let changes = decode(options, &[b"\xf3\x89\x9a\xc2rest"]);
        assert_eq!(changes.units(), 1);
        assert_eq!(changes.dead_letters()[0].reason, Reason::Aggregate);
        assert!(changes.dead_letters()[0].error.contains("KPL aggregate"));
        assert_eq!(changes.dead_letters()[0].payload, b"\xf3\x89\x9a\xc2rest");
    }
    let left_alone = DecodeOptions { aggregation: Aggregation::None, ..RAW };
    let changes = decode(left_alone, &[b"\xf3\x89\x9a\xc2rest"]);
    assert_eq!(changes.row(0).cells().next().unwrap().1, Value::Bytes(b"\xf3\x89\x9a\xc2rest"));
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
    let format = prop::sample::select(vec![Format::Json, Format::Ndjson, Format::Raw]);
    let compression = prop::sample::select(vec![Compression::Auto, Compression::None]);
    let layout = prop::sample::select(vec![Layout::Columns, Layout::Document]);
    (format, compression, layout).prop_map(|(format, compression, layout)| DecodeOptions {
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
