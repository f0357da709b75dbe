//! `setup`: installs what the tests need and the machine lacks, and says what it does.
//!
//! Nothing is installed twice: when all is there, it takes a moment and prints one line. `--check` only tells.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::shell;

/// The second Kinesis emulator, by other people, that the conformance tests start with node.
const KINESIS_LOCAL: &str = "0.6.2";

/// The third Kinesis emulator, which the conformance tests start with Python, and the web server that it needs: the `server`
/// extra of moto would bring what other services need, and twice the size.
const MOTO: &str = "5.2.5";
const MOTO_NEEDS: [&str; 2] = ["flask==3.1.3", "flask-cors==6.0.5"];

/// Something the tests need.
struct Need {
    name: &'static str,
    what_for: &'static str,
    there: fn() -> bool,
    install: fn() -> Result<()>,
}

const NEEDS: [Need; 6] = [
    Need {
        name: "cargo-nextest",
        what_for: "runs the tests",
        there: || shell::works(&mut shell::cargo(&["nextest", "--version"])),
        install: || shell::run(&mut shell::cargo(&["install", "--locked", "cargo-nextest"])),
    },
    Need {
        name: "node and npm",
        what_for: "run the second Kinesis emulator",
        there: || {
            ["node", "npm"]
                .iter()
                .all(|name| shell::works(&mut shell::program(name, &["--version"])))
        },
        install: || {
            install_packages(
                &["npm", "nodejs"],
                "Node.js 18 or later with npm (your system's package, or nodejs.org)",
            )
        },
    },
    Need {
        name: "kinesis-local",
        what_for: "the second Kinesis emulator",
        there: kinesis_local_is_there,
        install: install_kinesis_local,
    },
    Need {
        name: "Python 3 with venv",
        what_for: "runs the third Kinesis emulator",
        // Debian has venv in a package of its own: then the module is there, and what it needs is not.
        there: || shell::works(&mut shell::program("python3", &["-c", "import venv, ensurepip"])),
        install: || {
            install_packages(
                &["python3", "python3-venv"],
                "Python 3.10 or later with venv (your system's packages, or python.org)",
            )
        },
    },
    Need {
        name: "moto",
        what_for: "the third Kinesis emulator",
        there: moto_is_there,
        install: install_moto,
    },
    Need {
        name: "PostgreSQL 13 or later",
        what_for: "each test of it starts a server of its own",
        there: postgres_is_there,
        install: install_postgres,
    },
];

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    let missing = missing();
    for need in &missing {
        println!("setup: {} is missing ({}); installing it", need.name, need.what_for);
        (need.install)().with_context(|| format!("cannot install {}", need.name))?;
        if !(need.there)() {
            bail!("{} was installed, but does not work", need.name);
        }
    }
    if missing.is_empty() {
        println!("setup: nothing is missing");
    } else {
        println!("setup: done");
    }
    Ok(())
}

/// Tells what is missing; that is an error.
pub(crate) fn check() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        println!("setup: nothing is missing");
        return Ok(());
    }
    for need in &missing {
        println!("setup: {} is missing ({})", need.name, need.what_for);
    }
    bail!("{} missing; `cargo xtask setup` installs what it can", missing.len())
}

fn missing() -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| !(need.there)()).collect()
}

/// Debian's package manager can do it for root; elsewhere there are too many ways to choose one.
fn install_packages(packages: &[&str], what: &str) -> Result<()> {
    let root = shell::output(&mut shell::program("id", &["-u"])).is_ok_and(|id| id.trim() == "0");
    if !(root && PathBuf::from("/etc/debian_version").exists()) {
        bail!("install {what}, then repeat");
    }
    let install = || {
        let arguments = ["install", "--yes", "--no-install-recommends"];
        shell::run(shell::program("apt-get", &arguments).args(packages))
    };
    // A fresh system has no list of packages yet.
    install().or_else(|_| {
        shell::run(&mut shell::program("apt-get", &["update"]))?;
        install()
    })
}

fn kinesis_local_folder() -> PathBuf {
    shell::root().join("target/tools/kinesis-local")
}

fn kinesis_local_is_there() -> bool {
    let manifest = kinesis_local_folder().join("node_modules/kinesis-local/package.json");
    fs::read_to_string(manifest).is_ok_and(|text| has_version(&text, KINESIS_LOCAL))
}

