//! What stands before the embedded Kinesis: behaviour of AWS that the emulator lacks, and faults by script.
//!
//! The emulator is `ferrokinesis` 0.7. These things are **ours, not its own**, so a test that passes here says nothing about
//! the emulator in these points; they follow the pages of AWS that stand beside them.
//!
//! - `ListShards` in pages, also when the caller asks for no page size, with `NextToken`, which must not be combined with
//!   `StreamName` (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html>). The emulator's own token
//!   leads nowhere. The tokens of the layer do not expire unless the script says so.
//! - `StreamARN` in place of `StreamName` in every call; the emulator refuses it in half of them.
//! - `AT_TIMESTAMP` behind the last record starts at the tip, as on AWS; the emulator starts at the beginning of the shard
//!   (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html>).
//! - Arrival times to the millisecond, as [`crate::arrivals`] says; it costs parsing every answer, so
//!   [`crate::embedded::Options::exact_arrival`] turns it off.
//! - `MillisBehindLatest`: the emulator always says 0. [`crate::script::Script::claim`] replaces it, by fixed claims or by one that is
//!   computed as AWS does (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
//! - A smaller page of records than the caller's `Limit`, in place of the limit of 10 MiB, which neither has.
//! - Errors, throttles and dropped connections at the n-th call of an operation.
//!
//! Still missing: `ChildShards` of `GetRecords`, shard filters, the limits of 5 calls/s and 2 MB/s. Subscriptions are the
//! emulator's own, except for faults: it ignores positions and times, and begins each at the first record of the shard.
//! [`crate::pushes`] does what it does not.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use hyper::body::Frame;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    arrivals::Arrivals,
    script::{Answers, Claim, Fault, Script},
};

/// The emulator, and what the layer remembers for it. Clones are the same server.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) router: Router,
    pub(crate) arrivals: Option<Arrivals>,
}

/// A request as the layer handles it: the operation and its JSON body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) operation: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// Serves one request from the socket.
pub(crate) async fn serve(emulator: Emulator, script: Script, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let target = parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let Ok(body) = serde_json::from_slice(&bytes) else {
        let request = Request::from_parts(parts, Body::from(bytes));
        return emulator.router.oneshot(request).await.unwrap_or_else(|never| match never {});
    };
    let fault = script.next_fault(&operation);
    if let Some(Fault::Error { status, code }) = &fault {
        return refuse(*status, code, "by the script of the test");
    }
    if operation == "SubscribeToShard" && fault.is_none() {
        // Handed on as it comes: the answer has no end.
        let request = Request::from_parts(parts, Body::from(bytes));
        return emulator.router.oneshot(request).await.unwrap_or_else(|never| match never {});
    }
    let mut headers = parts.headers;
    headers.remove(header::CONTENT_LENGTH);
    let mut answer = answer(&emulator, &script, Call { operation, headers, body }).await;
    if let Some(date) = script.said_date() {
        answer.headers_mut().insert(header::DATE, date);
    }
    match fault {
        Some(Fault::Drop) => broken(),
        _ => answer,
    }
}

async fn answer(emulator: &Emulator, script: &Script, mut call: Call) -> Response<Body> {
    name_for_arn(&mut call);
    match call.operation.as_str() {
        "ListShards" => list_shards(emulator, script, call).await,
        "GetShardIterator" => shard_iterator(emulator, call).await,
        "GetRecords" => records(emulator, script, call).await,
        _ => forward(emulator, &call).await.into_response(),
    }
}

/// An answer of the emulator.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    raw: Bytes,
    headers: HeaderMap,
}

impl Reply {
    fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.raw));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    fn changed(mut self) -> Self {
        self.raw = self.body.to_string().into();
        self.headers.remove(header::CONTENT_LENGTH);
        self
    }
}

/// Asks the emulator, in process.
pub(crate) async fn forward(emulator: &Emulator, call: &Call) -> Reply {
    let Some(arrivals) = &emulator.arrivals else { return ask(&emulator.router, call).await };
    match call.operation.as_str() {
        "PutRecord" | "PutRecords" => {
            arrivals
                .put(&call.body, async || {
                    let reply = ask(&emulator.router, call).await;
                    let answer = reply.body.clone();
                    (reply, answer)
                })
                .await
        }
        "DeleteStream" => {
            arrivals.forget(call.body["StreamName"].as_str().unwrap_or_default()).await;
            ask(&emulator.router, call).await
        }
        "GetRecords" => {
            let mut reply = ask(&emulator.router, call).await;
            reply.body = serde_json::from_slice(&reply.raw).unwrap_or(Value::Null);
            arrivals.correct(&mut reply.body).await;
            reply.changed()
        }
        _ => ask(&emulator.router, call).await,
    }
}

async fn ask(router: &Router, call: &Call) -> Reply {
    let mut request = Request::new(Body::from(call.body.to_string()));
    *request.method_mut() = hyper::Method::POST;
    *request.headers_mut() = call.headers.clone();
    let response = router.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
    let (parts, body) = response.into_parts();
    let raw = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    // The largest answers pass as they are: they are parsed only where the layer changes them.
    let parse = call.operation != "GetRecords";
    let body =
        if parse { serde_json::from_slice(&raw).unwrap_or(Value::Null) } else { Value::Null };
    Reply { status: parts.status, body, raw, headers: parts.headers }
}

