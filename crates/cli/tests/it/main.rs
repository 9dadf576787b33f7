//! The real binary, run in folders of its own: what it prints, where, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test's helper may panic")]

mod again;
mod apps;
mod dev;
#[cfg(unix)]
mod ending;
mod http;
mod listen;
mod log;
mod program;
mod serve;
#[cfg(unix)]
mod spans;
mod store;
mod trigger;
mod types;
mod usage;
