//! Many shards at the same time: group commit over several connections, and the fence between runs.

use std::collections::HashSet;

use ctk_checkpoint::CheckpointError;
use tokio::task::JoinSet;

use super::*;
use crate::Shared;

/// Returns the error of the sink.
fn sink_error(failure: Failure) -> Shared {
    *failure.downcast::<Shared>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_shards_are_written_side_by_side() {
    let world = World::new().await;
    let settings = Settings { connections: 3, batch_rows: 50, ..world.with_checkpoints().await };
    let target = world.target(settings).await;
    let mut shards = JoinSet::new();
    for shard in 0..40 {
        let name = format!("shardId-{shard:012}");
        target.claim(&ShardId::new(&name), Some(0)).await.unwrap();
        let batches: Vec<_> = (0..5)
            .map(|batch| {
                // Each shard brings a column of its own, so that the table grows all the time.
                let records: Vec<_> = (0..10)
                    .map(|n| format!(r#"{{"n": {n}, "c{}": {shard}}}"#, shard % 7))
                    .collect();
                let records: Vec<_> = records.iter().map(String::as_str).collect();
                world.batch(&name, batch * 10 + 1, &records)
            })
            .collect();
        let target = target.clone();
        shards.spawn(async move {
            for (changes, upto) in batches {
                assert_eq!(target.commit(changes, upto).await.unwrap(), written(10));
            }
            target.release(&ShardId::new(&name)).await.unwrap();
        });
    }
    shards.join_all().await;
    target.close().await.unwrap();
    assert_eq!(
        world.server.sql("SELECT count(*), count(DISTINCT _kinesis_msg_id), sum(n) FROM t"),
        "2000|2000|9000"
    );
    let sql = "SELECT count(*), count(DISTINCT shard_id), min(sequence::int), bool_or(active) FROM ext.kinesis_checkpoints";
    assert_eq!(world.server.sql(sql), "40|40|50|f");
    // Group commit: far fewer transactions than batches, else these would be 200 and more.
    let writers: HashSet<_> =
        world.server.sql("SELECT DISTINCT xmin::text FROM t").lines().map(str::to_owned).collect();
    assert!(writers.len() < 200, "{} transactions", writers.len());
}

#[tokio::test]
async fn a_run_that_was_taken_over_can_write_nothing() {
    let world = World::new().await;
    let shard = ShardId::new("shard-1");
    let first = world.target(world.with_checkpoints().await).await;
    first.claim(&shard, Some(0)).await.unwrap();
    let (changes, upto) = world.batch("shard-1", 1, &[r#"{"a": 1}"#]);
    assert_eq!(first.commit(changes, upto).await.unwrap(), written(1));

    let second = world.target(world.with_checkpoints().await).await;
    second.claim(&shard, Some(0)).await.unwrap();
    let (changes, upto) = world.batch("shard-1", 2, &[r#"{"a": 2}"#, "no JSON"]);
    let error = sink_error(first.commit(changes.clone(), upto.clone()).await.unwrap_err());
    assert!(
        matches!(*error.0, SinkError::Checkpoint(CheckpointError::TakenOver { .. })),
        "{error:?}"
    );
    first.release(&shard).await.unwrap();
    first.close().await.unwrap();
    assert_eq!(world.rows("t"), ["a=1"]);
    assert_eq!(world.server.sql("SELECT to_regclass('t_dead_letters') IS NULL"), "t");

    let committed = second.commit(changes, upto).await.unwrap();
    assert_eq!((committed.written, committed.dead_lettered), (1, 1));
    second.close().await.unwrap();
    assert_eq!(world.rows("t"), ["a=1", "a=2"]);
    assert_eq!(world.server.sql("SELECT sequence, active FROM ext.kinesis_checkpoints"), "3|t");
}

#[tokio::test]
async fn the_first_dead_letter_may_end_one_shard_and_not_the_others() {
    let world = World::new().await;
    let settings = Settings {
        dead_letters: DeadLetters::Fail,
        linger: Duration::from_mins(1),
        batch_rows: 3,
        connections: 1,
        ..World::settings()
    };
    let target = world.target(settings).await;
    let commit = |shard: &str, records: &[&str]| {
        let (changes, upto) = world.batch(shard, 1, records);
        let target = target.clone();
        async move { target.commit(changes, upto).await.map_err(|error| error.to_string()) }
    };
    // Together they are full.
    let (one, bad, two) = tokio::join!(
        commit("shard-1", &[r#"{"a": 1}"#]),
        commit("shard-2", &[r#"{"a": 2}"#, "no JSON"]),
        commit("shard-3", &[r#"{"a": 3}"#]),
    );
    assert_eq!((one, two), (Ok(written(1)), Ok(written(1))));
    assert!(bad.unwrap_err().contains("record 2 of shard shard-2 is refused (not_json)"));
    target.close().await.unwrap();
    assert_eq!(world.server.sql("SELECT a FROM t ORDER BY a"), "1\n3");
}
