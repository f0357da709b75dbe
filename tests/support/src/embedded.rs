//! An embedded Kinesis on a socket of this machine, for tests, the demo and whoever wants to look.
//!
//! The server is `ferrokinesis` behind the [`crate::layer`]; it holds everything in memory and ends when it is dropped.
//! Streams are filled in process, so that what is under test is the only one that uses the socket, and the script of faults
//! concerns nobody else. Signatures are not checked: [`Kinesis::callers`] tells who signed.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Deref,
};

use axum::body::Body;
use ferrokinesis::store::StoreOptions;
use hyper::{Response, StatusCode, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    arrivals::Arrivals,
    callers::{Caller, Callers},
    client::Client,
    layer::{self, Emulator},
    script::Script,
    tls,
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
    /// The loopback address to listen at.
    pub host: IpAddr,
    /// Whether it speaks https, with the certificate of [`crate::tls`].
    pub tls: bool,
    /// CBOR, straight from the emulator: neither the script nor anything else of the layer applies to it. Without it, CBOR is
    /// refused.
    pub cbor: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            transition_millis: 0,
            iterator_seconds: 300,
            subscription_millis: 300_000,
            exact_arrival: true,
            host: Ipv4Addr::LOCALHOST.into(),
            tls: false,
            cbor: false,
        }
    }
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Kinesis {
    client: Client,
    script: Script,
    callers: Callers,
    address: SocketAddr,
    is_tls: bool,
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
        let listener = TcpListener::bind((options.host, 0)).await?;
        let address = listener.local_addr()?;
        let tls = if options.tls { Some(tls::acceptor()?) } else { None };
        let server = Server {
            emulator: emulator.clone(),
            script: Script::default(),
            callers: Callers::default(),
            cbor: options.cbor,
        };
        let (script, callers) = (server.script.clone(), server.callers.clone());
        let task = tokio::spawn(accept(listener, tls, server));
        let client = Client::in_process(emulator);
        Ok(Self { client, script, callers, address, is_tls: options.tls, task })
    }

    /// Returns the address as an endpoint URL.
    pub fn endpoint(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Returns who signed the requests that came over the socket, each once, in the order in which they came.
    pub fn callers(&self) -> Vec<Caller> {
        self.callers.all()
    }

    /// Returns who signed the requests for one operation.
    pub fn callers_of(&self, operation: &str) -> Vec<Caller> {
        self.callers.of(operation)
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

/// What connections share.
#[derive(Clone)]
struct Server {
    emulator: Emulator,
    script: Script,
    callers: Callers,
    cbor: bool,
}

/// Serves until it is dropped, and its connections with it.
async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, server: Server) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, server) = (tls.clone(), server.clone());
        connections.spawn(async move {
            match tls {
                None => serve(stream, server).await,
                Some(tls) => {
                    // A client that trusts nobody here says so itself.
                    let Ok(stream) = tls.accept(stream).await else { return };
                    serve(stream, server).await;
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, server: Server) {
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        server.callers.note(request.headers());
        let (emulator, script) = (server.emulator.clone(), server.script.clone());
        let kind = request.headers().get(header::CONTENT_TYPE);
        let speaks = server.cbor || kind.is_none_or(|kind| kind != "application/x-amz-cbor-1.1");
        let answer = layer::serve(emulator, script, request.map(Body::new));
        async move { Ok::<_, Infallible>(if speaks { answer.await } else { refusal() }) }
    });
    // A client that goes away in the middle is its own affair.
    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

/// What the service says to a protocol that it does not know.
fn refusal() -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"__type":"UnknownOperationException"}"#));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
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
