//! Chaos: the program is killed, and PostgreSQL with it, at any moment and again and again. At the end every record is there
//! exactly once, and the position of each shard is that of its last record.
//!
//! Without a key in the table (`envelope=none`) nothing absorbs what is written twice. With one, two namespaces load the same
//! stream into one table, so that keys are met which are there already. In the last plan, runs take the namespace away from
//! each other all the time. The moments are real, so the same seed does not meet the same ones twice; what must hold is the same.
//!
//! A plan takes some seconds. `CTK_TEST_CHAOS_RECORDS=500000 CTK_TEST_CHAOS_KILLS=40` makes it a long one.

use std::{fmt::Write as _, time::Duration};

use ctk_test_support::postgres::{Postgres, Stop};
use tokio::{process::Child, time::sleep};

use crate::{
    chaos_field::{Database, Field},
    ledger::Plan,
    postgres_faults::Blow,
};

const RECORDS: u64 = 20_000;
const KILLS: u64 = 6;
const RECORDS_VARIABLE: &str = "CTK_TEST_CHAOS_RECORDS";
const KILLS_VARIABLE: &str = "CTK_TEST_CHAOS_KILLS";

/// What was done, and to whom.
#[derive(Debug, Default)]
struct Tally {
    /// Runs that were killed.
    kills: u64,
    /// How many of these had not read everything yet.
    at_work: u64,
    /// Runs that ended since they met no server at their start.
    without_server: u64,
    /// Runs that ended since another one took over.
    taken_over: u64,
    /// What happened to the server: its sessions ended, a process of it killed, stopped and started.
    sessions: u64,
    processes: u64,
    stops: u64,
    /// How often a COMMIT had taken effect then, or when a run was killed, and its answer was lost.
    in_doubt: u64,
}

struct Chaos {
    field: Field,
    plan: Plan,
    kills: u64,
    options: &'static str,
    tally: Tally,
}

