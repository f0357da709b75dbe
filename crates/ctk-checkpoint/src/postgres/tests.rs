//! The contracts on a real server, tables of other tools, rights, and what only two connections can do to each other.

use std::{sync::Arc, time::Duration};

use ctk_flow::{Millis, Position};
use ctk_test_support::postgres::{Options, Postgres, Stop};

use super::*;
use crate::{
    CheckpointStore, Holder, Saved,
    holder::contract::{Place, Run, at, fences, is_taken_over, shard, shown},
    prune::Active,
    store::contract,
};

/// A name that is wrong wherever it is not quoted.
const SCHEMA: &str = "E\"xt";

/// A server with the table.
struct Server(Postgres);

impl Server {
    async fn with_table() -> Self {
        // Whatever a user has as default: one snapshot for a transaction would not see what it waited for.
        let strict = ("default_transaction_isolation", "serializable".to_owned());
        let options = Options { settings: vec![strict], ..Options::default() };
        let server = Self(Postgres::with(options).await.unwrap());
        create_table(&mut server.connect().await, SCHEMA).await.unwrap();
        server
    }
}

impl Place for Server {
    type Connection = PgConnection;
    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.0.url()).await.unwrap()
    }

    async fn until_one_waits(&self) {
        let mut connection = self.connect().await;
        let sql = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')";
        let waits = async {
            while !sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut connection).await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), waits).await.expect("somebody waits");
    }

    async fn run(connection: &mut PgConnection, sql: String) {
        let sql = sql.replace("{table}", &name(SCHEMA));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await.unwrap();
    }

    async fn number(connection: &mut PgConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }

    async fn open(
        connection: &mut PgConnection,
        namespace: &str,
    ) -> Result<(Holder, Vec<Checkpoint>), CheckpointError> {
        open(connection, SCHEMA, namespace, StreamIdentity::default()).await
    }

    async fn load(
        connection: &mut PgConnection,
        namespace: &str,
    ) -> Result<Vec<Checkpoint>, CheckpointError> {
        load(connection, SCHEMA, namespace).await
    }

    async fn claim(
        connection: &mut PgConnection,
        holder: &Holder,
        shard: &ShardId,
        begins: Option<Millis>,
    ) -> Result<(), CheckpointError> {
        claim(connection, holder, shard, begins).await
    }

    async fn save(
        connection: &mut PgConnection,
        holder: &Holder,
        positions: &[Position],
    ) -> Result<Vec<Saved>, CheckpointError> {
        save(connection, holder, positions).await
    }

    async fn is_saved(
        connection: &mut PgConnection,
        holder: &Holder,
        positions: &[Position],
    ) -> Result<bool, CheckpointError> {
        is_saved(connection, holder, positions).await
    }

    async fn release(
        connection: &mut PgConnection,
        holder: &Holder,
        shard: &ShardId,
    ) -> Result<(), CheckpointError> {
        release(connection, holder, shard).await
    }
}

#[tokio::test]
async fn postgres_keeps_the_promises_of_a_store() {
    let server = Server::with_table().await;
    contract::keeps_its_promises(async |namespace: &str| Run::open(&server, namespace).await).await;
}

#[tokio::test]
async fn postgres_fences_runs() {
    fences(Server::with_table().await).await;
}

#[tokio::test]
async fn a_transaction_that_began_before_the_takeover_is_rolled_back() {
    let server = Server::with_table().await;
    let first = Run::open(&server, "n").await;
    first.claim(&shard(1), None).await.unwrap();
    server.0.sql("CREATE TABLE rows (a int)");
    first.sql("BEGIN ISOLATION LEVEL READ COMMITTED; INSERT INTO rows VALUES (1)").await;
    // It is not waited for: it has not saved its position, and cannot any more.
    let second = Run::open(&server, "n").await;
    is_taken_over(first.save_in(at(1, "5")).await);
    first.sql("ROLLBACK").await;
    assert_eq!(server.0.sql("SELECT count(*) FROM rows"), "0");
    second.claim(&shard(1), None).await.unwrap();
}

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

