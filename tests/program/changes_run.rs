//! The histories of `change_model` through the program: records in a stream, and runs that are killed at any moment.
//!
//! A stream with one shard keeps everything in its order. In one with four, the rows of a table are in one shard, and the
//! records that tell of tables in another: there, tables are only created.

use std::{sync::Arc, time::Duration};

use ctk_db::sqlite::{Mode, open};
use ctk_test_support::{cratedb::CrateDb, postgres::Postgres};

use crate::{
    change_model::{Ddl, Event, Settings, Source, steps},
    changes_equal::{Raw, compare, cratedb, postgres, sqlite},
    ledger::Plan,
    world::World,
};

/// How often something is written, and a run is killed.
const TURNS: u64 = 5;
const STEPS: usize = 60;

const IN_SHARDS: Settings = Settings { ddl: Ddl::Create, ..Settings::USUAL };

enum Database {
    Sqlite,
    PostgreSql(Arc<Postgres>),
    CrateDb(CrateDb),
}

impl Database {
    fn url(&self) -> String {
        match self {
            Self::Sqlite => "sqlite:demo.db".to_owned(),
            Self::PostgreSql(server) => server.url(),
            Self::CrateDb(server) => server.url(),
        }
    }

    async fn read(&self, world: &World) -> (Raw, String) {
        match self {
            Self::Sqlite => {
                let mut connection = open(&world.path("demo.db"), Mode::Read).await.unwrap();
                let tables = sqlite::tables(&mut connection).await;
                (tables, sqlite::letters(&mut connection).await)
            }
            Self::PostgreSql(server) => (postgres::tables(server), postgres::letters(server)),
            Self::CrateDb(server) => (cratedb::tables(server), cratedb::letters(server)),
        }
    }
}

/// Writes a history while runs are killed, and looks what it came to.
async fn check(database: Database, settings: Settings, shards: u32, seed: u64) {
    let world = World::new(shards).await;
    let mut plan = Plan(seed);
    let settings = settings.vary(seed);
    let mut source = Source::new(settings);
    let mut said = Vec::new();
    let updates = if settings.whole_updates { "&updates=whole" } else { "" };
    let options = "&checkpointer=target&checkpointer_interval=0.1&poll_interval=0.05";
    let address = world.source(&format!("{options}&chunk_size=25{updates}"));
    let address = address.replacen("kinesis:", "kinesis+dms:", 1);
    let target = database.url();
    let steps = steps(seed, STEPS * usize::try_from(TURNS).unwrap());
    for turn in steps.chunks(STEPS) {
        let events: Vec<_> = turn.iter().flat_map(|step| source.step(*step)).collect();
        let keys: Vec<_> = events.iter().map(Event::partition_key).collect();
        let records = keys.iter().zip(&events);
        let records = records.map(|(key, event)| (key.as_str(), event.record.as_bytes()));
        world.kinesis.put_all("demo", records).await.unwrap();
        said.extend(events.iter().map(Event::shown));
        let mut run = world.command(&["load", "-q", &address, &target]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(20 + plan.below(500))).await;
        run.kill().await.unwrap();
    }
    let ended = world.run(&["load", "--once", &address, &target]).await;
    assert_eq!(ended.code, Some(0), "seed {seed}: {ended:?}");
    let (raw, letters) = database.read(&world).await;
    let why = compare(&source.expected(), &raw).unwrap_or_default();
    let is_clean = letters.is_empty() || settings.replays;
    assert!(
        why.is_empty() && is_clean,
        "seed {seed}, {settings:?}\n{}\n{why}\ndead letters:\n{letters}\n{ended:?}",
        said.join("\n")
    );
}

#[tokio::test]
async fn sqlite_after_kills() {
    for seed in 1..=2 {
        check(Database::Sqlite, Settings::USUAL, 1, seed).await;
        check(Database::Sqlite, IN_SHARDS, 4, seed).await;
    }
}

#[tokio::test]
async fn postgresql_after_kills() {
    let server = Arc::new(Postgres::start().await.unwrap());
    for (seed, settings, shards) in [(4, Settings::USUAL, 1), (5, IN_SHARDS, 4)] {
        postgres::PostgreSql::new(&server);
        check(Database::PostgreSql(Arc::clone(&server)), settings, shards, seed).await;
    }
}

#[tokio::test]
async fn cratedb_after_kills() {
    let in_shards = Settings { ddl: Ddl::Create, ..Settings::REPLAYED };
    for (seed, settings, shards) in [(6, Settings::REPLAYED, 1), (7, in_shards, 4)] {
        check(Database::CrateDb(CrateDb::start().await.unwrap()), settings, shards, seed).await;
    }
}
