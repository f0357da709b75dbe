//! What each operation answers: from the bytes of a request to those of an answer, without sockets.

use bytes::Bytes;
use serde_json::{Value, json};

use super::cbor::Wire;
use super::shard::Shard;

/// The stream with all it holds.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) shards: Vec<Shard>,
}

/// An answer in three pieces, of which the middle one is shared with the shard.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Bytes,
    pub(super) records: Bytes,
    pub(super) tail: Bytes,
}

/// Why a request is refused: the service's code, and a sentence.
#[derive(Debug)]
pub(super) struct Fault(&'static str, String);

/// Returns the present time in milliseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "arrival times and the lag are told by the clock of the machine"
)]
pub(super) fn now() -> u64 {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Stream {
    /// Answers one request.
    pub(super) fn answer(&self, operation: &str, body: &[u8], wire: Wire) -> Result<Answer, Fault> {
        let request = wire.decode(body).map_err(|error| Fault("SerializationException", error))?;
        if operation == "GetRecords" {
            return self.get_records(&request, wire);
        }
        self.answer_in_json(operation, &request).map(|answer| Answer::new(&answer, wire))
    }

    fn answer_in_json(&self, operation: &str, request: &Value) -> Result<Value, Fault> {
        match operation {
            "GetShardIterator" => self.get_shard_iterator(request),
            "ListShards" => self.list_shards(request),
            "DescribeStreamSummary" => {
                self.named(request)?;
                let mut summary = self.summary();
                summary["OpenShardCount"] = self.shards.len().into();
                Ok(json!({ "StreamDescriptionSummary": summary }))
            }
            "DescribeStream" => self.describe_stream(request),
            "ListStreams" => Ok(json!({ "StreamNames": [self.name], "HasMoreStreams": false })),
            other => Err(Fault(
                "UnknownOperationException",
                format!("{other} is not served by a replay"),
            )),
        }
    }

    fn get_records(&self, request: &Value, wire: Wire) -> Result<Answer, Fault> {
        let iterator = text(request, "ShardIterator")?;
        let (shard, position) =
            self.place(iterator).ok_or_else(|| invalid(format!("no iterator: {iterator}")))?;
        let limit =
            match &request["Limit"] {
                Value::Null => 10_000,
                limit => limit.as_u64().filter(|limit| (1..=10_000).contains(limit)).ok_or_else(
                    || invalid(format!("Limit must be between 1 and 10000, not {limit}")),
                )?,
            };
        let page = shard.page(position, usize::try_from(limit).unwrap_or(usize::MAX));
        let behind =
            if page.end < shard.len() { now().saturating_sub(shard.arrival(page.end)) } else { 0 };
        let head = wire.head(&iterator_at(shard, page.end), behind);
        Ok(Answer {
            head: head.into(),
            records: shard.records(&page, wire),
            tail: Bytes::from_static(wire.tail()),
        })
    }

    fn get_shard_iterator(&self, request: &Value) -> Result<Value, Fault> {
        self.named(request)?;
        let id = text(request, "ShardId")?;
        let shard = self
            .shards
            .iter()
            .find(|shard| shard.id() == id)
            .ok_or_else(|| missing(format!("no shard {id}")))?;
        let sequence = || {
            let sequence = text(request, "StartingSequenceNumber")?;
            shard
                .position(sequence)
                .ok_or_else(|| invalid(format!("{sequence} is not of shard {id}")))
        };
        let position = match text(request, "ShardIteratorType")? {
            "TRIM_HORIZON" => 0,
            "LATEST" => shard.len(),
            "AT_TIMESTAMP" => shard.arrived_from(millis(&request["Timestamp"])?),
            "AT_SEQUENCE_NUMBER" => sequence()?,
            "AFTER_SEQUENCE_NUMBER" => sequence()? + 1,
            other => return Err(invalid(format!("no type of iterator: {other}"))),
        };
        Ok(json!({ "ShardIterator": iterator_at(shard, position) }))
    }

    fn list_shards(&self, request: &Value) -> Result<Value, Fault> {
        // A token stands for the stream and for the place in it.
        let after = if let Some(token) = request["NextToken"].as_str() {
            Some(token)
        } else {
            self.named(request)?;
            request["ExclusiveStartShardId"].as_str()
        };
        let (shards, next) = self.shards_after(after, &request["MaxResults"]);
        let mut answer = json!({ "Shards": shards });
        if let Some(next) = next {
            answer["NextToken"] = next.into();
        }
        Ok(answer)
    }

    fn describe_stream(&self, request: &Value) -> Result<Value, Fault> {
        self.named(request)?;
        let (shards, next) =
            self.shards_after(request["ExclusiveStartShardId"].as_str(), &request["Limit"]);
        let mut description = self.summary();
        description["Shards"] = shards.into();
        description["HasMoreShards"] = next.is_some().into();
        Ok(json!({ "StreamDescription": description }))
    }

    /// Returns a page of shards, and the last one's name if there are more.
    fn shards_after(&self, after: Option<&str>, most: &Value) -> (Vec<Value>, Option<String>) {
        let most = most.as_u64().and_then(|most| usize::try_from(most).ok()).unwrap_or(1_000);
        let width = u128::MAX / self.shards.len() as u128;
        let all: Vec<(String, Value)> = self
            .shards
            .iter()
            .enumerate()
            .map(|(index, shard)| {
                let begin = width * index as u128;
                let end = if index + 1 == self.shards.len() { u128::MAX } else { begin + (width - 1) };
                let value = json!({
                    "ShardId": shard.id(),
                    "HashKeyRange": { "StartingHashKey": begin.to_string(), "EndingHashKey": end.to_string() },
                    "SequenceNumberRange": { "StartingSequenceNumber": shard.sequence(0) },
                });
                (shard.id(), value)
            })
            .filter(|(id, _)| after.is_none_or(|after| id.as_str() > after))
            .collect();
        let next = if all.len() > most {
            all.get(most.saturating_sub(1)).map(|(id, _)| id.clone())
        } else {
            None
        };
        (all.into_iter().take(most).map(|(_, value)| value).collect(), next)
    }

    /// Returns what both descriptions of the stream say.
    fn summary(&self) -> Value {
        json!({
            "StreamName": self.name,
            "StreamARN": self.arn(),
            "StreamStatus": "ACTIVE",
            "StreamModeDetails": { "StreamMode": "PROVISIONED" },
            "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_700_000_000,
            "EnhancedMonitoring": [],
        })
    }

    fn arn(&self) -> String {
        format!("arn:aws:kinesis:us-east-1:000000000000:stream/{}", self.name)
    }

    /// Checks that the request means this stream.
    fn named(&self, request: &Value) -> Result<(), Fault> {
        let named = |member: &str, expected: &str| match request[member].as_str() {
            Some(name) if name != expected => Err(missing(format!("no stream {name}"))),
            name => Ok(name.is_some()),
        };
        if named("StreamName", &self.name)? | named("StreamARN", &self.arn())? {
            Ok(())
        } else {
            Err(invalid("neither StreamName nor StreamARN is given".to_owned()))
        }
    }

    /// Returns where an iterator points.
    fn place(&self, iterator: &str) -> Option<(&Shard, usize)> {
        let (shard, position) = iterator.split_once(':')?;
        Some((
            self.shards.iter().find(|candidate| candidate.id() == shard)?,
            position.parse().ok()?,
        ))
    }
}

fn iterator_at(shard: &Shard, position: usize) -> String {
    format!("{}:{position}", shard.id())
}

fn text<'a>(request: &'a Value, member: &str) -> Result<&'a str, Fault> {
    request[member].as_str().ok_or_else(|| invalid(format!("{member} is missing")))
}

/// Reads seconds since 1970 with a fraction, as the protocol has times.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a time after 1970"
)]
fn millis(seconds: &Value) -> Result<u64, Fault> {
    match seconds.as_f64() {
        Some(seconds) if (0.0..1e12).contains(&seconds) => Ok((seconds * 1000.0).round() as u64),
        _ => Err(invalid(format!("no time: {seconds}"))),
    }
}

fn invalid(message: String) -> Fault {
    Fault("InvalidArgumentException", message)
}

fn missing(message: String) -> Fault {
    Fault("ResourceNotFoundException", message)
}

impl Answer {
    fn new(answer: &Value, wire: Wire) -> Self {
        Self { head: wire.encode(answer).into(), records: Bytes::new(), tail: Bytes::new() }
    }
}

impl Fault {
    /// Returns what a client is told.
    pub(super) fn answer(self, wire: Wire) -> Answer {
        Answer::new(&json!({ "__type": self.0, "message": self.1 }), wire)
    }
}
