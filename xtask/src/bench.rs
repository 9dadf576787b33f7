//! `cargo xtask bench`: the real binary under load, and the SDK.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::ValueEnum;

/// What can be measured.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum What {
    /// `larkspur serve`.
    Platform,
    /// The SDK, and the official ones that `cargo xtask conformance` has installed.
    Sdk,
}

/// Builds what is measured and the bench, and runs it with what was asked for. The short form takes the unoptimized build,
/// which the tests have made already, since it judges no speed.
pub(crate) fn run(root: &Path, what: What, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let smoke = arguments.iter().any(|argument| argument == "--smoke");
    let profile: &[&str] = if smoke { &[] } else { &["--release"] };
    let (name, packages): (_, &[&str]) = match what {
        What::Platform => ("platform", &["-p", "larkspur-cli", "-p", "larkspur-bench"]),
        What::Sdk => ("sdk", &["-p", "larkspur-bench"]),
    };
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "-q"]).args(packages).args(profile);
    let built = cargo.current_dir(root).status();
    if !built.context("cargo cannot be run")?.success() {
        return Ok(ExitCode::FAILURE);
    }
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "-q", "-p", "larkspur-bench"]).args(profile);
    let ran = cargo.args(["--", name]).args(arguments).current_dir(root).status();
    let passed = ran.context("cargo cannot be run")?.success();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
