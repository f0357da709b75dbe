//! The third emulator, by yet other people: `moto` from Python, as a process.
//!
//! It is what many users test with. It is further from AWS than the others, above all after a reshard, as
//! `docs/emulators.md` says, so what it shows is that a reader copes. `cargo xtask setup` installs it into
//! `target/tools/moto`; what needs it fails without, since a test that is skipped shows nothing.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    ops::Deref,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::json;
use tokio::process::{Child, Command};

use crate::{client::Client, kinesis_local::free_port};

/// A running server. Dropping it kills the process.
#[derive(Debug)]
pub struct Moto {
    client: Client,
    address: SocketAddr,
    process: Child,
}

impl Moto {
    /// Starts a server on a free port and waits until it answers.
    pub async fn start() -> io::Result<Self> {
        let python = installed()?;
        let port = free_port()?;
        let process = Command::new(python)
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()])
            // The account is a part of every ARN.
            .env("MOTO_ACCOUNT_ID", "000000000000")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
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
                return Err(io::Error::other(format!("moto ended at its start: {status}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "moto does not answer"))
    }
}

impl Deref for Moto {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Returns the Python of the environment that moto is installed in.
fn installed() -> io::Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let python = workspace.join("target/tools/moto/bin/python");
    if python.is_file() {
        return Ok(python);
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "moto is not installed: run `cargo xtask setup`"))
}
