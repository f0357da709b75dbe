//! What becomes of a transaction of which nobody knows whether it was committed.

use super::*;
use crate::{
    SinkError,
    group::{Delivery, Writer as _},
};

fn delivery(world: &World, shard: &str, from: u64, records: &[&str]) -> Delivery {
    let (changes, upto) = world.batch(shard, from, records);
    Delivery { changes, ids: Vec::new(), upto }
}

#[tokio::test]
async fn a_group_in_doubt_is_not_written_one_by_one() {
    let world = World::new().await;
    world.server.sql("CREATE ROLE loader SUPERUSER LOGIN");
    let url = TargetUrl::parse(&world.server.url().replace("ctk@", "loader@")).unwrap();
    let settings = Settings { envelope: Envelope::None, ..world.with_checkpoints().await };
    let mut writer = PgWriter {
        config: PgConfig::take(&url, &mut url.options.clone()).unwrap(),
        settings: Arc::new(settings),
        shared: Arc::default(),
        connection: None,
        staging: 0,
    };
    for shard in ["shard-1", "shard-2"] {
        writer.claim(&ShardId::new(shard), None).await.unwrap();
    }
    // The table is made.
    writer.write(&[delivery(&world, "shard-1", 1, &[r#"{"a": 1}"#])]).await.unwrap();
    let group = [
        delivery(&world, "shard-1", 2, &[r#"{"a": 2}"#]),
        delivery(&world, "shard-2", 1, &[r#"{"a": 3}"#]),
    ];
    world.server.hold_commits();
    let write = tokio::spawn(async move { writer.write(&group).await });
    while world.server.held_commits() == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // It is committed, and cannot be asked for.
    world.server.sql("SET synchronous_commit = local; ALTER ROLE loader NOLOGIN");
    assert_eq!(world.server.terminate_sessions(), 1);
    let error = write.await.unwrap().unwrap_err();
    world.server.answer_commits();
    assert_eq!(world.server.sql("SELECT string_agg(a::text, ' ' ORDER BY a) FROM t"), "1 2 3");
    assert!(matches!(error, SinkError::InDoubt { .. }), "{error:?}");
    assert!(!error.may_be_of_one(), "each would be written a second time: {error:?}");
}
