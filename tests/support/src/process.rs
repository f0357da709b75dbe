//! An emulator that runs as a process of its own: started, waited for, and ended with the test.

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
pub struct Server {
    client: Client,
    address: SocketAddr,
    process: Child,
}

impl Server {
    /// Starts `command`, which is to listen at `port` of the loopback interface, and waits until it answers.
    pub(crate) async fn start(name: &str, command: &mut Command, port: u16) -> io::Result<Self> {
        let (input, output, errors) = (Stdio::null(), Stdio::null(), Stdio::null());
        let process =
            command.stdin(input).stdout(output).stderr(errors).kill_on_drop(true).spawn()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut server = Self { client: Client::new(address), address, process };
        for _ in 0..600 {
            if server.client.call("ListStreams", json!({})).await.is_ok() {
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                return Err(io::Error::other(format!("{name} ended at its start: {status}")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("{name} does not answer")))
    }

    /// Returns the address as an endpoint URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// Returns a file below `target/tools`, where `cargo xtask setup` installs what is not ours.
pub(crate) fn installed(name: &str, file: &str) -> io::Result<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = workspace.join("target/tools").join(file);
    if path.is_file() {
        return Ok(path);
    }
    let text = format!("{name} is not installed: run `cargo xtask setup`");
    Err(io::Error::new(io::ErrorKind::NotFound, text))
}

/// Returns a port that was free a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
