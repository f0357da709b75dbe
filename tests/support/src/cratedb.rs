//! A double of CrateDB on a socket of this machine: `POST /_sql`, in memory.
//!
//! It behaves as CrateDB 6.4 was seen to behave, above all where that is not what one would expect: an answer with status
//! 200 stores nothing by itself, one bad row refuses a whole request or only itself, integers wrap and fractions are cut
//! off, the last row of a request decides about the type of a new key, and a search sees what was there at the last
//! `REFRESH`. It never refreshes by itself, where the real one does so every second.
//!
//! It knows the SQL that this project speaks; everything else is a syntax error. It does not know: GROUP BY, joins,
//! functions, CHECK constraints, the values of generated columns, more than one node, TLS, the PostgreSQL protocol. Error
//! texts are made up in their wording; codes are CrateDB's
//! (<https://cratedb.com/docs/crate/reference/en/latest/interfaces/http.html>).

mod cast;
mod change;
mod ddl;
mod dynamic;
mod engine;
mod error;
mod evaluate;
mod faults;
mod http;
mod insert;
mod json;
mod lookup;
mod parse;
mod select;
mod syntax;
mod system;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod time;
mod tokens;
mod types;
mod value;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpSocket},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use self::{
    engine::{DEFAULT_SCHEMA, Engine, Request, State},
    error::Error,
};

pub use faults::{Fault, Faults};
pub use target::{Target, target};

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may come in, with the password; none: everybody.
    pub user: Option<(&'static str, &'static str)>,
    /// The version that it claims to be.
    pub version: &'static str,
    /// Keep the values of rows; false for benchmarks: then rows are checked and counted, and only keys are kept.
    pub store_rows: bool,
    /// The longest body of a request in bytes, compressed or not.
    pub largest_body: usize,
    /// How long relations are unknown after a restart.
    pub recovery: Duration,
    /// What random faults are drawn from.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user: None,
            version: "6.4.3",
            store_rows: true,
            largest_body: 100 << 20,
            recovery: Duration::from_millis(1200),
            seed: 1,
        }
    }
}

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub struct CrateDb {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: Mutex<JoinHandle<()>>,
}

/// What connections share.
#[derive(Debug)]
struct Shared {
    engine: Mutex<Engine>,
    faults: Faults,
    options: Options,
    starting_until: Mutex<Option<Instant>>,
}

impl CrateDb {
    /// Starts a server on a free port.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts a server on a free port.
    pub async fn start_with(options: Options) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            engine: Mutex::new(Engine::new(options.version, options.store_rows)),
            faults: Faults::new(options.seed),
            options,
            starting_until: Mutex::new(None),
        });
        let task = Mutex::new(tokio::spawn(accept(listener, Arc::clone(&shared))));
        Ok(Self { shared, address, task })
    }

    /// Returns the host and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address as the program takes it, without user: `crate://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("crate://{}", self.address)
    }

    /// Returns the faults that requests over the socket meet.
    pub fn script(&self) -> &Faults {
        &self.shared.faults
    }

    /// Runs a statement in process, past all faults, and returns what would come over the socket.
    pub fn sql(&self, statement: &str, args: &[Value]) -> Value {
        let body = json!({ "stmt": statement, "args": args }).to_string();
        let answer = Request::parse(&body, DEFAULT_SCHEMA)
            .and_then(|request| self.shared.run(request, State::Started));
        let text = match answer {
            Ok(answer) => answer.to_json(),
            Err(error) => http::refusal(&error),
        };
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Returns the rows of a SELECT, in process. What was written and not refreshed is found by its primary key alone.
    #[expect(clippy::panic, reason = "a test that asks for what is not there has to end")]
    pub fn rows(&self, statement: &str) -> Vec<Vec<Value>> {
        let answer = self.sql(statement, &[]);
        match serde_json::from_value(answer["rows"].clone()) {
            Ok(rows) => rows,
            Err(error) => panic!("{statement}: {error}: {answer}"),
        }
    }

    /// Stops and starts again on the same port, with its data. Meanwhile connections break and are refused; afterwards all
    /// relations are unknown for a while ([`Options::recovery`]).
    pub async fn restart(&self, down: Duration) -> std::io::Result<()> {
        let ended = self.task();
        ended.abort();
        drop(ended.await);
        // Bound, so that nobody else gets the port, and not listening, so that connections are refused.
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(self.address)?;
        tokio::time::sleep(down).await;
        let listener = socket.listen(1024)?;
        let until = Instant::now() + self.shared.options.recovery;
        *lock(&self.shared.starting_until) = Some(until);
        *lock(&self.task) = tokio::spawn(accept(listener, Arc::clone(&self.shared)));
        Ok(())
    }

    /// Takes the task that serves, and leaves one that does nothing.
    fn task(&self) -> JoinHandle<()> {
        std::mem::replace(&mut *lock(&self.task), tokio::spawn(async {}))
    }
}

impl Drop for CrateDb {
    fn drop(&mut self) {
        lock(&self.task).abort();
    }
}

impl Shared {
    fn run(&self, request: Request, state: State) -> Result<engine::Answer, Error> {
        lock(&self.engine).run(request, state)
    }

    fn state(&self) -> State {
        match *lock(&self.starting_until) {
            Some(until) if Instant::now() < until => State::Starting,
            _ => State::Started,
        }
    }
}

/// A test that panicked has no say in what others see.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until it is dropped, and its connections with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // Without it the kernel holds small answers back.
            drop(stream.set_nodelay(true));
            let service = service_fn(move |request| http::serve(Arc::clone(&shared), request));
            // A client that goes away in the middle is its own affair, and a fault ends the connection.
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service);
            drop(connection.await);
        });
        while connections.try_join_next().is_some() {}
    }
}
