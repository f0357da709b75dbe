//! Takeovers at a bad moment, servers that lose what they confirmed, and functions that somebody else has put there.

use ctk_test_support::postgres::Stop;

use super::*;

#[tokio::test]
async fn a_claim_that_waited_for_a_takeover_sees_it() {
    let server = Arc::new(Server::with_table().await);
    let first = Arc::new(Run::open(&*server, "n").await);
    first.claim(&shard(1), None).await.unwrap();
    let until_waiting = async |expected: &str| {
        let wait = async {
            while server.0.sql("SELECT count(*) FROM pg_locks WHERE NOT granted") != expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), wait).await.expect(expected);
    };
    // The takeover has the lock of the namespace and waits for a row; the claim waits for that lock.
    let mut holding = server.connect().await;
    Server::run(&mut holding, "BEGIN; SELECT FROM {table} FOR UPDATE".to_owned()).await;
    let later = tokio::spawn({
        let server = Arc::clone(&server);
        async move { Run::open(&*server, "n").await }
    });
    until_waiting("1").await;
    let claim = tokio::spawn({
        let first = Arc::clone(&first);
        async move { first.claim(&shard(2), None).await }
    });
    until_waiting("2").await;
    Server::run(&mut holding, "ROLLBACK".to_owned()).await;
    is_taken_over(claim.await.unwrap());
    later.await.unwrap().claim(&shard(2), None).await.unwrap();
}

#[tokio::test]
async fn a_crash_that_loses_what_was_confirmed_is_noticed() {
    let settings =
        [("synchronous_commit", "off"), ("wal_writer_delay", "10s"), ("bgwriter_delay", "10s")];
    let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
    let options = Options { settings, ..Options::default() };
    let mut server = Server(Postgres::with(options).await.unwrap());
    create_table(&mut server.connect().await, SCHEMA).await.unwrap();
    let run = Run::open(&server, "n").await;
    run.claim(&shard(1), None).await.unwrap();
    let position = |sequence: &str| [at(1, sequence)];
    assert_eq!(run.save(&position("1")).await.unwrap(), [Saved::Written]);
    run.holder.confirm(&position("1"));
    server.0.sql("CHECKPOINT");
    assert_eq!(run.save(&position("2")).await.unwrap(), [Saved::Written]);
    run.holder.confirm(&position("2"));
    server.0.stop(Stop::Immediate).await.unwrap();
    server.0.run().await.unwrap();
    let mut connection = server.connect().await;
    let there = shown(&load(&mut connection, SCHEMA, "n").await.unwrap());
    assert_eq!(there, ["s1: 1 active"], "nothing was lost, so this tells nothing");
    let error = save(&mut connection, &run.holder, &position("3")).await.unwrap_err();
    assert!(matches!(error, CheckpointError::WentBack { .. }), "{error:?}");
}

/// Somebody who may create functions in the search path has one for each that our statements could mean.
#[tokio::test]
async fn functions_of_somebody_else_are_not_called() {
    let functions = [
        ("hashtextextended(text, int)", "bigint", "1"),
        ("hashtextextended(varchar, int)", "bigint", "1"),
        ("pg_advisory_xact_lock(int)", "int", "1"),
        ("clock_timestamp()", "timestamptz", "now()"),
        ("to_jsonb(timestamptz)", "jsonb", "'null'"),
        ("to_jsonb(timestamp)", "jsonb", "'null'"),
        ("to_jsonb(text)", "jsonb", "'null'"),
        ("unnest(text[])", "text", "'a'"),
        ("unnest(text[], text[])", "text", "'a'"),
        ("path(jsonb, jsonb)", "text", "''"),
        ("same(varchar, text)", "boolean", "true"),
        ("same(varchar, varchar)", "boolean", "true"),
        ("same(text, varchar)", "boolean", "true"),
    ];
    for text in ["TEXT", "VARCHAR(200)"] {
        let server = Server(Postgres::start().await.unwrap());
        foreign(&server, text, "TIMESTAMP WITH TIME ZONE");
        let mut sql = "CREATE TABLE called (what text); CREATE ROLE other; GRANT CREATE ON SCHEMA public TO other; \
                       GRANT INSERT ON called TO PUBLIC; SET ROLE other;".to_owned();
        for (function, returns, value) in functions {
            sql = format!(
                "{sql} CREATE FUNCTION public.{function} RETURNS {returns} LANGUAGE plpgsql AS $$ BEGIN \
                 INSERT INTO public.called VALUES ('{function}'); RETURN {value}; END $$;"
            );
        }
        sql = format!(
            "{sql} CREATE OPERATOR public.#>> (LEFTARG = jsonb, RIGHTARG = jsonb, FUNCTION = public.path);"
        );
        for (left, right) in [("varchar", "text"), ("varchar", "varchar"), ("text", "varchar")] {
            sql = format!(
                "{sql} CREATE OPERATOR public.= (LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = public.same);"
            );
        }
        server.0.sql(&sql);
        let mut connection = server.connect().await;
        create_table(&mut connection, "ext").await.unwrap();
        create_table(&mut connection, "new").await.unwrap();
        let stream = StreamIdentity::default();
        let (holder, _) = open(&mut connection, "ext", "n", stream).await.unwrap();
        for number in [1, 7] {
            claim(&mut connection, &holder, &shard(number), None).await.unwrap();
        }
        let positions = [at(1, "10"), at(8, "10")];
        save(&mut connection, &holder, &positions).await.unwrap();
        assert!(is_saved(&mut connection, &holder, &positions).await.unwrap());
        release(&mut connection, &holder, &shard(1)).await.unwrap();
        let rows = load(&mut connection, "ext", "n").await.unwrap();
        assert_eq!(shown(&rows), ["s1: 10", "s2: -", "s7: - active", "s8: 10 active"]);
        assert_eq!(list(&mut connection, "ext", None).await.unwrap().len(), 5);
        assert_eq!(delete(&mut connection, "ext", &rows).await.unwrap(), 4);
        assert_eq!(server.0.sql("SELECT DISTINCT what FROM called"), "", "{text}");
    }
}
