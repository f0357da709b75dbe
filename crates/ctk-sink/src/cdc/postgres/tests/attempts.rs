//! Groups of changes in transactions, with their positions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use ctk_checkpoint::StreamIdentity;
use ctk_flow::{Changes, Committed, Position, Sequence, Target as _};

use super::{
    attempt::{Apply, start},
    *,
};
use crate::group::{Delivery, Limits};

/// Puts rows that refer to these into table `child`, one for each batch, and counts those that are refused.
#[derive(Debug, Default)]
struct Children {
    parents: Vec<i64>,
    tries: Arc<AtomicU32>,
}

impl Apply for Children {
    async fn apply(
        &mut self,
        store: &mut PgStore<'_>,
        group: &[Delivery],
    ) -> Result<Vec<Committed>, SinkError> {
        self.tries.fetch_add(1, Relaxed);
        let table = TargetTable { schema: "public".into(), table: "child".into() };
        let open = open(store, &table, Layout::Direct, &["id"]).await;
        let rows = (1..).zip(&self.parents).map(|(id, parent)| vec![int(id), int(*parent)]);
        let fates =
            tried(store, &open, Op::Put, &["id", "parent"], rows.collect(), Vec::new()).await;
        let refused = fates.iter().flatten().count() as u64;
        let written = fates.len() as u64 - refused;
        // The parent comes behind its children.
        sql(store.connection(), "INSERT INTO parent VALUES (5) ON CONFLICT DO NOTHING").await;
        let first = Committed { written, present: 0, dead_lettered: refused };
        let rest = group.iter().skip(1).map(|_| Committed::default());
        Ok(std::iter::once(first).chain(rest).collect())
    }

    fn forget(&mut self) {}
}

/// Commits one batch with children of these, and returns what became of them and in how many tries.
async fn commit(world: &World, parents: &[i64]) -> (Committed, u32) {
    let url = TargetUrl::parse(&world.server.url()).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let mut connection = config.connect_for_writing().await.unwrap();
    ctk_checkpoint::postgres::create_table(&mut connection, "ext").await.unwrap();
    let identity = StreamIdentity::default();
    let opened = ctk_checkpoint::postgres::open(&mut connection, "ext", "test", identity).await;
    let holder = opened.unwrap().0;
    let engine = Children { parents: parents.to_vec(), tries: Arc::default() };
    let tries = Arc::clone(&engine.tries);
    let limits = Limits { rows: 1000, bytes: 1 << 20, linger: Duration::ZERO, takes_all: true };
    let places = world.places.clone();
    let target = start(&config, connection, places, Some(holder), engine, limits).await.unwrap();
    let shard = ShardId::new("shard-1");
    let changes = Changes::new(shard.clone(), 1, 100);
    let upto = Position { sequence: Some(Sequence::new("7")), ..Position::new(shard) };
    let committed = target.commit(changes, upto).await.unwrap();
    target.close().await.unwrap();
    (committed, tries.load(Relaxed))
}

#[tokio::test]
async fn what_is_valid_in_the_end_is_written() {
    let world = World::new().await;
    world.server.sql(
        "CREATE TABLE parent (id int PRIMARY KEY);
         CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    );
    let (committed, tries) = commit(&world, &[5, 5]).await;
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 0 });
    assert_eq!(tries, 1);
    assert_eq!(world.server.sql("SELECT count(*) FROM child"), "2");
    let stored = world.server.sql("SELECT * FROM ext.kinesis_checkpoints");
    assert!(stored.contains("shard-1") && stored.contains('7'), "{stored}");
}

#[tokio::test]
async fn what_is_not_valid_in_the_end_is_found_at_once() {
    let world = World::new().await;
    world.server.sql(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (5);
         CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
    );
    let (committed, tries) = commit(&world, &[5, 404, 5]).await;
    assert_eq!(committed, Committed { written: 2, present: 0, dead_lettered: 1 });
    assert_eq!(tries, 2);
    assert_eq!(world.server.sql("SELECT string_agg(id::text, ',' ORDER BY id) FROM child"), "1,3");
}
