//! A small library that makes a process's syncs slower and some names hang, compiled when it is needed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

const SOURCE: &str = include_str!("../shim/slow.c");

/// The library, and what it is to do.
#[derive(Clone, Debug)]
pub(crate) struct Shim {
    library: PathBuf,
    fsync_ms: u32,
    hang: PathBuf,
}

impl Shim {
    /// Compiles the library into a folder.
    pub(crate) fn build(folder: &Path, fsync_ms: u32) -> Result<Self> {
        let (source, library) = (folder.join("slow.c"), folder.join("libslow.so"));
        std::fs::write(&source, SOURCE)?;
        let mut cc = std::process::Command::new("cc");
        cc.args(["-O2", "-Wall", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl");
        let status = cc.status().context("cc cannot be run; install a C compiler")?;
        if !status.success() {
            bail!("the shim does not compile");
        }
        let hang = folder.join("hang");
        Ok(Self {
            library,
            fsync_ms,
            hang,
        })
    }

    /// Puts the library into a process that is about to start.
    pub(crate) fn apply(&self, command: &mut Command) {
        command.env("LD_PRELOAD", &self.library);
        command.env("SLOW_FSYNC_US", (u64::from(self.fsync_ms) * 1_000).to_string());
        command.env("SLOW_HANG_FILE", &self.hang);
    }

    /// From now on, names that end in `.slow.test` hang, or are this machine again.
    pub(crate) fn hang_names(&self, hang: bool) -> Result<()> {
        if hang {
            std::fs::write(&self.hang, b"")?;
        } else if self.hang.exists() {
            std::fs::remove_file(&self.hang)?;
        }
        Ok(())
    }
}
