//! Any message, sealed as the Kinesis Producer Library does it: it is taken apart or is a plain record, and nothing is lost.
//!
//! A fuzzer does not find an MD5, so the target `decode` never gets behind it.
#![no_main]

use ctk_decode::{DecodeOptions, Decoder, Format};
use ctk_flow::{Allowance, Decode, Record, Sequence, ShardId};
use libfuzzer_sys::fuzz_target;
use md5::{Digest, Md5};

fuzz_target!(|input: (bool, &[u8])| {
    let (raw, message) = input;
    let format = if raw { Format::Raw } else { Format::Json };
    let options = DecodeOptions { format, max_record_bytes: 1 << 20, ..DecodeOptions::default() };
    let data = [&[0xf3, 0x89, 0x9a, 0xc2][..], message, &Md5::digest(message)].concat();
    let record = Record {
        data,
        sequence: Sequence::new("1"),
        partition_key: None,
        arrived_at: None,
        done: 0,
    };
    let changes = Decoder::new(options)
        .decode(&ShardId::new("shard"), &mut [record].into(), Allowance::ALL)
        .changes;
    let ended = changes.len() as u64 + changes.dead_letters().len() as u64 + changes.filtered();
    assert_eq!(changes.units(), ended);
    assert!(ended > 0);
});
