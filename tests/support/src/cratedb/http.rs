//! HTTP: bodies in, answers and faults out.

use std::{
    io::{self, Read as _},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue},
};

use super::{
    Shared,
    engine::{self, Answer, DEFAULT_SCHEMA},
    error::Error,
    faults::Fault,
};

type Body = Full<Bytes>;

/// Answers a request, or breaks its connection.
pub(super) async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> io::Result<Response<Body>> {
    let (parts, mut body) = request.into_parts();
    let largest = shared.options.largest_body;
    // What is too long is read to its end all the same: then the answer arrives.
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(io::Error::other)?;
        if let Some(data) = frame.data_ref() {
            length += data.len();
            if length <= largest {
                bytes.extend_from_slice(data);
            }
        }
    }
    shared.faults.count_request();
    if let Some(pause) = shared.faults.hang() {
        tokio::time::sleep(pause).await;
    }
    if !may_enter(&shared, &parts.headers) {
        let text = "password authentication failed for user\n";
        return Ok(answer(StatusCode::UNAUTHORIZED, "text/plain; charset=UTF-8", text.into()));
    }
    if parts.headers.get(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip") {
        shared.faults.count_gzipped();
        let mut plain = Vec::new();
        let limit = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(1);
        if GzDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut plain).is_err() {
            return Ok(refuse(&Error::sql("Failed to parse source: Not in GZIP format")));
        }
        length = length.max(plain.len());
        bytes = plain;
    }
    if length > largest {
        return Ok(empty(StatusCode::PAYLOAD_TOO_LARGE));
    }
    match (&parts.method, parts.uri.path()) {
        (&Method::POST, "/_sql") => sql(&shared, &parts.headers, bytes),
        (&Method::GET, "/") => {
            let version = shared.options.version;
            let node = serde_json::json!({
                "ok": true,
                "status": 200,
                "name": "double",
                "cluster_name": "crate",
                "version": { "number": version },
            });
            Ok(json(StatusCode::OK, node.to_string()))
        }
        (_, "/_sql") => Ok(empty(StatusCode::METHOD_NOT_ALLOWED)),
        _ => Ok(empty(StatusCode::NOT_FOUND)),
    }
}

fn sql(shared: &Shared, headers: &HeaderMap, bytes: Vec<u8>) -> io::Result<Response<Body>> {
    let schema = headers.get("default-schema").and_then(|schema| schema.to_str().ok());
    let body = String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
    let request = match engine::Request::parse(&body, schema.unwrap_or(DEFAULT_SCHEMA)) {
        Ok(request) => request,
        Err(error) => return Ok(refuse(&error)),
    };
    drop(body);
    let bulk = request.bulk.as_ref().map(Vec::len);
    let (fault, before) = shared.faults.next(&request.statement, bulk);
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    let is_answer_lost = match fault {
        None => false,
        Some(Fault::LoseAnswer) => true,
        Some(Fault::Reset) => return Err(broken()),
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Ok(answer(
                status,
                "text/plain; charset=UTF-8",
                "by the script of the test\n".into(),
            ));
        }
        Some(Fault::TopLevel(code)) => return Ok(refuse(&Error::scripted(code))),
        Some(Fault::RowsFail(code)) => {
            return Ok(match bulk {
                Some(rows) => {
                    let results = vec![Err(Error::scripted(code)); rows];
                    json(StatusCode::OK, Answer::Bulk(results).to_json())
                }
                None => refuse(&Error::scripted(code)),
            });
        }
    };
    if let Some(statement) = before {
        let (args, bulk, schema) = (Vec::new(), None, request.schema.clone());
        // What the other writer meets is not this one's affair.
        drop(shared.run(engine::Request { statement, args, bulk, schema }, shared.state()));
    }
    let answered = shared.run(request, shared.state());
    if is_answer_lost {
        return Err(broken());
    }
    Ok(match answered {
        Ok(answered) => json(StatusCode::OK, answered.to_json()),
        Err(error) => refuse(&error),
    })
}

fn may_enter(shared: &Shared, headers: &HeaderMap) -> bool {
    let Some((user, password)) = shared.options.user else { return true };
    let expected = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    headers.get(AUTHORIZATION).is_some_and(|given| given == expected.as_str())
}

/// Returns the body of a refusal.
pub(super) fn refusal(error: &Error) -> String {
    let mut body = "{\"error\":".to_owned();
    error.write(&mut body);
    body.push('}');
    body
}

fn refuse(error: &Error) -> Response<Body> {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, refusal(error))
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    answer(status, "application/json; charset=UTF-8", body)
}

fn empty(status: StatusCode) -> Response<Body> {
    answer(status, "text/plain; charset=UTF-8", String::new())
}

fn answer(status: StatusCode, kind: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
