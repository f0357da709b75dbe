//! Files of every kind, read from every line on.

use std::ops::Range;

use ctk_flow::{Next, Part, Reader, Sequence};
use ctk_test_support::dumps::{ENDINGS, compress};
use ctk_url::SourceUrl;
use tempfile::TempDir;

use super::*;

/// What came of reading a file to its end.
#[derive(Debug, Default)]
struct Seen {
    lines: Vec<(String, String, u32)>,
    answers: usize,
    gaps: usize,
    error: Option<String>,
}

impl Seen {
    /// The lines, by number.
    fn numbered(&self) -> Vec<String> {
        self.lines.iter().map(|(number, line, _)| format!("{number}: {line}")).collect()
    }
}

/// A folder with a file in it.
struct Folder {
    folder: TempDir,
    path: PathBuf,
}

impl Folder {
    fn with(name: &str, bytes: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Self { folder, path }
    }

    fn config(&self, options: &str) -> KinesisConfig {
        let address = format!("kinesis://{}?file=true{options}", self.path.display());
        KinesisConfig::from_url(&SourceUrl::parse(&address).unwrap(), 0).unwrap()
    }

    async fn source(&self, options: &str) -> Result<DumpSource, DumpError> {
        let config = self.config(options);
        let dump = Dump::find(&config).await?.unwrap();
        Ok(DumpSource::new(dump, &config, HashMap::new()))
    }

    /// Reads all, in blocks of `room` bytes.
    async fn read(&self, options: &str, room: usize) -> Seen {
        match self.source(options).await {
            Ok(source) => read(source, room).await,
            Err(error) => Seen { error: Some(shown(&error)), ..Seen::default() },
        }
    }

    /// Reads what is behind a position.
    async fn read_behind(&self, options: &str, saved: Saved) -> Seen {
        let source = self.source(options).await.unwrap();
        let shard = source.dump.shard.clone();
        read(source.going_on_from(HashMap::from([(shard, saved)])), 1 << 20).await
    }
}

fn behind(line: &str) -> Saved {
    Saved { sequence: Some(Sequence::new(line)), ..Saved::default() }
}

/// Returns an error with its causes, without the folder.
fn shown(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let words = text.split(' ').map(|word| word.rsplit('/').next().unwrap_or(word));
    words.collect::<Vec<_>>().join(" ")
}

async fn read(mut source: DumpSource, room: usize) -> Seen {
    let mut seen = Seen::default();
    let mut readers = match source.readers().await {
        Ok(readers) => readers,
        Err(error) => return Seen { error: Some(shown(&*error)), ..seen },
    };
    assert!(source.readers().await.unwrap().is_empty(), "handed out once");
    let Some(reader) = readers.pop() else { return seen };
    let mut reader = reader.with_room(room);
    loop {
        match reader.read().await {
            Ok(answer) => {
                seen.answers += 1;
                seen.gaps += usize::from(answer.gap);
                seen.lines.extend(answer.records.into_iter().map(|record| {
                    let line = String::from_utf8(record.data).unwrap();
                    (record.sequence.to_string(), line, record.done)
                }));
                match answer.next {
                    Next::AT_ONCE => {}
                    next => {
                        assert_eq!(next, Next::CaughtUp, "a file may grow");
                        return seen;
                    }
                }
            }
            Err(error) => return Seen { error: Some(shown(&*error)), ..seen },
        }
    }
}

fn lines(range: Range<usize>) -> String {
    let lines: Vec<_> = range.map(|number| format!("{{\"id\":{number}}}\n")).collect();
    lines.concat()
}

fn numbered(range: Range<usize>) -> Vec<String> {
    range.map(|number| format!("{number}: {{\"id\":{number}}}")).collect()
}

#[tokio::test]
async fn a_line_is_a_record() {
    async fn check(text: &str, expected: &[&str]) {
        let folder = Folder::with("dump.ndjson", text.as_bytes());
        for room in [1, 100, 1 << 20] {
            let seen = folder.read("", room).await;
            assert_eq!((seen.numbered(), seen.error), (owned(expected), None), "{text:?}");
        }
    }
    fn owned(expected: &[&str]) -> Vec<String> {
        expected.iter().map(|&line| line.to_owned()).collect()
    }
    check("", &[]).await;
    check("\u{feff}", &[]).await;
    check("{}", &["1: {}"]).await;
    check("{}\n", &["1: {}"]).await;
    check("{}\n[]", &["1: {}", "2: []"]).await;
    check("{}\r\n[]\r\n", &["1: {}", "2: []"]).await;
    check("\u{feff}{}\n[]\n", &["1: {}", "2: []"]).await;
    check("\n", &["1: "]).await;
    check("{}\n\n", &["1: {}", "2: "]).await;
    check("\n{}\n\r\n[]\n", &["1: ", "2: {}", "3: ", "4: []"]).await;
    check("a\rb\r\r\n", &["1: a\rb\r"]).await;
}

