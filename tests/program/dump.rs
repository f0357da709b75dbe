//! Dump files in place of a stream: loaded, gone on with, and refused when they are not what they should be.

use std::fmt::Write;

use ctk_test_support::dumps::{ENDINGS, compress};

use crate::world::{Ended, World, assert_shown, query};

/// A folder with files, and the program in it; nothing listens anywhere.
struct Folder(World);

const ROWS: &str = "SELECT json_extract(_kinesis, '$.seq_no') || ' ' || id FROM orders ORDER BY id";
const LETTERS: &str = "SELECT sequence || ' ' || reason || ' ' || CAST(payload AS TEXT) \
                       FROM orders_dead_letters ORDER BY CAST(sequence AS INTEGER)";
const POSITION: &str =
    "SELECT sequence || ' ' || active || ' ' || finished FROM kinesis_checkpoints";

impl Folder {
    async fn new() -> Self {
        Self(World::new(1).await)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.path(name), bytes).unwrap();
    }

    /// Returns the address of a file, with options.
    fn source(&self, name: &str, options: &str) -> String {
        format!("kinesis://{}?{options}", self.0.path(name).display())
    }

    async fn load(&self, name: &str, options: &str, more: &[&str]) -> Ended {
        let source = self.source(name, options);
        self.0.run(&[&["load", &source, "sqlite:a.db"], more].concat()).await
    }

    async fn query(&self, sql: &'static str) -> Vec<String> {
        query(self.0.path("a.db"), sql).await
    }
}

/// Lines with the numbers `from` to `to`.
fn lines(from: usize, to: usize) -> String {
    let lines: Vec<_> = (from..=to).map(|id| format!("{{\"id\":{id}}}\n")).collect();
    lines.concat()
}

fn rows(from: usize, to: usize) -> Vec<String> {
    (from..=to).map(|id| format!("{id} {id}")).collect()
}

