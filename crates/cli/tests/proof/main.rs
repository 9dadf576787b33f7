//! The platform as a process among things that go wrong: kills, power failures, full and broken disks, jumping clocks,
//! hostile endpoints and name servers. What it accepted must come out of all of it.
//!
//! Linux only: the tests read `/proc` and put a library between the platform and the machine (`shim.c`).
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

mod api;
mod batch;
mod crash;
mod crowd;
mod guard;
mod hostile;
mod power;
mod process;
mod shim;
mod sink;
mod synced;
mod trouble;

use std::time::Duration;

use tokio::time::sleep;

/// Nothing on this machine takes longer, however busy it is.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// As long at least. Looks are counted and not time, so that a process that is stopped for a while goes on waiting.
const LOOKS_MAX: usize = 12_000;

/// Waits until something is so; panics when it does not come to be.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    for _ in 0..LOOKS_MAX {
        if so().await {
            return;
        }
        sleep(LOOK_EVERY).await;
    }
    panic!("{what}: not so, although this looked {LOOKS_MAX} times");
}

/// A number that differs from run to run, unless `LARKSPUR_TEST_SEED` repeats one; it is printed when a test fails.
#[expect(clippy::print_stdout, reason = "whoever sees the failure wants to repeat it")]
fn seed() -> u64 {
    let given = std::env::var("LARKSPUR_TEST_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..), |given| given.parse().unwrap());
    println!("repeat this run with LARKSPUR_TEST_SEED={seed}");
    seed
}
