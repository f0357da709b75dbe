//! What one process costs: wall time, CPU, memory. Linux only, from `/proc`.
//!
//! CPU is what the kernel adds to its parent's account of ended children when the process is reaped: complete, threads
//! included, in ticks of 10 ms. Memory is the kernel's own high-water mark (`VmHWM`); it vanishes with the process, so a
//! thread looks at it every 10 ms, and only growth in the last 10 ms can be missed.

#![expect(
    clippy::disallowed_methods,
    reason = "the wall clock is what is measured, and the watching thread must sleep"
)]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::postgres::Served;

/// The kernel tells times to programs in this unit on every architecture that we know of.
const TICKS_PER_SECOND: f64 = 100.0;

/// A process that takes longer is killed: the others are to be measured, too.
const LONGEST: Duration = Duration::from_mins(30);

/// What one process cost, and what it printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Measured {
    /// Seconds from start to end.
    pub(super) wall: f64,
    /// Seconds of CPU, user and system.
    pub(super) cpu: f64,
    /// Bytes of resident memory at most.
    pub(super) peak: u64,
    /// What it printed, on stdout and then on stderr.
    pub(super) printed: String,
    /// What the server did meanwhile, where it tells.
    pub(super) served: Option<Served>,
}

/// Runs a process to its good end; what it prints goes through files in `folder`, so that it never waits for us.
pub(super) fn run(command: &mut Command, folder: &Path) -> Result<Measured> {
    run_at_most(LONGEST, command, folder)
}

fn run_at_most(longest: Duration, command: &mut Command, folder: &Path) -> Result<Measured> {
    let (stdout, stderr) = (folder.join("stdout"), folder.join("stderr"));
    command.stdout(File::create(&stdout)?).stderr(File::create(&stderr)?);
    let cpu_before = cpu_of_ended_children()?;
    let begin = Instant::now();
    let mut child = command.spawn().context("cannot start the process")?;
    let (done, pid) = (AtomicBool::new(false), child.id());
    let (status, peak, wall) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let (mut peak, mut killed) = (0, false);
            while !done.load(Ordering::Relaxed) {
                peak = peak_memory(pid).unwrap_or(0).max(peak);
                if !killed && begin.elapsed() > longest {
                    killed = true;
                    // It is not waited for yet, so the number is its own.
                    drop(Command::new("kill").args(["-KILL", &pid.to_string()]).status());
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            peak
        });
        let status = child.wait();
        let wall = begin.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        (status, watch.join().unwrap_or(0), wall)
    });
    let cpu = cpu_of_ended_children()? - cpu_before;
    let printed = fs::read_to_string(&stdout)? + &fs::read_to_string(&stderr)?;
    let status = status.context("cannot wait for the process")?;
    ensure!(wall <= longest.as_secs_f64(), "the process was killed after {wall:.0} s:\n{printed}");
    if !status.success() {
        bail!("the process failed ({status}):\n{printed}");
    }
    Ok(Measured { wall, cpu, peak, printed, served: None })
}

fn cpu_of_ended_children() -> Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")
        .context("cannot read /proc/self/stat; bench needs Linux")?;
    parse_children(&stat).context("/proc/self/stat does not look as it should")
}

/// Reads the fields cutime and cstime; they are counted behind the name, which may hold anything.
fn parse_children(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = |index: usize| fields.split_whitespace().nth(index)?.parse::<u32>().ok();
    Some((f64::from(ticks(13)?) + f64::from(ticks(14)?)) / TICKS_PER_SECOND)
}

fn peak_memory(pid: u32) -> Option<u64> {
    parse_peak(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kibibytes| kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 200 0 0 5 6 250 50 20 0 1 0 100";
        assert_eq!(parse_children(stat), Some(3.0));
        assert_eq!(parse_peak("Name:\tx\nVmPeak:\t  9 kB\nVmHWM:\t    2048 kB\n"), Some(2 << 20));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_is_measured() {
        let folder = std::env::temp_dir();
        let folder = folder.join(format!("ctk-measure-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo counted $i";
        let measured = run(Command::new("sh").args(["-c", script]), &folder).unwrap();
        assert_eq!(measured.printed, "counted 200000\n");
        assert!(
            measured.cpu > 0.0 && measured.wall > 0.0 && measured.peak > 100_000,
            "{measured:?}"
        );
        let error =
            run(Command::new("sh").args(["-c", "echo reason >&2; exit 3"]), &folder).unwrap_err();
        assert!(error.to_string().contains("reason"), "{error}");
        let sleeps = &mut Command::new("sleep");
        let error = run_at_most(Duration::from_millis(50), sleeps.arg("60"), &folder).unwrap_err();
        assert!(error.to_string().starts_with("the process was killed after"), "{error}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
