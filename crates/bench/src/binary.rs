//! Which `larkspur` is measured, and what figures call it.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

/// A `larkspur`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Binary {
    pub(crate) path: PathBuf,
    /// How it was built, so that no figure is taken for one of another build.
    pub(crate) build: String,
}

impl Binary {
    /// The one that was asked for, or the one beside the bench, which is built as the bench is.
    pub(crate) fn choose(bench: &Path, binary: Option<&Path>, build: Option<&str>) -> Result<Self> {
        let ours = if cfg!(debug_assertions) { "debug" } else { "release" };
        let chosen = match binary {
            None => Self {
                path: bench.with_file_name("larkspur"),
                build: ours.to_owned(),
            },
            Some(path) => Self {
                path: path.to_owned(),
                build: build.map_or_else(|| path.display().to_string(), str::to_owned),
            },
        };
        ensure!(
            chosen.path.is_file(),
            "there is no {}; build larkspur-cli",
            chosen.path.display()
        );
        Ok(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_is_called_by_its_build_or_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (bench, beside) = (folder.path().join("larkspur-bench"), folder.path().join("larkspur"));
        let other = folder.path().join("other");
        std::fs::write(&other, b"").unwrap();
        let build = |binary: Option<&Path>, build| Binary::choose(&bench, binary, build).map(|chosen| chosen.build);
        let missing = build(None, None).unwrap_err().to_string();
        assert!(missing.contains(beside.to_str().unwrap()), "{missing}");
        std::fs::write(&beside, b"").unwrap();
        assert_eq!(build(None, None).unwrap(), "debug");
        assert_eq!(build(Some(&other), Some("profile-guided")).unwrap(), "profile-guided");
        assert_eq!(build(Some(&other), None).unwrap(), other.to_str().unwrap());
    }
}
