//! All that anybody sees: results on stdout, everything else on stderr.
//!
//! stdout carries only what was asked for, so that another program can read it; status, warnings, errors, logs and the
//! progress display go to stderr. No meaning is told by colour alone.

pub mod progress;
pub mod table;

use std::{
    error::Error,
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use indicatif::MultiProgress;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use crate::{
    cli::{Global, LogFormat, When},
    exit::CommandError,
};

/// Writes. Clones share the progress display, so that no line is written into it.
#[derive(Clone, Debug)]
pub struct Ui {
    color: bool,
    quiet: bool,
    progress: MultiProgress,
}

/// Keeps the SDK from logging requests as they are: at the level TRACE they hold the tokens of a single sign-on.
fn without_secrets(filter: EnvFilter) -> EnvFilter {
    // sqlx quotes a line of .pgpass that it cannot read, with the password.
    let quieter = [
        ("aws_smithy_runtime::client::orchestrator=debug", LevelFilter::TRACE),
        ("sqlx_postgres::options::pgpass=error", LevelFilter::WARN),
    ];
    let most = filter.max_level_hint();
    quieter.into_iter().filter(|(_, level)| most >= Some(*level)).fold(
        filter,
        |filter, (text, _)| match text.parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        },
    )
}

impl Ui {
    /// Returns a way to write, and starts the log.
    pub fn new(global: &Global) -> Self {
        let no_color = global.no_color.as_ref().is_some_and(|value| !value.is_empty());
        let color = match global.color {
            When::Always => true,
            When::Never => false,
            When::Auto => io::stderr().is_terminal() && !no_color,
        };
        let ui = Self { color, quiet: global.quiet, progress: MultiProgress::new() };
        ui.start_log(global);
        ui
    }

    /// `-v` shows ours, `-vv` more of it, `-vvv` everything, the AWS SDK's included; a filter decides by itself.
    fn start_log(&self, global: &Global) {
        let own = |level: &str| {
            let crates = [
                "ctk",
                "ctk_flow",
                "ctk_decode",
                "ctk_kinesis",
                "ctk_db",
                "ctk_checkpoint",
                "ctk_sink",
            ];
            crates.map(|name| format!("{name}={level}")).join(",")
        };
        let filter = match (&global.log, global.verbose) {
            (Some(filter), _) => filter.clone(),
            (None, 0) => own("warn"),
            (None, 1) => own("info"),
            (None, 2) => own("debug"),
            (None, _) => "trace".to_owned(),
        };
        let writer = self.clone();
        let log = tracing_subscriber::fmt()
            .with_env_filter(without_secrets(EnvFilter::new(filter)))
            .with_ansi(self.color)
            .with_writer(move || LogWriter(writer.clone()));
        match global.log_format {
            LogFormat::Text => log.init(),
            LogFormat::Json => log.json().init(),
        }
    }

    /// Writes a result.
    pub fn result(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    /// Writes what is good to know; not under `--quiet`.
    pub fn note(&self, text: &str) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Writes a warning.
    pub fn warning(&self, text: &str) {
        self.line(&format!("{} {text}", self.head("warning:", "33")));
    }

    /// Writes an error in one line, its causes, its hint, and returns its exit code. A pipe closed early is no error.
    pub fn fail(&self, error: &CommandError) -> ExitCode {
        if error.is_closed_stdout() {
            return ExitCode::SUCCESS;
        }
        self.line(&format!("{} {}", self.head("error:", "31"), one_line(&error.error.to_string())));
        let mut last = error.error.to_string();
        let mut cause = error.error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // Some libraries repeat their cause in their own text.
            if !last.contains(&text) {
                self.line(&format!("  caused by: {}", one_line(&ctk_db::text_of(error))));
            }
            last = text;
            cause = Error::source(error);
        }
        if let Some(hint) = &error.hint {
            self.line(&format!("{} {hint}", self.head("hint:", "36")));
        }
        ExitCode::from(error.code)
    }

    fn head(&self, text: &str, color: &str) -> String {
        if self.color { format!("\u{1b}[1;{color}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn line(&self, text: &str) {
        self.write(format!("{text}\n").as_bytes());
    }

    /// When stderr is gone, there is nobody left to tell.
    fn write(&self, bytes: &[u8]) {
        self.progress.suspend(|| drop(io::stderr().lock().write_all(bytes)));
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns a number with thousands apart: `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with its noun, which gets an `s` unless there is one of it.
pub fn count(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// Keeps log lines out of the progress display.
struct LogWriter(Ui);

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        let check = |number: u64, expected: &str| assert_eq!(thousands(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(1_234_567, "1,234,567");
        assert_eq!(count(1, "record"), "1 record");
        assert_eq!(count(2, "record"), "2 records");
    }
}
