//! The same records in each protocol, and what becomes of endpoints that do not speak CBOR, or spoil it.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use ctk_flow::{Reader, Record, Source};
use ctk_kinesis::KinesisError;
use ctk_test_support::{
    embedded::{Kinesis, Options},
    kinesis_local,
    replay::{Replay, ReplayOptions},
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::reading::{Reading, load, numbered, open, put};

const PROTOCOLS: [&str; 3] = ["json", "cbor", "auto"];

const CBOR: &str = "application/x-amz-cbor-1.1";
const JSON: &str = "application/x-amz-json-1.1";

/// Returns what came, without the shards.
fn records(reading: &Reading) -> Vec<Record> {
    reading.records.iter().map(|(_, record)| record.clone()).collect()
}

/// Payloads of all bytes, of all lengths of heads, empty ones too, and what looks like base64.
fn payloads() -> Vec<Vec<u8>> {
    let every: Vec<u8> = (0..=255).collect();
    let lengths = [0, 1, 23, 24, 255, 256, 65_535, 65_536, 200_000];
    let long = lengths.map(|length| every.iter().copied().cycle().take(length).collect());
    [every.clone(), b"aGVsbG8=".to_vec()].into_iter().chain(long).collect()
}

#[tokio::test]
async fn every_protocol_brings_the_same_from_replay() {
    let options = ReplayOptions { shards: 2, ..ReplayOptions::default() };
    let replay = Replay::start(&options, payloads()).expect("it starts");
    let readings = PROTOCOLS.map(|protocol| format!("&protocol={protocol}&chunk_size=3"));
    let mut all = Vec::new();
    for options in readings {
        all.push(records(&load(&replay.endpoint(), "bench", &options, HashMap::new()).await));
    }
    assert_eq!(all[0].len(), payloads().len());
    let mut data: Vec<_> = all[0].iter().map(|record| record.data.clone()).collect();
    let mut expected = payloads();
    data.sort();
    expected.sort();
    assert!(data == expected, "the payloads are what was put");
    assert!(all[0].iter().all(|record| record.arrived_at.is_some_and(|millis| millis % 1000 != 0)));
    // Sequence numbers, keys, and arrival times to the millisecond.
    assert!(all[1] == all[0] && all[2] == all[0], "the protocols differ");
}

#[tokio::test]
async fn every_protocol_reads_the_embedded_kinesis() {
    let speaks = Options { cbor: true, ..Options::default() };
    let kinesis = Kinesis::start(speaks).await.expect("it starts");
    kinesis.create_stream("s", 2).await.expect("the stream is created");
    for (number, payload) in
        payloads().iter().enumerate().filter(|(_, payload)| !payload.is_empty())
    {
        kinesis.put("s", &format!("key-{number}"), payload).await.expect("it is taken");
    }
    let mut all = Vec::new();
    for protocol in PROTOCOLS {
        let options = format!("&protocol={protocol}&chunk_size=3");
        all.push(records(&load(&kinesis.endpoint(), "s", &options, HashMap::new()).await));
    }
    assert_eq!(all[0].len(), payloads().len() - 1);
    // Its times are cut to the second in CBOR; the layer makes them exact in JSON.
    let cut = |records: &[Record]| -> Vec<Record> {
        let seconds = |record: &Record| record.arrived_at.map(|millis| millis / 1000);
        records
            .iter()
            .map(|record| Record { arrived_at: seconds(record), ..record.clone() })
            .collect()
    };
    assert!(cut(&all[1]) == cut(&all[0]) && all[2] == all[1], "the protocols differ");
}

#[tokio::test]
async fn an_endpoint_without_cbor_is_read_in_json_or_named() {
    let kinesis = Kinesis::start(Options::default()).await.expect("it starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 5)).await;
    let reading = load(&kinesis.endpoint(), "s", "&protocol=auto", HashMap::new()).await;
    assert_eq!(reading.payloads(), numbered("a", 5));

    let error = open(&kinesis.endpoint(), "s", "&protocol=cbor", HashMap::new()).await;
    let error = error.expect_err("it does not speak CBOR");
    assert!(matches!(error, KinesisError::NotCbor { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("{} does not speak CBOR as Kinesis does", kinesis.endpoint())
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("protocol=json")));
}

#[tokio::test]
async fn payloads_as_text_are_read_in_json_or_refused() {
    let kinesis = kinesis_local::start().await.expect("kinesis-local starts");
    kinesis.create_stream("s", 1).await.expect("the stream is created");
    put(&kinesis, "s", &numbered("a", 5)).await;
    for protocol in ["auto", "json"] {
        let options = format!("&protocol={protocol}&chunk_size=2");
        let reading = load(&kinesis.endpoint(), "s", &options, HashMap::new()).await;
        assert_eq!(reading.payloads(), numbered("a", 5), "{protocol}");
        reading.assert_in_order();
    }
    let refused = refused_in_cbor(&kinesis.endpoint(), "s").await;
    assert!(matches!(refused, KinesisError::NotCbor { .. }), "{refused:?}");
}

/// Opens a stream in CBOR and reads once; returns the error of either.
async fn refused_in_cbor(endpoint: &str, stream: &str) -> KinesisError {
    let mut source = match open(endpoint, stream, "&protocol=cbor", HashMap::new()).await {
        Ok(source) => source,
        Err(error) => return error,
    };
    let mut reader = source.readers().await.expect("the shards are listed").remove(0);
    let error = reader.read().await.expect_err("it is refused");
    *error.downcast().expect("an error of ours")
}

/// An answer that stands in for that of a replay.
struct Instead {
    status: u16,
    kind: &'static str,
    body: Vec<u8>,
}

/// Hands calls on to a replay, but for those that the test answers.
struct Double {
    address: SocketAddr,
    task: JoinHandle<()>,
    _replay: Replay,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    /// `instead` is asked with the operation, whether it is in CBOR, and the number of the call among those.
    async fn start(
        instead: impl Fn(&str, bool, usize) -> Option<Instead> + Send + Sync + 'static,
    ) -> Self {
        let options = ReplayOptions { shards: 1, ..ReplayOptions::default() };
        let replay = Replay::start(&options, numbered("a", 6)).expect("it starts");
        let (to, counts) = (replay.address(), Mutex::new(HashMap::new()));
        let instead = Arc::new(move |operation: &str, cbor: bool| {
            let mut counts = counts.lock().expect("not poisoned");
            let count = counts.entry((operation.to_owned(), cbor)).or_insert(0);
            *count += 1;
            instead(operation, cbor, *count - 1)
        });
        let app = Router::new().fallback(move |headers: HeaderMap, body: Bytes| {
            let instead = Arc::clone(&instead);
            async move {
                let text = |name: &str| headers[name].to_str().expect("text").to_owned();
                let target = text("x-amz-target");
                let operation = target.rsplit('.').next().unwrap_or_default();
                let kind = text("content-type");
                let (status, kind, body) = match instead(operation, kind == CBOR) {
                    Some(Instead { status, kind, body }) => (status, kind.to_owned(), body),
                    None => hand_on(to, &target, &kind, &body).await,
                };
                let status = StatusCode::from_u16(status).expect("a status");
                (status, [(header::CONTENT_TYPE, kind)], body).into_response()
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            axum::serve(listener, app).await.expect("it serves");
        });
        Self { address, task, _replay: replay }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn hand_on(to: SocketAddr, target: &str, kind: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(to).await.expect("it is there");
    let head = format!(
        "POST / HTTP/1.1\r\nhost: replay\r\nx-amz-target: {target}\r\ncontent-type: {kind}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body].concat()).await.expect("it takes the request");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("it answers");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    let body = answer.split_off(end + 4);
    let head = String::from_utf8(answer).expect("text");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    (status, kind.to_owned(), body)
}

/// `{"__type": code, "message": "by the test"}` in CBOR, with the lengths written out.
fn error_in_cbor(code: &str) -> Vec<u8> {
    let mut body = vec![0xbf];
    for text in ["__type", code, "message", "by the test"] {
        body.extend([0x78, u8::try_from(text.len()).expect("short")]);
        body.extend(text.as_bytes());
    }
    body.push(0xff);
    body
}

fn error(status: u16, code: &str) -> Instead {
    Instead { status, kind: CBOR, body: error_in_cbor(code) }
}

#[tokio::test]
async fn errors_in_cbor_are_waited_out_like_those_in_json() {
    let double = Double::start(|operation, cbor, count| match (operation, cbor, count) {
        ("GetRecords", true, 0) => Some(error(400, "ExpiredIteratorException")),
        ("GetRecords", true, 1) => Some(error(400, "ProvisionedThroughputExceededException")),
        ("GetRecords", true, 3) => Some(error(500, "com.amazonaws.kinesis#InternalFailure")),
        // In JSON, and saying that it is CBOR.
        ("GetRecords", true, 4) => Some(Instead {
            status: 400,
            kind: CBOR,
            body: br#"{"__type":"ExpiredIteratorException","message":"old"}"#.to_vec(),
        }),
        // A gateway that knows neither.
        ("GetRecords", true, 5) => {
            Some(Instead { status: 503, kind: "text/html", body: b"<html>".to_vec() })
        }
        ("GetRecords", false, _) => panic!("JSON was not asked for"),
        _ => None,
    })
    .await;
    let options = "&protocol=cbor&chunk_size=4";
    let reading = load(&double.endpoint(), "bench", options, HashMap::new()).await;
    assert_eq!(reading.payloads(), numbered("a", 6));
}

#[tokio::test]
async fn an_error_in_cbor_is_told_with_its_code_and_message() {
    let double = Double::start(|operation, cbor, _| match (operation, cbor) {
        ("GetRecords", true) => Some(error(400, "AccessDeniedException")),
        _ => None,
    })
    .await;
    let error = refused_in_cbor(&double.endpoint(), "bench").await;
    let KinesisError::Denied { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "GetRecords failed: AccessDeniedException: by the test");
}

#[tokio::test]
async fn cbor_that_is_spoilt_once_is_not_tried_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let in_cbor = Arc::clone(&calls);
    let double = Double::start(move |operation, cbor, count| match (operation, cbor) {
        ("GetRecords", true) => {
            in_cbor.store(count + 1, Relaxed);
            // {"Records": [{"SequenceNumber": "1", "Data": "YQ=="}]}, the payload as text.
            let body = b"\xa1\x67Records\x81\xa2\x6eSequenceNumber\x611\x64Data\x64YQ==".to_vec();
            (count > 0).then_some(Instead { status: 200, kind: CBOR, body })
        }
        _ => None,
    })
    .await;
    let options = "&protocol=auto&chunk_size=2";
    let reading = load(&double.endpoint(), "bench", options, HashMap::new()).await;
    assert_eq!(reading.payloads(), numbered("a", 6), "none twice, none missing");
    assert_eq!(calls.load(Relaxed), 2, "one that was understood, and one that was not");
}

#[tokio::test]
async fn who_answers_cbor_in_json_does_not_speak_it() {
    let double = Double::start(|operation, cbor, _| match (operation, cbor) {
        ("DescribeStreamSummary", true) => {
            Some(Instead { status: 200, kind: JSON, body: b"{}".to_vec() })
        }
        ("GetRecords", true) => panic!("CBOR is not spoken here"),
        _ => None,
    })
    .await;
    let reading = load(&double.endpoint(), "bench", "&protocol=auto", HashMap::new()).await;
    assert_eq!(reading.payloads(), numbered("a", 6));
    let error = refused_in_cbor(&double.endpoint(), "bench").await;
    assert!(matches!(error, KinesisError::NotCbor { .. }), "{error:?}");
}

#[tokio::test]
async fn json_asks_nothing_in_cbor() {
    let double = Double::start(|operation, cbor, count| {
        assert!(!cbor, "{operation} in CBOR");
        assert!(operation != "DescribeStreamSummary" || count == 0, "one call is enough");
        None
    })
    .await;
    let reading = load(&double.endpoint(), "bench", "&protocol=json", HashMap::new()).await;
    assert_eq!(reading.payloads(), numbered("a", 6));
}
