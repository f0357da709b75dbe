//! `ctk load` into PostgreSQL: what a user types and sees, what fails, and what nobody is to see.

use std::{process::Output, time::Duration};

use ctk_test_support::postgres::{Options, Postgres, Stop};
use tokio::{process::Child, time::sleep};

use crate::world::{Ended, World, assert_shown, signal};

/// A stream, and a server to load it into.
pub(crate) struct Place {
    pub(crate) world: World,
    pub(crate) server: Postgres,
}

/// So that nothing absorbs what is written twice.
pub(crate) const NO_KEY: &str = "&checkpointer=target&envelope=none&poll_interval=0.1";

impl Place {
    /// With the two records of the tutorial.
    pub(crate) async fn new() -> Self {
        Self { world: World::with_sensors().await, server: Postgres::start().await.unwrap() }
    }

    pub(crate) async fn run(&self, source: &str, options: &[&str]) -> Ended {
        let (source, target) = (self.world.source(source), self.server.url());
        self.world.run(&[&["load", &source, &target], options].concat()).await
    }

    pub(crate) fn start(&self, source: &str) -> Child {
        let (source, target) = (self.world.source(source), self.server.url());
        self.world.command(&["load", &source, &target]).spawn().unwrap()
    }

    /// Waits until a query says what it is to say.
    pub(crate) async fn until(&self, sql: &str, expected: impl Fn(&str) -> bool) {
        let wait = async {
            while !self.server.try_sql(sql).is_ok_and(|answer| expected(&answer)) {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), wait).await.expect(sql);
    }
}

pub(crate) const COUNT: &str = "SELECT count(*) FROM demo";

/// Waits until a run has ended.
pub(crate) async fn output(run: Child) -> Ended {
    let waited = tokio::time::timeout(Duration::from_mins(1), run.wait_with_output()).await;
    let Output { status, stdout, stderr } = waited.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { stdout: text(stdout), stderr: text(stderr), code: status.code() }
}

/// Ends a run in order.
pub(crate) async fn end(run: Child) -> Ended {
    signal(&run, "-TERM");
    let ended = output(run).await;
    assert_eq!(ended.code, Some(143), "{ended:?}");
    ended
}

