//! Copying the whole file as of one moment, while the writer writes.
//!
//! The copy is made by SQLite's backup API in steps, within a read transaction: a step alone would begin anew whenever
//! the writer has committed in between, and under load never end. Readers do not hold the writer up; the write-ahead
//! log only grows until the copy is made. <https://www.sqlite.org/backup.html>

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::open::{OpenError, connect_to_look, take_lock};

/// 4 MiB: short enough to pause often, long enough that the pauses are few.
const STEP_PAGES: i32 = 1_024;
/// The longest pause between steps.
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// The copy could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The file to copy cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy's file cannot be made; one that exists is never overwritten.
    #[error("`{}` cannot be written", path.display())]
    Write {
        /// The copy's file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// SQLite failed.
    #[error("SQLite cannot copy to `{}`", path.display())]
    Sqlite {
        /// The copy's file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Copies a store that no platform has open to a new file, which only its owner can read. Answers its size in bytes.
pub fn backup(from: &Path, to: &Path) -> Result<u64, BackupError> {
    let _lock = take_lock(from)?;
    let write = |source| BackupError::Write {
        path: to.to_owned(),
        source,
    };
    let sqlite = |source: rusqlite::Error| BackupError::Sqlite {
        path: to.to_owned(),
        source: source.into(),
    };
    let source = connect_to_look(from).map_err(sqlite)?;
    // Under its name only once it is whole.
    let draft = beside(to, ".partial");
    if to.exists() {
        return Err(write(io::ErrorKind::AlreadyExists.into()));
    }
    let file = create(&draft).map_err(write)?;
    let copied = copy(&source, &draft, || false).map_err(sqlite);
    let placed = copied.and_then(|_| {
        file.sync_all().map_err(write)?;
        fs::rename(&draft, to).map_err(write)?;
        Ok(file.metadata().map_err(write)?.len())
    });
    if placed.is_err() {
        let _ = fs::remove_file(&draft);
    }
    placed
}

/// Copies through a connection to a file that `create` made; answers whether it came to the end. `stop` is asked before
/// every step.
pub(crate) fn copy(source: &Connection, to: &Path, stop: impl Fn() -> bool) -> rusqlite::Result<bool> {
    let snapshot = source.unchecked_transaction()?;
    // A transaction sees what was there when it first reads.
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(to, flags)?;
    // Nobody else sees the file, and it is synced once, when it is whole.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let steps = Backup::new(&snapshot, &mut target)?;
    while !stop() {
        let started = Instant::now();
        if steps.step(STEP_PAGES)? == StepResult::Done {
            drop(steps);
            return target.close().map(|()| true).map_err(|(_, error)| error);
        }
        // At most half of the disk's time, so that commits go on at their pace.
        std::thread::sleep(started.elapsed().min(PAUSE_MAX));
    }
    Ok(false)
}

/// Makes an empty file that only its owner can read.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Where a copy is made that gets no name.
pub(crate) fn nameless(store: &Path) -> PathBuf {
    beside(store, ".backup")
}

/// Removes what a crash left of a copy.
pub(crate) fn remove_leftover(store: &Path) {
    // Mostly there is none.
    let _ = fs::remove_file(nameless(store));
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}