#[tokio::test]
async fn a_row_that_a_straggler_puts_there_after_the_takeover_is_noticed() {
    let server = Arc::new(Server::with_table().await);
    for (number, position, end, is_ours) in [
        (1, at(1, "5"), "COMMIT", false),
        (2, at(2, "5"), "ROLLBACK", true),
        (3, Position { reached: Some(5), ..Position::new(shard(3)) }, "COMMIT", true),
    ] {
        let namespace = format!("n{number}");
        // A claim puts the namespace into the table, so that generations differ.
        Run::open(&*server, &namespace).await.claim(&shard(9), None).await.unwrap();
        let first = Run::open(&*server, &namespace).await;
        first.sql(Server::BEGIN).await;
        assert_eq!(first.save_in(position).await.unwrap(), [Saved::Written]);
        let second = Arc::new(Run::open(&*server, &namespace).await);
        let other = Arc::clone(&second);
        let claim = tokio::spawn(async move { other.claim(&shard(number), None).await });
        server.until_one_waits().await;
        first.sql(end).await;
        let claimed = claim.await.unwrap();
        if is_ours {
            claimed.unwrap();
            is_taken_over(first.save(&[at(number, "6")]).await);
        } else {
            is_taken_over(claimed);
            assert_eq!(shown(&second.load().await.unwrap()), ["s1: 5 active", "s9: - active"]);
        }
    }
}

/// Between reading the rows and writing into them, a takeover may have to wait.
#[tokio::test]
async fn a_takeover_takes_only_rows_that_it_read() {
    let server = Arc::new(Server::with_table().await);
    let first = Run::open(&*server, "n").await;
    first.claim(&shard(1), None).await.unwrap();
    first.sql(Server::BEGIN).await;
    assert_eq!(first.save_in(at(1, "5")).await.unwrap(), [Saved::Written]);
    let other = Arc::clone(&server);
    let second = tokio::spawn(async move { Run::open(&*other, "n").await });
    server.until_one_waits().await;
    let mut connection = server.connect().await;
    let saved = save(&mut connection, &first.holder, &[at(2, "7")]).await.unwrap();
    assert_eq!(saved, [Saved::Written]);
    first.sql("COMMIT").await;
    is_taken_over(second.await.unwrap().claim(&shard(2), None).await);
}

#[tokio::test]
async fn a_commit_that_the_server_is_still_busy_with_is_waited_for() {
    let server = Arc::new(Server::with_table().await);
    let run = Run::open(&*server, "n").await;
    run.claim(&shard(1), None).await.unwrap();
    for (sequence, end, expected) in [("5", "ROLLBACK", false), ("6", "COMMIT", true)] {
        run.sql(Server::BEGIN).await;
        assert_eq!(run.save_in(at(1, sequence)).await.unwrap(), [Saved::Written]);
        let (holder, mut connection) = (run.holder.clone(), server.connect().await);
        let position = at(1, sequence);
        let asks =
            tokio::spawn(async move { is_saved(&mut connection, &holder, &[position]).await });
        server.until_one_waits().await;
        run.sql(end).await;
        assert_eq!(asks.await.unwrap().unwrap(), expected, "{end}");
    }
}

#[tokio::test]
async fn runs_that_save_in_another_order_do_not_wait_in_a_circle() {
    let server = Server::with_table().await;
    let run = Run::open(&server, "n").await;
    let numbers: Vec<u32> = (1..50).collect();
    let save = async |numbers: &[u32]| {
        let mut connection = server.connect().await;
        for round in 0..20 {
            let positions: Vec<_> =
                numbers.iter().map(|number| at(*number, &round.to_string())).collect();
            Server::run(&mut connection, Server::BEGIN.to_owned()).await;
            save(&mut connection, &run.holder, &positions).await.unwrap();
            Server::run(&mut connection, "COMMIT".to_owned()).await;
        }
    };
    save(&numbers).await;
    let backwards: Vec<u32> = numbers.iter().rev().copied().collect();
    tokio::join!(save(&numbers), save(&backwards), async {
        let mut connection = server.connect().await;
        for number in &numbers {
            claim(&mut connection, &run.holder, &shard(*number), None).await.unwrap();
        }
    });
}

#[tokio::test]
async fn runs_that_start_at_once_make_one_table() {
    let server = Server(Postgres::start().await.unwrap());
    let (mut one, mut two) = (server.connect().await, server.connect().await);
    for round in 0..20 {
        let schema = format!("s{round}");
        let (one, two) =
            tokio::join!(create_table(&mut one, &schema), create_table(&mut two, &schema));
        one.unwrap();
        two.unwrap();
        server.0.sql(&format!("ALTER TABLE {schema}.kinesis_checkpoints DROP COLUMN owner"));
    }
    for round in 0..20 {
        let schema = format!("s{round}");
        let (one, two) =
            tokio::join!(create_table(&mut one, &schema), create_table(&mut two, &schema));
        one.unwrap();
        two.unwrap();
    }
}

