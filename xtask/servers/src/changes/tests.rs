//! The changes are what they promise to be, and always the same.

use std::collections::HashSet;

use serde_json::Value;

use super::*;

fn written(name: &str, changes: u64) -> (Written, Vec<String>) {
    let file = std::env::temp_dir().join(format!("ctk-{name}-{}", std::process::id()));
    let written = write(&file, changes).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    (written, text.lines().map(str::to_owned).collect())
}

#[test]
fn changes_are_of_the_kinds_and_sizes_that_they_promise() {
    let (written, lines) = written("kinds", 40_000);
    assert_eq!((written.lines, lines.len()), (40_010, 40_010));
    let share = |count: u64| count * 100 / 40_000;
    let shares = [written.inserts, written.updates, written.deletes].map(share);
    assert!((59..=61).contains(&shares[0]) && (29..=31).contains(&shares[1]), "{shares:?}");
    assert_eq!(written.inserts + written.updates + written.deletes, 40_000);
    let size = written.bytes / 40_000;
    assert!((480..=540).contains(&size), "{size} bytes");
    let mut hot = HashSet::new();
    for (number, line) in lines.iter().enumerate() {
        let record: Value = serde_json::from_str(line).unwrap();
        let metadata = &record["metadata"];
        assert_eq!(metadata["operation"] == "create-table", number < 10, "{line}");
        if metadata["operation"] == "update" || metadata["operation"] == "delete" {
            hot.insert((metadata["table-name"].to_string(), record["data"]["id"].to_string()));
        }
    }
    assert!((4_000..=5_000).contains(&hot.len()), "{}", hot.len());
    let rows: u64 = written.tables.iter().map(|table| table.rows).sum();
    assert_eq!(rows, written.inserts - written.deletes);
    let checksums: HashSet<u64> = written.tables.iter().map(|table| table.checksum).collect();
    assert_eq!(checksums.len(), 10);
}

#[test]
fn a_shorter_file_is_the_beginning_of_a_longer_one() {
    let (short, long) = (written("short", 500).1, written("long", 2_000).1);
    assert_eq!(long.get(..510), Some(short.as_slice()));
}
