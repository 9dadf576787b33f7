//! What a process uses, as `/proc` tells it.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The monotonic time in nanoseconds, the same in every process of this machine.
pub(crate) fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// Time on a processor so far, in the kernel and outside of it.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The name may contain anything, and stands in parentheses.
    let after_name = text.rsplit_once(')').map(|(_, rest)| rest);
    let mut fields = after_name
        .with_context(|| format!("{path} has no name"))?
        .split_whitespace();
    let user: u64 = fields.nth(11).unwrap_or_default().parse()?;
    let system: u64 = fields.next().unwrap_or_default().parse()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_millis((user + system) * 1_000 / per_second))
}

/// This process's time on a processor so far.
pub(crate) fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Memory that the process alone is responsible for: shared pages count by their share.
pub(crate) fn pss_bytes(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("Pss:")?
            .split_whitespace()
            .next()?
            .parse::<u64>()
            .ok()
    });
    Ok(kib.with_context(|| format!("{path} has no Pss"))? * 1024)
}

/// Lets this process and its children open as many files as the system allows.
pub(crate) fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("cannot raise the limit of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_processor_time_and_memory() {
        let me = std::process::id();
        let before = cpu(me).unwrap();
        let start = now_ns();
        while cpu(me).unwrap() <= before {
            assert!(now_ns() - start < 10_000_000_000, "ten seconds of work took no time");
        }
        assert!(pss_bytes(me).unwrap() > 4096);
    }
}