impl Chaos {
    async fn new(
        seed: u64,
        database: Database,
        (records, kills): (u64, u64),
        options: &'static str,
        namespaces: &'static [&'static str],
    ) -> Self {
        let field = Field::new(database, records, namespaces).await;
        Self { field, plan: Plan(seed), kills, options, tally: Tally::default() }
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.plan.below(all.len() as u64)).unwrap()]
    }

    /// Starts a run: with larger or smaller transactions, one or several at the same time.
    fn start(&mut self) -> Child {
        let mut source = self.options.to_owned();
        // Small answers, so that there is something to interrupt.
        let share = self.field.filled.records / self.kills / (RECORDS / KILLS);
        let chunk = self.pick(&[20, 50, 200]) * share.clamp(1, 50);
        let namespace = self.pick(self.field.namespaces);
        write!(source, "&checkpointer_name={namespace}&follow=true&chunk_size={chunk}").unwrap();
        let mut target = self.field.target();
        write!(target, "?batch_rows={}", self.pick(&[100, 1000, 10_000])).unwrap();
        if let Database::PostgreSql(_) = self.field.database {
            write!(target, "&connections={}", self.pick(&[1, 2, 4])).unwrap();
        }
        self.field
            .world
            .command(&["load", &self.field.world.source(&source), &target])
            .spawn()
            .unwrap()
    }

    /// Lets a run work until some rows more are there, or for some milliseconds.
    async fn work(&mut self, run: &mut Child) {
        let left = self.field.left().await;
        if left == 0 || self.plan.one_in(3) {
            return sleep(Duration::from_millis(50 + self.plan.below(550))).await;
        }
        let turns = 2 * self.kills.saturating_sub(self.tally.kills).max(1);
        let goal = left - self.plan.below((left / turns).max(1));
        for _ in 0..100 {
            // One that ended works no more.
            if self.field.left().await < goal || run.try_wait().unwrap().is_some() {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(self.plan.below(30))).await;
    }

    async fn kill(&mut self, mut run: Child) {
        let before = self.field.count().await;
        let is_held = self.plan.one_in(3) && self.hold_commits().await;
        run.kill().await.unwrap();
        self.tally.kills += 1;
        if let (true, Database::PostgreSql(server)) = (is_held, &self.field.database) {
            // The session has not noticed, and goes on when it is answered.
            server.answer_commits();
        }
        let after = self.field.count().await;
        assert!(after >= before, "rows were lost by a kill");
        self.tally.at_work +=
            u64::from(self.field.positions().await != self.field.expected_positions());
    }

    /// Keeps the answers of COMMIT back; true when one is waited for.
    async fn hold_commits(&mut self) -> bool {
        let Database::PostgreSql(server) = &self.field.database else { return false };
        server.hold_commits();
        for _ in 0..20 {
            if server.held_commits() > 0 {
                self.tally.in_doubt += 1;
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        // Nothing is left to write, or a run that begins is not so far.
        server.answer_commits();
        false
    }

    /// Does something to the server, and waits until it answers again.
    async fn hit_server(&mut self) {
        let blow = self.pick(&[
            Blow::Sessions,
            Blow::Process,
            Blow::Stop(Stop::Fast),
            Blow::Stop(Stop::Immediate),
        ]);
        let pause = Duration::from_millis(self.plan.below(300));
        let is_held = self.plan.one_in(2) && self.hold_commits().await;
        let Database::PostgreSql(server) = &mut self.field.database else { return };
        match blow {
            Blow::Sessions => self.tally.sessions += u64::from(server.terminate_sessions() > 0),
            Blow::Process => self.tally.processes += u64::from(server.crash().await.unwrap()),
            Blow::Stop(how) => {
                let how = if is_held { Stop::Immediate } else { how };
                server.stop(how).await.unwrap();
                sleep(pause).await;
                server.run().await.unwrap();
                self.tally.stops += 1;
            }
        }
        if is_held {
            server.answer_commits();
        }
    }

    /// Looks at a run that ended by itself, which it may for two reasons only.
    async fn ended(&mut self, run: Child) {
        let output = run.wait_with_output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        if said.contains("another run took over shard") {
            self.tally.taken_over += 1;
        } else {
            assert!(!said.contains("read = "), "a run that had begun gave up: {said}");
            self.tally.without_server += 1;
        }
        assert_eq!(output.status.code(), Some(1), "{said}");
    }

    /// Kills one run after the other.
    async fn kill_often(&mut self) {
        let mut run = self.start();
        while self.tally.kills < self.kills {
            self.work(&mut run).await;
            let is_alone = matches!(self.field.database, Database::Sqlite) || self.plan.one_in(2);
            if !is_alone {
                self.hit_server().await;
            }
            if run.try_wait().unwrap().is_some() {
                self.ended(run).await;
            } else if is_alone || self.plan.one_in(4) {
                self.kill(run).await;
            } else {
                continue;
            }
            run = self.start();
        }
        assert_eq!(self.tally.taken_over, 0);
    }

    /// Starts one run while the other is at work.
    async fn fight(&mut self) {
        let mut holder = self.start();
        for turn in 0.. {
            if self.tally.kills >= self.kills {
                break;
            }
            // The first holds the namespace for sure, where it is waited for; else they may begin at the same time.
            match turn % 3 {
                0 => self.work(&mut holder).await,
                _ => sleep(Duration::from_millis(self.plan.below(200))).await,
            }
            let mut other = self.start();
            self.work(&mut other).await;
            if self.plan.one_in(4) {
                self.hit_server().await;
            }
            match turn % 3 {
                // It finds out, unless there is nothing left to write.
                0 => match tokio::time::timeout(Duration::from_secs(5), holder.wait()).await {
                    Ok(_) => self.ended(holder).await,
                    Err(_) => self.kill(holder).await,
                },
                1 => self.kill(holder).await,
                // The one that lost the namespace, or is about to, is left.
                _ => self.kill(std::mem::replace(&mut other, holder)).await,
            }
            holder = other;
        }
        if holder.try_wait().unwrap().is_some() {
            self.ended(holder).await;
        } else {
            self.kill(holder).await;
        }
        assert!(self.tally.taken_over > 0, "{:?}", self.tally);
    }

    /// Loads what is left; then all is there, and nothing twice.
    async fn finish(self) {
        for namespace in self.field.namespaces {
            let options = format!("{}&checkpointer_name={namespace}", self.options);
            let said = self.field.world.load(&options, &self.field.target()).await;
            assert!(said.contains(" + 0 dead-lettered + 0 filtered;"), "{said}");
            let said = self.field.world.load(&options, &self.field.target()).await;
            assert!(said.contains("0 records read"), "{said}");
        }
        self.field.check().await;
        println!("{} records, {:?}", self.field.filled.records, self.tally);
        assert!(self.tally.at_work > 0, "every kill came too late: {:?}", self.tally);
    }
}

#[expect(clippy::disallowed_methods, reason = "how long to look is for whoever runs the tests")]
fn wanted(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |wanted| wanted.parse().unwrap())
}

fn size() -> (u64, u64) {
    (wanted(RECORDS_VARIABLE, RECORDS), wanted(KILLS_VARIABLE, KILLS))
}

fn smaller() -> (u64, u64) {
    let (records, kills) = size();
    (records / 2, kills.div_ceil(2))
}

const NO_KEY: &str = "&checkpointer=target&envelope=none&poll_interval=0.1";
const KEY: &str = "&checkpointer=target&poll_interval=0.1";

async fn postgresql() -> Database {
    Database::PostgreSql(Box::new(Postgres::start().await.unwrap()))
}

async fn without_a_key(seed: u64, database: Database) {
    let mut chaos = Chaos::new(seed, database, size(), NO_KEY, &["demo"]).await;
    chaos.kill_often().await;
    chaos.finish().await;
}

async fn with_a_key(seed: u64, database: Database) {
    let mut chaos = Chaos::new(seed, database, smaller(), KEY, &["demo", "other"]).await;
    chaos.kill_often().await;
    chaos.finish().await;
}

async fn fight(seed: u64, database: Database) {
    let mut chaos = Chaos::new(seed, database, size(), NO_KEY, &["demo"]).await;
    chaos.fight().await;
    chaos.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_loaded_exactly_once_through_kills() {
    without_a_key(1, Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_loaded_exactly_once_by_two_namespaces() {
    with_a_key(2, Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_is_loaded_exactly_once_by_runs_that_fight() {
    fight(3, Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_loaded_exactly_once_through_kills() {
    without_a_key(4, postgresql().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_loaded_exactly_once_by_two_namespaces() {
    with_a_key(5, postgresql().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_is_loaded_exactly_once_by_runs_that_fight() {
    fight(6, postgresql().await).await;
}
