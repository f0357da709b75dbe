//! Two runs with one namespace notice each other.

use super::*;

const LEASE: Duration = Duration::from_secs(2);

async fn try_open(
    target: &Target,
    lease: Duration,
    take_over: bool,
) -> Result<CrateDbStore, CheckpointError> {
    let stream = StreamIdentity::default();
    CrateDbStore::open(&client(target), target.schema(), "n", stream, lease, take_over).await
}

async fn holds(target: &Target, lease: Duration, shards: &[&str]) -> CrateDbStore {
    let store = try_open(target, lease, false).await.unwrap();
    for shard in shards {
        store.claim(&ShardId::new(shard), None).await.unwrap();
    }
    store
}

async fn owners(target: &Target) -> Vec<Value> {
    select(target, "\"owner\"").await.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_run_that_lives_keeps_others_out() {
    let target = target().await;
    let first = holds(&target, LONG, &["s1"]).await;
    let renew = async {
        loop {
            first.save(&[]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let error = tokio::select! {
        second = try_open(&target, LONG, false) => second.unwrap_err(),
        () = renew => unreachable!("it never ends"),
        () = tokio::time::sleep(Duration::from_mins(1)) => panic!("it waits for a run that lives"),
    };
    assert!(matches!(&error, CheckpointError::Held { namespace } if namespace == "n"), "{error}");
    let expected = "another run loads with the checkpoints of namespace \"n\"";
    assert_eq!(error.to_string(), expected);
    let hint = error.hint().unwrap();
    assert!(hint.contains("checkpointer_name") && hint.contains("--take-over"), "{hint}");
    // The first one notices nothing.
    assert_eq!(first.save(&[at("s1", "1")]).await.unwrap(), [Saved::Written]);
    target.clean().await;
}

#[tokio::test]
async fn a_run_that_was_killed_is_waited_for_until_its_lease_ends() {
    let target = target().await;
    let first = holds(&target, LEASE, &["s1", "s2"]).await;
    assert_eq!(first.save(&[at("s1", "1")]).await.unwrap(), [Saved::Written]);
    drop(first);
    let ends = select(&target, "\"lease_until\"").await;
    let second = try_open(&target, LEASE, false).await.unwrap();
    let now = sql(&target, "SELECT CURRENT_TIMESTAMP", &[]).await[0][0].as_i64();
    assert!(ends.iter().flatten().all(|end| end.as_i64() <= now), "{ends:?} {now:?}");
    let before = owners(&target).await;
    second.claim(&ShardId::new("s1"), None).await.unwrap();
    second.claim(&ShardId::new("s2"), None).await.unwrap();
    assert!(before.iter().zip(owners(&target).await).all(|(one, two)| *one != two));
    assert_eq!(second.load().await.unwrap()[0].position(), at("s1", "1"));
    target.clean().await;
}

#[tokio::test]
async fn a_run_that_ended_leaves_nothing_to_wait_for() {
    let target = target().await;
    let first = holds(&target, LONG, &["s1", "s2"]).await;
    for shard in ["s1", "s2"] {
        first.release(&ShardId::new(shard)).await.unwrap();
    }
    holds(&target, LONG, &["s1", "s2"]).await;
    target.clean().await;
}

#[tokio::test]
async fn a_run_that_ends_meanwhile_is_waited_for_no_longer() {
    let target = target().await;
    let first = holds(&target, LONG, &["s1"]).await;
    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.release(&ShardId::new("s1")).await.unwrap();
    };
    let (second, ()) = tokio::join!(try_open(&target, LEASE, false), end);
    second.unwrap().claim(&ShardId::new("s1"), None).await.unwrap();
    target.clean().await;
}

#[tokio::test]
async fn a_run_that_is_taken_over_stops_and_leaves_the_rows_alone() {
    let target = target().await;
    let first = holds(&target, LONG, &["s1", "s2"]).await;
    let second = try_open(&target, LONG, true).await.unwrap();
    // Until a shard is taken, both are right.
    assert_eq!(first.save(&[at("s1", "1")]).await.unwrap(), [Saved::Written]);
    second.claim(&ShardId::new("s1"), None).await.unwrap();
    second.claim(&ShardId::new("s3"), None).await.unwrap();

    let error = first.save(&[at("s1", "2"), at("s2", "2")]).await.unwrap_err();
    assert_eq!(error.to_string(), "another run took over shard s1 of namespace \"n\"");
    assert!(matches!(&error, CheckpointError::TakenOver { .. }) && error.hint().is_some());
    let rows = second.load().await.unwrap();
    let positions: Vec<_> =
        rows.iter().map(|row| row.sequence.as_ref().map(Sequence::as_str)).collect();
    assert_eq!(positions, [Some("1"), Some("2"), None], "what it still has is saved");
    let error = first.save(&[]).await.unwrap_err();
    assert!(matches!(error, CheckpointError::TakenOver { .. }), "{error}");
    let error = first.claim(&ShardId::new("s1"), None).await.unwrap_err();
    assert!(matches!(error, CheckpointError::TakenOver { .. }), "{error}");
    let error = first.claim(&ShardId::new("s3"), None).await.unwrap_err();
    assert!(matches!(error, CheckpointError::Held { .. }), "{error}");
    let error = first.save(&[at("s3", "9")]).await.unwrap_err();
    assert!(matches!(error, CheckpointError::TakenOver { .. }), "{error}");

    let before = owners(&target).await;
    for shard in ["s1", "s3"] {
        first.release(&ShardId::new(shard)).await.unwrap();
    }
    assert_eq!(owners(&target).await, before);
    assert_eq!(second.save(&[at("s1", "3")]).await.unwrap(), [Saved::Written]);
    // What the other one let go of in order was lost to the first all the same.
    second.claim(&ShardId::new("s2"), None).await.unwrap();
    second.release(&ShardId::new("s2")).await.unwrap();
    let error = first.save(&[at("s2", "3")]).await.unwrap_err();
    assert!(matches!(error, CheckpointError::TakenOver { .. }), "{error}");
    target.clean().await;
}

#[tokio::test]
async fn two_runs_that_begin_at_once_do_not_share_a_shard() {
    let target = target().await;
    let first = try_open(&target, LONG, false).await.unwrap();
    let second = try_open(&target, LONG, false).await.unwrap();
    let shard = ShardId::new("s1");
    let (one, two) = tokio::join!(first.claim(&shard, None), second.claim(&shard, None));
    let errors: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert!(matches!(errors[..], [CheckpointError::Held { .. }]), "{errors:?}");
    target.clean().await;
}
