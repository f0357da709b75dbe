//! Any bytes, with any options and any allowance: the decoder returns, every unit ends somewhere, and pieces are the whole.
#![no_main]

use ctk_decode::{Aggregation, Compression, DecodeOptions, Decoder, Format, Layout};
use ctk_flow::{Allowance, Changes, Decode, Record, Sequence, ShardId, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (choice, units, data) = input;
    let formats = match choice & 32 {
        0 => [Format::Json, Format::Ndjson, Format::Raw, Format::CloudWatchLogs],
        _ => [Format::Dms, Format::DynamoDb, Format::Dms, Format::DynamoDb],
    };
    let options = DecodeOptions {
        format: formats[usize::from(choice & 3)],
        compression: if choice & 4 == 0 { Compression::Auto } else { Compression::None },
        max_record_bytes: 1 << 20,
        layout: if choice & 8 == 0 { Layout::Columns } else { Layout::Document },
        aggregation: if choice & 16 == 0 { Aggregation::Auto } else { Aggregation::None },
        whole_updates: choice & 64 != 0,
    };
    let (decoder, shard) = (Decoder::new(options), ShardId::new("shard"));
    let records = || {
        let (data, sequence) = (data.to_vec(), Sequence::new("1"));
        let record = Record { data, sequence, partition_key: None, arrived_at: None, done: 0 };
        [record].into()
    };
    let whole = decoder.decode(&shard, &mut records(), Allowance::ALL).changes;
    check(&whole);
    let (mut rest, mut pieces) = (records(), 0);
    while !rest.is_empty() {
        let allowance = Allowance { units: u64::from(units) + 1, ..Allowance::ALL };
        let piece = decoder.decode(&shard, &mut rest, allowance).changes;
        check(&piece);
        pieces += piece.units();
    }
    assert_eq!(pieces, whole.units());
});

fn check(changes: &Changes) {
    let ended = changes.len() as u64 + changes.dead_letters().len() as u64 + changes.filtered();
    assert_eq!(changes.units(), ended);
    for (_, value) in changes.rows().flat_map(|row| row.cells().collect::<Vec<_>>()) {
        if let Value::Json(text) | Value::Decimal(text) | Value::BigInteger(text) = value {
            assert!(!text.is_empty());
        }
    }
}
