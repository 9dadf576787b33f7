//! `larkspur-bench`: measures the real `larkspur serve` with a load generator and sinks in processes of their own, and
//! the SDK beside what is unavoidable and beside the official ones.
//!
//! `cargo xtask bench platform` and `cargo xtask bench sdk` build it in release and start it; docs/bench.md says how to
//! read what it prints.

mod binary;
mod case;
mod event;
mod floor;
mod http;
mod judge;
mod machine;
mod peer;
mod platform;
mod process;
mod record;
mod report;
mod role;
mod sdk;
mod seed;
mod shim;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "larkspur-bench", about = "Measures Larkspur.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the platform, each figure beside its floor.
    Platform(Options),
    /// Measures the SDK, each figure beside its floor and the official SDKs.
    Sdk(sdk::SdkOptions),
    /// One of the processes that a measurement is made of.
    #[command(hide = true)]
    Role {
        /// Which.
        #[arg(value_enum)]
        role: role::Role,
        /// What it is to do, as JSON.
        spec: String,
    },
}

/// What to measure, and for how long.
#[derive(Args, Clone, Debug)]
struct Options {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Only cases whose names start with this; may be repeated.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// How long each case is under load.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Run each case this many times and print medians.
    #[arg(long, default_value_t = 1)]
    runs: usize,
    /// Make every fsync and fdatasync of the platform this many milliseconds longer.
    #[arg(long, default_value_t = 0)]
    fsync_ms: u32,
    /// Everything in short: fails when an event is lost or invented, never for being slow.
    #[arg(long)]
    smoke: bool,
    /// Keep the platform's files here instead of in a folder that is removed.
    #[arg(long, value_name = "FOLDER")]
    dir: Option<std::path::PathBuf>,
    /// Measure this `larkspur` instead of the one beside the bench.
    #[arg(long, value_name = "FILE")]
    binary: Option<std::path::PathBuf>,
    /// What the figures are to call its build.
    #[arg(long, value_name = "NAME", requires = "binary")]
    build: Option<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Platform(options) => {
            process::raise_file_limit()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(case::run_all(options))
        }
        Command::Sdk(options) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(sdk::run_all(options))
        }
        Command::Role { role, spec } => {
            process::raise_file_limit()?;
            role.play(&spec)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
