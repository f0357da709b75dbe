//! Aggregates: records that the Kinesis Producer Library made of several.
//!
//! ```text
//! f3 89 9a c2 │ AggregatedRecord, a protobuf message │ MD5 of the message
//! ```
//!
//! The format is described in <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>. What
//! begins like an aggregate and is none, or a damaged one, is a plain record, as the Kinesis Client Library has it.
//!
//! Every user record is kept, whatever its keys are. The Kinesis Client Library drops an aggregate when a hash key in it lies
//! outside of the shard, and so loses aggregates on streams that spread their records by themselves
//! (<https://docs.aws.amazon.com/streams/latest/dev/service-managed-pk-kpl-aggregation.html>). So hash keys are
//! not looked at. A partition key that is missing, is no UTF-8, is longer than Kinesis allows, or lies outside of the table is
//! `None`, and the data is kept.

mod wire;

use md5::{Digest as _, Md5};
use wire::{Broken, Fields, Wire};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;

/// Characters of a partition key (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecord.html>). Many records
/// share a key and each gets a copy, so it must not be as long as it likes.
const LONGEST_KEY: usize = 256;

// The fields of AggregatedRecord.
const PARTITION_KEYS: u32 = 1;
const EXPLICIT_HASH_KEYS: u32 = 2;
const RECORDS: u32 = 3;

/// An aggregate that was looked through as a whole.
///
/// It holds no list of its user records, of which a payload may hold millions; they are found again as they are asked for.
/// It does hold the table of keys: 16 bytes for each key, which takes two bytes of the payload at least.
#[derive(Debug)]
pub(crate) struct Aggregate<'a> {
    message: &'a [u8],
    partition_keys: Vec<Option<&'a str>>,
    len: usize,
}

/// One of the records that an aggregate was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UserRecord<'a> {
    /// What the producer called it by.
    pub(crate) partition_key: Option<&'a str>,
    /// Its payload.
    pub(crate) data: &'a [u8],
}

impl<'a> Aggregate<'a> {
    /// Returns the aggregate that `bytes` are; `None` when they are no whole, undamaged one, so a plain record.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (message, digest) = bytes.strip_prefix(&MAGIC)?.split_last_chunk::<DIGEST_BYTES>()?;
        if message.is_empty() || Md5::digest(message)[..] != digest[..] {
            return None;
        }
        Self::read(message).ok()
    }

    fn read(message: &'a [u8]) -> Result<Self, Broken> {
        let (mut partition_keys, mut len) = (0, 0);
        for field in Fields::of(message) {
            match field? {
                (PARTITION_KEYS, Wire::Bytes(_)) => partition_keys += 1,
                (EXPLICIT_HASH_KEYS, Wire::Bytes(_)) => {}
                (RECORDS, Wire::Bytes(record)) => {
                    Entry::read(record)?;
                    len += 1;
                }
                (PARTITION_KEYS | EXPLICIT_HASH_KEYS | RECORDS, _) => return Err(Broken),
                _ => {}
            }
        }
        Ok(Self { message, partition_keys: table(message, PARTITION_KEYS, partition_keys), len })
    }

    /// Returns how many user records there are, which may be none.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the user records in their order. Nothing is copied, so those that are skipped cost next to nothing.
    pub(crate) fn records(&self) -> impl Iterator<Item = UserRecord<'a>> {
        // `parse` has seen that they can be read.
        values(self.message, RECORDS).filter_map(|record| Entry::read(record).ok()).map(|entry| {
            UserRecord {
                partition_key: key(&self.partition_keys, entry.partition_key),
                data: entry.data,
            }
        })
    }
}

/// A user record as it is written: its key is a place in the table.
#[derive(Default)]
struct Entry<'a> {
    partition_key: Option<u64>,
    data: &'a [u8],
}

impl<'a> Entry<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Broken> {
        let mut entry = Self::default();
        for field in Fields::of(message) {
            match field? {
                // Of a field that comes twice, the last counts; protobuf has it so.
                (1, Wire::Varint(index)) => entry.partition_key = Some(index),
                (3, Wire::Bytes(data)) => entry.data = data,
                // A hash key, and tags, which no producer writes; nobody looks into them.
                (2, Wire::Varint(_)) | (4, Wire::Bytes(_)) => {}
                (1..=4, _) => return Err(Broken),
                _ => {}
            }
        }
        Ok(entry)
    }
}

/// Returns the `len` keys of a table.
fn table(message: &[u8], number: u32, len: usize) -> Vec<Option<&str>> {
    let mut table = Vec::with_capacity(len);
    let key = |key| str::from_utf8(key).ok().filter(|key| key.chars().nth(LONGEST_KEY).is_none());
    table.extend(values(message, number).map(key));
    table
}

/// Returns what the field `number` holds, each time it comes, in a message that is known to be whole.
fn values(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    Fields::of(message).filter_map(move |field| match field {
        Ok((found, Wire::Bytes(bytes))) if found == number => Some(bytes),
        _ => None,
    })
}

fn key<'a>(table: &[Option<&'a str>], index: Option<u64>) -> Option<&'a str> {
    *table.get(usize::try_from(index?).ok()?)?
}

#[cfg(test)]
mod tests;
