//! `ctk load` into PostgreSQL when something happens: the server is restarted, or crashes, sessions are ended, another run
//! takes over, the run is told to end. It goes on where it can, and every record is there once.

use std::time::Duration;

use ctk_test_support::{
    embedded,
    postgres::{Postgres, Stop},
};
use tokio::time::sleep;

use crate::{
    postgres::{COUNT, NO_KEY, Place, end, output},
    world::{World, assert_shown},
};

const MANY: u64 = 4000;
/// Tells all of them from some, and some twice.
const COUNT_MANY: &str = "SELECT count(*), count(DISTINCT id), sum(id) FROM demo";
const ALL: &str = "4000|4000|8002000";

/// What happens to a server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blow {
    Stop(Stop),
    Sessions,
    Process,
}

impl Place {
    /// With many records, each with the next `id`, that are read in small pieces.
    async fn with_many() -> Self {
        let options = embedded::Options { exact_arrival: false, ..embedded::Options::default() };
        let world = World::with(options, 4).await;
        let record = |id| (format!("key-{id}"), format!(r#"{{"id":{id}}}"#));
        let records: Vec<_> = (1..=MANY).map(record).collect();
        let records = records.iter().map(|(key, data)| (key.as_str(), data.as_bytes()));
        world.kinesis.put_all("demo", records).await.unwrap();
        world.kinesis.script().records_per_answer(50);
        Self { world, server: Postgres::start().await.unwrap() }
    }

    async fn hit(&mut self, blow: Blow) {
        match blow {
            Blow::Stop(how) => {
                self.server.stop(how).await.unwrap();
                sleep(Duration::from_millis(300)).await;
                self.server.run().await.unwrap();
            }
            Blow::Sessions => assert!(self.server.terminate_sessions() > 0),
            Blow::Process => assert!(self.server.crash().await.unwrap()),
        }
    }
}

#[tokio::test]
async fn a_second_run_with_the_namespace_ends_the_first() {
    let place = Place::new().await;
    let owner = "SELECT DISTINCT owner FROM ext.kinesis_checkpoints";
    let first = place.start(&format!("{NO_KEY}&follow=true"));
    place.until(COUNT, |count| count == "2").await;
    let first_owner = place.server.sql(owner);
    let second = place.start(&format!("{NO_KEY}&follow=true"));
    place.until(owner, |owner| !owner.is_empty() && *owner != *first_owner).await;
    // Both read it.
    place.world.put(br#"{"sensor_id":3}"#).await;
    assert_shown!(output(first).await.shown(1));
    place.until(COUNT, |count| count == "3").await;
    place.world.put(br#"{"sensor_id":4}"#).await;
    place.until(COUNT, |count| count == "4").await;
    let second = end(second).await;
    assert!(second.stderr.contains("2 records read = 2 written"), "{second:?}");
    assert_eq!(
        place.server.sql("SELECT string_agg(sensor_id::text, ' ' ORDER BY sensor_id) FROM demo"),
        "1 2 3 4"
    );
    assert_eq!(place.server.sql("SELECT active FROM ext.kinesis_checkpoints"), "f");
}

#[tokio::test]
async fn what_was_read_is_written_when_it_is_told_to_end() {
    let place = Place::with_many().await;
    let run = place.start(&format!("{NO_KEY}&follow=true"));
    place.until(COUNT, |count| count.parse::<u64>().unwrap() >= 100).await;
    let ended = end(run).await;
    let rows: u64 = place.server.sql(COUNT).parse().unwrap();
    assert!(rows < MANY, "it came too late");
    let thousands =
        if rows < 1000 { rows.to_string() } else { format!("{},{:03}", rows / 1000, rows % 1000) };
    let account = format!("{thousands} records read = {thousands} written + 0 dead-lettered");
    assert!(ended.stderr.contains(&account), "{rows} {ended:?}");
    assert_eq!(place.server.sql("SELECT count(*) FROM ext.kinesis_checkpoints WHERE active"), "0");
    let rest = place.run(NO_KEY, &[]).await;
    assert_eq!(rest.code, Some(0), "{rest:?}");
    assert_eq!(place.server.sql(COUNT_MANY), ALL);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_repeated() {
    let mut place = Place::with_many().await;
    let run = place.start(NO_KEY);
    for (goal, blow) in
        [(300, Blow::Sessions), (1200, Blow::Process), (2100, Blow::Stop(Stop::Immediate))]
    {
        place.until(COUNT, |count| count.parse::<u64>().unwrap() >= goal).await;
        place.server.hold_commits();
        while place.server.held_commits() == 0 {
            sleep(Duration::from_millis(20)).await;
        }
        place.hit(blow).await;
        place.server.answer_commits();
    }
    let ended = output(run).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(place.server.sql(COUNT_MANY), ALL, "{ended:?}");
}

async fn goes_on_after(blow: Blow) {
    let mut place = Place::with_many().await;
    let run = place.start(NO_KEY);
    for goal in [300, 1200, 2100] {
        place.until(COUNT, |count| count.parse::<u64>().unwrap() >= goal).await;
        place.hit(blow).await;
    }
    let ended = output(run).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains("4,000 records read = 4,000 written + 0 dead-lettered"),
        "{ended:?}"
    );
    assert_eq!(place.server.sql(COUNT_MANY), ALL);
}

#[tokio::test]
async fn a_run_goes_on_when_the_server_is_restarted() {
    goes_on_after(Blow::Stop(Stop::Fast)).await;
}

#[tokio::test]
async fn a_run_goes_on_when_the_server_crashes() {
    goes_on_after(Blow::Stop(Stop::Immediate)).await;
}

#[tokio::test]
async fn a_run_goes_on_when_its_sessions_are_ended() {
    goes_on_after(Blow::Sessions).await;
}

#[tokio::test]
async fn a_run_goes_on_when_a_process_of_the_server_is_killed() {
    goes_on_after(Blow::Process).await;
}

#[tokio::test]
async fn what_comes_after_a_long_silence_is_loaded() {
    let mut place = Place::new().await;
    let run = place.start(&format!("{NO_KEY}&follow=true"));
    place.until(COUNT, |count| count == "2").await;
    // A server or a firewall ends what is idle.
    assert!(place.server.terminate_sessions() > 0);
    place.world.put(br#"{"sensor_id":3}"#).await;
    place.until(COUNT, |count| count == "3").await;
    // Nobody may notice that it was away.
    place.server.stop(Stop::Fast).await.unwrap();
    place.server.run().await.unwrap();
    place.world.put(br#"{"sensor_id":4}"#).await;
    place.until(COUNT, |count| count == "4").await;
    assert!(place.server.terminate_sessions() > 0);
    let ended = end(run).await;
    assert!(ended.stderr.contains("4 records read = 4 written + 0 dead-lettered"), "{ended:?}");
    assert_eq!(place.server.sql("SELECT active FROM ext.kinesis_checkpoints"), "f");
}
