//! Any bytes, with any options: the decoder returns, and every unit ends somewhere.
#![no_main]

use ctk_decode::{Aggregation, Compression, DecodeOptions, Decoder, Format, Layout};
use ctk_flow::{Decode, Record, Sequence, ShardId, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (choice, data) = input;
    let options = DecodeOptions {
        format: [Format::Json, Format::Ndjson, Format::Raw, Format::Json][usize::from(choice & 3)],
        compression: if choice & 4 == 0 { Compression::Auto } else { Compression::None },
        max_record_bytes: 1 << 20,
        layout: if choice & 8 == 0 { Layout::Columns } else { Layout::Document },
        aggregation: if choice & 16 == 0 { Aggregation::Auto } else { Aggregation::None },
    };
    let sequence = Sequence::new("1");
    let record = Record { data: data.to_vec(), sequence, partition_key: None, arrived_at: None };
    let changes = Decoder::new(options).decode(&ShardId::new("shard"), vec![record]);
    let ended = changes.len() as u64 + changes.dead_letters().len() as u64 + changes.filtered();
    assert_eq!(changes.units(), ended);
    for (_, value) in changes.rows().flat_map(|row| row.cells().collect::<Vec<_>>()) {
        if let Value::Json(text) | Value::Decimal(text) | Value::BigInteger(text) = value {
            assert!(!text.is_empty());
        }
    }
});
