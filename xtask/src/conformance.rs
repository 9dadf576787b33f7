//! `cargo xtask conformance`: the official SDKs against our platform.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Context as _;

/// Builds the binary and the runner, and runs it with what was asked for.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let build = ["build", "-p", "larkspur-cli", "-p", "larkspur-conformance"];
    if !cargo(root, &build, &[])? {
        return Ok(ExitCode::FAILURE);
    }
    let passed = cargo(root, &["run", "-q", "-p", "larkspur-conformance", "--"], arguments)?;
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo(root: &Path, command: &[&str], arguments: &[String]) -> anyhow::Result<bool> {
    let mut cargo = Command::new("cargo");
    let status = cargo.args(command).args(arguments).current_dir(root).status();
    Ok(status.context("cargo cannot be run")?.success())
}
