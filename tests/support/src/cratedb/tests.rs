//! What the double promises to behave like.

mod bulk;
mod casts;
mod changes;
mod dynamic;
mod faults;
mod http;
mod selects;
mod tables;
mod targets;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, client::conn::http1::handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use super::CrateDb;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Sends a request over a connection of its own, and returns the status and the body.
async fn send(server: &CrateDb, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), Failure> {
    let stream = TcpStream::connect(server.address()).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    Ok((status, response.into_body().collect().await?.to_bytes()))
}

/// Posts a body as it is.
async fn post(server: &CrateDb, body: &str) -> Result<(u16, Value), Failure> {
    let request = Request::post("/_sql").body(Full::new(Bytes::from(body.to_owned())))?;
    let (status, body) = send(server, request).await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// Runs a bulk request, whose rows are written as JSON, and returns the status with the row counts or the code of the error.
async fn bulk(server: &CrateDb, statement: &str, rows: &str) -> (u16, Vec<i64>) {
    let (status, answer) = bulk_answer(server, statement, rows).await;
    if let Some(code) = answer["error"]["code"].as_i64() {
        return (status, vec![code]);
    }
    let results = answer["results"].as_array().expect("results");
    (status, results.iter().map(|result| result["rowcount"].as_i64().expect("a count")).collect())
}

async fn bulk_answer(server: &CrateDb, statement: &str, rows: &str) -> (u16, Value) {
    let statement = Value::from(statement);
    let body = format!("{{\"stmt\": {statement}, \"bulk_args\": {rows}}}");
    post(server, &body).await.expect("an answer")
}

/// Returns the codes of the rows of a bulk answer; 0 where there is no error.
fn codes(answer: &Value) -> Vec<i64> {
    let results = answer["results"].as_array().expect("results");
    results.iter().map(|result| result["error"]["code"].as_i64().unwrap_or(0)).collect()
}

/// Runs a statement in process that has to work.
fn run(server: &CrateDb, statement: &str) -> Value {
    let answer = server.sql(statement, &[]);
    assert_eq!(answer["error"], Value::Null, "{statement}: {answer}");
    answer
}

/// Runs a statement in process that has to fail, and returns its code.
fn fails(server: &CrateDb, statement: &str) -> i64 {
    let answer = server.sql(statement, &[]);
    answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{statement}: {answer}"))
}

/// Returns all rows of a SELECT after a refresh of the table `t`.
fn refreshed(server: &CrateDb, statement: &str) -> Value {
    run(server, "REFRESH TABLE t");
    json!(server.rows(statement))
}

/// Starts a server with a table.
async fn with_table(definition: &str) -> CrateDb {
    let server = CrateDb::start().await.expect("a free port");
    run(&server, &format!("CREATE TABLE t {definition}"));
    server
}
