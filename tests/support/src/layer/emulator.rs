//! The emulator behind the layer, asked in process.

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::Call;
use crate::arrivals::Arrivals;

/// The emulator, and what the layer remembers for it. Clones are the same server.
#[derive(Clone, Debug)]
pub(crate) struct Emulator {
    pub(crate) router: Router,
    pub(crate) arrivals: Option<Arrivals>,
}

/// An answer of the emulator.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Null for `GetRecords`, unless the layer looked into it.
    pub(crate) body: Value,
    pub(super) raw: Bytes,
    headers: HeaderMap,
}

impl Reply {
    pub(super) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::from(self.raw));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }

    pub(super) fn changed(mut self) -> Self {
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

pub(super) async fn ask(router: &Router, call: &Call) -> Reply {
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
