//! What fails on the way, by script, so on the double alone: nothing is lost, and nobody is blamed who is not at fault.

use std::time::Duration;

use ctk_flow::ColumnKind;
use ctk_test_support::cratedb::Fault;

use super::*;

const BIGINT: ColumnKind = ColumnKind::Integer { bits: 64, signed: true };

async fn world() -> (World, Open<Holding>) {
    let world = World::with_double().await;
    let settings = Settings { batch_rows: 10, ..world.settings() };
    let mut world = world.with(settings);
    let open = world.table(Layout::Direct, &[("id", BIGINT), ("v", BIGINT)], &["id"]).await;
    (world, open)
}

fn rows_of(ids: std::ops::Range<i64>, times: i64) -> Vec<Vec<Cell<'static>>> {
    ids.map(|id| vec![int(id), int(id * times)]).collect()
}

async fn sum(world: &World) -> Json {
    world.sql("REFRESH TABLE t").await;
    world.sql("SELECT count(*), sum(\"v\") FROM t").await["rows"][0].clone()
}

#[tokio::test]
async fn every_fault_at_every_request_is_survived() {
    for fault in [
        Fault::Reset,
        Fault::Status(503),
        Fault::LoseAnswer,
        Fault::RowsFail(4037),
        Fault::RowsFail(5002),
        Fault::RowsFail(4041),
        Fault::TopLevel(5002),
        Fault::TopLevel(4041),
    ] {
        for nth in [1, 3, 6, 9] {
            let (mut world, open) = world().await;
            let names = ["id", "v"];
            world
                .store
                .write(
                    &open,
                    &Write {
                        op: Op::Put,
                        slots: vec![0, 1],
                        rows: rows_of(0..15, 1),
                        from: Vec::new(),
                        masks: Vec::new(),
                    },
                )
                .await
                .unwrap();
            world.double().script().nth_bulk(nth, fault);
            contract::done(&mut world.store, &open, Op::Put, &names, rows_of(0..30, 2)).await;
            contract::done(&mut world.store, &open, Op::Patch, &names, rows_of(20..40, 3)).await;
            for id in 0..5 {
                let (from, to) = (vec![int(id)], vec![int(id + 100)]);
                contract::moved(&mut world.store, &open, &["id"], from, to).await;
            }
            contract::done(
                &mut world.store,
                &open,
                Op::Delete,
                &["id"],
                (30..60).map(|id| vec![int(id)]).collect(),
            )
            .await;
            let expected: i64 =
                (0..20).map(|id| id * 2).sum::<i64>() + (20..30).map(|id| id * 3).sum::<i64>();
            assert_eq!(sum(&world).await, json!([30, expected]), "{fault:?} at {nth}");
        }
    }
}

#[tokio::test]
async fn while_a_table_takes_no_writes_rows_wait() {
    let (mut world, open) = world().await;
    for op in [Op::Put, Op::Patch, Op::Delete] {
        world.double().script().rows_fail_for(Duration::from_millis(300), 4037);
        let rows = if op == Op::Delete {
            (0..25).map(|id| vec![int(id)]).collect()
        } else {
            rows_of(0..25, 2)
        };
        let names: &[&str] = if op == Op::Delete { &["id"] } else { &["id", "v"] };
        contract::done(&mut world.store, &open, op, names, rows).await;
        let count = sum(&world).await[0].as_i64();
        assert_eq!(count, Some(if op == Op::Delete { 0 } else { 25 }), "{op:?}");
    }
}

#[tokio::test]
async fn a_restart_is_waited_out() {
    let (mut world, open) = world().await;
    contract::done(&mut world.store, &open, Op::Put, &["id", "v"], rows_of(0..50, 1)).await;
    world.double().restart(Duration::from_millis(100)).await.unwrap();
    // The table is there, though the node does not know it yet.
    let table = world.named("t");
    assert!(world.store.look(&table).await.unwrap().is_some());
    world.double().restart(Duration::from_millis(100)).await.unwrap();
    contract::done(&mut world.store, &open, Op::Patch, &["id", "v"], rows_of(25..75, 2)).await;
    let expected: i64 = (0..25).sum::<i64>() + (25..75).map(|id| id * 2).sum::<i64>();
    assert_eq!(sum(&world).await, json!([75, expected]));
    world.double().restart(Duration::from_millis(100)).await.unwrap();
    assert_eq!(
        world.store.alter(&table, Layout::Direct, &Alteration::Truncate).await.unwrap(),
        None
    );
    assert_eq!(sum(&world).await, json!([0, null]));
}

/// Only ten failures of a request say why: the others are not asked one by one when all of them are missing.
#[tokio::test]
async fn many_missing_rows_are_few_requests() {
    let mut world = World::with_double().await;
    let open = world.table(Layout::Direct, &[("id", BIGINT), ("v", BIGINT)], &["id"]).await;
    let requests = |world: &World| world.double().script().bulk_requests();
    let before = requests(&world);
    contract::done(&mut world.store, &open, Op::Patch, &["id", "v"], rows_of(0..1000, 1)).await;
    assert_eq!(requests(&world) - before, 2);
    let ids = |ids: std::ops::Range<i64>| ids.map(|id| vec![int(id)]).collect();
    contract::done(&mut world.store, &open, Op::Delete, &["id"], ids(500..1500)).await;
    assert_eq!(requests(&world) - before, 3);
    assert_eq!(sum(&world).await[0], json!(500));
}

/// Another writer makes the row between the UPDATE that misses it and the INSERT.
#[tokio::test]
async fn who_is_faster_does_not_win() {
    let (mut world, open) = world().await;
    let schema = world.target.schema();
    let script = world.double().script();
    // The first request is an UPDATE; the row comes before it is answered, so the INSERT finds it or the UPDATE does.
    script.before_next_bulk(&format!(
        "INSERT INTO \"{schema}\".\"t\" (\"id\", \"v\") VALUES (1, 99)"
    ));
    contract::done(&mut world.store, &open, Op::Put, &["id", "v"], vec![vec![int(1), int(5)]])
        .await;
    assert_eq!(sum(&world).await, json!([1, 5]));
    let script = world.double().script();
    script.before_next_bulk(&format!(
        "DELETE FROM \"{schema}\".\"t\" WHERE \"id\" = 1",
        schema = world.target.schema()
    ));
    contract::done(&mut world.store, &open, Op::Patch, &["id", "v"], vec![vec![int(1), int(6)]])
        .await;
    assert_eq!(sum(&world).await, json!([1, 6]));
}

/// Rows go in requests of a certain size.
#[tokio::test]
async fn requests_have_a_size() {
    let (mut world, open) = world().await;
    contract::done(&mut world.store, &open, Op::Put, &["id", "v"], rows_of(0..95, 1)).await;
    assert_eq!(world.double().script().largest_bulk(), 10);
    assert_eq!(world.double().script().bulk_requests(), 10);
    let settings = Settings { batch_bytes: 100, ..world.settings() };
    let mut world = world.with(settings);
    contract::done(&mut world.store, &open, Op::Put, &["id", "v"], rows_of(100_000..100_009, 1))
        .await;
    assert!(world.double().script().bulk_requests() >= 12);
}
