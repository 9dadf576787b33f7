//! `cargo xtask fuzz`: bytes from outside, made up at random, against everything that reads them.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

/// The fuzzer that is installed when there is none.
const VERSION: &str = "0.13.2";
/// An input that takes longer is one to look at.
const INPUT_SECONDS_MAX: u64 = 10;
/// Nothing that we read may need as much.
const MEMORY_MB_MAX: u64 = 1_024;

/// Runs each target, or those that were named, for so long.
///
/// `fuzz/seeds` is read and not written; what a run finds goes to `fuzz/found`, and with `keep` the part of it that
/// reaches code which nothing else does goes to `fuzz/seeds`.
#[expect(clippy::print_stdout, reason = "what runs is the result")]
pub(crate) fn run(root: &Path, targets: &[String], seconds: u64, keep: bool) -> anyhow::Result<ExitCode> {
    install(root)?;
    let all = all_targets(root)?;
    for target in targets {
        ensure!(
            all.contains(target),
            "there is no target `{target}`; there are {}",
            all.join(", ")
        );
    }
    let chosen = if targets.is_empty() { &all[..] } else { targets };
    for target in chosen {
        println!("== {target}: {seconds} s");
        if !fuzz(root, target, seconds, keep)? {
            println!("error: `{target}` failed; the input is in fuzz/artifacts/{target}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn install(root: &Path) -> anyhow::Result<()> {
    let version = cargo(root, &["fuzz", "--version"]).output();
    if version.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let installed = cargo(root, &["install", "--locked", "--version", VERSION, "cargo-fuzz"]).status();
    ensure!(installed?.success(), "cargo-fuzz cannot be installed");
    Ok(())
}

fn all_targets(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("fuzz/fuzz_targets");
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read `{}`", folder.display()))? {
        let path = entry?.path();
        targets.extend(path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned));
    }
    targets.sort();
    Ok(targets)
}

fn fuzz(root: &Path, target: &str, seconds: u64, keep: bool) -> anyhow::Result<bool> {
    let (seeds, found) = (format!("fuzz/seeds/{target}"), format!("fuzz/found/{target}"));
    for folder in [&seeds, &found] {
        fs::create_dir_all(root.join(folder))?;
    }
    let limits = [
        format!("-max_total_time={seconds}"),
        format!("-timeout={INPUT_SECONDS_MAX}"),
        format!("-rss_limit_mb={MEMORY_MB_MAX}"),
        "-print_final_stats=1".to_owned(),
    ];
    let mut ran = cargo(root, &["fuzz", "run", target, &found, &seeds, "--"]);
    if !ran.args(limits).status().context("cargo fuzz cannot be run")?.success() {
        return Ok(false);
    }
    if !keep {
        return Ok(true);
    }
    let mut merged = cargo(root, &["fuzz", "run", target, &seeds, &found, "--", "-merge=1"]);
    Ok(merged.status()?.success())
}

/// The fuzzer needs what the stable compiler can do but does not promise.
fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.env("RUSTC_BOOTSTRAP", "1").args(arguments).current_dir(root);
    cargo
}
