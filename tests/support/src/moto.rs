//! The third emulator, by yet other people: `moto` from Python, as a process.
//!
//! It is what many users test with. It is further from AWS than the others, above all after a reshard, as
//! `docs/emulators.md` says, so what it shows is that a reader copes. `cargo xtask setup` installs it into
//! `target/tools/moto`; what needs it fails without, since a test that is skipped shows nothing.

use std::io;

use tokio::process::Command;

use crate::process::{Server, free_port, installed};

/// Starts a server on a free port and waits until it answers.
pub async fn start() -> io::Result<Server> {
    let port = free_port()?;
    // The Python of the environment that it is installed in.
    let mut command = Command::new(installed("moto", "moto/bin/python")?);
    command
        .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
        // The account is a part of every ARN.
        .env("MOTO_ACCOUNT_ID", "000000000000");
    Server::start("moto", &mut command, port).await
}
