//! What every store promises, as one suite. `open` returns the store of a namespace; all of them share one place.

use ctk_flow::{Part, Sequence};

use super::*;

/// Runs the whole suite. The place is empty at first.
pub(crate) async fn keeps_its_promises<S: CheckpointStore>(open: impl AsyncFn(&str) -> S) {
    knows_nothing_at_first(&open("first").await).await;
    remembers_where_to_begin(&open("begins").await).await;
    claims_and_releases(&open("claims").await).await;
    never_moves_backwards(&open("backwards").await).await;
    remembers_what_is_finished(&open("finished").await).await;
    stands_between_the_units_of_a_record(&open("parts").await).await;
    remembers_how_far_time_is(&open("reached").await).await;
    saves_what_was_not_claimed(&open("unclaimed").await).await;
    saves_many_at_once(&open("many").await).await;
    keeps_namespaces_apart(&open("one").await, &open("two").await).await;
}

fn shard(number: u32) -> ShardId {
    ShardId::new(&format!("shardId-{number:012}"))
}

fn at(number: u32, sequence: &str) -> Position {
    Position { sequence: Some(Sequence::new(sequence)), ..Position::new(shard(number)) }
}

async fn save(store: &impl CheckpointStore, position: Position) -> Saved {
    let saved = store.save(&[position]).await.unwrap();
    let [saved] = <[Saved; 1]>::try_from(saved).unwrap();
    saved
}

/// One text for each row: shard, sequence, active, finished.
async fn rows(store: &impl CheckpointStore) -> Vec<String> {
    let show = |row: Checkpoint| {
        let number = row.shard_id.as_str().trim_start_matches("shardId-").trim_start_matches('0');
        let sequence = row.sequence.map_or("-".to_owned(), |sequence| sequence.to_string());
        let active = if row.active == Some(true) { " active" } else { "" };
        format!("{number}: {sequence}{active}{}", if row.finished { " finished" } else { "" })
    };
    store.load().await.unwrap().into_iter().map(show).collect()
}

async fn knows_nothing_at_first(store: &impl CheckpointStore) {
    assert!(store.load().await.unwrap().is_empty());
    store.release(&shard(1)).await.unwrap();
    assert!(store.load().await.unwrap().is_empty(), "what was never claimed is not released");
}

async fn remembers_where_to_begin(store: &impl CheckpointStore) {
    store.claim(&shard(1), Some(7)).await.unwrap();
    store.claim(&shard(1), Some(9)).await.unwrap();
    let begins: Vec<_> = store.load().await.unwrap().into_iter().map(|row| row.begins_at).collect();
    assert_eq!(begins, [Some(7)], "the first instant counts");
}

async fn claims_and_releases(store: &impl CheckpointStore) {
    store.claim(&shard(2), None).await.unwrap();
    store.claim(&shard(1), None).await.unwrap();
    assert_eq!(rows(store).await, ["1: - active", "2: - active"]);
    assert_eq!(save(store, at(1, "5")).await, Saved::Written);
    store.release(&shard(1)).await.unwrap();
    assert_eq!(rows(store).await, ["1: 5", "2: - active"]);
    store.claim(&shard(1), None).await.unwrap();
    store.claim(&shard(1), None).await.unwrap();
    assert_eq!(rows(store).await, ["1: 5 active", "2: - active"]);
}

async fn never_moves_backwards(store: &impl CheckpointStore) {
    let check = async |sequence: &str, stored: &str, written: bool| {
        let expected =
            if written { Saved::Written } else { Saved::Behind { stored: Sequence::new(stored) } };
        assert_eq!(save(store, at(1, sequence)).await, expected, "{sequence}");
        assert_eq!(rows(store).await, [format!("1: {stored} active")]);
    };
    store.claim(&shard(1), None).await.unwrap();
    check("9", "9", true).await;
    check("10", "10", true).await;
    check("9", "10", false).await;
    check("10", "10", true).await;
    check(
        "49650000000000000000000000000000000000000000000000000002",
        "49650000000000000000000000000000000000000000000000000002",
        true,
    )
    .await;
    check(
        "49649999999999999999999999999999999999999999999999999999",
        "49650000000000000000000000000000000000000000000000000002",
        false,
    )
    .await;
    check("5", "49650000000000000000000000000000000000000000000000000002", false).await;
}

async fn remembers_what_is_finished(store: &impl CheckpointStore) {
    store.claim(&shard(1), None).await.unwrap();
    let finished = Position { finished: true, ..at(1, "7") };
    assert_eq!(save(store, finished).await, Saved::Written);
    store.release(&shard(1)).await.unwrap();
    assert_eq!(rows(store).await, ["1: 7 finished"]);
    store.claim(&shard(1), None).await.unwrap();
    assert_eq!(save(store, at(1, "8")).await, Saved::Written);
    assert_eq!(rows(store).await, ["1: 8 active finished"]);
    assert_eq!(
        store.load().await.unwrap()[0].position(),
        Position { finished: true, ..at(1, "8") }
    );

    // A shard that ends without a record, and one that ends after its last was saved.
    assert_eq!(
        save(store, Position { finished: true, ..Position::new(shard(2)) }).await,
        Saved::Written
    );
    assert_eq!(save(store, at(3, "4")).await, Saved::Written);
    assert_eq!(
        save(store, Position { finished: true, ..Position::new(shard(3)) }).await,
        Saved::Written
    );
    assert_eq!(
        rows(store).await,
        ["1: 8 active finished", "2: - active finished", "3: 4 active finished"]
    );
}

