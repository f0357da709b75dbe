//! What stands before the embedded Kinesis: behaviour of AWS that the emulator lacks, and faults by script.
//!
//! The emulator is `ferrokinesis` 0.7. These things are **ours, not its own**, so a test that passes here says nothing about
//! the emulator in these points; they follow the pages of AWS that stand beside them, here or in [`crate::script`].
//!
//! - `ListShards` in pages, also when the caller asks for no page size, with `NextToken`, which must not be combined with
//!   `StreamName` (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_ListShards.html>). The emulator's own token
//!   leads nowhere. The tokens of the layer do not expire unless the script says so.
//! - `StreamARN` in place of `StreamName` in every call; the emulator refuses it in half of them.
//! - `AT_TIMESTAMP` behind the last record starts at the tip, as on AWS; the emulator starts at the beginning of the shard
//!   (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetShardIterator.html>).
//! - Arrival times to the millisecond, as [`crate::arrivals`] says; it costs parsing every answer, so
//!   [`crate::embedded::Options::exact_arrival`] turns it off.
//! - `MillisBehindLatest`: the emulator always says 0. [`crate::script::Script::claim`] replaces it, by fixed claims or by one
//!   that is computed as AWS does (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_GetRecords.html>).
//! - The end of a shard, `ChildShards`, records that expired, shards that expired, the limits on reading: by script.
//! - Errors, throttles, late, broken, cut and refused answers, and pages that come again: by script, at the n-th call of an
//!   operation or by chance.
//!
//! Still missing: shard filters. `DescribeStream` knows nothing of what the script says about shards. Subscriptions are the
//! emulator's own, except for faults: it ignores positions and times, and begins each at the first record of the shard.
//! [`crate::pushes`] does what it does not.

mod broken;
mod emulator;
mod end;
mod iterators;
mod listing;
mod place;
mod records;
#[cfg(test)]
mod tests;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, Response, header},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::script::{Fault, Script};

pub(crate) use emulator::{Emulator, forward};

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
    let Ok(body) = serde_json::from_slice::<Value>(&bytes) else {
        let request = Request::from_parts(parts, Body::from(bytes));
        return emulator.router.oneshot(request).await.unwrap_or_else(|never| match never {});
    };
    let fault = script.next_fault(&operation, body["NextToken"].is_string());
    match &fault {
        Some(Fault::Error { status, code }) => {
            return broken::refuse(*status, code, "by the script of the test");
        }
        Some(Fault::Refuse) => return broken::closed(),
        _ => {}
    }
    if operation == "SubscribeToShard" && fault.is_none() {
        // Handed on as it comes: the answer has no end.
        let request = Request::from_parts(parts, Body::from(bytes));
        return emulator.router.oneshot(request).await.unwrap_or_else(|never| match never {});
    }
    let mut headers = parts.headers;
    headers.remove(header::CONTENT_LENGTH);
    let call = Call { operation, headers, body };
    let mut answer = answer(&emulator, &script, fault.as_ref(), call).await;
    if let Some(date) = script.said_date() {
        answer.headers_mut().insert(header::DATE, date);
    }
    match fault {
        Some(Fault::Drop) => broken::dropped(answer).await,
        Some(Fault::Cut) => broken::cut(answer).await,
        Some(Fault::Delay(time)) => {
            tokio::time::sleep(time).await;
            answer
        }
        _ => answer,
    }
}

async fn answer(
    emulator: &Emulator,
    script: &Script,
    fault: Option<&Fault>,
    mut call: Call,
) -> Response<Body> {
    name_for_arn(&mut call);
    match call.operation.as_str() {
        "ListShards" => listing::list_shards(emulator, script, call).await,
        "GetShardIterator" => iterators::shard_iterator(emulator, script, call).await,
        "GetRecords" => records::records(emulator, script, fault, call).await,
        _ => forward(emulator, &call).await.into_response(),
    }
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
