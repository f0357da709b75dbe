//! The envelope: where a row came from, as columns. The same as dlt's `kinesis_stream` writes.

use base64::{Engine, engine::general_purpose::STANDARD};
use ctk_flow::{Millis, Origin, ShardId};

use crate::names::shake;

/// How much of it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// The message id, and `_kinesis` with everything else.
    Full,
    /// The message id only.
    Id,
    /// Nothing: records that are read again become further rows.
    None,
}

/// The id of a message: the first 15 bytes of SHAKE128 over shard id and sequence number, as base64, so 20 characters; for
/// the parts of a record beyond the first, `/` and the index.
///
/// Two runs that read the same record make the same id, and that is what makes repeated reading harmless. It stands in
/// place, without an allocation, since a batch has many; ids are ordered as their text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    digest: [u8; 20],
    sub_sequence: u32,
}

impl MessageId {
    /// Returns the id of a record, or of a part of one.
    pub fn new(shard: &ShardId, origin: &Origin, sub_sequence: u32) -> Self {
        let mut digest = [0_u8; 15];
        shake(&[shard.as_str().as_bytes(), origin.sequence.as_str().as_bytes()], &mut digest);
        let mut text = [0; 20];
        // Fifteen bytes are twenty characters, so it fits.
        drop(STANDARD.encode_slice(digest, &mut text));
        Self { digest: text, sub_sequence }
    }

    /// Appends the text.
    pub fn write(&self, out: &mut String) {
        // Base64 is ASCII.
        out.push_str(std::str::from_utf8(&self.digest).unwrap_or_default());
        if self.sub_sequence > 0 {
            out.push('/');
            out.push_str(itoa::Buffer::new().format(self.sub_sequence));
        }
    }
}

/// Writes the `_kinesis` object of the rows of one shard.
#[derive(Clone, Debug)]
pub struct EnvelopeWriter {
    /// `{"shard_id":"…","seq_no":"`
    head: String,
    /// `,"stream_name":"…"}`
    tail: String,
    day: Day,
    time: Time,
    has_nul: bool,
}

/// How arrival times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// ISO 8601.
    Text,
    /// Milliseconds since 1970.
    Millis,
}

impl EnvelopeWriter {
    /// Returns a writer; the parts that are the same for all rows are made once.
    pub fn new(stream: &str, shard: &ShardId) -> Self {
        Self {
            head: format!("{{\"shard_id\":{},\"seq_no\":\"", json_text(shard.as_str())),
            tail: format!(",\"stream_name\":{}}}", json_text(stream)),
            day: Day::default(),
            time: Time::Text,
            has_nul: true,
        }
    }

    /// Returns the writer for databases that cannot hold a NUL character: a partition key with one is written as
    /// `partition_bytes`, in base64.
    pub fn without_nul(mut self) -> Self {
        self.has_nul = false;
        self
    }

    /// Returns the writer, with times as `time` has it.
    pub fn with_time(mut self, time: Time) -> Self {
        self.time = time;
        self
    }

    /// Appends the object as JSON text.
    pub fn write(&mut self, origin: &Origin, sub_sequence: u32, out: &mut String) {
        out.push_str(&self.head);
        out.push_str(origin.sequence.as_str());
        out.push_str("\",\"sub_seq\":");
        out.push_str(itoa::Buffer::new().format(sub_sequence));
        out.push_str(",\"ts\":");
        match origin.arrived_at {
            Some(at) if self.time == Time::Millis => out.push_str(itoa::Buffer::new().format(at)),
            Some(at) => {
                out.push('"');
                self.day.write(at, out);
                out.push('"');
            }
            None => out.push_str("null"),
        }
        out.push_str(",\"partition\":");
        match &origin.partition_key {
            Some(key) if !self.has_nul && key.contains('\0') => {
                out.push_str("null,\"partition_bytes\":\"");
                STANDARD.encode_string(key, out);
                out.push('"');
            }
            Some(key) => push_json_text(key, out),
            None => out.push_str("null"),
        }
        out.push_str(&self.tail);
    }
}

/// Appends a text as JSON. Most need no escapes, and are copied as a whole.
pub(crate) fn push_json_text(text: &str, out: &mut String) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

