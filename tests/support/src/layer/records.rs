//! `GetRecords`: claims, empty answers, pages that come again, the largest answer, the end of a shard.

use axum::{
    body::Body,
    http::{HeaderMap, Response, StatusCode},
};
use serde_json::{Value, json};

use super::{
    Call, Emulator,
    broken::{not_found, of_json, throttled},
    end::{ask, end},
    forward,
    place::{Place, number},
};
use crate::script::{Claim, Fault, LARGEST_ANSWER, Script};

/// A longer answer of the emulator has records in it: an iterator has less than 400 characters.
const LARGEST_WITHOUT_RECORDS: usize = 1000;

/// Answers one call.
pub(super) async fn records(
    emulator: &Emulator,
    script: &Script,
    fault: Option<&Fault>,
    mut call: Call,
) -> Response<Body> {
    // The emulator says what is wrong with an iterator.
    let Some(mut place) = Place::of(&call.body["ShardIterator"]) else {
        return forward(emulator, &call).await.into_response();
    };
    if script.forgot(&place.shard) {
        return not_found(&place.shard);
    }
    if !script.allows(&place.stream, &place.shard, true) {
        return throttled();
    }
    if fault == Some(&Fault::Repeat)
        && let Some((asked, page)) = script.kept_page(&place.stream, &place.shard)
        && number(&place.sequence) >= number(&asked)
    {
        return of_json(page);
    }
    if let Some(millis) = script.stuck_for(&place.shard) {
        return nothing(&place, millis);
    }
    place.jump(script);
    call.body["ShardIterator"] = place.iterator().into();
    if let Some(millis) = empty(emulator, script, fault, &place, &call).await {
        return nothing(&place, millis);
    }
    usual(emulator, script, fault, &place, call).await
}

/// Answers as the service does, as far as the script lets it.
async fn usual(
    emulator: &Emulator,
    script: &Script,
    fault: Option<&Fault>,
    place: &Place,
    mut call: Call,
) -> Response<Body> {
    let answers = script.answers();
    if let Some(page) = answers.page {
        let limit = call.body["Limit"].as_u64().map_or(page as u64, |limit| limit.min(page as u64));
        call.body["Limit"] = limit.into();
    }
    let mut reply = forward(emulator, &call).await;
    if reply.status != StatusCode::OK {
        return reply.into_response();
    }
    let key = || (place.key(), place.sequence.clone());
    if reply.body.is_null() {
        if answers.change_nothing()
            && fault != Some(&Fault::NoIterator)
            && !script.caps()
            && reply.raw.len() > LARGEST_WITHOUT_RECORDS
        {
            script.keep_page(key(), reply.raw.clone());
            return reply.into_response();
        }
        reply.body = serde_json::from_slice(&reply.raw).unwrap_or(Value::Null);
    }
    if script.caps() {
        let (bytes, full) = cap(&mut reply.body, place);
        script.gave(&place.stream, &place.shard, bytes, full);
    }
    let answer = &mut reply.body;
    claim(emulator, answers.claim, &call.headers, answer).await;
    if answer["NextShardIterator"].is_null() {
        end(emulator, answers, place, &call, answer).await;
    }
    if fault == Some(&Fault::NoIterator) {
        answer.as_object_mut().and_then(|members| members.remove("NextShardIterator"));
    }
    let records = answer["Records"].as_array_mut();
    let any = records.as_ref().is_some_and(|records| !records.is_empty());
    if answers.without_keys {
        let members = records.into_iter().flatten().filter_map(Value::as_object_mut);
        members.for_each(|record| drop(record.remove("PartitionKey")));
    }
    let reply = reply.changed();
    if any {
        script.keep_page(key(), reply.raw.clone());
    }
    reply.into_response()
}

