//! The commands, one file each.

use std::process::ExitCode;

use crate::{
    cli::{Command, KinesisCommand},
    exit::CommandError,
    ui::Ui,
};

mod checkpoints;
mod generate_docs;
mod list_checkpoints;
mod load;
mod prune_checkpoints;

/// Runs a command, and returns its exit code.
pub async fn run(command: Command, ui: &Ui) -> Result<ExitCode, CommandError> {
    match command {
        Command::Load(arguments) => return load::run(*arguments, ui).await,
        Command::ListCheckpoints(arguments)
        | Command::Kinesis(KinesisCommand::ListCheckpoints(arguments)) => {
            list_checkpoints::run(&arguments, ui).await?;
        }
        Command::PruneCheckpoints(arguments)
        | Command::Kinesis(KinesisCommand::PruneCheckpoints(arguments)) => {
            prune_checkpoints::run(&arguments, ui).await?;
        }
        Command::Completions(arguments) => generate_docs::completions(arguments.shell, ui)?,
        Command::GenerateDocs(arguments) => generate_docs::run(arguments.page, ui)?,
    }
    Ok(ExitCode::SUCCESS)
}
