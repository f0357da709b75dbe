//! What holds for every text: no tabs, no blanks at the end of a line, a newline at the end; and what the README shows.

use super::{File, Violation};

/// The commands that a newcomer needs; the README is where they look.
const README_SHOWS: [&str; 2] = ["cargo xtask demo", "cargo xtask test"];

/// Checks every text.
pub(super) fn check(files: &[File]) -> Vec<Violation> {
    let mut found: Vec<Violation> = files.iter().flat_map(check_blanks).collect();
    match files.iter().find(|file| file.path == "README.md") {
        None => found.push(Violation {
            path: "README.md".to_owned(),
            line: 0,
            what: "is missing".to_owned(),
        }),
        Some(readme) => {
            let missing = README_SHOWS.iter().filter(|command| !readme.text.contains(**command));
            found
                .extend(missing.map(|command| {
                    Violation::new(readme, 0, format!("does not show `{command}`"))
                }));
        }
    }
    found
}

fn check_blanks(file: &File) -> Vec<Violation> {
    let mut found = Vec::new();
    for (index, line) in file.text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            found.push(Violation::new(file, index + 1, "blanks at the end of the line"));
        } else if line.contains('\t') {
            found.push(Violation::new(file, index + 1, "a tab"));
        }
    }
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        found.push(Violation::new(file, 0, "no newline at the end"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_and_tabs_are_found() {
        let check = |text: &str, expected: &[usize]| {
            let lines: Vec<usize> =
                check_blanks(&File::new("a.md", text)).iter().map(|found| found.line).collect();
            assert_eq!(lines, expected, "{text:?}");
        };
        check("a\nb\n", &[]);
        check("a \nb\n", &[1]);
        check("a\n\tb\n", &[2]);
        check("a\r\n", &[1]);
        check("a", &[0]);
    }

    #[test]
    fn the_readme_shows_the_two_commands() {
        let check = |text: &str, expected: usize| {
            assert_eq!(check(&[File::new("README.md", text)]).len(), expected, "{text}");
        };
        check("cargo xtask demo\ncargo xtask test\n", 0);
        check("cargo xtask demo\n", 1);
        check("", 2);
        assert_eq!(super::check(&[])[0].what, "is missing");
    }
}
