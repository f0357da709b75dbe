//! The loop with fakes and a paused clock: fail at every call, in three ways, start again, and count.

use super::*;
use crate::ports::{Answer, Reader};
use fake::{Fault, How, UNITS, World};

mod fake;

/// Runs to the end, restarting after each failure, and returns how many starts it took.
async fn run_to_the_end(world: &World) -> usize {
    for start in 1..20 {
        // A fault that never answers is ended from outside, as a crash would: the future is dropped.
        let run = tokio::time::timeout(Duration::from_hours(1), world.run(World::plan()));
        if let Ok(Ok(_)) = run.await {
            return start;
        }
    }
    panic!("still failing after 20 starts");
}

#[tokio::test(start_paused = true)]
async fn loses_nothing_wherever_it_fails() {
    for transactional in [true, false] {
        for how in [How::Before, How::After, How::Dropped] {
            let mut call = 1;
            loop {
                let world = World::with_reshards(transactional, Some(Fault { call, how }));
                let starts = run_to_the_end(&world).await;
                world.check(&format!("transactional {transactional}, {how:?} at call {call}"));
                if !world.fault_happened() {
                    assert_eq!(starts, 1);
                    break;
                }
                call += 1;
            }
            assert!(call > 40, "the script is too short to be a test: {call} calls");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn loses_nothing_when_every_few_calls_fail() {
    for every in 7..60 {
        for how in [How::Before, How::After, How::Dropped] {
            let world = World::with_reshards(true, None);
            for start in 0_u64.. {
                world.fail_in(every + start, how);
                let run = tokio::time::timeout(Duration::from_hours(1), world.run(World::plan()));
                if let Ok(Ok(_)) = run.await {
                    break;
                }
                assert!(start < 100, "no progress");
            }
            world.check(&format!("{how:?} every {every} calls"));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_between_batches_and_the_next_run_goes_on() {
    for stop_at in 1..40 {
        let world = World::with_reshards(true, None);
        world.stop_in(stop_at);
        world.run(World::plan()).await.unwrap();
        assert!(world.all_released(), "stopped at call {stop_at}");
        world.never_stop();
        world.run(World::plan()).await.unwrap();
        world.check(&format!("stopped at call {stop_at}"));
    }
}

#[tokio::test(start_paused = true)]
async fn max_records_is_exact_and_skips_nothing() {
    for max in 1..=30 {
        let world = World::with_reshards(true, None);
        let mut rows = 0;
        while rows < world.units() {
            let plan = Plan { max_records: Some(max), ..World::plan() };
            let totals = world.run(plan).await.unwrap();
            let now = world.rows();
            assert_eq!(now - rows, usize::try_from(max).unwrap().min(world.units() - rows));
            assert_eq!(totals.read, (now - rows) as u64);
            rows = now;
        }
        // The last run may have ended before the ends of the last shards were seen.
        world.run(World::plan()).await.unwrap();
        world.check(&format!("{max} records a run"));
    }
}

#[tokio::test(start_paused = true)]
async fn until_leaves_later_records_to_the_next_run() {
    let world = World::with_reshards(true, None);
    world.run(Plan { until: Some(3), ..World::plan() }).await.unwrap();
    // Shards a and b have records that arrived at 1, 2, 3, and later ones; their child is not to be read yet.
    assert_eq!(world.rows() as u64, 6 * UNITS);
    assert!(world.all_released());
    world.run(World::plan()).await.unwrap();
    world.check("until");
}

#[tokio::test(start_paused = true)]
async fn follows_until_it_is_stopped_and_finds_new_shards() {
    let world = World::with_reshards(true, None);
    let plan = Plan { relist: Some(Duration::from_secs(10)), ..World::plan() };
    let stop = world.stop_token();
    let (result, ()) = tokio::join!(world.run(plan), async {
        tokio::time::sleep(Duration::from_secs(15)).await;
        world.add_shard("late", &[], 5);
        tokio::time::sleep(Duration::from_secs(15)).await;
        stop.cancel();
    });
    result.unwrap();
    world.check("follow");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_fails_while_nobody_writes_ends_the_run() {
    let world = World::with_reshards(true, None);
    let plan = Plan { relist: Some(Duration::from_secs(10)), ..World::plan() };
    let broken = world.broken();
    let (result, ()) = tokio::join!(world.run(plan), async {
        tokio::time::sleep(Duration::from_hours(1)).await;
        broken.cancel();
    });
    assert!(matches!(result, Err(RunError::Target(_))), "{result:?}");
    assert!(world.all_released());
    world.check("broken");
}

/// A shard that fails after a while, and a listing that never answers.
struct Stuck {
    listings: u32,
}

struct Failing;

impl Source for Stuck {
    type Reader = Failing;

    async fn readers(&mut self) -> Result<Vec<Failing>, Failure> {
        self.listings += 1;
        if self.listings > 1 {
            std::future::pending::<()>().await;
        }
        Ok(vec![Failing])
    }

    fn finished(&mut self, _: &ShardId) {}
}

impl Reader for Failing {
    fn shard(&self) -> &ShardId {
        static SHARD: std::sync::LazyLock<ShardId> = std::sync::LazyLock::new(|| ShardId::new("s"));
        &SHARD
    }

    async fn read(&mut self) -> Result<Answer, Failure> {
        tokio::time::sleep(Duration::from_secs(30)).await;
        Err("it failed".into())
    }
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_fails_while_shards_are_listed_ends_the_run() {
    let world = World::with_reshards(true, None);
    let plan = Plan { relist: Some(Duration::from_secs(10)), ..World::plan() };
    let ended =
        tokio::time::timeout(Duration::from_mins(1), world.run_on(Stuck { listings: 0 }, plan));
    assert!(matches!(ended.await, Ok(Err(RunError::Read { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_loses_a_row_is_found_out() {
    let world = World::with_reshards(true, None);
    world.lose_a_row();
    assert!(matches!(world.run(World::plan()).await, Err(RunError::Unbalanced { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_small_budget_slows_down_and_stops_nobody() {
    let world = World::with_reshards(true, None);
    world.run(Plan { budget: Budget::new(1), read_bytes: 1 << 20, ..World::plan() }).await.unwrap();
    world.check("small budget");
}
