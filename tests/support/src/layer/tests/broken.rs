//! What goes wrong on the way of an answer, byte for byte.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{Stream, keys};
use crate::script::Fault;

/// Sends one request as text and returns all that comes until the connection ends or `done` is satisfied.
async fn answer(stream: &Stream, iterator: &str) -> Vec<u8> {
    let body = format!(r#"{{"ShardIterator":"{iterator}"}}"#);
    let request = format!(
        "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Amz-Target: Kinesis_20131202.GetRecords\r\n\
         Content-Type: application/x-amz-json-1.1\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/kinesis/aws4_request, \
         SignedHeaders=host, Signature=0\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(stream.kinesis.address()).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    // A reset after the first half is an end as good as any.
    let end = timeout(Duration::from_secs(10), socket.read_to_end(&mut bytes)).await;
    drop(end.expect("the connection ends"));
    bytes
}

/// Returns the promised length, and the body that came.
fn parts(answer: &[u8]) -> (usize, String) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    (length.parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn answers_break_as_the_script_says() {
    let stream = Stream::of(&["a", "b"]).await;
    let (script, iterator) = (stream.kinesis.script(), stream.earliest().await);
    let (length, whole) = parts(&answer(&stream, &iterator).await);
    assert_eq!(length, whole.len());

    script.fault("GetRecords", 1, Fault::Refuse);
    assert_eq!(answer(&stream, &iterator).await, b"", "not a byte");

    script.fault("GetRecords", 1, Fault::Drop);
    let (length, half) = parts(&answer(&stream, &iterator).await);
    assert!(half.len() < length, "{} of {length} bytes", half.len());
    assert!(!half.is_empty(), "it breaks within the body");

    script.fault("GetRecords", 1, Fault::Cut);
    let (length, half) = parts(&answer(&stream, &iterator).await);
    assert_eq!(length, half.len(), "whole by its length");
    assert!(whole.len() / 2 >= length, "{length}");
    let error = serde_json::from_str::<serde_json::Value>(&half).unwrap_err();
    assert!(error.is_eof(), "{error}");
}

#[tokio::test]
async fn a_connection_serves_on_after_an_error() {
    let stream = Stream::of(&["a"]).await;
    let iterator = stream.earliest().await;
    for fault in [Fault::KMS_THROTTLED, Fault::KMS_ACCESS_DENIED, Fault::KMS_DISABLED] {
        let Fault::Error { status: 400, code } = fault else { panic!("{fault:?}") };
        stream.kinesis.script().fault("GetRecords", 1, fault);
        let refused = stream.try_read(&iterator).await.unwrap_err();
        assert!(refused.contains(code), "{refused}");
    }
    assert_eq!(keys(&stream.read(&iterator).await), ["a"]);
}

#[tokio::test]
async fn a_late_answer_is_a_whole_one() {
    let stream = Stream::of(&["a"]).await;
    let iterator = stream.earliest().await;
    stream.kinesis.script().fault("GetRecords", 1, Fault::Delay(Duration::from_millis(120)));
    let asked = Instant::now();
    assert_eq!(keys(&stream.read(&iterator).await), ["a"]);
    assert!(asked.elapsed() >= Duration::from_millis(120), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn chaos_hits_the_calls_that_it_said_and_ends() {
    let faults = async |seed: u64| -> Vec<bool> {
        let stream = Stream::of(&["a"]).await;
        let iterator = stream.earliest().await;
        stream.kinesis.script().chaos(seed, 2);
        let mut faults = Vec::new();
        for _ in 0..40 {
            let came = stream.try_read(&iterator).await;
            faults.push(came.is_ok_and(|answer| !answer.is_null() && keys(&answer) == ["a"]));
        }
        stream.kinesis.script().heal();
        for _ in 0..20 {
            assert_eq!(keys(&stream.read(&iterator).await), ["a"]);
        }
        faults
    };
    let first = faults(1).await;
    assert!(first.contains(&true) && first.contains(&false), "{first:?}");
    assert_eq!(faults(1).await, first);
    assert_ne!(faults(2).await, first);
}
