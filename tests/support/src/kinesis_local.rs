//! The second emulator, by other people: `kinesis-local` from npm (kinesis-mock), as a process.
//!
//! It is the most faithful one and the slowest, so it gets hundreds of records, not thousands. `cargo xtask setup` installs
//! it into `target/tools/kinesis-local`; what needs it fails without, since a test that is skipped shows nothing.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    ops::Deref,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::json;
use tokio::process::{Child, Command};

use crate::client::Client;

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct KinesisLocal {
    client: Client,
    address: SocketAddr,
    process: Child,
}

impl KinesisLocal {
    /// Starts a server on free ports and waits until it answers.
    pub async fn start() -> io::Result<Self> {
        let folder = installed()?;
        let (plain, tls) = (free_port()?, free_port()?);
        let process = Command::new("node")
            .arg("main.js")
            // It looks for its certificate there.
            .current_dir(folder)
            .env("KINESIS_MOCK_PLAIN_PORT", plain.to_string())
            .env("KINESIS_MOCK_TLS_PORT", tls.to_string())
            .env("CREATE_STREAM_DURATION", "1ms")
            .env("DELETE_STREAM_DURATION", "1ms")
            .env("SPLIT_SHARD_DURATION", "1ms")
            .env("MERGE_SHARDS_DURATION", "1ms")
            .env("LOG_LEVEL", "ERROR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, plain));
        let mut server = Self { client: Client::new(address), address, process };
        server.wait_until_it_answers().await?;
        Ok(server)
    }

    /// Returns the address as an endpoint URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn wait_until_it_answers(&mut self) -> io::Result<()> {
        for _ in 0..600 {
            if self.client.call("ListStreams", json!({})).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!(
                    "kinesis-local ended at its start: {status}"
                )));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "kinesis-local does not answer"))
    }
}

impl Deref for KinesisLocal {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn installed() -> io::Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = workspace.join("target/tools/kinesis-local/node_modules/kinesis-local");
    if folder.join("main.js").is_file() {
        return Ok(folder);
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "kinesis-local is not installed: run `cargo xtask setup`",
    ))
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
