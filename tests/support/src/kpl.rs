//! Payloads of producers that pack: aggregates of the Kinesis Producer Library, subscriptions of CloudWatch Logs.
//!
//! Formats: <https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md>,
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use md5::{Digest as _, Md5};
use serde_json::json;

/// Returns an aggregate of `records`, each a partition key, an explicit hash key and data; keys that are alike are written
/// once, as the library does it.
pub fn aggregate(records: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let (mut partition_keys, mut hash_keys) = (Vec::new(), Vec::new());
    let mut entries = Vec::new();
    for (partition_key, hash_key, data) in records {
        let mut entry = Vec::new();
        integer(&mut entry, 1, place(&mut partition_keys, partition_key));
        if let Some(hash_key) = hash_key {
            integer(&mut entry, 2, place(&mut hash_keys, hash_key));
        }
        bytes(&mut entry, 3, data);
        bytes(&mut entries, 3, &entry);
    }
    let mut message = Vec::new();
    for key in partition_keys {
        bytes(&mut message, 1, key.as_bytes());
    }
    for key in hash_keys {
        bytes(&mut message, 2, key.as_bytes());
    }
    message.extend(entries);
    let digest = Md5::digest(&message);
    [&[0xf3, 0x89, 0x9a, 0xc2][..], &message, &digest].concat()
}

/// Returns what a subscription sends: `events`, each a time in milliseconds and a message, of one log group, as gzip.
pub fn cloudwatch(log_group: &str, events: &[(u64, &str)]) -> Vec<u8> {
    let events: Vec<_> = events
        .iter()
        .enumerate()
        .map(|(index, (timestamp, message))| {
            json!({"id": format!("{index:056}"), "timestamp": timestamp, "message": message})
        })
        .collect();
    let message = json!({
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": log_group,
        "logStream": "stream",
        "subscriptionFilters": ["filter"],
        "logEvents": events,
    });
    gzip(message.to_string().as_bytes())
}

#[expect(clippy::expect_used, reason = "writing into a vector cannot fail")]
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("bytes are written");
    encoder.finish().expect("the end is written")
}

/// Returns the place of `key` in `table`, at the end of it when it is new.
fn place<'a>(table: &mut Vec<&'a str>, key: &'a str) -> usize {
    table.iter().position(|known| *known == key).unwrap_or_else(|| {
        table.push(key);
        table.len() - 1
    })
}

/// Writes the field `number`, an integer.
fn integer(message: &mut Vec<u8>, number: usize, value: usize) {
    varint(message, number << 3);
    varint(message, value);
}

/// Writes the field `number`, which holds bytes, a text or a message.
fn bytes(message: &mut Vec<u8>, number: usize, bytes: &[u8]) {
    varint(message, number << 3 | 2);
    varint(message, bytes.len());
    message.extend(bytes);
}

/// Writes seven bits a byte, the lowest first; all but the last byte have the highest bit set.
fn varint(message: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        message.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    message.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_aggregate_is_known_in_every_byte() {
        let expected = b"\xf3\x89\x9a\xc2\
            \x0a\x01a\x0a\x01b\
            \x12\x017\
            \x1a\x06\x08\x00\x1a\x02hi\
            \x1a\x07\x08\x01\x10\x00\x1a\x01!\
            \x62\xae\x1f\xa0\xf7\x44\x33\x6b\xcf\x5c\x85\x0a\x5e\xdb\x73\x5f";
        assert_eq!(aggregate(&[("a", None, b"hi"), ("b", Some("7"), b"!")]), expected);
    }

    #[test]
    fn keys_are_written_once_and_long_data_has_a_long_length() {
        let data = [b'x'; 300];
        let records = [("a", Some("7"), &data[..]), ("b", Some("7"), b""), ("a", None, b"")];
        let aggregate = aggregate(&records);
        let head = b"\x0a\x01a\x0a\x01b\x12\x017\x1a\xb3\x02\x08\x00\x10\x00\x1a\xac\x02xx";
        assert_eq!(&aggregate[4..][..head.len()], head);
        let tail = b"x\x1a\x06\x08\x01\x10\x00\x1a\x00\x1a\x04\x08\x00\x1a\x00";
        assert!(aggregate[..aggregate.len() - 16].ends_with(tail));
    }

    #[test]
    fn a_subscription_holds_its_events() {
        let zipped = cloudwatch("group", &[(1, "a \"b\""), (2, "")]);
        let mut text = String::new();
        GzDecoder::new(&zipped[..]).read_to_string(&mut text).unwrap();
        let message: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(message["messageType"], "DATA_MESSAGE");
        assert_eq!(message["logGroup"], "group");
        let events = message["logEvents"].as_array().unwrap();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["message"], "a \"b\"");
        assert_eq!(events[1]["timestamp"], 2);
        assert_ne!(events[0]["id"], events[1]["id"]);
    }
}
