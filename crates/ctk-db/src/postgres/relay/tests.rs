//! What the relay is for, and that nothing is left of it.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use ctk_test_support::postgres::{Postgres, Stop};
use ctk_url::TargetUrl;
use socket2::SockRef;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream, UnixStream},
    runtime::Handle,
    time::Instant,
};

use super::*;
use crate::postgres::PgConfig;

fn config(address: &str) -> PgConfig {
    let url = TargetUrl::parse(address).unwrap();
    PgConfig::take(&url, &mut url.options.clone()).unwrap()
}

/// Waits until no task is left.
async fn until_no_task_is_left() {
    let wait = async {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("the task ends");
}

#[tokio::test]
async fn small_writes_wait_for_no_acknowledgement() {
    let server = Postgres::start().await.unwrap();
    server.sql("CREATE TABLE t (a int)");
    let mut connection = config(&server.url()).connect().await.unwrap();
    let mut shortest = Duration::MAX;
    // With 40 ms for each of them it would be 2 s and more, each time; on a busy machine one time may be long.
    for _ in 0..5 {
        server.sql("TRUNCATE t");
        let begin = Instant::now();
        for _ in 0..50 {
            let mut copy = connection.copy_in_raw("COPY t FROM STDIN").await.unwrap();
            for row in ["1\n", "2\n", "3\n"] {
                copy.send(row.as_bytes()).await.unwrap();
            }
            copy.finish().await.unwrap();
        }
        shortest = shortest.min(begin.elapsed());
        assert_eq!(server.sql("SELECT count(*), sum(a) FROM t"), "150|300");
    }
    assert!(shortest < Duration::from_millis(1500), "{shortest:?}");
}

#[tokio::test]
async fn much_is_moved_both_ways_and_not_altered() {
    let server = Postgres::start().await.unwrap();
    let mut connection = config(&server.url()).connect().await.unwrap();
    let sent: String =
        (0..2_000_000).map(|number: u32| char::from(b'a' + (number % 23) as u8)).collect();
    let got: String =
        sqlx::query_scalar("SELECT $1").bind(&sent).fetch_one(&mut connection).await.unwrap();
    assert!(got == sent);
}

#[tokio::test]
async fn connections_are_set_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    unix::set_up(&stream);
    let socket = SockRef::from(&stream);
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_mins(1));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 6);
}

#[tokio::test]
async fn the_socket_is_for_us_and_for_once() {
    let socket = unix::Socket::bind(5432).unwrap();
    let folder = socket.folder().to_owned();
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let (client, accepted) =
        tokio::join!(UnixStream::connect(folder.join(".s.PGSQL.5432")), socket.accept());
    client.unwrap();
    accepted.unwrap();
    assert!(!folder.exists());
}

#[tokio::test]
async fn sessions_end_with_their_connection_and_the_other_way_round() {
    let mut server = Postgres::start().await.unwrap();
    let connection = config(&server.url()).connect().await.unwrap();
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1);
    drop(connection);
    until_no_task_is_left().await;
    let mut connection = config(&server.url()).connect().await.unwrap();
    server.stop(Stop::Fast).await.unwrap();
    until_no_task_is_left().await;
    assert!(sqlx::query("SELECT 1").execute(&mut connection).await.is_err());
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing() {
    // It takes connections, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let address = format!("postgresql://me@127.0.0.1:{port}/db?connect_timeout=1");
    config(&address).connect().await.unwrap_err();
    until_no_task_is_left().await;
    let (mut stream, _) = silent.accept().await.unwrap();
    stream.read_to_end(&mut Vec::new()).await.unwrap();
}
