//! Fills and reshapes streams: the calls that tests need and the loader never makes.
//!
//! It speaks the JSON protocol by hand, in process or over a socket, so that no test depends on the SDK that is under test.

use std::{fmt, net::SocketAddr, time::Duration};

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use http_body_util::{BodyExt, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{net::TcpStream, task::JoinSet};

use crate::layer::{self, Call, Emulator};

/// Who answers.
#[derive(Clone, Debug)]
enum Transport {
    InProcess(Emulator),
    Socket(SocketAddr),
}

/// Calls of the API by their JSON bodies.
#[derive(Clone, Debug)]
pub struct Client(Transport);

/// The answer of a call that did not succeed.
#[derive(Debug)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl Client {
    /// Returns a client of an emulator in this process.
    pub(crate) fn in_process(emulator: Emulator) -> Self {
        Self(Transport::InProcess(emulator))
    }

    /// Returns a client of a server without TLS.
    pub fn new(address: SocketAddr) -> Self {
        Self(Transport::Socket(address))
    }

    /// Creates a stream and waits until it is ACTIVE.
    pub async fn create_stream(&self, stream: &str, shards: u32) -> Result<(), Refused> {
        self.call("CreateStream", json!({ "StreamName": stream, "ShardCount": shards })).await?;
        self.wait_until_active(stream).await
    }

    /// Deletes a stream and waits until it is gone.
    pub async fn delete_stream(&self, stream: &str) -> Result<(), Refused> {
        self.call("DeleteStream", json!({ "StreamName": stream })).await?;
        while self.call("DescribeStreamSummary", json!({ "StreamName": stream })).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Puts one record, by the hash of its key, and returns its shard and sequence number.
    pub async fn put(
        &self,
        stream: &str,
        key: &str,
        data: &[u8],
    ) -> Result<(String, String), Refused> {
        let data = BASE64_STANDARD.encode(data);
        let answer = self
            .call("PutRecord", json!({ "StreamName": stream, "PartitionKey": key, "Data": data }))
            .await?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        Ok((text("ShardId"), text("SequenceNumber")))
    }

    /// Puts many records, in order, as many as fit into a call.
    pub async fn put_all<'a, I>(&self, stream: &str, records: I) -> Result<(), Refused>
    where
        I: IntoIterator<Item = (&'a str, &'a [u8])>,
    {
        let mut entries: Vec<Value> = records
            .into_iter()
            .map(|(key, data)| json!({ "PartitionKey": key, "Data": BASE64_STANDARD.encode(data) }))
            .collect();
        while !entries.is_empty() {
            let rest = entries.split_off(entries.len().min(500));
            let answer = self
                .call("PutRecords", json!({ "StreamName": stream, "Records": entries }))
                .await?;
            if answer["FailedRecordCount"] != 0 {
                return Err(Refused(format!(
                    "PutRecords: {} records failed",
                    answer["FailedRecordCount"]
                )));
            }
            entries = rest;
        }
        Ok(())
    }

    /// Splits a shard in the middle of its hash keys, and waits until it is done.
    pub async fn split_shard(&self, stream: &str, shard: &str) -> Result<(), Refused> {
        let shards = self.shards(stream).await?;
        let range = &shards
            .iter()
            .find(|listed| listed["ShardId"] == shard)
            .ok_or(Refused("no such shard".into()))?["HashKeyRange"];
        let key = |name: &str| {
            range[name].as_str().and_then(|key| key.parse::<u128>().ok()).unwrap_or_default()
        };
        let (start, end) = (key("StartingHashKey"), key("EndingHashKey"));
        let middle = (start + (end - start) / 2).to_string();
        let body =
            json!({ "StreamName": stream, "ShardToSplit": shard, "NewStartingHashKey": middle });
        self.call("SplitShard", body).await?;
        self.wait_until_active(stream).await
    }

    /// Merges two adjacent shards, and waits until it is done.
    pub async fn merge_shards(
        &self,
        stream: &str,
        shard: &str,
        adjacent: &str,
    ) -> Result<(), Refused> {
        let body = json!({ "StreamName": stream, "ShardToMerge": shard, "AdjacentShardToMerge": adjacent });
        self.call("MergeShards", body).await?;
        self.wait_until_active(stream).await
    }

    /// Returns the shards as the service lists them.
    pub async fn shards(&self, stream: &str) -> Result<Vec<Value>, Refused> {
        let mut answer = self.call("ListShards", json!({ "StreamName": stream })).await?;
        Ok(answer["Shards"].as_array_mut().map(std::mem::take).unwrap_or_default())
    }

    /// Makes any call of the API with a JSON body.
    pub async fn call(&self, operation: &str, body: Value) -> Result<Value, Refused> {
        let refused = |error: &dyn fmt::Display| Refused(format!("{operation}: {error}"));
        let headers = headers(operation).map_err(|error| refused(&error))?;
        let (status, body) = match &self.0 {
            Transport::InProcess(emulator) => {
                let reply =
                    layer::forward(emulator, &Call { operation: operation.into(), headers, body })
                        .await;
                (reply.status, reply.body)
            }
            Transport::Socket(address) => {
                post(*address, headers, body.to_string()).await.map_err(|error| refused(&error))?
            }
        };
        if !status.is_success() {
            return Err(refused(&body));
        }
        Ok(body)
    }

    async fn wait_until_active(&self, stream: &str) -> Result<(), Refused> {
        loop {
            let answer =
                self.call("DescribeStreamSummary", json!({ "StreamName": stream })).await?;
            if answer["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE" {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
/// The servers look at the form of a signature only.
fn headers(operation: &str) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let signature = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/kinesis/aws4_request, SignedHeaders=host, Signature=0";
    let mut headers = HeaderMap::new();
    headers
        .insert("x-amz-target", HeaderValue::from_str(&format!("Kinesis_20131202.{operation}"))?);
    headers.insert("x-amz-date", HeaderValue::from_static("20260101T000000Z"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    headers.insert(header::AUTHORIZATION, HeaderValue::from_static(signature));
    Ok(headers)
}

/// Sends one request over a connection of its own.
async fn post(
    address: SocketAddr,
    headers: HeaderMap,
    body: String,
) -> Result<(StatusCode, Value), Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Dropped, and ended with it, when the answer is complete.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut request = Request::post("/").body(Full::new(Bytes::from(body)))?;
    *request.headers_mut() = headers;
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(&address.to_string())?);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}
