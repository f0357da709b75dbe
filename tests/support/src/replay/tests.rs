//! The endpoint as a client sees it, over the socket.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::cbor::Wire;
use super::{Replay, ReplayOptions};
use crate::records;

/// Sends one request and returns the status and the answer.
fn call(replay: &Replay, operation: &str, request: &Value) -> (u16, Value) {
    let (status, answer) = send(replay, operation, Wire::Json, &Wire::Json.encode(request));
    (status, serde_json::from_slice(&answer).unwrap())
}

/// Sends one request in CBOR.
fn call_in_cbor(replay: &Replay, operation: &str, request: &Value) -> (u16, Vec<u8>) {
    send(replay, operation, Wire::Cbor, &Wire::Cbor.encode(request))
}

fn send(replay: &Replay, operation: &str, wire: Wire, body: &[u8]) -> (u16, Vec<u8>) {
    let mut socket = TcpStream::connect(replay.address()).unwrap();
    write!(
        socket,
        "POST / HTTP/1.1\r\nhost: replay\r\nx-amz-target: Kinesis_20131202.{operation}\r\ncontent-length: {}\r\n\
         content-type: {}\r\nconnection: close\r\n\r\n",
        body.len(),
        wire.content_type()
    )
    .unwrap();
    socket.write_all(body).unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).unwrap();
    let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let body = answer.split_off(split + 4);
    let head = String::from_utf8(answer).unwrap();
    assert!(head.contains(wire.content_type()), "{head}");
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body)
}

fn good(replay: &Replay, operation: &str, request: &Value) -> Value {
    let (status, answer) = call(replay, operation, request);
    assert_eq!(status, 200, "{operation}: {answer}");
    answer
}

fn start(shards: usize, count: u64) -> Replay {
    let options = ReplayOptions { shards, ..ReplayOptions::default() };
    Replay::start(&options, (0..count).map(records::record)).unwrap()
}

fn iterator(replay: &Replay, shard: &str, how: &Value) -> String {
    let mut request = json!({ "StreamName": "bench", "ShardId": shard });
    for (member, value) in how.as_object().unwrap() {
        request[member] = value.clone();
    }
    good(replay, "GetShardIterator", &request)["ShardIterator"].as_str().unwrap().to_owned()
}

/// Returns the `id`s of the first records after an iterator.
fn first_ids(replay: &Replay, how: &Value) -> Vec<u64> {
    let iterator = iterator(replay, "shardId-000000000000", how);
    let answer = good(replay, "GetRecords", &json!({ "ShardIterator": iterator, "Limit": 2 }));
    answer["Records"].as_array().unwrap().iter().map(id).collect()
}

fn id(record: &Value) -> u64 {
    let data = STANDARD.decode(record["Data"].as_str().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&data).unwrap()["id"].as_u64().unwrap()
}

