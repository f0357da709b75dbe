//! Who may depend on whom: the drawing in `docs/architecture.md`, as a table.
//!
//! Only normal dependencies count; tests may use what they like.

use anyhow::Result;

use super::{File, Violation};

/// Each package with the packages of this workspace that it may use. A new package needs a line, a new arrow an argument.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("ctk-url", &[]),
    ("ctk-flow", &[]),
    ("ctk-decode", &["ctk-flow"]),
    ("ctk-kinesis", &["ctk-flow", "ctk-url"]),
    ("ctk-db", &["ctk-url"]),
    ("ctk-checkpoint", &["ctk-db", "ctk-flow"]),
    ("ctk-sink", &["ctk-checkpoint", "ctk-db", "ctk-flow", "ctk-url"]),
    (
        "ctk",
        &[
            "ctk-checkpoint",
            "ctk-db",
            "ctk-decode",
            "ctk-flow",
            "ctk-kinesis",
            "ctk-sink",
            "ctk-url",
        ],
    ),
    ("ctk-test-support", &[]),
    ("xtask", &[]),
    ("xtask-servers", &["ctk-kinesis", "ctk-test-support"]),
];

/// Packages that nothing of the given ones may reach, however far down.
const NEVER_REACHED: [(&str, &[&str]); 4] = [
    ("ctk-url", &IO),
    ("ctk-flow", &IO),
    ("ctk-decode", &IO),
    // The emulator is for tests and the demo; it must not be shipped.
    ("ctk", &["ferrokinesis", "ctk-test-support"]),
];

/// The ends of names, or whole names, of packages that do input and output.
const IO: [&str; 10] = [
    "aws-config",
    "aws-sdk-kinesis",
    "aws-smithy-runtime",
    "sqlx",
    "sqlx-core",
    "hyper",
    "reqwest",
    "ureq",
    "rustls",
    "mio",
];

/// Checks the manifests of all members.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let is_member =
        |file: &&File| file.path.ends_with("/Cargo.toml") && !file.path.starts_with("fuzz/");
    files.iter().filter(is_member).flat_map(check_manifest).collect()
}

fn check_manifest(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    let entries = entries(&file.text);
    let name = entries
        .iter()
        .find(|entry| entry.section == "package" && entry.key == "name")
        .map(|entry| entry.value);
    let name = name.unwrap_or_default().trim_matches('"');
    match MAY_USE.iter().find(|(package, _)| *package == name) {
        None => found.push(Violation::new(
            file,
            0,
            format!("{name:?} has no line in xtask/src/tidy/crates.rs"),
        )),
        Some((_, allowed)) => {
            for entry in entries.iter().filter(|entry| entry.is_normal_dependency()) {
                let used = entry.key.split('.').next().unwrap_or_default();
                if MAY_USE.iter().any(|(package, _)| *package == used) && !allowed.contains(&used) {
                    found.push(Violation::new(
                        file,
                        entry.line,
                        format!("{name} must not depend on {used}"),
                    ));
                }
            }
        }
    }
    if !entries
        .iter()
        .any(|entry| (entry.section, entry.key, entry.value) == ("lints", "workspace", "true"))
    {
        found.push(Violation::new(
            file,
            0,
            "the lints of the workspace are not taken over ([lints] workspace = true)",
        ));
    }
    found
}

/// Checks what each package reaches; `tree` returns the names of all packages that are built for one, one a line.
pub(super) fn check_trees(tree: impl Fn(&str) -> Result<String>) -> Result<Vec<Violation>> {
    let mut found = Vec::new();
    for (package, never) in NEVER_REACHED {
        let tree = tree(package)?;
        let reached: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
        let path = format!("crates/{package}/Cargo.toml");
        let mut report = |what: String| found.push(Violation { path: path.clone(), line: 0, what });
        if !reached.contains(&package) {
            report(format!("the tree of {package} cannot be read"));
        }
        for wrong in never.iter().filter(|wrong| reached.contains(wrong)) {
            report(format!(
                "{package} reaches {wrong} (`cargo tree --package {package} --edges normal --invert {wrong}`)"
            ));
        }
    }
    Ok(found)
}

