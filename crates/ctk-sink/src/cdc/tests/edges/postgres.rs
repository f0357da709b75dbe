//! The same on PostgreSQL, where it may be otherwise than in SQLite.

use ctk_db::postgres::PgConfig;
use ctk_test_support::postgres::Postgres;
use ctk_url::TargetUrl;

use super::*;
use crate::cdc::postgres::{self, Places};

async fn run_postgres(server: &Postgres, batches: &[&str]) -> Result<Committed, ctk_flow::Failure> {
    let url = TargetUrl::parse(&server.url()).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let connection = config.connect_for_writing().await.unwrap();
    let table = TableConfig::from_options(ctk_url::Options::default()).unwrap();
    let places = Places {
        letters: "public".into(),
        checkpoints: "ext".into(),
        namespace: "stream".into(),
        stream: "stream".into(),
    };
    let target =
        postgres::start(&config, connection, settings(), &table, (places, None)).await.unwrap();
    let mut all = Vec::new();
    for (number, batch) in batches.iter().enumerate() {
        let shard = ShardId::new("shard");
        let changes = changes(&shard, number, batch);
        all.push(target.commit(changes, Position::new(shard)).await?);
    }
    target.close().await?;
    Ok(all.into_iter().sum())
}

/// Rows came before the record that tells the key, as from another shard: the column of their message ids must not be NULL.
#[tokio::test]
async fn a_key_that_is_told_late_is_the_key_in_postgresql() {
    let server = Postgres::start().await.unwrap();
    let batches = [
        "put s.t id=1 v=1",
        "create s.t id:int64* v:int64",
        "put s.t id=2 v=2\npatch s.t id=1 v=5",
    ];
    let committed = run_postgres(&server, &batches).await.unwrap();
    let letters = "SELECT string_agg(error, ', ') FROM ctk_dead_letters";
    let letters = server.try_sql(letters).unwrap_or_default();
    assert_eq!((committed.written, committed.dead_lettered), (4, 0), "{letters}");
}

#[tokio::test]
async fn a_key_that_was_written_otherwise_before_is_the_same_key_in_postgresql() {
    let server = Postgres::start().await.unwrap();
    let batches = [
        "create s.t id:int64* a:int64 b:int64\nput s.t id=1 a=1 b=1",
        "patch s.t id=1 a=2 before id=1.0",
    ];
    run_postgres(&server, &batches).await.unwrap();
    assert_eq!(server.try_sql("SELECT concat_ws(' ', id, a, b) FROM s.t").unwrap(), "1 2 1");
}

#[tokio::test]
async fn keys_that_change_places_stay_as_many_in_postgresql() {
    let server = Postgres::start().await.unwrap();
    let batches = [
        "create s.t id:int64* a:int64 b:int64\nput s.t id=1 a=1 b=1\nput s.t id=2 a=2 b=2",
        "patch s.t id=2 a=1 b=1 before id=1\npatch s.t id=1 a=2 b=2 before id=2",
    ];
    run_postgres(&server, &batches).await.unwrap();
    let rows = "SELECT string_agg(concat_ws(' ', id, a, b), ', ' ORDER BY id) FROM s.t";
    assert_eq!(server.try_sql(rows).unwrap(), "1 2 2, 2 1 1");
}

/// What is a dead letter in SQLite ends the run in PostgreSQL, and each that comes after it.
#[tokio::test]
async fn a_view_in_the_place_of_a_table_makes_dead_letters_in_postgresql() {
    let server = Postgres::start().await.unwrap();
    server.try_sql("CREATE VIEW v AS SELECT 1 AS id").unwrap();
    let committed = run_postgres(&server, &["put public.v id=1\nput public.t id=1"]).await;
    assert!(
        committed.is_ok_and(|committed| (committed.written, committed.dead_lettered) == (1, 1))
    );
}

/// The same as in SQLite: what a new key does not tell stays.
#[tokio::test]
async fn a_row_that_was_there_keeps_what_a_new_key_does_not_tell_in_postgresql() {
    let server = Postgres::start().await.unwrap();
    server.try_sql("CREATE TABLE t (id bigint PRIMARY KEY, a bigint, b bigint); INSERT INTO t VALUES (1, 1, 7)").unwrap();
    run_postgres(&server, &["patch public.t id=2 a=5 before id=1"]).await.unwrap();
    assert_eq!(server.try_sql("SELECT concat_ws(' ', id, a, b) FROM t").unwrap(), "2 5 7");
}

#[tokio::test]
async fn updates_may_set_other_columns_each_in_postgresql() {
    let (history, rows) = updates_of_all_sets();
    let (first, second) = history.split_once("patch").unwrap();
    let server = Postgres::start().await.unwrap();
    run_postgres(&server, &[first, &format!("patch{second}")]).await.unwrap();
    let there =
        "SELECT string_agg(concat_ws(' ', id, a, b, c, d, e, f), chr(10) ORDER BY id) FROM s.t";
    assert_eq!(server.try_sql(there).unwrap(), rows);
}