fn json_text(text: &str) -> String {
    let mut json = String::new();
    push_json_text(text, &mut json);
    json
}

/// Writes times as ISO 8601 with milliseconds, UTC: `2026-11-20T18:33:24.123Z`. Remembers the text of the last day: arrival times of neighbouring records mostly share it.
#[derive(Clone, Debug, Default)]
struct Day {
    number: Option<i64>,
    text: String,
}

const DAY: i64 = 86_400_000;

impl Day {
    fn write(&mut self, millis: Millis, out: &mut String) {
        let number = millis.div_euclid(DAY);
        if self.number != Some(number) {
            self.number = Some(number);
            self.text = chrono::DateTime::from_timestamp_millis(number * DAY).map_or_else(
                || "0000-00-00T".to_owned(),
                |day| day.format("%Y-%m-%dT").to_string(),
            );
        }
        out.push_str(&self.text);
        let rest = millis.rem_euclid(DAY);
        for (value, width, after) in [
            (rest / 3_600_000, 2, ':'),
            (rest / 60_000 % 60, 2, ':'),
            (rest / 1000 % 60, 2, '.'),
            (rest % 1000, 3, 'Z'),
        ] {
            let mut place = 10_i64.pow(width - 1);
            while place > 0 {
                out.push(char::from(
                    b"0123456789"[usize::try_from(value / place % 10).unwrap_or_default()],
                ));
                place /= 10;
            }
            out.push(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use ctk_flow::Sequence;
    use proptest::prelude::*;

    use super::*;

    fn origin(sequence: &str, key: Option<&str>, at: Option<Millis>) -> Origin {
        Origin {
            sequence: Sequence::new(sequence),
            partition_key: key.map(str::to_owned),
            arrived_at: at,
        }
    }

    #[test]
    fn the_message_id_is_that_of_dlt() {
        let shard = ShardId::new("shardId-000000000000");
        let origin = origin("49650000000000000000000000000000000000000000000000000002", None, None);
        let id = |sub_sequence| {
            let mut text = String::new();
            MessageId::new(&shard, &origin, sub_sequence).write(&mut text);
            text
        };
        assert_eq!(id(0), "DeuQ8z+1d37HRjsb9z9/");
        assert_eq!(id(2), "DeuQ8z+1d37HRjsb9z9//2");
    }

    #[test]
    fn the_envelope_is_json() {
        let check = |origin: &Origin, expected: &str| {
            let mut text = String::new();
            EnvelopeWriter::new("my \"stream\"", &ShardId::new("shard-1"))
                .write(origin, 3, &mut text);
            assert_eq!(text, expected);
            serde_json::from_str::<serde_json::Value>(&text).unwrap();
        };
        check(
            &origin("42", Some("key"), Some(1_700_000_000_123)),
            r#"{"shard_id":"shard-1","seq_no":"42","sub_seq":3,"ts":"2023-11-14T22:13:20.123Z","partition":"key","stream_name":"my \"stream\""}"#,
        );
        check(
            &origin("42", None, None),
            r#"{"shard_id":"shard-1","seq_no":"42","sub_seq":3,"ts":null,"partition":null,"stream_name":"my \"stream\""}"#,
        );
        check(
            &origin("42", Some("a\"\n"), Some(-1)),
            r#"{"shard_id":"shard-1","seq_no":"42","sub_seq":3,"ts":"1969-12-31T23:59:59.999Z","partition":"a\"\n","stream_name":"my \"stream\""}"#,
        );
    }

    #[test]
    fn a_key_with_a_nul_character_is_kept_as_bytes() {
        let mut text = String::new();
        EnvelopeWriter::new("s", &ShardId::new("shard-1")).without_nul().write(
            &origin("42", Some("a\0b"), None),
            0,
            &mut text,
        );
        assert!(
            text.contains(r#""partition":null,"partition_bytes":"YQBi","stream_name""#),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn times_are_those_of_chrono(millis in -60_000_000_000_000_i64..250_000_000_000_000) {
            let expected = chrono::DateTime::from_timestamp_millis(millis).unwrap();
            let mut text = String::new();
            Day::default().write(millis, &mut text);
            prop_assert_eq!(text, expected.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
        }
    }
}
