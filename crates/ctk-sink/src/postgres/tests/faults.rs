//! Connections that break, servers that are restarted, commits without an answer, tables that change: each row is there once.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use ctk_test_support::postgres::Stop;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// When a connection through the [`Proxy`] is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Before the server has seen the COMMIT.
    Before,
    /// After it has answered, and before the client sees that.
    After,
}

/// Stands between client and server, and cuts the connection at the next COMMIT, so many times.
struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    async fn start(port: u16, cut: Cut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, cuts) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let left = Arc::clone(&cuts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(relay(client, server, cut, Arc::clone(&left)));
            }
        });
        Self { address, cuts }
    }

    /// Returns how to connect through it.
    fn config(&self, world: &World) -> PgConfig {
        let url = world
            .server
            .url()
            .replace(&world.server.port().to_string(), &self.address.port().to_string());
        let url = TargetUrl::parse(&url).unwrap();
        PgConfig::take(&url, &mut url.options.clone()).unwrap()
    }
}

async fn relay(mut client: TcpStream, mut server: TcpStream, cut: Cut, cuts: Arc<AtomicUsize>) {
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Ok(read @ 1..) = read else { return };
                let is_commit = asked[..read].windows(7).any(|bytes| bytes == b"COMMIT\0");
                let is_cut = is_commit && cuts.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
                if is_cut && cut == Cut::Before {
                    return;
                }
                server.write_all(&asked[..read]).await.unwrap();
                if is_cut {
                    let answer = server.read(&mut answered).await.unwrap();
                    assert!(answer > 0, "it was committed");
                    return;
                }
            }
            read = server.read(&mut answered) => {
                let Ok(read @ 1..) = read else { return };
                if client.write_all(&answered[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_became_of_a_commit_is_found_out() {
    for cut in [Cut::Before, Cut::After] {
        let world = World::new().await;
        let proxy = Proxy::start(world.server.port(), cut).await;
        // No key, so what is written twice is there twice.
        let settings =
            Settings { envelope: Envelope::None, connections: 1, ..world.with_checkpoints().await };
        let config = proxy.config(&world);
        let target = PostgresTarget::start(&config, config.connect().await.unwrap(), settings)
            .await
            .unwrap();
        target.claim(&ShardId::new("shard-1"), Some(0)).await.unwrap();
        for batch in 0..4 {
            let (changes, upto) =
                world.batch("shard-1", 1 + batch * 3, &[r#"{"a": 1}"#, "no JSON", r#"{"a": 2}"#]);
            // The first makes the table, which has a COMMIT of its own.
            proxy.cuts.store(usize::from(batch > 0), SeqCst);
            let committed = target.commit(changes, upto).await.unwrap();
            assert_eq!(
                committed,
                Committed { written: 2, present: 0, dead_lettered: 1 },
                "{cut:?}"
            );
        }
        assert_eq!(proxy.cuts.load(SeqCst), 0);
        target.close().await.unwrap();
        assert_eq!(world.server.sql("SELECT count(*), sum(a) FROM t"), "8|12", "{cut:?}");
        assert_eq!(world.server.sql("SELECT count(*) FROM t_dead_letters"), "4", "{cut:?}");
        assert_eq!(
            world.server.sql("SELECT sequence FROM ext.kinesis_checkpoints"),
            "12",
            "{cut:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_and_restarts_lose_and_double_nothing() {
    let mut world = World::new().await;
    let settings = Settings { envelope: Envelope::None, ..world.with_checkpoints().await };
    let target = world.target(settings).await;
    let shards: Vec<_> = (0..4).map(|shard| format!("shard-{shard}")).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for shard in &shards {
        target.claim(&ShardId::new(shard), Some(0)).await.unwrap();
        let records: Vec<_> =
            (1..=20).map(|n| format!(r#"{{"shard": "{shard}", "n": {n}}}"#)).collect();
        let records: Vec<_> = records.iter().map(String::as_str).collect();
        let batches: Vec<_> =
            (0..60).map(|batch| world.batch(shard, batch * 20 + 1, &records)).collect();
        let target = target.clone();
        tasks.spawn(async move {
            for (changes, upto) in batches {
                assert_eq!(target.commit(changes, upto).await.unwrap(), written(20));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    for round in 0..8 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        match round % 4 {
            0 => drop(world.server.terminate_sessions()),
            1 => {
                world.server.kill_session();
                // It repairs itself, and takes nobody meanwhile.
                while world.server.try_sql("SELECT 1").is_err() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            2 => world.server.stop(Stop::Immediate).await.unwrap(),
            _ => world.server.stop(Stop::Fast).await.unwrap(),
        }
        if round % 4 > 1 {
            world.server.run().await.unwrap();
        }
    }
    tasks.join_all().await;
    target.close().await.unwrap();
    for shard in shards {
        let sql = format!("SELECT count(*), sum(n) FROM t WHERE shard = '{shard}'");
        assert_eq!(world.server.sql(&sql), "1200|12600", "{shard}");
    }
    assert_eq!(
        world.server.sql("SELECT string_agg(sequence, ' ') FROM ext.kinesis_checkpoints"),
        "1200 1200 1200 1200"
    );
}

#[tokio::test]
async fn a_table_that_changes_is_looked_at_again() {
    let world = World::new().await;
    let target = world.target(World::settings()).await;
    let mut read = 0;
    let mut commit = async |records: &[&str]| {
        let (changes, upto) = world.batch("shard-1", read + 1, records);
        read += records.len() as u64;
        target.commit(changes, upto).await.unwrap()
    };
    commit(&[r#"{"a": 1, "b": 1}"#]).await;
    for sql in [
        "ALTER TABLE t DROP COLUMN b",
        "ALTER TABLE t ALTER COLUMN a TYPE NUMERIC",
        "ALTER TABLE t RENAME COLUMN a TO c",
        "DROP TABLE t",
        "DROP TABLE IF EXISTS t; CREATE TABLE t (a BIGINT)",
    ] {
        world.server.sql(sql);
        assert_eq!(commit(&[r#"{"a": 2, "b": 2}"#, "no JSON"]).await.written, 1, "{sql}");
        // Letters have a table that may go, too.
        world.server.sql("DROP TABLE t_dead_letters");
    }
    target.close().await.unwrap();
    assert_eq!(world.server.sql("SELECT count(*), sum(a), sum(b) FROM t"), "1|2|2");
}

#[tokio::test]
async fn a_table_that_is_locked_is_waited_for() {
    let mut world = World::new().await;
    world.load(World::settings(), &[r#"{"a": 1}"#]).await.unwrap();
    let mut other = world.config().connect().await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE t").execute(&mut other).await.unwrap();
    let target = world.target(World::settings()).await;
    let (changes, upto) = world.batch("shard-1", 2, &[r#"{"a": 2, "b": 1}"#]);
    let mut commit = std::pin::pin!(target.commit(changes, upto));
    assert!(tokio::time::timeout(Duration::from_millis(300), &mut commit).await.is_err());
    sqlx::raw_sql("COMMIT").execute(&mut other).await.unwrap();
    assert_eq!(commit.await.unwrap(), written(1));
    target.close().await.unwrap();
}

#[tokio::test]
async fn runs_that_meet_in_one_table_do_not_stop_each_other() {
    let world = World::new().await;
    let (one, two) = (world.target(World::settings()).await, world.target(World::settings()).await);
    let records: Vec<_> = (1..=500).map(|n| format!(r#"{{"n": {n}}}"#)).collect();
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    // The same records, in both orders: each waits for keys of the other.
    for round in 0..5 {
        let (changes, upto) = world.batch("shard-1", round * 500 + 1, &records);
        let first = one.commit(changes.clone(), upto.clone());
        let (a, b) = tokio::join!(first, two.commit(changes, upto));
        let (a, b) = (a.unwrap(), b.unwrap());
        assert_eq!((a.written, b.written, a.present + b.present), (500, 500, 500));
    }
    assert_eq!(world.server.sql("SELECT count(*) FROM t"), "2500");
    one.close().await.unwrap();
    two.close().await.unwrap();
}
