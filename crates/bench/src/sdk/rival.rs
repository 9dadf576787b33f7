//! The official SDKs, where the proof by peers has installed them.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::process::Command;

/// An official SDK.
#[derive(Debug)]
pub(super) struct Rival {
    /// Language, and version when it is installed.
    pub(super) name: String,
    pub(super) folder: Option<PathBuf>,
}

/// Python's and Node's, installed or not.
pub(super) fn find(target: &Path) -> Vec<Rival> {
    let folders = std::fs::read_dir(target.join("conformance")).into_iter().flatten();
    let folders: Vec<PathBuf> = folders.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let find = |language: &str| {
        let found = folders.iter().find_map(|folder| {
            let version = folder
                .file_name()?
                .to_str()?
                .strip_prefix(language)?
                .strip_prefix('-')?;
            folder
                .join("installed-from")
                .is_file()
                .then(|| (version, folder.clone()))
        });
        match found {
            Some((version, folder)) => Rival {
                name: format!("{language} {version}"),
                folder: Some(folder),
            },
            None => Rival {
                name: language.to_owned(),
                folder: None,
            },
        }
    };
    ["python", "node"].map(find).into()
}

impl Rival {
    /// Its program of this name, told what to do.
    pub(super) fn program(&self, name: &str, spec: &Value) -> Result<Command> {
        let folder = self.folder.as_ref().context("it is not installed")?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("rivals");
        let mut command = if self.name.starts_with("python") {
            let mut python = Command::new(folder.join("venv/bin/python"));
            python.arg(source.join(format!("{name}.py")));
            python
        } else {
            // A module is looked up beside the script that imports it.
            let script = folder.join(format!("bench-{name}.mjs"));
            std::fs::copy(source.join(format!("{name}.mjs")), &script)
                .with_context(|| format!("cannot write {}", script.display()))?;
            let mut node = Command::new("node");
            node.arg(script);
            node
        };
        // Both would send requests for loopback to a proxy.
        for variable in [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ] {
            command.env_remove(variable);
        }
        command.env("LARKSPUR_BENCH", spec.to_string());
        Ok(command)
    }
}
