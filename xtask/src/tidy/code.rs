//! What of a Rust file is code: the same text with comments and the insides of literals blanked, and without its tests.
//!
//! It knows just enough of the language for the rules: a name in a comment or in a text breaks no rule.

/// Returns the text with every comment and the inside of every literal replaced by blanks. Lines stay where they are.
pub(super) fn blank(text: &str) -> String {
    let mut scanner = Scanner {
        rest: text.chars().collect::<Vec<_>>().into_iter().peekable(),
        out: String::new(),
    };
    let mut before = ' ';
    while let Some(next) = scanner.rest.next() {
        let in_word = before.is_alphanumeric() || before == '_';
        match (next, scanner.rest.peek()) {
            ('/', Some('/')) => scanner.line_comment(),
            ('/', Some('*')) => scanner.block_comment(),
            ('"', _) => scanner.literal('"'),
            ('\'', _) => scanner.character_or_lifetime(),
            ('r', Some('"' | '#')) if !in_word || before == 'b' => scanner.raw_literal(),
            _ => scanner.out.push(next),
        }
        before = next;
    }
    scanner.out
}

/// Returns the lines of code, counted from 1, without modules that exist for tests alone. The text must be blanked.
pub(super) fn lines_outside_tests(blanked: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut marked, mut until) = (false, None::<String>);
    blanked.lines().enumerate().filter_map(move |(index, line)| {
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
            return None;
        }
        let code = line.trim_start();
        if code.starts_with("#[cfg(test)]") {
            marked = true;
            return None;
        }
        if marked && !code.starts_with("#[") && !code.is_empty() {
            marked = false;
            if code.trim_end().ends_with('{') {
                // The formatter puts the end of an item under its beginning.
                until = Some(format!("{}}}", " ".repeat(line.len() - code.len())));
            }
            return None;
        }
        Some((index + 1, line))
    })
}

struct Scanner {
    rest: std::iter::Peekable<std::vec::IntoIter<char>>,
    out: String,
}

impl Scanner {
    fn line_comment(&mut self) {
        self.out.push(' ');
        while let Some(next) = self.rest.next_if(|next| *next != '\n') {
            self.hide(next);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_u32;
        self.out.push(' ');
        let mut before = '/';
        for next in self.rest.by_ref() {
            self.out.push(if next == '\n' { '\n' } else { ' ' });
            match (before, next) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    before = next;
                    continue;
                }
            }
            // The characters of a delimiter belong to no other one.
            before = ' ';
            if depth == 0 {
                return;
            }
        }
    }

    /// Blanks what stands up to the closing quote; the opening one is read.
    fn literal(&mut self, quote: char) {
        self.out.push(quote);
        while let Some(next) = self.rest.next() {
            if next == quote {
                self.out.push(quote);
                return;
            }
            self.hide(next);
            if next == '\\'
                && let Some(escaped) = self.rest.next()
            {
                self.hide(escaped);
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('\\'), _) | (Some(_), Some('\'')) => self.literal('\''),
            _ => self.out.push('\''),
        }
    }

    /// Blanks a literal without escapes, with its number signs; the `r` is read. A raw identifier is left alone.
    fn raw_literal(&mut self) {
        self.out.push('r');
        let mut ahead = self.rest.clone();
        let mut signs = 0;
        while ahead.next_if_eq(&'#').is_some() {
            signs += 1;
        }
        if ahead.next() != Some('"') {
            return;
        }
        self.rest = ahead;
        self.out.extend(std::iter::repeat_n(' ', signs));
        self.out.push('"');
        while let Some(next) = self.rest.next() {
            if next == '"' {
                let mut ahead = self.rest.clone();
                if (0..signs).all(|_| ahead.next() == Some('#')) {
                    self.rest = ahead;
                    self.out.push('"');
                    self.out.extend(std::iter::repeat_n(' ', signs));
                    return;
                }
            }
            self.hide(next);
        }
    }

    fn hide(&mut self, character: char) {
        self.out.push(if character == '\n' { '\n' } else { ' ' });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let check = |text: &str, expected: &str| assert_eq!(blank(text), expected, "{text}");
        check("a // b\nc", "a     \nc");
        check("a /* b /* c */\nd */ e", "a             \n     e");
        check(r#"x("a\"b", c)"#, r#"x("    ", c)"#);
        check(r##"r#"a"b"# + r"\" + br"c""##, r#"r "   "  + r" " + br" ""#);
        check(r"match c { '\'' | '{' => &'a str }", r"match c { '  ' | ' ' => &'a str }");
        check("r#type x\"r\"", "r#type x\" \"");
    }

    #[test]
    fn modules_of_tests_are_left_out() {
        let text =
            "one\n#[cfg(test)]\nmod tests {\n    two\n}\nthree\n#[cfg(test)]\nmod more;\nfour\n";
        assert_eq!(
            lines_outside_tests(text).collect::<Vec<_>>(),
            [(1, "one"), (6, "three"), (9, "four")]
        );
    }
}
