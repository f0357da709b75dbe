//! Starting other programs: where the workspace lies, which cargo to use, and an error that shows the command.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, bail};

/// Returns the root of the workspace.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Returns a call of the cargo that runs this chore, at the root of the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Returns a call of another program, at the root of the workspace.
pub(crate) fn program(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a program to its end, with our output as its own.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` failed ({status})", line(command));
    }
    Ok(())
}

/// Runs a program and returns what it printed on stdout; the error has what it printed on stderr.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        let talk = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({})\n{}", line(command), output.status, talk.trim_end());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` did not print text", line(command)))
}

/// Returns whether a program starts and ends well; what it prints is dropped.
pub(crate) fn works(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns a command as one would type it at the root of the workspace.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

/// Returns where cargo puts the program `name` of the given profile (`debug` or `release`): beside this one.
pub(crate) fn built(name: &str, profile: &str) -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    let target = own
        .ancestors()
        .nth(2)
        .ok_or_else(|| anyhow!("{} lies in no target directory", own.display()))?;
    let path = target.join(profile).join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if !path.is_file() {
        bail!("{} is not there although it was just built", path.display());
    }
    Ok(path)
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["run", "--", "sqlite:a b", "it's", ""]);
        assert_eq!(line(&command), r"cargo run -- 'sqlite:a b' 'it'\''s' ''");
    }

    #[test]
    fn an_error_names_the_command() {
        let error = run(cargo(&["no-such-command-of-cargo"]).stderr(Stdio::null())).unwrap_err();
        assert!(error.to_string().contains("`cargo no-such-command-of-cargo` failed"), "{error}");
    }
}
