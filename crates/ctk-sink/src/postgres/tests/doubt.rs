//! Transactions whose end nobody saw, and servers that come back as others.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use ctk_test_support::postgres::Stop;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;

/// Stands before the server, swallows the answer to the first COMMIT, and refuses the connection that follows once.
async fn rude_proxy(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let (cut, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            if cut.load(SeqCst) && !refused.swap(true, SeqCst) {
                let mut buffer = [0; 1024];
                let read = client.read(&mut buffer).await.unwrap();
                if read == 8 {
                    client.write_all(b"N").await.unwrap();
                    drop(client.read(&mut buffer).await);
                }
                let fields = b"SFATAL\0VFATAL\0C3D000\0Mnot now\0\0";
                let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
                client.write_all(&[&b"E"[..], &length, fields].concat()).await.unwrap();
                continue;
            }
            let cut = Arc::clone(&cut);
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let (mut sent, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
                let mut ends = false;
                loop {
                    tokio::select! {
                        read = client.read(&mut sent) => {
                            let Ok(read @ 1..) = read else { return };
                            let data = &sent[..read];
                            ends |= !cut.load(SeqCst) && data.windows(7).any(|part| part == b"COMMIT\0")
                                && !data.windows(6).any(|part| part == b"CREATE");
                            server.write_all(data).await.unwrap();
                        }
                        read = server.read(&mut answered) => {
                            let Ok(read @ 1..) = read else { return };
                            if ends {
                                cut.store(true, SeqCst);
                                return;
                            }
                            if client.write_all(&answered[..read]).await.is_err() {
                                return;
                            }
                        }
                    }
                }
            });
        }
    });
    own
}

#[tokio::test]
async fn a_group_whose_commit_is_in_doubt_is_not_written_again() {
    let world = World::new().await;
    let settings = world.with_checkpoints().await;
    world.server.sql("CREATE TABLE t (a BIGINT)");
    let settings = Settings {
        envelope: Envelope::None,
        connections: 1,
        linger: Duration::from_millis(300),
        ..settings
    };
    for shard in ["shard-1", "shard-2"] {
        let mut connection = world.config().connect().await.unwrap();
        let holder = settings.holder.as_ref().unwrap();
        ctk_checkpoint::postgres::claim(&mut connection, holder, &ShardId::new(shard), None)
            .await
            .unwrap();
    }
    let port = rude_proxy(world.server.port()).await;
    let url = world.server.url().replace(&world.server.port().to_string(), &port.to_string());
    let url = TargetUrl::parse(&url).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let target =
        PostgresTarget::start(&config, config.connect().await.unwrap(), settings).await.unwrap();
    let one = world.batch("shard-1", 1, &[r#"{"a": 1}"#]);
    let other = world.batch("shard-2", 1, &[r#"{"a": 2}"#]);
    let both = tokio::join!(target.commit(one.0, one.1), target.commit(other.0, other.1));
    assert_eq!(world.server.sql("SELECT count(*) FROM t"), "2", "{both:?}");
}

#[tokio::test]
async fn a_long_outage_and_then_a_standby() {
    let mut world = World::new().await;
    let target = world.target(Settings { connections: 1, ..World::settings() }).await;
    put(&world, &target, 1, &[r#"{"a": 1}"#]).await;
    world.server.stop(Stop::Fast).await.unwrap();
    let (changes, upto) = world.batch("shard-1", 2, &[r#"{"a": 2}"#]);
    let commit = {
        let target = target.clone();
        tokio::spawn(async move { target.commit(changes, upto).await })
    };
    // It waits for a minute and more, by its own clock.
    #[expect(clippy::disallowed_methods, reason = "the clock of the runtime is stopped below")]
    let nap = || std::thread::sleep(Duration::from_millis(50));
    for _ in 0..20 {
        tokio::task::yield_now().await;
        nap();
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(70)).await;
    tokio::time::resume();
    world.server.run().await.unwrap();
    // It comes back as one that only reads, for two seconds.
    world.server.sql("ALTER SYSTEM SET default_transaction_read_only = on");
    world.server.sql("SELECT pg_reload_conf()");
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.server.sql("ALTER SYSTEM RESET default_transaction_read_only");
    world.server.sql("SELECT pg_reload_conf()");
    let committed = timeout(Duration::from_secs(30), commit).await.unwrap().unwrap();
    assert!(committed.is_ok(), "{:?}", committed.map_err(|error| chain(&error)));
}
