//! The second emulator, by other people: `kinesis-local` from npm (kinesis-mock), as a process.
//!
//! It is the most faithful one and the slowest, so it gets hundreds of records, not thousands. `cargo xtask setup` installs
//! it into `target/tools/kinesis-local`; what needs it fails without, since a test that is skipped shows nothing.

use std::io;

use tokio::process::Command;

use crate::process::{Server, free_port, installed};

/// Starts a server on free ports and waits until it answers.
pub async fn start() -> io::Result<Server> {
    let main = installed("kinesis-local", "kinesis-local/node_modules/kinesis-local/main.js")?;
    let (plain, tls) = (free_port()?, free_port()?);
    let mut command = Command::new("node");
    command
        .arg("main.js")
        .env("KINESIS_MOCK_PLAIN_PORT", plain.to_string())
        .env("KINESIS_MOCK_TLS_PORT", tls.to_string())
        .env("CREATE_STREAM_DURATION", "1ms")
        .env("DELETE_STREAM_DURATION", "1ms")
        .env("SPLIT_SHARD_DURATION", "1ms")
        .env("MERGE_SHARDS_DURATION", "1ms")
        .env("LOG_LEVEL", "ERROR");
    if let Some(folder) = main.parent() {
        // It looks for its certificate there.
        command.current_dir(folder);
    }
    Server::start("kinesis-local", &mut command, plain).await
}
