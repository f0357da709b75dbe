//! The program `ctk`: loads Amazon Kinesis Data Streams into databases.
//!
//! The way in: [`cli`] says what can be typed, [`commands`] has one file per command, [`source`] and [`registry`] know which source
//! and which target an address means. The way out: [`ui`] writes everything that anybody sees, [`exit`] chooses the exit code. This crate alone
//! reads the environment, and alone sees both the source and the sinks.
//!
//! It is a library for its own `main` and its tests; what is public here may change with each version. Programs of one's own
//! put the other crates together as [`commands`] does for `ctk load`: `docs/library.md` says how, with three examples.

use std::process::ExitCode;

use clap::Parser;

pub mod cli;
pub mod commands;
pub mod exit;
pub mod prepared;
mod recipe;
pub mod registry;
pub mod signals;
pub mod source;
pub mod ui;

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    let dotenv = load_dotenv();
    // Wrong usage ends here with 2, `--help` with 0.
    let cli = cli::Cli::parse();
    let ui = ui::Ui::new(&cli.global);
    if let Some(problem) = dotenv {
        ui.warning(&problem);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ui.fail(&exit::CommandError::failed(error)),
    };
    let ended = runtime.block_on(commands::run(cli.command, &ui));
    // A read from the terminal, or a write into a pipe, may still block; nobody waits for it.
    runtime.shutdown_background();
    match ended {
        Ok(code) => code,
        Err(error) => ui.fail(&error),
    }
}

/// Takes a `.env` in the working directory or above: all of it, or nothing; what the environment has already stays. Returns
/// what is wrong with it, without a word of it, since it may hold secrets.
fn load_dotenv() -> Option<String> {
    let lines: Result<Vec<_>, _> = match dotenvy::dotenv_iter() {
        Ok(lines) => lines.collect(),
        Err(error) => Err(error),
    };
    match lines.and_then(|_| dotenvy::dotenv().map(drop)) {
        Ok(()) => None,
        Err(error) if error.not_found() => None,
        Err(dotenvy::Error::Io(error)) => Some(format!("the file .env is not read: {error}")),
        Err(_) => Some("the file .env is left out: a line of it is no NAME=value".to_owned()),
    }
}
