//! `ListShards`: pages, tokens, forgotten shards, disorder.

use axum::{body::Body, http::Response};
use serde_json::{Value, json};

use super::{Call, Emulator, broken::refuse, forward};
use crate::script::Script;

/// The largest page, which is also the usual one.
const PAGE: usize = 1000;

/// Pages a listing. A token is the stream and the last shard of the page before; in disorder, how many shards went before.
pub(super) async fn list_shards(
    emulator: &Emulator,
    script: &Script,
    mut call: Call,
) -> Response<Body> {
    let text = |name: &str| call.body[name].as_str().map(str::to_owned);
    let invalid = |message| refuse(400, "InvalidArgumentException", message);
    let (token, name) = (text("NextToken"), text("StreamName"));
    let asked = call.body["MaxResults"].as_u64().and_then(|asked| usize::try_from(asked).ok());
    let (name, after) = match (token, name) {
        (Some(_), Some(_)) => {
            return invalid("NextToken and StreamName cannot be provided together.");
        }
        (Some(token), None) => match token.split_once('/') {
            Some((name, after)) => (name.to_owned(), Some(after.to_owned())),
            None => return invalid("the token is none of ours"),
        },
        (None, Some(name)) => (name, text("ExclusiveStartShardId")),
        (None, None) => return forward(emulator, &call).await.into_response(),
    };
    let listing = script.listing();
    let limit = listing.page.into_iter().chain(asked).chain([PAGE]).min().unwrap_or(PAGE);
    let place = after.as_deref().unwrap_or("0").parse::<usize>();
    call.body = json!({ "StreamName": name });
    if let (Some(after), Err(_)) = (&after, &place) {
        call.body["ExclusiveStartShardId"] = after.as_str().into();
    }
    if !listing.disorder {
        // One more tells whether there are more; without forgotten ones, which are taken out below.
        call.body["MaxResults"] = (limit + 1 + script.forgotten()).into();
    }
    let mut reply = forward(emulator, &call).await;
    if let Some(members) = reply.body.as_object_mut() {
        members.remove("NextToken");
    }
    let Some(shards) = reply.body["Shards"].as_array_mut() else { return reply.into_response() };
    shards.retain(|shard| !script.forgot(shard["ShardId"].as_str().unwrap_or_default()));
    let next = match place {
        Ok(place) if listing.disorder => {
            shards.reverse();
            let next = page(shards, place, limit);
            next.map(|next| next.to_string())
        }
        _ => page(shards, 0, limit).and_then(|_| Some(shards.last()?["ShardId"].as_str()?.into())),
    };
    if let Some(next) = next {
        reply.body["NextToken"] = format!("{name}/{next}").into();
    }
    reply.changed().into_response()
}

/// Cuts a page out, and returns where the next one begins: at the last shard of this one, unless that leads nowhere.
fn page(shards: &mut Vec<Value>, place: usize, limit: usize) -> Option<usize> {
    let end = place + limit;
    let more = shards.len() > end;
    shards.truncate(end);
    shards.drain(..place.min(shards.len()));
    more.then(|| (end - 1).max(place + 1))
}