fn name_for_arn(call: &mut Call) {
    // Consumers belong to an ARN, and the emulator knows that.
    if call.operation.ends_with("StreamConsumer") {
        return;
    }
    let Some(members) = call.body.as_object_mut() else { return };
    let Some(arn) = members.remove("StreamARN") else { return };
    let takes_a_name =
        !matches!(call.operation.as_str(), "GetRecords") && !members.contains_key("NextToken");
    if let (true, Some((_, name))) =
        (takes_a_name, arn.as_str().and_then(|arn| arn.rsplit_once('/')))
    {
        members.entry("StreamName").or_insert_with(|| name.into());
    }
}

/// Pages a listing. A token is the stream and the last shard of the page before.
async fn list_shards(emulator: &Emulator, script: &Script, mut call: Call) -> Response<Body> {
    let text = |name: &str| call.body[name].as_str().map(str::to_owned);
    let (token, name) = (text("NextToken"), text("StreamName"));
    let asked = call.body["MaxResults"].as_u64().and_then(|asked| usize::try_from(asked).ok());
    let (name, after) = match (token, name) {
        (Some(_), Some(_)) => {
            return refuse(
                400,
                "InvalidArgumentException",
                "NextToken and StreamName cannot be provided together.",
            );
        }
        (Some(token), None) => match token.split_once('/') {
            Some((name, after)) => (name.to_owned(), Some(after.to_owned())),
            None => return refuse(400, "InvalidArgumentException", "the token is none of ours"),
        },
        (None, Some(name)) => (name, text("ExclusiveStartShardId")),
        (None, None) => return forward(emulator, &call).await.into_response(),
    };
    call.body = json!({ "StreamName": name });
    if let Some(after) = after {
        call.body["ExclusiveStartShardId"] = after.into();
    }
    let mut reply = forward(emulator, &call).await;
    let limit = script.page_of_shards().into_iter().chain(asked).min().unwrap_or(1000);
    let more = reply.body["Shards"].as_array_mut().is_some_and(|shards| {
        let more = shards.len() > limit;
        shards.truncate(limit);
        more
    });
    if more {
        let last = reply.body["Shards"][limit - 1]["ShardId"].as_str().unwrap_or_default();
        reply.body["NextToken"] = format!("{name}/{last}").into();
    }
    reply.changed().into_response()
}

/// Returns an iterator at the first record that is young enough, at the tip when there is none.
async fn shard_iterator(emulator: &Emulator, mut call: Call) -> Response<Body> {
    let at_time = call.body["ShardIteratorType"] == "AT_TIMESTAMP";
    let (Some(arrivals), true, Some(asked)) =
        (&emulator.arrivals, at_time, call.body["Timestamp"].as_f64())
    else {
        return forward(emulator, &call).await.into_response();
    };
    let text = |name: &str| call.body[name].as_str().unwrap_or_default().to_owned();
    let (stream, shard) = (text("StreamName"), text("ShardId"));
    let reply = arrivals.first_since((&stream, &shard), asked, async |first| {
        if let Some(members) = call.body.as_object_mut() {
            members.remove("Timestamp");
        }
        call.body["ShardIteratorType"] =
            if first.is_some() { "AT_SEQUENCE_NUMBER" } else { "LATEST" }.into();
        if let Some(first) = first {
            call.body["StartingSequenceNumber"] = first.into();
        }
        ask(&emulator.router, &call).await
    });
    reply.await.into_response()
}

async fn records(emulator: &Emulator, script: &Script, mut call: Call) -> Response<Body> {
    let Answers { claim, endless, page } = script.answers();
    if let Some(page) = page {
        let limit = call.body["Limit"].as_u64().map_or(page as u64, |limit| limit.min(page as u64));
        call.body["Limit"] = limit.into();
    }
    let mut reply = forward(emulator, &call).await;
    if (claim == Claim::Zero && !endless) || reply.status != StatusCode::OK {
        return reply.into_response();
    }
    if reply.body.is_null() {
        reply.body = serde_json::from_slice(&reply.raw).unwrap_or(Value::Null);
    }
    let empty = reply.body["Records"].as_array().is_none_or(Vec::is_empty);
    let behind = match claim {
        Claim::Absent => None,
        Claim::Zero => Some(0),
        Claim::EmptyAnswers(millis) => Some(if empty { millis } else { 0 }),
        Claim::Honest => Some(look_ahead(emulator, &call.headers, &mut reply.body).await),
    };
    match behind {
        Some(millis) => reply.body["MillisBehindLatest"] = millis.into(),
        None => drop(
            reply.body.as_object_mut().and_then(|members| members.remove("MillisBehindLatest")),
        ),
    }
    if endless && reply.body["NextShardIterator"].is_null() {
        reply.body["NextShardIterator"] = call.body["ShardIterator"].clone();
    }
    reply.changed().into_response()
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

/// Returns what one more read would give, at most one record of it.
async fn peek(emulator: &Emulator, headers: &HeaderMap, iterator: &str) -> Value {
    let mut headers = headers.clone();
    headers.insert("x-amz-target", header::HeaderValue::from_static("Kinesis_20131202.GetRecords"));
    let body = json!({ "ShardIterator": iterator, "Limit": 1 });
    let reply = forward(emulator, &Call { operation: "GetRecords".into(), headers, body }).await;
    serde_json::from_slice(&reply.raw).unwrap_or(Value::Null)
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

fn refuse(status: u16, code: &str, message: &str) -> Response<Body> {
    let mut response =
        Response::new(Body::from(json!({ "__type": code, "message": message }).to_string()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/x-amz-json-1.1"),
    );
    response
}

/// An answer that promises bytes and breaks the connection instead.
fn broken() -> Response<Body> {
    let mut response = Response::new(Body::new(Broken));
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from_static("1000"));
    response
}

struct Broken;

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into())))
    }
}