#[tokio::test]
async fn no_right_is_needed_for_what_is_there() {
    let server = Server::with_table().await;
    let table = name(SCHEMA);
    server.0.sql(&format!(
        "CREATE ROLE loader; GRANT USAGE ON SCHEMA {0} TO loader; \
         GRANT SELECT, INSERT, UPDATE ON {table} TO loader; CREATE SCHEMA mine; \
         GRANT USAGE, CREATE ON SCHEMA mine TO loader; CREATE ROLE reader; \
         GRANT USAGE ON SCHEMA {0} TO reader; GRANT SELECT ON {table} TO reader",
        quote(SCHEMA)
    ));
    let mut connection = server.connect().await;
    Server::run(&mut connection, "SET ROLE loader".to_owned()).await;
    create_table(&mut connection, SCHEMA).await.unwrap();
    create_table(&mut connection, "mine").await.unwrap();
    let (holder, _) = Server::open(&mut connection, "n").await.unwrap();
    claim(&mut connection, &holder, &shard(1), None).await.unwrap();
    let error = create_table(&mut connection, "other").await.unwrap_err();
    assert_eq!(error.to_string(), "cannot create schema \"other\"");
    Server::run(&mut connection, "SET ROLE reader".to_owned()).await;
    assert_eq!(shown(&list(&mut connection, SCHEMA, None).await.unwrap()), ["s1: - active"]);
}

#[tokio::test]
async fn without_a_table_nothing_is_known_and_nothing_is_listed() {
    let server = Server(Postgres::start().await.unwrap());
    let mut connection = server.connect().await;
    server.0.sql("CREATE SCHEMA empty");
    for schema in ["empty", SCHEMA] {
        assert!(load(&mut connection, schema, "n").await.unwrap().is_empty());
        let error = list(&mut connection, schema, None).await.unwrap_err();
        let expected = format!("checkpoint table {} does not exist", name(schema));
        assert_eq!(error.to_string(), expected);
    }
    server.0.sql("CREATE TABLE public.kinesis_checkpoints (namespace text, shard_id text)");
    for error in [
        load(&mut connection, "public", "n").await.unwrap_err(),
        create_table(&mut connection, "public").await.unwrap_err(),
    ] {
        let expected = "table \"public\".\"kinesis_checkpoints\" is no checkpoint table: it has no column \"sequence\"";
        assert_eq!(error.to_string(), expected);
    }
    // Names longer than 63 bytes are shortened by the server, so there would be another one.
    create_table(&mut connection, &"x".repeat(64)).await.unwrap_err();
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'x%'";
    assert_eq!(server.0.sql(schemas), "0");
}

/// The table as a tool makes it that knows the five columns only.
fn foreign(server: &Server, text: &str, time: &str) {
    server.0.sql(&format!(
        "CREATE SCHEMA ext; CREATE TABLE ext.kinesis_checkpoints (\"namespace\" {text} NOT NULL, \
         \"shard_id\" {text} NOT NULL, \"sequence\" {text}, \"active\" BOOLEAN DEFAULT TRUE, \
         \"updated_at\" {time} DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (\"namespace\", \"shard_id\")); \
         SET TimeZone = 'UTC'; INSERT INTO ext.kinesis_checkpoints VALUES \
         ('n', 's1', '9', FALSE, '2026-11-20 18:30:00.123456'), ('n', 's2', NULL, NULL, NULL), \
         ('other', 's1', '4', TRUE, 'infinity')"
    ));
}

