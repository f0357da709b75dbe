//! The words of a statement.

use super::error::Error;

/// A word of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word, in lower case: a keyword or a name.
    Word(String),
    /// A name in double quotes.
    Quoted(String),
    /// A text in single quotes.
    Text(String),
    /// A number, as written.
    Number(String),
    /// `?`, or `$1` with its number.
    Parameter(Option<usize>),
    /// Everything else.
    Symbol(&'static str),
}

/// Longer ones first.
const SYMBOLS: [&str; 19] = [
    "::", "<=", ">=", "<>", "!=", "(", ")", ",", ".", ";", "=", "<", ">", "+", "-", "*", "/", "[",
    "]",
];

/// Splits a statement into its words.
pub(super) fn split(statement: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut rest = statement.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            '"' => {
                let (name, length) = quoted(rest, '"').ok_or_else(|| unreadable(rest))?;
                (Token::Quoted(name), length)
            }
            '\'' => {
                let (text, length) = quoted(rest, '\'').ok_or_else(|| unreadable(rest))?;
                (Token::Text(text), length)
            }
            '?' => (Token::Parameter(None), 1),
            '$' => {
                let length = 1 + count(rest, 1, |byte| byte.is_ascii_digit());
                let number = rest.get(1..length).and_then(|number| number.parse().ok());
                (Token::Parameter(Some(number.ok_or_else(|| unreadable(rest))?)), length)
            }
            '0'..='9' => {
                let length = number(rest);
                (Token::Number(rest.get(..length).unwrap_or_default().to_owned()), length)
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let length = count(rest, 0, |byte| byte.is_ascii_alphanumeric() || byte == b'_');
                (Token::Word(rest.get(..length).unwrap_or_default().to_lowercase()), length)
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
                let symbol = symbol.ok_or_else(|| unreadable(rest))?;
                (Token::Symbol(symbol), symbol.len())
            }
        };
        tokens.push(token);
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(tokens)
}

fn unreadable(rest: &str) -> Error {
    let shown: String = rest.chars().take(20).collect();
    Error::sql(format!("line 1: token recognition error at: '{shown}'"))
}

fn count(text: &str, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
    text.bytes().skip(from).take_while(|byte| belongs(*byte)).count()
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut length = count(text, 0, |byte| byte.is_ascii_digit());
    if bytes.get(length) == Some(&b'.') {
        length += 1 + count(text, length + 1, |byte| byte.is_ascii_digit());
    }
    if matches!(bytes.get(length), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(length + 1), Some(b'+' | b'-')));
        let digits = count(text, length + 1 + sign, |byte| byte.is_ascii_digit());
        if digits > 0 {
            length += 1 + sign + digits;
        }
    }
    length
}

/// Returns what stands between quotes, a doubled quote being one, and the length of it all.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut content = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character != quote {
            content.push(character);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return Some((content, at + 1));
        }
    }
    None
}
