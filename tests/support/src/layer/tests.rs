//! The layer as a client sees it: over the socket, without the reader that it is made to test.

mod broken;
mod limits;
mod listing;
mod records;
mod shards;

use serde_json::{Value, json};

use crate::{
    client::Client,
    embedded::{Kinesis, Options},
};

/// The first shard of a stream.
const SHARD: &str = "shardId-000000000000";

/// A stream of one shard, with these payloads in it.
struct Stream {
    kinesis: Kinesis,
    socket: Client,
    sequences: Vec<String>,
}

impl Stream {
    async fn of(payloads: &[&str]) -> Self {
        let kinesis = Kinesis::start(Options::default()).await.unwrap();
        kinesis.create_stream("s", 1).await.unwrap();
        let socket = Client::new(kinesis.address());
        let mut stream = Self { kinesis, socket, sequences: Vec::new() };
        for payload in payloads {
            stream.put(payload).await;
        }
        stream
    }

    async fn put(&mut self, payload: &str) {
        let (_, sequence) = self.kinesis.put("s", payload, payload.as_bytes()).await.unwrap();
        self.sequences.push(sequence);
    }

    async fn iterator(&self, place: Value) -> String {
        let mut body = json!({ "StreamName": "s", "ShardId": SHARD });
        for (name, value) in place.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.socket.call("GetShardIterator", body).await.unwrap();
        answer["ShardIterator"].as_str().unwrap().to_owned()
    }

    async fn earliest(&self) -> String {
        self.iterator(json!({ "ShardIteratorType": "TRIM_HORIZON" })).await
    }

    async fn try_read(&self, iterator: &str) -> Result<Value, String> {
        let body = json!({ "ShardIterator": iterator });
        self.socket.call("GetRecords", body).await.map_err(|refused| refused.0)
    }

    async fn read(&self, iterator: &str) -> Value {
        self.try_read(iterator).await.unwrap()
    }
}

/// Returns the keys of the records, which are their payloads.
fn keys(answer: &Value) -> Vec<&str> {
    let records = answer["Records"].as_array().unwrap();
    records.iter().map(|record| record["PartitionKey"].as_str().unwrap()).collect()
}

fn next(answer: &Value) -> &str {
    answer["NextShardIterator"].as_str().unwrap()
}

fn ids(answer: &Value) -> Vec<&str> {
    let shards = answer["Shards"].as_array().unwrap();
    shards.iter().map(|shard| shard["ShardId"].as_str().unwrap()).collect()
}
