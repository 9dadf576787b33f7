//! Opening the file: the lock, the connections, the schema.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::fresh::Fresh;
use crate::migrate;

/// SQLite before this version can lose committed transactions when a WAL file is reset.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Checkpoints and readers hold the file for moments only.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Pages that a connection keeps, 4 MiB. What is written goes to the ends of a few trees, which need few. More would cost
/// more: a page that is split has the largest number of all for a moment, and the next commit looks through the whole
/// cache for pages beyond the end of the file.
const CACHE_PAGES: i32 = 1_024;

/// How to open the file.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections that read at the same time.
    pub readers: usize,
    /// How large the accepted events that wait for a commit may be together; the next batch is refused as busy.
    pub waiting_bytes_max: usize,
    /// So many of the newest event ids are kept in memory, about 64 bytes each, before they are written into their index:
    /// the more, the fewer pages that takes, and the more events a start after a crash reads.
    pub ids_in_memory_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            waiting_bytes_max: 64 << 20,
            ids_in_memory_max: 65_536,
        }
    }
}

/// The file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    #[error("`{}` is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The folder or the file cannot be made or read.
    #[error("`{}` cannot be opened", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// SQLite failed.
    #[error("SQLite cannot open `{}`", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The linked SQLite has a bug that loses data.
    #[error("SQLite {found} can lose committed data; at least 3.51.3 is needed")]
    SqliteTooOld {
        /// Its version.
        found: &'static str,
    },
    /// The file system cannot do what a write-ahead log needs, as many network file systems cannot.
    #[error("SQLite keeps no write-ahead log for `{}`, but a journal of the kind `{found}`", path.display())]
    NoWal {
        /// The file.
        path: PathBuf,
        /// The kind of journal that SQLite chose.
        found: String,
    },
    /// A newer Larkspur wrote it.
    #[error("the schema has version {found}, and this program knows versions up to {known}")]
    Newer {
        /// Its version.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The schema was made by other statements than the ones known.
    #[error("migration {number} was changed after it had been applied")]
    Changed {
        /// Which.
        number: i64,
    },
    /// The writing thread cannot be started.
    #[error("the writing thread cannot be started")]
    Thread(#[source] std::io::Error),
}

pub(crate) struct Opened {
    pub(crate) writer: Connection,
    /// Copies the write-ahead log into the file.
    pub(crate) copier: Connection,
    pub(crate) readers: Vec<Connection>,
    pub(crate) fresh: Fresh,
    pub(crate) lock: Lock,
}

pub(crate) fn open(path: &Path, options: &Options) -> Result<Opened, OpenError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(OpenError::SqliteTooOld {
            found: rusqlite::version(),
        });
    }
    let lock = lock(path)?;
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    drop(private(path).map_err(io)?);
    let sqlite = |source: rusqlite::Error| OpenError::Sqlite {
        path: path.to_owned(),
        source: Box::new(source),
    };
    let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?;
    let found: String = writer
        .pragma_query_value(None, "journal_mode", |row| row.get(0))
        .map_err(sqlite)?;
    if found != "wal" {
        return Err(OpenError::NoWal {
            path: path.to_owned(),
            found,
        });
    }
    migrate::migrate(&mut writer, sqlite)?;
    let readers = (0..options.readers.max(1)).map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sqlite));
    Ok(Opened {
        copier: connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(sqlite)?,
        fresh: Fresh::read(&writer).map_err(sqlite)?,
        writer,
        readers: readers.collect::<Result<_, _>>()?,
        lock,
    })
}

/// Takes the lock of a file that exists already. One that never had a lock, such as a backup, gets none.
pub(crate) fn take_lock(path: &Path) -> Result<Option<Lock>, OpenError> {
    path.metadata().map_err(|source| OpenError::Io {
        path: path.to_owned(),
        source,
    })?;
    lock_path(path).exists().then(|| lock(path)).transpose()
}

fn lock_path(path: &Path) -> PathBuf {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    lock_path.into()
}

/// A locked file. It is let go of by name: closing is not enough when this process is just starting another one, which has
/// the file open, too, until its program is loaded.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // If this fails, closing is what is left.
        let _ = self.0.unlock();
    }
}

/// SQLite's own locks are taken per transaction; this one is held for as long as the store lives.
fn lock(path: &Path) -> Result<Lock, OpenError> {
    let lock_path = lock_path(path);
    let io = |source| OpenError::Io {
        path: lock_path.clone(),
        source,
    };
    let file = private(&lock_path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

/// Opens or makes a file, and makes it one that only its owner can read; SQLite gives its WAL the same mode.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // A copy that was put back may have the mode of other files.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// The log beside a file.
pub(crate) fn log_path(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

/// A connection that leaves everything as it is. It could write, since only then SQLite clears away behind itself.
pub(crate) fn connect_to_look(path: &Path) -> rusqlite::Result<Connection> {
    let log_left = log_path(path).metadata().is_ok_and(|log| log.len() > 0);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, log_left)?;
    Ok(connection)
}

fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // The one who writes keeps them by construction; `store check` looks whether that is so.
    connection.pragma_update(None, "foreign_keys", false)?;
    if mode.contains(OpenFlags::SQLITE_OPEN_READ_WRITE) {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", CACHE_PAGES)?;
        // Else a statement is prepared anew each time another value is bound to its LIMIT, which takes longer than to run
        // it. Those who read choose among more statements, some of which need the values to find their index.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // What a savepoint would put back is a few pages for each job; they need no file.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_is_bound_to_its_limit() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(&dir.path().join("larkspur.db"), &Options::default()).unwrap();
        let mut due = opened.writer.prepare(crate::queue::DUE).unwrap();
        for limit in 1..4 {
            assert!(!due.exists(rusqlite::params!["cli_1", 7, limit]).unwrap());
        }
        assert_eq!(due.get_status(rusqlite::StatementStatus::RePrepare), 0);
    }

    #[test]
    fn a_commit_is_synced_to_the_write_ahead_log() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(&dir.path().join("larkspur.db"), &Options::default()).unwrap();
        let pragma = |name| {
            opened
                .writer
                .pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0))
        };
        assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
        // 2 is FULL.
        assert_eq!(pragma("synchronous").unwrap(), 2.into());
    }

    #[test]
    fn a_lock_is_let_go_of_although_another_process_has_its_file_open() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("larkspur.db");
        let held = lock(&path).unwrap();
        let inherited = held.0.try_clone().unwrap();
        assert!(matches!(lock(&path), Err(OpenError::InUse { .. })));
        drop(held);
        drop(lock(&path).unwrap());
        drop(inherited);
    }
}