#[tokio::test]
async fn the_table_of_another_tool_is_read_and_taken_over() {
    for (text, time) in [
        ("TEXT", "TIMESTAMP WITH TIME ZONE"),
        ("VARCHAR(200)", "TIMESTAMP WITHOUT TIME ZONE"),
        ("TEXT", "TEXT"),
    ] {
        let server = Server(Postgres::start().await.unwrap());
        foreign(&server, text, time);
        let mut connection = server.connect().await;
        let row = |shard: &str, sequence: Option<&str>, active: Option<bool>| Checkpoint {
            sequence: sequence.map(Sequence::new),
            active,
            updated_at: sequence.map(|_| 1_795_199_400_123),
            ..Checkpoint::new("n", ShardId::new(shard))
        };
        let expected = [row("s1", Some("9"), Some(false)), row("s2", None, None)];
        assert_eq!(load(&mut connection, "ext", "n").await.unwrap(), expected, "{time}");
        assert_eq!(list(&mut connection, "ext", None).await.unwrap()[2].updated_at, None);

        create_table(&mut connection, "ext").await.unwrap();
        assert_eq!(load(&mut connection, "ext", "n").await.unwrap(), expected, "{time}");
        let stream = StreamIdentity { arn: Some("arn:1".into()), created_at: Some(17) };
        let (holder, found) = open(&mut connection, "ext", "n", stream.clone()).await.unwrap();
        assert_eq!(found, expected);
        claim(&mut connection, &holder, &shard(1), None).await.unwrap();
        let position = Position { finished: true, ..at(1, "10") };
        let saved = save(&mut connection, &holder, std::slice::from_ref(&position)).await.unwrap();
        assert_eq!(saved, [Saved::Written]);
        let taken = &load(&mut connection, "ext", "n").await.unwrap()[0];
        assert_eq!(
            (taken.position(), taken.active, &taken.stream),
            (position, Some(true), &stream)
        );
        let is_anew = taken.updated_at.is_some_and(|at| at != 1_795_199_400_123);
        assert!(is_anew, "{time}: {:?}", taken.updated_at);

        // The other tool goes on: it knows nothing of our columns.
        let sql = "INSERT INTO ext.kinesis_checkpoints (namespace, shard_id, sequence, active) VALUES ('n', 's4', NULL, TRUE); \
                   UPDATE ext.kinesis_checkpoints SET sequence = '11', updated_at = CURRENT_TIMESTAMP WHERE shard_id = 's1'";
        server.0.sql(sql);
        let rows = load(&mut connection, "ext", "n").await.unwrap();
        assert_eq!(shown(&rows), ["s1: 11 active", "s2: -", "s4: - active"]);
        let behind = Saved::Behind { stored: Sequence::new("11") };
        assert_eq!(save(&mut connection, &holder, &[at(1, "10")]).await.unwrap(), [behind]);
    }
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

#[tokio::test]
async fn a_change_that_the_table_ignores_is_told() {
    let server = Server::with_table().await;
    let run = Run::open(&server, "n").await;
    run.claim(&shard(1), None).await.unwrap();
    let table = name(SCHEMA);
    server.0.sql(&format!("CREATE RULE ignore AS ON UPDATE TO {table} DO INSTEAD NOTHING"));
    let expected = "cannot change the checkpoint of shard s1: a trigger, a rule or a policy of the table ignores it";
    assert_eq!(run.save(&[at(1, "5")]).await.unwrap_err().to_string(), expected);
    let mut connection = server.connect().await;
    assert_eq!(Server::open(&mut connection, "n").await.unwrap_err().to_string(), expected);
}

#[tokio::test]
async fn what_was_shown_is_deleted_and_nothing_else() {
    let server = Server(Postgres::start().await.unwrap());
    foreign(&server, "TEXT", "TIMESTAMP WITH TIME ZONE");
    let mut connection = server.connect().await;
    let now = 1_795_199_400_000 + 86_400_000;
    let filter = |older_than: Option<u64>, namespace: Option<&str>, active: Active| {
        Filter::new(older_than.map(Duration::from_secs), now, namespace, active).unwrap()
    };
    let check = async |connection: &mut PgConnection, filter: Filter, expected: &[&str]| {
        let rows = prunable(connection, "ext", &filter).await.unwrap();
        assert_eq!(shown(&rows), expected, "{filter:?}");
        rows
    };
    check(&mut connection, filter(Some(3600), None, Active::Keep), &["s1: 9"]).await;
    check(&mut connection, filter(Some(86_400 * 2), None, Active::Include), &[]).await;
    check(&mut connection, filter(None, Some("other"), Active::Include), &["s1: 4 active"]).await;
    let meant =
        check(&mut connection, filter(None, Some("n"), Active::Include), &["s1: 9", "s2: -"]).await;

    // While it was asked, a run claimed a shard, and another row came.
    create_table(&mut connection, "ext").await.unwrap();
    let (holder, _) = open(&mut connection, "ext", "n", StreamIdentity::default()).await.unwrap();
    for number in [1, 7] {
        claim(&mut connection, &holder, &shard(number), None).await.unwrap();
    }
    assert_eq!(delete(&mut connection, "ext", &meant).await.unwrap(), 1);
    let left = ["s1: 9 active", "s7: - active", "s1: 4 active"];
    assert_eq!(shown(&list(&mut connection, "ext", None).await.unwrap()), left);
    assert_eq!(delete(&mut connection, "ext", &meant).await.unwrap(), 0);
    assert_eq!(delete(&mut connection, "ext", &[]).await.unwrap(), 0);
    let error = delete(&mut connection, "none", &meant).await.unwrap_err();
    assert!(matches!(error, CheckpointError::NoTable { .. }), "{error:?}");
}
