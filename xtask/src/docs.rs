//! `docs`: the pages that the program writes about itself, so that they cannot say what it does not do.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The word that the hidden command takes, and the page that it prints.
const PAGES: [(&str, &str); 2] = [("addresses", "docs/addresses.md"), ("cli", "docs/cli.md")];

/// Writes the pages.
pub(crate) fn write() -> Result<()> {
    for (path, text) in generated()? {
        let file = shell::root().join(path);
        if is_current(&file, &text) {
            println!("docs: {path} is current");
        } else {
            fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
            println!("docs: wrote {path}");
        }
    }
    Ok(())
}

/// Fails when a page is not what the program prints.
pub(crate) fn check() -> Result<()> {
    let stale: Vec<&str> = generated()?
        .into_iter()
        .filter(|(path, text)| !is_current(&shell::root().join(path), text))
        .map(|(path, _)| path)
        .collect();
    if !stale.is_empty() {
        bail!("not what the program prints: {}; run `cargo xtask docs`", stale.join(", "));
    }
    println!("docs: the generated pages are current");
    Ok(())
}

fn generated() -> Result<Vec<(&'static str, String)>> {
    shell::run(&mut shell::cargo(&["build", "--package", "ctk"]))?;
    let ctk = shell::built("ctk", "debug")?;
    let print = |(word, path)| {
        let text =
            shell::output(&mut shell::program(&ctk.to_string_lossy(), &["generate-docs", word]))?;
        if text.trim().is_empty() {
            bail!("`ctk generate-docs {word}` printed nothing");
        }
        Ok((path, text))
    };
    PAGES.into_iter().map(print).collect()
}

fn is_current(file: &Path, text: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|written| written == text)
}
