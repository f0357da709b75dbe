//! The last answer of a closed shard.

use axum::http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{Call, Emulator, forward, place::Place};
use crate::script::{Answers, Claim};

/// Says that a closed shard is read to its end, in the way of the script, or hides it.
pub(super) async fn end(
    emulator: &Emulator,
    answers: Answers,
    place: &Place,
    call: &Call,
    answer: &mut Value,
) {
    if answers.endless {
        answer["NextShardIterator"] = call.body["ShardIterator"].clone();
        // Behind the end of a closed shard the emulator claims the age of that end.
        if answers.claim == Claim::Zero {
            answer["MillisBehindLatest"] = 0.into();
        }
        return;
    }
    if answers.null_at_end {
        answer["NextShardIterator"] = Value::Null;
    }
    if answers.child_shards {
        answer["ChildShards"] = children(emulator, place, &call.headers).await.into();
    }
}

/// Returns the children of a shard as AWS names them.
async fn children(emulator: &Emulator, place: &Place, headers: &HeaderMap) -> Vec<Value> {
    let body = json!({ "StreamName": place.stream });
    let mut listed = ask(emulator, "ListShards", headers, body).await;
    let shards = listed["Shards"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let child = |shard: Value| {
        let parents: Vec<Value> = ["ParentShardId", "AdjacentParentShardId"]
            .iter()
            .map(|name| shard[name].clone())
            .filter(|parent| !parent.is_null())
            .collect();
        parents.iter().any(|parent| *parent == place.shard).then(|| {
            json!({
                "ShardId": shard["ShardId"],
                "ParentShards": parents,
                "HashKeyRange": shard["HashKeyRange"],
            })
        })
    };
    shards.into_iter().filter_map(child).collect()
}

/// Asks the emulator something else on the way.
pub(super) async fn ask(
    emulator: &Emulator,
    operation: &'static str,
    headers: &HeaderMap,
    body: Value,
) -> Value {
    let mut headers = headers.clone();
    let target = HeaderValue::from_str(&format!("Kinesis_20131202.{operation}"));
    if let Ok(target) = target {
        headers.insert("x-amz-target", target);
    }
    let reply = forward(emulator, &Call { operation: operation.into(), headers, body }).await;
    serde_json::from_slice(&reply.raw).unwrap_or(Value::Null)
}