#[tokio::test]
async fn the_tutorial() {
    let place = Place::new().await;
    let dry = place.run("&checkpointer=target", &["--dry-run"]).await;
    assert_shown!(dry.shown(0));
    assert_eq!(
        place.server.sql("SELECT count(*) FROM pg_class WHERE relname ~ 'demo|kinesis'"),
        "0"
    );

    assert_shown!(place.run("&checkpointer=postgresql", &[]).await.shown(0));
    let rows = "SELECT sensor_id, ts, temperature, humidity, _kinesis ->> 'shard_id', _kinesis ->> 'partition' FROM demo ORDER BY 1";
    assert_eq!(
        place.server.sql(rows),
        "1|2025-06-01 10:00|42.42|84.84|shardId-000000000000|default\n\
         2|2025-06-01 11:00|45.21|80.82|shardId-000000000000|default"
    );
    assert_shown!(place.run("&checkpointer=target", &[]).await.shown(0));
    place.world.put(br#"{"sensor_id":3,"ts":"2025-06-01 12:00","temperature":41.0}"#).await;
    let dry = place.run("&checkpointer=target", &["--dry-run"]).await;
    assert_shown!(dry.shown(0));
    let third = place.run("&checkpointer=target", &[]).await;
    assert!(third.stderr.starts_with("1 record read = 1 written + 0 dead"), "{third:?}");
    // Without positions all is read again, and stays as it is.
    assert_shown!(place.run("", &[]).await.shown(0));
    assert_eq!(place.server.sql(COUNT), "3");
}

#[tokio::test]
async fn the_table_may_be_any() {
    let place = Place::new().await;
    place.server.sql("CREATE SCHEMA s; CREATE SCHEMA \"My Schema\"");
    let (source, address) = (place.world.source(""), place.server.url());
    let load = async |target: &str, options: &[&str]| {
        let target = format!("{address}{target}");
        place.world.run(&[&["load", "-q", &source, &target], options].concat()).await
    };
    for (target, options, table) in [
        ("?table=s.t", &[][..], "s.t"),
        ("?table=u&schema=s", &[], "s.u"),
        ("?schema=s", &[], "s.demo"),
        ("", &["--table", "My Table"], "public.\"My Table\""),
        ("?table=s.t", &["--table", "v"], "s.v"),
        ("?table=w", &["--schema", "s"], "s.w"),
        ("", &["--schema", "My Schema", "--table", "t"], "\"My Schema\".t"),
        ("?table=a.b", &["--table", "s.x"], "s.x"),
        ("", &["--table", "\"a.b\""], "public.\"a.b\""),
        // It is made when it is missing.
        ("?table=new.t", &[], "new.t"),
    ] {
        let ended = load(target, options).await;
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{target} {options:?}");
        assert_eq!(place.server.sql(&format!("SELECT count(*) FROM {table}")), "2", "{table}");
    }
    let mut all = String::new();
    for (target, options) in [
        ("?table=s.t&schema=r", &[][..]),
        ("", &["--table", "s.t", "--schema", "r"]),
        ("/s/t", &[]),
        ("?table=ext.kinesis_checkpoints", &[]),
    ] {
        let shown = load(target, options).await.shown(2);
        all = [&all, "$ ctk load … postgresql:…", target, " ", &options.join(" "), "\n", &shown]
            .concat();
    }
    assert_shown!(all);
}

#[tokio::test]
async fn records_that_are_no_rows_are_kept_beside() {
    let place = Place::new().await;
    place.world.put(b"not json \xff").await;
    place.world.put(br#"{"sensor_id": 3, "temperature": "hot", "ts": {"at": 1}}"#).await;
    place.server.sql("CREATE TABLE s (sensor_id int CHECK (sensor_id <> 2))");
    let ended = place.run("&checkpointer=target", &["--table", "s"]).await;
    assert_shown!(ended.shown(0));
    let letters = "SELECT reason, table_name, encode(payload, 'escape'), split_part(error, ' (', 1) FROM s_dead_letters ORDER BY 1";
    assert_shown!(place.server.sql(letters));
    assert_eq!(place.server.sql("SELECT sensor_id FROM s ORDER BY 1"), "1\n3");
    assert_shown!(place.run("", &["--table", "t", "--dead-letters", "fail"]).await.shown(1));
}

#[tokio::test]
async fn what_cannot_begin_says_why() {
    let options = Options { password: Some("s3cret".into()), ..Options::default() };
    let (world, server) = (World::with_sensors().await, Postgres::with(options).await.unwrap());
    let mut place = Place { world, server };
    place.server.sql(
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE guest LOGIN PASSWORD 's3cret'; \
         CREATE ROLE reader LOGIN PASSWORD 's3cret'; CREATE VIEW v AS SELECT 1 AS a; \
         CREATE TABLE demo (id int); GRANT SELECT ON demo TO reader; CREATE TABLE strict (a int)",
    );
    let port = place.server.port();
    let of = |user: &str| format!("postgresql://{user}@127.0.0.1:{port}/ctk");
    let own = place.server.url();
    let mut all = String::new();
    for (code, source, target) in [
        (1, "", of("ctk:guess")),
        (1, "", of("ctk")),
        (1, "", of("nobody:guess")),
        (1, "", of("ctk:s3cret") + "_none"),
        // No right to make a table, nor the schema of the checkpoints, nor to write.
        (1, "", of("guest:s3cret") + "?table=t"),
        (1, "", of("guest:s3cret") + "?table=new.t"),
        (1, "&checkpointer=target", of("guest:s3cret") + "?table=t"),
        (1, "", of("reader:s3cret")),
        (1, "", format!("{own}?table=t&create_table=never")),
        (1, "", format!("{own}?table=v")),
        (1, "", format!("{own}?table=strict&evolve=none")),
        (2, "&checkpointer=sqlite", own.clone()),
        (2, "&checkpointer=cratedb", own.clone()),
        (2, "", format!("{own}?sslmode=perhaps")),
        (2, "", format!("{own}?tabel=t")),
        (1, "", format!("{own}?sslmode=require")),
        (0, "DOWN", own.clone()),
    ] {
        if source == "DOWN" {
            place.server.stop(Stop::Fast).await.unwrap();
            let shown = place.world.run(&["load", &place.world.source(""), &target]).await.shown(1);
            all = [&all, "$ ctk load … # the server is down\n", &shown].concat();
            continue;
        }
        let said = place.world.run(&["load", &place.world.source(source), &target]).await;
        let said = said.shown(code);
        assert!(!said.contains("s3cret") && !said.contains("guess"), "{said}");
        let target = target.replace("s3cret", "PASSWORD").replace("guess", "WRONG");
        all = [&all, "$ ctk load …", source, " ", &target, "\n", &said].concat();
    }
    assert_shown!(all);
}

#[tokio::test]
async fn few_rights_are_enough_when_the_tables_are_there() {
    let place = Place::new().await;
    assert_eq!(place.run(NO_KEY, &[]).await.code, Some(0));
    place.server.sql(
        "REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE ROLE loader LOGIN; GRANT USAGE ON SCHEMA public, ext TO loader; \
         GRANT SELECT, INSERT ON demo TO loader; GRANT SELECT, INSERT, UPDATE ON ext.kinesis_checkpoints TO loader",
    );
    place.world.put(br#"{"sensor_id":3}"#).await;
    let target = place.server.url().replace("ctk@", "loader@");
    let ended = place.world.run(&["load", &place.world.source(NO_KEY), &target]).await;
    assert!(ended.stderr.contains("1 record read = 1 written + 0 dead"), "{ended:?}");
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[tokio::test]
async fn a_password_is_in_no_output() {
    let password = "p/w@x:y?z#ü";
    let options = Options { password: Some(password.into()), ..Options::default() };
    let (world, server) = (World::with_sensors().await, Postgres::with(options).await.unwrap());
    let place = Place { world, server };
    let (own, encoded) = (place.server.url(), "p%2Fw%40x%3Ay%3Fz%23%C3%BC");
    assert!(own.contains(encoded), "{own}");
    let as_option = format!(
        "postgresql://127.0.0.1:{}/ctk?user=ctk&password={encoded}&table=other",
        place.server.port()
    );
    let source = place.world.source("&checkpointer=target&checkpointer_name=NAME");
    for (name, code, target) in [
        ("a", 0, own.clone()),
        ("b", 0, as_option),
        ("c", 2, format!("{own}?tabel=t")),
        ("d", 2, own.replace("/ctk", "/a/b/c")),
        ("e", 1, own.replace("/ctk", "/none")),
        ("f", 1, own.replace("127.0.0.1", "127.0.0.2").replace(encoded, &format!("{encoded}x"))),
        ("g", 1, format!("{own}?sslmode=require")),
        ("h", 0, format!("{own}?sslmode=prefer")),
    ] {
        for level in ["-q", "-vvv"] {
            let source = source.replace("NAME", &format!("{name}{level}"));
            let ended = place.world.run(&["load", level, &source, &target]).await;
            let said = format!("{}{}", ended.stdout, ended.stderr);
            for secret in [password, encoded, "p/w", "w@x", "w%40x"] {
                assert!(!said.contains(secret), "{name}: {}", said.replace(secret, "<<<SECRET>>>"));
            }
            assert_eq!(ended.code, Some(code), "{name}: {said}");
        }
    }
    // Who looks at processes or sessions does not see it either.
    let run = place.start("&checkpointer=target&follow=true");
    place
        .until("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ctk'", |n| n != "0")
        .await;
    let sql = "SELECT string_agg(concat_ws(' ', application_name, query), ' ') FROM pg_stat_activity \
               WHERE pid <> pg_backend_pid()";
    let seen = place.server.sql(sql);
    assert!(!seen.contains("p/w") && !seen.contains("w%40x"), "{seen}");
    drop(end(run).await);
}
