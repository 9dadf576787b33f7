//! `cargo xtask`: what the repository does to itself.

mod codegen;

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
}

fn main() -> anyhow::Result<ExitCode> {
    let root = root()?;
    match Cli::parse().task {
        Task::Codegen { check: false } => codegen::write(&root),
        Task::Codegen { check: true } => codegen::check(&root),
    }
}

fn root() -> anyhow::Result<PathBuf> {
    let xtask = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(xtask
        .parent()
        .context("the xtask crate is not inside a workspace")?
        .to_owned())
}
