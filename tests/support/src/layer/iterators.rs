//! `GetShardIterator`: exact times, what the stream does not keep any more, limits.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::Value;

use super::{
    Call, Emulator,
    broken::{not_found, throttled},
    emulator::{Reply, ask},
    forward,
    place::Place,
};
use crate::script::Script;

/// Returns an iterator, not before the first record that the stream keeps.
pub(super) async fn shard_iterator(
    emulator: &Emulator,
    script: &Script,
    call: Call,
) -> Response<Body> {
    let text = |name: &str| call.body[name].as_str().unwrap_or_default().to_owned();
    let (stream, shard) = (text("StreamName"), text("ShardId"));
    if script.forgot(&shard) {
        return not_found(&shard);
    }
    if !script.allows(&stream, &shard, false) {
        return throttled();
    }
    script.unstick(&shard);
    let mut reply = exact(emulator, call, (&stream, &shard)).await;
    if let (StatusCode::OK, Some(mut place)) =
        (reply.status, Place::of(&reply.body["ShardIterator"]))
    {
        place.jump(script);
        reply.body["ShardIterator"] = place.iterator().into();
        reply = reply.changed();
    }
    reply.into_response()
}

/// Returns an iterator; for a time, at the first record that is young enough, at the tip when there is none.
async fn exact(emulator: &Emulator, mut call: Call, place: (&str, &str)) -> Reply {
    let at_time = call.body["ShardIteratorType"] == "AT_TIMESTAMP";
    let (Some(arrivals), true, Some(asked)) =
        (&emulator.arrivals, at_time, call.body["Timestamp"].as_f64())
    else {
        return forward(emulator, &call).await;
    };
    let reply = arrivals.first_since(place, asked, async |first| {
        call.body.as_object_mut().and_then(|members| members.remove("Timestamp"));
        let kind = if first.is_some() { "AT_SEQUENCE_NUMBER" } else { "LATEST" };
        call.body["ShardIteratorType"] = kind.into();
        if let Some(first) = first {
            call.body["StartingSequenceNumber"] = Value::from(first);
        }
        ask(&emulator.router, &call).await
    });
    reply.await
}
