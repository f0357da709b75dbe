//! What may be named where, and how a Rust file looks.

use super::code::{blank, lines_outside_tests};
use super::{File, Violation};

/// A name that stands only in some places of `crates/`, outside tests.
struct Only {
    names: &'static [&'static str],
    /// Beginnings of the paths where it may stand.
    places: &'static [&'static str],
    why: &'static str,
}

const ONLY: [Only; 4] = [
    Only {
        names: &["aws_sdk_kinesis"],
        places: &["crates/ctk-kinesis/src/api.rs", "crates/ctk-kinesis/src/api/"],
        why: "the AWS SDK is named in crates/ctk-kinesis/src/api.rs and its folder alone",
    },
    Only {
        names: &["sqlx"],
        places: &["crates/ctk-db/", "crates/ctk-sink/", "crates/ctk-checkpoint/"],
        why: "SQL is spoken in ctk-db, ctk-sink and ctk-checkpoint alone",
    },
    Only {
        names: &[
            "println!",
            "print!",
            "eprintln!",
            "eprint!",
            "stdout()",
            "stderr()",
            "Stdout",
            "Stderr",
        ],
        places: &["crates/ctk/"],
        why: "only crates/ctk writes to stdout and stderr",
    },
    Only {
        names: &["std::env", "env::var", "env::vars", "env::var_os", "env::args"],
        places: &["crates/ctk/"],
        why: "only crates/ctk reads the environment",
    },
];

/// Crates that do no input and output, by the beginnings of their paths.
const PURE: [&str; 3] = ["crates/ctk-url/src/", "crates/ctk-flow/src/", "crates/ctk-decode/src/"];

/// An address of `std::net` is a value; what opens a connection is not.
const NOT_PURE: [&str; 17] = [
    "std::fs",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "std::time::Instant",
    "Utc::now",
    "Local::now",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "reqwest",
    "hyper",
];

/// Libraries that speak HTTP; one file knows which of them it is.
const HTTP: [&str; 4] = ["reqwest", "hyper", "ureq", "isahc"];

/// Names that stand nowhere, tests included.
const NOWHERE: [(&str, &str); 5] = [
    ("todo!", "unfinished"),
    ("unimplemented!", "unfinished"),
    ("dbg!", "left over from looking for a fault"),
    ("#[ignore", "a test that does not run proves nothing"),
    ("#[should_panic", "it passes with any panic; compare the error instead"),
];

/// A longer file says in its module comment why, in a sentence with these words.
const MOST_LINES: usize = 600;
const REASON: &str = "long because";

/// A longer file is worth a hard look.
const MANY_LINES: usize = 400;

/// Checks every Rust file.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut http = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        look(file, &mut found);
        let blanked = blank(&file.text);
        for (index, line) in blanked.lines().enumerate() {
            for (name, why) in NOWHERE.iter().filter(|(name, _)| names(line, name)) {
                found.push(Violation::new(file, index + 1, format!("{name}: {why}")));
            }
        }
        if !is_shipped(&file.path) {
            continue;
        }
        let mut speaks_http = None;
        for (number, line) in lines_outside_tests(&blanked) {
            for rule in ONLY
                .iter()
                .filter(|rule| !rule.places.iter().any(|place| file.path.starts_with(place)))
            {
                if let Some(name) = rule.names.iter().find(|name| names(line, name)) {
                    found.push(Violation::new(file, number, format!("{name}: {}", rule.why)));
                }
            }
            if PURE.iter().any(|place| file.path.starts_with(place))
                && let Some(name) = impure(line)
            {
                found.push(Violation::new(
                    file,
                    number,
                    format!("{name}: this crate does no input and output"),
                ));
            }
            if HTTP.iter().any(|name| names(line, name)) {
                speaks_http.get_or_insert(number);
            }
        }
        http.extend(speaks_http.map(|number| (file, number)));
    }
    // Which file it is does not matter, but there is one.
    for (file, number) in http.into_iter().skip(1) {
        found.push(Violation::new(file, number, "the HTTP library is named in one file alone"));
    }
    found
}

/// Returns whether a file becomes part of the program: the source of a crate, without files of tests.
fn is_shipped(path: &str) -> bool {
    path.starts_with("crates/")
        && path.contains("/src/")
        && !path.contains("/tests/")
        && !path.ends_with("/tests.rs")
}

/// Returns the files that are worth a hard look for their length.
pub(super) fn long(files: &[File]) -> Vec<Violation> {
    let lines = |file: &File| file.text.lines().count();
    let is_long = |file: &&File| file.is_rust() && lines(file) > MANY_LINES;
    files
        .iter()
        .filter(is_long)
        .map(|file| Violation::new(file, 0, format!("{} lines", lines(file))))
        .collect()
}

/// Checks the file as a whole: its beginning, its name, its length.
fn look(file: &File, found: &mut Vec<Violation>) {
    if !file.text.starts_with("//!") {
        found.push(Violation::new(file, 1, "does not begin with `//!`: what is this file for?"));
    }
    if file.path.ends_with("/mod.rs") {
        found.push(Violation::new(
            file,
            0,
            "mod.rs; a module `foo` is foo.rs beside the folder foo/",
        ));
    }
    let lines = file.text.lines().count();
    let mut comment = file.text.lines().take_while(|line| line.starts_with("//!"));
    if lines > MOST_LINES && !comment.any(|line| line.to_lowercase().contains(REASON)) {
        let what = format!("{lines} lines, and no \"{REASON} ...\" in its module comment");
        found.push(Violation::new(file, 0, what));
    }
}

/// Returns what of this line does not belong into a crate without input and output.
fn impure(line: &str) -> Option<&'static str> {
    if let Some(name) = NOT_PURE.iter().find(|name| names(line, name)) {
        return Some(name);
    }
    // `use std::{fs, time::Instant};` and `use std::time::{Duration, Instant};`
    let grouped = |group: &str, inner: &'static [&'static str]| {
        let (_, rest) = line.split_once(group)?;
        inner.iter().find(|name| names(rest, name)).copied()
    };
    grouped("std::{", &["fs", "env", "process", "thread", "Instant"])
        .or_else(|| grouped("std::time::{", &["Instant"]))
}

/// Returns whether a line has this name as a whole: `print!` is not in `eprint!`, nor `hyper` in `hyper_util`.
fn names(line: &str, name: &str) -> bool {
    let is_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(name).any(|(begin, _)| {
        let (before, rest) = (
            line.get(..begin).unwrap_or_default(),
            line.get(begin + name.len()..).unwrap_or_default(),
        );
        let open_before = !name.starts_with(is_word) || !before.ends_with(is_word);
        let open_after = !name.ends_with(is_word) || !rest.starts_with(is_word);
        open_before && open_after
    })
}

#[cfg(test)]
mod tests;