#[test]
fn every_record_comes_once_and_in_order() {
    let replay = start(3, 1_000);
    let mut seen = Vec::new();
    for shard in
        good(&replay, "ListShards", &json!({ "StreamName": "bench" }))["Shards"].as_array().unwrap()
    {
        let mut next = iterator(
            &replay,
            shard["ShardId"].as_str().unwrap(),
            &json!({ "ShardIteratorType": "TRIM_HORIZON" }),
        );
        let (mut ids, mut last) = (Vec::new(), String::new());
        loop {
            let answer =
                good(&replay, "GetRecords", &json!({ "ShardIterator": next, "Limit": 100 }));
            let records = answer["Records"].as_array().unwrap();
            for record in records {
                let sequence = record["SequenceNumber"].as_str().unwrap();
                assert!(
                    sequence.len() == 56 && sequence > last.as_str(),
                    "{sequence} after {last}"
                );
                sequence.clone_into(&mut last);
            }
            ids.extend(records.iter().map(id));
            next = answer["NextShardIterator"].as_str().unwrap().to_owned();
            let behind = answer["MillisBehindLatest"].as_u64().unwrap();
            if records.is_empty() {
                assert_eq!(behind, 0);
                break;
            }
            assert_eq!(behind == 0, ids.len() >= 333, "{behind} ms behind after {}", ids.len());
        }
        assert!(ids.is_sorted());
        seen.extend(ids);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn every_kind_of_iterator_points_where_it_should() {
    let replay = start(2, 2_000);
    let begin =
        iterator(&replay, "shardId-000000000000", &json!({ "ShardIteratorType": "TRIM_HORIZON" }));
    let answer = good(&replay, "GetRecords", &json!({ "ShardIterator": begin }));
    let record = &answer["Records"][400];
    let (sequence, arrival) = (&record["SequenceNumber"], &record["ApproximateArrivalTimestamp"]);

    assert_eq!(first_ids(&replay, &json!({ "ShardIteratorType": "TRIM_HORIZON" })), [0, 2]);
    assert_eq!(first_ids(&replay, &json!({ "ShardIteratorType": "LATEST" })), [0; 0]);
    assert_eq!(
        first_ids(
            &replay,
            &json!({ "ShardIteratorType": "AT_SEQUENCE_NUMBER", "StartingSequenceNumber": sequence })
        ),
        [800, 802]
    );
    assert_eq!(
        first_ids(
            &replay,
            &json!({ "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": sequence })
        ),
        [802, 804]
    );
    assert_eq!(
        first_ids(&replay, &json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": arrival })),
        [800, 802]
    );
    assert_eq!(
        first_ids(&replay, &json!({ "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 0 })),
        [0, 2]
    );
}

#[test]
fn an_answer_is_capped_at_ten_mebibytes() {
    let options = ReplayOptions { shards: 1, ..ReplayOptions::default() };
    let replay = Replay::start(&options, vec![vec![b'x'; 1 << 20]; 12]).unwrap();
    let begin =
        iterator(&replay, "shardId-000000000000", &json!({ "ShardIteratorType": "TRIM_HORIZON" }));
    let answer = good(&replay, "GetRecords", &json!({ "ShardIterator": begin }));
    assert_eq!(
        answer["Records"].as_array().unwrap().len(),
        9,
        "ten would be over it by their keys"
    );
}

#[test]
fn shards_come_in_pages() {
    let replay = start(5, 0);
    let mut request = json!({ "StreamName": "bench", "MaxResults": 2 });
    let mut pages = Vec::new();
    loop {
        let answer = good(&replay, "ListShards", &request);
        pages.push(answer["Shards"].as_array().unwrap().len());
        match answer["NextToken"].as_str() {
            Some(token) => request = json!({ "NextToken": token, "MaxResults": 2 }),
            None => break,
        }
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[test]
fn the_stream_is_described_by_name_and_by_arn() {
    let replay = start(2, 0);
    let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/bench";
    for request in [json!({ "StreamName": "bench" }), json!({ "StreamARN": arn })] {
        let summary = &good(&replay, "DescribeStreamSummary", &request)["StreamDescriptionSummary"];
        assert_eq!(
            (summary["StreamStatus"].as_str(), summary["OpenShardCount"].as_u64()),
            (Some("ACTIVE"), Some(2))
        );
        let description = &good(&replay, "DescribeStream", &request)["StreamDescription"];
        assert_eq!(
            (description["StreamARN"].as_str(), description["Shards"].as_array().unwrap().len()),
            (Some(arn), 2)
        );
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let replay = start(1, 1);
    let check = |operation: &str, request: &Value, expected: &str| {
        let (status, answer) = call(&replay, operation, request);
        assert_eq!(
            (status, answer["__type"].as_str()),
            (400, Some(expected)),
            "{operation}: {answer}"
        );
    };
    check("PutRecord", &json!({}), "UnknownOperationException");
    check("ListShards", &json!({}), "InvalidArgumentException");
    check("ListShards", &json!({ "StreamName": "other" }), "ResourceNotFoundException");
    check("GetRecords", &json!({ "ShardIterator": "bench" }), "InvalidArgumentException");
    check(
        "GetRecords",
        &json!({ "ShardIterator": "shardId-000000000000:0", "Limit": 10_001 }),
        "InvalidArgumentException",
    );
}

#[test]
fn cbor_says_what_json_says() {
    let options = ReplayOptions { shards: 2, ..ReplayOptions::default() };
    let replay = Replay::start(&options, [b"\x00\xff".as_slice(), b"other", b"last"]).unwrap();
    let stream = json!({ "StreamName": "bench" });
    for operation in ["ListShards", "ListStreams"] {
        let (status, cbor) = call_in_cbor(&replay, operation, &stream);
        assert_eq!(
            (status, Wire::Cbor.decode(&cbor)),
            (200, Ok(good(&replay, operation, &stream)))
        );
    }
    let (_, summary) = call_in_cbor(&replay, "DescribeStreamSummary", &stream);
    let summary = Wire::Cbor.decode(&summary).unwrap()["StreamDescriptionSummary"].take();
    assert_eq!(summary["StreamCreationTimestamp"].as_f64(), Some(1_700_000_000.0));
    let from = json!({ "StreamName": "bench", "ShardId": "shardId-000000000000",
        "ShardIteratorType": "AT_TIMESTAMP", "Timestamp": 0 });
    let (_, begin) = call_in_cbor(&replay, "GetShardIterator", &from);
    let begin = Wire::Cbor.decode(&begin).unwrap()["ShardIterator"].take();

    let request = json!({ "ShardIterator": begin });
    let in_json = good(&replay, "GetRecords", &request)["Records"][0].take();
    let (_, in_cbor) = call_in_cbor(&replay, "GetRecords", &request);
    let answer: ciborium::Value = ciborium::from_reader(in_cbor.as_slice()).unwrap();
    let member = |value: &ciborium::Value, name: &str| {
        let mut members = value.as_map().unwrap().iter();
        members.find(|(known, _)| known.as_text() == Some(name)).unwrap().1.clone()
    };
    let records = member(&answer, "Records");
    let records = records.as_array().unwrap();
    assert_eq!(records.len(), 2);
    assert_eq!(member(&records[0], "Data").as_bytes().unwrap(), b"\x00\xff");
    let (tag, millis) = member(&records[0], "ApproximateArrivalTimestamp").into_tag().unwrap();
    let millis: u64 = millis.as_integer().unwrap().try_into().unwrap();
    let seconds = format!("{}.{:03}", millis / 1000, millis % 1000);
    let in_json_seconds = in_json["ApproximateArrivalTimestamp"].as_f64();
    assert_eq!((tag, seconds.parse().ok()), (1, in_json_seconds));
    assert_eq!(member(&records[0], "SequenceNumber").as_text(), in_json["SequenceNumber"].as_str());

    let (status, refusal) = call_in_cbor(&replay, "ListShards", &json!({ "StreamName": "other" }));
    let refusal = Wire::Cbor.decode(&refusal).unwrap();
    assert_eq!((status, refusal["__type"].as_str()), (400, Some("ResourceNotFoundException")));
}
