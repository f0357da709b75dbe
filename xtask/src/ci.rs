//! `ci`: everything that must hold before a change is merged, the same on a laptop as on the server.
//!
//! It stops at the first step that fails and prints the command that repeats it.

#![expect(
    clippy::disallowed_methods,
    reason = "steps are timed for the reader; no test pauses that clock"
)]

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use crate::{docs, shell, test, tidy};

/// More packages than this in `Cargo.lock` mean a longer build and more code to trust. Whoever needs another one looks
/// first for what can go, then raises the number in the commit that argues for the dependency.
const MOST_PACKAGES: usize = 425;

/// A step: its name, the command that repeats it alone, and what it does.
type Step = (&'static str, &'static str, fn() -> Result<()>);

const TEST: Step = ("tests", "cargo xtask test", || test::run(&[]));

const BEFORE_TEST: [Step; 2] = [
    ("format", "cargo fmt --all", || shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))),
    ("lints", "cargo clippy --workspace --all-targets -- -D warnings", || {
        shell::run(&mut shell::cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ]))
    }),
];

const AFTER_TEST: [Step; 5] = [
    (
        "documentation",
        "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items",
        documentation,
    ),
    ("tidy", "cargo xtask tidy", tidy::run),
    ("generated pages", "cargo xtask docs", docs::check),
    ("number of packages", "cargo tree --workspace", packages),
    ("licences and advisories", "cargo deny check", deny),
];

/// Runs every step.
pub(crate) fn run() -> Result<()> {
    steps(BEFORE_TEST.iter().chain([&TEST]).chain(&AFTER_TEST))
}

/// Runs every step but the tests, for a server that ran them already.
pub(crate) fn run_after_test() -> Result<()> {
    steps(BEFORE_TEST.iter().chain(&AFTER_TEST))
}

fn steps<'a>(steps: impl Iterator<Item = &'a Step>) -> Result<()> {
    let begin = Instant::now();
    for (name, command, check) in steps {
        println!("ci: {name}");
        let begin = Instant::now();
        check().with_context(|| format!("{name}: failed; to repeat it: {command}"))?;
        println!("ci: {name}: good ({:.1} s)", begin.elapsed().as_secs_f64());
    }
    println!("ci: all good ({:.0} s)", begin.elapsed().as_secs_f64());
    Ok(())
}

fn documentation() -> Result<()> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    shell::run(shell::cargo(&arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

fn packages() -> Result<()> {
    let lock =
        fs::read_to_string(shell::root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let count = count_packages(&lock);
    if count > MOST_PACKAGES {
        bail!(
            "Cargo.lock has {count} packages, more than {MOST_PACKAGES}; the comment at that number says what to do"
        );
    }
    println!("{count} packages of at most {MOST_PACKAGES}");
    Ok(())
}

fn count_packages(lock: &str) -> usize {
    lock.lines().filter(|line| *line == "[[package]]").count()
}

fn deny() -> Result<()> {
    if !shell::works(&mut shell::cargo(&["deny", "--version"])) {
        println!("left out: cargo-deny is not installed (`cargo install --locked cargo-deny`)");
        return Ok(());
    }
    shell::run(&mut shell::cargo(&["deny", "check"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_failure_ends_it_and_says_how_to_repeat() {
        let list: [Step; 2] =
            [("one", "do one", || bail!("reason")), ("two", "do two", || unreachable!())];
        let error = format!("{:#}", steps(list.iter()).unwrap_err());
        assert_eq!(error, "one: failed; to repeat it: do one: reason");
    }

    #[test]
    fn packages_are_counted() {
        assert_eq!(
            count_packages(
                "version = 4\n\n[[package]]\nname = \"a\"\n\n[[package]]\nname = \"b\"\n"
            ),
            2
        );
    }
}
