//! The other protocol of a replay: messages in CBOR 1.1, with times as tag 1 and milliseconds, as on AWS.

use ciborium::Value as Cbor;
use serde_json::{Number, Value, json};

/// The tag of a time.
const TIME: u64 = 1;

/// Members that are times. In JSON they look like any number.
const TIMES: [&str; 1] = ["StreamCreationTimestamp"];

/// How a message is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// JSON 1.1.
    Json,
    /// CBOR 1.1.
    Cbor,
}

impl Wire {
    /// Returns what a content type stands for.
    pub(super) fn of(content_type: &str) -> Self {
        if content_type.starts_with(Self::Cbor.content_type()) { Self::Cbor } else { Self::Json }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/x-amz-json-1.1",
            Self::Cbor => "application/x-amz-cbor-1.1",
        }
    }

    /// Reads a request, with its times as JSON has them, in seconds.
    pub(super) fn decode(self, body: &[u8]) -> Result<Value, String> {
        match self {
            Self::Json => serde_json::from_slice(body).map_err(|error| error.to_string()),
            Self::Cbor => {
                ciborium::from_reader(body).map_err(|error| error.to_string()).and_then(plain)
            }
        }
    }

    /// Writes an answer that has no records.
    pub(super) fn encode(self, answer: &Value) -> Vec<u8> {
        match self {
            Self::Json => answer.to_string().into_bytes(),
            Self::Cbor => write(&tagged("", answer)),
        }
    }

    /// Writes an answer up to its first record.
    pub(super) fn head(self, next: &str, behind: u64) -> Vec<u8> {
        match self {
            Self::Json => format!(
                r#"{{"NextShardIterator":"{next}","MillisBehindLatest":{behind},"Records":["#
            )
            .into_bytes(),
            Self::Cbor => {
                let answer = json!({ "NextShardIterator": next, "MillisBehindLatest": behind });
                let mut head = self.encode(&answer);
                // A map with one more member, and that one a list of which the end is marked.
                head[0] += 1;
                head.extend(write(&Cbor::from("Records")));
                head.push(0x9f);
                head
            }
        }
    }

    /// What stands behind the last record.
    pub(super) fn tail(self) -> &'static [u8] {
        match self {
            Self::Json => b"]}",
            Self::Cbor => b"\xff",
        }
    }
}

/// Returns a record as it stands in the list of an answer.
pub(super) fn record(sequence: &str, arrival: u64, key: &str, data: &[u8]) -> Vec<u8> {
    let time = Cbor::Tag(TIME, Box::new(arrival.into()));
    let members = [
        ("SequenceNumber", sequence.into()),
        ("ApproximateArrivalTimestamp", time),
        ("PartitionKey", key.into()),
        ("Data", Cbor::Bytes(data.to_vec())),
    ];
    write(&Cbor::Map(members.map(|(name, value)| (name.into(), value)).into()))
}

fn write(value: &Cbor) -> Vec<u8> {
    let mut written = Vec::new();
    // A vector takes everything, and all of this can be written.
    ciborium::into_writer(value, &mut written).unwrap_or_default();
    written
}

fn tagged(member: &str, value: &Value) -> Cbor {
    match value {
        Value::Number(seconds) if TIMES.contains(&member) => {
            let millis = seconds.as_u64().unwrap_or_default() * 1000;
            Cbor::Tag(TIME, Box::new(millis.into()))
        }
        Value::Null => Cbor::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => match number.as_u64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or_default().into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => Cbor::Array(list.iter().map(|value| tagged("", value)).collect()),
        Value::Object(members) => Cbor::Map(
            members
                .iter()
                .map(|(name, value)| (name.as_str().into(), tagged(name, value)))
                .collect(),
        ),
    }
}

fn plain(value: Cbor) -> Result<Value, String> {
    Ok(match value {
        Cbor::Bool(value) => value.into(),
        Cbor::Integer(number) => match i64::try_from(number) {
            Ok(number) => number.into(),
            Err(_) => return Err("an integer that is too large".to_owned()),
        },
        Cbor::Float(number) => Number::from_f64(number).into(),
        Cbor::Text(text) => text.into(),
        Cbor::Tag(TIME, millis) => match plain(*millis)?.as_f64() {
            Some(millis) => (millis / 1000.0).into(),
            None => return Err("a time that is no number".to_owned()),
        },
        Cbor::Array(list) => list.into_iter().map(plain).collect::<Result<_, _>>()?,
        Cbor::Map(members) => {
            let member = |(name, value): (Cbor, Cbor)| match name {
                Cbor::Text(name) => Ok((name, plain(value)?)),
                _ => Err("a member without a name".to_owned()),
            };
            members.into_iter().map(member).collect::<Result<_, _>>()?
        }
        _ => Value::Null,
    })
}
