//! What breaks on the way leaves the right rows, and so does another writer that gets in between. On the double alone.

use ctk_test_support::cratedb::{Fault, Faults, Options};
use tokio::{task::JoinSet, time::Instant};

use super::*;

async fn double() -> Target {
    Target::of(CrateDb::start().await.unwrap())
}

/// A run from its beginning to its end, with each kind of request.
async fn run(target: &Target) {
    let store = open(target, "n").await;
    for shard in ["s1", "s2", "s3"] {
        store.claim(&ShardId::new(shard), Some(0)).await.unwrap();
    }
    let first = [at("s1", "9"), at("s2", "8")];
    assert_eq!(store.save(&first).await.unwrap(), [Saved::Written, Saved::Written]);
    assert_eq!(store.save(&[]).await.unwrap(), []);
    store.release(&ShardId::new("s2")).await.unwrap();
    // A known shard, one whose position is behind, and one that is new.
    let second = [Position { finished: true, ..at("s1", "10") }, at("s2", "7"), at("s4", "1")];
    let behind = Saved::Behind { stored: Sequence::new("8") };
    assert_eq!(store.save(&second).await.unwrap(), [Saved::Written, behind, Saved::Written]);
    store.release(&ShardId::new("s1")).await.unwrap();
    store.claim(&ShardId::new("s2"), Some(5)).await.unwrap();
    store.release(&ShardId::new("s4")).await.unwrap();
}

/// What is left by a run.
async fn left(target: &Target) -> Vec<String> {
    target.double().unwrap().script().heal();
    let columns = r#""shard_id", "sequence", "active", "finished", "begins_at", "owner""#;
    let show = |row: Vec<Value>| {
        let owner = if row[5].is_null() { "nobody's" } else { "owned" };
        format!("{} {} {} {} {} {owner}", row[0], row[1], row[2], row[3], row[4])
    };
    select(target, columns).await.into_iter().map(show).collect()
}

const EXPECTED: [&str; 4] = [
    r#""s1" "10" false true 0 nobody's"#,
    r#""s2" "8" true false 0 owned"#,
    r#""s3" null true false 0 owned"#,
    r#""s4" "1" false false null nobody's"#,
];

#[tokio::test]
async fn a_fault_at_any_write_leaves_the_right_rows() {
    let undisturbed = double().await;
    run(&undisturbed).await;
    assert_eq!(left(&undisturbed).await, EXPECTED);
    let writes = undisturbed.double().unwrap().script().bulk_requests();
    assert!((10..30).contains(&writes), "{writes}");
    let mut runs = JoinSet::new();
    for fault in [
        Fault::LoseAnswer,
        Fault::Reset,
        Fault::Status(503),
        Fault::RowsFail(4037),
        Fault::RowsFail(4092),
        Fault::TopLevel(4037),
    ] {
        for nth in 1..=writes {
            runs.spawn(async move {
                let target = double().await;
                target.double().unwrap().script().nth_bulk(nth, fault);
                run(&target).await;
                assert_eq!(left(&target).await, EXPECTED, "{fault:?} at write {nth}");
            });
        }
    }
    runs.join_all().await;
}

#[tokio::test]
async fn faults_at_any_request_leave_the_right_rows() {
    type Break = fn(&Faults);
    let breaks: [Break; 5] = [
        |script| script.reset_every(2),
        |script| script.reset_every(5),
        |script| script.status_share(503, 20),
        |script| script.lose_answer_share(30),
        |script| {
            script.reset_share(8);
            script.lose_answer_share(8);
            script.status_share(503, 8);
        },
    ];
    let mut runs = JoinSet::new();
    for (seed, breaks) in (0..).zip(breaks) {
        runs.spawn(async move {
            let options = Options { seed, ..Options::default() };
            let target = Target::of(CrateDb::start_with(options).await.unwrap());
            breaks(target.double().unwrap().script());
            run(&target).await;
            assert_eq!(left(&target).await, EXPECTED, "{seed}");
        });
    }
    runs.join_all().await;
}

#[tokio::test]
async fn a_cluster_that_takes_no_writes_is_waited_for() {
    let target = double().await;
    let store = open(&target, "n").await;
    store.claim(&ShardId::new("s1"), None).await.unwrap();
    let start = Instant::now();
    let time = Duration::from_millis(400);
    target.double().unwrap().script().rows_fail_for(time, 4037);
    assert_eq!(store.save(&[at("s1", "1")]).await.unwrap(), [Saved::Written]);
    assert!(start.elapsed() >= time);
    assert_eq!(store.load().await.unwrap()[0].position(), at("s1", "1"));
}

