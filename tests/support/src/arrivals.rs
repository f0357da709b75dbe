//! When records arrived, to the millisecond.
//!
//! The emulator cuts arrival times to whole seconds; AWS keeps milliseconds
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_Record.html>). So a record that was put after an instant
//! would look older than it. This notes the time of every put, and answers what depends on it.

use std::{collections::HashMap, sync::Arc, time::UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::RwLock;

/// The arrival times of all records, by stream. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Arc<RwLock<HashMap<String, Times>>>);

/// By sequence number, which the emulator gives out once in all shards of a stream: the shard, and the seconds since 1970.
type Times = HashMap<String, (String, f64)>;

impl Arrivals {
    /// Makes a put, and notes when its records arrived. Whoever asks for a time waits until both are done.
    pub(crate) async fn put<R>(&self, request: &Value, put: impl AsyncFnOnce() -> (R, Value)) -> R {
        let stream = request["StreamName"].as_str().unwrap_or_default();
        let mut streams = self.0.write().await;
        let now = seconds();
        let (reply, answer) = put().await;
        let times = streams.entry(stream.to_owned()).or_default();
        let many = answer["Records"].as_array().map(Vec::as_slice);
        for record in many.unwrap_or(std::slice::from_ref(&answer)) {
            if let (Some(shard), Some(sequence)) =
                (record["ShardId"].as_str(), record["SequenceNumber"].as_str())
            {
                times.insert(sequence.to_owned(), (shard.to_owned(), now));
            }
        }
        reply
    }

    /// Forgets a stream that is deleted.
    pub(crate) async fn forget(&self, stream: &str) {
        self.0.write().await.remove(stream);
    }

    /// Returns the first record of a shard that is not older than `time`, and lets no record come in while `then` uses it.
    pub(crate) async fn first_since<R>(
        &self,
        (stream, shard): (&str, &str),
        time: f64,
        then: impl AsyncFnOnce(Option<&str>) -> R,
    ) -> R {
        let streams = self.0.read().await;
        let times = streams.get(stream).into_iter().flatten();
        let young = times.filter(|(_, (listed, arrived))| listed == shard && *arrived >= time);
        let first = young
            .map(|(sequence, _)| sequence.as_str())
            .min_by_key(|sequence| (sequence.len(), *sequence));
        then(first).await
    }

    /// Puts the noted times into an answer of `GetRecords`.
    pub(crate) async fn correct(&self, records: &mut Value) {
        let streams = self.0.read().await;
        for record in records["Records"].as_array_mut().into_iter().flatten() {
            let sequence = record["SequenceNumber"].as_str().unwrap_or_default();
            // The answer does not name its stream. Streams created in the same second may share numbers; their times then
            // differ by less than a second.
            if let Some((_, arrived)) = streams.values().find_map(|times| times.get(sequence)) {
                record["ApproximateArrivalTimestamp"] = (*arrived).into();
            }
        }
    }
}

/// Returns the seconds since 1970, to the millisecond.
fn seconds() -> f64 {
    let millis = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
    // Exact: a double holds integers of 53 bits.
    millis.to_string().parse::<f64>().unwrap_or_default() / 1000.0
}
