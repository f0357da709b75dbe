//! A double of what AWS gives credentials from, on one socket of this machine: the token service (STS), the endpoint of a
//! container, the metadata of an instance (`IMDSv2`), and the portal of single sign-on.
//!
//! Every set of keys is another one, `ASIAROLE1` and so on, with a secret `secret-of-ASIAROLE1` and a token
//! `token-of-ASIAROLE1`. Signatures are not verified. What is asked for, by whom, and with which proof stands in
//! [`Issuer::calls`]; a proof that is not the one told beforehand is refused as AWS refuses it.

mod answers;

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Body;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use answers::Keys;

/// What a container must show, as the value of `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
pub const CONTAINER_TOKEN: &str = "proof-of-the-container";
/// What a pod must show, as the content of its token file.
pub const WEB_TOKEN: &str = "proof-of-the-pod";
/// What a user has after `aws sso login`.
pub const SSO_TOKEN: &str = "proof-of-the-login";
/// The region that the metadata of the instance tell.
pub const INSTANCE_REGION: &str = "ap-south-1";

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct Issuer {
    state: Arc<Mutex<State>>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// The external id that each role asks for.
    roles: HashMap<String, Option<String>>,
    lifetimes: VecDeque<Duration>,
    issued: HashMap<&'static str, u32>,
    calls: Vec<String>,
}

impl Issuer {
    /// Starts a server on a free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::<Mutex<State>>::default();
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self { state, address, task })
    }

    /// Returns the address as an endpoint URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets a role be assumed by whoever shows this external id, if there is one. Other roles are denied.
    pub fn allow_role(&self, arn: &str, external_id: Option<&str>) {
        lock(&self.state).roles.insert(arn.to_owned(), external_id.map(str::to_owned));
    }

    /// Denies a role from now on.
    pub fn deny_role(&self, arn: &str) {
        lock(&self.state).roles.remove(arn);
    }

    /// Decides how long the next keys live; those after them live for an hour.
    pub fn next_lifetimes(&self, lifetimes: &[Duration]) {
        lock(&self.state).lifetimes.extend(lifetimes);
    }

    /// Returns what was asked for, as `AssumeRole ROLE by KEY`, `Container`, `Instance ROLE`.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).calls.clone()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn issue(&mut self, kind: &'static str) -> Keys {
        let number = self.issued.entry(kind).or_default();
        *number += 1;
        let lifetime = self.lifetimes.pop_front().unwrap_or(Duration::from_hours(1));
        Keys::new(format!("ASIA{kind}{number}"), lifetime)
    }
}

/// A test that panicked has no say in what others see.
fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is dropped, and its connections with it.
async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = answers::serve(Arc::clone(&state), request.map(Body::new));
            async move { Ok::<_, Infallible>(answer.await) }
        });
        connections.spawn(async move {
            // A client that goes away in the middle is its own affair.
            drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
        });
        while connections.try_join_next().is_some() {}
    }
}
