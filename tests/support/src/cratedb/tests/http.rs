//! HTTP: statuses, users, limits, compression.

use std::io::Write as _;

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body_util::Full;
use hyper::Request;
use serde_json::json;

use super::{
    super::{CrateDb, Options},
    post, run, send,
};

#[tokio::test]
async fn errors_have_a_status_and_a_code() {
    let server = CrateDb::start().await.unwrap();
    run(&server, "CREATE TABLE t (id TEXT PRIMARY KEY)");
    for (statement, expected) in [
        ("SELEC 1", (400, 4000)),
        ("SELECT a FROM missing", (404, 4041)),
        ("SELECT a FROM t", (404, 4043)),
        ("CREATE TABLE t (id TEXT)", (409, 4093)),
        ("CREATE TABLE u (\"_id\" TEXT)", (400, 4008)),
    ] {
        let (status, answer) =
            post(&server, &json!({ "stmt": statement }).to_string()).await.unwrap();
        assert_eq!((status, answer["error"]["code"].as_i64().unwrap()), expected, "{statement}");
    }
    let (status, answer) =
        post(&server, r#"{"stmt": "SELECT a FROM t", "bulk_args": [[1]]}"#).await.unwrap();
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(4000)));
}

#[tokio::test]
async fn a_body_that_is_no_json_comes_back_whole() {
    let server = CrateDb::start().await.unwrap();
    for body in
        [r#"{"stmt": "SELECT ?", "args": [NaN]}"#, "nonsense", r#"{"stmt": "SELECT 1"} x"#, "[1]"]
    {
        let (status, answer) = post(&server, body).await.unwrap();
        assert_eq!(status, 400);
        assert!(answer["error"]["message"].as_str().unwrap().contains(body), "{answer}");
    }
}

#[tokio::test]
async fn the_schema_comes_with_a_header() {
    let server = CrateDb::start().await.unwrap();
    let body = json!({ "stmt": "CREATE TABLE t (id TEXT)" }).to_string();
    let request =
        Request::post("/_sql").header("Default-Schema", "other").body(Full::from(body)).unwrap();
    assert_eq!(send(&server, request).await.unwrap().0, 200);
    run(&server, "SELECT id FROM other.t");
}

#[tokio::test]
async fn a_user_has_to_know_the_password() {
    let options = Options { user: Some(("crate", "secret")), ..Options::default() };
    let server = CrateDb::start_with(options).await.unwrap();
    let ask = async |user: Option<&str>| {
        let mut request = Request::post("/_sql");
        if let Some(user) = user {
            request = request.header("Authorization", format!("Basic {user}"));
        }
        let body = Full::from(r#"{"stmt": "SELECT 1"}"#);
        send(&server, request.body(body).unwrap()).await.unwrap()
    };
    let (status, body) = ask(None).await;
    assert_eq!(status, 401);
    assert!(serde_json::from_slice::<serde_json::Value>(&body).is_err(), "plain text");
    assert_eq!(ask(Some("Y3JhdGU6d3Jvbmc=")).await.0, 401);
    assert_eq!(ask(Some("Y3JhdGU6c2VjcmV0")).await.0, 200);
}

#[tokio::test]
async fn a_body_may_be_compressed_and_must_not_be_too_long() {
    let server =
        CrateDb::start_with(Options { largest_body: 1000, ..Options::default() }).await.unwrap();
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let body = Full::new(Bytes::from(encoder.finish().unwrap()));
        Request::post("/_sql").header("Content-Encoding", "gzip").body(body).unwrap()
    };
    let (status, body) = send(&server, gzip(r#"{"stmt": "SELECT 5"}"#)).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &answer["rows"]), (200, &json!([[5]])));
    assert_eq!(server.script().gzipped(), 1);
    let long = format!(r#"{{"stmt": "SELECT '{}'"}}"#, "x".repeat(1000));
    let (status, body) = send(&server, gzip(&long)).await.unwrap();
    assert_eq!((status, body.len()), (413, 0));
    let request = Request::post("/_sql").body(Full::from(long)).unwrap();
    let (status, body) = send(&server, request).await.unwrap();
    assert_eq!((status, body.len()), (413, 0));
}

#[tokio::test]
async fn the_node_says_who_it_is() {
    let server =
        CrateDb::start_with(Options { version: "5.10.1", ..Options::default() }).await.unwrap();
    let request = Request::get("/").body(Full::default()).unwrap();
    let (status, body) = send(&server, request).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &answer["version"]["number"]), (200, &json!("5.10.1")));
    assert_eq!(answer["cluster_name"], "crate");
}
