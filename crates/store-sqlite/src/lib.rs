//! The embedded store: one SQLite file, one thread that writes, a few connections that read.
//!
//! Whatever waits to be written goes into one transaction (group commit), and nobody is answered before it is on
//! disk. App Secrets, Verification Tokens and Encrypt Keys are in the file as they are, since the platform signs with
//! them: the file is readable by its owner only (mode 0600), and belongs on an encrypted disk.

mod accept;
mod check;
mod checkpoint;
mod copy;
mod damage;
mod fresh;
mod ids;
mod lanes;
mod log;
mod migrate;
mod open;
#[cfg(test)]
mod plans;
mod queue;
mod read;
mod registry;
mod row;
mod settle;
mod upkeep;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use larkspur_store::StoreError;
use rusqlite::Transaction;

pub use check::{Report, check};
pub use copy::{BackupError, backup};
pub use open::{OpenError, Options};
pub use write::CommitCounts;

use damage::Damaged;
use fresh::Fresh;
use ids::Ids;
use open::Opened;
use read::Readers;
use write::Writer;

/// A store in one SQLite file.
///
/// ```
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use larkspur_store_sqlite::{Options, SqliteStore};
/// let store = SqliteStore::open("larkspur.db".as_ref(), &Options::default())?;
/// store.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    /// One at a time, since they all write the same file.
    copying: tokio::sync::Mutex<()>,
    closing: Arc<AtomicBool>,
    ids: Arc<Ids>,
    fresh: Arc<Fresh>,
    damaged: Arc<Damaged>,
    // Dropped before the writer, whose connection is the last one then.
    readers: Readers,
    writer: Writer,
}

impl SqliteStore {
    /// Opens a file, makes it when there is none, and brings its schema up to date. One process at a time has it.
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let Opened {
            mut writer,
            copier,
            readers,
            fresh,
            lock,
        } = open::open(path, options)?;
        copy::remove_leftover(path);
        let ids = Ids::open(&mut writer, options.ids_in_memory_max).map_err(|source| OpenError::Sqlite {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let ids = Arc::new(ids);
        Ok(Self {
            path: path.to_owned(),
            copying: tokio::sync::Mutex::default(),
            closing: Arc::default(),
            fresh: Arc::new(fresh),
            damaged: Arc::default(),
            ids: Arc::clone(&ids),
            readers: Readers::new(readers),
            writer: Writer::start(writer, copier, lock, ids, options.waiting_bytes_max)?,
        })
    }

    /// Writes what waits, and closes the file; what is asked afterwards is refused.
    ///
    /// Dropping the store writes what waits too, and blocks the thread while it does.
    pub async fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Writes what `make` makes, and tries again as long as a try finds what is damaged: the next one leaves that out.
    async fn write_past_damage<T, F>(&self, doing: &'static str, make: impl Fn() -> F + Send) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        loop {
            let known = self.damaged.count();
            match self.writer.write(doing, make()).await {
                Err(_) if self.damaged.count() > known => {}
                written => return written,
            }
        }
    }

    /// How many transactions carried how many writes.
    pub fn commits(&self) -> CommitCounts {
        self.writer.counts()
    }
}

/// What a failed statement becomes.
fn failed(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Backend {
        doing,
        source: Box::new(source),
    }
}
