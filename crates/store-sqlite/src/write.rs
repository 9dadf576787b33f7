//! The one thread that writes, with adaptive group commit: what waits goes into one transaction, and only under load
//! does an event wait for company.

mod job;
mod thread;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use larkspur_store::{Histogram, SHORT, StoreError, Writing};
use rusqlite::{Connection, Transaction};

use crate::checkpoint::Checkpoints;
use crate::failed;
use crate::ids::Ids;
use crate::lanes::{Lane, Lanes};
use crate::open::{Lock, OpenError};

pub(crate) use job::Job;
use job::Work;
use thread::Abandon;

/// What the writer has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitCounts {
    /// Transactions.
    pub commits: u64,
    /// Writes in them.
    pub jobs: u64,
}

#[derive(Debug)]
struct Counters {
    commits: AtomicU64,
    jobs: AtomicU64,
    failed: AtomicU64,
    took: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            commits: AtomicU64::default(),
            jobs: AtomicU64::default(),
            failed: AtomicU64::default(),
            took: Histogram::new(SHORT),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Writer {
    lanes: Arc<Lanes>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
}

impl Writer {
    pub(crate) fn start(
        mut connection: Connection,
        copier: Connection,
        lock: Lock,
        ids: Arc<Ids>,
        accept_bytes_max: usize,
    ) -> Result<Self, OpenError> {
        let checkpoints = Checkpoints::start(&mut connection, copier).map_err(OpenError::Thread)?;
        let lanes = Arc::new(Lanes::new(accept_bytes_max));
        let counters = Arc::<Counters>::default();
        let (taken, counted) = (Abandon(Arc::clone(&lanes)), Arc::clone(&counters));
        let write = move || {
            thread::write(connection, checkpoints, &taken.0, &ids, &counted);
            // Only now may another process have the file.
            drop(lock);
        };
        let thread = std::thread::Builder::new()
            .name("larkspur-sqlite".to_owned())
            .spawn(write)
            .map_err(OpenError::Thread)?;
        Ok(Self {
            lanes,
            thread: Mutex::new(Some(thread)),
            counters,
        })
    }

    /// Runs a write in the next transaction, ahead of what is to be accepted, and answers when it is on disk.
    pub(crate) async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_in(Lane::First, doing, work).await
    }

    /// Runs a write in the lane it belongs to, and answers when it is on disk. It is run again after its writes were
    /// undone because of another one.
    pub(crate) async fn write_in<T, F>(&self, lane: Lane, doing: &'static str, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (work, answer) = Work::new(doing, run);
        self.lanes.push(lane, Box::new(work))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Writes what waits and ends the thread.
    pub(crate) async fn close(&self) {
        self.lanes.close();
        if let Some(thread) = self.thread() {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the writing thread ended with a panic");
            }
        }
    }

    fn thread(&self) -> Option<JoinHandle<()>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn counts(&self) -> CommitCounts {
        let Counters { commits, jobs, .. } = &*self.counters;
        CommitCounts {
            commits: commits.load(Ordering::Relaxed),
            jobs: jobs.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn writing(&self) -> Writing {
        Writing {
            commits: self.counters.took.read(),
            failed: self.counters.failed.load(Ordering::Relaxed),
            jobs: self.counters.jobs.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lanes.close();
        if self.thread().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the writing thread ended with a panic");
        }
    }
}

/// Runs a statement from the cache of prepared ones.
pub(crate) fn execute(
    transaction: &Transaction<'_>,
    doing: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<usize, StoreError> {
    transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params))
        .map_err(failed(doing))
}
