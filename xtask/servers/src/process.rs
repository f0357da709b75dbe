//! A server of this program in a process of its own: it prints its address on stdout as soon as it serves, and ends when its
//! stdin does, so it cannot outlive who started it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Tells where the server is, and waits for the end of stdin.
pub(crate) fn serve(address: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{address}")?;
    stdout.flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The server; dropping it ends it.
pub(crate) struct ServerProcess {
    child: Child,
    /// Where it serves.
    pub(crate) address: String,
}

impl ServerProcess {
    /// Starts a chore of this program that serves, and waits until it does.
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let own = std::env::current_exe().context("cannot find the running program")?;
        let mut child = Command::new(own)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the server")?;
        let mut address = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout)
                .read_line(&mut address)
                .context("cannot read where the server is")?;
        }
        let process = Self { child, address: address.trim_end().to_owned() };
        if process.address.is_empty() {
            bail!("the server ended before it served");
        }
        Ok(process)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It ended by itself, or it ends now; there is nobody to tell.
        drop(self.child.wait());
    }
}