#[tokio::test]
async fn a_file_is_read_from_every_line_on() {
    let text = lines(1..21);
    for ending in ["", "gz", "bz2", "xz", "zst"] {
        let bytes = compress(ending, text.as_bytes()).unwrap();
        let folder = Folder::with(&format!("dump.ndjson.{ending}"), &bytes);
        assert_eq!(folder.read("", 1 << 20).await.numbered(), numbered(1..21), "{ending}");
        for line in 0..21 {
            let seen = folder.read_behind("", behind(&line.to_string())).await;
            let expected = numbered(line + 1..21);
            assert_eq!((seen.numbered(), seen.gaps, seen.error), (expected, 0, None), "{ending}");
        }
    }
}

#[tokio::test]
async fn a_run_goes_on_within_a_line() {
    let folder = Folder::with("dump.ndjson", lines(1..5).as_bytes());
    let part = |line: &str| Some(Part { sequence: Sequence::new(line), units: 7, form: 0 });
    let at = |saved: Saved| async {
        let seen = folder.read_behind("", saved).await;
        seen.lines.into_iter().map(|(number, _, done)| (number, done)).collect::<Vec<_>>()
    };
    let expected = |lines: &[(&str, u32)]| -> Vec<(String, u32)> {
        lines.iter().map(|&(line, done)| (line.to_owned(), done)).collect()
    };
    let within = [("3", 7), ("4", 0)];
    assert_eq!(at(Saved { part: part("3"), ..behind("2") }).await, expected(&within));
    assert_eq!(at(Saved { part: part("3"), ..Saved::default() }).await, expected(&within));
    // Another tool moved on.
    assert_eq!(at(Saved { part: part("3"), ..behind("3") }).await, expected(&[("4", 0)]));
}

#[tokio::test]
async fn memory_is_bounded_by_the_room() {
    let folder = Folder::with("dump.ndjson", lines(1..1001).as_bytes());
    let seen = folder.read("", 2000).await;
    assert_eq!(seen.numbered(), numbered(1..1001));
    assert!(seen.answers > 50, "{}", seen.answers);
}

#[tokio::test]
async fn all_members_of_a_file_are_read() {
    for ending in ENDINGS {
        // Two files behind each other, the border within a line, and a third one with nothing in it.
        let text = lines(1..11);
        let (first, second) = text.split_at(37);
        let mut bytes = compress(ending, first.as_bytes()).unwrap();
        bytes.extend(compress(ending, second.as_bytes()).unwrap());
        bytes.extend(compress(ending, b"").unwrap());
        // The name says nothing, the bytes do.
        let folder = Folder::with("dump", &bytes);
        let seen = folder.read("", 1 << 20).await;
        assert_eq!((seen.numbered(), seen.error), (numbered(1..11), None), "{ending}");
        let empty = Folder::with("dump", &compress(ending, b"").unwrap());
        let seen = empty.read("", 1 << 20).await;
        assert_eq!((seen.numbered(), seen.error), (vec![], None), "{ending}");
    }
    // A frame to be skipped, before and between.
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let text = compress("zst", lines(1..4).as_bytes()).unwrap();
    let folder = Folder::with("dump.zst", &[&skipped[..], &text, &skipped].concat());
    assert_eq!(folder.read("", 1 << 20).await.numbered(), numbered(1..4));
    let folder = Folder::with("dump.zst", &[&text[..], &skipped[..10]].concat());
    let seen = folder.read("", 1 << 20).await;
    let error = "the file dump.zst is broken behind line 3: as zstd, it ends early";
    assert_eq!((seen.numbered(), seen.error.as_deref()), (numbered(1..4), Some(error)));
}

