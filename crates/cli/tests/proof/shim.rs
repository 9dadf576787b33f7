//! The library between the platform and the machine, built from `shim.c` by the C compiler that the store needs anyway.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the library is; it is built once.
pub(crate) fn path() -> &'static Path {
    static SHIM: OnceLock<PathBuf> = OnceLock::new();
    SHIM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proof/shim.c");
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"));
        // Built beside its place and then moved there, since another run may be using it.
        let (built, library) = (dir.join(format!("shim-{}", std::process::id())), dir.join("shim.so"));
        let options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"];
        let mut cc = Command::new("cc");
        cc.args(options).arg(&built).arg(source).args(["-ldl", "-lpthread"]);
        assert!(cc.status().unwrap().success(), "{cc:?}");
        std::fs::rename(built, &library).unwrap();
        library
    })
}

/// `ENOSPC`.
pub(crate) const NO_SPACE: i32 = 28;
/// `EROFS`.
pub(crate) const READ_ONLY: i32 = 30;
/// `EIO`.
pub(crate) const BROKEN: i32 = 5;

/// What the shim is told while the platform runs: `struct control` of `shim.c`.
pub(crate) struct Control {
    pub(crate) path: PathBuf,
    file: std::fs::File,
}

impl Control {
    /// One that changes nothing.
    pub(crate) fn new(dir: &Path) -> Self {
        let path = dir.join("control");
        std::fs::write(&path, [0; 24]).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        Self { path, file }
    }

    fn set(&self, at: u64, bytes: &[u8]) {
        self.file.write_all_at(bytes, at).unwrap();
    }

    /// Opening the store's files for writing fails with this error; 0 ends it.
    pub(crate) fn fail_opening(&self, error: i32) {
        self.set(0, &error.to_ne_bytes());
    }

    /// Writing to the store's files fails with this error; 0 ends it.
    pub(crate) fn fail_writing(&self, error: i32) {
        self.set(4, &error.to_ne_bytes());
    }

    /// Syncing the store's files fails with this error; 0 ends it.
    pub(crate) fn fail_syncing(&self, error: i32) {
        self.set(8, &error.to_ne_bytes());
    }

    /// The time of day is this much ahead of the machine's.
    pub(crate) fn set_clock_ahead(&self, ms: i64) {
        self.set(16, &ms.to_ne_bytes());
    }
}
