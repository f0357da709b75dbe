//! The peers: how each is started. They are installed in a folder of their own, a Python environment
//! (`docs/benchmarks.md` says how it is made), and all load into the same PostgreSQL as `ctk`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::case::Peer;

/// Where a peer reads and writes.
pub(super) struct Task<'a> {
    pub(super) endpoint: &'a str,
    pub(super) stream: &'a str,
    /// The address of the database, without a password.
    pub(super) database: &'a str,
    /// For what a peer keeps for itself.
    pub(super) folder: &'a Path,
}

impl Peer {
    /// Returns the table that it writes, with its schema.
    pub(super) fn table(self) -> &'static str {
        match self {
            Self::Ingestr => "public.ingestr_bench",
            Self::Dlt => "dlt_bench.bench",
            Self::Boto3 => "public.boto3_bench",
        }
    }

    /// Returns its command line; `peers` is the folder with its programs.
    pub(super) fn command(self, peers: &Path, task: &Task<'_>) -> Result<Command> {
        // dlt insists on a password; a server that lets everybody in does not mind one.
        let database = task.database.replacen('@', ":none@", 1);
        let program = peers.join("bin").join(match self {
            Self::Ingestr => "ingestr",
            Self::Dlt | Self::Boto3 => "python",
        });
        ensure!(program.is_file(), "{} is not installed", program.display());
        let mut command = Command::new(program);
        // What a developer has set up for other work must not decide what is measured, and nothing is reported home.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(name);
            }
        }
        for (name, value) in [
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("RUNTIME__DLTHUB_TELEMETRY", "false"),
        ] {
            command.env(name, value);
        }
        match self {
            Self::Ingestr => {
                let source = format!(
                    "kinesis://?aws_access_key_id=test&aws_secret_access_key=test&region_name=us-east-1\
                     &endpoint_url={}",
                    task.endpoint
                );
                let target = format!("{database}?sslmode=disable");
                command.args(["ingest", "--yes", "--source-uri", &source]);
                command.args(["--source-table", task.stream, "--dest-uri", &target]);
                command.args(["--dest-table", self.table()]);
            }
            Self::Dlt => {
                let pipelines = task.folder.join("dlt");
                if pipelines.exists() {
                    fs::remove_dir_all(&pipelines).context("cannot remove what dlt left")?;
                }
                command.arg(script("dlt_resource.py")?);
                command.args([task.endpoint, task.stream, &database]).arg(pipelines);
            }
            Self::Boto3 => {
                command.arg(script("boto3_copy.py")?);
                command.args([task.endpoint, task.stream, &database]);
            }
        }
        command.current_dir(task.folder);
        Ok(command)
    }
}

fn script(name: &str) -> Result<PathBuf> {
    Ok(crate::root()?.join("xtask/servers/peers").join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_is_not_installed_is_named() {
        let task = Task { endpoint: "", stream: "", database: "", folder: Path::new("/tmp") };
        let error = Peer::Ingestr.command(Path::new("/nowhere"), &task).unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/bin/ingestr is not installed");
    }

    #[test]
    fn the_scripts_are_there() {
        for name in ["dlt_resource.py", "boto3_copy.py"] {
            assert!(script(name).unwrap().is_file(), "{name}");
        }
    }
}
