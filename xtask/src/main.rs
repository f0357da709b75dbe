//! `cargo xtask CHORE`: every chore of the project, one file each.
//!
//! This program is built before any chore can run, so it stays small. The chores that need servers and clients (demo,
//! bench) live in the package `xtask-servers`, which [`servers`] builds and starts.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a chore talks to the developer who started it"
)]

mod ci;
mod docs;
mod servers;
mod setup;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask CHORE

  demo               load a real stream into a database, twice, and look at what came
  test [ARGUMENTS]   run all tests; arguments (names, -p CRATE, ...) narrow it down
  setup [--check]    install what the tests need and is missing; --check only tells
  ci [--after-test]  everything that must hold before a change is merged; without the tests if they ran already
  tidy               check the rules that no compiler knows
  docs [--check]     write the generated pages of docs/, or check that they are current
  bench [--help]     measure against a stream that is served from memory
  help               this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        ["demo", rest @ ..] => servers::demo(rest),
        ["test", rest @ ..] => test::run(rest),
        ["setup"] => setup::install(),
        ["setup", "--check"] => setup::check(),
        ["ci"] => ci::run(),
        ["ci", "--after-test"] => ci::run_after_test(),
        ["tidy"] => tidy::run(),
        ["docs"] => docs::write(),
        ["docs", "--check"] => docs::check(),
        ["bench", rest @ ..] => servers::bench(rest),
        other => bail!("no such chore: {}\n\n{HELP}", other.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_chore_is_answered_with_the_list() {
        for wrong in [vec!["tset"], vec!["tidy", "--check"], vec!["docs", "check"]] {
            let arguments: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            let text = run(&arguments).unwrap_err().to_string();
            assert!(text.contains(wrong[0]) && text.contains("setup [--check]"), "{text}");
        }
    }
}
