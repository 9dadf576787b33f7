//! A SQLite file of our own: one thread reads and writes it, and what waits is committed together.

mod lock;

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use lock::Lock;

/// Calls that wait for the thread; more wait with whoever makes them.
const WAITING_MAX: usize = 1_024;
/// Calls that are committed together. More would make the first of them wait for longer than a commit takes.
const TOGETHER_MAX: usize = 256;

/// A file cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Another process has it, or another part of this one.
    #[error("`{}` is in use", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be opened or made.
    #[error("`{}` cannot be opened: {reason}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the operating system or SQLite says.
        reason: String,
    },
    /// It is no file of ours, or one of another version.
    #[error("`{}` holds {found}, and should hold {expected}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its marks, as SQLite's `application_id` and `user_version`.
        found: String,
        /// The marks that are known.
        expected: String,
    },
    /// It cannot be read or written any more.
    #[error("the file cannot be read or written: {reason}")]
    Failed {
        /// What SQLite says.
        reason: String,
    },
}

/// What a file is for, so that one is never taken for another.
pub(crate) struct Schema {
    /// SQLite's mark for the kind of file.
    pub(crate) application_id: i32,
    /// The version of the tables.
    pub(crate) version: i32,
    /// Makes the tables of a new file.
    pub(crate) create: &'static str,
}

/// An open file. Dropping it waits for what has been asked of it.
pub(crate) struct Database {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Works on the file, and answers whom to tell when that is committed; or learns why it cannot.
type Job = Box<dyn FnOnce(Result<&Connection, FileError>) -> Result<Tell, FileError> + Send>;
type Tell = Box<dyn FnOnce(Result<(), FileError>) + Send>;

impl Database {
    /// Opens or makes a file, and lets `prepare` have it first.
    pub(crate) fn open(
        path: &Path,
        schema: &Schema,
        prepare: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, FileError> {
        let lock = Lock::take(path)?;
        let connection = connect(path, schema)?;
        prepare(&connection).map_err(|error| open_error(path, &error))?;
        let (jobs, waiting) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("larkspur-file".to_owned());
        let thread = thread.spawn(move || {
            work(connection, waiting);
            drop(lock);
        });
        let thread = thread.map_err(|error| open_error(path, &error))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Runs this on the file's thread; what it answers is committed.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, FileError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            let worked = connection.and_then(|connection| work(connection).map_err(failed));
            match worked {
                Ok(value) => Ok(Box::new(move |committed| {
                    let _ = answer.send(committed.map(|()| value));
                })),
                Err(error) => {
                    let _ = answer.send(Err(error.clone()));
                    Err(error)
                }
            }
        });
        let gone = || FileError::Failed {
            reason: "its thread has ended".to_owned(),
        };
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has no panics of its own to tell of.
            let _ = thread.join();
        }
    }
}

fn work(mut connection: Connection, mut waiting: mpsc::Receiver<Job>) {
    while let Some(job) = waiting.blocking_recv() {
        let mut tell = Vec::new();
        let committed = match connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(transaction) => together(transaction, job, &mut waiting, &mut tell),
            Err(error) => job(Err(failed(error))).map(|_| ()),
        };
        for tell in tell {
            tell(committed.clone());
        }
    }
}

/// Commits what waits, or when one of them fails, none.
fn together(
    transaction: Transaction<'_>,
    first: Job,
    waiting: &mut mpsc::Receiver<Job>,
    tell: &mut Vec<Tell>,
) -> Result<(), FileError> {
    tell.push(first(Ok(&transaction))?);
    while tell.len() < TOGETHER_MAX
        && let Ok(job) = waiting.try_recv()
    {
        tell.push(job(Ok(&transaction))?);
    }
    transaction.commit().map_err(failed)
}

fn failed(error: rusqlite::Error) -> FileError {
    FileError::Failed {
        reason: error.to_string(),
    }
}

fn open_error(path: &Path, error: &dyn std::error::Error) -> FileError {
    FileError::Open {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Opens or makes a file that only its owner can read, since it holds what people wrote; SQLite gives its log the same
/// mode.
fn private(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn connect(path: &Path, schema: &Schema) -> Result<Connection, FileError> {
    drop(private(path).map_err(|error| open_error(path, &error))?);
    let marks = || -> rusqlite::Result<(Connection, i32, i32)> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.set_prepared_statement_cache_capacity(32);
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let application_id = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        Ok((connection, application_id, version))
    };
    let (connection, application_id, version) = marks().map_err(|error| open_error(path, &error))?;
    let made = if (application_id, version) == (0, 0) {
        connection.execute_batch(&format!(
            "BEGIN; {} PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT;",
            schema.create, schema.application_id, schema.version
        ))
    } else if (application_id, version) == (schema.application_id, schema.version) {
        Ok(())
    } else {
        return Err(FileError::Foreign {
            path: path.to_owned(),
            found: format!("{application_id:#x} version {version}"),
            expected: format!("{:#x} version {}", schema.application_id, schema.version),
        });
    };
    made.map_err(|error| open_error(path, &error))?;
    Ok(connection)
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: Schema = Schema {
        application_id: 1,
        version: 1,
        create: "CREATE TABLE number (value INTEGER NOT NULL UNIQUE) STRICT;",
    };

    fn open(path: &Path, schema: &Schema) -> Result<Database, FileError> {
        Database::open(path, schema, |_| Ok(()))
    }

    fn add(value: i64) -> impl FnOnce(&Connection) -> rusqlite::Result<usize> {
        move |connection| connection.execute("INSERT INTO number VALUES (?1)", [value])
    }

    fn count(connection: &Connection) -> rusqlite::Result<i64> {
        connection.query_row("SELECT COUNT(*) FROM number", (), |row| row.get(0))
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.db");
        let database = open(&path, &NUMBERS).unwrap();
        let calls = (0..100).map(|value| database.call(add(value)));
        for added in futures_util::future::join_all(calls).await {
            added.unwrap();
        }
        drop(database);
        let database = open(&path, &NUMBERS).unwrap();
        assert_eq!(database.call(count).await.unwrap(), 100);
    }

    #[tokio::test]
    async fn what_fails_says_so_and_the_file_stays_of_use() {
        let dir = tempfile::tempdir().unwrap();
        let database = open(&dir.path().join("numbers.db"), &NUMBERS).unwrap();
        database.call(add(1)).await.unwrap();
        let (again, other) = tokio::join!(database.call(add(1)), database.call(add(2)));
        assert!(matches!(again, Err(FileError::Failed { .. })));
        assert_eq!(database.call(count).await.unwrap(), 1 + i64::from(other.is_ok()));
    }

    #[test]
    fn a_file_in_use_or_of_another_kind_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.db");
        let database = open(&path, &NUMBERS).unwrap();
        assert!(matches!(open(&path, &NUMBERS), Err(FileError::InUse { .. })));
        drop(database);
        let other = Schema {
            application_id: 2,
            ..NUMBERS
        };
        assert!(matches!(open(&path, &other), Err(FileError::Foreign { .. })));
        assert!(matches!(open(dir.path(), &NUMBERS), Err(FileError::Open { .. })));
    }
}