#[tokio::test]
async fn what_is_before_the_damage_is_read() {
    let text = lines(1..1001);
    for (ending, name) in ENDINGS.into_iter().zip(["gzip", "bzip2", "xz", "zstd"]) {
        let whole = compress(ending, text.as_bytes()).unwrap();
        let path = format!("dump.{ending}");
        // The second member ends early, in its middle or at its very end.
        for left in [whole.len() / 2, whole.len() - 1] {
            let folder = Folder::with(&path, &[&whole, &whole[..left]].concat());
            let seen = folder.read("", 1 << 20).await;
            let read = seen.lines.len();
            assert_eq!(
                seen.error,
                Some(format!(
                    "the file {path} is broken behind line {read}: as {name}, it ends early"
                ))
            );
            assert_eq!(seen.numbered()[..1000], numbered(1..1001), "{ending}");
        }
        // A bit in the middle is another one.
        let mut other = whole.clone();
        let middle = other.len() / 2;
        other[middle] ^= 0x10;
        let folder = Folder::with(&path, &[&whole[..], &other].concat());
        let seen = folder.read("", 1 << 20).await;
        let read = seen.lines.len();
        let error = seen.error.clone().unwrap_or_default();
        let expected = format!("the file {path} is broken behind line {read}: as {name}, ");
        assert!(error.starts_with(&expected), "{error:?}");
        assert_eq!(seen.numbered()[..1000], numbered(1..1001), "{ending}");
        // What follows is something else.
        let folder = Folder::with(&path, &[&whole[..], b"rubbish"].concat());
        let seen = folder.read("", 1 << 20).await;
        assert_eq!(seen.numbered(), numbered(1..1001), "{ending}");
        assert!(seen.error.is_some(), "{ending}");
    }
}

#[tokio::test]
async fn a_name_that_promises_too_much() {
    let text = lines(1..3);
    for (ending, name) in ENDINGS.into_iter().zip(["gzip", "bzip2", "xz", "zstd"]) {
        let path = format!("dump.json.{ending}");
        let folder = Folder::with(&path, text.as_bytes());
        let error =
            format!("the file {path} is not compressed with {name}, though its name says so");
        assert_eq!(folder.read("", 1 << 20).await.error, Some(error));
        let seen = folder.read("&compression=none", 1 << 20).await;
        assert_eq!(seen.numbered(), numbered(1..3), "as it is");
        let folder = Folder::with(&path, b"");
        assert_eq!(folder.read("", 1 << 20).await.error, None, "nothing is nothing");
    }
}

#[tokio::test]
async fn long_lines() {
    let long = "x".repeat(5000);
    let text = format!("a\n{long}\nb\n");
    let folder = Folder::with("dump.ndjson", text.as_bytes());
    let expected = vec!["1: a".to_owned(), format!("2: {long}"), "3: b".to_owned()];
    for options in ["", "&max_record_bytes=5000"] {
        for room in [1, 100, 5000, 1 << 20] {
            let seen = folder.read(options, room).await;
            assert_eq!((seen.numbered(), seen.error), (expected.clone(), None), "{options} {room}");
        }
    }
    // The end of a line is no part of it.
    let folder = Folder::with("dump.ndjson", text.replace('\n', "\r\n").as_bytes());
    assert_eq!(folder.read("&max_record_bytes=5000", 1).await.numbered(), expected);
    let folder = Folder::with("dump.ndjson", text.as_bytes());
    for room in [1, 100, 1 << 20] {
        let seen = folder.read("&max_record_bytes=4999", room).await;
        let error = "line 2 of dump.ndjson is longer than 4999 bytes";
        assert_eq!((seen.numbered(), seen.error.as_deref()), (vec!["1: a".into()], Some(error)));
    }
    // Without an end, too: nobody waits for it.
    let folder = Folder::with("dump.ndjson", long.as_bytes());
    let error = folder.read("&max_record_bytes=4999", 1).await.error;
    assert_eq!(error.as_deref(), Some("line 1 of dump.ndjson is longer than 4999 bytes"));
}

#[tokio::test]
async fn a_file_that_has_grown_is_gone_on_with() {
    let folder = Folder::with("dump.ndjson", lines(1..2).trim_end().as_bytes());
    let before = folder.source("").await.unwrap();
    fs::write(&folder.path, lines(1..4)).unwrap();
    let after = folder.source("").await.unwrap();
    assert_eq!(before.dump.shard, after.dump.shard);
    assert_eq!(folder.read_behind("", behind("1")).await.numbered(), numbered(2..4));
}

