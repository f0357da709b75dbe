//! `test`: every test of the workspace, with what they need installed and the program they start built.

use anyhow::Result;

use crate::{setup, shell};

/// Runs all tests; with arguments, which go to nextest, only those that they name.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    setup::install()?;
    if arguments.is_empty() {
        // The tests of the program start the built one; built in this way, it shares everything with the tests.
        shell::run(&mut shell::cargo(&["build", "--workspace", "--all-targets"]))?;
        shell::run(&mut shell::cargo(&["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        shell::run(&mut shell::cargo(&["test", "--doc", "--workspace"]))?;
        println!("test: all tests and all examples in the documentation passed");
    } else {
        shell::run(&mut shell::cargo(&["build", "--package", "ctk"]))?;
        shell::run(shell::cargo(&["nextest", "run"]).args(scope(arguments)).args(arguments))?;
        println!(
            "test: what was asked for passed ({}); examples in the documentation did not run",
            arguments.join(" ")
        );
    }
    Ok(())
}

/// Returns the whole workspace, unless the arguments name packages.
fn scope(arguments: &[&str]) -> &'static [&'static str] {
    let package = |argument: &&str| argument.starts_with("-p") || argument.starts_with("--package");
    if arguments.iter().any(package) { &[] } else { &["--workspace"] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_package_is_not_widened_to_the_workspace() {
        assert!(scope(&["-p", "ctk-url"]).is_empty());
        assert!(scope(&["--package=ctk-url", "parse"]).is_empty());
        assert_eq!(scope(&["parse", "--no-capture"]), ["--workspace"]);
    }
}
