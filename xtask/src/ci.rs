//! `cargo xtask test` and `cargo xtask ci`: what has to hold before a change lands.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Context as _;

/// One thing that is run, and its words.
struct Step {
    name: &'static str,
    command: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

const fn step(name: &'static str, command: &'static [&'static str]) -> Step {
    Step {
        name,
        command,
        variables: &[],
    }
}

/// Everything that needs only Rust and a C compiler.
const TEST: &[Step] = &[step("tests", &["cargo", "test", "--workspace", "--all-features"])];

/// All of it, the cheapest to fail first, after the tests that the README names.
const CI: &[Step] = &[
    step("tests, as the README says", &["cargo", "xtask", "test"]),
    step("format", &["cargo", "fmt", "--all", "--check"]),
    step("generated structs", &["cargo", "xtask", "codegen", "--check"]),
    step(
        "lints",
        &[
            "cargo",
            "clippy",
            "--workspace",
            "--all-features",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    ),
    Step {
        name: "documentation",
        command: &["cargo", "doc", "--workspace", "--all-features", "--no-deps"],
        variables: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    step(
        "the SDK by its features",
        &[
            "cargo",
            "check",
            "-p",
            "larkspur",
            "--no-default-features",
            "--features",
            "ws",
        ],
    ),
    step(
        "the SDK without a connection",
        &[
            "cargo",
            "check",
            "-p",
            "larkspur",
            "--no-default-features",
            "--features",
            "webhook",
        ],
    ),
    step(
        "the benchmark of the platform, in short",
        &["cargo", "xtask", "bench", "platform", "--smoke"],
    ),
    step("fuzzing, in short", &["cargo", "xtask", "fuzz"]),
    step("official SDKs", &["cargo", "xtask", "conformance"]),
    step(
        "the benchmark of the SDKs, in short",
        &["cargo", "xtask", "bench", "sdk", "--smoke"],
    ),
];

/// Runs the tests.
pub(crate) fn test(root: &Path) -> anyhow::Result<ExitCode> {
    run(root, TEST)
}

/// Runs everything.
pub(crate) fn all(root: &Path) -> anyhow::Result<ExitCode> {
    run(root, CI)
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what runs and how it ended is the result"
)]
fn run(root: &Path, steps: &[Step]) -> anyhow::Result<ExitCode> {
    for Step {
        name,
        command,
        variables,
    } in steps
    {
        println!("== {name}: {}", command.join(" "));
        let started = Instant::now();
        let status = Command::new(command[0])
            .args(&command[1..])
            .envs(variables.iter().copied())
            .current_dir(root)
            .status()
            .with_context(|| format!("`{}` cannot be run", command[0]))?;
        println!("== {name}: {} s", started.elapsed().as_secs());
        if !status.success() {
            eprintln!(
                "error: {name} failed\nhint: run `{}` to see it alone",
                command.join(" ")
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
