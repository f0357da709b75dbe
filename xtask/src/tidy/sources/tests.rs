//! Each rule is broken once here, and kept once by something that looks alike.

use super::*;

/// Checks that a file with this code, under a good module comment, breaks a rule with these words, or none.
fn check_code(path: &str, code: &str, expected: Option<&str>) {
    let found = check(&[File::new(path, format!("//! A file.\n{code}\n"))]);
    match expected {
        None => assert_eq!(found, [], "{path}: {code}"),
        Some(words) => {
            assert_eq!(found.len(), 1, "{path}: {code}: {found:?}");
            assert_eq!(found[0].line, 2, "{path}: {code}: {found:?}");
            assert!(found[0].what.contains(words), "{path}: {code}: {found:?}");
        }
    }
}

#[test]
fn the_sdk_is_named_in_one_file() {
    let words = Some("the AWS SDK is named");
    check_code("crates/ctk-kinesis/src/reader.rs", "use aws_sdk_kinesis::Client;", words);
    check_code("crates/ctk-kinesis/src/reader.rs", "// aws_sdk_kinesis has no such thing.", None);
    check_code("crates/ctk-kinesis/src/api.rs", "use aws_sdk_kinesis::Client;", None);
    check_code("xtask/servers/src/bare.rs", "use aws_sdk_kinesis::Client;", None);
}

#[test]
fn sql_is_spoken_in_three_crates() {
    check_code("crates/ctk/src/commands/load.rs", "use sqlx::Row;", Some("SQL is spoken"));
    check_code("crates/ctk-sink/src/sqlite.rs", "use sqlx::Row;", None);
}

#[test]
fn only_the_program_prints_and_reads_the_environment() {
    check_code("crates/ctk-sink/src/jsonl.rs", "println!();", Some("only crates/ctk writes"));
    check_code(
        "crates/ctk-sink/src/jsonl.rs",
        "let out = io::stdout();",
        Some("only crates/ctk writes"),
    );
    check_code(
        "crates/ctk-db/src/lib.rs",
        "let home = env::var(NAME);",
        Some("only crates/ctk reads"),
    );
    check_code("crates/ctk/src/ui.rs", "eprintln!();", None);
    check_code("crates/ctk-db/src/lib.rs", "blueprint!();", None);
    check_code("crates/ctk-db/src/lib.rs", "#[cfg(test)]\nmod tests {\n    println!();\n}", None);
}

#[test]
fn pure_crates_stay_pure() {
    let words = Some("does no input and output");
    check_code("crates/ctk-url/src/lib.rs", "use std::fs::File;", words);
    check_code("crates/ctk-flow/src/run.rs", "let now = SystemTime::now();", words);
    check_code("crates/ctk-flow/src/run.rs", "use std::time::{Duration, Instant};", words);
    check_code("crates/ctk-decode/src/json.rs", "use std::{fmt, fs::File};", words);
    check_code("crates/ctk-url/src/host.rs", "use std::net::TcpStream;", words);
    check_code("crates/ctk-url/src/host.rs", "use std::net::IpAddr;", None);
    check_code("crates/ctk-url/src/time.rs", "let now = Utc::now();", words);
    check_code("crates/ctk-flow/src/run.rs", "use tokio::time::{Duration, Instant};", None);
    check_code("crates/ctk-kinesis/src/dump.rs", "use std::fs::File;", None);
}

#[test]
fn the_http_library_is_named_in_one_file() {
    let file = |name: &str| {
        File::new(format!("crates/ctk-db/src/{name}.rs"), "//! A file.\nuse reqwest::Client;\n")
    };
    assert_eq!(check(&[file("http")]), []);
    let found = check(&[file("crate_db"), file("http")]);
    assert_eq!((found.len(), found[0].path.as_str()), (1, "crates/ctk-db/src/http.rs"));
}

#[test]
fn what_is_unfinished_or_switched_off_is_found_everywhere() {
    check_code("crates/ctk/src/lib.rs", "todo!()", Some("unfinished"));
    check_code("tests/cli/load.rs", "dbg!(x);", Some("left over"));
    check_code("tests/cli/load.rs", "#[ignore = \"slow\"]", Some("does not run"));
    check_code("xtask/src/main.rs", "#[should_panic]", Some("any panic"));
    check_code("xtask/src/main.rs", "let text = \"todo!\";", None);
}

#[test]
fn a_file_has_a_purpose_a_name_and_a_length() {
    let check = |path: &str, text: String, expected: Option<&str>| {
        let found: Vec<String> =
            check(&[File::new(path, text)]).iter().map(ToString::to_string).collect();
        match expected {
            None => assert!(found.is_empty(), "{found:?}"),
            Some(words) => assert!(found.len() == 1 && found[0].contains(words), "{found:?}"),
        }
    };
    let lines = |count: usize| "fn f() {}\n".repeat(count);
    check("crates/ctk/src/ui.rs", lines(1), Some("crates/ctk/src/ui.rs:1: does not begin"));
    check("crates/ctk/src/ui/mod.rs", "//! Text.\n".to_owned(), Some("mod.rs"));
    check("crates/ctk/src/ui.rs", format!("//! Text.\n{}", lines(600)), Some("601 lines"));
    check(
        "crates/ctk/src/ui.rs",
        format!("//! Text. Long because it is a table.\n{}", lines(600)),
        None,
    );
    assert_eq!(long(&[File::new("a.rs", lines(400)), File::new("b.rs", lines(401))]).len(), 1);
}
