//! What a test of both runs on: the double, or the real server that `CTK_TEST_CRATEDB_URL` names.

use std::error::Error;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use super::{CrateDb, time};

/// The name of the variable, as `crate://crate@localhost:4200/`.
const VARIABLE: &str = "CTK_TEST_CRATEDB_URL";

/// A server, and a schema of it that nobody else uses.
#[derive(Debug)]
pub struct Target {
    double: Option<CrateDb>,
    /// `user:password@`, or nothing.
    user: String,
    /// `host:port`.
    host: String,
    schema: String,
}

/// Returns the server that the environment names, or a double. Panics when there is none: then nothing can be tested.
#[expect(clippy::expect_used, reason = "a test without a server has to end")]
pub async fn target() -> Target {
    let Some(url) = std::env::var_os(VARIABLE) else {
        return Target::of(CrateDb::start().await.expect("a free port for the double"));
    };
    Target::at(&url.into_string().expect("an address is UTF-8"))
}

fn schema() -> String {
    format!("ctk_test_{}_{}", std::process::id(), unique())
}

/// Tests of one process start within one nanosecond at times, and time is not the same in all of them.
fn unique() -> String {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}_{}", time::nanos(), NEXT.fetch_add(1, Relaxed))
}

impl Target {
    /// Returns the server at an address, as `crate://crate@localhost:4200/`.
    pub fn at(url: &str) -> Self {
        let (_, rest) = url.split_once("://").unwrap_or(("", url));
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let user = if user.is_empty() { String::new() } else { format!("{user}@") };
        let host = if host.contains(':') { host.to_owned() } else { format!("{host}:4200") };
        Self { double: None, user, host, schema: schema() }
    }

    /// Returns a double, whatever the environment names: for what no real server can be made to do.
    pub fn of(double: CrateDb) -> Self {
        let user = match &double.shared.options.user {
            Some((user, password)) => format!("{user}:{password}@"),
            None => String::new(),
        };
        Self { host: double.address().to_string(), double: Some(double), user, schema: schema() }
    }

    /// Returns an address with this path, as `schema/table?option=value`, and with the user where there is one.
    pub fn url(&self, path: &str) -> String {
        format!("crate://{}{}/{}", self.user, self.host, path.trim_start_matches('/'))
    }

    /// Returns the name of the schema.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// Returns the double, none when the server is a real one.
    pub fn double(&self) -> Option<&CrateDb> {
        self.double.as_ref()
    }

    /// Runs a statement over HTTP in this schema, and returns the answer or the refusal, as `{"error": …}`.
    #[expect(clippy::panic, reason = "a test that does not reach its server has to end")]
    pub async fn sql(&self, statement: &str, args: &[Value]) -> Value {
        let body = json!({ "stmt": statement, "args": args }).to_string();
        match self.post(body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{statement}: {error}"),
        }
    }

    /// Drops the tables of the schema.
    pub async fn clean(self) {
        let listing = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?";
        let answer = self.sql(listing, &[json!(self.schema)]).await;
        for row in answer["rows"].as_array().into_iter().flatten() {
            let name = row[0].as_str().unwrap_or_default().replace('"', "\"\"");
            let statement = format!("DROP TABLE \"{}\".\"{name}\"", self.schema);
            self.sql(&statement, &[]).await;
        }
    }

    async fn post(&self, body: String) -> Result<Value, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.host).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Dropped, and ended with it, when the answer is complete.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut request = Request::post("/_sql")
            .header(header::HOST, &self.host)
            .header(header::CONTENT_TYPE, "application/json")
            .header("Default-Schema", &self.schema);
        if let Some(user) = self.user.strip_suffix('@') {
            let user = if user.contains(':') { user.to_owned() } else { format!("{user}:") };
            request =
                request.header(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(user)));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let response = sender.send_request(request).await?;
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&bytes)?)
    }
}
