//! The one thread that writes, with adaptive group commit: what waits goes into one transaction, and nothing waits
//! for company.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use larkspur_store::StoreError;
use rusqlite::{Connection, Transaction};
use tokio::sync::{mpsc, oneshot};

use crate::failed;
use crate::open::OpenError;

/// One transaction carries this many writes; more would make the first ones wait.
const JOBS_PER_COMMIT_MAX: usize = 512;

/// What the writer has done so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitCounts {
    /// Transactions.
    pub commits: u64,
    /// Writes in them.
    pub jobs: u64,
}

#[derive(Debug, Default)]
struct Counters {
    commits: AtomicU64,
    jobs: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    counters: Arc<Counters>,
    waiting_max: usize,
}

/// A write that waits. It is answered after the commit that carried it.
trait Job: Send {
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>);
}

struct Work<T, F> {
    doing: &'static str,
    run: Option<F>,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F> Job for Work<T, F>
where
    F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        let done = self.run.take().map(|run| run(transaction));
        let ok = matches!(done, Some(Ok(_)));
        self.done = done;
        ok
    }

    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>) {
        let Self { doing, done, reply, .. } = *self;
        let answer = match (done, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(_)), Err(error)) => Err(StoreError::Backend {
                doing,
                source: error.to_string().into(),
            }),
            (None, _) => Err(StoreError::Closed),
        };
        // Who asked may have gone away.
        let _ = reply.send(answer);
    }
}

impl Writer {
    pub(crate) fn start(connection: Connection, lock: File, waiting_max: usize) -> Result<Self, OpenError> {
        let (jobs, queue) = mpsc::channel(waiting_max.max(1));
        let counters = Arc::new(Counters::default());
        let counted = Arc::clone(&counters);
        let write = move || {
            write(connection, queue, &counted);
            // Only now may another process have the file.
            drop(lock);
        };
        let thread = std::thread::Builder::new()
            .name("larkspur-sqlite".to_owned())
            .spawn(write);
        let thread = Mutex::new(Some(thread.map_err(OpenError::Thread)?));
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            thread,
            counters,
            waiting_max,
        })
    }

    /// Runs a write in the next transaction, and answers when it is on disk.
    pub(crate) async fn write<T, F>(&self, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let jobs = self
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        jobs.try_send(Box::new(Work {
            doing,
            run: Some(work),
            done: None,
            reply,
        }))
        .map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy {
                waiting: self.waiting_max,
            },
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        drop(jobs);
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    pub(crate) async fn close(&self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the writing thread ended with a panic");
            }
        }
    }

    pub(crate) fn counts(&self) -> CommitCounts {
        let Counters { commits, jobs } = &*self.counters;
        CommitCounts {
            commits: commits.load(Ordering::Relaxed),
            jobs: jobs.load(Ordering::Relaxed),
        }
    }
}

fn write(mut connection: Connection, mut queue: mpsc::Receiver<Box<dyn Job>>, counters: &Counters) {
    let mut batch = Vec::with_capacity(JOBS_PER_COMMIT_MAX);
    while queue.blocking_recv_many(&mut batch, JOBS_PER_COMMIT_MAX) > 0 {
        let committed = commit(&mut connection, &mut batch);
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for job in batch.drain(..) {
            job.answer(committed.as_ref().copied());
        }
    }
    if let Err(error) = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE") {
        tracing::debug!("the last checkpoint failed, the next start makes up for it: {error}");
    }
}

/// One job that fails never fails another: each has a savepoint of its own.
fn commit(connection: &mut Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for job in batch {
        transaction.execute_batch("SAVEPOINT job")?;
        let end = if job.run(&transaction) {
            "RELEASE job"
        } else {
            "ROLLBACK TO job; RELEASE job"
        };
        transaction.execute_batch(end)?;
    }
    transaction.commit()
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
