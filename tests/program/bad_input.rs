//! Wrong usage and a world that is not as it should be: one line that names it, its cause, a hint; nothing left behind.

use std::fmt::Write;

use crate::world::{World, assert_shown};

/// Runs each command line, which must fail with `code`, say so in one `error:` line, and create no file.
async fn check(world: &World, code: i32, command_lines: &[&[&str]]) -> String {
    let before = world.files();
    let mut all = String::new();
    for arguments in command_lines {
        let ended = world.run(arguments).await;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert_eq!(
            ended.stderr.lines().filter(|line| line.starts_with("error:")).count(),
            1,
            "{ended:?}"
        );
        assert_eq!(world.files(), before, "{arguments:?} left something behind");
        writeln!(all, "$ ctk {}\n{}", arguments.join(" "), ended.stderr).unwrap();
    }
    all
}

#[tokio::test]
async fn wrong_addresses_and_options() {
    let world = World::new(1).await;
    let with = |options: &str| world.source(options);
    let shown = check(
        &world,
        2,
        &[
            &["load"],
            &["load", "kinesis:?table=demo"],
            &["load", "kafka:?table=demo", "sqlite:a.db"],
            &["load", "kinesis:", "sqlite:a.db"],
            &["load", "kinesis://orders", "sqlite:a.db"],
            &["load", "kinesis:?table=de mo", "sqlite:a.db"],
            &["load", "kinesis:?table=demo&regoin=us-east-1", "sqlite:a.db"],
            &["load", "kinesis:?table=demo&region=a&region_name=b", "sqlite:a.db"],
            &["load", "kinesis:?table=demo&aws_access_key_id=x", "sqlite:a.db"],
            &["load", &with("&start=yesterday"), "sqlite:a.db"],
            &["load", &with("&chunk_size=10001"), "sqlite:a.db"],
            &["load", &with("&once=true&follow=true"), "sqlite:a.db"],
            &["load", &with("&fan_out=me%20too"), "sqlite:a.db"],
            &["load", &with("&format=avro"), "sqlite:a.db"],
            &["load", &with("&checkpointer=redis"), "sqlite:a.db"],
            &["load", &with("&checkpointer=cratedb"), "sqlite:a.db"],
            &["load", &with("&checkpointer=target"), "-"],
            &[
                "load",
                "kinesis:?table=arn:aws:kinesis:eu-west-1:123:stream/demo&region=us-east-1",
                "sqlite:a.db",
            ],
            &["load", "kinesis+dms:?table=demo&format=json", "sqlite:a.db"],
            &["load", &with(""), "sqlite:a.db?tabel=t"],
            &["load", &with(""), "sqlite:a.db?on_conflict=update"],
            &["load", &with(""), "sqlite::memory:"],
            &["load", &with(""), "mysql://localhost/db"],
            &["load", &with(""), "postgresql://localhost/db?tabel=x"],
            &["load", &with(""), "postgresql://localhost/db", "--table", "s.t", "--schema", "r"],
            &["load", &with(""), "duckdb:a.duckdb"],
            &["load", &with(""), "sqlite:a.db", "--cluster-url", "sqlite:b.db"],
            &["load", &with(""), "sqlite:a.db", "--once", "--follow"],
            &["load", &with(""), "sqlite:a.db", "--dead-letters", "somewhere"],
            &["load", &with(""), "sqlite:a.db", "--schema", "doc"],
            &["load", &with(""), "sqlite:a.db?table=kinesis_checkpoints"],
            &["load", &with(""), "jsonl:a.jsonl?batch_rows=5"],
            &["load", &with(""), "-", "--table", "t"],
            &["load", &with(""), "sqlite:a.db", "--transformation", "recipe.yaml"],
            &["lod"],
        ],
    )
    .await;
    assert_shown!(shown);
}

#[tokio::test]
async fn a_world_that_is_not_as_it_should_be() {
    let world = World::new(1).await;
    std::fs::write(world.path("text.db"), "this is a text, and no database at all\n").unwrap();
    std::fs::create_dir(world.path("folder.db")).unwrap();
    let other_stream = world.source("").replace("table=demo", "table=other");
    let nobody = "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1&table=demo&endpoint_url=http://127.0.0.1:1";
    let no_region = "kinesis:?aws_access_key_id=test&aws_secret_access_key=test&table=demo";
    let no_credentials = "kinesis:?region=us-east-1&table=demo";
    let no_profile = "kinesis:?region=us-east-1&table=demo&profile=nobody";
    let no_shard = world.source("&start=after:shardId-000000000009:1");
    let shown = check(
        &world,
        1,
        &[
            &["load", &other_stream, "sqlite:a.db"],
            &["load", nobody, "sqlite:a.db"],
            &["load", no_region, "sqlite:a.db"],
            &["load", no_credentials, "sqlite:a.db"],
            &["load", no_profile, "sqlite:a.db"],
            &["load", &no_shard, "sqlite:a.db"],
            &["load", &world.source(""), "sqlite:no/such/folder/a.db"],
            &["load", &world.source(""), "sqlite:folder.db"],
            &["load", &world.source("&checkpointer=target"), "sqlite:text.db"],
            &["load", &world.source(""), "jsonl:no/such/folder/a.jsonl"],
            &["load", &world.source(""), "sqlite:text.db"],
            &["load", "--dry-run", &world.source(""), "sqlite:text.db"],
            &["load", &world.source(""), "sqlite:a.db?create_table=never"],
            &["load", &world.source(""), "sqlite:///proc/a.db"],
            &[
                "load",
                &world.source(""),
                "sqlite:a.db",
                "--dead-letters",
                "jsonl:no/such/folder/a.jsonl",
            ],
        ],
    )
    .await;
    assert_shown!(shown);
}

#[tokio::test]
async fn a_table_that_cannot_be_written_ends_the_run() {
    let world = World::with_sensors().await;
    let mut connection =
        ctk_db::sqlite::open(&world.path("view.db"), ctk_db::sqlite::Mode::Create).await.unwrap();
    sqlx::raw_sql("CREATE VIEW demo AS SELECT 1 AS x").execute(&mut connection).await.unwrap();
    let shown = world
        .run(&["load", &world.source("&checkpointer=target"), "sqlite:view.db"])
        .await
        .shown(1);
    assert_shown!(shown);
    // The shard was released, and its position did not move.
    let rows = "SELECT active || ' ' || coalesce(sequence, 'none') FROM kinesis_checkpoints";
    assert_eq!(world.query("view.db", rows).await, ["0 none"]);
}
