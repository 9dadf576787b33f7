//! The one thread that writes, with adaptive group commit: what waits goes into one transaction, and only under load
//! does an event wait for company.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use larkspur_store::{Histogram, SHORT, StoreError, Writing};
use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use crate::checkpoint::Checkpoints;
use crate::failed;
use crate::ids::Ids;
use crate::lanes::{Lane, Lanes};
use crate::open::{Lock, OpenError};

const BEGIN_JOB: &str = "SAVEPOINT job";
const UNDO_JOB: &str = "ROLLBACK TO job";
const END_JOB: &str = "RELEASE job";

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

/// A write that waits. It is answered after the commit that carried it.
pub(crate) trait Job: Send {
    /// Whether it may be run again after its writes were undone.
    fn is_repeatable(&self) -> bool;
    /// Answers whether its writes are to be kept.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>);
}

struct Work<T, F> {
    doing: &'static str,
    run: F,
    is_repeatable: bool,
    done: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F> Job for Work<T, F>
where
    F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send,
{
    fn is_repeatable(&self) -> bool {
        self.is_repeatable
    }

    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        let done = (self.run)(transaction);
        let ok = done.is_ok();
        self.done = Some(done);
        ok
    }

    fn answer(self: Box<Self>, committed: Result<(), &rusqlite::Error>) {
        let Self { doing, done, reply, .. } = *self;
        let answer = match (done, committed) {
            (Some(Ok(value)), Ok(())) => Ok(value),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(StoreError::Backend {
                doing,
                source: error.to_string().into(),
            }),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // Who asked may have gone away.
        let _ = reply.send(answer);
    }
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
            write(connection, checkpoints, &taken.0, &ids, &counted);
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
        F: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let mut work = Some(work);
        // It is run once, since it is not repeatable.
        let once = move |tx: &Transaction<'_>| work.take().map_or(Err(StoreError::Closed), |work| work(tx));
        self.push(Lane::First, doing, false, once).await
    }

    /// Runs a write that may be run again in the lane it belongs to, and answers when it is on disk. Those that come
    /// together need no savepoints, which is cheaper.
    pub(crate) async fn write_in<T, F>(&self, lane: Lane, doing: &'static str, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.push(lane, doing, true, work).await
    }

    async fn push<T, F>(&self, lane: Lane, doing: &'static str, is_repeatable: bool, run: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = Work {
            doing,
            run,
            is_repeatable,
            done: None,
            reply,
        };
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

/// Held by the writing thread: however it ends, nobody waits for it any longer.
struct Abandon(Arc<Lanes>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn write(mut connection: Connection, checkpoints: Checkpoints, lanes: &Lanes, ids: &Ids, counters: &Counters) {
    while let Some(mut batch) = lanes.take() {
        let committed = commit(&mut connection, &mut batch, ids, counters);
        match committed {
            Ok(()) => ids.committed(),
            Err(_) => ids.undone(0),
        }
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.failed.fetch_add(committed.is_err().into(), Ordering::Relaxed);
        counters.jobs.fetch_add(batch.len() as u64, Ordering::Relaxed);
        for job in batch {
            job.answer(committed.as_ref().copied());
        }
    }
    if let Err(error) = ids.close(&mut connection) {
        tracing::debug!("event ids are not in their index, the next start reads them: {error}");
    }
    checkpoints.end(&mut connection);
    // The last connection to close moves everything into the one file.
    if let Err((_, error)) = connection.close() {
        tracing::debug!("the last checkpoint failed, the next start makes up for it: {error}");
    }
}

/// One job that fails never fails another. Jobs that may all be run again need no savepoint while none fails: when one
/// does, the transaction begins anew, and each has its own.
fn commit(
    connection: &mut Connection,
    batch: &mut [Box<dyn Job>],
    ids: &Ids,
    counters: &Counters,
) -> rusqlite::Result<()> {
    let begin = rusqlite::TransactionBehavior::Immediate;
    let mut transaction = connection.transaction_with_behavior(begin)?;
    let are_repeatable = batch.iter().all(|job| job.is_repeatable());
    if !are_repeatable || !batch.iter_mut().all(|job| job.run(&transaction)) {
        if are_repeatable {
            // A full disk may have undone it already.
            drop(transaction);
            ids.undone(0);
            transaction = connection.transaction_with_behavior(begin)?;
        }
        run_apart(&transaction, batch, ids, counters)?;
    }
    ids.fold(&transaction)?;
    let started = Instant::now();
    transaction.commit()?;
    counters.took.add(started.elapsed());
    Ok(())
}

/// Runs each job in a savepoint of its own.
fn run_apart(
    transaction: &Transaction<'_>,
    batch: &mut [Box<dyn Job>],
    ids: &Ids,
    counters: &Counters,
) -> rusqlite::Result<()> {
    for job in batch {
        let changes = ids.changes();
        transaction.prepare_cached(BEGIN_JOB)?.execute([])?;
        if !job.run(transaction) {
            counters.failed.fetch_add(1, Ordering::Relaxed);
            transaction.prepare_cached(UNDO_JOB)?.execute([])?;
            ids.undone(changes);
        }
        transaction.prepare_cached(END_JOB)?.execute([])?;
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_that_cannot_begin_is_the_backends_failure() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("BEGIN").unwrap();
        let (reply, answer) = oneshot::channel();
        let mut batch: Vec<Box<dyn Job>> = vec![Box::new(Work {
            doing: "try",
            run: |_: &Transaction<'_>| Ok(()),
            is_repeatable: false,
            done: None,
            reply,
        })];
        let committed = commit(&mut connection, &mut batch, &Ids::default(), &Counters::default());
        for job in batch {
            job.answer(committed.as_ref().copied());
        }
        let answer = answer.blocking_recv().unwrap();
        assert!(
            matches!(answer, Err(StoreError::Backend { doing: "try", .. })),
            "{answer:?}"
        );
    }

    #[test]
    fn one_that_fails_among_those_that_may_be_run_again_fails_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER UNIQUE)").unwrap();
        let insert = |n: i64| -> Box<dyn Job> {
            Box::new(Work {
                doing: "try",
                run: move |tx: &Transaction<'_>| execute(tx, "try", "INSERT INTO t VALUES (?1)", [n]),
                is_repeatable: true,
                done: None,
                reply: oneshot::channel().0,
            })
        };
        let mut batch: Vec<_> = [1, 2, 2, 3].map(insert).into();
        let counters = Counters::default();
        commit(&mut connection, &mut batch, &Ids::default(), &counters).unwrap();
        let sum: i64 = connection
            .query_row("SELECT sum(n) FROM t", [], |row| row.get(0))
            .unwrap();
        assert_eq!((sum, counters.failed.load(Ordering::Relaxed)), (6, 1));
    }
}
