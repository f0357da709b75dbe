//! The contract, tables of other tools, and pruning, on the double or on the server that the environment names.

mod faults;
mod runs;

use std::time::Duration;

use ctk_db::cratedb::CrateDbConfig;
use ctk_flow::{Millis, Position, Sequence};
use ctk_test_support::cratedb::{CrateDb, Target, target};
use ctk_url::TargetUrl;
use serde_json::{Value, json};

use super::*;
use crate::{CheckpointStore, Saved, StreamIdentity, prune::Active, store::contract};

/// Longer than any test takes.
const LONG: Duration = Duration::from_hours(1);

fn client(target: &Target) -> Client {
    let url = TargetUrl::parse(&target.url("")).unwrap();
    let config = CrateDbConfig::take(&url, &mut url.options.clone()).unwrap();
    Client::new(&config).unwrap().patient()
}

async fn open(target: &Target, namespace: &str) -> CrateDbStore {
    let stream = StreamIdentity::default();
    CrateDbStore::open(&client(target), target.schema(), namespace, stream, LONG, false)
        .await
        .unwrap()
}

/// Runs a statement on the table, which must be done.
async fn sql(target: &Target, statement: &str, args: &[Value]) -> Vec<Vec<Value>> {
    let table = format!("\"{}\".\"kinesis_checkpoints\"", target.schema());
    let answer = target.sql(&statement.replace("TABLE_NAME", &table), args).await;
    assert!(answer["error"].is_null(), "{statement}: {answer}");
    serde_json::from_value(answer["rows"].clone()).unwrap()
}

/// Returns the values of these columns, row by row.
async fn select(target: &Target, columns: &str) -> Vec<Vec<Value>> {
    sql(target, "REFRESH TABLE TABLE_NAME", &[]).await;
    let statement =
        format!("SELECT {columns} FROM TABLE_NAME ORDER BY \"namespace\", \"shard_id\"");
    sql(target, &statement, &[]).await
}

fn at(shard: &str, sequence: &str) -> Position {
    Position { sequence: Some(Sequence::new(sequence)), ..Position::new(ShardId::new(shard)) }
}

/// The table as the Python `ctk` makes it.
const PYTHON: &str = r#"CREATE TABLE IF NOT EXISTS TABLE_NAME ("namespace" TEXT NOT NULL, "shard_id" TEXT NOT NULL,
    "sequence" TEXT, "active" BOOLEAN DEFAULT TRUE, "updated_at" TIMESTAMP WITH TIME ZONE DEFAULT CURRENT_TIMESTAMP,
    PRIMARY KEY ("namespace", "shard_id"))"#;

async fn insert(
    target: &Target,
    namespace: &str,
    shard: &str,
    sequence: Option<&str>,
    active: bool,
) {
    let statement = r#"INSERT INTO TABLE_NAME ("namespace", "shard_id", "sequence", "active") VALUES (?, ?, ?, ?)"#;
    let args = [json!(namespace), json!(shard), json!(sequence), json!(active)];
    sql(target, statement, &args).await;
}

#[tokio::test]
async fn cratedb_keeps_the_promises_of_a_store() {
    let target = target().await;
    contract::keeps_its_promises(async |namespace: &str| open(&target, namespace).await).await;
    target.clean().await;
}

#[tokio::test]
async fn without_a_table_nothing_is_known_and_nothing_is_listed() {
    let target = target().await;
    let (client, schema) = (client(&target), target.schema());
    assert!(load(&client, schema, "n").await.unwrap().is_empty());
    let error = list(&client, schema, None).await.unwrap_err();
    let expected = format!("checkpoint table \"{schema}\".\"kinesis_checkpoints\" does not exist");
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().is_some());
    let error = list(&client, "o'dd \"name", None).await.unwrap_err();
    let expected = "checkpoint table \"o'dd \"\"name\".\"kinesis_checkpoints\" does not exist";
    assert_eq!(error.to_string(), expected);

    for _ in 0..2 {
        assert!(open(&target, "n").await.load().await.unwrap().is_empty());
    }
    assert!(list(&client, schema, None).await.unwrap().is_empty());
    target.clean().await;
}