/// Returns how many records a run says it read.
fn read(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let line = ended.stderr.lines().find(|line| line.contains(" read = "));
    line.unwrap_or_default().split(" record").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_file_is_loaded_once() {
    let folder = Folder::new().await;
    folder.write("orders.ndjson", lines(1, 5).as_bytes());
    let first = folder.load("orders.ndjson", "checkpointer=target", &[]).await;
    assert_shown!(first.shown(0));
    assert_eq!(folder.query(ROWS).await, rows(1, 5));
    let namespace = folder.query("SELECT namespace FROM kinesis_checkpoints").await;
    assert_eq!(namespace, [folder.0.path("orders.ndjson").display().to_string()]);
    assert_eq!(folder.query(POSITION).await, ["5 0 0"]);

    assert_eq!(read(&folder.load("orders.ndjson", "checkpointer=target", &[]).await), "0");
    // It grows, and is gone on with.
    folder.write("orders.ndjson", lines(1, 8).as_bytes());
    assert_eq!(read(&folder.load("orders.ndjson", "checkpointer=target", &[]).await), "3");
    assert_eq!(folder.query(ROWS).await, rows(1, 8));
    // Without a position everything is read again, and known by its place.
    let again = folder.load("orders.ndjson", "", &[]).await;
    assert_shown!(again.shown(0));
    assert_eq!(folder.query(ROWS).await, rows(1, 8));
}

#[tokio::test]
async fn every_compression_is_loaded_line_by_line() {
    for ending in ENDINGS {
        let folder = Folder::new().await;
        let name = format!("orders.ndjson.{ending}");
        folder.write(&name, &compress(ending, lines(1, 10).as_bytes()).unwrap());
        // In small runs, each of which goes on where the last one ended.
        for expected in ["3", "3", "3", "1", "0"] {
            let ended = folder.load(&name, "checkpointer=sqlite&max_records=3", &[]).await;
            assert_eq!(read(&ended), expected, "{ending}");
        }
        assert_eq!(folder.query(ROWS).await, rows(1, 10), "{ending}");
    }
}

#[tokio::test]
async fn blank_and_bad_lines_are_dead_letters() {
    let folder = Folder::new().await;
    folder.write(
        "orders.ndjson",
        b"\xef\xbb\xbf{\"id\":1}\r\n\r\n{\"id\":3}\n{\"id\":\nrubbish\n\n{\"id\":7}\n",
    );
    let ended = folder.load("orders.ndjson", "checkpointer=target", &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(folder.query(ROWS).await, ["1 1", "3 3", "7 7"]);
    let letters = folder.query(LETTERS).await;
    let expected = ["2 not_json ", "4 not_json {\"id\":", "5 not_json rubbish", "6 not_json "];
    assert_eq!(letters, expected);
    assert_eq!(folder.query(POSITION).await, ["7 0 0"]);
}

#[tokio::test]
async fn a_run_goes_on_within_a_line() {
    let event = |id: usize| format!(r#"{{"id":"{id}","timestamp":1,"message":"m{id}"}}"#);
    let message = |ids: [usize; 3]| {
        let events = ids.map(event).join(",");
        format!(
            r#"{{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":[],"logEvents":[{events}]}}"#
        )
    };
    let text = format!("{}\n{}\n", message([1, 2, 3]), message([4, 5, 6]));
    let folder = Folder::new().await;
    folder.write("orders.ndjson", text.as_bytes());
    let options = "checkpointer=target&format=cloudwatch-logs&max_records=4";
    assert_eq!(read(&folder.load("orders.ndjson", options, &[]).await), "4");
    assert_eq!(read(&folder.load("orders.ndjson", options, &[]).await), "2");
    assert_eq!(
        folder.query("SELECT id FROM orders ORDER BY id").await,
        ["1", "2", "3", "4", "5", "6"]
    );
}

#[tokio::test]
async fn a_broken_file_is_loaded_up_to_the_damage() {
    let folder = Folder::new().await;
    let whole = compress("gz", lines(1, 5).as_bytes()).unwrap();
    let mut more = compress("gz", lines(6, 9).as_bytes()).unwrap();
    more.truncate(more.len() - 8);
    folder.write("orders.ndjson.gz", &[whole.clone(), more].concat());
    let ended = folder.load("orders.ndjson.gz", "checkpointer=target", &[]).await;
    assert_shown!(ended.shown(1));
    assert!(folder.query(ROWS).await.starts_with(&rows(1, 5)));
    // Repaired, it is gone on with.
    let more = compress("gz", lines(6, 9).as_bytes()).unwrap();
    folder.write("orders.ndjson.gz", &[whole, more].concat());
    let ended = folder.load("orders.ndjson.gz", "checkpointer=target", &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(folder.query(ROWS).await, rows(1, 9));
}

#[tokio::test]
async fn another_file_in_its_place_is_noticed() {
    let folder = Folder::new().await;
    folder.write("orders.ndjson", lines(1, 5).as_bytes());
    folder.load("orders.ndjson", "checkpointer=target", &[]).await.shown(0);
    folder.write("orders.ndjson", lines(11, 17).as_bytes());
    let options = "checkpointer=target";
    let refused = folder.load("orders.ndjson", options, &[]).await.shown(1);
    let dry = folder.load("orders.ndjson", options, &["--dry-run"]).await;
    assert_eq!(dry.code, Some(1), "{dry:?}");
    let options = "checkpointer=target&on_data_loss=continue";
    let loaded = folder.load("orders.ndjson", options, &[]).await;
    let loaded = loaded.shown(0);
    let ids = folder.query("SELECT count(*) || ' ' || sum(id) FROM orders").await;
    assert_eq!(ids, [format!("12 {}", 15 + (11..=17).sum::<u32>())], "none passes for another");
    // The same beginning, and fewer lines.
    folder.write("orders.ndjson", lines(11, 13).as_bytes());
    let shorter = folder.load("orders.ndjson", "checkpointer=target", &[]).await.shown(1);
    assert_shown!([refused, loaded, shorter].join("\n"));
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_read() {
    let folder = Folder::new().await;
    folder.write("orders.json.zst", &compress("zst", lines(1, 5).as_bytes()).unwrap());
    let dry = folder.load("orders.json.zst", "", &["--dry-run"]).await.shown(0);
    assert_eq!(folder.0.files(), ["orders.json.zst"]);
    folder.load("orders.json.zst", "checkpointer=target&max_records=2", &[]).await.shown(0);
    let known = folder.load("orders.json.zst", "checkpointer=target", &["--dry-run"]).await;
    assert_shown!([dry, known.shown(0)].join("\n"));
}

#[tokio::test]
async fn what_cannot_be_read_is_said_at_once() {
    let folder = Folder::new().await;
    folder.write("orders.ndjson", lines(1, 2).as_bytes());
    folder.write("text.ndjson.gz", lines(1, 2).as_bytes());
    folder.write("long.ndjson", format!("{{\"id\":\"{}\"}}\n", "x".repeat(2000)).as_bytes());
    std::fs::create_dir(folder.0.path("folder.ndjson")).unwrap();
    let mut all = String::new();
    for (code, name, options, more) in [
        (1, "missing.ndjson", "", None),
        (1, "missing.ndjson", "checkpointer=target", Some("--dry-run")),
        (1, "missing", "file=true", None),
        (1, "folder.ndjson", "", None),
        (1, "text.ndjson.gz", "", None),
        (2, "orders.ndjson", "start=latest", None),
        (2, "orders.ndjson", "region=us-east-1", None),
        (2, "orders.ndjson", "fan_out=me", None),
        (2, "orders.ndjson", "create=true", None),
        (2, "orders.ndjson", "aggregation=none", None),
        (2, "orders.ndjson", "follow=true", None),
        (2, "orders.ndjson", "", Some("--follow")),
        (2, "orders.ndjson", "updates=whole", None),
        (2, "orders.ndjson", "file=perhaps", None),
    ] {
        let ended = folder.load(name, options, more.as_slice()).await;
        writeln!(all, "{name}?{options}\n{}", ended.shown(code)).unwrap();
        assert!(!folder.0.path("a.db").exists(), "{name}?{options}");
    }
    let long = folder.load("long.ndjson", "max_record_bytes=1KiB", &[]).await;
    writeln!(all, "long.ndjson\n{}", long.shown(1)).unwrap();
    assert_shown!(all);
}

/// What a file has to be named for, if it is not named like one; and where it is looked for.
#[tokio::test]
async fn a_file_may_have_any_name() {
    let folder = Folder::new().await;
    folder.write("orders", lines(1, 2).as_bytes());
    let ended = folder.0.run(&["load", "kinesis:orders?file=true", "sqlite:a.db"]).await;
    assert_eq!(read(&ended), "2");
    std::fs::create_dir(folder.0.path("dumps")).unwrap();
    folder.write("dumps/orders.json", lines(3, 4).as_bytes());
    let ended = folder.0.run(&["load", "kinesis:dumps/orders.json", "sqlite:a.db"]).await;
    assert_eq!(read(&ended), "2");
    assert_eq!(folder.query("SELECT id FROM orders ORDER BY id").await, ["1", "2", "3", "4"]);
    folder.write("empty.json", b"");
    let ended = folder.load("empty.json", "checkpointer=target", &[]).await;
    assert_eq!(read(&ended), "0");
}
