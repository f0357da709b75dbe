//! An embedded Kinesis on a socket of this machine, for tests, the demo and whoever wants to look.
//!
//! The server is `ferrokinesis` behind the [`crate::layer`]; it holds everything in memory and ends when it is dropped.
//! Streams are filled in process, so that what is under test is the only one that uses the socket, and the script of faults
//! concerns nobody else.

use std::{convert::Infallible, net::SocketAddr, ops::Deref};

use axum::body::Body;
use ferrokinesis::store::StoreOptions;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::{
    arrivals::Arrivals,
    client::Client,
    layer::{self, Emulator},
    script::Script,
};

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a stream is CREATING, and UPDATING after a reshard.
    pub transition_millis: u64,
    /// How long an iterator lives.
    pub iterator_seconds: u64,
    /// How long a subscription lives.
    pub subscription_millis: u64,
    /// Arrival times to the millisecond, as on AWS, and `AT_TIMESTAMP` by them. Turn it off for hundreds of thousands of
    /// records: then times are cut to seconds, and a time behind the last record starts at the first one.
    pub exact_arrival: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transition_millis: 0,
            iterator_seconds: 300,
            subscription_millis: 300_000,
            exact_arrival: true,
        }
    }
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Kinesis {
    client: Client,
    script: Script,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Kinesis {
    /// Starts a server on a free port.
    pub async fn start(options: Options) -> std::io::Result<Self> {
        let store = StoreOptions {
            create_stream_ms: options.transition_millis,
            delete_stream_ms: options.transition_millis,
            update_stream_ms: options.transition_millis,
            iterator_ttl_seconds: options.iterator_seconds,
            subscribe_to_shard_session_ms: options.subscription_millis,
            shard_limit: 10_000,
            ..StoreOptions::default()
        };
        let (router, _) = ferrokinesis::create_app(store);
        let arrivals = options.exact_arrival.then(Arrivals::default);
        let emulator = Emulator { router, arrivals };
        let script = Script::default();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (inner, faults) = (emulator.clone(), script.clone());
        let task = tokio::spawn(accept(listener, inner, faults));
        Ok(Self { client: Client::in_process(emulator), script, address, task })
    }

    /// Returns the address as an endpoint URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the script of faults and claims.
    pub fn script(&self) -> &Script {
        &self.script
    }
}

/// Serves until it is dropped, and its connections with it.
async fn accept(listener: TcpListener, emulator: Emulator, script: Script) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (emulator, script) = (emulator.clone(), script.clone());
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let answer = layer::serve(emulator.clone(), script.clone(), request.map(Body::new));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(async move {
            // A client that goes away in the middle is its own affair.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Everything that fills and reshapes streams.
impl Deref for Kinesis {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Kinesis {
    fn drop(&mut self) {
        self.task.abort();
    }
}
