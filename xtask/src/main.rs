//! `cargo xtask`: what the repository does to itself.

mod bench;
mod ci;
mod codegen;
mod conformance;
mod dist;
mod fuzz;
mod soak;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Automation of the Larkspur repository.")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Writes the structs of `crates/events` from `catalog/`.
    Codegen {
        /// Writes nothing; names the files that are stale and exits 1 if there are any.
        #[arg(long)]
        check: bool,
    },
    /// Runs every test that needs only Rust and a C compiler.
    Test,
    /// Runs the official SDKs against the platform; installs them into `target/`.
    Conformance {
        /// Passed on to the runner; see `cargo xtask conformance -- --help`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures the platform or the SDK, each figure beside its floor; docs/bench.md says how to read it.
    Bench {
        /// What to measure.
        #[arg(value_enum)]
        what: bench::What,
        /// Passed on; see `cargo xtask bench platform -- --help`. `--dist` measures what `cargo xtask dist` made.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds the fastest binary, `target/dist/larkspur`: along a profile of itself under load.
    Dist,
    /// Feeds what reads bytes from outside with bytes made up at random.
    Fuzz {
        /// Which targets; all of them unless some are named.
        targets: Vec<String>,
        /// How long each is run.
        #[arg(long, default_value_t = 30)]
        seconds: u64,
        /// Adds what reaches new code to `fuzz/seeds`.
        #[arg(long)]
        keep: bool,
    },
    /// Lets time pass while a client is cut every few seconds in every way: nothing may be lost or handled twice.
    Soak {
        /// How much time passes on the platform.
        #[arg(long, default_value_t = 3_600)]
        seconds: u64,
    },
    /// Runs all that has to hold before a change lands.
    Ci,
}

fn main() -> anyhow::Result<ExitCode> {
    let root = root()?;
    match Cli::parse().task {
        Task::Codegen { check: false } => codegen::write(&root),
        Task::Codegen { check: true } => codegen::check(&root),
        Task::Test => ci::test(&root),
        Task::Conformance { arguments } => conformance::run(&root, &arguments),
        Task::Bench { what, arguments } => bench::run(&root, what, &arguments),
        Task::Dist => dist::run(&root),
        Task::Fuzz { targets, seconds, keep } => fuzz::run(&root, &targets, seconds, keep),
        Task::Soak { seconds } => soak::run(&root, seconds),
        Task::Ci => ci::all(&root),
    }
}

fn root() -> anyhow::Result<PathBuf> {
    let xtask = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(xtask
        .parent()
        .context("the xtask crate is not inside a workspace")?
        .to_owned())
}