/// Returns whether a package's manifest names this version, however it is laid out.
fn has_version(manifest: &str, version: &str) -> bool {
    let dense: String = manifest.split_whitespace().collect();
    dense.contains(&format!("\"version\":\"{version}\""))
}

fn install_kinesis_local() -> Result<()> {
    let folder = kinesis_local_folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let package = format!("kinesis-local@{KINESIS_LOCAL}");
    let arguments = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
    shell::run(shell::program("npm", &arguments).arg(&folder).arg(package))
}

fn moto_folder() -> PathBuf {
    shell::root().join("target/tools/moto")
}

/// Returns a call of the Python of moto's environment. Its other programs know where they were installed, and fail elsewhere.
fn moto_python(arguments: &[&str]) -> Command {
    shell::program(&moto_folder().join("bin/python").to_string_lossy(), arguments)
}

fn moto_is_there() -> bool {
    let version = "import importlib.metadata as all, flask_cors; print(all.version('moto'))";
    shell::output(&mut moto_python(&["-c", version])).is_ok_and(|printed| printed.trim() == MOTO)
}

fn install_moto() -> Result<()> {
    let arguments = ["-m", "venv", "--clear"];
    shell::run(shell::program("python3", &arguments).arg(moto_folder()))?;
    let arguments = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    shell::run(moto_python(&arguments).arg(format!("moto=={MOTO}")).args(MOTO_NEEDS))
}

/// The oldest version that `ctk` takes.
const POSTGRES: u32 = 13;

fn postgres_is_there() -> bool {
    ["postgres", "initdb", "psql"].iter().all(|name| {
        let path = postgres_program(name).to_string_lossy().into_owned();
        let printed = shell::output(&mut shell::program(&path, &["--version"]));
        printed.is_ok_and(|text| major_version(&text).is_some_and(|version| version >= POSTGRES))
    })
}

/// Returns where the tests look for a program: Debian keeps those of the server, by version, out of `PATH`.
fn postgres_program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort();
    let found =
        folders.into_iter().rev().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| PathBuf::from(name))
}

/// Returns 15 of `postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)`.
fn major_version(printed: &str) -> Option<u32> {
    let (_, version) = printed.split_once("PostgreSQL) ")?;
    version.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

fn install_postgres() -> Result<()> {
    let what = "PostgreSQL 13 or later with its server (your system's package, or postgresql.org)";
    // The package of the server creates a cluster, and starts it, unless the settings of this one say otherwise.
    install_packages(&["postgresql-common"], what)?;
    let path = "/etc/postgresql-common/createcluster.conf";
    let text = fs::read_to_string(path).unwrap_or_default();
    fs::write(path, without_cluster(&text)).with_context(|| format!("cannot write {path}"))?;
    install_packages(&["postgresql"], what)
}

/// Returns the settings with the one that creates no cluster; who has decided about it already is left alone.
fn without_cluster(settings: &str) -> String {
    let is_set = settings.lines().any(|line| line.trim_start().starts_with("create_main_cluster"));
    let line = if is_set { "" } else { "\ncreate_main_cluster = false\n" };
    format!("{settings}{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_any_layout() {
        assert!(has_version("{\n  \"version\" : \"0.6.2\",\n}", "0.6.2"));
        assert!(has_version("{\"version\":\"0.6.2\"}", "0.6.2"));
        assert!(!has_version("{\"version\": \"0.6.20\"}", "0.6.2"));
        assert!(!has_version("", "0.6.2"));
    }

    #[test]
    fn the_major_version_of_postgresql_is_found() {
        let check = |printed: &str, expected: Option<u32>| {
            assert_eq!(major_version(printed), expected, "{printed}");
        };
        check("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n", Some(15));
        check("psql (PostgreSQL) 9.6.24", Some(9));
        check("initdb (PostgreSQL) 19devel", Some(19));
        check("initdb: error: cannot be run as root", None);
    }

    #[test]
    fn no_cluster_is_created_unless_somebody_wants_it() {
        let settings = "# Create a cluster\n#create_main_cluster = true";
        let expected = format!("{settings}\ncreate_main_cluster = false\n");
        assert_eq!(without_cluster(settings), expected);
        assert_eq!(without_cluster(&expected), expected);
        assert_eq!(without_cluster("create_main_cluster = true"), "create_main_cluster = true");
    }
}
