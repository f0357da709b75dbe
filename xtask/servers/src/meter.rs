//! What a part of this process costs, for processes that measure themselves: wall time, and CPU of all threads.
//!
//! Linux only: CPU is the kernel's own count in nanoseconds (`/proc/self/task/*/schedstat`), which is exact to a tick of
//! its scheduler; what [`crate::bench`] reads from outside comes in steps of 10 ms and has the whole process.

#![expect(clippy::disallowed_methods, reason = "the wall clock is what is measured")]

use std::fs;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Seconds, added up over the parts that were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// From begin to end of each part.
    pub(crate) wall: f64,
    /// CPU, user and system.
    pub(crate) cpu: f64,
}

/// A part that has begun.
pub(crate) struct Meter {
    begin: Instant,
    cpu: f64,
}

impl Meter {
    /// Begins a part.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { cpu: cpu_of_threads()?, begin: Instant::now() })
    }

    /// Ends the part and adds it. No thread may have ended within it: it would take its account along.
    pub(crate) fn add_to(self, spent: &mut Spent) -> Result<()> {
        spent.wall += self.begin.elapsed().as_secs_f64();
        spent.cpu += cpu_of_threads()? - self.cpu;
        Ok(())
    }
}

impl Spent {
    /// Prints it for the process that started this one.
    pub(crate) fn print(&self) -> Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }

    /// Reads what a process printed.
    pub(crate) fn parse(printed: &str) -> Result<Self> {
        serde_json::from_str(printed)
            .with_context(|| format!("not what a process that measures itself prints: {printed}"))
    }
}

fn cpu_of_threads() -> Result<f64> {
    let threads =
        fs::read_dir("/proc/self/task").context("cannot read /proc; bench needs Linux")?;
    let mut seconds = 0.0;
    for thread in threads {
        // A thread that ended meanwhile did nothing.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        seconds += parse(&text).with_context(|| format!("not a schedstat: {text:?}"))?;
    }
    Ok(seconds)
}

/// Reads the time on the processor, the first of three numbers.
fn parse(schedstat: &str) -> Option<f64> {
    let nanos: u64 = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(std::time::Duration::from_nanos(nanos).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_figures_are_read() {
        assert_eq!(parse("1500000000 78029503 78\n"), Some(1.5));
        assert_eq!(parse(""), None);
    }

    #[test]
    fn what_was_measured_is_told() {
        let mut spent = Spent::default();
        for _ in 0..2 {
            let meter = Meter::start().unwrap();
            let begin = Instant::now();
            while begin.elapsed().as_millis() < 30 {}
            meter.add_to(&mut spent).unwrap();
        }
        assert!(spent.wall >= 0.06 && spent.cpu > 0.0, "{spent:?}");
        let spent = Spent { wall: 1.5, cpu: 0.25 };
        assert_eq!(Spent::parse(&serde_json::to_string(&spent).unwrap()).unwrap(), spent);
        assert!(Spent::parse("nothing").is_err());
    }
}