async fn stands_between_the_units_of_a_record(store: &impl CheckpointStore) {
    let part = |sequence: &str, units: u32| {
        let part = Some(Part { sequence: Sequence::new(sequence), units, form: 5 });
        Position { part, ..Position::new(shard(1)) }
    };
    let check = async |position: Position, saved: Saved, expected: Position| {
        assert_eq!(save(store, position).await, saved);
        assert_eq!(store.load().await.unwrap()[0].position(), expected);
    };
    store.claim(&shard(1), None).await.unwrap();
    check(part("5", 3), Saved::Written, part("5", 3)).await;
    check(at(1, "9"), Saved::Written, at(1, "9")).await;
    let within = Position { part: part("10", 7).part, ..at(1, "9") };
    check(part("10", 7), Saved::Written, within.clone()).await;
    let behind = || Saved::Behind { stored: Sequence::new("10") };
    check(part("10", 6), behind(), within.clone()).await;
    check(at(1, "9"), behind(), within.clone()).await;
    check(part("10", 7), Saved::Written, within).await;
    check(at(1, "10"), Saved::Written, at(1, "10")).await;
    check(part("10", 8), behind(), at(1, "10")).await;
    // Unless what is stored is given up.
    check(Position { anew: true, ..part("2", 1) }, Saved::Written, part("2", 1)).await;
    check(at(1, "3"), Saved::Written, at(1, "3")).await;
}

async fn remembers_how_far_time_is(store: &impl CheckpointStore) {
    let begins = async || store.load().await.unwrap()[0].begins_at;
    let reached = |instant| Position { reached: Some(instant), ..Position::new(shard(1)) };
    store.claim(&shard(1), Some(7)).await.unwrap();
    assert_eq!(save(store, reached(9)).await, Saved::Written);
    assert_eq!(begins().await, Some(9));
    assert_eq!(save(store, reached(8)).await, Saved::Written);
    assert_eq!(begins().await, Some(9), "time does not go back either");
    let moved = Position { reached: Some(20), ..at(1, "5") };
    assert_eq!(save(store, moved.clone()).await, Saved::Written);
    assert_eq!(save(store, at(1, "6")).await, Saved::Written);
    assert_eq!(
        store.load().await.unwrap()[0].position(),
        Position { sequence: at(1, "6").sequence, ..moved }
    );
}

async fn saves_what_was_not_claimed(store: &impl CheckpointStore) {
    assert_eq!(save(store, at(1, "3")).await, Saved::Written);
    assert_eq!(rows(store).await, ["1: 3 active"]);
}

async fn saves_many_at_once(store: &impl CheckpointStore) {
    assert_eq!(store.save(&[]).await.unwrap(), [], "there is nothing to renew either");
    assert!(store.load().await.unwrap().is_empty());
    for number in [1, 2, 4] {
        store.claim(&shard(number), None).await.unwrap();
    }
    let first = store.save(&[at(1, "7"), at(2, "8")]).await.unwrap();
    assert_eq!(first, [Saved::Written, Saved::Written]);
    let many = [at(3, "1"), at(2, "7"), Position { finished: true, ..at(1, "10") }];
    let behind = Saved::Behind { stored: Sequence::new("8") };
    assert_eq!(store.save(&many).await.unwrap(), [Saved::Written, behind, Saved::Written]);
    let expected = ["1: 10 active finished", "2: 8 active", "3: 1 active", "4: - active"];
    assert_eq!(rows(store).await, expected);
    assert_eq!(store.save(&[]).await.unwrap(), []);
    assert_eq!(rows(store).await, expected);
    store.release(&shard(2)).await.unwrap();
    assert_eq!(save(store, at(4, "2")).await, Saved::Written);
    let expected = ["1: 10 active finished", "2: 8", "3: 1 active", "4: 2 active"];
    assert_eq!(rows(store).await, expected, "what was released stays so");
}

async fn keeps_namespaces_apart(one: &impl CheckpointStore, two: &impl CheckpointStore) {
    one.claim(&shard(1), None).await.unwrap();
    assert_eq!(save(one, at(1, "3")).await, Saved::Written);
    assert!(two.load().await.unwrap().is_empty());
    assert_eq!(save(two, at(1, "2")).await, Saved::Written);
    two.release(&shard(1)).await.unwrap();
    assert_eq!(rows(one).await, ["1: 3 active"]);
    assert_eq!(rows(two).await, ["1: 2"]);
    assert_eq!(two.load().await.unwrap()[0].namespace, "two");
}
