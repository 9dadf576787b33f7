//! The folder that `dev` keeps its data in, and what it leaves there for the other commands.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// The folder's name.
pub(crate) const NAME: &str = ".larkspur";
const FILE: &str = "dev.json";

/// What `dev` leaves for the other commands. The file is readable by its owner only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DevFile {
    /// Where the platform is.
    pub(crate) url: String,
    /// Allows everything.
    pub(crate) admin_token: String,
    /// The apps made ready: persistent connection, webhook, store.
    pub(crate) apps: Vec<DevApp>,
}

/// An app that was made ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DevApp {
    pub(crate) app_id: String,
    pub(crate) app_secret: String,
}

impl DevFile {
    /// Reads the file of a folder, if there is one.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = dir.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
        };
        let file = serde_json::from_str(&text);
        file.map(Some)
            .with_context(|| format!("`{}` is not what `larkspur dev` wrote", path.display()))
    }

    /// Looks for the file in this folder and those above.
    pub(crate) fn find() -> Option<Self> {
        let here = std::env::current_dir().ok()?;
        here.ancestors()
            .find_map(|dir| Self::read(&dir.join(NAME)).ok().flatten())
    }

    /// Writes the file, in one step.
    pub(crate) fn write(&self, dir: &Path) -> anyhow::Result<()> {
        let (path, draft) = (dir.join(FILE), dir.join(format!("{FILE}.new")));
        let text = serde_json::to_string_pretty(self)?;
        private_file(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("`{}` cannot be written", path.display()))
    }
}

/// Makes the folder, for its owner only.
pub(crate) fn make(dir: &Path) -> anyhow::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(dir)
        .with_context(|| format!("the folder `{}` cannot be made", dir.display()))?;
    Ok(dir.to_owned())
}

/// Makes a file, or empties it, for its owner only.
pub(crate) fn private_file(path: &Path) -> std::io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