#[tokio::test]
async fn another_table_of_that_name_is_refused() {
    let target = target().await;
    let (client, schema) = (client(&target), target.schema());
    sql(&target, r#"CREATE TABLE TABLE_NAME ("namespace" TEXT, "shard_id" TEXT, "seq" TEXT)"#, &[])
        .await;
    let stream = StreamIdentity::default();
    let errors = [
        list(&client, schema, None).await.unwrap_err(),
        load(&client, schema, "n").await.unwrap_err(),
        CrateDbStore::open(&client, schema, "n", stream, LONG, false).await.unwrap_err(),
    ];
    for error in errors {
        let expected = format!(
            "table \"{schema}\".\"kinesis_checkpoints\" is no checkpoint table: it has no column \"sequence\""
        );
        assert_eq!(error.to_string(), expected);
    }
    target.clean().await;
}

#[tokio::test]
async fn runs_that_start_at_once_make_one_table() {
    let target = target().await;
    let (a, b, c) = tokio::join!(open(&target, "a"), open(&target, "b"), open(&target, "c"));
    for store in [a, b, c] {
        store.claim(&ShardId::new("s"), None).await.unwrap();
    }
    assert_eq!(select(&target, "\"namespace\"").await, [[json!("a")], [json!("b")], [json!("c")]]);
    target.clean().await;
}

#[tokio::test]
async fn a_table_of_the_python_ctk_is_taken_over_and_given_back() {
    let target = target().await;
    sql(&target, PYTHON, &[]).await;
    insert(&target, "n", "s1", Some("9"), false).await;
    insert(&target, "n", "s2", None, true).await;
    insert(&target, "n", "s3", Some("4"), true).await;
    insert(&target, "other", "s1", Some("1"), false).await;

    let (client, schema) = (client(&target), target.schema());
    let show = |row: &Checkpoint| (row.position(), row.active, row.updated_at.is_some());
    let empty = Position::new(ShardId::new("s2"));
    let expected = [
        (at("s1", "9"), Some(false), true),
        (empty, Some(true), true),
        (at("s3", "4"), Some(true), true),
    ];
    let read = load(&client, schema, "n").await.unwrap();
    assert_eq!(read.iter().map(show).collect::<Vec<_>>(), expected);
    let columns = r"SELECT count(*) FROM information_schema.columns WHERE table_schema = ? AND table_name = 'kinesis_checkpoints'";
    let reading = sql(&target, columns, &[json!(schema)]).await;
    assert_eq!(reading, [[json!(5)]], "reading changes nothing");

    let stream = StreamIdentity { arn: Some("arn:1".into()), created_at: Some(1_700_000_000_000) };
    let store =
        CrateDbStore::open(&client, schema, "n", stream.clone(), LONG, false).await.unwrap();
    assert_eq!(sql(&target, columns, &[json!(schema)]).await, [[json!(12)]]);
    assert_eq!(store.load().await.unwrap(), read, "opening changes no row");
    for shard in ["s1", "s2", "s3"] {
        store.claim(&ShardId::new(shard), Some(7)).await.unwrap();
    }
    let positions = [at("s1", "10"), at("s2", "1"), Position { finished: true, ..at("s3", "5") }];
    assert_eq!(store.save(&positions).await.unwrap(), [const { Saved::Written }; 3]);
    let rows = store.load().await.unwrap();
    let reached = positions.map(|position| Position { reached: Some(7), ..position });
    assert_eq!(rows.iter().map(Checkpoint::position).collect::<Vec<_>>(), reached);
    assert!(rows.iter().all(|row| row.stream == stream && row.begins_at == Some(7)), "{rows:?}");

    // The other tool goes on, in its own words.
    let key = r#"WHERE "namespace" = 'n' AND "shard_id" = 's1'"#;
    sql(&target, PYTHON, &[]).await;
    let stored = sql(&target, &format!(r#"SELECT "sequence" FROM TABLE_NAME {key}"#), &[]).await;
    assert_eq!(stored, [[json!("10")]]);
    for change in [r#""active" = TRUE"#, r#""sequence" = '12'"#, r#""active" = FALSE"#] {
        let update =
            format!(r#"UPDATE TABLE_NAME SET {change}, "updated_at" = CURRENT_TIMESTAMP {key}"#);
        sql(&target, &update, &[]).await;
    }
    insert(&target, "n", "s4", None, true).await;
    sql(&target, "REFRESH TABLE TABLE_NAME", &[]).await;
    let resume = r#"SELECT "shard_id", "sequence" FROM TABLE_NAME WHERE "namespace" = 'n' AND "sequence" IS NOT NULL ORDER BY "shard_id""#;
    let expected = [["s1", "12"], ["s2", "1"], ["s3", "5"]].map(|row| row.map(|text| json!(text)));
    assert_eq!(sql(&target, resume, &[]).await, expected);

    // It is further than we are.
    let behind = Saved::Behind { stored: Sequence::new("12") };
    assert_eq!(
        store.save(&[at("s1", "11"), at("s2", "2")]).await.unwrap(),
        [behind, Saved::Written]
    );
    let rows = store.load().await.unwrap();
    assert_eq!(
        (rows[0].position(), rows[0].active),
        (Position { reached: Some(7), ..at("s1", "12") }, Some(true))
    );
    target.clean().await;
}

#[tokio::test]
async fn a_row_says_whose_it_is_while_it_is_held() {
    let target = target().await;
    let store = open(&target, "n").await;
    let shard = ShardId::new("s");
    let row = async || {
        let columns = "\"owner\", \"lease_until\", \"updated_at\", \"active\", CURRENT_TIMESTAMP";
        let rows = select(&target, columns).await;
        let row = <[Value; 5]>::try_from(rows[0].clone()).unwrap();
        let [owner, until, updated, active, now] = row;
        (owner, until.as_i64(), updated.as_i64().unwrap(), active, now.as_i64().unwrap())
    };
    store.claim(&shard, None).await.unwrap();
    let (owner, until, claimed, active, now) = row().await;
    assert_eq!((owner.as_str().unwrap().len(), active), (32, json!(true)));
    let hour = 3_600_000;
    assert!(until.unwrap() > now && until.unwrap() <= now + hour, "{until:?} {now}");
    assert!((0..60_000).contains(&(now - claimed)), "{claimed} {now}");

    // As a table is refreshed, its clock moves on.
    while row().await.4 == now {}
    assert_eq!(store.save(&[]).await.unwrap(), []);
    let renewed = row().await;
    assert_eq!(renewed.0, owner);
    assert!(renewed.1 > until && renewed.2 > claimed, "{until:?} {claimed} {renewed:?}");

    store.release(&shard).await.unwrap();
    let (owner, until, _, active, _) = row().await;
    assert_eq!((owner, until, active), (Value::Null, None, json!(false)));
    store.save(&[]).await.unwrap();
    assert_eq!(row().await.0, Value::Null, "what was released is not renewed");
    target.clean().await;
}

#[tokio::test]
async fn a_save_costs_the_same_for_one_shard_and_for_many() {
    let target = Target::of(CrateDb::start().await.unwrap());
    let store = open(&target, "n").await;
    let shards: Vec<String> = (0..50).map(|number| format!("s{number:02}")).collect();
    for shard in &shards {
        store.claim(&ShardId::new(shard), None).await.unwrap();
    }
    let script = target.double().unwrap().script();
    let check = async |positions: &[Position]| {
        let before = script.requests();
        let saved = store.save(positions).await.unwrap();
        assert_eq!(saved, vec![Saved::Written; positions.len()]);
        assert_eq!(script.requests() - before, 3, "{}", positions.len());
    };
    check(&[]).await;
    check(&[at("s00", "1")]).await;
    check(&shards.iter().map(|shard| at(shard, "2")).collect::<Vec<_>>()).await;
    assert_eq!(script.largest_bulk(), 50);
}

#[tokio::test]
async fn what_was_shown_is_deleted_and_nothing_else() {
    let target = target().await;
    sql(&target, PYTHON, &[]).await;
    insert(&target, "n", "s1", Some("9"), false).await;
    insert(&target, "n", "s2", None, true).await;
    insert(&target, "n", "s3", Some("4"), true).await;
    insert(&target, "other", "s1", Some("1"), false).await;
    let written: Millis = 1_795_199_400_000;
    sql(&target, "REFRESH TABLE TABLE_NAME", &[]).await;
    sql(&target, r#"UPDATE TABLE_NAME SET "updated_at" = ?"#, &[json!(written)]).await;

    let (client, schema) = (client(&target), target.schema());
    let now = written + 86_400_000;
    let filter = |older_than: Option<u64>, namespace: Option<&str>, active: Active| {
        Filter::new(older_than.map(Duration::from_secs), now, namespace, active).unwrap()
    };
    let shards = |rows: &[Checkpoint]| -> Vec<String> {
        rows.iter().map(|row| format!("{} {}", row.namespace, row.shard_id)).collect()
    };
    let check = async |filter: Filter, expected: &[&str]| {
        let rows = prunable(&client, schema, &filter).await.unwrap();
        assert_eq!(shards(&rows), expected, "{filter:?}");
        rows
    };
    check(filter(Some(3600), None, Active::Keep), &["n s1", "other s1"]).await;
    check(filter(Some(86_400 * 2), None, Active::Include), &[]).await;
    check(filter(None, Some("other"), Active::Keep), &["other s1"]).await;
    let all = filter(None, Some("n"), Active::Include);
    let shown = check(all, &["n s1", "n s2", "n s3"]).await;

    // While it was asked, a run claimed a shard, and another row came.
    let store = open(&target, "n").await;
    store.claim(&ShardId::new("s1"), None).await.unwrap();
    store.claim(&ShardId::new("s9"), None).await.unwrap();
    assert_eq!(delete(&client, schema, &shown).await.unwrap(), 2);
    let left = list(&client, schema, None).await.unwrap();
    assert_eq!(shards(&left), ["n s1", "n s9", "other s1"]);
    assert_eq!(delete(&client, schema, &shown).await.unwrap(), 0);
    assert_eq!(delete(&client, schema, &[]).await.unwrap(), 0);

    // A run that lives on brings back what was deleted under it.
    assert_eq!(delete(&client, schema, &left).await.unwrap(), 3);
    assert_eq!(store.save(&[]).await.unwrap(), []);
    assert_eq!(store.save(&[at("s9", "3")]).await.unwrap(), [Saved::Written]);
    assert_eq!(shards(&list(&client, schema, None).await.unwrap()), ["n s9"]);
    target.clean().await;
}
