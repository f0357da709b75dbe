//! What fails on the way, by script, so on the double alone: nothing is lost, nothing is doubled, and nobody is blamed who is
//! not at fault.

use std::collections::BTreeSet;

use ctk_test_support::cratedb::Fault;
use tokio::time::timeout;

use super::*;

/// Records `{"id": n}` and a nested value.
fn records(ids: std::ops::Range<u64>) -> Vec<String> {
    ids.map(|id| format!(r#"{{"id": {id}, "o": {{"k": {}}}}}"#, id * 2)).collect()
}

async fn write(
    world: &World,
    sink: &CrateDbSink,
    shard: &str,
    ids: std::ops::Range<u64>,
) -> Committed {
    let texts = records(ids.clone());
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let written =
        timeout(Duration::from_mins(1), sink.write(world.changes(shard, ids.start, &texts)));
    written.await.expect("it goes on").unwrap()
}

async fn ids(world: &World) -> Vec<u64> {
    world.sql("REFRESH TABLE \"t\"").await;
    let answer = world.sql("SELECT \"id\" FROM \"t\"").await;
    let mut ids: Vec<u64> =
        answer["rows"].as_array().unwrap().iter().map(|row| row[0].as_u64().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn every_fault_at_every_request_is_survived() {
    for fault in [
        Fault::Reset,
        Fault::Status(503),
        Fault::LoseAnswer,
        Fault::RowsFail(4037),
        Fault::RowsFail(4032),
        Fault::RowsFail(5002),
        Fault::TopLevel(5002),
        Fault::TopLevel(4032),
        Fault::TopLevel(4041),
        Fault::TopLevel(4040),
    ] {
        for nth in 1..=3 {
            let world = World::with_double(Options::default()).await;
            world.double().script().nth_bulk(nth, fault);
            let sink = world.sink(Settings { batch_rows: 10, connections: 1, ..world.settings() });
            let committed = write(&world, &sink, "shard-1", 0..30).await;
            assert_eq!((committed.written, committed.dead_lettered), (30, 0), "{fault:?} at {nth}");
            assert_eq!(ids(&world).await, (0..30).collect::<Vec<_>>(), "{fault:?} at {nth}");
        }
    }
}

#[tokio::test]
async fn a_restart_is_waited_out() {
    let world = World::with_double(Options::default()).await;
    let sink = world.sink(world.settings());
    write(&world, &sink, "shard-1", 0..10).await;
    let during = async {
        for step in 1..20_u64 {
            let committed = write(&world, &sink, "shard-1", step * 10..step * 10 + 10).await;
            assert_eq!((committed.written, committed.dead_lettered), (10, 0));
        }
    };
    let ((), restarted) = tokio::join!(during, world.double().restart(Duration::from_millis(300)));
    restarted.unwrap();
    assert_eq!(ids(&world).await, (0..200).collect::<Vec<_>>());
}

#[tokio::test]
async fn while_rows_are_refused_for_a_time_they_wait() {
    for code in [4037, 4041] {
        let world = World::with_double(Options::default()).await;
        let sink = world.sink(world.settings());
        write(&world, &sink, "shard-1", 0..10).await;
        world.double().script().rows_fail_for(Duration::from_millis(700), code);
        let committed = write(&world, &sink, "shard-1", 10..20).await;
        assert_eq!((committed.written, committed.dead_lettered), (10, 0), "{code}");
        assert_eq!(ids(&world).await, (0..20).collect::<Vec<_>>(), "{code}");
    }
}

/// One bad value refuses the whole request, and CrateDB does not say whose it is.
#[tokio::test]
async fn a_bad_row_is_found_among_good_ones() {
    let world = World::with_double(Options::default()).await;
    world
        .sql("CREATE TABLE \"t\" (\"kinesis_msg_id\" TEXT PRIMARY KEY, \"id\" BIGINT, \"at\" GEO_POINT) WITH (column_policy = 'dynamic')")
        .await;
    let mut texts = records(0..100);
    texts[17] = r#"{"id": 17, "at": "nowhere"}"#.into();
    texts[63] = r#"{"id": 63, "at": "CircuitBreakingException: nowhere either"}"#.into();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let committed = world.load_from(world.settings(), 0, &texts).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (98, 2));
    let letters = world.letters().await;
    assert!(letters.len() == 2 && letters[0].contains("nowhere"), "{letters:?}");
    assert_eq!(ids(&world).await.len(), 98);
}

/// Only ten failures of a request have a reason; all dead letters must.
#[tokio::test]
async fn every_dead_letter_has_its_reason() {
    let mut world = World::with_double(Options::default()).await;
    world
        .sql("CREATE TABLE \"t\" (\"kinesis_msg_id\" TEXT PRIMARY KEY, \"id\" BIGINT, \"name\" TEXT NOT NULL) WITH (column_policy = 'dynamic')")
        .await;
    let texts = records(0..57);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    world.loads(&texts, 0, 57).await;
    let letters = world.letters().await;
    assert_eq!(letters.len(), 57);
    assert!(letters.iter().all(|letter| letter.contains("(code 4000)")), "{letters:?}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved() {
    let mut world =
        World::with_double(Options { largest_body: 20_000, ..Options::default() }).await;
    let text = format!(r#"{{"t": "{}"}}"#, "x".repeat(1000));
    let large = format!(r#"{{"t": "{}"}}"#, "x".repeat(30_000));
    let mut texts = vec![text.as_str(); 60];
    texts[30] = &large;
    let settings = Settings { dead_letters: DeadLetters::Drop, ..world.settings() };
    let committed = world.load(settings, &texts).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (59, 1));
    assert_eq!(world.count("t").await, 59);
    // A server that does not take the row does not take its dead letter, either.
    let error = world.load(world.settings(), &[&large]).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot write into table t_dead_letters");
}

/// Somebody else makes the same key, of another type, between our look at the table and our request.
#[tokio::test]
async fn another_writer_in_between_changes_nothing() {
    let mut world = World::with_double(Options::default()).await;
    world.loads(&[r#"{"id": 1, "o": {"a": 1}}"#], 1, 0).await;
    let schema = quote(world.target.schema());
    world
        .double()
        .script()
        .before_next_bulk(&format!("ALTER TABLE {schema}.\"t\" ADD COLUMN \"o\"['k'] BIGINT"));
    world.loads(&[r#"{"id": 2, "o": {"k": 2.5}}"#, r#"{"id": 3, "o": {"k": 3.0}}"#], 2, 0).await;
    assert_eq!(
        world.rows("t").await,
        [r#"id=1 o={"a":1}"#, r#"id=2 o={"k__double":2.5}"#, r#"id=3 o={"k":3}"#]
    );
}

#[tokio::test]
async fn slow_shards_share_requests_and_fast_ones_are_cut() {
    let world = World::with_double(Options::default()).await;
    let sink = world.sink(Settings { connections: 1, ..world.settings() });
    write(&world, &sink, "shard-0", 0..1).await;
    let before = world.double().script().bulk_requests();
    let shards: Vec<String> = (1..100).map(|shard| format!("shard-{shard}")).collect();
    let mut writes = Vec::new();
    for shard in &shards {
        writes.push(write(&world, &sink, shard, 0..1));
    }
    let written: u64 = futures_join(writes).await.iter().map(|committed| committed.written).sum();
    assert_eq!(written, 99);
    let requests = world.double().script().bulk_requests() - before;
    assert!(requests <= 10, "{requests} requests for 99 batches that wait together");

    let sink = world.sink(Settings { table: "tcut".into(), batch_rows: 7, ..world.settings() });
    write(&world, &sink, "shard-0", 0..1).await;
    let before = world.double().script().bulk_requests();
    write(&world, &sink, "shard-0", 1..101).await;
    assert_eq!(world.double().script().bulk_requests() - before, 15);
}

async fn futures_join(writes: Vec<impl Future<Output = Committed>>) -> Vec<Committed> {
    let mut writes: Vec<_> = writes.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(move |context| {
        writes.retain_mut(|write| match write.as_mut().poll(context) {
            std::task::Poll::Ready(committed) => {
                done.push(committed);
                false
            }
            std::task::Poll::Pending => true,
        });
        if writes.is_empty() {
            std::task::Poll::Ready(std::mem::take(&mut done))
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

/// Many shards at once into a table that grows, with faults all the time.
#[tokio::test]
async fn shards_do_not_disturb_each_other_while_the_table_grows() {
    let world = World::with_double(Options::default()).await;
    world.double().script().reset_share(5);
    world.double().script().status_share(503, 5);
    world.double().script().lose_answer_share(5);
    let sink = world.sink(Settings { batch_rows: 20, ..world.settings() });
    let mut writes = Vec::new();
    for shard in 0..8_u64 {
        let (world, sink) = (&world, &sink);
        writes.push(async move {
            let mut all = Committed::default();
            for step in 0..10_u64 {
                let id = shard * 1000 + step * 10;
                let texts: Vec<String> = (id..id + 10)
                    .map(|id| match step % 3 {
                        0 => {
                            format!(r#"{{"id": {id}, "c{step}": {id}, "o": {{"k{step}": {id}}}}}"#)
                        }
                        1 => format!(
                            r#"{{"id": {id}, "c{step}": {id}.5, "o": {{"k{}": "x"}}}}"#,
                            step - 1
                        ),
                        _ => format!(
                            r#"{{"id": {id}, "c0": "{shard}", "o": {{"k0": {{"s{shard}": 1}}}}}}"#
                        ),
                    })
                    .collect();
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                let changes = world.changes(&format!("shard-{shard}"), id, &texts);
                let committed = sink.write(changes).await.unwrap();
                all.written += committed.written;
                all.dead_lettered += committed.dead_lettered;
            }
            all
        });
    }
    let all = timeout(Duration::from_mins(2), futures_join(writes)).await.expect("it ends");
    let total: u64 = all.iter().map(|committed| committed.written).sum();
    assert_eq!((total, all.iter().map(|committed| committed.dead_lettered).sum::<u64>()), (800, 0));
    world.double().script().heal();
    let ids = ids(&world).await;
    assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (800, 800));
}

#[tokio::test]
async fn a_wrong_password_ends_the_run() {
    let options = Options { user: Some(("crate", "secret")), ..Options::default() };
    let world = World::with_double(options).await;
    let url = TargetUrl::parse(&world.double().url().replace("crate://", "crate://crate:wrong@"))
        .unwrap();
    let client =
        Client::new(&CrateDbConfig::take(&url, &mut url.options.clone()).unwrap()).unwrap();
    let sink = CrateDbSink::start(client, world.settings());
    let error = sink.write(world.changes("shard-1", 1, &[r#"{"id": 1}"#])).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read the columns of table t");
    let cause = error.source().unwrap().to_string();
    assert!(cause.starts_with("CrateDB does not let this user in"), "{cause}");
    assert!(!cause.contains("wrong"), "{cause}");
}

/// A record with more members than a table may have columns is a dead letter, and harms no other.
#[tokio::test]
async fn a_record_that_is_too_wide_stands_alone() {
    let wide = |from: u32, to: u32| {
        let members: Vec<String> = (from..to).map(|n| format!(r#""k{n}": {n}"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    // Too wide by itself; too wide for the table; and as the first record of all.
    let nested = format!(r#"{{"o": {}}}"#, wide(0, 1200));
    let mut world = World::with_double(Options::default()).await;
    world.loads(&[&nested, &wide(0, 5000), r#"{"id": 3, "o": {"a": 1}}"#], 1, 2).await;
    world.loads(&[r#"{"id": 4, "o": {"b": 2}}"#], 1, 0).await;
    let medium = format!(r#"{{"o": {}}}"#, wide(0, 995));
    world.loads(&[&medium, r#"{"id": 5}"#], 1, 1).await;
    let rows = world.rows("t").await;
    assert_eq!(rows.len(), 3, "{rows:?}");

    let mut world = World::with_double(Options::default()).await;
    world.loads(&[&wide(0, 998), r#"{"id": 1}"#], 1, 1).await;
    assert_eq!(world.rows("t").await, ["id=1"]);
}

#[tokio::test]
async fn ever_new_names_end_as_dead_letters_and_not_as_requests() {
    let mut world = World::with_double(Options::default()).await;
    world.loads(&[r#"{"id": 0}"#], 1, 0).await;
    for step in 0..6 {
        let texts: Vec<String> = (0..200).map(|n| format!(r#"{{"n{step}_{n}": {n}}}"#)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let committed = world.load(world.settings(), &texts).await;
        let committed = committed.unwrap();
        assert_eq!(committed.written + committed.dead_lettered, 200);
    }
    let count = world.count("t").await;
    assert!(count > 900 && count < 1001, "{count} rows, one a column");
    world.loads(&[r#"{"id": 1}"#], 1, 0).await;
}

/// What is not the fault of a row does not make a dead letter of it.
#[tokio::test]
async fn rows_are_not_blamed_for_the_server() {
    for code in [4033, 4035, 4290, 5005, 4041, 5000] {
        let world = World::with_double(Options::default()).await;
        let sink = world.sink(world.settings());
        write(&world, &sink, "shard-1", 0..1).await;
        world.double().script().next_bulk(Fault::RowsFail(code));
        let committed = write(&world, &sink, "shard-1", 1..20).await;
        assert_eq!((committed.written, committed.dead_lettered), (19, 0), "{code}");
        assert_eq!(ids(&world).await.len(), 20, "{code}");
    }
    // What the user may not do ends the run.
    let world = World::with_double(Options::default()).await;
    let sink = world.sink(world.settings());
    write(&world, &sink, "shard-1", 0..1).await;
    world.double().script().next_bulk(Fault::RowsFail(4011));
    let error = sink.write(world.changes("shard-1", 1, &[r#"{"id": 1}"#])).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot insert into table t");
}

/// Dead letters wait as rows do.
#[tokio::test]
async fn dead_letters_are_sent_again() {
    for code in [4037, 4041, 5000] {
        let mut world = World::with_double(Options::default()).await;
        world.double().script().next_bulk(Fault::RowsFail(code));
        world.loads(&["not json", "nor this"], 0, 2).await;
        assert_eq!(world.count("t_dead_letters").await, 2, "{code}");
    }
}
