//! A double of `SubscribeToShard`: each subscription is handed to the test, which says what is sent to it and how it ends.
//!
//! It does what no emulator does: refusals of a second subscriber, errors within the events, silence, an end of the shard as
//! on AWS, where the last event has children and no continuation
//! (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShardEvent.html>). Every other call is refused.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use axum::http::{HeaderValue, Response, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::{
    Request,
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::{JoinHandle, JoinSet},
};

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Pushes {
    address: SocketAddr,
    calls: mpsc::Receiver<Subscriber>,
    task: JoinHandle<()>,
}

/// Somebody who wants to subscribe, and waits for an answer.
#[derive(Debug)]
pub struct Subscriber {
    /// The body of the request.
    pub body: Value,
    answer: oneshot::Sender<Response<Pushed>>,
}

/// A subscription. Dropping it ends it in the ordinary way.
#[derive(Clone, Debug)]
pub struct Pusher(mpsc::Sender<io::Result<Bytes>>);

impl Pushes {
    /// Starts a server on a free port.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (sender, calls) = mpsc::channel(8);
        Ok(Self { address, calls, task: tokio::spawn(accept(listener, sender)) })
    }

    /// Returns the address as an endpoint URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the next subscriber; `None` when the server broke down.
    pub async fn subscriber(&mut self) -> Option<Subscriber> {
        self.calls.recv().await
    }
}

impl Drop for Pushes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Subscriber {
    /// Grants the subscription.
    pub fn accept(self) -> Pusher {
        let (pusher, response) = streamed(StatusCode::OK, "application/vnd.amazon.eventstream");
        // Somebody who does not wait any more shows it by taking nothing.
        drop(self.answer.send(response));
        let greeting =
            frame(&[(":message-type", "event"), (":event-type", "initial-response")], b"{}");
        drop(pusher.0.try_send(Ok(greeting)));
        pusher
    }

    /// Refuses it, with an HTTP status and an error code.
    pub fn refuse(self, status: u16, code: &str) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        drop(self.answer.send(refusal(status, code)));
    }
}

impl Pusher {
    /// Sends an event with these members.
    pub async fn event(&self, event: &Value) {
        let headers = [
            (":message-type", "event"),
            (":event-type", "SubscribeToShardEvent"),
            (":content-type", "application/x-amz-json-1.1"),
        ];
        self.send(Ok(frame(&headers, event.to_string().as_bytes()))).await;
    }

    /// Sends an error, after which there is nothing more.
    pub async fn exception(&self, code: &str) {
        let headers = [
            (":message-type", "exception"),
            (":exception-type", code),
            (":content-type", "application/x-amz-json-1.1"),
        ];
        let body = json!({ "message": "by the test" }).to_string();
        self.send(Ok(frame(&headers, body.as_bytes()))).await;
    }

    /// Breaks the connection.
    pub async fn break_off(self) {
        self.send(Err(io::ErrorKind::ConnectionReset.into())).await;
    }

    /// Waits until the subscriber is gone.
    pub async fn gone(&self) {
        self.0.closed().await;
    }

    async fn send(&self, bytes: io::Result<Bytes>) {
        // A subscriber who is gone is what the test is about, or fails it elsewhere.
        drop(self.0.send(bytes).await);
    }
}

/// Returns a record as it stands in an event.
pub fn record(sequence: &str, data: &str) -> Value {
    json!({
        "SequenceNumber": sequence,
        "Data": BASE64_STANDARD.encode(data),
        "PartitionKey": "key",
        "ApproximateArrivalTimestamp": 1_760_000_000.25,
    })
}

async fn accept(listener: TcpListener, calls: mpsc::Sender<Subscriber>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let calls = calls.clone();
        let service = service_fn(move |request| {
            let answer = serve(calls.clone(), request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(async move {
            // A client that goes away in the middle is its own affair.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(calls: mpsc::Sender<Subscriber>, request: Request<Incoming>) -> Response<Pushed> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok());
    if target != Some("Kinesis_20131202.SubscribeToShard") {
        return refusal(StatusCode::BAD_REQUEST, "UnknownOperationException");
    }
    let bytes = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
    let body = serde_json::from_slice(&bytes.unwrap_or_default()).unwrap_or(Value::Null);
    let (answer, answered) = oneshot::channel();
    drop(calls.send(Subscriber { body, answer }).await);
    // A test that does not answer breaks the connection in the end.
    answered.await.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"))
}

fn refusal(status: StatusCode, code: &str) -> Response<Pushed> {
    let (pusher, response) = streamed(status, "application/x-amz-json-1.1");
    let body = json!({ "__type": code, "message": "by the test" }).to_string();
    drop(pusher.0.try_send(Ok(body.into())));
    response
}

fn streamed(status: StatusCode, content_type: &'static str) -> (Pusher, Response<Pushed>) {
    let (sender, receiver) = mpsc::channel(16);
    let mut response = Response::new(Pushed(receiver));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    (Pusher(sender), response)
}

/// Encodes a message: lengths, a checksum of them, headers, payload, a checksum of all
/// (<https://docs.aws.amazon.com/kinesis/latest/APIReference/API_SubscribeToShard.html>; the framing is that of
/// <https://smithy.io/2.0/aws/amazon-eventstream.html>).
fn frame(headers: &[(&str, &str)], payload: &[u8]) -> Bytes {
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let mut head = BytesMut::new();
    for (name, value) in headers {
        head.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
        head.put_slice(name.as_bytes());
        // A text.
        head.put_u8(7);
        head.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        head.put_slice(value.as_bytes());
    }
    let mut message = BytesMut::new();
    message.put_u32(length(16 + head.len() + payload.len()));
    message.put_u32(length(head.len()));
    message.put_u32(crc32fast::hash(&message));
    message.put_slice(&head);
    message.put_slice(payload);
    message.put_u32(crc32fast::hash(&message));
    message.freeze()
}

/// The body of an answer, as the test sends it.
#[derive(Debug)]
struct Pushed(mpsc::Receiver<io::Result<Bytes>>);

impl hyper::body::Body for Pushed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|sent| sent.map(|bytes| bytes.map(Frame::data)))
    }
}
