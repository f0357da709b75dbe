//! A read-only Kinesis that costs almost nothing to read from, for benchmarks.
//!
//! Every record is encoded once, at start; an answer to `GetRecords` is a slice of that memory, sent over a real socket.
//! It behaves as the real service does wherever a loader looks: `Limit`, the cap of 10 MiB on an answer,
//! `MillisBehindLatest`, a next iterator for as long as a shard is open (here: for ever), every kind of iterator, pages of
//! `ListShards`. All records arrived before the server was started, which is what a run with `once` waits for.
//!
//! It speaks JSON and CBOR, each request in its own.
//!
//! It does not know: writing, resharding, consumers, limits on reads, credentials (any are taken).

mod answers;
mod cbor;
mod shard;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use bytes::buf::{Buf as _, Chain};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use answers::{Answer, Stream};
use cbor::Wire;
use shard::Shard;

/// What a [`Replay`] serves, and how.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The name of the only stream.
    pub stream: String,
    /// The number of shards; record `i` lies in shard `i % shards`.
    pub shards: usize,
    /// Every record lies in every shard instead, and in memory once: many shards with large answers.
    pub alike: bool,
    /// The number of threads that answer.
    pub threads: usize,
    /// How long every answer is held back.
    pub delay: Duration,
}

impl Default for ReplayOptions {
    fn default() -> Self {
        Self {
            stream: "bench".to_owned(),
            shards: 4,
            alike: false,
            threads: 1,
            delay: Duration::ZERO,
        }
    }
}

/// A running server; dropping it ends it.
#[derive(Debug)]
pub struct Replay {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Replay {
    /// Encodes the records and starts to serve them on a free port of the loopback interface, on threads of its own.
    pub fn start<I>(options: &ReplayOptions, records: I) -> io::Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let now = answers::now();
        let number = options.shards.max(1);
        let count = if options.alike { 1 } else { number };
        let mut shards: Vec<Shard> = (0..count).map(|index| Shard::new(index, now)).collect();
        for (index, record) in records.into_iter().enumerate() {
            shards[index % count].push(record.as_ref(), &format!("key-{index}"));
        }
        let mut shards: Vec<Shard> = shards.into_iter().map(Shard::freeze).collect();
        shards.extend((count..number).map(|index| shards[0].alike(index)).collect::<Vec<_>>());
        let stream = Arc::new(Stream { name: options.stream.clone(), shards });

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("replay")
            .worker_threads(options.threads.max(1))
            .enable_all()
            .build()?;
        // Without waiting for the runtime: the caller may be in one.
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let delay = options.delay;
        // A runtime must not be dropped inside another one, and tests call from within theirs: hence the thread.
        let thread = std::thread::Builder::new().name("replay".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(listener, stream, delay) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL for the option `endpoint_url` of a source address.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        // The receiver is gone only when the thread has ended already, and then there is nothing to stop.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The pieces of an answer one after another, sent as they lie in memory.
type Body = Full<Chain<Chain<Bytes, Bytes>, Bytes>>;

async fn accept(listener: TcpListener, stream: Arc<Stream>, delay: Duration) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        connections.spawn(serve(socket, Arc::clone(&stream), delay));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(socket: TcpStream, stream: Arc<Stream>, delay: Duration) {
    // Without it the kernel holds small answers back; a client that hung up is noticed below.
    drop(socket.set_nodelay(true));
    let service = service_fn(|request| answer(request, &stream, delay));
    // A client may hang up whenever it likes.
    drop(
        hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(socket), service)
            .await,
    );
}

async fn answer(
    request: Request<Incoming>,
    stream: &Stream,
    delay: Duration,
) -> Result<Response<Body>, hyper::Error> {
    let header = |name: &str| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let wire = Wire::of(header("content-type"));
    let operation = header("x-amz-target").rsplit('.').next().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (status, Answer { head, records, tail }) = match stream.answer(&operation, &body, wire) {
        Ok(answer) => (StatusCode::OK, answer),
        Err(fault) => (StatusCode::BAD_REQUEST, fault.answer(wire)),
    };
    let mut response = Response::new(Full::new(head.chain(records).chain(tail)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(wire.content_type()));
    Ok(response)
}

#[cfg(test)]
mod tests;
