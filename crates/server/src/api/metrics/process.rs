//! What the operating system says of this process, under the names that every Prometheus client uses.
//!
//! Linux only, from `/proc`: <https://man7.org/linux/man-pages/man5/proc.5.html>

use std::fs;

use crate::exposition::{Exposition, Kind};

/// Ticks in a second of what `/proc` tells; the same on every machine that Larkspur runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Writes what can be learned; elsewhere than on Linux that is nothing.
pub(super) fn write(text: &mut Exposition) {
    if let Some(seconds) = fs::read_to_string("/proc/self/stat")
        .ok()
        .as_deref()
        .and_then(cpu_seconds)
    {
        const NAME: &str = "process_cpu_seconds_total";
        text.family(NAME, Kind::Counter, "Processor time used.");
        text.sample(NAME, &[], seconds);
    }
    if let Some(bytes) = fs::read_to_string("/proc/self/status")
        .ok()
        .as_deref()
        .and_then(resident_bytes)
    {
        text.gauge("process_resident_memory_bytes", "Memory in use.", bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder being read.
        let count = open.count().saturating_sub(1);
        text.gauge("process_open_fds", "File descriptors open.", count);
    }
    if let Some(max) = fs::read_to_string("/proc/self/limits")
        .ok()
        .as_deref()
        .and_then(descriptors_max)
    {
        text.gauge("process_max_fds", "File descriptors that may be open.", max);
    }
}

/// The time in user and in kernel mode, which are the 14th and 15th field; the 2nd is a name that may hold spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut ticks = after_name.split(' ').skip(11).map(str::parse::<u32>);
    let (user, system) = (ticks.next()?.ok()?, ticks.next()?.ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// The limit in force, which is the first of two numbers. It may be `unlimited`, and then is no number.
fn descriptors_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_hides_no_field() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 1 0 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(2.0));
        assert_eq!(cpu_seconds("7 (a"), None);
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
    }

    #[test]
    fn the_limit_in_force_is_told() {
        let limits = |max: &str| format!("Limit\nMax open files            {max}   1048576    files\n");
        assert_eq!(descriptors_max(&limits("1024")), Some(1024));
        assert_eq!(descriptors_max(&limits("unlimited")), None);
    }
}
