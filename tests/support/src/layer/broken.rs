//! Answers that no client likes: refusals, and bodies that end before their end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use serde_json::json;

/// An answer with an error code.
pub(super) fn refuse(status: u16, code: &str, message: &str) -> Response<Body> {
    let mut response = of_json(json!({ "__type": code, "message": message }).to_string());
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// An answer about a shard that is older than the retention of its stream.
pub(super) fn not_found(shard: &str) -> Response<Body> {
    refuse(400, "ResourceNotFoundException", &format!("Could not find shard {shard}."))
}

/// An answer to one call too many.
pub(super) fn throttled() -> Response<Body> {
    let message = "Rate exceeded for shard, by the limits of the test";
    refuse(400, "ProvisionedThroughputExceededException", message)
}

/// An answer of this JSON.
pub(super) fn of_json(body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    let kind = HeaderValue::from_static("application/x-amz-json-1.1");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// No answer at all: the connection is closed before its first byte.
pub(super) fn closed() -> Response<Body> {
    // An error of the body before anything was sent takes the head with it.
    Response::new(Body::new(Broken { half: None, told: true, length: 1 }))
}

/// The first half of an answer; then the connection breaks.
pub(super) async fn dropped(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    // At least one byte is promised and not sent.
    let body = Broken {
        half: Some(bytes.slice(..bytes.len() / 2)),
        told: false,
        length: bytes.len() as u64 + 1,
    };
    Response::from_parts(parts, Body::new(body))
}

/// The first half of an answer, as if it were the whole.
pub(super) async fn cut(answer: Response<Body>) -> Response<Body> {
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.status = StatusCode::OK;
    let half =
        if bytes.len() < 2 { Bytes::from_static(b"{") } else { bytes.slice(..bytes.len() / 2) };
    Response::from_parts(parts, Body::from(half))
}

/// A body that sends less than it promises.
struct Broken {
    half: Option<Bytes>,
    /// What was sent had its chance to leave.
    told: bool,
    length: u64,
}

impl hyper::body::Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(half) = self.half.take() {
            return Poll::Ready(Some(Ok(Frame::data(half))));
        }
        if !self.told {
            self.told = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into())))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
