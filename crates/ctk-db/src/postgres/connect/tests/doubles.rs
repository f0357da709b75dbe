//! Servers that speak the protocol and are not what we want, as far as they are asked.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// The number that asks for encryption (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
const ENCRYPT: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// Answers every question with one text, as a server that says this version at the start.
async fn answer(listener: TcpListener, version: &str, text: &str) {
    let (mut stream, _) = listener.accept().await.unwrap();
    // The request for encryption, then the start: both begin with their length.
    if read(&mut stream).await == ENCRYPT {
        stream.write_all(b"N").await.unwrap();
        read(&mut stream).await;
    }
    let mut start = message(b'R', &0_i32.to_be_bytes());
    start.extend(message(b'S', format!("server_version\0{version}\0").as_bytes()));
    start.extend(message(b'Z', b"I"));
    stream.write_all(&start).await.unwrap();
    while stream.read_u8().await.is_ok_and(|kind| kind == b'Q') {
        read(&mut stream).await;
        let mut column = 1_i16.to_be_bytes().to_vec();
        column.extend(b"version\0");
        column.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]);
        let mut row = 1_i16.to_be_bytes().to_vec();
        row.extend(i32::try_from(text.len()).unwrap().to_be_bytes());
        row.extend(text.as_bytes());
        let mut answer = message(b'T', &column);
        answer.extend(message(b'D', &row));
        answer.extend(message(b'C', b"SELECT 1\0"));
        answer.extend(message(b'Z', b"I"));
        stream.write_all(&answer).await.unwrap();
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind], length.to_be_bytes().as_slice(), body].concat()
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_u32().await.unwrap();
    let mut body = vec![0; usize::try_from(length).unwrap() - 4];
    stream.read_exact(&mut body).await.unwrap();
    body
}

#[tokio::test]
async fn other_servers_are_told_by_name() {
    let check = async |version: &str, text: &str, expected: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let address = format!("postgresql://me:hunter2@127.0.0.1:{port}/doc");
        let config = config(&address);
        let (error, ()) = tokio::join!(config.connect(), answer(listener, version, text));
        let error = error.unwrap_err();
        assert_eq!(shown(&error).replace(&port.to_string(), "PORT"), expected);
        assert_eq!(error.trouble(), Trouble::Other);
    };
    let expected = "database doc at 127.0.0.1:PORT is CrateDB, not PostgreSQL\n\
                    hint: CrateDB is loaded over HTTP: use crate://me@127.0.0.1:4200/";
    check("14.0", "CrateDB 6.4.3 (built 0000000/NA, Linux)", expected).await;
    let expected = "database doc at 127.0.0.1:PORT is CockroachDB, not PostgreSQL";
    check("13.0.0", "CockroachDB CCL v25.1", expected).await;
    let hint = "hint: use PostgreSQL 13 or later";
    let expected =
        format!("database doc at 127.0.0.1:PORT has PostgreSQL 12, which is too old\n{hint}");
    check("12.22", "PostgreSQL 12.22 on x86_64", &expected).await;
    let expected =
        format!("database doc at 127.0.0.1:PORT has PostgreSQL 8.0, which is too old\n{hint}");
    check("8.0.2", "PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift", &expected).await;
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up() {
    // It takes connections, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = format!("postgresql://me@127.0.0.1:{port}/db?connect_timeout=1");
    let error = config(&address).connect().await.unwrap_err();
    assert!(shown(&error).contains("no answer within 1 s"), "{}", shown(&error));
    assert_eq!(error.trouble(), Trouble::Connection);
}

#[tokio::test]
async fn encryption_that_fails_is_done_without_where_it_is_only_preferred() {
    let check = async |mode: &str, expected: &str| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let config = config(&format!("postgresql://me@127.0.0.1:{port}/db?sslmode={mode}"));
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(read(&mut stream).await, ENCRYPT);
            stream.write_all(b"Sthis is no handshake").await.unwrap();
            // Until the client has given it up.
            stream.read_to_end(&mut Vec::new()).await.unwrap_or_default();
            answer(listener, "12.1", "PostgreSQL 12.1").await;
        };
        let error = tokio::select! {
            error = config.connect() => error.unwrap_err(),
            () = server => panic!("the client went away"),
        };
        assert!(shown(&error).contains(expected), "{mode}: {}", shown(&error));
    };
    check("prefer", "has PostgreSQL 12").await;
    check("require", "received corrupt message").await;
}
