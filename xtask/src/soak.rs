//! `cargo xtask soak`: the long form of the soak that the tests run in short.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// What the test reads to know how long it is.
const SECONDS: &str = "LARKSPUR_SOAK_SECONDS";

/// Lets so many seconds pass on the platform while its client is cut every few seconds.
pub(crate) fn run(root: &Path, seconds: u64) -> anyhow::Result<ExitCode> {
    let arguments = ["test", "-p", "larkspur-testkit", "--test", "soak"];
    let mut cargo = Command::new("cargo");
    let ran = cargo
        .args(arguments)
        .env(SECONDS, seconds.to_string())
        .current_dir(root);
    let passed = ran.status().context("cargo cannot be run")?.success();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