/// Returns the distance that an answer claims which is empty by the script; nothing when the answer is not to be empty, or
/// would be anyhow.
async fn empty(
    emulator: &Emulator,
    script: &Script,
    fault: Option<&Fault>,
    place: &Place,
    call: &Call,
) -> Option<u64> {
    let iterator = call.body["ShardIterator"].as_str()?;
    let once = fault == Some(&Fault::Empty);
    if !once && !script.has_empty(&place.shard) {
        return None;
    }
    let ahead = peek(emulator, &call.headers, iterator).await;
    if ahead["Records"].as_array().is_none_or(Vec::is_empty) {
        return None;
    }
    if once {
        return Some(age(&ahead));
    }
    script.take_empty(&place.shard).map(|left| (left + 1) * 1000)
}

/// An answer without records, with an iterator at the same place.
fn nothing(place: &Place, millis: u64) -> Response<Body> {
    let next = place.at(&place.sequence).iterator();
    let answer = json!({ "Records": [], "NextShardIterator": next, "MillisBehindLatest": millis });
    of_json(answer.to_string())
}

/// Sets the distance to the tip.
async fn claim(emulator: &Emulator, claim: Claim, headers: &HeaderMap, answer: &mut Value) {
    let empty = answer["Records"].as_array().is_none_or(Vec::is_empty);
    let behind = match claim {
        // As the emulator says.
        Claim::Zero => return,
        Claim::Absent => {
            answer.as_object_mut().and_then(|members| members.remove("MillisBehindLatest"));
            return;
        }
        Claim::EmptyAnswers(millis) => {
            if empty {
                millis
            } else {
                0
            }
        }
        Claim::Honest => look_ahead(emulator, headers, answer).await,
    };
    answer["MillisBehindLatest"] = behind.into();
}

/// Returns the age of the next unread record, and ends a closed shard with its last records, as AWS does.
async fn look_ahead(emulator: &Emulator, headers: &HeaderMap, answer: &mut Value) -> u64 {
    let Some(next) = answer["NextShardIterator"].as_str() else { return 0 };
    let ahead = peek(emulator, headers, next).await;
    let nothing = ahead["Records"].as_array().is_some_and(Vec::is_empty);
    if let (true, true, Some(members)) =
        (nothing, ahead["NextShardIterator"].is_null(), answer.as_object_mut())
    {
        members.remove("NextShardIterator");
    }
    age(&ahead)
}

/// Ends an answer before the record that brings it above 10 MiB; returns its size, and whether something was left out.
fn cap(answer: &mut Value, place: &Place) -> (usize, bool) {
    let Some(records) = answer["Records"].as_array_mut() else { return (0, false) };
    let length = |member: &Value| member.as_str().map_or(0, str::len);
    let (mut bytes, mut fit) = (0, 0);
    for record in records.iter() {
        // Base64 makes four characters of three bytes.
        let more = length(&record["Data"]) / 4 * 3 + length(&record["PartitionKey"]);
        if fit > 0 && bytes + more > LARGEST_ANSWER {
            break;
        }
        (bytes, fit) = (bytes + more, fit + 1);
    }
    let Some(first) = records.get(fit).and_then(|record| record["SequenceNumber"].as_str()) else {
        return (bytes, false);
    };
    let next = place.at(first);
    records.truncate(fit);
    answer["NextShardIterator"] = next.iterator().into();
    (bytes, true)
}

/// Returns what one more read would give, at most one record of it.
async fn peek(emulator: &Emulator, headers: &HeaderMap, iterator: &str) -> Value {
    ask(emulator, "GetRecords", headers, json!({ "ShardIterator": iterator, "Limit": 1 })).await
}

/// Returns how many milliseconds ago the first record of an answer came; at least 1, since it is unread.
fn age(answer: &Value) -> u64 {
    let Some(arrived) = answer["Records"][0]["ApproximateArrivalTimestamp"].as_f64() else {
        return 0;
    };
    let arrived = std::time::UNIX_EPOCH + std::time::Duration::from_secs_f64(arrived);
    let elapsed = arrived.elapsed().unwrap_or_default().as_millis();
    u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
}
