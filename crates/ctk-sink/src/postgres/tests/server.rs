//! What a server may do: lose, refuse, wait, warn.

use ctk_test_support::postgres::Stop;
use tokio::time::{Instant as Clock, timeout};

use super::*;

#[tokio::test]
async fn a_server_that_loses_what_it_confirmed() {
    let mut world = world_with(&[
        ("synchronous_commit", "off"),
        ("wal_writer_delay", "10s"),
        ("bgwriter_delay", "10s"),
    ])
    .await;
    let settings = world.with_checkpoints().await;
    let holder = settings.holder.clone().unwrap();
    let target = world.target(Settings { connections: 1, ..settings }).await;
    let mut connection = world.config().connect().await.unwrap();
    ctk_checkpoint::postgres::claim(&mut connection, &holder, &ShardId::new("shard-1"), None)
        .await
        .unwrap();
    put(&world, &target, 1, &[r#"{"a": 1}"#]).await;
    world.server.sql("CHECKPOINT");
    put(&world, &target, 2, &[r#"{"a": 2}"#]).await;
    world.server.stop(Stop::Immediate).await.unwrap();
    world.server.run().await.unwrap();
    let lost = world.server.sql("SELECT count(*) FROM t") == "1";
    assert!(lost, "the crash lost nothing, so this test tells nothing");
    let (changes, upto) = world.batch("shard-1", 3, &[r#"{"a": 3}"#]);
    let committed = target.commit(changes, upto).await;
    target.close().await.unwrap();
    assert!(
        committed.is_err(),
        "{committed:?}; rows {:?}, position {}",
        world.rows("t"),
        world.server.sql("SELECT sequence FROM ext.kinesis_checkpoints")
    );
}

#[tokio::test]
async fn a_user_with_one_connection() {
    let world = World::new().await;
    world.server.sql(
        "CREATE ROLE one LOGIN CONNECTION LIMIT 1; GRANT CREATE, USAGE ON SCHEMA public TO one",
    );
    let url = TargetUrl::parse(&world.server.url().replace("//ctk@", "//one@")).unwrap();
    let config = PgConfig::take(&url, &mut url.options.clone()).unwrap();
    let target = PostgresTarget::start(&config, config.connect().await.unwrap(), World::settings())
        .await
        .unwrap();
    let work = async {
        for round in 0..5 {
            let one = world.batch("shard-1", round + 1, &[r#"{"a": 1}"#]);
            let other = world.batch("shard-2", round + 1, &[r#"{"a": 1}"#]);
            let both = tokio::join!(target.commit(one.0, one.1), target.commit(other.0, other.1));
            both.0.unwrap();
            both.1.unwrap();
        }
    };
    assert!(timeout(Duration::from_secs(100), work).await.is_ok(), "a shard waits for ever");
}

#[tokio::test]
async fn all_transactions_are_serializable() {
    let world = world_with(&[("default_transaction_isolation", "serializable")]).await;
    let settings = world.with_checkpoints().await;
    let target = world.target(Settings { connections: 8, batch_rows: 1, ..settings }).await;
    let world = &world;
    for shard in 0..16 {
        target.claim(&ShardId::new(&format!("shard-{shard:02}")), None).await.unwrap();
    }
    let shards = (0..16).map(|shard| {
        let target = target.clone();
        async move {
            for round in 0..15 {
                let (changes, upto) =
                    world.batch(&format!("shard-{shard:02}"), round + 1, &[r#"{"a": 1}"#]);
                target.commit(changes, upto).await.map_err(|error| chain(&error))?;
            }
            Ok::<_, String>(())
        }
    });
    let start = Clock::now();
    let all: Result<Vec<()>, String> = join_all(shards).await.into_iter().collect();
    println!("took {:?}", start.elapsed());
    assert_eq!(all.map(drop), Ok(()));
    assert_eq!(world.server.sql("SELECT count(*) FROM t"), "240");
}

async fn join_all<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(Box::pin).map(|future| (Some(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut all {
            if let Some(running) = future
                && let std::task::Poll::Ready(done) = running.as_mut().poll(context)
            {
                (*future, *output) = (None, Some(done));
            }
        }
        if all.iter().all(|(future, _)| future.is_none()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    all.into_iter().map(|(_, output)| output.unwrap()).collect()
}

#[tokio::test]
async fn warnings_of_a_trigger_fill_the_connection() {
    // The first shows that the rows themselves are not too many.
    for level in ["DEBUG", "WARNING"] {
        let mut world = World::new().await;
        world.server.sql(&format!(
        "CREATE TABLE t (a BIGINT); \
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE {level} '%', repeat('x', 2000); RETURN NEW; END $$; \
         CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ));
        let long = "y".repeat(2000);
        let records: Vec<_> =
            (0..10_000).map(|n| format!(r#"{{"a": {n}, "b": "{long}"}}"#)).collect();
        let records: Vec<_> = records.iter().map(String::as_str).collect();
        let settings = Settings { envelope: Envelope::None, ..World::settings() };
        let loaded = timeout(Duration::from_secs(100), world.load(settings, &records)).await;
        assert!(loaded.is_ok(), "{level}: both sides wait for the other one to read");
    }
}

#[tokio::test]
async fn functions_of_somebody_else_are_not_called() {
    let world = World::new().await;
    world.server.sql(
        "CREATE TABLE public.called (who TEXT); CREATE ROLE mallory; GRANT CREATE ON SCHEMA public TO mallory; \
         GRANT INSERT ON called TO PUBLIC; SET ROLE mallory; \
         CREATE FUNCTION public.hashtextextended(text, int) RETURNS bigint LANGUAGE plpgsql AS \
         $$ BEGIN INSERT INTO public.called VALUES (current_user); RETURN 1; END $$",
    );
    world.with_checkpoints().await;
    assert_eq!(world.server.sql("SELECT DISTINCT who FROM called"), "");
}

#[tokio::test]
async fn a_claim_that_waited_for_a_takeover_fails_at_every_level_of_isolation() {
    for level in ["read committed", "repeatable read", "serializable"] {
        let world = world_with(&[("default_transaction_isolation", &format!("'{level}'"))]).await;
        let first = world.with_checkpoints().await.holder.unwrap();
        let mut connection = world.config().connect().await.unwrap();
        let (parent, child) = (ShardId::new("parent"), ShardId::new("child"));
        ctk_checkpoint::postgres::claim(&mut connection, &first, &parent, None).await.unwrap();
        // The takeover has its lock and waits for a row; the claim of a child waits for that lock.
        let mut holding = world.config().connect().await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT FROM ext.kinesis_checkpoints FOR UPDATE")
            .execute(&mut holding)
            .await
            .unwrap();
        let waiting = async |count: &str| {
            let sql = "SELECT count(*) FROM pg_locks WHERE NOT granted";
            while world.server.sql(sql) != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let later = world.with_checkpoints();
        let claim = async {
            waiting("1").await;
            ctk_checkpoint::postgres::claim(&mut connection, &first, &child, None).await
        };
        let release = async {
            waiting("2").await;
            sqlx::raw_sql("ROLLBACK").execute(&mut holding).await.unwrap();
        };
        let (_later, claimed, ()) = tokio::join!(later, claim, release);
        assert!(claimed.is_err(), "{level}: the run that lost its namespace has a new shard");
    }
}