#[tokio::test]
async fn another_file_is_noticed() {
    let folder = Folder::with("dump.ndjson", lines(1..4).as_bytes());
    let first = folder.source("").await.unwrap().dump.shard.clone();
    fs::write(&folder.path, lines(7..12)).unwrap();
    let saved = || HashMap::from([(first.clone(), behind("3"))]);
    let error = "dump.ndjson is another file than the one of which the last run read 3 lines";
    let source = folder.source("").await.unwrap().going_on_from(saved());
    assert_eq!(read(source, 100).await.error.as_deref(), Some(error));
    let source = folder.source("&on_data_loss=continue").await.unwrap().going_on_from(saved());
    let seen = read(source, 100).await;
    assert_eq!((seen.gaps, seen.lines.len(), seen.error), (1, 5, None));
    // The next run knows both.
    let source = folder.source("").await.unwrap();
    let second = source.dump.shard.clone();
    let both = saved().into_iter().chain([(second, behind("5"))]).collect();
    let seen = read(source.going_on_from(both), 100).await;
    assert_eq!((seen.gaps, seen.lines.len(), seen.error), (0, 0, None));
    // Emptied.
    fs::write(&folder.path, "").unwrap();
    let source = folder.source("").await.unwrap().going_on_from(saved());
    assert_eq!(read(source, 100).await.error.as_deref(), Some(error));
    // One that was claimed, and of which nothing was read, is none.
    let source = folder.source("").await.unwrap();
    let source = source.going_on_from(HashMap::from([(first.clone(), Saved::default())]));
    assert_eq!(read(source, 100).await.error, None);
}

#[tokio::test]
async fn a_file_that_became_shorter_is_noticed() {
    let folder = Folder::with("dump.ndjson", lines(1..4).as_bytes());
    let seen = folder.read_behind("", behind("4")).await;
    let error = "dump.ndjson has only 3 lines, and the last run read 4";
    assert_eq!((seen.lines.len(), seen.error.as_deref()), (0, Some(error)));
    let seen = folder.read_behind("&on_data_loss=continue", behind("4")).await;
    assert_eq!((seen.numbered(), seen.gaps, seen.error), (numbered(1..4), 1, None));
    // A number that no line has.
    let seen = folder.read_behind("", behind("49650000000000000000000000000000000000000000")).await;
    assert!(seen.error.is_some());
}

#[tokio::test]
async fn what_is_no_file_is_said_at_once() {
    let folder = Folder::with("dump.ndjson", b"");
    let check = |name: &str, expected: &str| {
        let mut config = folder.config("");
        config.file = Some(folder.folder.path().join(name));
        let expected = expected.to_owned();
        async move {
            let error = Dump::find(&config).await.unwrap_err();
            assert_eq!(shown(&error), expected);
        }
    };
    check("other.ndjson", "there is no file other.ndjson").await;
    check("", " is a folder, not a file").await;
    check("dump.ndjson/x", "cannot read the file x: Not a directory (os error 20)").await;
}

#[tokio::test]
async fn files_of_one_name_do_not_pass_for_each_other() {
    let [one, other] = [0, 1].map(|_| Folder::with("dump.ndjson", lines(1..3).as_bytes()));
    let one = one.source("").await.unwrap();
    let other = other.source("").await.unwrap();
    assert_ne!(one.dump.shard, other.dump.shard);
    assert_ne!(one.stream.arn, other.stream.arn);
    assert_eq!(one.stream.name, "dump");
}

/// What a dropped call would have returned is returned by the next.
#[tokio::test]
async fn reading_is_cancel_safe() {
    let folder = Folder::with("dump.ndjson", lines(1..101).as_bytes());
    let mut source = folder.source("").await.unwrap();
    let mut reader = source.readers().await.unwrap().pop().unwrap().with_room(1000);
    let mut seen = Vec::new();
    loop {
        for _ in 0..3 {
            let mut dropped = std::pin::pin!(reader.read());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            // It may be ready: then it counts.
            if let std::task::Poll::Ready(answer) = dropped.as_mut().poll(&mut context) {
                seen.extend(answer.unwrap().records);
                break;
            }
        }
        let answer = reader.read().await.unwrap();
        seen.extend(answer.records);
        if answer.next == Next::CaughtUp {
            break;
        }
    }
    let seen: Vec<_> = seen.iter().map(|record| record.sequence.to_string()).collect();
    assert_eq!(seen, (1..101).map(|line| line.to_string()).collect::<Vec<_>>());
}
