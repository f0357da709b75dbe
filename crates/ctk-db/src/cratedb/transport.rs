//! Requests to `/_sql`: the one file that names the HTTP library.
//!
//! Hosts take turns; one that cannot be reached is passed over. Connections are kept alive.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use ctk_url::Secret;
use flate2::{Compression, write::GzEncoder};
use reqwest::{Response, StatusCode, header, redirect::Policy};
use serde::Deserialize;

use super::{CrateDbConfig, CrateDbError, Gzip, Tls};

/// CrateDB waits up to 60 s for shards before it says that they are not available; whoever hangs up earlier never learns.
const ANSWER: Duration = Duration::from_mins(3);
const CONNECT: Duration = Duration::from_secs(10);

/// From here on compression pays.
const LARGE: usize = 16 << 10;

/// What is read of an error: CrateDB repeats a request that it cannot parse, whole.
const ERROR: usize = 16 << 10;
/// What is shown of it.
const SHOWN: usize = 400;

#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    urls: Vec<(String, String)>,
    next: AtomicUsize,
    user: Option<String>,
    password: Option<Secret>,
    gzip: Gzip,
}

impl Transport {
    pub(super) fn new(config: &CrateDbConfig) -> Result<Self, CrateDbError> {
        let scheme = if config.tls == Tls::Off { "http" } else { "https" };
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .http1_only()
            .tls_danger_accept_invalid_certs(config.tls == Tls::Unverified)
            .build()
            .map_err(|error| CrateDbError::Setup(error.into()))?;
        let url = |host: &String| (host.clone(), format!("{scheme}://{host}/_sql"));
        let shared = Shared {
            urls: config.hosts.iter().map(url).collect(),
            next: AtomicUsize::new(0),
            user: config.user.clone(),
            password: config.password.clone(),
            gzip: config.gzip,
        };
        Ok(Self { client, shared: Arc::new(shared) })
    }

    /// Sends a request to the host whose turn it is, or to the next one that can be reached.
    pub(super) async fn send(&self, body: Bytes) -> Result<Bytes, CrateDbError> {
        let shared = &self.shared;
        let is_packed = shared.gzip == Gzip::Large && body.len() >= LARGE;
        let body = if is_packed { pack(&body) } else { body };
        let first = shared.next.fetch_add(1, Relaxed);
        let mut failure = None;
        for turn in 0..shared.urls.len() {
            let (host, url) = &shared.urls[first.wrapping_add(turn) % shared.urls.len()];
            let mut request =
                self.client.post(url).header(header::CONTENT_TYPE, "application/json");
            if is_packed {
                request = request.header(header::CONTENT_ENCODING, "gzip");
            }
            if let Some(user) = &shared.user {
                request = request.basic_auth(user, shared.password.as_ref().map(Secret::expose));
            }
            match request.body(body.clone()).send().await {
                Ok(response) => return read(host, response).await,
                Err(error) if error.is_connect() => {
                    failure =
                        Some(CrateDbError::Unreachable { host: host.clone(), source: bare(error) });
                }
                Err(error) => {
                    return Err(CrateDbError::Broken { host: host.clone(), source: bare(error) });
                }
            }
        }
        Err(failure.unwrap_or(CrateDbError::Http { status: 0, message: "no host is named".into() }))
    }
}

/// The address is in the message of ours.
fn bare(error: reqwest::Error) -> Box<dyn std::error::Error + Send + Sync> {
    error.without_url().into()
}

fn pack(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing into memory does not fail.
    drop(encoder.write_all(body));
    encoder.finish().unwrap_or_default().into()
}

async fn read(host: &str, response: Response) -> Result<Bytes, CrateDbError> {
    let status = response.status();
    if status.is_success() {
        return response
            .bytes()
            .await
            .map_err(|error| CrateDbError::Broken { host: host.to_owned(), source: bare(error) });
    }
    let body = beginning(response).await;
    Err(refusal(status, &body))
}

/// Returns as much of a body as an error is worth; what comes behind it is not read.
async fn beginning(mut response: Response) -> Bytes {
    let mut body = BytesMut::new();
    while body.len() < ERROR
        && let Ok(Some(part)) = response.chunk().await
    {
        body.extend_from_slice(&part);
    }
    body.truncate(ERROR);
    body.freeze()
}

fn refusal(status: StatusCode, body: &[u8]) -> CrateDbError {
    #[derive(Deserialize)]
    struct Refusal {
        error: super::RowError,
    }
    match serde_json::from_slice::<Refusal>(body) {
        Ok(Refusal { error }) => {
            CrateDbError::Sql { code: error.code, message: shorten(&error.message) }
        }
        // Its own, but longer than what is read: a value that is told, or a request that is repeated.
        Err(_) if body.starts_with(b"{\"error\"") => {
            CrateDbError::Sql { code: u32::from(status.as_u16()) * 10, message: text(body) }
        }
        Err(_) => match status {
            StatusCode::PAYLOAD_TOO_LARGE => CrateDbError::TooLarge,
            StatusCode::UNAUTHORIZED => CrateDbError::Unauthorized { message: text(body) },
            status => CrateDbError::Http { status: status.as_u16(), message: text(body) },
        },
    }
}

fn text(body: &[u8]) -> String {
    shorten(String::from_utf8_lossy(body).trim())
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let check = |status: u16, body: &str, expected: &str| {
            let error = refusal(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(error.to_string(), expected);
        };
        check(
            400,
            r#"{"error":{"message":"SQLParseException[x]","code":4000}}"#,
            "SQLParseException[x] (code 4000)",
        );
        check(413, "", "the request is larger than CrateDB takes (HTTP status 413)");
        check(
            401,
            "trust authentication failed\n",
            "CrateDB does not let this user in: trust authentication failed",
        );
        check(502, "<html>", "the answer has HTTP status 502: <html>");
        let long = format!(r#"{{"error":{{"message":"{}","code":4000}}}}"#, "ü".repeat(5000));
        assert!(
            refusal(StatusCode::BAD_REQUEST, long.as_bytes()).to_string().chars().count() < 430
        );
        // Longer than what is read: no JSON any more.
        check(400, r#"{"error":{"message":"SQLPa"#, r#"{"error":{"message":"SQLPa (code 4000)"#);
        let cut = refusal(StatusCode::INTERNAL_SERVER_ERROR, br#"{"error":{"message":"IllegalArg"#);
        assert!(cut.is_refused() && !cut.is_temporary(), "{cut}");
    }
}
