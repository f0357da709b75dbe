//! `tidy`: the rules that no compiler knows, checked on every run of the tests and by `cargo xtask tidy`.
//!
//! A rule is a function from texts to violations and touches nothing else, so each is also tested on a made-up text that
//! breaks it. The rules: who may depend on whom ([`crates`]), what may be named where and how a Rust file looks
//! ([`sources`]), and what holds for any text ([`texts`]).

mod code;
mod crates;
mod sources;
mod texts;

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// A place where a rule is broken.
#[derive(Debug, PartialEq, Eq)]
struct Violation {
    path: String,
    /// Counted from 1; 0 when it is about the file as a whole.
    line: usize,
    what: String,
}

impl Violation {
    fn new(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// A text of the project, its path relative to the root, with slashes.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

impl File {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }
}

/// Prints what breaks a rule; that is an error.
pub(crate) fn run() -> Result<()> {
    let files = read_tree(shell::root())?;
    for violation in sources::long(&files) {
        println!("warning: {violation}");
    }
    let violations = violations(&files)?;
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => println!("tidy: all rules hold in {} files", files.len()),
        count => bail!("{count} places break a rule"),
    }
    Ok(())
}

fn violations(files: &[File]) -> Result<Vec<Violation>> {
    let mut all = crates::check(files);
    all.extend(crates::check_trees(|package| {
        // The normal dependencies, the whole tree down: what is built for this crate alone.
        shell::output(&mut shell::cargo(&[
            "tree",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--package",
            package,
        ]))
    })?);
    all.extend(sources::check(files));
    all.extend(texts::check(files));
    Ok(all)
}

/// Reads every text of the project; what is built, fetched or recorded is none of its texts.
fn read_tree(root: &Path) -> Result<Vec<File>> {
    let mut files = Vec::new();
    read_folder(root, root, &mut files)?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    const SKIPPED: [&str; 7] =
        [".git", "target", "node_modules", "snapshots", "corpus", "artifacts", "fixtures"];
    const READ: [&str; 6] = ["rs", "toml", "md", "sh", "yml", "yaml"];
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let entry = entry.with_context(|| format!("cannot read {}", folder.display()))?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let name = entry.file_name();
        if kind.is_dir() && !SKIPPED.iter().any(|skipped| name == *skipped) {
            read_folder(root, &path, files)?;
        } else if kind.is_file()
            && path.extension().is_some_and(|own| READ.iter().any(|extension| own == *extension))
        {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let relative =
                path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push(File::new(relative, text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_keeps_its_rules() {
        let files = read_tree(shell::root()).unwrap();
        assert!(files.iter().any(|file| file.path == "xtask/src/tidy.rs"), "the tree was not read");
        let violations: Vec<String> =
            violations(&files).unwrap().iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "\n{}", violations.join("\n"));
    }
}
