//! The examples for those who use the crates, as programs: built with the tests, started from where cargo puts them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use ctk_flow::Sequence;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command, sync::watch, task::JoinHandle};

use crate::world::{Ended, World, ended};

/// Returns a command that starts an example in the folder.
fn example(world: &World, name: &str, arguments: &[&str]) -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_ctk")).with_file_name("examples").join(name);
    assert!(program.exists(), "{} is not built: run the tests without --test", program.display());
    let mut command = Command::new(program);
    command.env_clear().current_dir(world.path(".")).args(arguments).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the API does with the request that has this number and these records.
type Behaviour = fn(u64, &[Value]) -> (Takes, StatusCode);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    All,
    Nothing,
}

/// An API that takes records, and what it took.
struct Api {
    address: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    behaviour: Behaviour,
    requests: Mutex<u64>,
    taken: Mutex<Vec<Value>>,
    /// How many were taken.
    count: watch::Sender<usize>,
    /// From so many on, no request is answered.
    limit: watch::Sender<usize>,
}

impl Api {
    async fn start(behaviour: Behaviour) -> Self {
        let shared = Arc::new(Shared {
            behaviour,
            requests: Mutex::default(),
            taken: Mutex::default(),
            count: watch::Sender::new(0),
            limit: watch::Sender::new(usize::MAX),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}/records", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/records", post(records).get(async || ""))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, task }
    }

    fn requests(&self) -> u64 {
        *self.shared.requests.lock().unwrap()
    }

    fn taken(&self) -> Vec<Value> {
        self.shared.taken.lock().unwrap().clone()
    }

    /// Runs the example against it, until it ends.
    async fn run(&self, world: &World, options: &str) -> Ended {
        ended(self.command(world, options)).await
    }

    fn command(&self, world: &World, options: &str) -> Command {
        example(world, "stream-to-api", &[&world.source(options), &self.address, "."])
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A redirect leads back here, with a method that takes nothing.
async fn records(
    State(api): State<Arc<Shared>>,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    let records: Vec<Value> = serde_json::from_str(&body).unwrap();
    let number = {
        let mut requests = api.requests.lock().unwrap();
        *requests += 1;
        *requests
    };
    let (takes, status) = (api.behaviour)(number, &records);
    if takes == Takes::All {
        api.count.send_modify(|count| *count += records.len());
        api.taken.lock().unwrap().extend(records);
    }
    let count = *api.count.borrow();
    api.limit.subscribe().wait_for(|limit| count < *limit).await.unwrap();
    (status, [("location", "/records")], "as the test says")
}

/// Answers as on a bad day: refuses what is bad, is overloaded, and loses answers.
fn bad_day(number: u64, records: &[Value]) -> (Takes, StatusCode) {
    if records.iter().any(|record| record["record"]["bad"] == true) {
        return (Takes::Nothing, StatusCode::UNPROCESSABLE_ENTITY);
    }
    match number % 8 {
        3 => (Takes::Nothing, StatusCode::SERVICE_UNAVAILABLE),
        5 => (Takes::Nothing, StatusCode::TOO_MANY_REQUESTS),
        // The records are there, and the sender does not know.
        7 => (Takes::All, StatusCode::BAD_GATEWAY),
        _ => (Takes::All, StatusCode::OK),
    }
}

const RECORDS: u64 = 2000;
/// Records in one answer of the stream.
const BATCH: usize = 50;

fn is_bad(number: u64) -> bool {
    number % 490 == 17
}

async fn fill(world: &World, numbers: std::ops::Range<u64>) {
    let records: Vec<_> = numbers
        .map(|number| {
            let bad = if is_bad(number) { r#","bad":true"# } else { "" };
            (format!("key-{}", number % 7), format!(r#"{{"number":{number}{bad}}}"#))
        })
        .collect();
    let records = records.iter().map(|(key, data)| (key.as_str(), data.as_bytes()));
    world.kinesis.put_all("demo", records).await.unwrap();
}

/// Returns the numbers of the records that are kept as rejected, and those that are no JSON, as text.
fn rejected(world: &World) -> (HashSet<u64>, Vec<String>) {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let (mut numbers, mut texts) = (HashSet::new(), Vec::new());
    for line in std::fs::read_to_string(world.path("rejected.jsonl")).unwrap().lines() {
        let letter: Value = serde_json::from_str(line).unwrap();
        let payload = STANDARD.decode(letter["payload"].as_str().unwrap()).unwrap();
        match letter["reason"].as_str().unwrap() {
            "refused" => {
                let record: Value = serde_json::from_slice(&payload).unwrap();
                assert!(letter["error"].as_str().unwrap().contains("422"), "{letter}");
                numbers.insert(record["number"].as_u64().unwrap());
            }
            "not_json" => texts.push(String::from_utf8(payload).unwrap()),
            other => panic!("{other}: {letter}"),
        }
    }
    (numbers, texts)
}

#[tokio::test]
async fn every_record_is_sent_to_the_api_through_faults_and_a_kill() {
    let (world, api) = (World::new(3).await, Api::start(bad_day).await);
    fill(&world, 0..RECORDS).await;
    world.put(b"no JSON").await;

    // Killed in the middle: while requests are on their way, and some of their records taken.
    let half = usize::try_from(RECORDS / 2).unwrap();
    api.shared.limit.send_replace(half);
    let options = format!("&chunk_size={BATCH}");
    let mut child = api.command(&world, &options).spawn().unwrap();
    api.shared.count.subscribe().wait_for(|count| *count >= half).await.unwrap();
    child.kill().await.unwrap();
    let before = api.taken().len();
    api.shared.limit.send_replace(usize::MAX);

    let second = api.run(&world, &options).await;
    assert_eq!(second.code, Some(0), "{second:?}");
    let taken = api.taken();
    let ids: HashSet<&str> = taken.iter().map(|record| record["id"].as_str().unwrap()).collect();
    let mut numbers = HashMap::new();
    let mut furthest: BTreeMap<&str, Sequence> = BTreeMap::new();
    for record in &taken {
        let number = record["record"]["number"].as_u64().unwrap();
        if numbers.insert(number, record).is_some() {
            continue;
        }
        let (shard, sequence) =
            (record["shard"].as_str().unwrap(), record["sequence"].as_str().unwrap());
        let sequence = Sequence::new(sequence);
        let last = furthest.insert(shard, sequence.clone());
        assert!(last.is_none_or(|last| last < sequence), "{shard} is out of order: {record}");
    }
    assert_eq!(furthest.len(), 3, "not all shards were read");
    let expected: HashSet<u64> = (0..RECORDS).filter(|number| !is_bad(*number)).collect();
    assert_eq!(numbers.keys().copied().collect::<HashSet<_>>(), expected);
    assert_eq!(ids.len(), numbers.len(), "an id is that of one record");
    let bad: HashSet<u64> = (0..RECORDS).filter(|number| is_bad(*number)).collect();
    let (refused, texts) = rejected(&world);
    assert_eq!(refused, bad);
    assert!(!texts.is_empty() && texts.iter().all(|text| text == "no JSON"), "{texts:?}");
    // It went on where it was: what a kill repeats is at most one batch of each shard.
    let number = |record: &Value| record["record"]["number"].as_u64();
    let (before, after) = taken.split_at(before);
    let before: HashSet<_> = before.iter().map(number).collect();
    let repeated: HashSet<_> = after.iter().map(number).filter(|it| before.contains(it)).collect();
    assert!(repeated.len() <= 3 * BATCH, "{} were sent again", repeated.len());

    let requests = api.requests();
    let third = api.run(&world, &options).await;
    assert_eq!(third.stdout, "0 read = 0 sent + 0 rejected\n", "{third:?}");
    assert_eq!(api.requests(), requests);
}

#[tokio::test]
async fn an_answer_that_concerns_all_records_ends_the_run_and_rejects_none() {
    for (status, behaviour) in [
        ("401 Unauthorized", (|_, _| (Takes::Nothing, StatusCode::UNAUTHORIZED)) as Behaviour),
        ("302 Found", |_, _| (Takes::Nothing, StatusCode::FOUND)),
    ] {
        let (world, api) = (World::with_sensors().await, Api::start(behaviour).await);
        let ended = api.run(&world, "").await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "2 read = 0 sent + 0 rejected\n");
        assert!(ended.stderr.contains(&format!("the API answers {status}")), "{ended:?}");
        assert_eq!(std::fs::read_to_string(world.path("rejected.jsonl")).unwrap(), "");
        assert_eq!(api.requests(), 1);

        // Nothing was passed over.
        let api = Api::start(|_, _| (Takes::All, StatusCode::NO_CONTENT)).await;
        let ended = api.run(&world, "").await;
        assert_eq!(ended.stdout, "2 read = 2 sent + 0 rejected\n", "{ended:?}");
        assert_eq!(api.taken()[1]["record"]["sensor_id"], 2);
    }
}

#[tokio::test]
async fn positions_of_another_stream_are_refused() {
    let (world, api) =
        (World::with_sensors().await, Api::start(|_, _| (Takes::All, StatusCode::OK)).await);
    let ended = api.run(&world, "").await;
    assert_eq!(ended.stdout, "2 read = 2 sent + 0 rejected\n", "{ended:?}");
    world.kinesis.create_stream("other", 1).await.unwrap();
    let source = world.source("").replace("table=demo", "table=other");
    let ended =
        crate::world::ended(example(&world, "stream-to-api", &[&source, &api.address, "."])).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("positions.json is about stream"), "{ended:?}");
}

#[tokio::test]
async fn the_own_sink_counts_by_key() {
    let world = World::new(2).await;
    for (key, data) in [("a", "12345"), ("b", "1"), ("a", "123")] {
        world.kinesis.put("demo", key, data.as_bytes()).await.unwrap();
    }
    let ended = ended(example(&world, "own-sink", &[&world.source("")])).await;
    let expected =
        "a: 2 records, 8 bytes\nb: 1 records, 1 bytes\n3 read = 3 counted + 0 not decoded\n";
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{ended:?}");
}

#[tokio::test]
async fn the_own_source_reads_lines() {
    let world = World::new(1).await;
    let mut command = example(&world, "own-source", &[]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // More than one answer.
    let lines: Vec<_> = (0..2500).map(|number| format!("{{\"number\":{number}}}\n")).collect();
    let lines = lines.concat();
    let mut stdin = child.stdin.take().unwrap();
    let written = tokio::spawn(async move { stdin.write_all(lines.as_bytes()).await });
    let output = child.wait_with_output().await.unwrap();
    written.await.unwrap().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "2500 read = 2500 written\n");
    let stdout = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = rows.iter().map(|row| row["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (0..2500).collect::<Vec<_>>());
    let ids: HashSet<_> = rows.iter().map(|row| row["_kinesis_msg_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2500);
}
