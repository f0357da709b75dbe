//! Faults by script, and a restart.

use std::time::Duration;

use serde_json::json;

use super::{
    super::{CrateDb, Fault, Options},
    bulk, bulk_answer, codes, post, refreshed, run, with_table,
};

const INSERT: &str = "INSERT INTO t (id) VALUES (?) ON CONFLICT DO NOTHING";
const SELECT: &str = r#"{"stmt": "SELECT count(*) FROM t"}"#;

#[tokio::test]
async fn bulk_requests_meet_faults_in_their_turn() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    let faults = server.script();
    faults.next_bulk(Fault::Reset);
    faults.nth_bulk(2, Fault::LoseAnswer);
    faults.nth_bulk(3, Fault::Status(503));
    faults.nth_bulk(4, Fault::RowsFail(4037));
    faults.nth_bulk(5, Fault::TopLevel(5002));
    let body = |id: u32| json!({ "stmt": INSERT, "bulk_args": [[id]] }).to_string();
    assert_eq!(post(&server, SELECT).await.unwrap().0, 200, "no bulk request");
    assert!(post(&server, &body(1)).await.is_err());
    assert!(post(&server, &body(2)).await.is_err());
    assert_eq!(post(&server, &body(3)).await.unwrap(), (503, serde_json::Value::Null));
    let (status, answer) = bulk_answer(&server, INSERT, "[[4], [5]]").await;
    assert_eq!((status, codes(&answer)), (200, vec![4037, 4037]));
    assert_eq!(bulk(&server, INSERT, "[[6]]").await, (503, vec![5002]));
    assert_eq!(bulk(&server, INSERT, "[[7]]").await, (200, vec![1]));
    // The lost answer was to a request that was applied.
    assert_eq!(refreshed(&server, "SELECT id FROM t ORDER BY id"), json!([[2], [7]]));
    assert_eq!((faults.requests(), faults.bulk_requests(), faults.largest_bulk()), (7, 6, 2));
    assert_eq!(faults.statements().first().map(String::as_str), Some("SELECT count(*) FROM t"));
    assert_eq!(faults.statements().len(), 7);
}

#[tokio::test]
async fn shares_are_random_and_the_same_each_time() {
    let outcome = async |seed: u64| {
        let server = CrateDb::start_with(Options { seed, ..Options::default() }).await.unwrap();
        run(&server, "CREATE TABLE t (id BIGINT PRIMARY KEY)");
        server.script().reset_share(20);
        server.script().status_share(503, 20);
        server.script().lose_answer_share(20);
        let mut outcomes = Vec::new();
        for _ in 0..60 {
            outcomes.push(post(&server, SELECT).await.map_or(0, |(status, _)| status));
        }
        server.script().heal();
        assert_eq!(post(&server, SELECT).await.unwrap().0, 200);
        outcomes
    };
    let first = outcome(7).await;
    for status in [0, 200, 503] {
        let share = first.iter().filter(|found| **found == status).count();
        assert!((5..45).contains(&share), "{status}: {share}");
    }
    assert_eq!(first, outcome(7).await);
    assert_ne!(first, outcome(8).await);
}

#[tokio::test]
async fn every_third_connection_breaks() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    server.script().reset_every(3);
    let mut broken = Vec::new();
    for number in 1..=9 {
        if post(&server, SELECT).await.is_err() {
            broken.push(number);
        }
    }
    assert_eq!(broken, [3, 6, 9]);
}

#[tokio::test]
async fn faults_last_for_a_while() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    let hour = Duration::from_hours(1);
    server.script().rows_fail_for(hour, 4032);
    assert_eq!(bulk(&server, INSERT, "[[1], [2]]").await, (200, vec![-2, -2]));
    assert_eq!(post(&server, SELECT).await.unwrap().0, 200);
    server.script().top_level_fail_for(hour, 4041);
    assert_eq!(post(&server, SELECT).await.unwrap().0, 404);
    server.script().rows_fail_for(Duration::ZERO, 4032);
    server.script().top_level_fail_for(Duration::ZERO, 4041);
    assert_eq!(bulk(&server, INSERT, "[[1], [2]]").await, (200, vec![1, 1]));
    assert_eq!(refreshed(&server, "SELECT count(*) FROM t"), json!([[2]]));
}

#[tokio::test]
async fn somebody_else_gets_in_between() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    server.script().before_next_bulk("INSERT INTO t (id) VALUES (2)");
    assert_eq!(bulk(&server, INSERT, "[[1], [2]]").await, (200, vec![1, 0]));
    assert_eq!(bulk(&server, INSERT, "[[3]]").await, (200, vec![1]));
}

#[tokio::test]
async fn a_request_can_be_held_back() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    server.script().hang_next(Duration::from_hours(1));
    let came = async {
        while server.script().requests() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = post(&server, SELECT) => panic!("it was answered: {answer:?}"),
        () = came => {}
    }
    assert_eq!(post(&server, SELECT).await.unwrap().0, 200, "only the next one");
}

#[tokio::test]
async fn nobody_listens_during_a_restart() {
    let server = with_table("(id BIGINT PRIMARY KEY)").await;
    let refused = async {
        // The other branch of the selection stops the server first.
        while post(&server, SELECT).await.is_ok() {}
    };
    tokio::select! {
        biased;
        _ = server.restart(Duration::from_hours(1)) => panic!("it came back at once"),
        () = refused => {}
    }
}

#[tokio::test]
async fn after_a_restart_relations_are_unknown() {
    let options = Options { recovery: Duration::from_hours(1), ..Options::default() };
    let server = CrateDb::start_with(options).await.unwrap();
    run(&server, "CREATE TABLE t (id BIGINT PRIMARY KEY)");
    server.restart(Duration::ZERO).await.unwrap();
    for statement in [
        "SELECT count(*) FROM t",
        "CREATE TABLE IF NOT EXISTS t (id TEXT)",
        "INSERT INTO t (id) VALUES (1)",
        "REFRESH TABLE t",
    ] {
        let (status, answer) =
            post(&server, &json!({ "stmt": statement }).to_string()).await.unwrap();
        assert_eq!((status, &answer["error"]["code"]), (404, &json!(4041)), "{statement}");
    }
    assert_eq!(bulk(&server, INSERT, "[[1]]").await, (404, vec![4041]));
    let listing = r#"{"stmt": "SELECT count(*) FROM information_schema.tables"}"#;
    assert_eq!(post(&server, listing).await.unwrap().1["rows"], json!([[0]]));
    let version = r#"{"stmt": "SELECT version()"}"#;
    assert_eq!(post(&server, version).await.unwrap().0, 200);
    assert_eq!(server.rows("SELECT count(*) FROM t"), [[json!(0)]], "in process nothing is hidden");
}

#[tokio::test]
async fn a_restart_keeps_the_data() {
    let options = Options { recovery: Duration::from_millis(20), ..Options::default() };
    let server = CrateDb::start_with(options).await.unwrap();
    run(&server, "CREATE TABLE t (id BIGINT PRIMARY KEY)");
    run(&server, "INSERT INTO t (id) VALUES (1)");
    run(&server, "REFRESH TABLE t");
    let address = server.address();
    server.restart(Duration::from_millis(20)).await.unwrap();
    assert_eq!(server.address(), address);
    while post(&server, SELECT).await.unwrap().0 == 404 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(post(&server, SELECT).await.unwrap().1["rows"], json!([[1]]));
}