/// A line `key = value` of a manifest, with the section it stands in.
struct Entry<'a> {
    line: usize,
    section: &'a str,
    key: &'a str,
    value: &'a str,
}

impl Entry<'_> {
    fn is_normal_dependency(&self) -> bool {
        self.section == "dependencies"
            || (self.section.starts_with("target.") && self.section.ends_with(".dependencies"))
    }
}

/// Reads as much of TOML as our manifests use; `[dependencies.name]` becomes an entry as well.
fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut section = "";
    let mut entries = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = heading.trim_matches(['[', ']']);
            if let Some((table, name)) = section.split_once("dependencies.") {
                let section = if table.is_empty() { "dependencies" } else { table };
                entries.push(Entry { line: line_number, section, key: name, value: "" });
            }
        } else if let Some((key, value)) = line.split_once('=') {
            let (key, value) = (key.trim(), value.trim());
            entries.push(Entry { line: line_number, section, key, value });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Vec<String> {
        check(&[File::new("crates/x/Cargo.toml", text)]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_that_is_not_drawn_is_found() {
        let manifest = |name: &str, dependency: &str| {
            format!(
                "[package]\nname = \"{name}\"\n\n[dependencies]\nserde = \"1\"\n{dependency}\n[lints]\nworkspace = true\n"
            )
        };
        let check = |name: &str, dependency: &str, wrong: Option<&str>| {
            let found = check_text(&manifest(name, dependency));
            let expected = wrong.map(|wrong| format!("{name} must not depend on {wrong}"));
            assert_eq!(
                found.len(),
                usize::from(wrong.is_some()),
                "{name}, {dependency}: {found:?}"
            );
            assert!(
                found.iter().all(|found| found.ends_with(expected.as_deref().unwrap_or_default())),
                "{found:?}"
            );
        };
        check("ctk-sink", "ctk-db.workspace = true", None);
        check("ctk-sink", "ctk-kinesis.workspace = true", Some("ctk-kinesis"));
        check("ctk-kinesis", "ctk-sink = { path = \"../ctk-sink\" }", Some("ctk-sink"));
        check("ctk-url", "[dependencies.ctk-flow]\nworkspace = true", Some("ctk-flow"));
        check(
            "ctk-db",
            "[target.'cfg(unix)'.dependencies]\nctk-flow.workspace = true",
            Some("ctk-flow"),
        );
        check("ctk-kinesis", "[dev-dependencies]\nctk-test-support.workspace = true", None);
        check("ctk-kinesis", "ctk-test-support.workspace = true", Some("ctk-test-support"));
        check("ctk-test-support", "ctk.workspace = true", Some("ctk"));
    }

    #[test]
    fn an_unknown_package_and_missing_lints_are_found() {
        let found = check_text("[package]\nname = \"ctk-utils\"\n");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("\"ctk-utils\" has no line"), "{found:?}");
        assert!(found[1].contains("lints of the workspace"), "{found:?}");
    }

    #[test]
    fn a_forbidden_package_far_down_is_found() {
        let tree = |package: &str| {
            Ok(format!(
                "{package} v0.1.0 (/somewhere)\nserde v1.0.0\nferrokinesis v0.7.0\nmio v1.0.0\n"
            ))
        };
        let found: Vec<String> =
            check_trees(tree).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(
            found[0].starts_with("crates/ctk-url/Cargo.toml: ctk-url reaches mio"),
            "{found:?}"
        );
        assert!(found[3].contains("ctk reaches ferrokinesis"), "{found:?}");
        assert!(check_trees(|_| Ok(String::new())).unwrap()[0].what.contains("cannot be read"));
    }
}
