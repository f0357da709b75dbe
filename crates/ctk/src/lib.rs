//! The program `ctk`: loads Amazon Kinesis Data Streams into databases.
//!
//! The way in: [`cli`] says what can be typed, [`commands`] has one file per command, [`registry`] knows which target an
//! address means. The way out: [`ui`] writes everything that anybody sees, [`exit`] chooses the exit code. This crate alone
//! reads the environment, and alone sees both the source and the sinks.

use std::process::ExitCode;

use clap::Parser;

pub mod cli;
pub mod commands;
pub mod exit;
pub mod registry;
pub mod signals;
pub mod ui;

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    // A `.env` in the working directory or above; what the environment has already stays. A missing one is no error.
    let dotenv = dotenvy::dotenv();
    // Wrong usage ends here with 2, `--help` with 0.
    let cli = cli::Cli::parse();
    let ui = ui::Ui::new(&cli.global);
    if let Err(error) = dotenv
        && !error.not_found()
    {
        ui.warning(&format!("the file .env is not read: {error}"));
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