#[tokio::test]
async fn a_restart_is_survived() {
    let target = double().await;
    let store = open(&target, "n").await;
    store.claim(&ShardId::new("s1"), None).await.unwrap();
    let server = target.double().unwrap();
    let position = [at("s1", "1")];
    let (saved, restarted) =
        tokio::join!(store.save(&position), server.restart(Duration::from_millis(100)));
    restarted.unwrap();
    assert_eq!(saved.unwrap(), [Saved::Written]);
    assert_eq!(store.save(&[at("s1", "2")]).await.unwrap(), [Saved::Written]);
    assert_eq!(store.load().await.unwrap()[0].position(), at("s1", "2"));
}

#[tokio::test]
async fn another_writer_that_gets_in_between_is_seen() {
    let check = async |change: &str, expected: Result<Saved, &str>, sequence: &str| {
        let target = double().await;
        let store = open(&target, "n").await;
        store.claim(&ShardId::new("s1"), None).await.unwrap();
        let statement = format!(
            r#"UPDATE "{}"."kinesis_checkpoints" SET {change} WHERE "namespace" = 'n' AND "shard_id" = 's1'"#,
            target.schema()
        );
        target.double().unwrap().script().before_next_bulk(&statement);
        let saved = store.save(&[at("s1", "10")]).await;
        let saved = saved.map(|mut saved| saved.remove(0)).map_err(|error| error.to_string());
        assert_eq!(saved, expected.map_err(str::to_owned), "{change}");
        let row = &store.load().await.unwrap()[0];
        assert_eq!(
            row.sequence,
            (!sequence.is_empty()).then(|| Sequence::new(sequence)),
            "{change}"
        );
        assert_eq!(row.active, Some(true), "{change}");
    };
    check(r#""sequence" = '9'"#, Ok(Saved::Written), "10").await;
    let behind = Saved::Behind { stored: Sequence::new("11") };
    check(r#""sequence" = '11'"#, Ok(behind), "11").await;
    check(r#""active" = FALSE"#, Ok(Saved::Written), "10").await;
    let taken = Err("another run took over shard s1 of namespace \"n\"");
    check(r#""owner" = 'another'"#, taken, "").await;
}

#[tokio::test]
async fn a_row_that_another_writer_makes_first_is_claimed() {
    let target = double().await;
    let store = open(&target, "n").await;
    let statement = format!(
        r#"INSERT INTO "{}"."kinesis_checkpoints" ("namespace", "shard_id", "sequence", "active") VALUES ('n', 's1', '5', TRUE)"#,
        target.schema()
    );
    target.double().unwrap().script().before_next_bulk(&statement);
    store.claim(&ShardId::new("s1"), Some(7)).await.unwrap();
    assert_eq!(
        store.save(&[at("s1", "4")]).await.unwrap(),
        [Saved::Behind { stored: Sequence::new("5") }]
    );
    assert_eq!(store.load().await.unwrap()[0].begins_at, Some(7));
}

#[tokio::test]
async fn a_row_that_changes_while_it_is_deleted_stays() {
    let target = double().await;
    sql(&target, PYTHON, &[]).await;
    insert(&target, "n", "s1", Some("9"), false).await;
    insert(&target, "n", "s2", Some("9"), false).await;
    let (client, schema) = (client(&target), target.schema());
    let shown = list(&client, schema, None).await.unwrap();
    let table = format!(r#""{schema}"."kinesis_checkpoints""#);
    let key = r#"WHERE "namespace" = 'n' AND "shard_id" = 's1'"#;
    let script = target.double().unwrap().script();
    script.before_next_bulk(&format!(r#"UPDATE {table} SET "active" = TRUE {key}"#));
    assert_eq!(delete(&client, schema, &shown).await.unwrap(), 1);
    let left = list(&client, schema, None).await.unwrap();
    assert_eq!((left.len(), left[0].active), (1, Some(true)));

    // A cluster that takes no writes is an error, and not a row that changed.
    script.next_bulk(Fault::RowsFail(4037));
    let error = delete(&client, schema, &left).await.unwrap_err().to_string();
    assert!(error.starts_with("cannot change the checkpoint of shard s1: "), "{error}");
    assert!(error.ends_with("(code 4037)"), "{error}");
    // A repeated request finds nothing, and yet it was this one that deleted it.
    script.next_bulk(Fault::LoseAnswer);
    assert_eq!(delete(&client, schema, &left).await.unwrap(), 1);
    assert!(list(&client, schema, None).await.unwrap().is_empty());
}
