//! kill -9 in the middle of a load, again and again: every message is there exactly once.

use std::{process::Stdio, time::Duration};

use ctk_test_support::replay::{Replay, ReplayOptions};
use tokio::process::Command;

use crate::world::query;

const RECORDS: u64 = 200_000;
const KILLS: u32 = 20;

#[tokio::test]
async fn every_message_exactly_once_after_twenty_kills() {
    let options = ReplayOptions { stream: "demo".into(), ..ReplayOptions::default() };
    // It has a runtime of its own, which is not to be started on a thread of this one.
    let start =
        move || Replay::start(&options, (0..RECORDS).map(ctk_test_support::records::record));
    let replay = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Small answers, so that there is something to interrupt.
    let source = crate::world::source(&replay.endpoint(), "&checkpointer=target&chunk_size=500");
    let load = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ctk"));
        command.env_clear().current_dir(folder.path()).args(["load", &source, "sqlite:demo.db"]);
        command.stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        command.spawn().unwrap()
    };
    let count = async || {
        if !folder.path().join("demo.db").exists() {
            return 0;
        }
        let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'demo'";
        if query(folder.path().join("demo.db"), tables).await == ["0"] {
            return 0;
        }
        query(folder.path().join("demo.db"), "SELECT count(*) FROM demo").await[0]
            .parse::<u64>()
            .unwrap()
    };
    let mut interrupted = 0;
    let mut seed = u64::from(std::process::id());
    for _ in 0..KILLS {
        let before = count().await;
        let mut child = load();
        // A moment of its own for each: in the start, between two transactions, within one.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let pause = Duration::from_millis(20 + (seed >> 33) % 400);
        tokio::time::sleep(pause).await;
        child.kill().await.unwrap();
        let after = count().await;
        assert!(after >= before, "rows were lost by a kill");
        interrupted += u32::from(after < RECORDS);
    }
    assert!(interrupted > 0, "every kill came too late: nothing was tested");
    let output = load().wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = ctk_test_support::records::expected(RECORDS);
    let sums = "SELECT count(*) || ' ' || count(DISTINCT _kinesis_msg_id) || ' ' || sum(id) || ' ' || sum(reading) FROM demo";
    let expected =
        format!("{} {} {} {}", expected.count, expected.count, expected.id, expected.reading);
    assert_eq!(query(folder.path().join("demo.db"), sums).await, [expected]);
}
