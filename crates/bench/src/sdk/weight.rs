//! What a build of the SDK takes: how many crates, how long from nothing, and no protobuf compiler.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::Bench;
use super::table::Row;

const CASE: &str = "weight";

pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>> {
    let mut row = Row::new(CASE, "larkspur").with("crates", f64::from(crates()?));
    // A build says nothing about whether an event is lost.
    if !bench.options.smoke {
        row = row.with("cold_debug_build_s", build(bench.folder.path())?);
    }
    Ok(vec![row])
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

fn crates() -> Result<u32> {
    let tree = ["tree", "-p", "larkspur", "-e", "normal,build", "--prefix", "none"];
    let output = cargo(&tree).output().context("cargo cannot be run")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo cannot list the crates: {stderr}");
    let lines = String::from_utf8(output.stdout)?;
    let names: BTreeSet<_> = lines.lines().filter_map(|line| line.split(" (").next()).collect();
    Ok(u32::try_from(names.len())?)
}

/// Seconds to build with everything downloaded and nothing built, and with a protobuf compiler that does not exist.
fn build(folder: &Path) -> Result<f64> {
    let mut fetch = cargo(&["fetch", "-q"]);
    ensure!(
        fetch.status().context("cargo cannot be run")?.success(),
        "the crates cannot be downloaded"
    );
    let mut build = cargo(&["build", "-q", "--offline", "-p", "larkspur", "--target-dir"]);
    build.arg(folder.join("cold")).env("PROTOC", "/nonexistent");
    let start = Instant::now();
    ensure!(
        build.status().context("cargo cannot be run")?.success(),
        "the SDK does not build"
    );
    Ok(start.elapsed().as_secs_f64())
}
